"""Checkpoints: what was saved comes back; what is no checkpoint of ours is refused, and never executed."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import gald
from gald.config.network import SegmenterConfig
from gald.config.settings import SegmentationConfig, SegmentationDataConfig
from gald.data.datasets.synthetic import synthetic
from gald.data.labels import Label
from gald.engine import checkpoint
from gald.models.official import gald_r50
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError
from gald.support.files import write_whole

CONFIG = SegmentationConfig(
    model=SegmenterConfig(backbone="test_resnet", channels=8, output_stride=16),
    data=SegmentationDataConfig(root=Path("somewhere")),
)
LABELS = (Label("road", (128, 64, 128), 7), Label("pole", (153, 153, 153), 17))


@pytest.fixture
def content() -> checkpoint.Checkpoint:
    torch.manual_seed(0)
    network = Segmenter.from_config(CONFIG.model, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    return checkpoint.Checkpoint(CONFIG, LABELS, 17, 0.25, network.state_dict(), optimizer.state_dict())


@pytest.mark.parametrize("name", ["last.pt", "best.safetensors"])
def test_round_trip(content: checkpoint.Checkpoint, tmp_path: Path, name: str) -> None:
    checkpoint.save(tmp_path / name, content)
    back = checkpoint.load(tmp_path / name)
    assert (back.config, back.labels, back.step, back.best) == (CONFIG, LABELS, 17, 0.25)
    assert all(torch.equal(back.weights[key], value) for key, value in content.weights.items())
    assert (back.optimizer is not None) == (name == "last.pt")

    images = torch.randint(0, 256, (1, 3, 33, 47), dtype=torch.uint8)
    network = gald.load(tmp_path / name)
    assert not network.training
    assert network(images)["out"].shape == (1, 2, 33, 47)


def test_a_missing_a_truncated_and_a_foreign_file(content: checkpoint.Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint at"):
        checkpoint.load(tmp_path / "none.pt")
    for name in ("last.pt", "best.safetensors"):
        path = tmp_path / name
        checkpoint.save(path, content)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(UserError, match=f"{name} is truncated or not a"):
            checkpoint.load(path)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="doesn't carry the settings of a run"):
        checkpoint.load(tmp_path / "other.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="doesn't carry the settings of a run"):
        checkpoint.load(tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UserError, match="text.pt"):
        checkpoint.load(tmp_path / "text.pt")


@pytest.mark.parametrize("name", ["last.pt", "best.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_a_cut_file_is_one_sentence(content: checkpoint.Checkpoint, tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    checkpoint.save(path, content)
    whole = path.read_bytes()
    for kept in (int(share * len(whole)), int(share * len(whole)) + 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(UserError, match=name):
            checkpoint.load(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": "[{"}, "is a damaged checkpoint"),
        ({"labels": '[{"name": 1}]'}, "no 'color'"),
        ({"labels": "3"}, "is a damaged checkpoint"),
        ({"step": "many"}, "is a damaged checkpoint"),
        ({"config": "{"}, "the settings in .* is not JSON"),
        ({"format": "gald-1", "only": True}, "no 'labels'"),
    ],
)
def test_a_damaged_one_too(content: checkpoint.Checkpoint, tmp_path: Path, change: dict[str, str], words: str) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save(path, content)
    held = {} if "only" in change else torch.load(path, weights_only=True)
    torch.save(held | change, path)
    with pytest.raises(UserError, match=words) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gald.support.files.os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


class Trap:
    """Unpickled the careless way, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"weights": Trap(sprung)}, tmp_path / "trap.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("trap.pt", "plain.pt"):
        with pytest.raises(UserError, match=name):
            checkpoint.load(tmp_path / name)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()  # the trap does work


def test_weights_of_another_network_are_named(content: checkpoint.Checkpoint, tmp_path: Path) -> None:
    wider = replace(content, config=replace(CONFIG, model=replace(CONFIG.model, channels=16)))
    checkpoint.save(tmp_path / "wider.pt", wider)
    with pytest.raises(UserError, match=r"wider\.pt is of another network: of \d+ weights, \d+ of another shape \("):
        gald.load(tmp_path / "wider.pt")
    official = replace(content, weights={k: v for k, v in gald_r50(19).state_dict().items() if "layer" in k})
    checkpoint.save(tmp_path / "official.pt", official)
    with pytest.raises(UserError, match=r"\d+ missing \(.*\d+ unknown \("):
        gald.load(tmp_path / "official.pt")


def test_a_class_count_that_does_not_fit(content: checkpoint.Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has 2 classes and the data set has 8"):
        checkpoint.check_classes(content, synthetic().labels, tmp_path / "best.safetensors")


def test_a_folder_that_cannot_be_written(content: checkpoint.Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write .*last.pt"):
        checkpoint.save(tmp_path / "file" / "last.pt", content)

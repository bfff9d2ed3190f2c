"""The command line's own words: wrong names get the nearest right one, mistakes one sentence and no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from inspect import signature
from pathlib import Path

import pytest
from fake import camvid as fake_camvid
from fake.streets import picture
from running import PATIENCE, gald

from gald.cli import main as cli
from gald.cli.train import with_defaults
from gald.config.network import SegmenterConfig
from gald.config.recipes import RECIPES
from gald.config.serialization import to_json
from gald.config.settings import SegmentationConfig, SegmentationDataConfig
from gald.data.registry import load_segmentation
from gald.engine import checkpoint
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError, sentence


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(each) for each in arguments])
    assert stop.value.code == 2
    out = capsys.readouterr()
    return out.err + out.out


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([])
    text = capsys.readouterr().out
    assert all(name in text for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["train", "camvid_lite"], "unknown recipe 'camvid_lite'; did you mean 'camvid_lite0'"),
        (["train"], "say what to train"),
        (["train", "synthetic", "--config", "x.json"], "a recipe or --config FILE, not both"),
        (["train", "--config", "nowhere.json"], "can't read the settings at nowhere.json"),
        (["train", "--resume", "--out", "nowhere"], "can't read the settings at nowhere/config.json"),
        (["train", "synthetic", "--data.rooot", "x"], "--data.root"),
        (["evaluate", "--checkpoint", "nowhere.pt"], "no checkpoint at nowhere.pt"),
        (["evaluate", "--checkpoint", "nowhere.pt", "--devices", "0"], "--devices is 0 and --nodes is 1; both must be"),
        (["evaluate", "--checkpoint", "nowhere.pt", "--workers", "-1"], "--workers is -1; it must be 0 or more"),
        (
            ["evaluate", "--checkpoint", "nowhere.pt", "--precision", "16-mixed", "--accelerator", "cpu"],
            "--precision 16-mixed needs a GPU; use bf16-mixed or 32-true on a CPU",
        ),
        (["data", "synthetic", "--samples", "-1"], "samples is -1; it must be 0 or more"),
        (["predict", "--checkpoint", "nowhere.pt"], "no pictures given"),
        (["predict", "x*.jpg", "--checkpoint", "nowhere.pt"], "no file matches 'x*.jpg'"),
    ],
)
def test_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    text = refused(capsys, *arguments)
    assert words in " ".join(text.replace("│", " ").split())
    assert "Traceback" not in text


def test_a_setting_that_cannot_work_is_one_sentence_too(capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "train", "synthetic", "--data.crop", 8, 8)
    assert "at least 32 pixels" in " ".join(text.replace("│", " ").split())
    assert "Traceback" not in text


def test_a_recipe_fills_the_defaults_and_flags_change_them(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(to_json(RECIPES["synthetic"]()))
    for arguments in (["synthetic", "--steps", "3"], ["--config", str(tmp_path / "config.json"), "--steps", "3"]):
        command, rest = with_defaults(arguments)
        assert rest == ["--steps", "3"]
        assert signature(command).parameters["settings"].default == RECIPES["synthetic"]()
    assert isinstance(signature(with_defaults(["--help"])[0]).parameters["settings"].default, SegmentationConfig)


def test_a_wrong_label_in_a_loading_process_is_one_sentence(tmp_path: Path) -> None:
    """torch wraps a worker's error in its traceback; the user sees the sentence alone."""
    root = fake_camvid.write(tmp_path / "data")
    label = next((root / "train" / "labels").iterdir())
    from fake.streets import label as write_label

    write_label(label, (0, 1, 77))
    done = gald("train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", tmp_path / "run",
                "--model.backbone", "test_resnet", "--data.crop", 32, 32, "--data.workers", 1)  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"label {label} has the value 77" in done.stderr


def test_the_sentence_of_an_error() -> None:
    assert sentence(UserError("plain")) == "plain"


def test_what_does_not_exist_is_said_before_torch_is_there(tmp_path: Path) -> None:
    guard = "finally: assert 'torch' not in sys.modules"
    script = f"import sys\nfrom gald.cli.main import main\ntry: main(sys.argv[1:])\n{guard}"
    missing = [f"{n}.png" for n in range(5)]
    words = [sys.executable, "-c", script, "predict", *missing]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert "there is no file 0.png, 1.png, 2.png (nor 2 others)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint and the data that it was trained on, one picture to validate."""
    folder = tmp_path_factory.mktemp("trained")
    root = fake_camvid.write(folder / "data")
    config = SegmentationConfig(
        model=SegmenterConfig(backbone="test_resnet", channels=8, output_stride=16, pretrained=False),
        data=SegmentationDataConfig(name="camvid", root=root, crop=(32, 48), workers=0),
    )
    labels = load_segmentation("camvid", root, "val").labels
    network = Segmenter.from_config(config.model, len(labels))
    path = folder / "run" / "best.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(config, labels, 1, 0.5, network.state_dict()))
    for kind in ("images", "labels"):
        for file in sorted((root / "val" / kind).iterdir())[1:]:
            file.unlink()
    return path, root


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three pictures, the last of which can't be read."""
    paths = [picture(tmp_path / "photos" / f"{name}.png", (40, 48)) for name in "ab"]
    broken = tmp_path / "photos" / "broken.jpg"
    broken.write_bytes(b"no picture")
    return [*paths, broken]


def predict(photos: Sequence[Path], checkpoint: Path, out: Path) -> int:
    """The exit code of ``gald predict``."""
    words = ["predict", *photos, "--checkpoint", checkpoint, "--out", out, "--accelerator", "cpu"]
    try:
        cli.main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_second_prediction_says_what_becomes_of_the_first(
    trained: tuple[Path, Path], photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert predict(photos, trained[0], out) == 1
    said = capsys.readouterr()
    assert "earlier" not in said.err
    assert "2 of 3 pictures done: " in said.out
    (out / "of mine.txt").touch()
    assert predict(photos[::2], trained[0], out) == 1  # one of the two can't be read
    assert f"{out} held 4 files of earlier predictions: 2 were written over, 2 stay" in capsys.readouterr().err
    assert len([path for path in out.rglob("*") if path.is_file()]) == 5
    assert predict(photos[2:], trained[0], out) == 1  # nothing is written
    assert "earlier" not in capsys.readouterr().err


def test_a_prediction_of_nothing_writes_nothing(
    trained: tuple[Path, Path], photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos[2:], trained[0], tmp_path / "new" / "out") == 1
    assert "0 of 1 pictures done; nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("split", "pictures"), [("val", 1), ("test", 3)])
def test_more_processes_than_pictures_end_with_every_picture_counted_once(
    trained: tuple[Path, Path], tmp_path: Path, split: str, pictures: int
) -> None:
    path, _ = trained
    scores = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.json"
        done = gald("evaluate", "--checkpoint", path, "--split", split, "--out", out, "--devices", devices,
                    "--workers", 0, "--accelerator", "cpu")  # fmt: skip
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(out.read_text()))
    assert scores[0]["scores"] == scores[1]["scores"]
    assert scores[0]["pictures"] == pictures


def test_numbers_that_cannot_be_written_are_refused_before_the_work(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gald.engine.evaluate.measure", lambda *_, **__: pytest.fail("it was measured"))
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "scores.json", tmp_path):
        assert f"cannot write {out}" in refused(capsys, "evaluate", "--checkpoint", trained[0], "--out", out)
    assert {each.name for each in tmp_path.iterdir()} == {"file"}


def test_a_wrong_out_hides_no_other_mistake(
    trained: tuple[Path, Path], photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, root = trained
    (tmp_path / "file").touch()
    out = ("--out", tmp_path / "file" / "deeper")
    for words in (["evaluate"], ["predict", *photos]):
        said = refused(capsys, *words, "--checkpoint", checkpoint, "--tile", 0, *out)
        assert "a tile has 1 pixel or more" in said
    said = refused(capsys, "score", "camvid", tmp_path / "nothing", "--root", root, *out)
    assert f"the folder of predictions {tmp_path / 'nothing'} does not exist" in said
    assert f"cannot write {out[1]}" in refused(capsys, "evaluate", "--checkpoint", checkpoint, *out)
    assert f"cannot write {out[1]}: Not" in refused(capsys, "predict", *photos, "--checkpoint", checkpoint, *out)


def test_the_help_of_a_recipe_tells_of_that_recipe_alone():
    one, all_of_them = (gald("train", *given, "--help").stdout for given in (["bccd_lite0"], []))
    assert "results/bccd" in one
    assert "cityscapes_r50_psp" not in one
    assert all(f"{name}:" in all_of_them for name in ("bccd_lite0", "cityscapes_r50_psp"))


def test_nothing_is_said_before_the_sentence(tmp_path: Path) -> None:
    """Not of the precision either, which Lightning Fabric would name first."""
    told = gald("evaluate", "--checkpoint", tmp_path / "nothing.safetensors", "--precision", "bf16-mixed")
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (2, "", 1), told.stdout + told.stderr

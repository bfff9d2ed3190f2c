"""The network in the box: the file is the one that was measured, and it is used where no checkpoint is named."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from running import gald as run
from torch import nn

import gald
from gald.config.recipes import RECIPES
from gald.data.datasets.camvid import LABELS, camvid
from gald.engine import checkpoint
from gald.images.io import write_image
from gald.metrics import MeanIoU
from gald.models.pretrained import STREETS, scale_for
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "camvid"


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "tools" / "bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bundle = tool()
picture = bundle.drawn


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return gald.load()


def test_the_file_is_the_one_that_was_measured():
    content = STREETS.read_bytes()
    assert len(content) < 20e6
    assert hashlib.sha256(content).hexdigest() == bundle.GOLDEN_HASH.read_text()


def test_it_holds_half_precision_and_no_path_of_the_machine_it_was_made_on():
    content = checkpoint.load(STREETS)
    assert content.labels == LABELS
    assert {each.dtype for each in content.weights.values()} == {torch.float16, torch.int64}
    assert all(each.isfinite().all() for each in content.weights.values())
    assert (content.config.model.weights, content.config.data.root, content.config.init) == (None, None, None)
    assert content.config.data.val_split == "test"  # evaluate's split, if none is named: it was trained on val


def test_it_opens_in_full_precision_ready_to_use(network: nn.Module):
    assert not network.training
    assert {each.dtype for each in network.parameters()} == {torch.float32}
    assert network(picture()[None])["out"].shape == (1, 11, 180, 240)


def test_it_gives_the_label_map_that_it_gave_when_it_was_made(network: nn.Module):
    with torch.inference_mode():
        found = network(picture()[None])["out"].argmax(1)[0].to(torch.uint8).numpy()
    agreeing = (found == np.asarray(Image.open(bundle.GOLDEN))).mean()
    assert agreeing > 0.995, "only pixels between two classes may change with the machine's rounding"


def test_predict_takes_it_where_no_checkpoint_is_named(tmp_path: Path):
    write_image(picture(), tmp_path / "street.png")
    told = run("predict", tmp_path / "street.png", "--out", tmp_path / "out", "--scales", "1")
    assert (told.returncode, "1 of 1 pictures done" in told.stdout) == (0, True), told.stderr
    found = np.asarray(Image.open(tmp_path / "out" / "labels" / "street.png"))
    assert (found == np.asarray(Image.open(bundle.GOLDEN))).mean() > 0.995


def test_a_picture_is_resized_to_what_it_knows(tmp_path: Path):
    assert (scale_for(480, 360), scale_for(20, 30), scale_for(1080, 1440), scale_for(3600, 2700)) == (
        1.5,
        1.5,
        0.5,
        0.2,
    )
    large = Image.fromarray(picture().permute(1, 2, 0).numpy()).resize((1440, 216))
    large.save(tmp_path / "large.png")
    own = shutil.copy(STREETS, tmp_path / "own.safetensors")
    flags = {"left_out": (), "shrunk": ("--scales", "0.5"), "whole": ("--scales", "1"), "own": ("--checkpoint", own)}
    for name, given in flags.items():
        told = run("predict", tmp_path / "large.png", "--out", tmp_path / name, *given)
        assert told.returncode == 0, told.stderr
    left_out, shrunk, whole, own = (np.asarray(Image.open(tmp_path / name / "labels" / "large.png")) for name in flags)
    assert left_out.shape == (216, 1440)
    assert (left_out == shrunk).all()
    assert (left_out != whole).any()
    assert (own == whole).all(), "a network of one's own sees pictures as they are"


def test_evaluate_takes_it_too_and_writes_nothing_into_the_package(tmp_path: Path):
    for part in ("images", "labels"):
        (tmp_path / "data" / "test" / part).mkdir(parents=True)
    write_image(picture(), tmp_path / "data" / "test" / "images" / "street.png")
    Image.open(bundle.GOLDEN).save(tmp_path / "data" / "test" / "labels" / "street.png")
    before = sorted(STREETS.parent.iterdir())
    told = run("evaluate", "--data.root", tmp_path / "data", "--workers", "0", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    found = json.loads((tmp_path / "streets-camvid-test.json").read_text())
    assert found["scores"]["pixel_accuracy"] > 0.99
    assert sorted(STREETS.parent.iterdir()) == before
    assert "note: it was trained" not in told.stdout
    (tmp_path / "data" / "test").rename(tmp_path / "data" / "val")
    told = run("evaluate", "--data.root", tmp_path / "data", "--split", "val", "--workers", "0", cwd=tmp_path)
    assert "note: it was trained on 'trainval'" in told.stdout, told.stderr


@pytest.mark.skipif(not REAL.is_dir(), reason="needs CamVid in ../shared/data")
def test_it_knows_real_streets(network: nn.Module):
    """Every twelfth test picture: enough to see a file that was spoilt, not to measure it again."""
    pairs, metric = camvid(REAL, "test"), MeanIoU(11)
    for index in range(0, len(pairs), 12):
        sample = pairs[index]
        with torch.inference_mode():
            found = network(torch.as_tensor(sample["image"])[None])["out"].argmax(1)
        metric.update(found, torch.as_tensor(sample["mask"])[None].long())
    assert metric.compute()["miou"] > 0.62


# ------------------------------------------------------------------------------------------------ tools/bundle.py


def trained() -> checkpoint.Checkpoint:
    settings = RECIPES["synthetic"]()
    weights = Segmenter.from_config(settings.model, 3).state_dict()
    return checkpoint.Checkpoint(settings, LABELS[:3], 7, 0.5, weights, optimizer={"state": {}})


def test_the_tool_halves_a_checkpoint_and_keeps_what_it_answers(tmp_path: Path):
    content = trained()
    checkpoint.save(tmp_path / "last.pt", content)
    checkpoint.save(tmp_path / "small.safetensors", bundle.bundled(checkpoint.load(tmp_path / "last.pt")))
    before, after = (gald.load(tmp_path / name)(picture()[None])["out"] for name in ("last.pt", "small.safetensors"))
    assert (before.argmax(1) == after.argmax(1)).float().mean() > 0.98
    assert (tmp_path / "small.safetensors").stat().st_size < 0.6 * sum(
        each.numel() * each.element_size() for each in content.weights.values()
    )


@pytest.mark.parametrize("value", [1e5, float("nan")])
def test_the_tool_refuses_values_that_float16_cannot_hold(value: float):
    content = trained()
    name = next(name for name, each in content.weights.items() if each.is_floating_point())
    content.weights[name] = torch.full_like(content.weights[name], value)
    with pytest.raises(UserError, match="not finite, or not in float16"):
        bundle.bundled(content)


def test_the_tool_refuses_a_detector():
    content = checkpoint.Checkpoint(RECIPES["shapes"](), LABELS[:3], 7, 0.5, {})
    with pytest.raises(UserError, match="no segmentation network"):
        bundle.bundled(content)

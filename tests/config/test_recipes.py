"""Every recipe for segmentation, on a miniature of its data: trained, stopped, resumed, measured and submitted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fake import ade20k, camvid, cityscapes, coco_stuff, mapillary, pascal_context
from running import interrupt_step
from torch import nn

from gald.block import part_class
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.cli.evaluate import evaluate
from gald.cli.submit import DatasetFolder, submit
from gald.cli.train import departures, train
from gald.config.inference import RuntimeConfig, ViewConfig
from gald.config.recipes import RECIPES
from gald.config.settings import SegmentationConfig
from gald.engine import checkpoint
from gald.engine.phases import phases_of
from gald.engine.tasks import load_model
from gald.support.errors import UserError

SEGMENTATION = {name: settings for name, make in RECIPES.items() if isinstance(settings := make(), SegmentationConfig)}
SERVERS = {"cityscapes": "cityscapes", "ade20k": "ade20k", "coco_stuff10k": "coco_stuff"}


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A miniature of each data set, and of what its server wants."""
    base = tmp_path_factory.mktemp("data")
    return {
        "synthetic": base,
        "camvid": camvid.write(base / "camvid"),
        "cityscapes": cityscapes.write(base / "cityscapes"),
        "mapillary19": mapillary.write(base / "mapillary"),
        "ade20k": ade20k.write_test(ade20k.write(base / "ade20k")),
        "pascal_context59": pascal_context.write(base / "context"),
        "coco_stuff10k": coco_stuff.write10k(base / "stuff10k"),
        "coco_stuff": coco_stuff.write_test(coco_stuff.write164k(base / "stuff164k")),
    }


def small(settings: SegmentationConfig, roots: dict[str, Path]) -> SegmentationConfig:
    """A recipe with a tiny network and tiny crops, two steps a part; all else is its own."""
    then = tuple(
        replace(each, crop=each.crop and (48, 48), batch=2, steps=2, root=roots[each.data] if each.data else None)
        for each in settings.then
    )
    return replace(
        settings,
        model=replace(settings.model, backbone="test_resnet", pretrained=False, channels=16),
        data=replace(
            settings.data, root=roots[settings.data.name], crop=(32, 48), drawn_size=(32, 64), workers=0
        ),
        then=then,
        steps=2,
        batch=2,
        devices=1,
        accelerator="cpu",
    )  # fmt: skip


@pytest.mark.parametrize("name", SEGMENTATION)
def test_a_recipe_is_trained_stopped_resumed_measured_and_submitted(
    name: str,
    roots: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe, settings, out = SEGMENTATION[name], small(SEGMENTATION[name], roots), tmp_path / "run"
    last = phases_of(settings, out)[-1].folder
    interrupt_step(3 if settings.then else 1, monkeypatch)  # in the second part, if there is one
    with pytest.raises(SystemExit, match="130"):
        train(settings, out)
    assert "stopped at step 1 of 2" in capsys.readouterr().out
    train(settings, out, resume=True)
    assert f"best checkpoint: {last / 'best.safetensors'}" in capsys.readouterr().out
    check_parts(recipe, settings, out)

    best = last / "best.safetensors"
    views = ViewConfig(tile=(32, 48))
    evaluate(best, views=views, runtime=RuntimeConfig(accelerator="cpu"), workers=0, out=tmp_path / "numbers.json")
    scores = json.loads((tmp_path / "numbers.json").read_text())["scores"]
    assert all(0 <= scores[key] <= 1 for key in ("miou", "pixel_accuracy"))

    server = SERVERS.get(recipe.data.name)
    if server:
        root = roots.get(server, roots[recipe.data.name])
        views, runtime = ViewConfig(tile=(32, 48), flip=True), RuntimeConfig(accelerator="cpu")
        submit(server, best, DatasetFolder(root), tmp_path / "sent.zip", views=views, runtime=runtime)
        assert (tmp_path / "sent.zip").is_file()


def check_parts(recipe: SegmentationConfig, settings: SegmentationConfig, out: Path) -> None:
    """Each part took its last step on the recipe's own data, loss and rate; the network has the recipe's parts."""
    before: dict[str, torch.Tensor] = {}
    for number, part in enumerate(phases_of(settings, out)):
        content = checkpoint.load(part.folder / "last.pt")
        assert content.step == 2
        run = content.config
        assert isinstance(run, SegmentationConfig)
        assert (run.loss, run.precision, run.data.scale) == (recipe.loss, recipe.precision, recipe.data.scale)
        phase = recipe.then[number - 1] if number else None
        data = (phase.data if phase else None) or recipe.data.name
        split = (phase.train_split if phase else None) or recipe.data.train_split
        assert (run.data.name, run.data.train_split) == (data, split)
        assert run.optim.lr == ((phase.lr if phase else None) or recipe.optim.lr)
        if phase and phase.frozen_norm:
            assert all(torch.equal(content.weights[key], before[key]) for key in norm_state(out, before))
            assert not torch.equal(content.weights["classify.weight"], before["classify.weight"])
        before = content.weights
    network = load_model(part.folder / "best.safetensors")[0]
    block: Any = network.block
    assert type(block.ga) is part_class(AGGREGATORS[recipe.model.ga])
    assert type(block.ld) is part_class(DISTRIBUTORS[recipe.model.ld])
    assert (block.order, block.reduce) == (recipe.model.order, 1 if recipe.model.ga == "none" else recipe.model.reduce)


def norm_state(out: Path, weights: dict[str, torch.Tensor]) -> list[str]:
    """Names of what batch norms hold: gain, bias, mean, variance, count."""
    network = load_model(out / "1-begin" / "last.pt")[0]
    norms = [name for name, each in network.named_modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    found = [key for key in weights if key.rsplit(".", 1)[0] in norms]
    assert len(found) == 5 * len(norms) > 0
    return found


def test_a_recipe_for_eight_gpus_on_a_machine_with_one(
    roots: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = SEGMENTATION["cityscapes_r50_cgnl_ld"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"can't run on accelerator 'cuda' with 8 devices .*fewer --devices"):
        train(replace(small(recipe, roots), devices=8, batch=8, accelerator="cuda"), tmp_path / "run")


def test_a_run_says_in_what_it_is_not_its_recipe() -> None:
    recipe = SEGMENTATION["cityscapes_test_r101_mapillary"]
    coarse, vistas, fine = recipe.then
    placed = replace(recipe, then=(coarse, replace(vistas, root=Path("vistas")), fine))
    assert departures("r", recipe, placed) == []  # where the data lies changes nothing
    one = replace(placed, devices=1, micro_batch=1, then=(coarse, fine))
    [said] = departures("r", recipe, one)
    assert said.startswith("departs from the recipe r: micro_batch was 0, is 1; devices was 8, is 1; then.1.name")

"""Detection through the same engine and commands as segmentation: trained, resumed, measured, predicted."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from fake import coco, voc0712
from PIL import Image
from running import assert_same, fit, gald, interrupt, line, lines
from safetensors.torch import save_file

from gald.cli import main as cli
from gald.config.network import DetectorConfig
from gald.config.recipes import RECIPES
from gald.config.serialization import from_json, to_json
from gald.config.settings import DetectionConfig, DetectionDataConfig, OptimizerConfig
from gald.data.datasets.shapes import shapes
from gald.data.readers.coco_masks import mask_of, runs_of
from gald.data.transforms import detection as transforms
from gald.engine import checkpoint
from gald.engine.build import build_trainer
from gald.engine.optim import learning_rate
from gald.engine.run_folder import folder_lock
from gald.engine.tasks import load_model
from gald.engine.tasks.detection import DetectionTask, build_detector, objects_of, torchvision_target
from gald.support.device import create_fabric
from gald.support.distributed import process_group
from gald.support.errors import UserError

TINY = (
    "--model.backbone", "test_resnet", "--model.strides", "8", "16", "32", "--model.anchors", "12", "24", "48", "96",
    "--model.fpn-channels", "16", "--model.head-channels", "16", "--model.short", "48", "64", "--model.longest", "96",
    "--model.proposals", "50", "--model.samples", "16", "--data.workers", "1", "--batch", "2", "--steps", "4",
    "--log-every", "1", "--save-every", "2", "--val-every", "0", "--accelerator", "cpu",
)  # fmt: skip
CONFIG = DetectionConfig(
    model=DetectorConfig(
        backbone="test_resnet", ga="psp", norm="batch", strides=(8, 16), anchors=(12, 24, 48), fpn_channels=16,
        head_channels=16, short=(64,), longest=96, proposals=50, samples=16,
    ),
    data=DetectionDataConfig(workers=0), steps=2, batch=2, val_every=0, accelerator="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of Mask R-CNN that nothing stopped."""
    out = tmp_path_factory.mktemp("straight") / "run"
    done = gald("train", "shapes", "--out", out, *TINY)
    assert done.returncode == 0, done.stderr
    assert "departs from the recipe shapes: " in done.stdout
    assert "val mAP@0.5" in done.stdout
    return out


def test_a_stopped_and_resumed_run_ends_bit_for_bit_like_one_that_was_not(straight: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped = interrupt(line("train", "shapes", "--out", out, *TINY), 2, signal.SIGINT)
    assert stopped.returncode == 130, stopped.stderr
    resumed = gald("train", "--resume", "--out", out)
    assert resumed.returncode == 0, resumed.stderr
    assert_same(straight, out)
    steps = [each["step"] for each in lines(out / "metrics.jsonl") if each["kind"] == "train"]
    assert steps == [1, 2, 3, 4]


def test_two_processes_count_every_picture_once(tmp_path: Path) -> None:
    done = gald("train", "shapes", "--out", tmp_path / "two", *TINY, "--devices", 2)
    assert done.returncode == 0, done.stderr
    best = tmp_path / "two" / "best.safetensors"
    for devices in (1, 2):
        done = gald("evaluate", "--checkpoint", best, "--devices", devices, "--out", tmp_path / f"{devices}.json")
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / f"{devices}.json").read_text()) for devices in (1, 2))
    assert one["pictures"] == two["pictures"] == 64
    assert one["scores"] == two["scores"]


def test_evaluate_and_predict_from_the_run(straight: Path, tmp_path: Path) -> None:
    best = straight / "best.safetensors"
    done = gald("evaluate", "--checkpoint", best, "--split", "test")
    assert done.returncode == 0, done.stderr
    assert "boundary AP" in done.stdout
    scores = json.loads((straight / "best-shapes-test.json").read_text())["scores"]
    assert {"voc/map", "box/ap_small", "mask/ap50/disc", "boundary/ap"} <= scores.keys()

    picture = shapes(split="val").image(0)
    (tmp_path / "photos").mkdir()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / "photos" / "first.png")
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    done = gald("predict", tmp_path / "photos", "--checkpoint", best, "--out", tmp_path / "out", "--score", "0.05")
    assert done.returncode == 1
    assert "torn.jpg" in done.stderr
    assert re.search(r"at least 0\.05 sure: \w+ \d+", done.stdout), done.stdout
    assert (tmp_path / "out" / "overlays" / "first.jpg").is_file()
    found = json.loads((tmp_path / "out" / "objects.json").read_text())
    assert [each["file_name"] for each in found["images"]] == ["first.png"]
    assert [each["name"] for each in found["categories"]] == ["disc", "ring", "square", "triangle", "bar"]
    network, _ = load_model(best)
    with torch.inference_mode():
        assert network([picture])[0]["masks"].is_floating_point()  # as torchvision's; bool in the commands only
        expected = DetectionTask(CONFIG).build_predictor(network)(picture)
    assert len(found["annotations"]) == len(expected["boxes"])
    for each, box, mask in zip(found["annotations"], expected["boxes"], expected["masks"], strict=True):
        left, top, width, height = each["bbox"]
        assert [left, top, left + width, top + height] == pytest.approx(box.tolist(), abs=0.02)
        assert torch.equal(mask_of(each["segmentation"], *picture.shape[1:]), mask)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_coco_s_own_tool_reads_what_predict_writes(tmp_path: Path) -> None:
    mask = pytest.importorskip("pycocotools.mask")  # it warns of its own use of numpy
    torch.manual_seed(0)
    for shape in ((1, 1), (5, 7), (30, 4)):
        ours = torch.rand(shape) > 0.5
        runs = runs_of(ours)
        assert np.array_equal(mask.decode(mask.frPyObjects(runs, *shape)), ours.numpy())
    assert runs_of(torch.ones(2, 3, dtype=torch.bool))["counts"] == [0, 6]
    assert runs_of(torch.zeros(2, 3, dtype=torch.bool))["counts"] == [6]


def test_what_is_to_be_ignored_is_not_trained_on() -> None:
    sample = {
        "boxes": torch.tensor([[0.0, 0, 4, 4], [1, 1, 3, 3]]), "classes": torch.tensor([0, 2]),
        "ignored": torch.tensor([True, False]), "masks": torch.ones(2, 4, 4, dtype=torch.bool),
    }  # fmt: skip
    target = torchvision_target(sample)
    assert target["boxes"].tolist() == [[1, 1, 3, 3]]
    assert target["labels"].tolist() == [3]  # 0 is the background
    assert target["masks"].shape == (1, 4, 4)


def test_the_rate_falls_in_drops() -> None:
    optim = OptimizerConfig(lr=1.0, schedule="drops", drops=(0.5, 0.75), warmup=2)
    rates = [learning_rate(optim, step, 12) for step in range(12)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])


def test_a_network_that_is_not_sound_is_not_kept(tmp_path: Path) -> None:
    last = tmp_path / "last.pt"
    trainer = build_trainer(DetectionTask(CONFIG), replace(CONFIG, steps=3), tmp_path, create_fabric("cpu"))
    learned = [shapes(split="train", size=(64, 64))[0]]
    trainer.save_last(learned)
    assert checkpoint.load(last).step == 0
    trainer.step = 1
    with torch.no_grad():
        next(trainer.model.backbone.fpn.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="the loss is not finite at step 1, batch train_00000"):
        trainer.save_last(learned)
    assert checkpoint.load(last).step == 0


def test_a_network_is_what_the_settings_say() -> None:
    settings = replace(
        CONFIG.model, ga="psp", ld="average", order="ld-ga", reduce=4, short=(32, 48, 64), longest=96, proposals=7,
        samples=5, head_channels=24, fpn_channels=16, anchors=(10, 20, 40), fpn_norm=True,
    )  # fmt: skip
    network = build_detector(settings, 3)
    block = network.backbone.block.block
    assert (type(block.ga).__name__, block.order, block.reduce) == ("PSP", "ld-ga", 4)
    assert block.ld.kind == "average" if hasattr(block.ld, "kind") else block.ld is not None
    assert (network.transform.min_size[-1], network.transform.max_size) == (64, 96)
    assert network.rpn._post_nms_top_n == {"training": 14, "testing": 7}
    assert network.roi_heads.fg_bg_sampler.batch_size_per_image == 5
    assert network.roi_heads.box_head.fc6.out_features == 24
    assert network.roi_heads.box_predictor.cls_score.out_features == 4
    assert network.backbone.out_channels == 16
    assert any(isinstance(each, torch.nn.GroupNorm) for each in network.backbone.fpn.modules())
    assert network.rpn.anchor_generator.sizes == ((10,), (20,), (40,))


def test_training_and_evaluation_see_a_picture_alike() -> None:
    """A large picture shrunk by 4: with other resampling it would look unlike anything that was trained on."""
    torch.manual_seed(0)
    sample = shapes(split="val", size=(250, 331))[0]
    sample["image"] = torch.randint(256, sample["image"].shape, dtype=torch.uint8)
    settings = replace(CONFIG.model, short=(63,), longest=96)
    network = build_detector(settings, 5)
    augmented = transforms.train(settings.short, settings.longest, flip=0.0)(sample)
    trained, _ = network.train().transform([augmented["image"]])
    seen, _ = network.eval().transform([sample["image"]])
    assert trained.image_sizes == seen.image_sizes
    assert (trained.tensors - seen.tensors).abs().max() < 0.5 / 255 / 0.22 + 1e-3  # bytes are rounded in between


def test_classes_come_out_as_train_ids() -> None:
    output = {"boxes": torch.zeros(2, 4), "labels": torch.tensor([1, 5]), "scores": torch.ones(2)}
    assert objects_of(output)["classes"].tolist() == [0, 4]


def test_torchvision_s_weights_start_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = torchvision.models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    network = build_detector(
        DetectorConfig(pretrained=True, torchvision=tmp_path / "theirs.pth"), 3
    )  # downloads nothing
    assert "theirs.pth: backbone.block, roi_heads.box_predictor (" in capsys.readouterr().out
    for name in ("backbone.body.layer3.0.conv1.weight", "rpn.head.bbox_pred.weight", "roi_heads.box_head.fc6.weight"):
        assert torch.equal(network.state_dict()[name], theirs.state_dict()[name])
    assert DetectorConfig(torchvision=tmp_path / "theirs.pth").bare() == DetectorConfig()


def test_a_picture_that_cannot_be_looked_at_keeps_the_others(
    straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        Image.new("RGB", (40, 40)).save(tmp_path / f"{name}.png")
    calls = iter(range(3))

    def refusing(output: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if next(calls) == 1:
            raise UserError("nothing is left of a picture")
        return objects_of(output)

    monkeypatch.setattr("gald.engine.tasks.detection.objects_of", refusing)
    with pytest.raises(SystemExit, match="1"):
        cli.main(["predict", str(tmp_path), "--checkpoint", str(straight / "best.safetensors"), "--out",
                  str(tmp_path / "out"), "--accelerator", "cpu"])  # fmt: skip
    assert re.search(r"b\.png: nothing is left of a picture", capsys.readouterr().err)
    content = json.loads((tmp_path / "out" / "objects.json").read_text())
    assert [each["file_name"] for each in content["images"]] == ["a.png", "c.png"]


def test_mistakes_are_told(straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (40, 40)).save(picture)
    root = voc0712.write(tmp_path) / "VOCdevkit"
    masks = replace(
        CONFIG, model=replace(CONFIG.model, masks=True), data=DetectionDataConfig(name="voc0712", root=root)
    )
    with pytest.raises(UserError, match="norm is frozen, and the backbone has nothing to freeze"):
        fit(replace(CONFIG, model=replace(CONFIG.model, norm="frozen")), tmp_path / "frozen")
    with pytest.raises(UserError, match="'voc0712' has no masks in its files; set --model.no-masks"):
        fit(masks, tmp_path / "run")
    best = straight / "best.safetensors"
    for command, sentence in (
        (
            ["evaluate", "--checkpoint", best, "--data.name", "voc0712", "--data.root", root],
            "has 5 classes and the data",
        ),
        (["evaluate", "--checkpoint", best, "--tile", 64, 64], "leave them out for a detector"),
        (["predict", tmp_path, "--checkpoint", best, "--score", 2], "--score is 2.0; it must lie between 0 and 1"),
        (["footprint", picture, "--checkpoint", best], "is no segmentation network"),
    ):
        with pytest.raises(SystemExit, match="2"):
            cli.main([str(each) for each in command])
        assert sentence in capsys.readouterr().err


def test_a_class_that_may_be_misspelt_is_said_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = voc0712.write_folder(tmp_path / "cells")
    voc0712.annotation(root / "Annotations" / "train_1.xml", [("cells", (1, 1, 20, 20), 0)])
    config = replace(CONFIG, steps=1, data=DetectionDataConfig(name="voc_folder", root=root, workers=0))
    fit(config, tmp_path / "run")
    said = capsys.readouterr().out
    assert said.count("warning: the class 'cells' has 1 object (the first is object 1 of ") == 1
    assert "'cell' has 5: correct the name, or list both in a classes.txt" in said
    (root / "classes.txt").write_text("cell\ncells\nnucleus\n")
    fit(config, tmp_path / "listed")
    assert "warning: " not in capsys.readouterr().out


def test_another_number_of_classes_than_the_checkpoint_s(tmp_path: Path) -> None:
    fit(CONFIG, tmp_path / "run")
    content = checkpoint.load(tmp_path / "run" / "last.pt")
    with pytest.raises(UserError, match="has 4 classes and the data set has 5"):
        checkpoint.check_classes(replace(content, labels=content.labels[:4]), content.labels, tmp_path)
    with pytest.raises(UserError, match="in another order: disc, ring, square, triangle, bar; list them so"):
        checkpoint.check_classes(content, content.labels[::-1], tmp_path)
    root = voc0712.write(tmp_path) / "VOCdevkit"
    again = replace(CONFIG, data=DetectionDataConfig(name="voc0712", root=root), init=tmp_path / "run" / "last.pt")
    with pytest.raises(UserError, match="has 5 classes and the data set has 20"):
        fit(again, tmp_path / "other")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that are worth keeping."""
    path = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return path


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DetectionDataConfig]:
    """A miniature of each data set that the recipes name, and the splits that it has."""
    root = tmp_path_factory.mktemp("trees")
    devkit = voc0712.write(root / "voc") / "VOCdevkit"
    return {
        "shapes": DetectionDataConfig(name="shapes"),
        "voc0712": DetectionDataConfig(name="voc0712", root=devkit),
        "voc_folder": DetectionDataConfig(
            name="voc_folder", root=devkit / "VOC2007", train_split="trainval", val_split="test"
        ),
        "coco": DetectionDataConfig(name="coco", root=coco.write(root / "coco")),
        "coco_folder": DetectionDataConfig(name="coco_folder", root=coco.write_folder(root / "folder")),
    }


@pytest.mark.parametrize("name", [name for name, make in RECIPES.items() if isinstance(make(), DetectionConfig)])
def test_every_recipe_trains_resumes_and_is_measured_in_miniature(
    name: str, trees: dict[str, DetectionDataConfig], backbone: Path, tmp_path: Path
) -> None:
    recipe = RECIPES[name]()
    assert isinstance(recipe, DetectionConfig)
    assert from_json(to_json(recipe)) == recipe
    assert re.search(r"in print\. Not run\.|Reached|For trying|Not run yet", RECIPES[name].about)
    model = replace(
        recipe.model, backbone="test_resnet", pretrained=False, weights=backbone, strides=(8, 16), anchors=None,
        fpn_channels=8, head_channels=8, proposals=20, samples=8, short=(32, 48), longest=64,
    )  # fmt: skip
    config = replace(
        recipe, model=model, data=replace(trees[recipe.data.name], workers=0), steps=2, batch=2, micro_batch=1,
        devices=1, accelerator="cpu", compile=False, val_every=0, save_every=1,
    )  # fmt: skip
    run = tmp_path / "run"
    torch.manual_seed(0)
    fabric = create_fabric("cpu", precision=config.precision)
    with process_group(fabric), folder_lock(run, fabric):
        trainer = build_trainer(DetectionTask(config), config, run, fabric)
        trainer.fit(stop=lambda: trainer.step >= 1)
    assert checkpoint.load(run / "last.pt").step == 1
    ended = fit(config, run, resume=True)
    assert ended.step == 2
    cli.main(["evaluate", "--checkpoint", str(run / "best.safetensors"), "--accelerator", "cpu"])
    file = run / f"best-{config.data.name}-{config.data.val_split}.json"
    assert ("mask/ap" in json.loads(file.read_text())["scores"]) == recipe.model.masks

"""What the recipes say they are, written out once more: a setting that slips would train another experiment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from gald.config.recipes import RECIPES
from gald.config.serialization import to_json
from gald.config.settings import DetectionConfig, PhaseConfig, SegmentationConfig
from gald.models.segmenter import Segmenter

R50, R101 = "resnet50s.gluon_in1k", "resnet101s.gluon_in1k"
# rows by name: backbone, ga, ld, order
CITYSCAPES = {
    "cityscapes_r50_fcn": (R50, "none", "none", "ga-ld"),
    "cityscapes_r50_aspp": (R50, "aspp", "none", "ga-ld"),
    "cityscapes_r50_nonlocal": (R50, "nonlocal", "none", "ga-ld"),
    "cityscapes_r50_psp": (R50, "psp", "none", "ga-ld"),
    "cityscapes_r50_cgnl": (R50, "cgnl", "none", "ga-ld"),
    "cityscapes_r50_ld": (R50, "none", "mask", "ga-ld"),
    "cityscapes_r50_psp_ld": (R50, "psp", "mask", "ga-ld"),
    "cityscapes_r50_aspp_ld": (R50, "aspp", "mask", "ga-ld"),
    "cityscapes_r50_nonlocal_ld": (R50, "nonlocal", "mask", "ga-ld"),
    "cityscapes_r50_cgnl_ld": (R50, "cgnl", "mask", "ga-ld"),
    "cityscapes_r50_parallel": (R50, "cgnl", "mask", "parallel"),
    "cityscapes_r50_ldga": (R50, "cgnl", "mask", "ld-ga"),
    "cityscapes_r50_cgnl_ld_bilinear": (R50, "cgnl", "bilinear", "ga-ld"),
    "cityscapes_r50_cgnl_ld_average": (R50, "cgnl", "average", "ga-ld"),
    "cityscapes_r101_fcn": (R101, "none", "none", "ga-ld"),
    "cityscapes_r101_cgnl": (R101, "cgnl", "none", "ga-ld"),
    "cityscapes_r101_psp": (R101, "psp", "none", "ga-ld"),
}
SERVER = {
    "cityscapes_test_r50": (R50, "cgnl", "mask", "ga-ld"),
    "cityscapes_test_r101": (R101, "cgnl", "mask", "ga-ld"),
    "cityscapes_test_r101_coarse": (R101, "cgnl", "mask", "ga-ld"),
    "cityscapes_test_r101_mapillary": (R101, "cgnl", "mask", "ga-ld"),
}
CAMVID = {
    f"camvid_r50_{name}": (R50, ga, ld, "ga-ld")
    for name, ga, ld in (
        ("fcn", "none", "none"), ("ld", "none", "mask"), ("psp", "psp", "none"), ("psp_ld", "psp", "mask"),
        ("aspp", "aspp", "none"), ("aspp_ld", "aspp", "mask"), ("nonlocal", "nonlocal", "none"),
        ("nonlocal_ld", "nonlocal", "mask"), ("cgnl", "cgnl", "none"), ("cgnl_ld", "cgnl", "mask"),
    )
}  # fmt: skip
SCENES = {
    f"{data}_{depth}": (backbone, "cgnl", "mask", "ga-ld")
    for data in ("ade20k", "pascal_context", "coco_stuff")
    for depth, backbone in (("r50", R50), ("r101", R101))
}
# data set, splits, crop, scales, steps, batch, rate, weight decay, OHEM, devices
SHARED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(CITYSCAPES, ("cityscapes", "train", 769, (0.5, 2.0), 50_000, 8, 0.01, 5e-4, True, 8)),
    **dict.fromkeys(SERVER, ("cityscapes", "trainval", 769, (0.5, 2.0), 50_000, 8, 0.01, 5e-4, True, 8)),
    "cityscapes_released_r50": ("cityscapes", "train", 769, (0.7, 2.1), 50_575, 8, 0.01, 5e-4, True, 8),
    **dict.fromkeys(("ade20k_r50", "ade20k_r101"),
                    ("ade20k", "train", 512, (0.5, 2.0), 160_000, 16, 0.01, 5e-4, False, 4)),
    **dict.fromkeys(("pascal_context_r50", "pascal_context_r101"),
                    ("pascal_context59", "train", 480, (0.5, 2.0), 80_000, 16, 0.004, 1e-4, False, 4)),
    **dict.fromkeys(("coco_stuff_r50", "coco_stuff_r101"),
                    ("coco_stuff10k", "train", 512, (0.5, 2.0), 40_000, 16, 0.01, 5e-4, False, 4)),
    **dict.fromkeys(CAMVID, ("camvid", "train", (360, 480), (0.5, 2.0), 10_000, 8, 0.01, 5e-4, True, 1)),
}  # fmt: skip
ROWS = CITYSCAPES | SERVER | SCENES | CAMVID | {"cityscapes_released_r50": (R50, "cgnl", "mask", "ga-ld")}
COARSE = PhaseConfig("coarse", train_split="train_extra", crop=(896, 896), batch=16, frozen_norm=True)
MAPILLARY = PhaseConfig(
    "mapillary", data="mapillary19", train_split="train", crop=(896, 896), batch=16, frozen_norm=True
)
FINE = PhaseConfig("fine", steps=10_000, lr=0.001)
DETECTORS = {
    f"{data}_{depth}{name}": (backbone, ga, ld)
    for data in ("voc", "coco")
    for depth, backbone in (("r50", "resnet50"), ("r101", "resnet101"))
    for name, ga, ld in (("", "none", "none"), ("_nonlocal", "nonlocal", "none"), ("_cgnl", "cgnl", "none"),
                         ("_gald", "cgnl", "mask"))
    if (depth, name) != ("r101", "_cgnl")
}  # fmt: skip


def test_every_recipe_of_a_paper_is_here() -> None:
    own = {"synthetic", "camvid_lite0", "shapes", "bccd_lite0", "coco_mini_lite0"}
    assert RECIPES.keys() - own == ROWS.keys() | DETECTORS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_a_segmentation_recipe(name: str) -> None:
    run = RECIPES[name]()
    assert isinstance(run, SegmentationConfig)
    model, data, optim = run.model, run.data, run.optim
    assert (model.backbone, model.ga, model.ld, model.order) == ROWS[name]
    assert (model.pretrained, model.output_stride, model.channels, model.reduce, model.skip) == (True, 8, 512, 2, False)
    crop = data.crop[0] if data.crop[0] == data.crop[1] else data.crop
    shared = (data.name, data.train_split, crop, data.scale, run.steps, run.batch, optim.lr, optim.weight_decay)
    assert (*shared, run.loss.ohem, run.devices) == SHARED[name]
    assert (data.val_split, data.flip, optim.momentum, optim.schedule, optim.power) == ("val", 0.5, 0.9, "poly", 0.9)
    assert (run.loss.threshold, run.loss.min_kept, run.loss.aux_weight) == (0.7, 100_000, 0.4)
    several = {
        "cityscapes_test_r101_coarse": (COARSE, FINE),
        "cityscapes_test_r101_mapillary": (COARSE, MAPILLARY, FINE),
    }
    assert run.then == several.get(name, ())


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detection_recipe(name: str) -> None:
    run = RECIPES[name]()
    assert isinstance(run, DetectionConfig)
    model, optim, voc = run.model, run.optim, name.startswith("voc")
    assert (model.backbone, model.ga, model.ld) == DETECTORS[name]
    assert (model.order, model.reduce, model.pretrained, model.norm, model.masks) == (
        "ga-ld",
        2,
        True,
        "frozen",
        not voc,
    )
    assert (model.strides, model.fpn_channels, model.anchors) == ((4, 8, 16, 32), 256, None)
    assert (run.data.name, model.short, model.longest) == (("voc0712", (600,), 1000) if voc else ("coco", (800,), 1333))
    assert run.batch == 16
    assert run.steps == (14 * 16_551 // 16 if voc else 12 * 118_287 // 16)
    assert (optim.lr, optim.momentum, optim.weight_decay, optim.warmup) == (0.01 if voc else 0.02, 0.9, 1e-4, 500)
    assert (optim.schedule, optim.drops) == ("drops", (2 / 3, 11 / 12))


@pytest.fixture(scope="module")
def paper(shared: Path) -> dict[str, Any]:
    """The paper's tables and settings, as they are printed."""
    content: dict[str, Any] = json.loads((shared / "spec" / "paper_tables.json").read_text())
    return content


def test_the_paper_s_settings(paper: dict[str, Any]) -> None:
    said = paper["settings"]
    for name in (*CITYSCAPES, *SERVER):
        run, of = RECIPES[name](), said["segmentation"]
        assert isinstance(run, SegmentationConfig)
        assert (run.optim.lr, run.optim.power, run.steps, run.batch) == (
            of["base_lr"], of["power"], of["iterations"], of["batch_size"],
        )  # fmt: skip
        assert run.data.crop == (of["crop"], of["crop"])
        for phase in run.then:
            if phase.frozen_norm:
                assert phase.batch == said["coarse"]["batch_size"]
                assert (phase.steps or run.steps) == said["coarse"]["iterations"]
    for name in DETECTORS:
        assert RECIPES[name]().optim.weight_decay == said["detection_voc"]["weight_decay"]


@pytest.mark.parametrize("backbone", [R50, R101])
def test_the_papers_backbones_give_maps_at_stride_8(backbone: str) -> None:
    network = Segmenter(backbone, 19, channels=16).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 33, 49))["out"].shape == (1, 19, 33, 49)
    assert network.divisor == 8


# what a row of the paper's tables is called, and the end of its recipe's name
BLOCKS = {
    "FCN (Baseline)": "_fcn", "+ASPP": "_aspp", "+NL": "_nonlocal", "+PSP": "_psp", "+CGNL": "_cgnl", "+LD": "_ld",
    "+PSP+LD": "_psp_ld", "+ASPP+LD": "_aspp_ld", "+NL+LD": "_nonlocal_ld", "+CGNL+LD": "_cgnl_ld",
    "+Parallel": "_parallel", "+LDGA": "_ldga", "+GALD": "_cgnl_ld", "FCN+CGNL": "_cgnl",
    "+CGNL+LD(depth-wise convolution)": "_cgnl_ld", "+CGNL+LD(bilinear interpolation)": "_cgnl_ld_bilinear",
    "+CGNL+LD(average pooling)": "_cgnl_ld_average",
}  # fmt: skip
SUBMITTED = {("2a", "GALDNet"): "", ("2b", "GALDNet"): "_coarse", ("2b", "GALDNet(+Mapillary)"): "_mapillary"}
DETECTED = {"Faster-RCNN": "", "Mask-RCNN": "", "+NL": "_nonlocal", "+CGNL": "_cgnl", "+GALD": "_gald"}


def recipe_of(table: str, row: dict[str, Any]) -> str | None:
    """The name of the recipe for a row of a table; None for a row that is not the authors'."""
    depth, method = (row.get("backbone") or "ResNet50").replace("ResNet", "r"), row["method"]
    if table[0] == "1":
        return f"cityscapes_{depth}{BLOCKS[method]}"
    if table[0] == "3":
        return f"{'voc' if table == '3a' else 'coco'}_{depth}{DETECTED[method]}"
    return f"cityscapes_test_{depth}{SUBMITTED[table, method]}" if (table, method) in SUBMITTED else None


def test_a_recipe_says_its_table_its_published_number_and_that_it_was_not_run(paper: dict[str, Any]) -> None:
    """Every row of Tables 1a to 1e, 3a and 3b has a recipe, and the authors' own of 2a and 2b, number by number."""
    met = set()
    for table in ("1a", "1b", "1c", "1d", "1e", "2a", "2b", "3a", "3b"):
        for row in paper["tables"][table]["rows"]:
            name = recipe_of(table, row)
            if name is None:
                continue
            met.add(name)
            summary = RECIPES[name].summary
            printed = [float(number) for number in re.findall(r"\d\d\.\d", summary)]
            assert printed == [row[key] for key in ("miou", "map50", "ap_box", "ap_mask") if key in row], name
            assert re.search(rf"^Tables? [^(]*\b{table}\b", summary), name
            assert row.get("backbone", "ResNet50").replace("ResNet", "ResNet-") in summary, name
            assert "in print. Not run." in summary, name
    assert met == CITYSCAPES.keys() | SERVER.keys() | DETECTORS.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_reaches_and_on_what(name: str) -> None:
    about = RECIPES[name].about
    assert re.search(r"Not run\.|Reached|For trying", about)
    assert re.search(r"\d GPU|CPU|two cores", about)


def flat(settings: dict[str, Any], where: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{where}{name}.") if isinstance(value, dict) else {where + name: value}
    return found


FIRST = json.loads((Path(__file__).parents[1] / "golden" / "recipes.json").read_text())


@pytest.mark.parametrize("name", FIRST["recipes"])
def test_a_recipe_has_the_settings_that_it_had_first(name: str) -> None:
    """Whatever the defaults have become since; the file holds those of then, and what each recipe had beside them."""
    recorded = FIRST["recipes"][name]
    expected = FIRST["defaults"][recorded["task"]] | recorded
    found = flat(json.loads(to_json(RECIPES[name]())))
    assert {key: found.get(key, "missing") for key in expected} == expected

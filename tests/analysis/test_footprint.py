"""`gald footprint` at toy size: gradients by hand, the numbers of a footprint, the sheet and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from contract import awake
from PIL import Image
from torch import Tensor, nn

from gald.analysis.explain import footprint, footprint_sheet
from gald.analysis.explain.footprint import PROBES, Reach, features, reach, seeded
from gald.analysis.explain.scene import Scene, trained_scene, untrained_scene
from gald.block.aggregation import AGGREGATORS
from gald.block.gald import GALD
from gald.cli.main import main
from gald.config.network import SegmenterConfig
from gald.config.settings import SegmentationConfig, SegmentationDataConfig
from gald.data.labels import Label
from gald.engine import checkpoint
from gald.images.heatmap import paint_levels
from gald.models.segmenter import Segmenter

PLACE = (2, 3)


def image(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "street.png"
    Image.fromarray(image(33, 50).permute(1, 2, 0).numpy()).save(path)
    return path


def of(name: str, *, ld: str = "none") -> Tensor:
    block = seeded(GALD(32, ga=name, ld=ld, reduce=1)).eval().requires_grad_(False)
    return footprint.footprint(block, features(image(40, 56)), PLACE)


# ------------------------------------------------------------------------------------------------------ the numbers


def test_nothing_hears_one_position():
    strength = of("none")
    assert strength.nonzero().tolist() == [list(PLACE)]
    assert strength[PLACE] == pytest.approx(32**0.5)  # the norm of the identity
    assert reach(strength, PLACE) == Reach(1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["psp", "gcnet"])
def test_these_hear_all(name: str):
    found = reach(of(name), PLACE)
    assert found.strong > 0.5
    assert 0 < found.half <= 0.5 + 1 / 34
    assert found.own < 1


def test_every_aggregation_has_a_footprint():
    x = features(image(40, 56))
    for name in AGGREGATORS:
        block = seeded(GALD(32, ga=name, ld="none", reduce=1)).eval().requires_grad_(False)
        strength = footprint.footprint(block, x, PLACE)
        assert strength.shape == (5, 7), name
        assert strength.isfinite().all(), name
        assert strength.max() > 1e-6, name


def test_local_distribution_adds_its_neighbourhood():
    assert 1 < (of("none", ld="mask") > 0).sum() <= 35


def test_a_convolution_by_hand():
    conv = nn.Conv2d(2, 2, 3, padding=1, bias=False).requires_grad_(False)
    strength = footprint.footprint(conv, torch.randn(2, 6, 8), PLACE)
    expected = torch.zeros(6, 8)
    expected[1:4, 2:5] = conv.weight.square().sum((0, 1)).sqrt()
    torch.testing.assert_close(strength, expected)


def test_wide_blocks_are_estimated():
    conv = nn.Conv2d(8, 4 * PROBES, 1, bias=False).requires_grad_(False)
    strength = footprint.footprint(conv, torch.randn(8, 2, 2), (0, 1))
    assert strength[0, 1] == pytest.approx(float(conv.weight.norm()), rel=0.3)
    assert strength.count_nonzero() == 1


def test_an_estimate_is_known_by_the_channels_of_the_output():
    assert [footprint.is_estimate(nn.Identity(), channels) for channels in (PROBES, PROBES + 1)] == [False, True]
    assert footprint.is_estimate(GALD(32, ga="none", order="parallel"), 32)


def test_batches_of_copies_do_not_change_it(monkeypatch: pytest.MonkeyPatch):
    whole = of("nonlocal")
    monkeypatch.setattr(footprint, "AT_ONCE", 1)
    torch.testing.assert_close(of("nonlocal"), whole)


def test_the_numbers_of_a_footprint():
    strength = torch.zeros(4, 5)
    strength[1, 1], strength[1, 3], strength[3, 4], strength[0, 0] = 1.0, 0.999, 5e-4, 2e-6
    found = reach(strength, (1, 1))
    assert found.own == pytest.approx(0.5, abs=1e-3)
    assert found.strong == 1 / 19  # 5e-4 and 2e-6 are below 1e-3 of 0.999
    assert found.half == 1 / 19  # that one holds half of the rest
    assert found.radius == 2.0
    assert reach(torch.zeros(2, 2), (0, 0)).own == 0  # a block that hears nothing
    assert reach(torch.ones(1, 1), (0, 0)) == Reach(1.0, 0.0, 0.0, 0.0)
    assert reach(torch.ones(1, 5), (0, 2)).half == 2 / 4


def test_features_follow_the_picture():
    flat = torch.zeros(3, 20, 24, dtype=torch.uint8)
    assert features(flat).shape == (32, 3, 3)
    assert not features(flat).any()
    two = flat.clone()
    two[:, :, 8:] = 200
    x = features(two)
    assert torch.equal(x[:, :, 1], x[:, :, 2])
    assert not torch.allclose(x[:, :, 0], x[:, :, 1])
    assert torch.equal(features(image(16, 16)), features(image(16, 16)))
    assert features(image(40, 56), channels=192).shape == (192, 5, 7)


def test_seeded_weights_open_what_is_shut_at_first():
    shut = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.BatchNorm2d(8))
    nn.init.zeros_(shut[0].weight)
    nn.init.zeros_(shut[1].weight)
    shut[2].weight.data.fill_(0.5)
    seeded(shut)
    assert shut[0].weight.detach().std() == pytest.approx(8**-0.5, rel=0.3)
    assert (shut[1].weight == 1).all()
    assert (shut[2].weight == 0.5).all()
    assert not shut[1].bias.any()
    one, two = (seeded(nn.Conv2d(2, 2, 3), seed).weight for seed in (3, 4))
    assert not torch.equal(one, two)
    assert torch.equal(one, seeded(nn.Conv2d(2, 2, 3), 3).weight)


# ------------------------------------------------------------------------------------------- the sheet, the command


def test_the_command_draws_and_tells(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "new" / "sheet.png"
    main(["footprint", str(picture), "--ga", "none", "gcnet", "--ld", "mask", "--at", "0", "49", "--out", str(out)])
    said = capsys.readouterr().out
    assert "none" in said
    assert "gcnet" in said
    assert str(out) in said
    assert out.is_file()
    assert "estimate" not in said  # 32 channels are exact


@pytest.mark.parametrize(("names", "size"), [(("none",), (33, 50)), (tuple(AGGREGATORS), (60, 44))])
def test_the_sheet_holds_every_picture_and_is_as_wide_as_a_page(names: tuple[str, ...], size: tuple[int, int]):
    scene = untrained_scene(image(*size), (16, 25), names, "none", 1, 0)
    strength = torch.zeros(scene.features.shape[1:])
    found = {name: (strength, Reach(1.0, 0.0, 0.0, 0.0)) for name in names}
    drawn = footprint_sheet.footprint_sheet(scene, found)
    assert 0.48 * footprint_sheet.WIDTH < drawn.shape[2] <= footprint_sheet.WIDTH + 2 * footprint_sheet.GAP


def test_what_the_sheet_says():
    scene = untrained_scene(image(33, 50), (16, 25), ("none",), "none", 1, 0)
    assert "on the full map (reduce 1)" in scene.origin
    assert "at 1/2 of that" in untrained_scene(image(33, 50), (16, 25), ("none",), "none", 2, 0).origin
    assert scene.notes == []
    wide = Scene(scene.image, torch.zeros(PROBES + 1, 2, 2), (0, 0), 8.0, {"wide": nn.Identity()}, "")
    assert "an estimate from 32" in wide.notes[0]
    assert footprint_sheet._in_short(Reach(0.084, 0.9, 0.25, 3.0)) == "own 8.4 %, half of the rest: 25 %"
    assert footprint_sheet._in_short(Reach(0.998, 0.9, 0.25, 3.0)) == "own 99.8 %, half of the rest: 25 %"
    assert footprint_sheet._in_short(Reach(1.0, 0.0, 0.0, 0.0)) == "hears itself alone"


def test_all_aggregations_if_none_is_named():
    scene = untrained_scene(image(33, 50), (16, 25), (), "none", 1, 0)
    assert list(scene.blocks) == list(AGGREGATORS)
    assert scene.place == (2, 3)
    assert scene.stride == 8


def test_the_map_lies_on_the_pixels_that_it_came_from():
    """50 pixels are 6 positions and a quarter: the seventh is drawn a quarter wide."""
    scene = untrained_scene(image(33, 50), (0, 48), ("none",), "none", 1, 0)
    level = torch.full((5, 7), -1.0)
    level[:, 6] = 1
    drawn = paint_levels(torch.zeros(3, 33, 50, dtype=torch.uint8), level, (0, 0), scene.stride)
    yellow = drawn[0].int() > drawn[2].int() + 50
    assert yellow.any(0).nonzero().flatten().tolist() == [48, 49]


def test_a_large_picture_is_shrunk_and_the_place_with_it():
    scene = untrained_scene(image(64, 1024), (63, 1023), ("none",), "none", 1, 0)
    assert scene.features.shape == (32, 4, 64)
    assert scene.place == (3, 63)


def test_the_block_of_a_checkpoint(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = SegmentationConfig(
        model=SegmenterConfig(
            backbone="test_resnet", channels=8, output_stride=16, pretrained=False, ga="gcnet", ld="none"
        ),
        data=SegmentationDataConfig(crop=(32, 48)),
    )
    labels = tuple(Label(name, (0, 0, 0), i) for i, name in enumerate("ab"))
    network = awake(Segmenter.from_config(config.model, 2))
    path = tmp_path / "best.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(config, labels, 1, 0.5, network.state_dict()))
    scene = trained_scene(image(33, 50), (32, 49), path)
    (block,) = scene.blocks.values()
    assert scene.features.shape == (8, 3, 4)
    assert scene.place == (2, 3)
    assert isinstance(block, GALD)
    main(["footprint", str(picture), "--checkpoint", str(path), "--out", str(tmp_path / "sheet.png")])
    assert "gcnet + none, trained" in capsys.readouterr().out
    assert (tmp_path / "sheet.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.png"], "nowhere.png does not exist"),
        (["BROKEN"], "is not a picture that Pillow can read"),
        (["PICTURE", "--at", "33", "0"], "--at 33 0 is outside"),
        (["PICTURE", "--at", "0", "-1"], "which has rows 0 to 32 and columns 0 to 49"),
        (["PICTURE", "--ga", "gcnt"], "unknown global aggregation 'gcnt'; did you mean 'gcnet'"),
        (["PICTURE", "--ld", "musk"], "unknown local distribution 'musk'; did you mean 'mask'"),
        (["PICTURE", "--seed", str(2**64)], "--seed is 18446744073709551616; it must be from 0"),
        (["PICTURE", "--seed", "-1"], "--seed is -1; it must be from 0"),
        (["PICTURE", "--out", "x.foo"], "no picture format has the ending '.foo'"),
        (["PICTURE", "--reduce", "3"], "reduce is a power of two"),
        (["PICTURE", "--checkpoint", "nowhere.pt"], "no checkpoint at nowhere.pt"),
        (["PICTURE", "--checkpoint", "nowhere.pt", "--ga", "psp"], "a checkpoint has its own block"),
    ],
)
def test_one_sentence(picture: Path, tmp_path: Path, capsys, monkeypatch, arguments, words: str):
    monkeypatch.setattr(footprint_sheet, "measure_scene", lambda *_: pytest.fail("refused only after the work"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    names = {"PICTURE": str(picture), "BROKEN": str(broken)}
    with pytest.raises(SystemExit) as stop:
        main(["footprint", "--out", str(tmp_path / "x.png"), *(names.get(each, each) for each in arguments)])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()

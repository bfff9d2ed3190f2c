"""The detectors: torchvision's in all that is seen from outside, with a block that starts as the identity."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from contract import awake
from safetensors.torch import save_file
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import box_iou
from torchvision.ops.misc import FrozenBatchNorm2d

import gald
from gald.block import ORDERS
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.config.network import DetectorConfig
from gald.models.detection import UncastTargets, faster_rcnn, from_config, load_torchvision, mask_rcnn
from gald.models.detection.detectors import FasterDetector
from gald.models.plug import Plug
from gald.support.errors import UserError

KINDS: dict[str, Callable[..., FasterDetector]] = {"faster": gald.faster_rcnn, "mask": gald.mask_rcnn}
LOSSES = {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
TINY = {"short": 64, "longest": 96, "fpn_channels": 16, "head_channels": 16, "proposals": 30, "samples": 16}


def small(kind: str = "faster", backbone: str = "test_resnet", **options: object) -> FasterDetector:
    torch.manual_seed(0)
    return KINDS[kind](backbone, 3, **{**TINY, "detections": 5, "least_score": 0.0, **options})


def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(3, *size, generator=generator) for size in ((64, 96), (50, 70), (33, 20))]


def targets(images: list[Tensor]) -> list[dict[str, Tensor]]:
    """Two objects in the first picture, none in the second, one in each other."""
    boxes = [[[8.0, 8.0, 60.0, 50.0], [70.0, 2.0, 90.5, 30.0]], []] + [[[1.0, 2.0, 19.0, 30.0]]] * 8
    return [target_of(image, torch.tensor(each).reshape(-1, 4)) for image, each in zip(images, boxes, strict=False)]


def target_of(image: Tensor, boxes: Tensor) -> dict[str, Tensor]:
    masks = torch.zeros(len(boxes), *image.shape[-2:], dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    return {"boxes": boxes, "labels": torch.arange(len(boxes)) % 3 + 1, "masks": masks}


def losses(net: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)  # torchvision draws the regions to train on
    return net(pictures(), targets(pictures()))


def found(net: nn.Module, images: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
    with torch.no_grad():
        return net(pictures() if images is None else images)


def same(ours: list[dict[str, Tensor]], theirs: list[dict[str, Tensor]]) -> bool:
    """Whether two lists of detections are equal to the bit, in names, order, shapes and types."""
    return all(
        list(a) == list(b) and all(a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a)
        for a, b in zip(ours, theirs, strict=True)
    )


def assert_near(ours: list[dict[str, Tensor]], theirs: list[dict[str, Tensor]]) -> None:
    """The same detections by another way of computing them, which may round differently."""
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


# ----------------------------------------------------------------------------------------------------- the contract


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ga", AGGREGATORS)
def test_every_aggregation_in_both_detectors(ga: str, kind: str) -> None:
    net = small(kind, ga=ga)
    bare = copy.deepcopy(net).eval()
    bare.backbone.block = nn.Identity()
    assert isinstance(net.backbone.block, Plug)
    assert same(found(net.eval()), found(bare))  # the identity at first

    nn.init.constant_(net.train().backbone.block.gate, 0.5)
    out = losses(net)
    assert out.keys() == LOSSES | ({"loss_mask"} if kind == "mask" else set())
    assert all(each.shape == () and each.isfinite() for each in out.values())
    sum(out.values()).backward()
    unreached = [name for name, each in net.named_parameters() if each.grad is None]
    assert unreached == []
    assert all(each.grad.isfinite().all() for each in net.parameters())

    assert not same(found(net.eval()), found(bare))  # an open gate is no identity
    for image, each in zip(pictures(), found(net), strict=True):
        assert {key: value.dtype for key, value in each.items()} == {
            "boxes": torch.float32, "labels": torch.int64, "scores": torch.float32,
            **({"masks": torch.float32} if kind == "mask" else {}),
        }  # fmt: skip
        assert each["boxes"].shape == (5, 4)
        assert ((each["labels"] >= 1) & (each["labels"] <= 3)).all()
        assert kind == "faster" or each["masks"].shape == (5, 1, *image.shape[-2:])


@pytest.mark.parametrize("ld", DISTRIBUTORS)
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_and_distribution_trains(order: str, ld: str) -> None:
    net = small(order=order, ld=ld)
    sum(losses(net).values()).backward()
    assert all(each.grad is not None for each in net.parameters())


@pytest.mark.parametrize("ga", ["nonlocal", "cgnl"])
def test_the_papers_baselines(ga: str) -> None:
    assert isinstance(small(ga=ga, order="ga").backbone.block, Plug)


@pytest.mark.parametrize("options", [{"ld": "none"}, {"order": "ga"}, {"ld": "none", "order": "parallel"}])
def test_nothing_to_do_is_no_block(options: dict[str, str]) -> None:
    net = small(ga="none", **options)
    assert not list(net.backbone.block.parameters())
    assert not any(key.startswith("backbone.block") for key in net.state_dict())


def test_your_own_part() -> None:
    mine = nn.Conv2d(96, 96, 3, padding=1)
    sum(losses(small(ga=mine, ld="none")).values()).backward()
    assert mine.weight.grad is not None


def test_evaluation_repeats_itself_and_training_does_by_the_seed() -> None:
    net = small("mask")
    first = losses(net)
    again = losses(net)
    assert first == again
    assert same(found(net.eval()), found(net))


def test_it_learns_one_picture() -> None:
    net = small("mask", least_score=0.5)
    image = torch.zeros(3, 64, 96)
    image[0, 8:48, 8:56] = 1
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    for step in range(100):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / 100)  # threads round differently: it has to settle
        optimizer.zero_grad()
        sum(net([image], [target_of(image, torch.tensor([[8.0, 8.0, 56.0, 48.0]]))]).values()).backward()
        optimizer.step()
    assert net.backbone.block.gate.abs().min() > 0
    [out] = found(net.train(False), [image])
    assert out["labels"][0] == 1
    assert box_iou(out["boxes"][:1], torch.tensor([[8.0, 8.0, 56.0, 48.0]])) > 0.7
    overlap = (out["masks"][0, 0] > 0.5) & (image[0] > 0)
    assert overlap.sum() > 0.8 * (image[0] > 0).sum()


# --------------------------------------------------------------------------------------------------------- backbones


@pytest.mark.parametrize("backbone", ["test_efficientnet", "resnet18", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_any_backbone_with_a_pyramid(backbone: str) -> None:
    net = small(backbone=backbone, ga="gap").eval()
    assert len(found(net)) == 3


@pytest.mark.parametrize(("backbone", "strides"), [("test_vit", (16,)), ("test_resnet", (4, 8, 16))])
def test_other_last_strides(backbone: str, strides: tuple[int, ...]) -> None:
    net = small(backbone=backbone, strides=strides)
    sum(losses(net).values()).backward()
    assert all(each.grad is not None for each in net.backbone.block.parameters())
    with torch.no_grad():
        assert net.eval().backbone(torch.zeros(1, 3, 64, 96))[str(len(strides) - 1)].shape == (1, 16, 4, 6)


def test_fewer_levels() -> None:
    net = small("mask", strides=(8, 16, 32))
    with torch.no_grad():
        maps = net.backbone(torch.zeros(1, 3, 64, 96))
    assert {name: tuple(each.shape) for name, each in maps.items()} == {
        "0": (1, 16, 8, 12), "1": (1, 16, 4, 6), "2": (1, 16, 2, 3), "pool": (1, 16, 1, 2),
    }  # fmt: skip
    assert net.rpn.anchor_generator.sizes == ((64,), (128,), (256,), (512,))
    sum(losses(net).values()).backward()
    assert all(each.grad is not None for each in net.parameters())


def test_frozen_norms_stay_and_the_blocks_train() -> None:
    net = small(norm="frozen")
    fixed = {key: value.clone() for key, value in net.backbone.body.named_buffers()}
    before = {key: value.clone() for key, value in net.backbone.block.named_buffers() if "running_mean" in key}
    norms = [each for each in net.train().backbone.body.modules() if isinstance(each, nn.BatchNorm2d)]
    assert norms
    assert not any(each.training or each.weight.requires_grad for each in norms)
    sum(losses(net).values()).backward()
    assert all(torch.equal(value, fixed[key]) for key, value in net.backbone.body.named_buffers())
    assert before
    assert not any(
        torch.equal(value, before[key]) for key, value in net.backbone.block.named_buffers() if key in before
    )


def test_frozen_norms_compute_what_the_batch_norms_did() -> None:
    batch = awake(small(backbone="test_efficientnet")).eval()
    frozen = small(backbone="test_efficientnet", norm="frozen").train()
    frozen.load_state_dict(batch.state_dict())
    x = torch.rand(1, 3, 64, 64)
    for ours, theirs in zip(frozen.backbone.body(x), batch.backbone.body(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_norms_are_frozen_by_default_where_there_is_something_to_keep(tmp_path: Path) -> None:
    def frozen(**options: object) -> bool:
        return small(**options).backbone.frozen

    weights = timm.create_model("test_resnet").state_dict()
    save_file(weights, tmp_path / "net.safetensors")
    net = small(pretrained=tmp_path / "net.safetensors")
    assert torch.equal(net.backbone.body.state_dict()["layer4.0.conv1.weight"], weights["layer4.0.conv1.weight"])
    assert frozen(pretrained=tmp_path / "net.safetensors")
    assert not frozen(pretrained=str(tmp_path / "net.safetensors"), norm="batch")
    assert not frozen()


def test_norms_can_be_synchronised() -> None:
    net = small(norm="frozen")
    converted = convert_sync_batchnorm(copy.deepcopy(net))
    assert any(isinstance(each, nn.SyncBatchNorm) for each in converted.backbone.block.modules())
    assert not any(isinstance(each, nn.BatchNorm2d) for each in converted.modules())
    assert converted.state_dict().keys() == net.state_dict().keys()
    assert_near(found(converted.eval()), found(net.eval()))


# --------------------------------------------------------------------------------------------- pictures, numbers, types


def test_it_owns_its_normalisation() -> None:
    net = small(backbone="tf_efficientnet_lite0").eval()
    image = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    assert same(found(net, [image]), found(net, [image / 255]))
    mean = torch.tensor(timm.get_pretrained_cfg("tf_efficientnet_lite0").mean).view(3, 1, 1).expand(3, 64, 96)
    assert net.transform([mean])[0].tensors.abs().max() < 1e-6
    assert timm.get_pretrained_cfg("tf_efficientnet_lite0").mean != timm.get_pretrained_cfg("resnet50").mean


def test_training_pictures_come_as_they_are_without_resize() -> None:
    image = torch.rand(3, 40, 50)
    kept, resized = small(resize=False), small(short=(64, 80), longest=200)
    assert kept.train().transform([image])[0].image_sizes == [(40, 50)]
    assert kept.eval().transform([image])[0].image_sizes == [(64, 80)]
    sizes = {resized.train().transform([image])[0].image_sizes[0] for _ in range(30)}
    assert sizes == {(64, 80), (80, 100)}
    assert resized.eval().transform([image])[0].image_sizes == [(80, 100)]
    sum(kept.train()(pictures(), targets(pictures())).values()).backward()


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_one_pixel(kind: str) -> None:
    net = small(kind)
    image = torch.rand(3, 1, 1)
    sum(net([image], [target_of(image, torch.tensor([[0.0, 0.0, 1.0, 1.0]]))]).values()).backward()
    assert found(net.eval(), [image, torch.rand(3, 1, 90), torch.rand(3, 90, 1)])[2]["boxes"].shape[1] == 4
    with pytest.raises(UserError, match="1x1000 pixels"):
        found(net, [torch.rand(3, 1, 1000)])


def test_one_tiny_picture_trains_with_frozen_norms_only() -> None:
    images = [torch.rand(3, 20, 30)]
    target = [target_of(images[0], torch.tensor([[2.0, 2.0, 20.0, 10.0]]))]
    with pytest.raises(UserError, match="one picture of 32x32 pixels"):
        small(resize=False)(images, target)
    sum(small(resize=False, norm="frozen")(images, target).values()).backward()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_find_in_a_whole_batch(kind: str) -> None:
    images = pictures()
    out = small(kind)(images, [target_of(image, torch.zeros(0, 4)) for image in images])
    assert all(each.isfinite() for each in out.values())
    sum(out.values()).backward()
    assert found(small(kind, least_score=0.99).eval())[0]["boxes"].shape == (0, 4)


def test_regions_are_cut_from_the_right_place_whatever_was_seen_first() -> None:
    """Each level holds the place in the picture that its pixels stand for; a region's mean is its centre."""
    net = small(resize=False, norm="frozen")
    images = [torch.rand(3, 40, 40)]  # of 64x64 with its padding
    net(images, [target_of(images[0], torch.tensor([[2.0, 2.0, 20.0, 10.0]]))])
    size = 256
    levels = {
        str(index): torch.arange(size // stride).mul(float(stride)).expand(1, 1, size // stride, -1)
        for index, stride in enumerate((4, 8, 16, 32))
    }
    boxes = torch.tensor([[16.0, 16.0, 48.0, 48.0], [40.0, 0.0, 200.0, 200.0], [0.0, 0.0, 224.0, 224.0]])
    centres = net.roi_heads.box_roi_pool(levels, [boxes], [(size, size)]).mean(dim=(1, 2, 3))
    torch.testing.assert_close(centres, torch.tensor([32.0, 120.0, 112.0]), atol=0.5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_leaves_boxes_whole(kind: str) -> None:
    net = small(kind, short=320, longest=640)
    image = torch.rand(3, 320, 320)
    with torch.autocast("cpu", torch.bfloat16):
        out = net([image], [target_of(image, torch.tensor([[10.0, 20.0, 300.0, 310.0]]))])
        sum(out.values()).backward()
        boxes = found(net.eval(), [image])[0]["boxes"]
        maps = net.backbone(torch.rand(1, 3, 64, 64))
    assert {each.dtype for each in maps.values()} == {torch.float32}  # the anchors take it
    assert all(each.dtype == torch.float32 and each.isfinite() for each in out.values())
    assert boxes.dtype == torch.float32
    inner = boxes[(boxes > 128) & (boxes < 319)]
    assert len(inner) > 0
    assert not torch.equal(inner, inner.bfloat16().float())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_on_a_gpu(kind: str, dtype: torch.dtype) -> None:
    net = small(kind).cuda()
    images = [each.cuda() for each in pictures()]
    wanted = [{key: value.cuda() for key, value in each.items()} for each in targets(pictures())]
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        out = net(images, wanted)
        sum(out.values()).backward()
        assert all(each.isfinite() for each in out.values())
        assert found(net.eval(), images)[0]["boxes"].dtype == torch.float32


def test_channels_last_and_double() -> None:
    net = awake(small()).double().eval()
    images = [each.double() for each in pictures()]
    theirs = found(net, images)
    ours = found(net.to(memory_format=torch.channels_last), images)
    assert ours[0]["boxes"].dtype == torch.float64
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


# -------------------------------------------------------------------------------------------------------- torchvision

THEIRS = {
    "faster": torchvision.models.detection.fasterrcnn_resnet50_fpn,
    "mask": torchvision.models.detection.maskrcnn_resnet50_fpn,
}
SIZES = {"min_size": 64, "max_size": 96, "box_score_thresh": 0.0, "box_detections_per_img": 5}
FEW = {"box_batch_size_per_image": 16} | {
    f"rpn_{when}_nms_top_n_{mode}": count for when in ("pre", "post") for mode, count in (("train", 60), ("test", 30))
}


def torchvisions(kind: str, backbone: str = "resnet18") -> nn.Module:
    """Their network with batch norms that are off their first values, and so small that an epsilon is seen."""
    torch.manual_seed(1)
    if backbone == "resnet50":
        net = THEIRS[kind](weights=None, weights_backbone=None, num_classes=4, **SIZES)
    else:
        body = resnet_fpn_backbone(backbone_name=backbone, weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5)
        net = (FasterRCNN if kind == "faster" else MaskRCNN)(body, 4, **SIZES, **FEW)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.05)
            module.running_var.uniform_(1e-5, 1e-3)
            nn.init.uniform_(module.weight, 0.005, 0.02)
    return net.eval()


def frozen_without_epsilon(net: nn.Module) -> nn.Module:
    """As torchvision builds its network with COCO_V1 weights."""
    net = timm.layers.freeze_batch_norm_2d(copy.deepcopy(net))
    for module in net.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0
    return net


def of_2019(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same by the names that torchvision used before 0.13."""
    names = {"rpn.head.conv.0.0.": "rpn.head.conv."}
    for index in range(4):
        names[f"roi_heads.mask_head.{index}.0."] = f"roi_heads.mask_head.mask_fcn{index + 1}."
        for block in ("inner_blocks", "layer_blocks"):
            names[f"backbone.fpn.{block}.{index}.0."] = f"backbone.fpn.{block}.{index}."
    old = {}
    for key, value in weights.items():
        start = key[: key.rindex(".") + 1]
        old[names.get(start, start) + key.removeprefix(start)] = value
    return old


def ours(kind: str, num_classes: int = 3, backbone: str = "resnet18", **options: Any) -> FasterDetector:
    few = {"proposals": 30, "samples": 16} if backbone == "resnet18" else {}  # of the other, torchvision's own numbers
    return KINDS[kind](backbone, num_classes, short=64, longest=96, least_score=0.0, detections=5, **few, **options)


@pytest.mark.parametrize(("kind", "backbone"), [("faster", "resnet50"), ("mask", "resnet18")])
def test_torchvisions_weights_give_torchvisions_detections(kind: str, backbone: str) -> None:
    theirs = torchvisions(kind, backbone)
    net = ours(kind, backbone=backbone)
    fresh = load_torchvision(net, theirs.state_dict())
    assert fresh
    assert all(name.startswith("backbone.block.") for name in fresh)
    assert_near(found(net.eval()), found(theirs))
    assert found(theirs)[0]["boxes"].shape == (5, 4)
    bare = {key: value.shape for key, value in net.state_dict().items() if key not in fresh}
    counters = {key for key in net.state_dict() if key.startswith("backbone.block.") and key not in fresh}
    assert {key: value for key, value in bare.items() if key not in counters} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }


def test_without_a_block_it_is_torchvisions_network(tmp_path: Path) -> None:
    theirs = torchvisions("mask")
    torch.save(theirs.state_dict(), tmp_path / "net.pth")
    torch.save({"model": theirs.state_dict(), "epoch": 3}, tmp_path / "script.pth")
    save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    for name in ("net.pth", "script.pth", "net.safetensors"):
        net = ours("mask", ga="none", ld="none")
        assert load_torchvision(net, tmp_path / name) == ()
        assert list(net.state_dict()) == list(theirs.state_dict())
        assert_near(found(net.eval()), found(theirs))
    assert losses(net.train()) == losses(theirs.train())


def test_the_released_checkpoints_have_no_epsilon() -> None:
    theirs = torchvisions("mask")
    without = frozen_without_epsilon(theirs)
    kept, reference = found(theirs), found(without)
    assert not torch.allclose(kept[0]["scores"], reference[0]["scores"], atol=1e-6)  # it is seen at all
    old = of_2019(without.state_dict())
    assert "backbone.fpn.inner_blocks.0.weight" in old
    assert "rpn.head.conv.weight" in old
    assert "roi_heads.mask_head.mask_fcn4.bias" in old
    for source in (without, old):
        for norm in ("frozen", "batch"):
            net = ours("mask", norm=norm)
            load_torchvision(net, source)
            for a, b in zip(found(net.eval()), reference, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_other_classes_and_other_heads_stay_as_they_were() -> None:
    predictors = {
        f"roi_heads.{layer}.{part}"
        for layer in ("box_predictor.cls_score", "box_predictor.bbox_pred", "mask_predictor.mask_fcn_logits")
        for part in ("weight", "bias")
    }
    source = torchvisions("mask").state_dict()
    net = ours("mask", 7, ga="none", ld="none")
    before = {key: net.state_dict()[key].clone() for key in predictors}
    assert set(load_torchvision(net, source)) == predictors
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key] if key in predictors else source[key])

    assert load_torchvision(ours("faster", ga="none", ld="none"), source) == ()
    fresh = load_torchvision(ours("mask", ga="none", ld="none"), torchvisions("faster"))
    assert fresh
    assert all(name.startswith("roi_heads.mask_") for name in fresh)


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    source = torchvisions("faster").state_dict()
    net = ours("faster")
    before = copy.deepcopy(net.state_dict())
    lacking = {key: value for key, value in source.items() if key != "rpn.head.cls_logits.bias"}
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    torch.save({"model": 3}, tmp_path / "odd.pth")
    torch.save({"net": nn.Linear(1, 1)}, tmp_path / "code.pth")
    for wrong, sentence in (
        (lacking, "rpn.head.cls_logits.bias is missing there"),
        ({**source, "extra": torch.zeros(1)}, "extra is unknown here"),
        (small().state_dict(), "backbone.body.conv1.weight is missing there .124 missing or of another shape"),
        ({}, "no state dict"),
        (tmp_path / "absent.pth", "no weights at"),
        (tmp_path / "text.pth", "can't be read as weights"),
        (tmp_path / "text.safetensors", "can't be read as weights"),
        (tmp_path / "other.pth", "no state dict"),
        (tmp_path / "odd.pth", "no state dict"),
        (tmp_path / "code.pth", "which are never loaded because they can run code"),
    ):
        with pytest.raises(UserError, match=sentence):
            load_torchvision(net, wrong)
    torch.save({"model": {"w": torch.zeros(3)}}, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    sound = (tmp_path / "w.pth").read_bytes()
    for place in range(len(sound)):  # some of these once left as an AssertionError or an AttributeError
        (tmp_path / "w.pth").write_bytes(sound[:place] + bytes([sound[place] ^ 0x15]) + sound[place + 1 :])
        with pytest.raises(UserError):
            load_torchvision(net, tmp_path / "w.pth")
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    with pytest.raises(UserError, match=r"fc6.weight is \(1024, 12544\) there and \(16, 12544\) here"):
        load_torchvision(small(backbone="resnet18", fpn_channels=256), source)


# ------------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"backbone": "test_vit"}, "'test_vit' can't be dilated to output stride 32; it can do 16"),
        (
            {"backbone": "test_vit", "strides": (8, 16)},
            "needs a map of stride 8, and backbone 'test_vit' has 16, 16, 16",
        ),
        ({"backbone": "resnet51"}, "unknown backbone"),
        ({"strides": (4, 16, 32)}, "each must be twice the one before"),
        ({"strides": ()}, r"^strides is \(\); it must be numbers above 0"),
        ({"strides": (8, 16, 32, 64)}, "the last 8, 16 or 32"),
        ({"strides": (1, 2, 4, 8)}, "needs a map of stride 1, and"),
        ({"norm": "group"}, "'frozen' or 'batch'"),
        ({"ga": "spp"}, "unknown global aggregation"),
        ({"order": "ga-ga"}, "unknown order"),
        ({"anchors": (32, 64)}, "5 sides"),
        ({"anchors": (0, 64, 128, 256, 512)}, r"^anchors is 0 64 128 256 512; it must be numbers above 0"),
        ({"short": 0}, r"^short is 0; it must be numbers above 0"),
        ({"short": ()}, r"^short is \(\)"),
        ({"longest": -1}, "^longest is -1; it must be at least 1"),
        ({"proposals": 0}, "^proposals is 0; it must be at least 1"),
        ({"proposals": "many"}, "^proposals is many; it must be at least 1"),
        ({"samples": 0}, "^samples is 0; it must be at least 1"),
        ({"detections": 0}, "detections of 1 or more"),
        ({"head_channels": 0}, "^head_channels is 0; it must be at least 1"),
        ({"fpn_channels": 0}, "^fpn_channels is 0; it must be at least 1"),
        ({"fpn_chanels": 8}, "unknown argument of a detector 'fpn_chanels'; did you mean 'fpn_channels'"),
        ({"masks": True}, "unknown argument of a detector 'masks'"),
        ({"least_score": 1.5}, "least_score"),
    ],
)
@pytest.mark.usefixtures("untyped")  # whose errors would come before ours
def test_arguments_that_cannot_be(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        small(**options)
    if "backbone" not in options:
        with pytest.raises(UserError, match="classes of 1 or more"):
            gald.mask_rcnn("test_resnet", 0)


@pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
def test_the_number_of_classes_has_no_default(build: Callable[..., FasterDetector]) -> None:
    with pytest.raises(UserError, match="num_classes is missing: how many classes there are"):
        build("test_resnet")


@pytest.mark.parametrize("masks", [False, True])
def test_from_the_settings_of_a_run_comes_what_the_same_arguments_make(masks: bool) -> None:
    about: dict[str, Any] = {"ga": "nonlocal", "norm": "batch", "strides": (8, 16), "fpn_norm": True, "samples": 8}
    torch.manual_seed(0)
    settings = from_config(DetectorConfig("test_resnet", masks=masks, fpn_channels=8, head_channels=8, **about), 3)
    torch.manual_seed(0)
    arguments = (mask_rcnn if masks else faster_rcnn)("test_resnet", 3, fpn_channels=8, head_channels=8, **about)
    assert str(settings) == str(arguments)
    assert all(map(torch.equal, settings.state_dict().values(), arguments.state_dict().values()))
    assert settings.roi_heads.fg_bg_sampler.batch_size_per_image == 8


def changed(**parts: Tensor) -> list[dict[str, Tensor]]:
    first, *others = targets(pictures())
    return [{**first, **parts}, *others]


BOX = torch.tensor([[8.0, 8.0, 60.0, 50.0], [70.0, 2.0, 90.0, 30.0]])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (None, "one target for each of the 3 pictures, got none"),
        ([], "got 0"),
        ([{}] * 3, "target 0: no tensor 'boxes'"),
        (changed(boxes=BOX[:1]), r"boxes are float \(2, 4\) for 2 labels, got float32 \(1, 4\)"),
        (changed(boxes=BOX.long()), "got int64"),
        (changed(boxes=BOX * torch.tensor([1.0, 1, 0, 1])), r"box 0 is \[8.0, 8.0, 0.0, 50.0\]"),
        (changed(boxes=BOX * torch.tensor([1.0, 1, 1, float("nan")])), "box 0 is"),
        (changed(boxes=BOX + 1000), r"box 0 is .*, beside its picture of 96x64 pixels"),
        (changed(boxes=BOX - torch.tensor([70.0, 0, 70, 0])), "box 0 is .*, beside its picture"),
        (changed(labels=torch.tensor([1, 0])), r"label 1 is 0; labels are 1 to 3"),
        (changed(labels=torch.tensor([4, 1])), "label 0 is 4"),
        (changed(labels=torch.tensor([1.0, 2.0])), "labels are int64"),
        (changed(masks=torch.zeros(2, 64, 95, dtype=torch.bool)), r"masks are \(2, 64, 96\)"),
        (changed(masks=torch.zeros(1, 64, 96, dtype=torch.bool)), r"masks are \(2, 64, 96\)"),
    ],
)
def test_targets_that_cannot_be(wrong: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        small("mask")(pictures(), wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], "got an empty list"),
        ([torch.zeros(3, 8, 8), torch.zeros(8, 8)], r"picture 1 is float32 \(8, 8\)"),
        (torch.zeros(3, 8, 8), "got float32"),
        ([torch.zeros(1, 8, 8)], r"picture 0 is float32 \(1, 8, 8\)"),
        ([torch.zeros(3, 0, 8)], r"picture 0 is float32 \(3, 0, 8\)"),
        ([torch.zeros(3, 8, 8, dtype=torch.int64)], "picture 0 is int64"),
        (torch.zeros(2, 4, 8, 8), "float32"),
    ],
)
def test_pictures_that_cannot_be(wrong: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        small().eval()(wrong)


@pytest.mark.parametrize("detections", [5, 0])
def test_binary_masks_are_torchvisions_masks_at_one_half(detections: int) -> None:
    net = small("mask").eval()
    net.roi_heads.score_thresh = 0.0 if detections else 1.0
    images = pictures()
    with torch.no_grad():
        expected = net(images)
        net.transform.binary_masks = True
        found = net(images)
    for image, wanted, got in zip(images, expected, found, strict=True):
        assert len(got["boxes"]) == detections
        assert got["masks"].dtype == torch.bool
        assert got["masks"].shape == (detections, 1, *image.shape[1:])
        assert torch.equal(got["masks"], wanted["masks"] >= 0.5)
        assert torch.equal(got["boxes"], wanted["boxes"])
    assert not detections or 0 < torch.cat([each["masks"].flatten() for each in found]).float().mean() < 1


def test_pictures_of_any_float() -> None:
    net = small().eval()
    images = [image.half() for image in pictures()]
    with torch.no_grad():
        expected, found = net([image.float() for image in images]), net(images)
        assert net.double()(images)[0]["boxes"].dtype == torch.float64
    assert all(torch.equal(one["boxes"], other["boxes"]) for one, other in zip(expected, found, strict=True))


def test_uncast_targets_are_the_targets() -> None:
    net = small()
    torch.manual_seed(0)
    assert net(pictures(), UncastTargets(targets(pictures()))) == losses(net)


def test_a_batch_is_a_list_of_pictures() -> None:
    net = small().eval()
    batch = torch.rand(2, 3, 64, 64)
    assert same(found(net, batch), found(net, list(batch)))


def test_the_public_names() -> None:
    assert gald.faster_rcnn is faster_rcnn
    assert gald.mask_rcnn is mask_rcnn


# ---------------------------------------------------------------------------------------------- norms in the pyramid


def test_a_pyramid_with_norms_hands_on_maps_of_one_size_whatever_the_backbones_are():
    """Maps 100 times as large leave what the heads see as it was; without norms they see 100 times as much."""
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def deviations(normed: bool, factor: float) -> Tensor:
        net = small(ga="none", ld="none", fpn_norm=normed).backbone.eval()
        for inner in net.fpn.inner_blocks:
            if inner[0].bias is not None:  # a norm takes its place
                inner[0].bias.data.zero_()
            inner[0].weight.data *= factor
        return torch.stack([each.std() for each in net(images).values()])

    assert torch.allclose(deviations(True, 1), deviations(True, 100), rtol=1e-2)
    assert torch.allclose(deviations(False, 100), 100 * deviations(False, 1), rtol=1e-3)


@pytest.mark.parametrize("channels", [2, 5, 8, 12, 256])
def test_a_pyramid_with_norms_trains_on_maps_of_one_place(channels: int):
    net = small(fpn_norm=True, fpn_channels=channels, strides=(8, 16), norm="frozen").backbone.train()
    sum(each.square().mean() for each in net(torch.rand(1, 3, 16, 16)).values()).backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in net.fpn.parameters())

"""The segmentation network: any backbone, any size, one output type, its own normalisation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from running import PATIENCE
from safetensors.torch import save_file
from torch import nn

from gald.config.network import SegmenterConfig
from gald.models.backbone import divisor, feature_maps, timm_backbone
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError

SIZES = [(1, 1), (1, 40), (33, 47), (64, 96)]


def small(backbone: str = "test_resnet", **options: object) -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(backbone, 5, channels=16, **{"output_stride": 16, **options})


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "convnext_atto"])
def test_any_size_at_any_stride(backbone: str, stride: int) -> None:
    network = small(backbone, output_stride=stride).eval()
    with torch.no_grad():
        for size in SIZES:
            out = network(torch.rand(1, 3, *size))
            assert out.keys() == {"out"}
            assert out["out"].shape == (1, 5, *size)
            assert out["out"].isfinite().all()


@pytest.mark.parametrize(("backbone", "stride"), [("test_vit", 16), ("swin_tiny_patch4_window7_224", 32)])
def test_transformers_take_any_size(backbone: str, stride: int) -> None:
    network = small(backbone, output_stride=stride).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 50, 70))["out"].shape == (1, 5, 50, 70)


def test_the_same_type_in_training_with_the_auxiliary_head_beside_it() -> None:
    network = small()
    out = network(torch.rand(2, 3, 33, 47))
    assert {key: value.shape for key, value in out.items()} == {"out": (2, 5, 33, 47), "aux": (2, 5, 33, 47)}
    assert small(aux=False)(torch.rand(2, 3, 33, 47)).keys() == {"out"}


def test_every_parameter_learns() -> None:
    network = small(skip=True)
    out = network(torch.rand(2, 3, 64, 64))
    (out["out"].square().mean() + out["aux"].square().mean()).backward()
    unused = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert not unused


def test_it_owns_its_normalisation() -> None:
    network = small("test_efficientnet").eval()
    images = torch.randint(0, 256, (1, 3, 40, 40), dtype=torch.uint8)
    torch.testing.assert_close(network(images), network(images / 255))
    mean = torch.tensor(timm.get_pretrained_cfg("test_efficientnet").mean).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(network.normalize(mean), torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_pictures_of_any_channel_count(channels: int) -> None:
    assert small(in_channels=channels).eval()(torch.rand(1, channels, 33, 33))["out"].shape == (1, 5, 33, 33)


@pytest.mark.parametrize("order", ["ga-ld", "ld-ga", "parallel", "ga", "ld"])
def test_every_order_trains_at_batch_one(order: str) -> None:
    small(order=order)(torch.rand(1, 3, 65, 33))["out"].sum().backward()


def test_your_own_parts() -> None:
    mine = nn.Conv2d(16, 16, 1)
    network = small(ga=mine, ld="none")
    assert network.block.ga is mine


def test_channels_last_and_autocast_agree_with_plain() -> None:
    network = small(skip=True).eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        plain = network(images)["out"]
        last = network.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))[
            "out"
        ]
        with torch.autocast("cpu", torch.bfloat16):
            low = network(images)["out"].float()
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-4)
    assert (low - plain).abs().max() < 0.1 * plain.abs().max()


def test_the_sentences() -> None:
    with pytest.raises(UserError, match=r"can't be dilated to output stride 8; it can do 32; a ResNet"):
        small("swin_tiny_patch4_window7_224", output_stride=8)
    with pytest.raises(UserError, match="unknown backbone 'resnet5O'; did you mean 'resnet50'"):
        small("resnet5O")
    with pytest.raises(UserError, match="it can do 16; a ResNet"):
        timm_backbone("test_vit", output_stride=8)
    with pytest.raises(UserError, match="output_stride is 7; it must be 8, 16 or 32"):
        timm_backbone("test_resnet", output_stride=7)
    with pytest.raises(UserError, match="no weights 'resnet18.foo_in1k'; did you mean 'resnet18."):
        timm_backbone("resnet18.foo_in1k")
    with pytest.raises(UserError, match="unknown global aggregation 'pspp'; did you mean 'psp'"):
        small(ga="pspp")
    with pytest.raises(UserError, match="skip needs a stride-4 map"):
        small("test_vit", skip=True)
    with pytest.raises(UserError, match="num_classes is 0"):
        Segmenter("test_resnet", 0)
    with pytest.raises(UserError, match="num_classes is None; a segmenter needs at least 1 class"):
        Segmenter("test_resnet")


def test_from_the_settings_of_a_run_comes_what_the_same_arguments_make() -> None:
    torch.manual_seed(0)
    config = SegmenterConfig("test_resnet", ga="gap", order="ld-ga", channels=8, output_stride=16, skip=True, aux=False)
    settings = Segmenter.from_config(config, 3)
    torch.manual_seed(0)
    arguments = Segmenter("test_resnet", 3, ga="gap", order="ld-ga", channels=8, output_stride=16, skip=True, aux=False)
    assert str(settings) == str(arguments)
    assert all(map(torch.equal, settings.state_dict().values(), arguments.state_dict().values()))


def test_backbone_weights_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained = timm.create_model("test_resnet")
    path = tmp_path / "weights.safetensors"
    save_file(trained.state_dict(), path)
    network = small(pretrained=path)
    torch.testing.assert_close(network.backbone.conv1[0].weight, trained.conv1[0].weight)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match="is not a whole safetensors file"):
        small(pretrained=path)
    with pytest.raises(UserError, match="no backbone weights at"):
        small(pretrained=tmp_path / "none.safetensors")


@pytest.mark.parametrize("stride", [16, 32])  # 32 is its own: built without dilation
def test_weights_of_another_backbone(tmp_path: Path, stride: int) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    with pytest.raises(UserError, match="don't fit backbone 'test_efficientnet': size mismatch for bn1.weight"):
        small("test_efficientnet", output_stride=stride, pretrained=path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=r"don't fit backbone 'test_resnet': conv1\S*weight is missing \(and \d+ more"):
        small("test_resnet", output_stride=stride, pretrained=path)


def test_weights_of_a_deeper_backbone(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(timm.create_model("tf_efficientnet_lite1", features_only=True).state_dict(), path)
    with pytest.raises(
        UserError, match="are of a deeper backbone than 'tf_efficientnet_lite0', which has no blocks_1_2"
    ):
        small("tf_efficientnet_lite0", pretrained=path)
    save_file(timm.create_model("tf_efficientnet_lite0").state_dict(), path)  # with its classifier, and one stage more
    small("tf_efficientnet_lite0", pretrained=path)
    save_file(timm.create_model("resnet26").state_dict(), path)
    with pytest.raises(UserError, match="are of a deeper backbone than 'resnet14t'|don't fit"):
        small("resnet14t", pretrained=path)


def failing(error: Exception) -> Callable[..., nn.Module]:
    """``timm.create_model`` on a machine where weights can't be had."""
    plain = timm.create_model

    def create(name: str, **options: object) -> nn.Module:
        if options.get("pretrained"):
            raise error
        return plain(name, **options)

    return create


@pytest.mark.parametrize("error", [FileNotFoundError("no connection."), ConnectionError("no connection")])
def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(timm, "create_model", failing(error))
    with pytest.raises(
        UserError, match=r"weights of test_resnet here \(no connection\); give the .*--model.weights FILE"
    ):
        small(pretrained=True)


def test_other_errors_are_not_blamed_on_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "create_model", failing(RuntimeError("out of memory")))
    with pytest.raises(RuntimeError, match="out of memory"):
        small(pretrained=True)


def test_families_that_round_down_get_padded_pictures() -> None:
    rounds_up, rounds_down = timm_backbone("test_resnet").eval(), timm_backbone("convnext_atto")
    assert (divisor(rounds_up, 3), divisor(rounds_down, 3)) == (1, 32)
    assert [each.shape[1] for each in feature_maps(rounds_up, torch.rand(1, 3, 32, 32))] == [32, 32, 48, 192, 96]


def test_one_picture_without_a_batch_is_refused_in_a_sentence():
    """In a process of its own: here the shapes in the signatures are checked before the network can say it better."""
    code = (
        "import torch; from gald import Segmenter\n"
        "Segmenter('test_resnet', 2, channels=8, output_stride=16)(torch.zeros(3, 32, 32))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("a network takes pictures (B, C, H, W), got (3, 32, 32); one picture is x[None]")

"""The released networks: their keys, their numbers, reading their weights, and the sizes and formats they take.

The numbers were recorded from the released code (``golden/fill.py`` makes weights and images); the larger recordings
stay in ``../shared/fixtures`` and are skipped where that is absent.
"""

from __future__ import annotations

import hashlib
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from golden.fill import filled, model_input
from torch import nn

from gald.models import official
from gald.models.official.backbone import Bottleneck, map_size
from gald.models.official.dualseg_head import DualGCN, DualGCNHead, SpatialGCN
from gald.models.official.gald_head import CGNL, GALDBlock, GALDHead, LocalDistribution
from gald.support.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden"
SHARED = Path(__file__).parents[2].parent / "shared" / "fixtures"

BLOCKS = {
    "bottleneck_plain": lambda: Bottleneck(32, 8, dilation=8),
    "cgnl_16_8_g1": lambda: CGNL(16, 8, groups=1),
    "cgnl_16_8_g4": lambda: CGNL(16, 8, groups=4),
    "cgnl_16_8_g4_scale": lambda: CGNL(16, 8, groups=4, scale=True),
    "cgnl_16_8_g8": lambda: CGNL(16, 8),
    "dualgcn_16": lambda: DualGCN(16),
    "dualgcnhead_32_16_5": lambda: DualGCNHead(32, 16, 5),
    "gald_16_8": lambda: GALDBlock(16, 8),
    "galdhead_32_16_5": lambda: GALDHead(32, 16, 5),
    "ld_16": lambda: LocalDistribution(16),
    "ld_16_min15": lambda: LocalDistribution(16),
    "spatialgcn_16": lambda: SpatialGCN(16),
}


def recording(name: str, key: str) -> dict[str, np.ndarray]:
    """The file that has ``key``: the small one beside the tests, or the full one."""
    for folder in (GOLDEN, SHARED):
        if (folder / name).is_file() and key in (data := dict(np.load(folder / name))):
            return data
    pytest.skip(f"{key} of {name} is only in ../shared/fixtures, which is not here")


def on_meta(name: str, num_classes: int = 19) -> official.Released:
    """The network without memory, for its names and shapes."""
    with torch.device("meta"):
        return official.NETWORKS[name](num_classes)


@cache
def filled_network(name: str) -> official.Released:
    network = official.NETWORKS[name](19).eval()
    network.load_state_dict(filled(network.state_dict()))
    return network


@pytest.fixture
def gald_r50() -> official.Released:
    return filled_network("gald_r50")


# ---- names and shapes


@pytest.mark.parametrize("name", ["gald_r50", "dualseg_r50"])
def test_keys_and_shapes_are_the_released_ones_in_order(name):
    ours = [f"{key} {'x'.join(map(str, value.shape))}".strip() for key, value in on_meta(name).state_dict().items()]
    assert ours == (GOLDEN / f"{name}_keys.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "total", "keys", "head", "backbone"),
    [
        ("gald_r50", 52_402_662, 393, 24_040_979, 23_631_808),
        ("gald_r101", 71_394_790, 699, 24_040_979, 42_623_936),
        ("dualseg_r50", 53_514_470, 432, 25_152_787, 23_631_808),
        ("dualseg_r101", 72_506_598, 738, 25_152_787, 42_623_936),
    ],
)
def test_sizes(name, total, keys, head, backbone):
    network = on_meta(name)
    count = {part: sum(p.numel() for p in module.parameters()) for part, module in network.named_children()}
    assert len(network.state_dict()) == keys
    assert (count.pop("head"), count.pop("dsn")) == (head, 4_729_875)
    assert sum(count.values()) == backbone
    assert sum(p.numel() for p in network.parameters()) == total


@pytest.mark.parametrize(("name", "timm_name"), [("gald_r50", "resnet50s"), ("dualseg_r101", "resnet101s")])
def test_timm_has_weights_for_the_backbone(name, timm_name):
    with torch.device("meta"):
        theirs = {key: value.shape for key, value in timm.create_model(timm_name, num_classes=0).state_dict().items()}
    ours = on_meta(name).state_dict().items()
    assert theirs == {key: value.shape for key, value in ours if not key.startswith(("head.", "dsn."))}


def test_number_of_classes():
    network = on_meta("gald_r50", 7)
    assert network.head.bottleneck[3].out_channels == network.dsn[4].out_channels == 7


def test_construction_says_nothing(capsys):
    official.gald_head.CGNL(16, 8)
    on_meta("dualseg_r50")
    assert capsys.readouterr() == ("", "")


# ---- numbers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", BLOCKS)
def test_block_gives_the_recorded_values_and_gradients(name, dtype):
    data = {
        key: torch.from_numpy(value)
        for key, value in recording(f"block_{name}.npz", "y64").items()
        if value.dtype.kind in "fi"
    }
    block = BLOCKS[name]().eval()
    block.load_state_dict({key.removeprefix("sd."): value for key, value in data.items() if key.startswith("sd.")})
    block.to(dtype)
    x = data["x"].to(dtype).requires_grad_()
    y = block(x)
    (y * data["r"].to(dtype)).sum().backward()

    suffix, exact = (
        ("64", {"rtol": 1e-9, "atol": 1e-9}) if dtype == torch.float64 else ("", {"rtol": 1e-4, "atol": 1e-4})
    )
    torch.testing.assert_close(y, data["y" + suffix], **exact)
    torch.testing.assert_close(x.grad, data["grad_x" + suffix], **exact)
    for key, parameter in block.named_parameters():
        # The gradients of CGNL's p and g are rounding noise of the release (1e-4): the norm cancels what they scale.
        # The test below holds ours to the formula.
        inert = key.rsplit(".", 2)[-2] in "pg"
        atol = 1e-3 if inert else 2e-4
        torch.testing.assert_close(parameter.grad.float(), data["grad." + key], rtol=1e-4, atol=atol)


@pytest.mark.parametrize(("groups", "scale"), [(1, False), (4, True), (8, False)])
def test_cgnl_is_the_plain_formula_in_values_and_gradients(groups, scale):
    torch.manual_seed(0)
    block = CGNL(16, 8, groups, scale=scale).double()
    nn.init.normal_(block.gn.weight)
    nn.init.normal_(block.gn.bias)
    x = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    plain = plain_cgnl(block, x)
    torch.testing.assert_close(block(x), plain)
    toward = torch.randn_like(plain)
    parameters = list(block.parameters())
    ours = torch.autograd.grad((block(x) * toward).sum(), parameters)
    theirs = torch.autograd.grad((plain * toward).sum(), parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10)


def plain_cgnl(block: CGNL, x: torch.Tensor) -> torch.Tensor:
    t, p, g = (conv(x).unflatten(1, (block.groups, -1)) for conv in (block.t, block.p, block.g))
    a = (p * g).sum((2, 3, 4), keepdim=True)
    if block.scale:
        a = a / (p[0, 0].numel() ** 0.5)
    return block.gn(block.z((a * t).flatten(1, 2))) + x


def test_cgnl_survives_float16_where_the_product_does_not_fit():
    torch.manual_seed(0)
    block = CGNL(64, 32).eval()
    block.g.weight.data = block.p.weight.data.clone()  # a sum of squares: the worst case
    x = 10 * torch.randn(1, 64, 24, 24)
    with torch.no_grad():
        scalar, exact = block._scalar(x), block(x)
        half = block.half()(x.half())
    assert scalar.max() > torch.finfo(torch.float16).max
    torch.testing.assert_close(half.float(), exact, rtol=2e-2, atol=5e-2)


def test_cgnl_of_zeros_is_its_input_and_has_gradients():
    block = CGNL(16, 8)
    x = torch.zeros(1, 16, 4, 4, requires_grad=True)
    y = block(x)
    y.sum().backward()
    assert torch.equal(y, x)
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_mask_lies_between_a_half_and_one():
    torch.manual_seed(0)
    x = torch.rand(1, 8, 31, 17) + 0.1
    ratio = LocalDistribution(8).eval()(x) / x
    assert (ratio >= 1.5 - 1e-6).all()
    assert (ratio < 2).all()


@pytest.mark.parametrize(
    ("name", "size"), [("gald_r50", "111x111"), ("dualseg_r50", "97x97"), ("dualseg_r50", "129x193")]
)
def test_whole_network_gives_the_recorded_logits(name, size):
    network, data = filled_network(name), recording(f"{name}_expected.npz", f"out_{size}")
    image = model_input(*map(int, size.split("x")))
    assert hashlib.sha256(image.numpy().tobytes()).hexdigest() == str(data[f"input_sha256_{size}"])
    with torch.no_grad():
        output = network(image)
        network.training = True  # the auxiliary head runs, while norms and dropout stay in evaluation
        both = network(image)
        network.training = False
    assert list(output) == ["out"]
    assert list(both) == ["out", "aux"]
    for key, logits in both.items():
        torch.testing.assert_close(logits, torch.from_numpy(data[f"{key}_{size}"]), rtol=0, atol=1e-4)
    torch.testing.assert_close(output["out"].double(), torch.from_numpy(data[f"out64_{size}"]), rtol=0, atol=1e-4)


def test_map_size():
    sizes = {97: 13, 111: 15, 129: 17, 193: 25, 513: 65, 769: 97, 832: 105, 1024: 129, 2048: 257, 1: 1}
    assert {side: map_size(side) for side in sizes} == sizes


def test_auxiliary_head_of_dualseg_has_no_relu():
    kinds = [[type(each).__name__ for each in on_meta(name).dsn] for name in ("gald_r50", "dualseg_r50")]
    assert kinds[0] == ["Conv2d", "BatchNorm2d", "ReLU", "Dropout2d", "Conv2d"]
    assert kinds[1] == ["Conv2d", "BatchNorm2d", "Dropout2d", "Conv2d"]


# ---- formats and sizes


def test_channels_last_is_the_same(gald_r50):
    image = model_input(111, 113)
    with torch.no_grad():
        plain = gald_r50(image)["out"]
        lasting = gald_r50(image.to(memory_format=torch.channels_last))["out"]
    torch.testing.assert_close(lasting, plain, rtol=0, atol=1e-4)


@pytest.mark.parametrize("block", [GALDHead(32, 16, 5), DualGCNHead(32, 16, 5)], ids=["gald", "dualseg"])
def test_channels_last_weights_and_input_train_the_same(block):
    block.eval()
    x = torch.randn(2, 32, 17, 19, generator=torch.Generator().manual_seed(0))
    plain = torch.autograd.grad(block(x).square().sum(), list(block.parameters()))
    block.to(memory_format=torch.channels_last)
    lasting = block(x.to(memory_format=torch.channels_last))
    lasting = torch.autograd.grad(lasting.square().sum(), list(block.parameters()))
    torch.testing.assert_close(lasting, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["gald_r50", "dualseg_r50"])
def test_bfloat16_is_near(name):
    network = filled_network(name)
    image = model_input(111, 111)
    with torch.no_grad():
        exact = network(image)["out"]
        with torch.autocast("cpu", torch.bfloat16):
            cast = network(image)["out"].float()
        converted = official.NETWORKS[name](19).eval()
        converted.load_state_dict(network.state_dict())
        half = converted.bfloat16()(image.bfloat16())["out"].float()
    for logits in (cast, half):
        assert (logits - exact).abs().mean() < 0.1 * exact.std()


def test_dualseg_survives_float16_autocast_where_the_sum_does_not_fit():
    torch.manual_seed(0)
    block = DualGCN(16)
    block.theta.weight.data = block.phi.weight.data[:4].clone()  # so that the sum is the number of positions, 66049
    x = torch.randn(1, 16, 257, 257)
    with torch.no_grad():
        exact = block(x)
        with torch.autocast("cpu", torch.float16):
            cast = block(x).float()
    assert cast.isfinite().all()
    assert (cast - exact).abs().mean() < 0.01 * exact.std()


def test_too_small_for_gald(gald_r50):
    for size in ((97, 97), (110, 300), (300, 110)):
        with pytest.raises(UserError, match="smallest is 111x111"):
            gald_r50(torch.zeros(1, 3, *size))


def test_dualseg_takes_one_pixel():
    with torch.no_grad():
        assert filled_network("dualseg_r50")(torch.zeros(1, 3, 1, 1))["out"].shape == (1, 19, 1, 1)


@pytest.mark.parametrize(("name", "side"), [("gald_r50", 175), ("dualseg_r50", 63)])
def test_smallest_image_to_train_on_alone(name, side):
    network = official.NETWORKS[name](2)
    with pytest.raises(UserError, match=f"{side}x{side} at least, or a larger batch"):
        network(torch.zeros(1, 3, side - 1, side - 1))
    output = network(model_input(side, side))
    sum(logits.square().mean() for logits in output.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    assert {key: tuple(value.shape) for key, value in output.items()} == dict.fromkeys(
        ("out", "aux"), (1, 2, map_size(side), map_size(side))
    )


def test_uint8_images_are_refused():
    with pytest.raises(UserError, match="normalize"):
        official.Released._check(on_meta("gald_r50"), torch.zeros(1, 3, 200, 200, dtype=torch.uint8))


def test_normalize():
    images = torch.tensor([255, 128, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    bgr = torch.tensor([0 - 104.00698793, 128 - 116.66876762, 255 - 122.67891434]).view(1, 3, 1, 1)
    rgb = torch.tensor([(1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (0 - 0.406) / 0.225]).view(1, 3, 1, 1)
    for order, right in (("bgr", bgr), ("rgb", rgb)):
        torch.testing.assert_close(official.normalize(images, order), right)
        torch.testing.assert_close(official.normalize(images / 255, order), right)
    with pytest.raises(UserError, match="did you mean 'bgr'"):
        official.normalize(images, "bgrr")


# ---- reading weights


def small() -> GALDHead:
    return GALDHead(32, 16, 5)


def saved(path: Path, content: object) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(content, path)
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_load(tmp_path, prefix, suffix):
    state = filled(small().state_dict())
    path = saved(tmp_path / f"weights{suffix}", {prefix + key: value for key, value in state.items()})
    network = official.load(small(), path)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_load_without_batch_counters(tmp_path):
    state = {key: value for key, value in filled(small().state_dict()).items() if "num_batches" not in key}
    network = official.load(small(), saved(tmp_path / "old.pth", state))
    assert torch.equal(network.conva[0].weight, state["conva.0.weight"])


def test_load_the_older_format(tmp_path):
    state = filled(small().state_dict())
    torch.save(state, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(official.load(small(), tmp_path / "legacy.pth").convb[1].bias, state["convb.1.bias"])


def test_wrong_keys_are_named_and_nothing_is_loaded(tmp_path):
    state = filled(small().state_dict())
    state["bottleneck.4.bias"] = state.pop("bottleneck.3.bias")
    path = saved(tmp_path / "wrong.pth", state)
    network = small()
    before = network.conva[0].weight.clone()
    with pytest.raises(UserError) as error:
        official.load(network, path)
    assert str(error.value) == (
        f"{path} doesn't fit this network: 1 key missing (bottleneck.3.bias), 1 key unexpected (bottleneck.4.bias)"
    )
    assert torch.equal(network.conva[0].weight, before)


@pytest.mark.parametrize("given", ["gald_r101", "dualseg_r50", "dualseg_r101"])
def test_weights_of_another_of_the_four_are_recognised(tmp_path, given):
    state = {f"module.{key}": torch.zeros(()) for key in on_meta(given).state_dict()}
    with pytest.raises(UserError, match=rf"keys? (missing|unexpected) \(.*; it looks like {given}$"):
        official.load(on_meta("gald_r50"), saved(tmp_path / "other.pth", state))


def test_another_number_of_classes(tmp_path):
    path = saved(tmp_path / "seven.pth", GALDHead(32, 16, 7).state_dict())
    with pytest.raises(
        UserError, match=r"2 keys of another shape .* \(7, 16, 1, 1\) in the file and \(5, 16, 1, 1\) here"
    ):
        official.load(small(), path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 5, 300, -7])
def test_file_cut_short(tmp_path, suffix, kept):
    path = saved(tmp_path / f"cut{suffix}", filled(small().state_dict()))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="can't be read as weights"):
        official.load(small(), path)


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_code_in_a_file_is_not_run(tmp_path, write):
    mark, path = tmp_path / "mark", tmp_path / "evil.pth"
    write({"conva.0.weight": Malicious(mark)}, path)
    with pytest.raises(UserError, match="holds Python objects"):
        official.load(small(), path)
    assert not mark.exists()
    torch.load(path, weights_only=False) if write is torch.save else pickle.loads(path.read_bytes())
    assert mark.exists(), "the file was harmless, so the test showed nothing"


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {1: torch.zeros(1)}])
def test_file_without_a_state_dict(tmp_path, content):
    with pytest.raises(UserError, match="holds no state dict"):
        official.load(small(), saved(tmp_path / "list.pth", content))


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        official.load(small(), tmp_path / "absent.pth")

"""One contract over the tables of parts, then each aggregation against its mathematics, written out in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jaxtyping
import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim
from torch.utils._python_dispatch import TorchDispatchMode

from gald.aggregation import AGGREGATORS, ASPP, CGNL, CGNLRBF, PSP, NonLocal
from gald.distribution import DISTRIBUTORS
from gald.errors import UserError

AGGREGATIONS = {f"ga-{name}": part for name, part in AGGREGATORS.items()}
PARTS = AGGREGATIONS | {f"ld-{name}": part for name, part in DISTRIBUTORS.items() if name != "none"}
every_part = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)


def awake(module: nn.Module) -> nn.Module:
    """Move every weight and statistic off its first value: zero-initialised layers hide what is behind them."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            buffer.normal_(0, 0.2)
    return module


def features(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.fixture
def untyped() -> Iterator[None]:
    """No shape checks: dynamo doesn't trace isinstance(x, Float[...]), and a symbolic size is no int."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# ---------------------------------------------------------------------------------------------------- the contract


@every_part
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_keeps_shape_from_one_pixel_up(part: Callable[[int], nn.Module], training: bool):
    module = awake(part(16)).train(training)
    for batch in (1, 2):
        for size in [(1, 1), (1, 7), (2, 2), (3, 5), (13, 24)]:
            x = features(batch, 16, *size, dtype=torch.float32).requires_grad_()
            y = module(x)
            assert y.shape == x.shape
            assert y.dtype == x.dtype
            y.square().sum().backward()
            assert y.isfinite().all()
            assert x.grad is not None
            assert x.grad.isfinite().all()


@every_part
def test_pictures_do_not_mix_in_evaluation(part: Callable[[int], nn.Module]):
    module = awake(part(16)).double().eval()
    x = features(2, 16, 9, 11)
    torch.testing.assert_close(module(x), torch.cat([module(x[:1]), module(x[1:])]))


@every_part
def test_every_parameter_learns(part: Callable[[int], nn.Module]):
    module = awake(part(16)).double()
    (module(features(2, 16, 9, 11).requires_grad_()) * features(2, 16, 9, 11, seed=2)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # a parameter that can't matter gets rounding, 1e-15; CGNL's p and g get very little, honestly
        assert parameter.grad.abs().max() > 1e-11, name


@every_part
def test_leaves_its_input_and_forgets_its_memory_format(part: Callable[[int], nn.Module]):
    module = awake(part(16)).double().eval()
    x = features(2, 16, 9, 11)
    kept = x.clone()
    y = module(x)
    assert torch.equal(x, kept)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), y)
    torch.testing.assert_close(module(x.transpose(2, 3).contiguous().transpose(2, 3)), y)


@every_part
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def test_large_features_stay_finite_in_half_precision(part: Callable[[int], nn.Module], dtype: torch.dtype):
    module = awake(part(32))
    x = (20 * features(1, 32, 24, 24, dtype=torch.float32)).requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        y = module(x)
    assert y.isfinite().all()
    y.float().mean().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    module.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype):
        y, half = module(x), module(x.to(dtype))
    assert half.dtype == dtype
    # Against float32: on average within what 8 (bf16) or 11 (fp16) bits carry through a few layers.
    exact = module(x)
    error = (y - exact).square().mean().sqrt() / (exact - x).square().mean().sqrt().clamp(min=1)
    assert error < (0.05 if dtype == torch.bfloat16 else 0.01)


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name != "none"])
def test_the_far_corner_is_heard(name: str):
    module = awake(AGGREGATORS[name](16)).double().eval()
    x = features(1, 16, 13, 24).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., 0, 0].sum(), x)
    assert gradient[..., -1, -1].abs().max() > 1e-9


@every_part
def test_compiles_as_one_graph_of_any_size(part: Callable[[int], nn.Module], untyped: None):
    torch.compiler.reset()
    module = awake(part(16)).eval()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="eager")
    with torch.no_grad():
        for size in [(20, 27), (13, 24), (33, 17)]:
            x = features(2, 16, *size, dtype=torch.float32)
            torch.testing.assert_close(compiled(x), module(x))


@every_part
def test_exports_with_a_free_size(part: Callable[[int], nn.Module], untyped: None):
    module = awake(part(16)).eval()
    example = features(1, 16, 20, 27, dtype=torch.float32)
    exported = torch.export.export(module, (example,), dynamic_shapes=({2: Dim.AUTO, 3: Dim.AUTO},))
    program = torch.onnx.export(exported, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    name = session.get_inputs()[0].name
    with torch.no_grad():
        for size in [(13, 24), (33, 17), (40, 48)]:
            x = features(1, 16, *size, dtype=torch.float32)
            expected = module(x)
            torch.testing.assert_close(exported.module()(x), expected)
            # a size that was frozen into the graph shows as 0.2 and more; float32 in cgnl_rbf's norm as 2e-4
            np.testing.assert_allclose(session.run(None, {name: x.numpy()})[0], expected, rtol=1e-3, atol=1e-3)


# ------------------------------------------------------------------------------------ the mathematics, written out


def literal_psp(module: PSP, x: Tensor) -> Tensor:
    parts = [x]
    for bins, stage in zip(module.bins, module.stages, strict=True):
        pooled = stage(F.adaptive_avg_pool2d(x, bins))
        parts.append(F.interpolate(pooled, x.shape[2:], mode="bilinear", align_corners=True))
    return module.fuse(torch.cat(parts, dim=1))


def literal_aspp(module: ASPP, x: Tensor) -> Tensor:
    image = module.image(F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[2:])
    return module.fuse(torch.cat([*(branch(x) for branch in module.branches), image], dim=1))


def literal_nonlocal(module: NonLocal, x: Tensor) -> Tensor:
    theta, phi, g = (conv(x).flatten(2) for conv in (module.theta, module.phi, module.g))
    affinity = torch.softmax(torch.einsum("bdi,bdj->bij", theta, phi) / theta.shape[1] ** 0.5, dim=2)
    return x + module.project(torch.einsum("bij,bdj->bdi", affinity, g).reshape(x.shape[0], -1, *x.shape[2:]))


def literal_cgnl(module: CGNL, x: Tensor) -> Tensor:
    """The whole matrix between all positions and channels of a group, one per term of the series."""
    terms = list(enumerate(module.series)) if isinstance(module, CGNLRBF) else [(1, 1.0)]
    t, p, g = (conv(x).reshape(x.shape[0], module.groups, -1) for conv in (module.t, module.p, module.g))
    gathered = torch.zeros_like(t)
    for power, coefficient in terms:
        affinity = torch.einsum("bgi,bgj->bgij", t**power, p**power)
        gathered = gathered + coefficient * torch.einsum("bgij,bgj->bgi", affinity, g)
    return x + module.norm(module.z(gathered.reshape(x.shape[0], -1, *x.shape[2:])))


ORACLES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor]]] = {
    "psp": (lambda: PSP(16), literal_psp),
    "psp-bins-5-4": (lambda: PSP(16, bins=(5, 4)), literal_psp),
    "aspp": (lambda: ASPP(16, dilations=(2, 4)), literal_aspp),
    "nonlocal": (lambda: NonLocal(16), literal_nonlocal),
    "cgnl": (lambda: CGNL(16), literal_cgnl),
    "cgnl-4-groups": (lambda: CGNL(16, groups=4), literal_cgnl),
    "cgnl-batch": (lambda: CGNL(16, norm="batch"), literal_cgnl),
    "cgnl-rbf": (lambda: CGNLRBF(16), literal_cgnl),
    "cgnl-rbf-strong": (lambda: CGNLRBF(16, groups=2, gamma=0.5), literal_cgnl),  # higher orders as heavy as the first
}


@pytest.mark.parametrize(("build", "oracle"), ORACLES.values(), ids=ORACLES)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 6), (9, 7), (12, 18)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_equals_its_definition(
    build: Callable[[], nn.Module], oracle: Callable[..., Tensor], size: tuple[int, int], training: bool
):
    module = awake(build()).double().train(training)
    x, r = features(2, 16, *size).requires_grad_(), features(2, 16, *size, seed=2)
    wanted = [x, *module.parameters()]
    expected = oracle(module, x)
    expected_gradients = torch.autograd.grad((expected * r).sum(), wanted)
    y = module(x)
    torch.testing.assert_close(y, expected, rtol=1e-8, atol=1e-10)
    for gradient, wanted_gradient in zip(torch.autograd.grad((y * r).sum(), wanted), expected_gradients, strict=True):
        torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "equivariant"), {"psp": False, "aspp": False, "nonlocal": True, "cgnl": True, "cgnl_rbf": True}.items()
)
def test_who_is_blind_to_positions(name: str, equivariant: bool):
    module = awake(AGGREGATORS[name](16)).double().eval()
    x = features(1, 16, 5, 7)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))

    def shuffled(map_: Tensor) -> Tensor:
        return map_.flatten(2)[:, :, order].reshape(map_.shape)

    difference = (module(shuffled(x)) - shuffled(module(x))).abs().max()
    assert (difference < 1e-12) == equivariant


class Watch(TorchDispatchMode):
    """Notes the operators that ran and the largest tensor that any of them made."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: set[str] = set()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.operators.add(str(func))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.numel())
        return result


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
def test_nonlocal_never_stores_position_by_position(memory_format: torch.memory_format):
    module = awake(NonLocal(8))
    x = features(1, 8, 40, 41, dtype=torch.float32).to(memory_format=memory_format).requires_grad_()
    with Watch() as watch:
        module(x).sum().backward()
    assert watch.largest < (40 * 41) ** 2 / 50
    assert any("_scaled_dot_product_flash_attention_for_cpu.default" in name for name in watch.operators)
    assert any("_scaled_dot_product_flash_attention_for_cpu_backward" in name for name in watch.operators)


def test_nonlocal_starts_as_the_identity():
    x = features(2, 16, 5, 7, dtype=torch.float32)
    assert torch.equal(NonLocal(16)(x), x)


def test_aspp_without_its_image_reaches_exactly_its_dilation():
    module = awake(ASPP(4, dilations=(2, 5))).double().eval()
    module.fuse.get_parameter("0.weight").data[:, -2:] = 0  # deaf to the picture's mean
    x = features(16, 4, 1, 21).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., 10].sum(), x)
    heard = gradient.abs().amax((0, 1, 2)).nonzero().flatten() - 10
    assert heard.tolist() == [-5, -2, 0, 2, 5]


# --------------------------------------------------------------------------------------- what CGNL does and doesn't


def test_cgnl_keeps_only_the_sign_of_its_scalar(monkeypatch: pytest.MonkeyPatch):
    """An expected property, documented in the module: the group norm cancels what was aggregated."""
    torch.manual_seed(0)
    module = CGNL(64).double()
    x = features(1, 64, 24, 24)
    before = module(x)
    exact = CGNL._products
    monkeypatch.setattr(CGNL, "_products", lambda self, p, g: 1e3 * torch.sign(exact(self, p, g)))
    assert (module(x) - before).abs().max() < 1e-4 < 1 < (before - x).abs().max()
    monkeypatch.setattr(CGNL, "_products", lambda self, p, g: -exact(self, p, g))
    torch.testing.assert_close(module(x) - x, x - before)  # and the sign decides it all (the norm's bias is zero here)


def test_only_the_other_forms_teach_p_and_g():
    def share(module: nn.Module) -> float:
        module.double()
        (module(10 * features(2, 64, 24, 24)) * features(2, 64, 24, 24, seed=2)).sum().backward()
        norms = {name: module.get_parameter(f"{name}.weight").grad.norm().item() for name in "tpg"}
        return min(norms["p"], norms["g"]) / norms["t"]

    torch.manual_seed(0)
    assert share(CGNL(64)) < 1e-5
    assert share(CGNL(64, norm="batch")) > 1e-2
    assert share(CGNLRBF(64)) > 1e-5


@pytest.mark.parametrize("build", [CGNL, CGNLRBF, lambda c: CGNL(c, norm="batch")], ids=["dot", "rbf", "batch"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def test_cgnl_does_not_overflow(build: Callable[[int], CGNL], dtype: torch.dtype):
    torch.manual_seed(0)
    module = build(64)
    with torch.no_grad():
        module.g.weight.copy_(module.p.weight)  # s is then a sum of squares: 5e6 here, float16 ends at 65504
    x = (20 * features(1, 64, 96, 96, dtype=torch.float32)).requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        y = module(x)
    assert module._products(module.p(x), module.g(x)).max() > 1e6
    assert y.isfinite().all()
    y.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    exact = module(x)
    assert (y - exact).square().mean().sqrt() < 0.02 * (exact - x).square().mean().sqrt()


def test_cgnl_of_a_silent_map_is_defined():
    module = CGNL(16)
    x = torch.zeros(1, 16, 3, 3, requires_grad=True)
    module(x).sum().backward()  # s = 0, variance 0
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: CGNL(12), "divisible by groups, got channels=12 and groups=8"),
        (lambda: CGNL(16, groups=0), "groups=0"),
        (lambda: CGNL(16, norm="layer"), "'group' or 'batch', got 'layer'"),
        (lambda: PSP(3), r"bins=\(1, 2, 3, 6\) and channels=3"),
        (lambda: PSP(8, bins=(0,)), r"bins=\(0,\)"),
        (lambda: ASPP(8, dilations=(6, 0)), r"dilations of 1 or more, got \(6, 0\)"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()

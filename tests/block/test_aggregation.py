"""One contract over the tables of parts, then each aggregation against its mathematics, written out in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from contract import awake, features
from definitions import BLIND_TO_POSITIONS, DEFINITIONS, NOT_GLOBAL
from definitions.layers import mute
from torch import Tensor, nn
from torch.export import Dim

from gald.block import part_class
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS

AGGREGATIONS = {name: part_class(entry) for name, entry in AGGREGATORS.items()}
PARTS = {f"ga-{name}": part for name, part in AGGREGATIONS.items()} | {
    f"ld-{name}": part_class(entry) for name, entry in DISTRIBUTORS.items() if name != "none"
}
every_part = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
# What is the same at all positions of a picture, a norm takes off where its batch is that one picture.
DEAF_TO_ONE_PICTURE = {
    "ga-aspp": {"image.0.weight", "image.1.weight", "image.1.bias"},
    "ga-cfnet": {"image.0.weight", "image.1.weight", "image.1.bias"},
    "ga-gap": {"mean_scale"},
    "ga-nonlocal_dot": {"theta.bias"},
    "ga-dgcnet": {"gate.k.bias"},
}


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


@pytest.mark.parametrize("batch", [2, 1], ids=["two", "one"])
@pytest.mark.parametrize("name", PARTS)
def test_every_parameter_learns(name: str, batch: int):
    module = awake(PARTS[name](16)).double()
    (module(features(batch, 16, 9, 11).requires_grad_()) * features(batch, 16, 9, 11, seed=2)).sum().backward()
    gradients = {key: parameter.grad for key, parameter in module.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    # a parameter that can't matter gets rounding, 1e-15; CGNL's p and g get very little, honestly
    deaf = {key for key, gradient in gradients.items() if gradient.abs().max() <= 1e-11}
    assert deaf == (DEAF_TO_ONE_PICTURE.get(name, set()) if batch == 1 else set())


@every_part
def test_weights_can_be_swapped_for_a_call(part: Callable[[int], nn.Module]):
    """As ``torch.func`` does for gradients of each picture and for ensembles."""
    module = awake(part(16)).double().eval()
    x = features(2, 16, 9, 11)
    swapped = {name: 1.5 * parameter.detach() for name, parameter in module.named_parameters()}
    y = torch.func.functional_call(module, swapped, (x,))
    module.load_state_dict(swapped, strict=False)
    torch.testing.assert_close(y, module(x))


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


@every_part
@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)], ids=["bf16", "fp16"])
def test_half_precision_is_near(part: Callable[[int], nn.Module], dtype: torch.dtype, bound: float):
    """On average within what 8 (bf16) or 11 (fp16) bits carry through a few layers and a softmax."""
    module = awake(part(32)).train()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None
    x = 2 * features(1, 32, 24, 24, dtype=torch.float32)
    with torch.no_grad():
        module(x)  # statistics as training leaves them: without, sums over positions leave float16 for good
        exact = module.eval()(x)
        with torch.autocast("cpu", dtype=dtype):
            y, half = module(x), module(x.to(dtype))
    assert half.dtype == dtype
    assert half.isfinite().all()
    assert (y - exact).square().mean().sqrt() < bound * (exact - x).square().mean().sqrt().clamp(min=1)


@every_part
@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 0.03), (torch.float16, 0.01)], ids=["bf16", "fp16"])
def test_weights_in_half_precision_serve_too(part: Callable[[int], nn.Module], dtype: torch.dtype, bound: float):
    """As after ``network.to(torch.bfloat16)``, where no autocast casts anything."""
    module = awake(part(16)).eval()
    x = features(1, 16, 12, 13, dtype=torch.float32)
    with torch.no_grad():
        expected = module(x)
        y = module.to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    assert (y - expected).square().mean().sqrt() < bound * (expected - x).square().mean().sqrt().clamp(min=1e-1)


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name != "none"])
def test_the_far_corner_is_heard(name: str):
    module = awake(AGGREGATIONS[name](16)).double().eval()
    x = features(1, 16, 13, 24).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., 0, 0].sum(), x)
    assert (gradient[..., -1, -1].abs().max() > 1e-9) == (name not in NOT_GLOBAL)


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


@pytest.mark.parametrize(("build", "oracle"), DEFINITIONS.values(), ids=DEFINITIONS)
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


@pytest.mark.parametrize(("build", "oracle"), DEFINITIONS.values(), ids=DEFINITIONS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_definition_reads_weights_and_calls_no_layer(
    build: Callable[[], nn.Module], oracle: Callable[..., Tensor], training: bool
):
    """A layer that both sides call agrees with itself, even without its ReLU or its dilation."""
    module = awake(build()).double().train(training)
    mute(module)
    oracle(module, features(2, 16, 6, 7))


def test_every_aggregation_has_a_definition():
    assert {name for name in AGGREGATORS if name != "none"} <= {*DEFINITIONS}


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name != "none"])
def test_who_is_blind_to_positions(name: str):
    module = awake(AGGREGATIONS[name](16)).double().eval()
    x = features(1, 16, 5, 7)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))

    def shuffled(map_: Tensor) -> Tensor:
        return map_.flatten(2)[:, :, order].reshape(map_.shape)

    difference = (module(shuffled(x)) - shuffled(module(x))).abs().max()
    assert (difference < 1e-12) == (name in BLIND_TO_POSITIONS)

"""The GALD block: its orders, what it builds, where its maps lie, and the modules that a user brings."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from gald.block import ORDERS
from gald.block.aggregation.psp import PSP
from gald.block.distribution.gate import GateDistribution
from gald.block.gald import GALD
from gald.support.errors import UserError


class Times(nn.Module):
    """A module as users bring them."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("ga", ["none", "psp", "cgnl"])  # every part alone is held by the contract
@pytest.mark.parametrize("ld", ["none", "mask", "average", "gate", "window_affinity", "dynamic_kernel"])
def test_every_order_from_one_pixel_up(order: str, ga: str, ld: str):
    torch.manual_seed(0)
    block = GALD(16, ga, ld, order)
    assert block.out_channels == (32 if order == "parallel" else 16)
    for batch, size in [(1, (1, 1)), (2, (2, 5)), (1, (13, 24))]:
        x = torch.randn(batch, 16, *size, requires_grad=True)
        y = block(x)
        assert y.shape == (batch, block.out_channels, *size)
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
    assert all(parameter.grad is not None for parameter in block.parameters())  # nothing is built for nothing


def test_the_orders_by_hand():
    """GA doubles, LD adds half; powers of two, so that equality is exact."""
    x = torch.randn(2, 4, 5, 6)
    expected = {
        "ga-ld": 3 * x,
        "ld-ga": 3 * x,
        "parallel": torch.cat([2 * x, 1.5 * x], dim=1),
        "ga": 2 * x,
        "ld": 1.5 * x,
    }
    assert expected.keys() == ORDERS.keys()
    for order, y in expected.items():
        assert torch.equal(GALD(4, Times(2.0), Times(1.5), order, reduce=1)(x), y)


def test_the_order_matters():
    """Aggregating first and distributing first differ: a GA that squares, an LD that adds one."""
    square, increment = nn.Identity(), nn.Identity()
    square.forward = lambda x: x * x  # type: ignore[method-assign]
    increment.forward = lambda x: x + 1  # type: ignore[method-assign]
    x = torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(GALD(4, square, increment, "ga-ld")(x), x * x + 1)
    torch.testing.assert_close(GALD(4, square, increment, "ld-ga")(x), (x + 1) ** 2)


class Relating(nn.Module):
    """A distribution that asks for the local feature too."""

    relates = True

    def forward(self, x: Tensor, local: Tensor) -> Tensor:
        return 10 * x + local


def test_the_local_feature_goes_to_those_that_ask():
    x = torch.randn(2, 4, 5, 6)
    expected = {
        "ga-ld": 20 * x + x,  # what GA made, and what came before it
        "ld-ga": 2 * (10 * x + x),
        "parallel": torch.cat([2 * x, 10 * x + x], dim=1),
        "ga": 2 * x,
        "ld": 10 * x + x,
    }
    assert expected.keys() == ORDERS.keys()
    for order, y in expected.items():
        torch.testing.assert_close(GALD(4, Times(2.0), Relating(), order, reduce=1)(x), y)


@pytest.mark.parametrize("name", ["gate", "window_affinity", "dynamic_kernel"])
def test_a_reading_gets_the_aggregated_and_the_local_map(name: str):
    torch.manual_seed(0)
    block, seen = GALD(16, "psp", name).eval(), {}
    block.ga.register_forward_hook(lambda _module, _inputs, y: seen.update(ga=y))
    block.ld.register_forward_hook(lambda _module, inputs, _y: seen.update(inputs=inputs))
    x = torch.randn(1, 16, 13, 24)
    y = block(x)
    aggregated, local = seen["inputs"]
    assert local is x
    torch.testing.assert_close(aggregated[..., ::2, ::2], seen["ga"])  # the halved map, laid back
    torch.testing.assert_close(y, block.ld(aggregated, x))


def test_equation_2_in_the_block():
    block, seen = GALD(16, "psp").eval(), {}
    block.ga.register_forward_hook(lambda _module, _inputs, y: seen.update(ga=y))
    block.ld.register_forward_hook(lambda _module, inputs, _y: seen.update(aggregated=inputs[0]))
    block.ld.mask.register_forward_hook(lambda _module, _inputs, y: seen.update(mask=y))
    y = block(torch.randn(1, 16, 13, 24))
    assert seen["ga"].shape == (1, 16, 7, 12)  # half the size
    assert seen["aggregated"].shape == seen["mask"].shape == (1, 16, 13, 24)
    torch.testing.assert_close(y, seen["mask"] * seen["aggregated"] + seen["aggregated"])


@pytest.mark.parametrize("reduce", [1, 2, 4, 8])
def test_one_strided_convolution_for_each_halving(reduce: int):
    block, seen = GALD(8, "cgnl", "none", reduce=reduce), []
    block.ga.register_forward_hook(lambda _module, _inputs, y: seen.append(y.shape[2:]))
    assert block(torch.randn(1, 8, 33, 20)).shape == (1, 8, 33, 20)
    assert seen == [(-(-33 // reduce), -(-20 // reduce))]
    convolutions = [layer for layer in block.down.modules() if isinstance(layer, nn.Conv2d)]
    assert 2 ** len(convolutions) == reduce


@pytest.mark.parametrize("size", [17, 16])
def test_the_reduced_map_lies_where_it_came_from(size: int):
    """Reading each second pixel as it is, a ramp comes back as itself up to the last pixel of an even side."""
    block = GALD(1, Times(1.0), "none").eval()
    convolution = block.down.get_parameter("0.0.weight")
    convolution.data.zero_()[0, 0, 1, 1] = 1
    ramp = torch.arange(size).float().expand(1, 1, size, size)
    last = size - size % 2  # beyond the last sample there is nothing to interpolate with
    torch.testing.assert_close(block(ramp)[..., : last - 1], ramp[..., : last - 1], rtol=1e-4, atol=1e-4)
    assert (block(ramp) - ramp).abs().max() < (1e-3 if size % 2 else 1.001)


@pytest.mark.parametrize(
    ("order", "absent"), [("ga", "ld"), ("ld", "ga"), ("ld", "down")], ids=["ga-no-ld", "ld-no-ga", "ld-no-down"]
)
def test_what_an_order_does_not_use_is_not_built(order: str, absent: str):
    assert not list(GALD(16, "psp", "mask", order).get_submodule(absent).parameters())
    assert not list(GALD(16, "none").down.parameters())  # nothing to reduce for


def test_a_module_of_the_user():
    mine = Times(0.5)
    block = GALD(16, ga=mine, ld="none")
    assert block.ga is mine
    assert block(torch.randn(2, 16, 7, 7)).shape == (2, 16, 7, 7)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"ga": "cgnll"}, "unknown global aggregation 'cgnll'; did you mean 'cgnl'"),
        ({"ld": "masks"}, "unknown local distribution 'masks'; did you mean 'mask'"),
        ({"order": "gald"}, "unknown order 'gald'; did you mean .*'ga-ld'"),
        ({"reduce": 3}, "power of two .*, got 3"),
        ({"reduce": 0}, "got 0"),
        ({"reduce": 2.0}, "power of two .*, got 2.0"),
        ({"reduce": None}, "power of two .*, got None"),
        ({"channels": 12, "ga": "cgnl"}, "divisible by groups"),
        ({"channels": 16.0}, "GALD's channels is a whole number of 1 or more, got 16.0"),
        ({"channels": "16"}, "got '16'"),
        ({"channels": 0, "ga": "none", "ld": "none"}, "got 0"),
        ({"order": None}, "unknown order None; there are ga, ga-ld,"),
        ({"ga": "PSP"}, "unknown global aggregation 'PSP'; did you mean 'psp'?"),
        ({"ga": PSP}, "the global aggregation is a name or a module, got the class PSP; make a module of it first"),
        ({"ga": None}, "the global aggregation is a name or a module, got None; did you mean 'none'"),
        ({"ld": 3}, "the local distribution is a name or a module, got 3; there are average,"),
    ],
)
@pytest.mark.usefixtures("untyped")  # whose errors would come before ours
def test_a_mistake_is_told_in_a_sentence(arguments: dict[str, object], sentence: str):
    with pytest.raises(UserError, match=sentence):
        GALD(**{"channels": 16, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2, 8, 5, 5), (16, 5, 5)])
def test_a_map_that_is_none_of_its_own(shape: tuple[int, ...], untyped: None):
    said = rf"GALD\(16\) takes a map \(B, 16, H, W\), got \({', '.join(map(str, shape))}\)"
    with pytest.raises(UserError, match=said):
        GALD(16)(torch.zeros(shape))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            {"ga": nn.Conv2d(4, 4, 3)},
            r"block's ga \(Conv2d\) makes \(1, 4, 5, 7\) of a map of shape \(1, 4, 7, 9\); it",
        ),
        ({"ga": nn.AvgPool2d(2)}, r"block's ga \(AvgPool2d\) makes \(1, 4, 3, 4\) of"),  # would be laid back stretched
        ({"ga": nn.Conv2d(4, 2, 1), "ld": "gate"}, r"block's ga \(Conv2d\) makes \(1, 2, 7, 9\) of"),
        ({"ga": Pair()}, r"block's ga \(Pair\) makes a tuple of a map of shape \(1, 4, 7, 9\); it must keep the shape"),
        ({"ga": "none", "ld": nn.Conv2d(4, 1, 1)}, r"block's ld \(Conv2d\) makes \(1, 1, 13, 18\) of a map"),
        ({"ga": "none", "ld": Pair()}, r"block's ld \(Pair\) makes a tuple of"),
    ],
)
@pytest.mark.parametrize("order", ["ga-ld", "ld-ga", "parallel"])
def test_a_part_that_does_not_keep_the_shape(parts: dict[str, nn.Module], sentence: str, order: str, untyped: None):
    with pytest.raises(UserError, match=sentence):
        GALD(4, **{"ld": "none", **parts}, order=order)(torch.zeros(1, 4, 13, 18))


def test_what_wraps_a_reading_hides_that_it_asks():
    """As the words of `gald.block.distribution` warn."""
    gate = GateDistribution(8)
    x = torch.randn(1, 8, 5, 5)
    block = GALD(8, Times(2.0), nn.Sequential(gate), reduce=1).eval()
    torch.testing.assert_close(block(x), gate(2 * x, 2 * x))


def test_weights_travel_by_name():
    torch.manual_seed(0)
    first, second = GALD(16).eval(), GALD(16).eval()
    second.load_state_dict(first.state_dict())
    x = torch.randn(1, 16, 9, 9)
    assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("ld", ["mask", "window_affinity"])  # one of each kind: the contract exports every part alone
def test_exports_with_a_free_size(ld: str, untyped: None):
    torch.manual_seed(0)
    block = GALD(8, "psp", ld).eval()
    exported = torch.export.export(
        block, (torch.randn(1, 8, 36, 43),), dynamic_shapes=({2: Dim.AUTO, 3: Dim.AUTO},)
    ).module()
    for size in [(29, 40), (49, 33), (64, 64), (3, 3)]:  # one pixel more than reduce at least
        x = torch.randn(1, 8, *size)
        torch.testing.assert_close(exported(x), block(x))


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_traces_without_a_warning(untyped: None):
    block = GALD(8, "psp", "mask").eval()
    traced = torch.jit.trace(block, torch.randn(1, 8, 12, 14))
    x = torch.randn(2, 8, 20, 31)
    torch.testing.assert_close(traced(x), block(x))


def test_compiles_with_the_default_compiler(untyped: None):
    torch.compiler.reset()
    torch.manual_seed(0)
    block = GALD(8, "nonlocal", "average").eval()  # the quickest pair to compile to machine code
    compiled = torch.compile(block, fullgraph=True, dynamic=True)
    with torch.no_grad():
        for size in [(20, 27), (33, 18)]:
            x = torch.randn(1, 8, *size)
            torch.testing.assert_close(compiled(x), block(x), rtol=1e-4, atol=1e-5)

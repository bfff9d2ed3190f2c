"""What compact generalized non-local does and doesn't."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from contract import features
from torch import nn

from gald.block.aggregation.cgnl import CGNL, CGNLRBF
from gald.support.errors import UserError


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
        (lambda: CGNL(12), r"divisible by groups, got channels=12 and groups=8; .* CGNL\(12, groups=4\), or .*'psp'"),
        (lambda: CGNLRBF(13), r"groups=8; pass the module itself, CGNLRBF\(13, groups=1\), or"),
        (lambda: CGNL(16, groups=0), "CGNL needs groups of 1 or more, got 0"),
        (lambda: CGNL(0), "CGNL needs channels of 1 or more, got 0"),
        (lambda: CGNLRBF(16, reduction=0), "CGNLRBF needs a reduction of 1 or more, got 0"),
        (lambda: CGNLRBF(16, order=-1), "CGNLRBF needs an order of 1 or more, got -1"),
        (lambda: CGNLRBF(16, gamma=0.0), "CGNLRBF needs a gamma above 0, got 0.0"),
        (lambda: CGNL(16, norm="layer"), "'group' or 'batch', got 'layer'"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()

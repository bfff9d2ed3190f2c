"""Local distribution (LD): modules that hand the aggregated map G out where it belongs.

The contract, held by one test over the tables (``tests/block/test_aggregation.py``):

- ``Module(channels, *, options)`` maps ``(B, C, H, W)`` to the same shape and dtype, for any batch and any size from
  1x1, in training too;
- its residual is inside: what comes out is F_GALD of the paper's figures;
- it is registered: what it reads around a pixel comes back to that pixel, at any size;
- the pictures of a batch don't mix in evaluation, the input is not written to, and every parameter gets a gradient;
- it runs under bf16 and fp16 autocast and in channels_last, compiles as one graph, exports with a free size
  (``average`` and ``bilinear`` from 9x9);
- what steers it is the output of a submodule that a forward hook can watch: ``mask``, (B, C, H, W) in (0, 1), or
  ``affinity``, (B, window^2, H, W), which sums to one over the window.

A distribution that wants the local feature F too says so by a class attribute ``relates = True``. `gald.GALD`
then calls it as ``ld(G, F)``; any other module, yours and ``nn.Identity`` too, is called as ``ld(G)``. In "ga-ld" order
F is what came before the aggregation; in the other orders nothing was aggregated before LD and F is G. It also runs
alone, as ``ld(x)``, and takes x for both. What wraps such a module hides the attribute: in
``ld=nn.Sequential(GateDistribution(8))`` the gate gets G alone, and takes it for F.

``mask``, ``average`` and ``bilinear`` are the conference paper's (BMVC 2019, arXiv 1909.07229). The journal version (Li
et al., "Global Aggregation Then Local Distribution for Scene Parsing", IEEE TIP vol. 30, 2021, arXiv 2107.13154) says
in its abstract that its module "models the affinity map between global and local relationship for each pixel
adaptively". The rest of its text was not at hand and no code of it is public, so ``gate``, ``window_affinity`` and
``dynamic_kernel`` are three readings of that sentence, ours. None is claimed to be the authors', nor to reach their
numbers.

A new one is a file here and a line in the table: its name, and where its class lies. The table needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DISTRIBUTORS: dict[str, str | type[nn.Module]] = {
    "none": "torch.nn:Identity",
    "mask": "gald.block.distribution.mask:MaskDistribution",
    "average": "gald.block.distribution.mask:AverageDistribution",
    "bilinear": "gald.block.distribution.mask:BilinearDistribution",
    "gate": "gald.block.distribution.gate:GateDistribution",
    "window_affinity": "gald.block.distribution.window_affinity:WindowAffinityDistribution",
    "dynamic_kernel": "gald.block.distribution.dynamic_kernel:DynamicKernelDistribution",
}
"""Every distribution by name, and where its class lies. See `gald.block.part_class`."""

"""Global aggregation (GA): modules in which each position of a map learns of all the others.

The contract, held by one test over the table (``tests/test_aggregation.py``):

- ``Module(channels, *, options)`` maps ``(B, C, H, W)`` to the same shape and dtype, for any batch and any size from
  1x1, in training too;
- its residual, its fusion with the input and its activation are inside: what comes out is F_GA of the paper's figures;
- the pictures of a batch don't mix in evaluation, the input is not written to, and every parameter gets a gradient;
- it runs under bf16 and fp16 autocast and in channels_last, compiles as one graph, exports with a free size;
- halving the map first is the business of :class:`gald.GALD`, not of the module.

A new one is a file here and a line in the table.
"""

from __future__ import annotations

from torch import nn

from gald.aggregation.aspp import ASPP
from gald.aggregation.cgnl import CGNL, CGNLRBF
from gald.aggregation.nonlocal_ import NonLocal
from gald.aggregation.psp import PSP

AGGREGATORS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "psp": PSP,
    "aspp": ASPP,
    "nonlocal": NonLocal,
    "cgnl": CGNL,
    "cgnl_rbf": CGNLRBF,
}

__all__ = ["AGGREGATORS", "ASPP", "CGNL", "CGNLRBF", "PSP", "NonLocal"]

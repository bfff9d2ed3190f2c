"""Global aggregation (GA): modules in which each position of a map learns of all the others, or, as in
`DenseASPP`, of many and far ones.

The contract, held by one test over the table (``tests/block/test_aggregation.py``):

- ``Module(channels, *, options)`` maps ``(B, C, H, W)`` to the same shape and dtype, for any batch and any size from
  1x1, in training too;
- its residual, its fusion with the input and its activation are inside: what comes out is F_GA of the paper's figures;
- the pictures of a batch don't mix in evaluation, the input is not written to, and every parameter gets a gradient;
- it runs under bf16 and fp16 autocast and in channels_last, compiles as one graph, exports with a free size;
- halving the map first is the business of `gald.GALD`, not of the module.

A new one is a file here and a line in the table: its name, and where its class lies. The table needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

AGGREGATORS: dict[str, str | type[nn.Module]] = {
    "none": "torch.nn:Identity",
    # pyramids and dilated convolutions
    "psp": "gald.block.aggregation.psp:PSP",
    "aspp": "gald.block.aggregation.aspp:ASPP",
    "dense_aspp": "gald.block.aggregation.dense_aspp:DenseASPP",
    # attention between positions
    "nonlocal": "gald.block.aggregation.nonlocal_:NonLocal",
    "nonlocal_gaussian": "gald.block.aggregation.nonlocal_:NonLocalGaussian",
    "nonlocal_dot": "gald.block.aggregation.nonlocal_:NonLocalDot",
    "nonlocal_concatenation": "gald.block.aggregation.nonlocal_:NonLocalConcatenation",
    "ocnet": "gald.block.aggregation.ocnet:OCNet",
    "ann": "gald.block.aggregation.ann:ANN",
    "ccnet": "gald.block.aggregation.ccnet:CCNet",
    "cfnet": "gald.block.aggregation.cfnet:CFNet",
    "psanet": "gald.block.aggregation.psanet:PSANet",
    "pam": "gald.block.aggregation.danet:PAM",
    # attention between channels, or both
    "cam": "gald.block.aggregation.danet:CAM",
    "danet": "gald.block.aggregation.danet:DANet",
    "cgnl": "gald.block.aggregation.cgnl:CGNL",
    "cgnl_rbf": "gald.block.aggregation.cgnl:CGNLRBF",
    # a few descriptors or nodes in between
    "a2": "gald.block.aggregation.a2:A2",
    "glore": "gald.block.aggregation.glore:GloRe",
    "beyondgrids": "gald.block.aggregation.gcu:BeyondGrids",
    "dgcnet": "gald.block.aggregation.dgcnet:DGCNet",
    "encnet": "gald.block.aggregation.encnet:EncNet",
    # one vector for the picture
    "gap": "gald.block.aggregation.gap:GAP",
    "gcnet": "gald.block.aggregation.gcnet:GCNet",
    "cab": "gald.block.aggregation.cab:CAB",
    "cbam": "gald.block.aggregation.cbam:CBAM",
}
"""Every aggregation by name, and where its class lies. See `gald.block.part_class`."""

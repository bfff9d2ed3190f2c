"""Global aggregation (GA): modules in which each position of a map learns of all the others, or, as in
`DenseASPP`, of many and far ones.

The contract, held by one test over the table (``tests/test_aggregation.py``):

- ``Module(channels, *, options)`` maps ``(B, C, H, W)`` to the same shape and dtype, for any batch and any size from
  1x1, in training too;
- its residual, its fusion with the input and its activation are inside: what comes out is F_GA of the paper's figures;
- the pictures of a batch don't mix in evaluation, the input is not written to, and every parameter gets a gradient;
- it runs under bf16 and fp16 autocast and in channels_last, compiles as one graph, exports with a free size;
- halving the map first is the business of `gald.GALD`, not of the module.

A new one is a file here and a line in the table.
"""

from __future__ import annotations

from torch import nn

from gald.block.aggregation.a2 import A2
from gald.block.aggregation.ann import ANN
from gald.block.aggregation.aspp import ASPP
from gald.block.aggregation.cab import CAB
from gald.block.aggregation.cbam import CBAM
from gald.block.aggregation.ccnet import CCNet
from gald.block.aggregation.cfnet import CFNet
from gald.block.aggregation.cgnl import CGNL, CGNLRBF
from gald.block.aggregation.danet import CAM, PAM, DANet
from gald.block.aggregation.dense_aspp import DenseASPP
from gald.block.aggregation.dgcnet import DGCNet
from gald.block.aggregation.encnet import EncNet
from gald.block.aggregation.gap import GAP
from gald.block.aggregation.gcnet import GCNet
from gald.block.aggregation.gcu import BeyondGrids
from gald.block.aggregation.glore import GloRe
from gald.block.aggregation.nonlocal_ import NonLocal, NonLocalDot, NonLocalGaussian
from gald.block.aggregation.nonlocal_concatenation import NonLocalConcatenation
from gald.block.aggregation.ocnet import OCNet
from gald.block.aggregation.psanet import PSANet
from gald.block.aggregation.psp import PSP

AGGREGATORS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    # pyramids and dilated convolutions
    "psp": PSP,
    "aspp": ASPP,
    "dense_aspp": DenseASPP,
    # attention between positions
    "nonlocal": NonLocal,
    "nonlocal_gaussian": NonLocalGaussian,
    "nonlocal_dot": NonLocalDot,
    "nonlocal_concatenation": NonLocalConcatenation,
    "ocnet": OCNet,
    "ann": ANN,
    "ccnet": CCNet,
    "cfnet": CFNet,
    "psanet": PSANet,
    "pam": PAM,
    # attention between channels, or both
    "cam": CAM,
    "danet": DANet,
    "cgnl": CGNL,
    "cgnl_rbf": CGNLRBF,
    # a few descriptors or nodes in between
    "a2": A2,
    "glore": GloRe,
    "beyondgrids": BeyondGrids,
    "dgcnet": DGCNet,
    "encnet": EncNet,
    # one vector for the picture
    "gap": GAP,
    "gcnet": GCNet,
    "cab": CAB,
    "cbam": CBAM,
}

__all__ = [
    "A2",
    "AGGREGATORS",
    "ANN",
    "ASPP",
    "CAB",
    "CAM",
    "CBAM",
    "CGNL",
    "CGNLRBF",
    "GAP",
    "PAM",
    "PSP",
    "BeyondGrids",
    "CCNet",
    "CFNet",
    "DANet",
    "DGCNet",
    "DenseASPP",
    "EncNet",
    "GCNet",
    "GloRe",
    "NonLocal",
    "NonLocalConcatenation",
    "NonLocalDot",
    "NonLocalGaussian",
    "OCNet",
    "PSANet",
]

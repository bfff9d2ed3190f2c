"""A study of a part of your own: here a mask that isn't laid back on its pixels, as in the authors' code.

    python examples/own_part_in_a_study.py --data.root data/camvid --model.weights WEIGHTS --out runs/registration

The flags are those of ``gald study``. The tables are plain dictionaries, so a part that is put into one has a name, and
all commands of this process know it.

The question: the released networks shrink the map by three strided convolutions, and resize what comes out to the
whole map, corner to corner, wherever its samples came from. Does it matter? (They pad nothing either, and so take no
map under 15x15. Here the convolutions are padded as ours are, so that the way back is all that differs.)
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.analysis.study import STUDIES, Study
from gald.analysis.study.camvid import camvid
from gald.block.distribution import DISTRIBUTORS
from gald.block.layers import conv_norm
from gald.cli import main as cli


class StretchedMask(nn.Module):
    """M of ``MaskDistribution`` but for the way back, (B, C, H, W) to the same shape, any size from 1x1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shrink = nn.Sequential(
            *(conv_norm(channels, channels, 3, stride=2, groups=channels, act=act) for act in (True, True, False))
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y = x
        for step in self.shrink:
            y = step(F.pad(y, (0, 1, 0, 1)))
        return torch.sigmoid(F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=True)).to(x.dtype)


class StretchedDistribution(nn.Module):
    """M * x + x, with ``mask`` where ``gald`` looks for it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mask = StretchedMask(channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.mask(x) * x + x


def registration() -> Study:
    """PSP with LD, laid back on its pixels and stretched over the map; all else as in the study on CamVid."""
    study = camvid()
    run = study.rows["psp_ld"]
    rows = {"psp_ld": run, "psp_ld_stretched": replace(run, model=replace(run.model, ld="stretched"))}
    return replace(study, rows=rows, reference="psp_ld", against=())


if __name__ == "__main__":
    DISTRIBUTORS["stretched"] = StretchedDistribution
    STUDIES["registration"] = registration
    if {"-h", "--help"} & {*sys.argv}:
        print(__doc__)
    cli.main(["study", "registration", *sys.argv[1:]])

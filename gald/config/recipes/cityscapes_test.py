"""Cityscapes, what the GALD paper sent to the test server (Tables 2a, 2b), and the authors' released settings.

The paper's "multi-scale crop test" names no scales: ours are 0.5 to 1.75. All are trained on train and val together, so
no picture is left to validate on: the val mIoU at the end is that of pictures which were learned.
"""

from __future__ import annotations

from dataclasses import replace

from gald.config.recipes.cityscapes import SHARED, paper
from gald.config.recipes.recipe import Recipe
from gald.config.settings import PhaseConfig, SegmentationConfig

# "Larger crop" and "lower lr" are the paper's words; 896 and a tenth are ours.
COARSE = PhaseConfig("coarse", train_split="train_extra", crop=(896, 896), batch=16, frozen_norm=True)
MAPILLARY = replace(COARSE, name="mapillary", data="mapillary19", train_split="train")
FINE = PhaseConfig("fine", steps=10_000, lr=0.001)


def _trainval(depth: int, *then: PhaseConfig) -> SegmentationConfig:
    run = paper(depth)
    return replace(run, data=replace(run.data, train_split="trainval"), val_every=0, then=then)


_RELEASED = paper()
SUBMITTED = "``gald submit cityscapes --tile 769 769 --scales 0.5 0.75 1 1.25 1.5 1.75``"

RECIPES = {
    "cityscapes_test_r50": Recipe(
        _trainval(50),
        f"""Table 2a, GALDNet, ResNet-50, fine labels: 80.8 % test mIoU in print. Not run.

        8 GPUs; {SUBMITTED}, with last.pt. Trained on trainval. {SHARED}""",
    ),
    "cityscapes_test_r101": Recipe(
        _trainval(101),
        f"""Table 2a, GALDNet, ResNet-101, fine labels: 81.8 % test mIoU in print. Not run.

        8 GPUs; {SUBMITTED}, with last.pt. Trained on trainval. {SHARED}""",
    ),
    "cityscapes_test_r101_coarse": Recipe(
        _trainval(101, COARSE, FINE),
        """Table 2b, GALDNet, ResNet-101, fine and coarse labels: 82.9 % test mIoU in print. Not run.

        In three parts: fine; 50 000 steps of 16 on train_extra with a larger crop and frozen batch norm; 10 000 on fine
        at a lower rate. The paper doesn't say how large the crop is (ours: 896), how low the rate (0.001), nor whether
        batch norm learns again in the last part (it does here). 8 GPUs; ``gald submit`` as for the others, with
        ``--flip``.""",
    ),
    "cityscapes_test_r101_mapillary": Recipe(
        _trainval(101, COARSE, MAPILLARY, FINE),
        """Table 2b, GALDNet(+Mapillary), ResNet-101: 83.3 % test mIoU in print. Not run.

        Needs ``--then.1.root VISTAS``.
        Mapillary Vistas in Cityscapes' 19 classes, "the same steps as coarse": fine, coarse, Mapillary, fine. The paper
        gives neither the order, which is ours, nor its map of the 65 labels, which is RobustNet's (CVPR 2021). 8 GPUs;
        ``gald submit`` as for the others, with ``--flip``.""",
    ),
    "cityscapes_released_r50": Recipe(
        replace(_RELEASED, data=replace(_RELEASED.data, scale=(0.7, 2.1)), steps=50_575),
        """GALD by the authors' released code, ResNet-50: that code gives no number for GALD. Not run.

        Differs from the paper's row (cityscapes_r50_cgnl_ld): scales 0.7 to 2.1, 50 575 steps (17 whole epochs). Not
        reproduced: its network (``gald.models.official`` has it: dilations 4, 8, 16 in the last stage, a second
        residual, unpadded masks), BGR input without deviation, 15 equally likely scales, drawing with repeats, gains
        and biases of batch norm that don't learn. 8 GPUs; measured with ``--tile 832 832``, its default.""",
    ),
}

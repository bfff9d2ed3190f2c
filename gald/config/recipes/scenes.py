"""ADE20K, Pascal Context, COCO-Stuff: the second GALD paper's data sets (IEEE TIP 2021, arXiv 2107.13154).

Its abstract names them; its settings and numbers are not at hand. Schedules are therefore the field's, as
mmsegmentation publishes them for a dilated ResNet: batch 16 on 4 GPUs, SGD 0.9, poly 0.9, scales 0.5 to 2 (of the
picture as it is; there of one resized to a short side of 512, or 520 for Pascal Context), no OHEM, auxiliary loss
x 0.4. Its changes of colour and its smallest rate, 1e-4, are left out.
"""

from __future__ import annotations

from gald.config.network import SegmenterConfig
from gald.config.recipes.cityscapes import BACKBONES
from gald.config.recipes.recipe import Recipe
from gald.config.settings import LossConfig, OptimizerConfig, SegmentationConfig, SegmentationDataConfig


def _scenes(depth: int, data: str, crop: int, steps: int, optim: OptimizerConfig) -> SegmentationConfig:
    return SegmentationConfig(
        model=SegmenterConfig(backbone=BACKBONES[depth], ga="cgnl", pretrained=True),
        data=SegmentationDataConfig(name=data, crop=(crop, crop), scale=(0.5, 2.0), workers=4),
        loss=LossConfig(ohem=False),
        optim=optim,
        steps=steps,
        batch=16,
        devices=4,
        val_every=steps // 10,
    )


# recipe: the data set in words, its name, crop, steps, optimizer, how it is measured
ROWS = {
    "ade20k": ("ADE20K", "ade20k", 512, 160_000, OptimizerConfig(), "measured whole, single scale."),
    "pascal_context": (
        "Pascal Context, 59 classes", "pascal_context59", 480, 80_000, OptimizerConfig(lr=0.004, weight_decay=1e-4),
        "measured with ``--tile 480 480``. With background: ``--data.name pascal_context60``.",
    ),
    "coco_stuff": (
        "COCO-Stuff 10k", "coco_stuff10k", 512, 40_000, OptimizerConfig(),
        "measured whole, single scale. All 164 thousand pictures: ``--data.name coco_stuff164k --steps 160000``.",
    ),
}  # fmt: skip
RECIPES = {
    f"{name}_r{depth}": Recipe(
        _scenes(depth, data, crop, steps, optim),
        f"GALD on {title}, ResNet-{depth}: published number not at hand. Not run.\n\n"
        f"{steps // 1000} 000 steps of 16, crop {crop}, rate {optim.lr}, weight decay {optim.weight_decay:g} "
        f"(mmsegmentation). 4 GPUs; {measured}",
    )
    for name, (title, data, crop, steps, optim, measured) in ROWS.items()
    for depth in BACKBONES
}

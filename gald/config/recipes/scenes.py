"""ADE20K, Pascal Context, COCO-Stuff, CamVid: the second GALD paper's data sets (IEEE TIP 2021, arXiv 2107.13154).

Its abstract names them; its settings and numbers are not at hand. Schedules of the first three are therefore the
field's, as mmsegmentation publishes them for a dilated ResNet: batch 16 on 4 GPUs, SGD 0.9, poly 0.9, scales 0.5 to 2
(of the picture as it is; there of one resized to a short side of 512, or 520 for Pascal Context), no OHEM, auxiliary
loss x 0.4. Its changes of colour and its smallest rate, 1e-4, are left out.

CamVid at 360x480 has the settings of the first paper: each aggregation, with and without local distribution. The
schedule is ours: 10 000 steps of 8 (218 epochs of 367 pictures), crops as large as the pictures. Measured on the test
split: ``gald evaluate --split test``. On a CPU take the light backbone, for any of them: ``--model.backbone
tf_efficientnet_lite0 --model.output-stride 16 --model.channels 128 --steps 1900``; camvid_lite0 is tuned for it.
"""

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
SCENES = {
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


def _camvid(ga: str, ld: str) -> SegmentationConfig:
    """What the rows share. Rates and losses are the paper's for Cityscapes; bf16, for one GPU of 16 GB, is ours."""
    return SegmentationConfig(
        model=SegmenterConfig(backbone=BACKBONES[50], ga=ga, ld=ld, pretrained=True),
        data=SegmentationDataConfig(name="camvid", crop=(360, 480), scale=(0.5, 2.0)),
        steps=10_000,
        precision="bf16-mixed",
    )


_UNKNOWN = "no published number. Not run. 1 GPU; measured whole, single scale."
# end of the recipe's name: the block in words, aggregation, distribution, what is known
CAMVID = {
    "fcn": ("FCN", "none", "none", _UNKNOWN),
    "ld": ("LD alone", "none", "mask", _UNKNOWN),
    "psp": ("PSP", "psp", "none", _UNKNOWN),
    "psp_ld": ("PSP and LD", "psp", "mask", _UNKNOWN),
    "aspp": ("ASPP", "aspp", "none", _UNKNOWN),
    "aspp_ld": ("ASPP and LD", "aspp", "mask", _UNKNOWN),
    "nonlocal": ("Non-local", "nonlocal", "none", _UNKNOWN),
    "nonlocal_ld": ("Non-local and LD", "nonlocal", "mask", _UNKNOWN),
    "cgnl": ("CGNL", "cgnl", "none", _UNKNOWN),
    "cgnl_ld": (
        "GALD (CGNL and LD)", "cgnl", "mask", "published number not at hand. Not run. 1 GPU; measured whole."
    ),
}  # fmt: skip

RECIPES = {
    f"{name}_r{depth}": Recipe(
        _scenes(depth, data, crop, steps, optim),
        f"GALD on {title}, ResNet-{depth}: published number not at hand. Not run.\n\n"
        f"{steps // 1000} 000 steps of 16, crop {crop}, rate {optim.lr}, weight decay {optim.weight_decay:g} "
        f"(mmsegmentation). 4 GPUs; {measured}",
    )
    for name, (title, data, crop, steps, optim, measured) in SCENES.items()
    for depth in BACKBONES
} | {
    f"camvid_r50_{name}": Recipe(_camvid(ga, ld), f"{block}, ResNet-50, on CamVid: {known}")
    for name, (block, ga, ld, known) in CAMVID.items()
}

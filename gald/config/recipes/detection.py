"""Detectors, the rows of the GALD paper's Tables 3a and 3b (Li et al., BMVC 2019, arXiv 1909.07229).

The authors' detection code was never released; they trained with mmdetection. We take its usual 8 GPUs; on fewer, give
``--devices`` and ``--micro-batch``: the batch stays, and nothing looks at a whole batch but the block's own norms.
"""

from typing import Any

from gald.config.network import DetectorConfig
from gald.config.recipes.recipe import Recipe
from gald.config.settings import DetectionConfig, DetectionDataConfig, OptimizerConfig

VOC = """The paper: trained on 07 trainval and 12 trainval, 14 epochs (16551 pictures), SGD 0.9, weight decay 1e-4, the
block at the end of the ResNet's last stage. It is silent, and mmdetection had for VOC: short side 600, at most
1000, 16 pictures a step, rate 0.01, frozen norms, 500 steps of warm-up; the rate falls after 2/3 and 11/12 as
on COCO. mmdetection also keeps the stem and the first stage as they were; here they train.

``voc0712`` has no other split, so it validates on the test set: take ``last.pt``, not the best."""
COCO = """The paper: 118287 pictures, the block at the end of the ResNet's last stage. It is silent, and the usual
schedule has: 12 epochs of 16 pictures a step, rate 0.02, falling after epochs 8 and 11, 500 steps of warm-up,
weight decay 1e-4, short side 800, at most 1333, frozen norms. mmdetection also keeps the stem and the first
stage as they were, and leaves out pictures without objects; here they train, and stay.

The best checkpoint is the one with the highest mAP of boxes at 0.5: for the numbers in print, measure ``last.pt``."""


def _voc(**model: Any) -> DetectionConfig:
    """Faster R-CNN with the settings of `VOC`; ``model`` are settings of the network."""
    return DetectionConfig(
        model=DetectorConfig(pretrained=True, short=(600,), longest=1000, **model),
        data=DetectionDataConfig(name="voc0712"),
        optim=OptimizerConfig(lr=0.01, schedule="drops", warmup=500, weight_decay=1e-4),
        steps=14 * 16551 // 16,
        batch=16,
        devices=8,
        val_every=2069,
    )


def _coco(**model: Any) -> DetectionConfig:
    """Mask R-CNN with the settings of `COCO`; ``model`` are settings of the network."""
    return DetectionConfig(
        model=DetectorConfig(pretrained=True, masks=True, **model),
        data=DetectionDataConfig(name="coco"),
        optim=OptimizerConfig(lr=0.02, schedule="drops", warmup=500, weight_decay=1e-4),
        steps=12 * 118287 // 16,
        batch=16,
        devices=8,
        val_every=7393,
    )


# ResNet's depth, end of the recipes' names, the block in words, aggregation, distribution;
# then what is printed: mAP on VOC 2007 test, AP of boxes and AP of masks on COCO
ROWS = (
    (50, "", "{} (baseline)", "none", "none", 80.6, 38.2, 34.8),
    (50, "_nonlocal", "+NL", "nonlocal", "none", 81.3, 39.0, 35.3),
    (50, "_cgnl", "+CGNL", "cgnl", "none", 81.1, 38.9, 35.4),
    (50, "_gald", "+GALD", "cgnl", "mask", 81.5, 39.2, 35.6),
    (101, "", "{} (baseline)", "none", "none", 80.7, 40.2, 36.3),
    (101, "_nonlocal", "+NL", "nonlocal", "none", 82.3, 40.9, 37.2),
    (101, "_gald", "+GALD", "cgnl", "mask", 83.0, 41.1, 37.8),
)
RECIPES = {
    f"voc_r{depth}{end}": Recipe(
        _voc(backbone=f"resnet{depth}", ga=ga, ld=ld),
        f"Table 3a, {block.format('Faster R-CNN')}, ResNet-{depth}: {printed} % mAP in print. Not run.\n\n"
        f'8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn\'t say which). {VOC}',
    )
    for depth, end, block, ga, ld, printed, _, _ in ROWS
} | {
    f"coco_r{depth}{end}": Recipe(
        _coco(backbone=f"resnet{depth}", ga=ga, ld=ld),
        f"Table 3b, {block.format('Mask R-CNN')}, ResNet-{depth}: {boxes} box AP, {masks} mask AP in print. Not run."
        f"\n\n8 GPUs; measured by ``gald evaluate``. {COCO}",
    )
    for depth, end, block, ga, ld, _, boxes, masks in ROWS
}

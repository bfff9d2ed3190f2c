"""What runs on a CPU: drawn pictures, for trying the commands, and small public data sets."""

from gald.config.network import DetectorConfig, SegmenterConfig
from gald.config.recipes.recipe import Recipe
from gald.config.settings import (
    DetectionConfig,
    DetectionDataConfig,
    LossConfig,
    OptimizerConfig,
    SegmentationConfig,
    SegmentationDataConfig,
)

WEIGHTS = """Give the backbone's ImageNet weights by ``--model.weights FILE``, or ``--model.pretrained`` where timm may
download."""

SYNTHETIC = SegmentationConfig(
    model=SegmenterConfig(backbone="resnet10t", ga="cgnl", channels=64, output_stride=8),
    data=SegmentationDataConfig(name="synthetic", crop=(96, 192), scale=(0.75, 1.5)),
    loss=LossConfig(min_kept=20_000),
    optim=OptimizerConfig(lr=0.05),
    steps=300,
    batch=8,
    val_every=100,
    save_every=50,
)
CAMVID = SegmentationConfig(
    model=SegmenterConfig(backbone="tf_efficientnet_lite0", ga="psp", channels=128, output_stride=16, skip=True),
    data=SegmentationDataConfig(name="camvid", crop=(288, 384), scale=(0.75, 1.75), jitter=0.3),
    loss=LossConfig(threshold=0.7, min_kept=100_000, class_balance=0.5),
    optim=OptimizerConfig(lr=0.03, head_lr=2.0, weight_decay=1e-4, warmup=50),
    steps=1900,
    batch=8,
    precision="bf16-mixed",
    channels_last=True,
    val_every=475,
    save_every=50,
)
SEGMENTATION = {
    "synthetic": Recipe(
        SYNTHETIC,
        """A small network on the drawn street scenes; minutes on two cores, nothing to download.

        For trying the commands, not for a result: the backbone starts from random weights.""",
    ),
    "camvid_lite0": Recipe(
        CAMVID,
        f"""EfficientNet-Lite0 with PSP and LD on CamVid at 360x480, for a CPU: stride 16, a stride-4 skip, bf16.

        Reached 62.7 % test mIoU (whole picture, single scale, seed 0) on two CPU cores: results/camvid-lite0.
        {WEIGHTS}""",
    ),
}

SHAPES = DetectionConfig(
    model=DetectorConfig(
        backbone="resnet10t", ga="nonlocal", masks=True, norm="batch", strides=(4, 8, 16), anchors=(12, 24, 48, 96),
        fpn_channels=48, head_channels=128, proposals=200, samples=64, short=(128,), longest=160,
    ),
    data=DetectionDataConfig(name="shapes"),
    optim=OptimizerConfig(lr=0.02, schedule="drops", warmup=50, weight_decay=1e-4, clip=10.0),
    steps=400,
    batch=8,
    val_every=200,
    save_every=50,
)  # fmt: skip
BCCD = DetectionConfig(
    model=DetectorConfig(
        backbone="tf_efficientnet_lite0", ga="nonlocal", strides=(8, 16, 32), anchors=(32, 64, 128, 256),
        fpn_channels=128, head_channels=512, proposals=300, samples=128,
        short=(320, 352, 384, 416, 448, 384), longest=640,  # the last is what evaluation takes
    ),
    data=DetectionDataConfig(name="voc_folder", jitter=0.2),
    optim=OptimizerConfig(lr=0.01, head_lr=2.0, schedule="drops", warmup=100, weight_decay=1e-4, clip=10.0),
    steps=900,
    batch=8,
    precision="bf16-mixed",
    channels_last=True,
    val_every=300,
    save_every=50,
)  # fmt: skip
COCO_MINI = DetectionConfig(
    model=DetectorConfig(
        backbone="tf_efficientnet_lite0", ga="nonlocal", masks=True, strides=(4, 8, 16, 32),
        anchors=(16, 32, 64, 128, 256), fpn_channels=96, fpn_norm=True, head_channels=384, proposals=300,
        samples=96, short=(256,), longest=384,
    ),
    data=DetectionDataConfig(name="coco_folder", val_split="train", flip=0.0),
    optim=OptimizerConfig(lr=0.015, head_lr=2.0, schedule="drops", warmup=100, weight_decay=0.0, clip=10.0),
    steps=2000,
    batch=4,
    precision="bf16-mixed",
    channels_last=True,
    val_every=500,
    save_every=50,
)  # fmt: skip
DETECTION = {
    "shapes": Recipe(
        SHAPES,
        """A small Mask R-CNN on drawn shapes; minutes on two cores, nothing to download.

        For trying the commands, not for a result: the backbone starts from random weights.""",
    ),
    "bccd_lite0": Recipe(
        BCCD,
        f"""EfficientNet-Lite0, non-local and LD under a small pyramid, Faster R-CNN on blood cells (BCCD), for a CPU.

        Reached 91.0 % test mAP at 0.5 (seed 0) on two CPU cores: results/bccd.
        {WEIGHTS}""",
    ),
    "coco_mini_lite0": Recipe(
        COCO_MINI,
        """EfficientNet-Lite0, non-local and LD, Mask R-CNN, over-fitted to a few photos in COCO's format, for a CPU.

        For seeing that everything learns: it validates on its own training photos. Reached there box AP50
        94.0, mask AP50 77.3 (seed 0); with AdamW and larger pictures after it 98.3 and 92.5: results/coco_mini.""",
    ),
}

"""Every setting of a run, as dataclasses: what the command line shows, what is saved beside a checkpoint.

Standard library only, so that ``gald --help`` needs no torch. A value that can't work is refused here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from gald.config.checks import Settings
from gald.config.inference import Accelerator, Precision
from gald.config.network import DetectorConfig, NetworkConfig, SegmenterConfig


@dataclass(frozen=True)
class DataConfig(Settings):
    """What is trained on, whatever the task."""

    prefix: ClassVar[str] = "data."

    name: str = "synthetic"
    root: Path | None = None
    """The data set's folder (none for one that is drawn)."""
    train_split: str = "train"
    val_split: str = "val"
    flip: float = 0.5
    """Chance of a mirrored picture."""
    jitter: float = 0.0
    """Strength of brightness, contrast and saturation changes, 0 to 1."""
    workers: int = 2
    """Loading processes for each device."""

    def __post_init__(self) -> None:
        self.require("flip", 0 <= self.flip <= 1, "it is a chance between 0 and 1")
        self.require("jitter", 0 <= self.jitter <= 1, "it must lie between 0 and 1")
        self.require_at_least(0, "workers")


@dataclass(frozen=True)
class SegmentationDataConfig(DataConfig):
    """Pictures with label maps, and how they are augmented."""

    name: str = "synthetic"
    """Pictures with label maps."""
    crop: tuple[int, int] = (512, 512)
    """Height and width of a training crop, in pixels."""
    scale: tuple[float, float] = (0.5, 2.0)
    """Smallest and largest random resize."""
    drawn_size: tuple[int, int] = (128, 256)
    """Height and width of the pictures that synthetic draws."""
    drawn_classes: int = 8
    """Classes that synthetic draws."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("crop", min(self.crop) >= 32, "both sides must be at least 32 pixels")
        low, high = self.scale
        self.require("scale", 0 < low <= high, "it must be two positive numbers, the smaller first")
        self.require("drawn_size", min(self.drawn_size) >= 8, "both sides must be at least 8")
        self.require("drawn_classes", 2 <= self.drawn_classes <= 253, "it must be 2 to 253")


@dataclass(frozen=True)
class DetectionDataConfig(DataConfig):
    """Pictures with objects."""

    name: str = "shapes"
    """Pictures with boxes."""


@dataclass(frozen=True)
class LossConfig(Settings):
    """Online hard example mining on the main output, plain cross-entropy on the auxiliary one."""

    prefix: ClassVar[str] = "loss."

    ohem: bool = True
    threshold: float = 0.7
    """Pixels whose true class gets more than this probability are left out ..."""
    min_kept: int = 100_000
    """... but at least this many stay, for each process and forward pass."""
    aux_weight: float = 0.4
    class_balance: float = 0.0
    """Weigh a class by (median share / its share) to this power: 0 weighs none, 1 is the usual full weight."""

    def __post_init__(self) -> None:
        self.require("threshold", 0 < self.threshold <= 1, "it is a probability, above 0, at most 1")
        self.require_at_least(0, "min_kept", "aux_weight")
        self.require("class_balance", 0 <= self.class_balance <= 1, "it must lie between 0 and 1")


@dataclass(frozen=True)
class OptimizerConfig(Settings):
    """The rate falls by the poly rule, ``lr * (1 - step / steps) ** power``, or in drops to a tenth."""

    prefix: ClassVar[str] = "optim."

    method: Literal["sgd", "adamw"] = "sgd"
    """sgd is the papers'; adamw wants a rate about a hundredth of it, and takes momentum for its first beta."""
    lr: float = 0.01
    schedule: Literal["poly", "drops"] = "poly"
    drops: tuple[float, ...] = (2 / 3, 11 / 12)
    """With drops: the shares of the run after which the rate falls to a tenth."""
    head_lr: float = 1.0
    """The learning rate of everything but the backbone, as a multiple of ``lr``."""
    momentum: float = 0.9
    weight_decay: float = 5e-4
    power: float = 0.9
    warmup: int = 0
    """Steps of linear warm-up."""
    clip: float = 0.0
    """Largest gradient norm; 0 does not clip."""

    def __post_init__(self) -> None:
        self.require("lr", self.lr > 0, "it must be above 0")
        self.require("head_lr", self.head_lr > 0, "it must be above 0")
        self.require("momentum", 0 <= self.momentum < 1, "it must be 0 or more, and below 1")
        self.require("drops", all(0 < share < 1 for share in self.drops), "each is a share of the run, between 0 and 1")
        self.require_at_least(0, "weight_decay", "power", "warmup", "clip")


@dataclass(frozen=True)
class PhaseConfig:
    """A later part of a run: it begins with the weights of the part before; what is named here is different in it."""

    name: str
    data: str | None = None
    """Another data set of the same classes ..."""
    root: Path | None = None
    """... and the folder that it lies in."""
    train_split: str | None = None
    crop: tuple[int, int] | None = None
    batch: int | None = None
    steps: int | None = None
    lr: float | None = None
    frozen_norm: bool | None = None


@dataclass(frozen=True)
class RunConfig(Settings):
    """One training run, whole, whatever the task."""

    task: ClassVar[str]

    model: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimizerConfig = field(default_factory=OptimizerConfig)
    steps: int = 50_000
    """Optimizer steps."""
    batch: int = 8
    """Pictures in a step, over all devices; what does not fit at once is accumulated."""
    micro_batch: int = 0
    """Pictures on a device at once; 0 takes batch / devices."""
    init: Path | None = None
    """Start from all weights of this checkpoint: best.safetensors or last.pt of a run of that network and classes."""
    frozen_norm: bool = False
    """Batch norms keep the statistics and weights that the run starts with."""
    seed: int = 0
    precision: Precision = "32-true"
    channels_last: bool = False
    compile: bool = False
    accelerator: Accelerator = "auto"
    devices: int = 1
    """Processes (one a GPU) on each machine."""
    nodes: int = 1
    """Machines, under torchrun or SLURM."""
    log_every: int = 20
    """Steps between lines in metrics.jsonl."""
    val_every: int = 1000
    """Steps between validations; 0 validates only at the end."""
    save_every: int = 500
    """Steps between saves of last.pt."""

    def __post_init__(self) -> None:
        self.require_at_least(1, "steps", "batch", "devices", "nodes", "log_every", "save_every")
        self.require_at_least(0, "micro_batch", "val_every", "seed")


@dataclass(frozen=True)
class SegmentationConfig(RunConfig):
    """A run of semantic segmentation."""

    task: ClassVar[str] = "segment"

    model: SegmenterConfig = field(default_factory=SegmenterConfig)
    data: SegmentationDataConfig = field(default_factory=SegmentationDataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    then: tuple[PhaseConfig, ...] = ()
    """Later parts of the run (coarse data, other data, fine data again)."""


@dataclass(frozen=True)
class DetectionConfig(RunConfig):
    """A run of object detection or instance segmentation."""

    task: ClassVar[str] = "detect"

    model: DetectorConfig = field(default_factory=DetectorConfig)
    data: DetectionDataConfig = field(default_factory=DetectionDataConfig)

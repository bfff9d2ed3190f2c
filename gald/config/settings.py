"""Every setting of a run, as dataclasses: what the command line shows, what is saved beside a checkpoint.

Standard library only, so that ``gald --help`` needs no torch. A value that can't work is refused here.
"""

from __future__ import annotations

import json
import types
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gald.config.inference import Accelerator, Precision
from gald.support.errors import UserError, lookup

T = TypeVar("T")
BodyT = TypeVar("BodyT", bound="NetworkConfig")


class SettingError(UserError):
    """A setting that can't work: its name, and what is wrong with its value."""

    def __init__(self, setting: str, wrong: str) -> None:
        super().__init__(f"{setting} {wrong}")
        self.setting, self.wrong = setting, wrong


@dataclass(frozen=True)
class Settings:
    """What all groups of settings can do: refuse a value."""

    prefix: ClassVar[str] = ""  # of the group, in a setting's full name

    def require(self, name: str, right: bool, rule: str) -> None:
        """Raise `SettingError` with the setting's value and the rule, unless it is right."""
        if not right:
            raise SettingError(f"{self.prefix}{name}", f"is {getattr(self, name)}; {rule}")

    def require_at_least(self, least: int, *names: str) -> None:
        """Raise `SettingError` for the first of the settings that is below ``least``."""
        rule = f"it must be {least} or more" if least == 0 else f"it must be at least {least}"
        for name in names:
            self.require(name, getattr(self, name) >= least, rule)


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """What every network here has: a timm backbone, then global aggregation and local distribution."""

    prefix: ClassVar[str] = "model."

    backbone: str = "resnet50"
    """A timm model name."""
    ga: str = "psp"
    """Global aggregation."""
    ld: str = "mask"
    """Local distribution."""
    order: str = "ga-ld"
    """How they are arranged (the paper's Fig. 3)."""
    reduce: int = 2
    """The aggregation runs at 1/reduce of the feature's resolution."""
    pretrained: bool = False
    """Start from timm's ImageNet weights (downloaded by timm on first use)."""
    weights: Path | None = None
    """Start the backbone from this file instead (.safetensors, timm's keys)."""

    def __post_init__(self) -> None:
        if self.pretrained and self.weights:
            raise SettingError("model.weights", "is given beside pretrained; give one of them, not both")
        self.require_at_least(1, "reduce")

    @property
    def backbone_weights(self) -> bool | Path:
        """What the backbone starts from: a file, True for timm's weights, False for random ones."""
        return self.weights or self.pretrained

    def bare(self: BodyT) -> BodyT:
        """The same network without initial weights, for one whose weights all come from a checkpoint."""
        return replace(self, pretrained=False, weights=None)


@dataclass(frozen=True)
class SegmenterConfig(NetworkConfig):
    """The segmentation network: the body, then a head."""

    channels: int = 512
    """Width of the feature that the block works on."""
    output_stride: Literal[8, 16, 32] = 8
    """Pixels of the picture per pixel of the feature; 8 is the paper's, 16 is four times cheaper."""
    skip: bool = False
    """Also give the head the backbone's stride-4 feature (not in the paper; sharpens a stride-16 network)."""
    aux: bool = True
    """Train an auxiliary head on the stage before the last."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_at_least(1, "channels")


@dataclass(frozen=True)
class DetectorConfig(NetworkConfig):
    """The detector: the body's last map goes through the block into a feature pyramid, then Faster or Mask R-CNN."""

    masks: bool = False
    """Predict a mask for each object as well (Mask R-CNN)."""
    norm: Literal["frozen", "batch"] = "frozen"
    """The backbone's batch norms: as they were pretrained, or trained (synchronised over GPUs)."""
    strides: tuple[int, ...] = (4, 8, 16, 32)
    """The pyramid's levels, in pixels of the picture; without 4 it is much cheaper, and misses the smallest."""
    fpn_channels: int = 256
    """Width of the pyramid."""
    fpn_norm: bool = False
    """Group norms in the pyramid: for backbones whose maps are far from a deviation of 1, such as EfficientNet."""
    head_channels: int = 1024
    """Width of the layers that look at one box."""
    anchors: tuple[int, ...] | None = None
    """Side of the boxes that each level starts from, in pixels; one more than strides, for the last one shrunk by 2.
    Left out, 8 times the stride."""
    proposals: int = 1000
    """Boxes that the first stage hands to the second for each picture; in training twice as many ..."""
    samples: int = 512
    """... of which it trains on this many."""
    short: tuple[int, ...] = (800,)
    """The picture's short side in pixels; training takes any of them by chance, evaluation the last."""
    longest: int = 1333
    """No side is longer than this."""
    torchvision: Path | None = None
    """Start from this file of torchvision's detector on the same ResNet (.pth, .safetensors): everything but the block,
    and what predicts another number of classes."""

    @property
    def backbone_weights(self) -> bool | Path:
        return self.weights or (self.pretrained and self.torchvision is None)  # which has the backbone's, too

    def bare(self) -> DetectorConfig:
        return replace(super().bare(), torchvision=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("fpn_channels", "head_channels", "proposals", "samples", "longest"):
            self.require(name, _is_count(getattr(self, name)), "it must be at least 1")
        for name, values in (("strides", self.strides), ("anchors", self.anchors or (1,)), ("short", self.short)):
            self.require(name, len(values) > 0 and all(map(_is_count, values)), "it must be numbers above 0")


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


RUNS: dict[str, type[RunConfig]] = {each.task: each for each in (SegmentationConfig, DetectionConfig)}


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and int(value) >= 1


def to_json(settings: RunConfig) -> str:
    """Write the settings of a run as JSON (paths as text)."""
    return json.dumps({"task": settings.task, **asdict(settings)}, indent=2, default=str)


def from_json(text: str, where: str = "config") -> RunConfig:
    """Read what `to_json` wrote; an unknown key or a value of another type is a `UserError`."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{where} should hold named settings, found {type(values).__name__}")
    task = values.pop("task", SegmentationConfig.task)  # runs of before there was another task don't name it
    return from_dict(lookup(RUNS, task, f"task in {where}"), values, where)


def from_dict(kind: type[T], values: Any, where: str = "config") -> T:
    """Build a config dataclass from nested dictionaries, checking names and types as it goes."""
    if not isinstance(values, dict):
        raise UserError(f"{where} should hold named settings, found {type(values).__name__}")
    hints = get_type_hints(kind)
    names = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]  # T is a dataclass by construction
    for name in values:
        lookup(names, name, f"setting in {where}")
    return kind(**{name: _value(hints[name], value, f"{where}: {name}") for name, value in values.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    """Turn a JSON value into what the field's type asks for."""
    if is_dataclass(hint) and isinstance(hint, type):
        return from_dict(hint, value, where)
    origin = get_origin(hint)
    if origin is tuple and get_args(hint)[-1] is Ellipsis and isinstance(value, list):
        return tuple(_value(get_args(hint)[0], item, where) for item in value)
    if origin is tuple and isinstance(value, list) and len(value) == len(get_args(hint)):
        return tuple(_value(each, item, where) for each, item in zip(get_args(hint), value, strict=True))
    if origin in (Union, types.UnionType):  # only "X | None" occurs
        inner = next(each for each in get_args(hint) if each is not type(None))
        return None if value is None else _value(inner, value, where)
    if origin is Literal and value in get_args(hint):
        return value
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise UserError(f"{where} is {value!r}, which is not {getattr(hint, '__name__', hint)}")

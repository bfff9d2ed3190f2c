"""What the commands' flags have in common: groups of them, the names that their help lists, the flag in an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, is_dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import FlagCreatePairsOff, arg
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from gald.block import ORDERS
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.config.checks import SettingError
from gald.config.inference import RuntimeConfig, ViewConfig
from gald.config.network import NetworkConfig
from gald.config.settings import DetectionDataConfig, PhaseConfig, SegmentationDataConfig
from gald.data.registry import dataset_names

Views = Annotated[ViewConfig, arg(name=""), FlagCreatePairsOff]
"""``--tile``, ``--overlap``, ``--scales``, ``--flip``: the last without ``--no-flip``."""
Runtime = Annotated[RuntimeConfig, arg(name="")]
"""``--precision``, ``--accelerator``."""


@dataclass(frozen=True)
class DatasetChoice:
    """The data set; what is left out is taken from the checkpoint."""

    name: Annotated[str | None, arg(help=f"{segmentation_names()}; for a detector {detection_names()}.")] = None
    root: Path | None = None
    """The data set's folder."""


@dataclass(frozen=True)
class SegmentationChoice(DatasetChoice):
    """The data set; what is left out is taken from the checkpoint."""

    name: Annotated[str | None, arg(help=f"{segmentation_names()}.")] = None


def segmentation_names() -> str:
    """The data sets with label maps."""
    return ", ".join(dataset_names("segmentation"))


def detection_names() -> str:
    """The data sets with boxes."""
    return ", ".join(dataset_names("detection"))


NAMES: dict[tuple[type, str], Callable[[], Iterable[str]]] = {
    (NetworkConfig, "ga"): lambda: AGGREGATORS,
    (NetworkConfig, "ld"): lambda: DISTRIBUTORS,
    (NetworkConfig, "order"): lambda: ORDERS,
    (SegmentationDataConfig, "name"): partial(dataset_names, "segmentation"),
    (DetectionDataConfig, "name"): partial(dataset_names, "detection"),
    (PhaseConfig, "data"): partial(dataset_names, "segmentation"),
}
"""Settings that hold a name of a table which `gald.config`, a floor below those tables, can't import."""


class FlagError(Exception):
    """A setting that can't work, as it was typed. Not a `ValueError`: tyro would name our own arguments before it."""


registry = ConstructorRegistry()
_asked: set[type] = set()  # whose own rule is being asked for


@registry.struct_rule
def settings(info: StructTypeInfo) -> StructConstructorSpec | None:
    """How tyro reads a group of settings: by its own rule, then with `NAMES` in the help, and with flags in errors."""
    if not is_dataclass(info.type) or info.type in _asked:
        return None
    _asked.add(info.type)
    try:
        own = ConstructorRegistry.get_struct_spec(info)
    finally:
        _asked.remove(info.type)
    if not isinstance(own, StructConstructorSpec):
        return None
    make = own.instantiate

    @wraps(make, updated=())
    def made(**values: Any) -> Any:
        try:
            return make(**values)
        except SettingError as error:
            raise FlagError(f"--{error.setting.replace('_', '-')} {error.wrong}") from None

    return StructConstructorSpec(instantiate=made, fields=tuple(_with_names(info.type, field) for field in own.fields))


def _with_names(group: type, field: StructFieldSpec) -> StructFieldSpec:
    """The field, its help ending in the names that it can have."""
    names = next(
        (found for (kind, name), found in NAMES.items() if issubclass(group, kind) and name == field.name), None
    )
    if names is None:
        return field
    own = field.helptext() if callable(field.helptext) else field.helptext
    return replace(field, helptext=f"{(own or '').rstrip('.')}: {', '.join(names())}.")

"""The settings of a run as JSON, and back: names and types are checked on the way."""

import json
import types
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gald.config.checks import SettingError
from gald.config.settings import DetectionConfig, RunConfig, SegmentationConfig
from gald.support.errors import UserError, lookup

T = TypeVar("T")
RUNS: dict[str, type[RunConfig]] = {kind.task: kind for kind in (SegmentationConfig, DetectionConfig)}


def to_json(settings: RunConfig) -> str:
    """Write the settings of a run as JSON (paths as text)."""
    return json.dumps({"task": settings.task, **asdict(settings)}, indent=2, default=str)


def from_json(text: str, where: str = "config") -> RunConfig:
    """Read what `to_json` wrote; an unknown key, or a value that can't be, is a `UserError` that names ``where``."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{where} should hold named settings, found {type(values).__name__}")
    task = values.pop("task", SegmentationConfig.task)  # runs of before there was another task don't name it
    try:
        return from_dict(lookup(RUNS, task, f"task in {where}"), values, where)
    except SettingError as error:
        raise UserError(f"{where}: {error}") from None


def load_settings(path: Path) -> RunConfig:
    """Read the settings of a run from its config.json."""
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"can't read the settings at {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"can't read the settings at {path}: it is not a text file, config.json of a run is") from None
    return from_json(text, str(path))


def from_dict(kind: type[T], values: Any, where: str = "config") -> T:
    """Build a config dataclass from nested dictionaries, checking names and types as it goes."""
    if not isinstance(values, dict):
        raise UserError(f"{where} should hold named settings, found {type(values).__name__}")
    hints = get_type_hints(kind)
    names = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # T is a dataclass by construction
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
        return tuple(_value(part, item, where) for part, item in zip(get_args(hint), value, strict=True))
    if origin in (Union, types.UnionType):  # only "X | None" occurs
        inner = next(part for part in get_args(hint) if part is not type(None))
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

"""Global aggregation then local distribution: sharper segmentation networks, one block that plugs in anywhere.

The public names are imported when they are first used, so that ``gald --help`` doesn't wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gald.block import GALD as GALD
    from gald.detection import faster_rcnn as faster_rcnn
    from gald.detection import mask_rcnn as mask_rcnn
    from gald.plugging import plug as plug
    from gald.plugging import plugged_parameters as plugged_parameters
    from gald.plugging import unplug as unplug
    from gald.segmentation import Segmenter as Segmenter
    from gald.tasks import load as load

__version__ = "0.1.0"
__all__ = [
    "GALD",
    "Segmenter",
    "__version__",
    "faster_rcnn",
    "load",
    "mask_rcnn",
    "plug",
    "plugged_parameters",
    "unplug",
]

_WHERE = {
    "GALD": "gald.block",
    "Segmenter": "gald.segmentation",
    "faster_rcnn": "gald.detection",
    "load": "gald.tasks",
    "mask_rcnn": "gald.detection",
    "plug": "gald.plugging",
    "plugged_parameters": "gald.plugging",
    "unplug": "gald.plugging",
}


def __getattr__(name: str) -> Any:  # a module's attribute can be anything
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'gald' has no attribute {name!r}")

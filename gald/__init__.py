"""GALD: global aggregation, then local distribution, in networks for segmentation and detection or plugged into yours.

The public names are imported when they are first used, so that ``gald --help`` doesn't wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gald.block.gald import GALD as GALD
    from gald.engine.tasks import load as load
    from gald.models.detection import faster_rcnn as faster_rcnn
    from gald.models.detection import mask_rcnn as mask_rcnn
    from gald.models.plug import plug as plug
    from gald.models.plug import plugged_parameters as plugged_parameters
    from gald.models.plug import unplug as unplug
    from gald.models.segmenter import Segmenter as Segmenter

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
    "GALD": "gald.block.gald",
    "Segmenter": "gald.models.segmenter",
    "faster_rcnn": "gald.models.detection",
    "load": "gald.engine.tasks",
    "mask_rcnn": "gald.models.detection",
    "plug": "gald.models.plug",
    "plugged_parameters": "gald.models.plug",
    "unplug": "gald.models.plug",
}


def __getattr__(name: str) -> Any:  # a module's attribute can be anything
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'gald' has no attribute {name!r}")

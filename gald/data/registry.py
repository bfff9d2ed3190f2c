"""Every data set by name: where its code lies, and what is known of it before anything is opened. Needs no torch.

A new data set is a file in `gald.data.datasets` and a line in `DATASETS`. The file holds a function ``(root, split)``
that opens a split, named in the line, and ``splits(root)``, which names the splits that exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal

from gald.support.errors import UserError, lookup

if TYPE_CHECKING:
    from gald.data.detection import DetectionDataset
    from gald.data.segmentation import SegmentationDataset

Kind = Literal["segmentation", "detection"]


@dataclass(frozen=True)
class DatasetInfo:
    """A data set of the table.

    ``function`` is ``"module:function"``, ``kind`` what its annotations are: label maps, or objects in boxes.
    """

    name: str
    function: str
    kind: Kind
    drawn: bool = False  # made from a seed: there are no files, and so no folder
    video: bool = False  # names are SEQUENCE_FRAME, and neighbours look alike

    def folder(self, root: Path | None) -> Path:
        """The folder it lies in; `UserError` where it needs one and ``root`` is None."""
        if root is None and not self.drawn:
            raise UserError(f"the data set {self.name!r} needs the folder it lies in: --data.root ROOT")
        return root or Path()

    def load(self, root: Path | None, split: str) -> Any:
        """Open a split: a `SegmentationDataset` or a `DetectionDataset`, as ``kind`` says."""
        return resolve_name(self.function)(self.folder(root), split)

    def splits(self, root: Path | None) -> list[str]:
        """Names of the splits that exist in ``root``."""
        folder, module = self.folder(root), self.function.partition(":")[0]
        found: list[str] = resolve_name(f"{module}:splits")(folder) if self.drawn or folder.is_dir() else []
        return found


DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo("camvid", "gald.data.datasets.camvid:camvid", "segmentation", video=True),
        DatasetInfo("camvid32", "gald.data.datasets.camvid32:camvid32", "segmentation", video=True),
        DatasetInfo("camvid_original11", "gald.data.datasets.camvid32:camvid_original11", "segmentation", video=True),
        DatasetInfo("ade20k", "gald.data.datasets.ade20k:ade20k", "segmentation"),
        DatasetInfo("pascal_context59", "gald.data.datasets.pascal_context:pascal_context59", "segmentation"),
        DatasetInfo("pascal_context60", "gald.data.datasets.pascal_context:pascal_context60", "segmentation"),
        DatasetInfo("coco_stuff164k", "gald.data.datasets.coco_stuff164k:coco_stuff164k", "segmentation"),
        DatasetInfo("coco_stuff10k", "gald.data.datasets.coco_stuff10k:coco_stuff10k", "segmentation"),
        DatasetInfo("cityscapes", "gald.data.datasets.cityscapes:cityscapes", "segmentation"),
        DatasetInfo("mapillary", "gald.data.datasets.mapillary:mapillary", "segmentation"),
        DatasetInfo("mapillary19", "gald.data.datasets.mapillary:mapillary19", "segmentation"),
        DatasetInfo("mapillary_v2", "gald.data.datasets.mapillary:mapillary_v2", "segmentation"),
        DatasetInfo("voc2012", "gald.data.datasets.voc2012:voc2012", "segmentation"),
        DatasetInfo("folder", "gald.data.datasets.folder:folder", "segmentation"),
        DatasetInfo("synthetic", "gald.data.datasets.synthetic:synthetic", "segmentation", drawn=True),
        DatasetInfo("voc0712", "gald.data.datasets.voc0712:voc0712", "detection"),
        DatasetInfo("voc_folder", "gald.data.datasets.voc_folder:voc_folder", "detection"),
        DatasetInfo("coco", "gald.data.datasets.coco:coco", "detection"),
        DatasetInfo("coco_folder", "gald.data.datasets.coco_folder:coco_folder", "detection"),
        DatasetInfo("shapes", "gald.data.datasets.shapes:shapes", "detection", drawn=True),
    )
}


def dataset_names(kind: Kind | None = None) -> list[str]:
    """Names of all data sets, or of those of a kind, in alphabetical order."""
    return sorted(name for name, info in DATASETS.items() if kind in (None, info.kind))


def load_segmentation(name: str, root: Path | None, split: str) -> SegmentationDataset:
    """Open a split of a data set with label maps; ``root`` is its folder (None for one that is drawn)."""
    if name in dataset_names("detection"):
        raise UserError(f"the data set {name!r} has boxes, for detectors; here it takes one with label maps")
    dataset: SegmentationDataset = _of_kind("segmentation", name, "data set").load(root, split)
    return dataset


def load_detection(name: str, root: Path | None, split: str) -> DetectionDataset:
    """Open a split of a data set with objects in boxes."""
    dataset: DetectionDataset = _of_kind("detection", name, "data set with boxes").load(root, split)
    return dataset


def _of_kind(kind: Kind, name: str, what: str) -> DatasetInfo:
    return lookup({name: DATASETS[name] for name in dataset_names(kind)}, name, what)


def splits(name: str, root: Path | None) -> list[str]:
    """Names of the splits of a data set of any kind that exist in ``root``."""
    return lookup(DATASETS, name, "data set").splits(root)

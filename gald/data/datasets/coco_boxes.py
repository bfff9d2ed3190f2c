"""Boxes and masks in COCO's format: COCO 2017 as published, and a user's own folder.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv 1405.0312. 118287 pictures to train and 5000
to validate; 80 classes, numbered 1 to 90 with gaps, become train ids 0 to 79 in that order.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from gald.data.annotation import ImageAnnotation, ObjectAnnotation
from gald.data.detection import DetectionDataset, Picture, there
from gald.data.readers.coco_json import Instances, name_of
from gald.data.readers.coco_masks import mask_of
from gald.data.readers.layout import part, unpacked
from gald.support.errors import UserError, lookup

FARTHEST = 1e9  # pixels: a number beyond is none of a picture, and JSON may hold some that no float does

FOLDERS = {"train": "train2017", "val": "val2017"}
DOWNLOAD = "https://cocodataset.org/#download"
FILE = "instances.json"


def coco(root: Path, split: str) -> DetectionDataset:
    """Find ``train`` or ``val``: ``annotations/instances_train2017.json`` with ``train2017/NAME.jpg``, and val2017."""
    folder = lookup(FOLDERS, split, "split")
    unpacked(root)  # tells a root that is no folder
    notes = f"get annotations_trainval2017.zip from {DOWNLOAD} and unpack it there"
    pictures = f"get {folder}.zip from {DOWNLOAD} and unpack it there"
    file = part(root, [f"annotations/instances_{folder}.json"], notes)
    return read_objects(file, part(root, [folder, f"images/{folder}"], pictures), f"unpack {folder}.zip whole")


def coco_splits(root: Path) -> list[str]:
    """The splits whose annotations lie in ``root``."""
    return [name for name, each in FOLDERS.items() if (root / f"annotations/instances_{each}.json").is_file()]


def coco_folder(root: Path, split: str) -> DetectionDataset:
    """A folder of your own: ``SPLIT/images/NAME.*`` with ``SPLIT/instances.json``, any names of splits."""
    unpacked(root)
    found = splits(root)
    if not found:
        raise UserError(f"{root} holds no SPLIT/{FILE}, such as train/{FILE} beside train/images")
    lookup(dict.fromkeys(found), split, f"split of {root}")
    images = part(root, [f"{split}/images"], f"put the pictures of {split}/{FILE} there")
    return read_objects(root / split / FILE, images, "add it, or take it and its objects out of the file")


def splits(root: Path) -> list[str]:
    """The folders in ``root`` with an ``instances.json``."""
    return sorted(path.parent.name for path in root.glob(f"*/{FILE}"))


def read_objects(file: Path, images: Path, how: str) -> DetectionDataset:
    """The objects of an instances JSON, its pictures in ``images``; ``how`` says what to do about a missing one."""
    content = Instances(file)
    pictures = [Picture(name_of(each["file_name"]), images / each["file_name"], each["id"]) for each in content.images]

    def build(kept: list[Picture]) -> DetectionDataset:
        wanted = {picture.id for picture in kept}
        places = [place for place, image in enumerate(content.images) if image["id"] in wanted]
        ids: dict[str | int, int] = {label.id: i for i, label in enumerate(content.labels)}
        return DetectionDataset(kept, content.labels, partial(_read, content, places), ids, content.has_masks)

    return there({picture: [picture.path] for picture in pictures}, build, str(file), how)


def _read(content: Instances, places: list[int], index: int) -> ImageAnnotation:
    image = content.images[places[index]]
    height, width = image["height"], image["width"]
    place = f"image {image['id']} ({image['file_name']}) in {content.file}"
    objects = content.objects[places[index]]
    things = [_thing(each, height, width, f"annotation {each['id']} of {place}") for each in objects]
    return ImageAnnotation(height, width, things, place)


def _number(value: Any) -> bool:
    """Whether it is a number that a float holds (JSON writes whole ones of any length)."""
    return type(value) is float or (type(value) is int and abs(value) < FARTHEST)


def _thing(entry: dict[str, Any], height: int, width: int, place: str) -> ObjectAnnotation:
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_number, box)):
        raise UserError(f"{place} has the 'bbox' {box!r}, it should be [x, y, width, height] in pixels")
    crowd, area, drawn = entry.get("iscrowd", 0), entry.get("area"), entry.get("segmentation")
    if crowd not in (0, 1):
        raise UserError(f"{place} has the 'iscrowd' {crowd!r}, it should be 0 or 1")
    if area is not None and not _number(area):
        raise UserError(f"{place} has the 'area' {area!r}, it should be a number of square pixels")
    x, y, across, down = map(float, box)
    mask = partial(mask_of, drawn, height, width) if drawn else None
    note = f"annotation {entry['id']}, category {entry['category_id']}"
    return ObjectAnnotation(entry["category_id"], (x, y, x + across, y + down), bool(crowd), area, mask, note)

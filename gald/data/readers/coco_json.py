"""Reading COCO's instances JSON (Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org).

What ties the file together (ids, names, sizes) is checked when it is opened; each object when its picture is read.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gald.data.annotation import ImageAnnotation, ObjectAnnotation
from gald.data.detection import DetectionDataset
from gald.data.files import SampleFiles, require_files
from gald.data.labels import Label
from gald.data.readers.coco_masks import mask_of
from gald.images.io import MAX_PIXELS, distinct_color
from gald.support.errors import UserError

FARTHEST = 1e9  # pixels: a number beyond is none of a picture, and JSON may hold some that no float does
Entry = dict[str, Any]


class Packed:
    """Lists of JSON objects, one a picture, kept as text in one array.

    The 860 thousand annotations of COCO's train2017 take 2 GB as Python objects, and every loading process would copy
    them page by page, because counting references writes to them.
    """

    def __init__(self, lists: Iterable[list[Entry]]) -> None:
        texts = [json.dumps(entries, separators=(",", ":")).encode() for entries in lists]
        self.ends = np.cumsum([0, *map(len, texts)])
        self.text = np.frombuffer(b"".join(texts), np.uint8)

    def __getitem__(self, index: int) -> list[Entry]:
        entries: list[Entry] = json.loads(self.text[self.ends[index] : self.ends[index + 1]].tobytes())
        return entries


class Instances:
    """The content of an instances JSON: ``images`` as listed, their ``objects``, and the ``labels`` in order of id."""

    def __init__(self, file: Path) -> None:
        content = _content(file)
        self.file = file
        self.labels = _labels(_list(content, "categories", file), file)
        self.images = [_image(entry, f"{file}: image {i}") for i, entry in enumerate(_list(content, "images", file), 1)]
        _once([image["id"] for image in self.images], f"{file}: the image id")
        _once([name_without_ending(image["file_name"]) for image in self.images], f"{file}: the picture")
        objects = _list(content, "annotations", file)
        self.has_masks = any(isinstance(entry, dict) and entry.get("segmentation") for entry in objects)
        self.objects = Packed(self._grouped(objects))
        self.places = {image["id"]: place for place, image in enumerate(self.images)}

    def annotation(self, sample: SampleFiles) -> ImageAnnotation:
        """What the file says of a picture."""
        place = self.places[sample.id]
        image, entries = self.images[place], self.objects[place]
        height, width = image["height"], image["width"]
        source = f"image {image['id']} ({image['file_name']}) in {self.file}"
        objects = [_object(entry, height, width, f"annotation {entry['id']} of {source}") for entry in entries]
        return ImageAnnotation(height, width, objects, source)

    def _grouped(self, objects: list[Any]) -> Iterable[list[Entry]]:
        of_image: dict[int, list[Entry]] = {image["id"]: [] for image in self.images}
        for number, entry in enumerate(objects, 1):
            place = f"{self.file}: annotation {number}"
            for key in ("id", "image_id", "category_id"):
                _whole(entry, key, place)
            if entry["image_id"] not in of_image:
                raise UserError(f"{place} is of the image {entry['image_id']}, which is not listed: add it to 'images'")
            of_image[entry["image_id"]].append(entry)
        _once([entry["id"] for entry in objects], f"{self.file}: the annotation id")
        return of_image.values()


def read_dataset(file: Path, images: Path, how: str) -> DetectionDataset:
    """The data set of an instances JSON, its pictures in ``images``; ``how`` says what to do about a missing one."""
    content = Instances(file)
    wanted = [
        SampleFiles(name_without_ending(image["file_name"]), images / image["file_name"], file, image["id"])
        for image in content.images
    ]
    found = require_files(wanted, lambda _: how, str(file))
    train_ids: dict[str | int, int] = {label.id: i for i, label in enumerate(content.labels)}
    dataset = DetectionDataset(found.samples, content.labels, content.annotation, train_ids, content.has_masks)
    return found.require_all(dataset)


def name_without_ending(file_name: str) -> str:
    """A picture's name: its path in the picture folder, without ending."""
    path = PurePosixPath(file_name)
    return str(path.with_suffix("") if path.name else path)


def _content(file: Path) -> Entry:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{file} does not exist") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(
            f"{file} holds a {type(content).__name__}, not COCO's object of images, annotations, categories"
        )
    return content


def _list(content: Entry, key: str, file: Path) -> list[Any]:
    found = content.get(key)
    if not isinstance(found, list):
        raise UserError(f"{file} has no list {key!r}: it needs 'images', 'annotations' and 'categories'")
    if not found and key != "annotations":
        raise UserError(f"{file}: the list {key!r} is empty")
    return found


def _whole(entry: Any, key: str, place: str) -> int:
    """A whole number that an entry must have."""
    if not isinstance(entry, dict):
        raise UserError(f"{place} is {entry!r}, not an object")
    number = entry.get(key)
    if not isinstance(number, int) or isinstance(number, bool):
        raise UserError(
            f"{place} has no {key!r}" if number is None else f"{place} has the {key!r} {number!r}, not a whole number"
        )
    if abs(number) >= 2**63:
        raise UserError(f"{place} has the {key!r} {number}, too large for a number of 64 bits")
    return number


def _image(entry: Any, place: str) -> Entry:
    _whole(entry, "id", place)
    width, height = _whole(entry, "width", place), _whole(entry, "height", place)
    if min(width, height) < 1 or width * height > MAX_PIXELS:  # masks are decoded at this size
        raise UserError(f"{place} has the size {entry['width']}x{entry['height']}: write that of its picture")
    name = entry.get("file_name")
    if not isinstance(name, str) or not name:
        raise UserError(f"{place} has no 'file_name'")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UserError(f"{place} has the file name {name!r}: write it as a path below the folder of the pictures")
    return {key: entry[key] for key in ("id", "width", "height", "file_name")}


def _labels(categories: Sequence[Any], file: Path) -> tuple[Label, ...]:
    for number, category in enumerate(categories, 1):
        _whole(category, "id", f"{file}: category {number}")
        if not isinstance(category.get("name"), str) or not category["name"]:
            raise UserError(f"{file}: category {number} has no 'name'")
    _once([category["id"] for category in categories], f"{file}: the category id")
    _once([category["name"] for category in categories], f"{file}: the category")
    ordered = sorted(categories, key=lambda category: int(category["id"]))
    return tuple(Label(category["name"], distinct_color(i), category["id"]) for i, category in enumerate(ordered))


def _once(values: Sequence[int | str], what: str) -> None:
    value, times = Counter(values).most_common(1)[0] if values else ("", 1)
    if times > 1:
        raise UserError(f"{what} {value} occurs {times} times: keep one")


def _number(value: Any) -> bool:
    """Whether it is a number that a float holds (JSON writes whole ones of any length)."""
    return type(value) is float or (type(value) is int and abs(value) < FARTHEST)


def _object(entry: Entry, height: int, width: int, place: str) -> ObjectAnnotation:
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

"""Reading an annotation in Pascal VOC's XML (Everingham et al., IJCV 2010; devkit of 2007 to 2012).

VOC counts pixels from 1 and both corners belong to the box, so ``xmin`` 1 and ``xmax`` 1 is the first column, 0 to 1 in
continuous edges. A box whose corners share a column or a row is what a stray click leaves: it counts as having no
extent.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from gald.data.annotation import Box, ImageAnnotation, ObjectAnnotation
from gald.data.detection import DetectionDataset
from gald.data.files import SampleFiles, read_list, require_files
from gald.data.labels import Label
from gald.support.errors import UserError

LIMIT = 16 * 2**20  # bytes; the longest of the published files have some 30 kB


def read_dataset(
    files: Sequence[SampleFiles],
    labels: Sequence[Label],
    listed_in: str,
    how: str,
    doubts: Sequence[str] = (),
) -> DetectionDataset:
    """The data set of these pictures and XML files; ``how`` says what to do about one that is missing."""
    found = require_files(files, lambda _: how, listed_in)
    train_ids: dict[str | int, int] = {label.name: i for i, label in enumerate(labels)}
    data = DetectionDataset(found.samples, labels, read_annotation, train_ids, doubts=doubts)
    return found.require_all(data)


def read_names(file: Path, how: str) -> list[str]:
    """The names in a list, each once; ``how`` says what to do where it is missing or empty."""
    names = read_list(file, how)
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise UserError(f"{file} lists {twice} twice: keep one")
    return names


def read_annotation(files: SampleFiles) -> ImageAnnotation:
    """Size and objects of one picture."""
    file = files.label
    root = parse_xml(file)
    size = root.find("size")
    if size is None:
        raise UserError(f"annotation {file} has no <size>: add the width and height of its picture")
    height, width = (_number(size, side, f"the <size> of {file}") for side in ("height", "width"))
    if not (height >= 1 and width >= 1 and height % 1 == width % 1 == 0):
        raise UserError(f"annotation {file} has the size {width:g}x{height:g}: write that of its picture, in pixels")
    objects = [_object(found, f"object {number} of {file}") for number, found in enumerate(root.findall("object"), 1)]
    return ImageAnnotation(int(height), int(width), objects, str(file))


class _Plain(ElementTree.TreeBuilder):
    """Builds elements and refuses a document type, the only place where entities could be declared."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called by the parser before it reads the declarations."""
        raise UserError("declares a document type, which VOC's files never do: remove it")


def parse_xml(file: Path) -> Element:
    """The outermost element of a file, parsed without entities; `UserError` names what is wrong."""
    try:
        content = file.read_bytes()
        if len(content) > LIMIT:
            raise UserError(f"has {len(content) // 2**20} MB, no annotation has: is it the right file?")
        parser = ElementTree.XMLParser(target=_Plain())
        parser.feed(content)
        root: Element = parser.close()
    except UserError as error:
        raise UserError(f"annotation {file} {error}") from None
    except FileNotFoundError:
        raise UserError(f"annotation {file} does not exist") from None
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise UserError(f"annotation {file} is not XML: {error}") from None
    return root


def class_names(file: Path) -> list[str]:
    """The class of every object, "" where it has none; nothing of an unreadable file, which its split will tell."""
    try:
        return [(found.findtext("name") or "").strip() for found in parse_xml(file).findall("object")]
    except UserError:
        return []


def _object(element: Element, place: str) -> ObjectAnnotation:
    name = (element.findtext("name") or "").strip()
    box = element.find("bndbox")
    if not name or box is None:
        raise UserError(f"{place} has no <{'bndbox' if name else 'name'}>: add it or delete the object")
    difficult = (element.findtext("difficult") or "0").strip()
    if difficult not in ("0", "1"):
        raise UserError(f"{place} has <difficult> {difficult!r}, it should be 0 or 1")
    return ObjectAnnotation(name, _edges(box, place), difficult == "1")


def _edges(box: Element, place: str) -> Box:
    x1, y1, x2, y2 = (_number(box, corner, place) for corner in ("xmin", "ymin", "xmax", "ymax"))
    if not (x2 - x1 >= 0 and y2 - y1 >= 0) and all(map(math.isfinite, (x1, y1, x2, y2))):
        raise UserError(f"{place} has a negative size: xmin {x1:g}, xmax {x2:g}, ymin {y1:g}, ymax {y2:g}; correct it")
    # the pixel that xmin numbers begins one before its number; equal corners stay equal, for the check to drop
    return (x1 if x2 == x1 else x1 - 1, y1 if y2 == y1 else y1 - 1, x2, y2)


def _number(element: Element, name: str, place: str) -> float:
    text = element.findtext(name)
    try:
        return float(text if text is not None else "")
    except ValueError:
        found = f"<{name}> {text!r}, it should be a number" if text is not None else f"no <{name}>: add it"
        raise UserError(f"{place} has {found}") from None

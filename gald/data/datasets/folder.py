"""Your own pictures and label maps in folders.

Layout, with ``labels`` or ``masks`` for the label maps, and any split names:

    ROOT/SPLIT/images/NAME.jpg   ROOT/SPLIT/labels/NAME.png
    ROOT/images/SPLIT/NAME.jpg   ROOT/labels/SPLIT/NAME.png
    ROOT/images/NAME.jpg         ROOT/labels/NAME.png         (no splits: the one split is called "all")

A label map may also be called ``NAME_label.png``, ``NAME_labelIds.png`` or ``NAME_mask.png``. It holds class ids (8-bit
grey, or palette: the indices count) or, as RGB, the colours of the classes. ``ROOT/classes.txt`` (or .csv, .json; see
`gald.data.readers.classes`) names the classes; 255 is ignored unless it is a class.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from gald.data.files import data_folder, find_pictures, pair_by_name
from gald.data.readers.classes import Classes, find_classes, read_classes
from gald.data.readers.colors import codes_of, color_of, ids_of_colors
from gald.data.segmentation import SegmentationDataset
from gald.images.io import label_values, open_picture
from gald.support.errors import UserError, lookup

ENDINGS = ("_label", "_labelIds", "_mask")
MASKS = ("labels", "masks")


def folder(root: Path, split: str) -> SegmentationDataset:
    """Open a split of the layout that the module describes."""
    folders = _splits(data_folder(root))
    if not folders:
        raise UserError(f"{root} holds no pair of folders images/ and labels/ (nor SPLIT/images, nor images/SPLIT)")
    image_folder, mask_folder = lookup(folders, split, f"split of {root}")
    images, masks = find_pictures(image_folder), _without_endings(find_pictures(mask_folder))
    file = find_classes(root)
    if file is None:
        raise UserError(f"{root} has no classes.txt to name the classes; {_proposal(masks.values(), root)}")
    classes = read_classes(file)
    found, read = pair_by_name(images, masks), partial(_read, classes=classes, file=file)
    return found.require_all(SegmentationDataset(found.samples, classes.labels, classes.ignored, read))


def splits(root: Path) -> list[str]:
    """The splits that lie in ``root``."""
    return list(_splits(root))


def _splits(root: Path) -> dict[str, tuple[Path, Path]]:
    """Name of each split and its two folders; nested layouts win over the flat one."""
    for masks in MASKS:
        outer = [(d.name, d / "images", d / masks) for d in sorted(root.iterdir()) if (d / masks).is_dir()]
        inner = [(d.name, root / "images" / d.name, d) for d in sorted((root / masks).glob("*")) if d.is_dir()]
        found = {name: (images, labels) for name, images, labels in outer or inner if images.is_dir()}
        if found:
            return found
        if (root / "images").is_dir() and (root / masks).is_dir():
            return {"all": (root / "images", root / masks)}
    return {}


def _without_endings(masks: dict[str, Path]) -> dict[str, Path]:
    """Drop the endings that labelling tools add to a picture's name."""
    named: dict[str, Path] = {}
    for stem, path in masks.items():
        name = next((stem.removesuffix(ending) for ending in ENDINGS if stem.endswith(ending)), stem)
        if name in named:
            raise UserError(
                f"{path.parent} holds two labels for {name!r}, {named[name].name} and {path.name}: keep one"
            )
        named[name] = path
    return named


def _read(path: Path, classes: Classes, file: Path) -> UInt8[Tensor, "h w"]:
    """Values of an id mask, or the ids of a colour mask's colours."""
    picture = open_picture(path)
    codes = codes_of(picture)
    if codes is None:
        return label_values(picture, path)
    if not classes.colored:
        raise UserError(
            f"label {path} is a colour picture and {file} gives no colours; {_proposal([path], file.parent)}"
        )
    ids = {label.color: label.id for label in classes.labels}
    spare = next((value for value in classes.ignored if value not in ids.values()), None)
    if spare is not None:
        ids |= dict.fromkeys(classes.ignored_colors, spare)
    return ids_of_colors(codes, ids, path, str(file))


def _proposal(masks: Iterable[Path], root: Path) -> str:
    """A class file to paste, from the values or colours of the first label maps."""
    lines: dict[str, None] = {}
    for path in list(masks)[:20]:
        picture = open_picture(path)
        codes = codes_of(picture)
        values = np.unique(label_values(picture, path).numpy() if codes is None else codes).tolist()
        lines |= dict.fromkeys(
            " {} {} {}".format(*color_of(value)) if codes is not None else str(value) for value in values
        )
    if len(lines) > 64:
        return f"its first labels hold {len(lines)} values or colours, too many for classes: is this the right folder?"
    named = {line: f"{i} class{i}{line}" if line[0] == " " else f"{line} class{line}" for i, line in enumerate(lines)}
    shown = ["ignore 255" if line == "255" else name for line, name in named.items()]
    where = root / "classes.txt"
    return f"to start from the values found, save these lines as {where} and name them:\n" + "\n".join(shown)

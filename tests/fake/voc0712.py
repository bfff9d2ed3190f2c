"""VOCdevkit with VOC2007 and VOC2012 as their archives unpack: XML notes, all 20 classes, difficult objects, parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fake.streets import picture

SIZE = (40, 60)  # height, width
LISTS = {
    ("VOC2007", "trainval"): ("000005", "000007"),
    ("VOC2007", "test"): ("000001", "000002", "000003"),
    ("VOC2012", "trainval"): ("2007_000027", "2008_000002"),
}
CLASSES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]  # fmt: skip
Object = tuple[str, tuple[float, float, float, float], int]  # name, xmin ymin xmax ymax as in the file, difficult


def write(root: Path) -> Path:
    """Picture number n has the classes n, n + 7 and n + 14; the last is difficult."""
    number = 0
    for (year, part), names in LISTS.items():
        base = root / "VOCdevkit" / year
        lists = base / "ImageSets" / "Main"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
        (lists / f"car_{part}.txt").write_text("".join(f"{name} -1\n" for name in names))
        for name in names:
            kinds = [CLASSES[(number + step) % 20] for step in (0, 7, 14)]
            boxes = [(1, 1, 60, 40), (11, 6, 20, 30), (31.4, 20, 31.6 + number, 39.5)]
            objects = [(kind, box, int(i == 2)) for i, (kind, box) in enumerate(zip(kinds, boxes, strict=True))]
            annotation(base / "Annotations" / f"{name}.xml", objects, year=year)
            picture(base / "JPEGImages" / f"{name}.jpg", SIZE, number)
            number += 1
    return root


def write_folder(root: Path, splits: Sequence[str] = ("train", "val")) -> Path:
    """A tree of one's own: cells and nuclei, one picture without any."""
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for seed, split in enumerate(splits):
        names = [f"{split}_{i}" for i in range(3)]
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for i, name in enumerate(names):
            objects = [("cell", (1, 1, 10, 10), 0), ("nucleus", (3, 3, 5, 6), 0)] * i
            annotation(root / "Annotations" / f"{name}.xml", objects)
            picture(root / "JPEGImages" / f"{name}.jpg", SIZE, 10 * seed + i)
    return root


def annotation(path: Path, objects: Sequence[Object], size: str | None = None, year: str = "VOC2007") -> Path:
    """A note in the release's order of elements; 2012's have the corners in another order, and a person's parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = SIZE
    sized = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>" if size is None else size
    body = "\n\t".join(element(each, year) for each in objects)
    path.write_text(f"""<annotation>
\t<folder>{year}</folder>
\t<filename>{path.stem}.jpg</filename>
\t<source><database>The {year} Database</database><image>flickr</image></source>
\t{sized}
\t<segmented>0</segmented>
\t{body}
</annotation>
""")
    return path


def element(thing: Object, year: str = "VOC2007") -> str:
    name, (xmin, ymin, xmax, ymax), difficult = thing
    corners = [f"<xmin>{xmin}</xmin>", f"<ymin>{ymin}</ymin>", f"<xmax>{xmax}</xmax>", f"<ymax>{ymax}</ymax>"]
    if year == "VOC2012":
        corners = [corners[2], corners[0], corners[3], corners[1]]
    box = f"<bndbox>{''.join(corners)}</bndbox>"
    part = "<part><name>head</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
    more = part if name == "person" else ""
    return (
        f"<object><name>{name}</name><pose>Left</pose><truncated>1</truncated><difficult>{difficult}</difficult>"
        f"{box}{more}</object>"
    )

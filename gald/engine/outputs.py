"""What is predicted of pictures, as files to look at and files to work with."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from gald.data.labels import Label, label_ids
from gald.data.readers.coco_masks import runs_of
from gald.images.boxes import draw_objects
from gald.images.io import write_image, write_label
from gald.images.overlay import overlay_with_legend
from gald.support.files import check_writable, check_writable_folder, write_whole


class LabelMapWriter:
    """``OUT/labels/NAME.png`` in the data set's ids, ``OUT/overlays/NAME.jpg`` in its colours with a legend."""

    def __init__(self, labels: Sequence[Label], out: Path) -> None:
        self.labels, self.out = labels, out
        by_id = {label.id: label.color for label in labels}
        self.palette = [by_id.get(value, (0, 0, 0)) for value in range(256)]
        for folder in (out, out / "labels", out / "overlays"):
            check_writable_folder(folder)

    def files(self, name: str) -> tuple[str, ...]:
        """What is written of a picture, as paths in ``out``."""
        return f"labels/{name}.png", f"overlays/{name}.jpg"

    def add(self, name: str, suffix: str, image: Tensor, prediction: Tensor) -> None:
        """Write the files of a picture, whose own file ends in ``suffix``, and of its train ids (H, W)."""
        prediction = prediction.cpu()
        colors, names = [label.color for label in self.labels], [label.name for label in self.labels]
        label_map, overlay = (self.out / file for file in self.files(name))
        write_label(label_ids(self.labels)[prediction], label_map, self.palette)
        write_image(overlay_with_legend(image, prediction, colors, names), overlay)

    def close(self) -> str:
        """Where it all lies, in words."""
        return f"{self.out / 'labels'} and {self.out / 'overlays'}"


class DetectionWriter:
    """``OUT/overlays/NAME.jpg`` with the surer objects drawn; all of them in ``OUT/objects.json`` in COCO's format."""

    def __init__(self, labels: Sequence[Label], out: Path, drawn: float) -> None:
        self.labels, self.out, self.drawn = labels, out, drawn
        self.images: list[dict[str, Any]] = []
        self.objects: list[str] = []  # as text: masks of many pictures would fill the memory as numbers
        self.sure: Counter[int] = Counter()  # objects that were drawn, by class
        for folder in (out, out / "overlays"):
            check_writable_folder(folder)
        check_writable(self._file)

    @property
    def _file(self) -> Path:
        return self.out / "objects.json"

    def files(self, name: str) -> tuple[str, ...]:
        """What is written of a picture, as paths in ``out``; the objects of all pictures are one file."""
        return f"overlays/{name}.jpg", self._file.name

    def add(self, name: str, suffix: str, image: Tensor, prediction: dict[str, Tensor]) -> None:
        """Draw and keep the boxes, scores, classes (and masks) of a picture, whose own file ends in ``suffix``."""
        found = {key: value.cpu() for key, value in prediction.items()}
        number, (height, width) = len(self.images) + 1, image.shape[1:]
        self.images.append({"id": number, "file_name": f"{name}{suffix}", "height": height, "width": width})
        for i in range(len(found["boxes"])):
            about = {"id": len(self.objects) + 1, "image_id": number, **self._object(found, i)}
            self.objects.append(json.dumps(about, separators=(",", ":")))
        sure = {key: value[found["scores"] >= self.drawn] for key, value in found.items()}
        self.sure.update(sure["classes"].tolist())
        colors, names = [label.color for label in self.labels], [label.name for label in self.labels]
        drawn = draw_objects(
            image, sure["boxes"], sure["classes"], colors, names, scores=sure["scores"], masks=sure.get("masks")
        )
        write_image(drawn, self.out / "overlays" / f"{name}.jpg")

    def _object(self, found: dict[str, Tensor], i: int) -> dict[str, Any]:
        left, top, right, bottom = (round(edge, 2) for edge in found["boxes"][i].tolist())
        width, height = round(right - left, 2), round(bottom - top, 2)
        mask = {"segmentation": runs_of(found["masks"][i])} if "masks" in found else {}
        area = float(found["masks"][i].sum()) if "masks" in found else round(width * height, 2)
        return {
            "category_id": self.labels[int(found["classes"][i])].id,
            "bbox": [left, top, width, height],
            "area": area,
            "iscrowd": 0,
            "score": round(float(found["scores"][i]), 4),
            **mask,
        }

    def close(self) -> str:
        """Write the objects; where it all lies, in words."""
        categories = [{"id": label.id, "name": label.name} for label in self.labels]
        about = json.dumps({"images": self.images, "categories": categories})
        write_whole(self._file, f'{about[:-1]}, "annotations": [{", ".join(self.objects)}]}}'.encode())
        counts = ", ".join(f"{self.labels[train_id].name} {count}" for train_id, count in self.sure.most_common())
        return (
            f"{self._file} ({len(self.objects)} objects, {self.sure.total()} of them at least {self.drawn:g} sure"
            f"{': ' * bool(counts)}{counts}) and "
            f"{self.out / 'overlays'} (those)"
        )

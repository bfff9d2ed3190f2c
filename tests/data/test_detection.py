"""What a picture's objects are checked for, whatever the format, and the pictures beside them."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import coco as fake_coco
from fake import voc0712 as fake_voc
from PIL import Image

from gald.data.annotation import ImageAnnotation, ObjectAnnotation
from gald.data.detection import DetectionDataset
from gald.data.files import SampleFiles
from gald.data.labels import Label
from gald.data.registry import dataset_names, load_detection
from gald.support.errors import UserError

LABELS = (Label("cat", (255, 0, 0), 17), Label("dog", (0, 255, 0), 18))
IDS: dict[str | int, int] = {"cat": 0, "dog": 1}


def objects(
    *found: ObjectAnnotation, masks: bool = False, path: Path = Path("a.png"), size: tuple[int, int] = (20, 30)
) -> DetectionDataset:
    """One picture of 30x20 pixels with these objects."""
    whole = [each._replace(box=tuple(map(float, each.box))) for each in found]
    annotation = ImageAnnotation(*size, whole, "note.xml")
    return DetectionDataset([SampleFiles("a", path, Path("note.xml"), 5)], LABELS, lambda files: annotation, IDS, masks)


def test_what_a_sample_holds(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[1:3, 2:7] = True
    things = (
        ObjectAnnotation("dog", (2, 1, 7, 3), mask=lambda: mask),
        ObjectAnnotation("cat", (0, 0, 30, 20), True, 77.5, lambda: ~mask),
    )
    data = objects(*things, masks=True, path=tmp_path / "a.png")
    sample = data[0]
    assert sample["boxes"].tolist() == [[2, 1, 7, 3], [0, 0, 30, 20]]
    assert sample["classes"].tolist() == [1, 0]
    assert sample["ignored"].tolist() == [False, True]
    assert sample["areas"].tolist() == [10, 77.5]  # of the mask, and as the file says
    assert torch.equal(sample["masks"], torch.stack([mask, ~mask]))
    assert np.array_equal(sample["image"].permute(1, 2, 0).numpy(), picture)
    assert (sample["name"], sample["image_id"], data.name(0), len(data)) == ("a", 5, "a", 1)
    kinds = {key: value.dtype for key, value in sample.items() if isinstance(value, torch.Tensor)}
    assert kinds == {
        "image": torch.uint8, "boxes": torch.float32, "classes": torch.int64, "ignored": torch.bool,
        "areas": torch.float32, "masks": torch.bool,
    }  # fmt: skip
    assert torch.equal(data.image(0), sample["image"])
    assert data.annotation(0)[:2] == (20, 30)
    assert data.target(0).keys() == sample.keys() - {"image"}


def test_boxes_alone_decode_no_mask() -> None:
    def broken() -> torch.Tensor:
        raise AssertionError("decoded")

    data = objects(ObjectAnnotation("dog", (2, 1, 7, 3), mask=broken), masks=True)
    bare = data.without_masks()
    assert "masks" not in bare.target(0)
    assert bare.target(0)["areas"].tolist() == [10]
    assert data.has_masks
    with pytest.raises(AssertionError, match="decoded"):
        data.target(0)


@pytest.mark.parametrize("masks", [False, True])
def test_a_picture_without_objects(masks: bool) -> None:
    truth = objects(masks=masks).target(0)
    assert {key: tuple(truth[key].shape) for key in ("boxes", "classes", "ignored", "areas")} == {  # type: ignore[literal-required]
        "boxes": (0, 4), "classes": (0,), "ignored": (0,), "areas": (0,),
    }  # fmt: skip
    assert (truth["classes"].dtype, truth["ignored"].dtype) == (torch.int64, torch.bool)
    assert (truth["masks"].shape == (0, 20, 30)) if masks else ("masks" not in truth)


def test_a_box_that_sticks_out_a_little_is_cut() -> None:
    truth = objects(ObjectAnnotation("cat", (-1, -2, 31.5, 22)), ObjectAnnotation("cat", (29, 1, 32, 20.25))).target(0)
    assert truth["boxes"].tolist() == [[0, 0, 30, 20], [29, 1, 30, 20]]
    assert truth["areas"].tolist() == [600, 19]


@pytest.mark.parametrize("box", [(-2.5, 0, 5, 5), (0, -3, 5, 5), (0, 0, 32.5, 5), (0, 0, 5, 23), (300, 300, 310, 310)])
def test_a_box_outside_its_picture_is_named(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(
        UserError, match=r"^object 2 \(dog\) of note.xml has the box x .*, outside its picture of 30x20"
    ):
        objects(ObjectAnnotation("cat", (0, 0, 1, 1)), ObjectAnnotation("dog", box)).target(0)


@pytest.mark.parametrize("box", [(4, 4, 4, 4), (4, 4, 4, 9), (4, 4, 9, 4), (30, 1, 32, 5), (9, 1, 9 + 1e-9, 5)])
def test_a_box_without_extent_is_left_out_and_named(box: tuple[float, float, float, float]) -> None:
    data = objects(
        ObjectAnnotation("cat", (0, 0, 1, 1)), ObjectAnnotation("dog", box), ObjectAnnotation("dog", (1, 1, 2, 2))
    )
    truth = data.target(0)
    assert truth["boxes"].tolist() == [[0, 0, 1, 1], [1, 1, 2, 2]]
    assert truth["classes"].tolist() == [0, 1]
    (said,) = data.check(0).dropped
    assert said.startswith("object 2 (dog) of note.xml has a box without width or height, x ")


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (ObjectAnnotation("cat", (5, 1, 4, 3)), r"negative size, x 5 to 4, y 1 to 3: swap its corners"),
        (ObjectAnnotation("cat", (4, 3, 5, 1)), r"negative size"),
        (ObjectAnnotation("cat", (math.nan, 1, 4, 3)), r"not of finite numbers"),
        (ObjectAnnotation("cat", (1, 1, math.inf, 3)), r"not of finite numbers"),
        (
            ObjectAnnotation("cta", (1, 1, 4, 3)),
            r"object 1 \(cta\) of note.xml is of a class that is not in the list; did you mean 'cat'",
        ),
        (ObjectAnnotation(3, (1, 1, 4, 3)), r"not in the list; there are cat, dog"),
        (ObjectAnnotation("cat", (1, 1, 4, 3), area=-1.0), r"the area -1"),
        (ObjectAnnotation("cat", (1, 1, 4, 3), area=math.nan), r"the area nan"),
        (
            ObjectAnnotation("cat", (1, 1, 4, 3), mask=lambda: torch.zeros(4, 5, dtype=torch.bool)),
            r"mask of 5x4, its picture is 30x20",
        ),
        (ObjectAnnotation("cat", (1, 1, 4, 3)), r"has no mask, others of the set have"),
    ],
)
def test_faults_are_named(thing: ObjectAnnotation, sentence: str) -> None:
    masks = "mask" in sentence
    with pytest.raises(UserError, match=sentence):
        objects(thing, masks=masks).target(0)


def test_all_faults_of_a_picture_are_counted() -> None:
    data = objects(
        ObjectAnnotation("cow", (1, 1, 4, 3)),
        ObjectAnnotation("cat", (1, 1, 4, 3)),
        ObjectAnnotation("cat", (4, 1, 1, 3)),
    )
    assert len(data.check(0).faults) == 2
    with pytest.raises(UserError, match=r"cow.*\(and 1 more in it\)$"):
        data.target(0)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (31, 20)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"note.xml is for 30x20 pixels, .*a.png is 31x20: correct it"):
        objects(path=tmp_path / "a.png")[0]
    Image.new("RGB", (20, 30)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="20x30"):
        objects(path=tmp_path / "a.png").image(0)


@pytest.mark.parametrize("annotated", [(20, 30), (30, 20)])
def test_boxes_may_be_drawn_on_the_upright_or_on_the_stored_picture(tmp_path: Path, annotated: tuple[int, int]) -> None:
    stored = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # upright after a quarter turn clockwise
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    image = objects(path=tmp_path / "a.png", size=annotated).image(0).permute(1, 2, 0).numpy()
    assert np.array_equal(image, stored if annotated == (20, 30) else np.rot90(stored, -1))


def opened(name: str, root: Path) -> DetectionDataset:
    """A split of each data set with boxes, on its fake tree."""
    writers = {
        "voc0712": fake_voc.write, "voc_folder": fake_voc.write_folder, "coco": fake_coco.write,
        "coco_folder": fake_coco.write_folder, "shapes": lambda root: root,
    }  # fmt: skip
    return load_detection(name, writers[name](root), "val")


@pytest.mark.parametrize("name", dataset_names("detection"))
def test_every_data_set_keeps_the_contract(tmp_path: Path, name: str) -> None:
    data = opened(name, tmp_path)
    again = pickle.loads(pickle.dumps(data))  # as a loading process gets it
    assert len({data.name(i) for i in range(len(data))}) == len(data) > 0
    seen = 0
    for sample in data:  # type: ignore[attr-defined]  # an index beyond the end ends the loop
        height, width = sample["image"].shape[1:]
        boxes, count = sample["boxes"], len(sample["boxes"])
        assert data.annotation(seen)[:2] == (height, width)
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert (boxes >= 0).all()
        assert (boxes[:, 2:] <= torch.tensor([width, height])).all()
        assert [len(sample[key]) for key in ("classes", "ignored", "areas")] == [count] * 3
        assert ((sample["classes"] >= 0) & (sample["classes"] < len(data.labels))).all()
        assert ("masks" in sample) == data.has_masks
        assert not data.has_masks or sample["masks"].shape == (count, height, width)
        assert "masks" not in data.without_masks().target(seen)
        assert torch.equal(again[seen]["image"], sample["image"])
        assert torch.equal(again[seen]["boxes"], boxes)
        seen += 1
    assert seen == len(data)


def test_unknown_names() -> None:
    with pytest.raises(UserError, match=r"unknown data set with boxes 'cocco'; did you mean 'coco'"):
        load_detection("cocco", None, "train")
    with pytest.raises(UserError, match=r"'coco' needs the folder it lies in"):
        load_detection("coco", None, "train")

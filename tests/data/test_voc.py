"""VOC's XML on fake trees and real blood cells: numbers from 1, difficult objects, lists, and what can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake import voc0712 as fake

from gald.data.files import MissingFilesError
from gald.data.readers.voc_xml import parse_xml
from gald.data.registry import load_detection, splits
from gald.support.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake.write(tmp_path / "voc")


def test_the_splits_of_both_years(root: Path) -> None:
    assert splits("voc0712", root) == ["train", "val"]
    train, val, test = (load_detection("voc0712", root, split) for split in ("train", "val", "test"))
    assert [train.name(i) for i in range(len(train))] == ["000005", "000007", "2007_000027", "2008_000002"]
    assert [val.name(i) for i in range(3)] == [test.name(i) for i in range(3)] == ["000001", "000002", "000003"]
    assert [label.name for label in train.labels] == fake.CLASSES
    assert [label.id for label in train.labels] == list(range(1, 21))
    assert train.labels[0].color == (128, 0, 0)
    assert not train.has_masks
    assert [train[i]["image_id"] for i in range(4)] == [0, 1, 2, 3]
    assert len(load_detection("voc0712", root / "VOCdevkit", "train")) == 4


def test_pixels_are_counted_from_one_and_both_corners_belong_to_the_box(root: Path) -> None:
    sample = load_detection("voc0712", root, "val")[0]  # picture number 2
    boxes = torch.tensor([[0, 0, 60, 40], [10, 5, 20, 30], [30.4, 19, 33.6, 39.5]])
    assert torch.equal(sample["boxes"], boxes)
    assert sample["classes"].tolist() == [2, 9, 16]
    assert sample["ignored"].tolist() == [False, False, True]
    assert sample["areas"].tolist() == pytest.approx([2400, 250, 3.2 * 20.5])
    assert sample["image"].shape == (3, 40, 60)


def test_2012_writes_corners_in_another_order_and_a_persons_parts(root: Path) -> None:
    data = load_detection("voc0712", root, "train")
    assert data[2]["boxes"][:2].tolist() == [[0, 0, 60, 40], [10, 5, 20, 30]]
    assert all(len(data[i]["boxes"]) == 3 for i in range(4))


def note(root: Path, text: str | None = None, **how: object) -> Path:
    """Replace the note of the first picture of a user's tree."""
    path = root / "Annotations" / "train_0.xml"
    if text is not None:
        path.write_text(text)
    else:
        fake.annotation(path, how.pop("objects", []), **how)  # type: ignore[arg-type]
    return path


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    root = fake.write_folder(tmp_path, ("train", "val", "test"))
    lists = root / "ImageSets" / "Main"
    (lists / "trainval.txt").write_text((lists / "train.txt").read_text() + (lists / "val.txt").read_text())
    (lists / "cell_train.txt").write_text("train_0 -1\ntrain_1 1\n")
    assert splits("voc_folder", root) == ["train", "val", "test"]
    assert len(load_detection("voc_folder", root, "trainval")) == 6
    data = load_detection("voc_folder", root, "val")
    assert [(label.name, label.id) for label in data.labels] == [("cell", 1), ("nucleus", 2)]
    assert [len(data[i]["boxes"]) for i in range(3)] == [0, 2, 4]
    assert data[1]["boxes"].tolist() == [[0, 0, 10, 10], [2, 2, 5, 6]]
    (root / "classes.txt").write_text("nucleus 10 20 30\ncell 1 2 3\n")
    data = load_detection("voc_folder", root, "val")
    assert [(label.name, label.id, label.color) for label in data.labels] == [
        ("nucleus", 1, (10, 20, 30)), ("cell", 2, (1, 2, 3)),
    ]  # fmt: skip
    assert data[1]["classes"].tolist() == [1, 0]
    with pytest.raises(UserError, match="unknown split"):
        load_detection("voc_folder", root, "tarin")


def test_pictures_may_have_any_ending(tmp_path: Path) -> None:
    root = fake.write_folder(tmp_path)
    fake.picture(root / "JPEGImages" / "train_1.png", fake.SIZE)
    (root / "JPEGImages" / "train_1.jpg").unlink()
    assert load_detection("voc_folder", root, "train")[1]["image"].shape == (3, 40, 60)


BOX = (3, 3, 9, 9)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"size": ""}, r"annotation .*train_0.xml has no <size>: add the width and height"),
        ({"size": "<size><width>60</width></size>"}, r"<size> of .*train_0.xml has no <height>"),
        ({"size": "<size><width>0</width><height>0</height></size>"}, r"has the size 0x0"),
        ({"size": "<size><width>nan</width><height>4</height></size>"}, r"has the size nanx4"),
        ({"objects": [("cell", (3, 3, 70, 9), 0)]}, r"object 1 \(cell\) of .*train_0.xml .* outside its picture"),
        ({"objects": [("cell", BOX, 0), ("cell", (9, 3, 2, 9), 0)]}, r"object 2 .* negative size"),
        ({"objects": [("cell", (10, 3, 9.5, 9), 0)]}, r"object 1 of .* has a negative size: xmin 10, xmax 9.5"),
        ({"objects": [("blob", BOX, 0)]}, r"object 1 \(blob\) of .* not in the list; there are cell, nucleus"),
        ({"objects": [("cell", BOX, 2)]}, r"object 1 of .* has <difficult> '2'"),
        ({"objects": [("cell", ("a", 3, 9, 9), 0)]}, r"object 1 of .* has <xmin> 'a', it should be a number"),
        ({"objects": [("", BOX, 0)]}, r"object 1 of .* has no <name>"),
        ({"text": "<annotation><object><name>cell</name></object>"}, r"train_0.xml is not XML"),
        ({"text": ""}, r"train_0.xml is not XML"),
        ({"text": "<annotation><size><width>60</width><height>40</height></size><object><name>cell</name></object>"
                  "</annotation>"}, r"object 1 of .* has no <bndbox>"),
    ],
)  # fmt: skip
def test_a_wrong_note_is_named(tmp_path: Path, how: dict[str, object], sentence: str) -> None:
    root = fake.write_folder(tmp_path)
    (root / "classes.txt").write_text("cell\nnucleus\n")
    note(root, **how)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=sentence):
        load_detection("voc_folder", root, "train")[0]


@pytest.mark.parametrize("box", [(7, 7, 7, 7), (7, 3, 7, 9), (3, 7, 9, 7)])
def test_what_a_click_leaves_is_left_out(tmp_path: Path, box: tuple[float, float, float, float]) -> None:
    root = fake.write_folder(tmp_path)
    note(root, objects=[("cell", box, 0), ("nucleus", (7, 7, 8, 8), 0)])
    data = load_detection("voc_folder", root, "train")
    assert data[0]["boxes"].tolist() == [[6, 6, 8, 8]]
    assert data[0]["classes"].tolist() == [1]
    assert len(data.check(0).dropped) == 1


def test_a_document_type_is_refused_before_it_is_read(tmp_path: Path) -> None:
    # read, it would be 10 to the 11th characters
    bombs = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    path = tmp_path / "a.xml"
    for encoding in ("utf-8", "utf-16"):
        text = f'<!DOCTYPE a [<!ENTITY e0 "x">{bombs}]><annotation><size>&e11;</size></annotation>'
        path.write_bytes(text.encode(encoding))
        with pytest.raises(UserError, match="declares a document type"):
            parse_xml(path)
    path.write_text('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>')
    with pytest.raises(UserError, match="declares a document type"):
        parse_xml(path)


def test_an_annotation_of_absurd_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b" " * (17 * 2**20))
    with pytest.raises(UserError, match="has 17 MB"):
        parse_xml(tmp_path / "a.xml")


def test_missing_parts_are_named(root: Path) -> None:
    base = root / "VOCdevkit"
    with pytest.raises(UserError, match="does not exist"):
        load_detection("voc0712", root / "nowhere", "train")
    with pytest.raises(UserError, match="unknown split"):
        load_detection("voc0712", root, "tset")
    (base / "VOC2012" / "JPEGImages" / "2008_000002.jpg").unlink()
    with pytest.raises(
        MissingFilesError, match=r"1 of \d+ files that .* names are missing, the first is .*2008_000002.jpg: extract"
    ) as e:
        load_detection("voc0712", root, "train")
    assert len(e.value.rest) == len(e.value.rest.files) == 3
    assert e.value.rest[2]["name"] == "2007_000027"
    (base / "VOC2007" / "ImageSets" / "Main" / "test.txt").unlink()
    assert splits("voc0712", root) == ["train"]
    with pytest.raises(UserError, match=r"test.txt does not exist: extract VOCtest_06-Nov-2007.tar from"):
        load_detection("voc0712", root, "val")


def test_lists_that_are_wrong(tmp_path: Path) -> None:
    root = fake.write_folder(tmp_path)
    lists = root / "ImageSets" / "Main"
    (lists / "train.txt").write_text("train_0\ntrain_1\ntrain_0\n")
    with pytest.raises(UserError, match="lists train_0 twice"):
        load_detection("voc_folder", root, "train")
    (lists / "train.txt").write_text("\n")
    with pytest.raises(UserError, match="lists no pictures"):
        load_detection("voc_folder", root, "train")
    (lists / "train.txt").write_text("train 1\ntrain_0\n")  # a name with a space, no list of a class
    with pytest.raises(MissingFilesError, match=r"the first is .*train 1.jpg"):
        load_detection("voc_folder", root, "train")
    (lists / "train.txt").write_text("x" * 300)
    with pytest.raises(MissingFilesError, match=r"2 of \d+ files .* are missing"):
        load_detection("voc_folder", root, "train")
    (lists / "train.txt").write_text("train_9\n")
    with pytest.raises(
        MissingFilesError, match=r"2 of \d+ files .* are missing, the first is .*train_9.jpg: add it or take"
    ):
        load_detection("voc_folder", root, "train")
    for path in lists.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="holds no lists: write train.txt"):
        load_detection("voc_folder", root, "train")


def test_a_tree_without_classes_says_why(tmp_path: Path) -> None:
    root = fake.write_folder(tmp_path)
    (root / "classes.txt").unlink(missing_ok=True)
    for path in (root / "Annotations").iterdir():
        fake.annotation(path, [])
    with pytest.raises(UserError, match=r"holds no object: write the classes into .*classes\.txt"):
        load_detection("voc_folder", root, "train")
    for path in (root / "Annotations").iterdir():
        path.write_text("")
    with pytest.raises(UserError, match=r"annotation .*\.xml is not XML"):
        load_detection("voc_folder", root, "train")


def test_blood_cells(shared: Path) -> None:
    root = shared / "data" / "bccd"
    if not root.is_dir():
        pytest.skip("no ../shared/data/bccd (real photos with boxes)")
    assert splits("voc_folder", root) == ["train", "val", "test"]
    pictures, boxes, dropped = [], {}, []
    for split in ("train", "val", "test"):
        data = load_detection("voc_folder", root, split)
        pictures.append(len(data))
        for i in range(len(data)):
            checked = data.check(i)
            assert not checked.faults
            dropped += checked.dropped
            for thing in checked.annotation.objects:
                boxes[thing.label] = boxes.get(thing.label, 0) + 1
            assert len(data.target(i)["boxes"]) == len(checked.annotation.objects) - len(checked.dropped)
    assert pictures == [205, 87, 72]
    assert boxes == {"RBC": 4155, "WBC": 372, "Platelets": 361}
    assert [said.split(".xml")[0].rpartition("_")[2] for said in dropped] == ["00343", "00338"]
    assert load_detection("voc_folder", root, "test")[0]["image"].shape == (3, 480, 640)

"""COCO's JSON on fake trees and real photos: ids with gaps, polygons, run lengths, crowds, and what can be wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake import coco as fake
from faster_coco_eval.core import mask as coder
from PIL import Image

from gald.data.files import MissingFilesError
from gald.data.readers.coco_json import Packed
from gald.data.readers.coco_masks import mask_of
from gald.data.registry import load_detection, splits
from gald.support.errors import UserError

OFFICIAL = ((1, "person"), (18, "dog"), (90, "toothbrush"))


@pytest.mark.parametrize("images", ["", "images/"])
def test_the_official_layout(tmp_path: Path, images: str) -> None:
    root = fake.write(tmp_path, images)
    assert splits("coco", root) == ["train", "val"]
    data = load_detection("coco", root, "train")
    assert data.has_masks
    assert len(data.labels) == 80
    assert [(data.labels[i].id, data.labels[i].name) for i in (0, 16, 79)] == list(OFFICIAL)
    assert [data.name(i) for i in range(len(data))] == ["000000000009", "000000000025", "000000000030"]
    assert [data.target(i)["image_id"] for i in range(3)] == [9, 25, 30]
    assert [load_detection("coco", root, "val").target(i)["image_id"] for i in range(3)] == [139, 285, 632]


def test_objects_by_hand(tmp_path: Path) -> None:
    data = load_detection("coco", fake.write(tmp_path), "train")
    first, second, third = (data[i] for i in range(3))
    assert first["boxes"].tolist() == [[2, 1, 6, 4], [10.5, 5.25, 30.75, 25.25]]
    assert first["classes"].tolist() == [0, 16]
    assert first["areas"].tolist() == [12, 100.5]
    square = torch.zeros(30, 40, dtype=torch.bool)
    square[1:4, 2:6] = True
    assert torch.equal(first["masks"][0], square)
    assert first["masks"][1, 10, 20]  # inside the upper part, and of the lower one
    assert first["masks"][1, 21, 23]
    assert not first["masks"][1, 17, 20]  # between them
    crowd = torch.zeros(30, 40, dtype=torch.bool)
    crowd[:4, 5:7] = True
    assert torch.equal(second["masks"][0], crowd)
    assert second["masks"][1].all()
    assert second["ignored"].tolist() == [True, False]
    assert second["classes"].tolist() == [0, 79]
    assert third["boxes"].shape == (0, 4)
    assert third["masks"].shape == (0, 30, 40)
    assert third["image"].shape == (3, 30, 40)


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    root = fake.write_folder(tmp_path)
    assert splits("coco_folder", root) == ["train", "val"]
    assert load_detection("coco_folder", root, "val")[0]["boxes"].shape == (2, 4)
    with pytest.raises(UserError, match="unknown split"):
        load_detection("coco_folder", root, "test")
    with pytest.raises(UserError, match="holds no SPLIT/instances.json"):
        load_detection("coco_folder", root / "train", "test")


def test_what_may_be_left_out(tmp_path: Path) -> None:
    bare = {"id": 1, "image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]}
    images = [{"id": 9, "width": 40, "height": 30, "file_name": "000000000009.jpg"}]
    data = load_detection("coco_folder", fake.write_folder(tmp_path, images=images, annotations=[bare]), "train")
    assert not data.has_masks
    sample = data[0]
    assert (sample["areas"].tolist(), sample["ignored"].tolist(), "masks" in sample) == ([12], [False], False)


def test_pictures_below_folders_keep_their_path_as_name(tmp_path: Path) -> None:
    fake.picture(tmp_path / "train/images/a/b.jpg", fake.SIZE)
    fake.picture(tmp_path / "train/images/c/b.jpg", fake.SIZE)
    images = [{"id": i, "width": 40, "height": 30, "file_name": f"{at}/b.jpg"} for i, at in enumerate("ac")]
    data = load_detection("coco_folder", fake.write_folder(tmp_path, images=images, annotations=[]), "train")
    assert [data[0]["name"], data[1]["name"]] == ["a/b", "c/b"]


def opened(root: Path, change: Callable[[dict[str, Any]], object]) -> Any:
    """The first sample of a user's folder whose JSON was changed."""
    content = fake.content()
    change(content)
    fake.write_folder(root)
    (root / "train/instances.json").write_text(json.dumps(content))
    return load_detection("coco_folder", root, "train")[0]


def put(where: str, **values: Any) -> Callable[[dict[str, Any]], object]:
    """Change the first entry of a list."""
    return lambda content: content[where][0].update(values)


def drop(where: str, key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content[where][0].pop(key)


def runs(counts: Any, size: Any = (30, 40)) -> Callable[[dict[str, Any]], object]:
    return put("annotations", segmentation={"counts": counts, "size": list(size)})


PLACE = r"object 1 \(annotation 900100, category 1\) of image 9 \(000000000009.jpg\) in .*train/instances.json "


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("images"), r"instances.json has no list 'images'"),
        (lambda c: c.pop("annotations"), r"has no list 'annotations'"),
        (lambda c: c.pop("categories"), r"has no list 'categories'"),
        (lambda c: c.update(images=[]), r"the list 'images' is empty"),
        (drop("images", "id"), r"image 1 has no 'id'"),
        (drop("images", "file_name"), r"image 1 has no 'file_name'"),
        (drop("images", "width"), r"image 1 has no 'width'"),
        (put("images", height=0), r"image 1 has the size 40x0"),
        (put("images", height=10**6, width=10**6), r"image 1 has the size 1000000x1000000"),
        (put("annotations", bbox=[1, 2, 10**400, 4]), r"it should be \[x, y, width, height\]"),
        (put("annotations", area=10**400), r"has the 'area' 1"),
        (put("annotations", segmentation=[[1, 1, 5, 10**400, 9, 1]]), r"has a polygon 1 far outside its"),
        (put("images", file_name="."), r"."),
        (put("images", id="9"), r"image 1 has the 'id' '9', not a whole number"),
        (put("images", id=2**70), r"image 1 has the 'id' 1180591620717411303424, too large"),
        (put("images", file_name="x" * 300), r"1 of \d+ files that .* names are missing"),
        (put("annotations", area=1e300), PLACE + r"has the area 1e\+300"),
        (put("images", id=25), r"the image id 25 occurs 2 times"),
        (put("images", file_name="000000000025.png"), r"the picture 000000000025 occurs 2 times"),
        (put("images", file_name="../../x.jpg"), r"write it as a path below"),
        (put("images", file_name="/x.jpg"), r"write it as a path below"),
        (drop("annotations", "id"), r"annotation 1 has no 'id'"),
        (drop("annotations", "image_id"), r"annotation 1 has no 'image_id'"),
        (drop("annotations", "category_id"), r"annotation 1 has no 'category_id'"),
        (put("annotations", id=42), r"the annotation id 42 occurs 2 times"),
        (put("annotations", image_id=1), r"annotation 1 is of the image 1, which is not listed"),
        (lambda c: c["annotations"].append(3), r"annotation 5 is 3, not an object"),
        (put("annotations", category_id=12), r"annotation 900100, category 12\) of image 9 .* class that is not"),
        (put("categories", id=2), r"the category id 2 occurs 2 times"),
        (put("categories", name="dog"), r"the category dog occurs 2 times"),
        (drop("categories", "name"), r"category 1 has no 'name'"),
        (drop("annotations", "bbox"), r"annotation 900100 of image 9 .* has the 'bbox' None"),
        (put("annotations", bbox=[1, 2, 3]), r"has the 'bbox' \[1, 2, 3\], it should be \[x, y, width, height\]"),
        (put("annotations", bbox=[1, 2, "3", 4]), r"it should be \[x, y, width, height\]"),
        (put("annotations", bbox=[1, 2, -3, 4]), PLACE + r"has a box of negative size"),
        (put("annotations", bbox=[1, 2, 80, 4]), PLACE + r"has the box x 1 to 81, y 2 to 6, outside"),
        (put("annotations", bbox=[float("nan"), 2, 8, 4]), PLACE + r"has the box .* not of finite numbers"),
        (put("annotations", iscrowd=2), r"has the 'iscrowd' 2"),
        (put("annotations", area="big"), r"has the 'area' 'big'"),
        (put("annotations", area=-3), PLACE + r"has the area -3"),
        (drop("annotations", "segmentation"), PLACE + r"has no mask, others of the set have"),
        (put("annotations", segmentation=[[1, 1, 5, 5]]), PLACE + r"has a polygon 1 of 2 points; it takes at least 3"),
        (put("annotations", segmentation=[[1, 1, 5, 5, 9, 1], [1] * 7]), PLACE + r"has a polygon 2 of 7 numbers"),
        (put("annotations", segmentation=[[1, 1, 5, "a", 9, 1]]), PLACE + r"has a polygon 1 that is not a list of"),
        (put("annotations", segmentation=[1, 1, 5, 5, 9, 1]), PLACE + r"has a polygon 1 that is not a list"),
        (put("annotations", segmentation=[[1, 1, 5, 1e9, 9, 1]]), PLACE + r"has a polygon 1 far outside its"),
        (put("annotations", segmentation=[[1, 1, 81, 9, 9, 1]]), PLACE + r"has a polygon 1 far outside its picture"),
        (put("annotations", segmentation=[[1, 1, 5, float("inf"), 9, 1]]), PLACE + r"has a polygon 1 with a number"),
        (put("annotations", segmentation="polygon"), PLACE + r"has the segmentation 'polygon', which is neither"),
        (runs([1200], (40, 30)), PLACE + r"has run lengths for 30x40 pixels, its picture is 40x30"),
        (runs([1200], (30,)), PLACE + r"has run lengths without a 'size'"),
        (runs([600, 601]), PLACE + r"has run lengths of 1201 pixels in all, its picture has 1200"),
        (runs([1300, -100]), PLACE + r"has run lengths that cannot be read"),
        (runs(None), PLACE + r"has run lengths that cannot be read: None"),
        (runs("ab~"), PLACE + r"has run lengths with the character"),
        (runs("ä0"), PLACE + r"has run lengths with the character 'ä'"),
        (runs("PPPP"), PLACE + r"has run lengths that break off"),
        (runs("0" * 9), PLACE + r"has run lengths of 0 pixels in all"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, change: Callable[[dict[str, Any]], object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        opened(tmp_path, change)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00\xff", "[" * 100000])
def test_what_is_no_json_of_coco(tmp_path: Path, text: str) -> None:
    fake.write_folder(tmp_path)
    (tmp_path / "train/instances.json").write_text(text)
    with pytest.raises(UserError, match=r"train/instances.json (is not JSON|holds a list)"):
        load_detection("coco_folder", tmp_path, "train")


@pytest.mark.parametrize("box", [[5, 5, 0, 0], [5, 5, 0, 4], [5, 5, 4, 0]])
def test_a_box_without_extent_is_left_out(tmp_path: Path, box: list[float]) -> None:
    sample = opened(tmp_path, put("annotations", bbox=box))
    assert sample["classes"].tolist() == [16]
    assert len(sample["masks"]) == 1


def test_missing_files(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    (root / "train2017" / "000000000025.jpg").unlink()
    with pytest.raises(
        MissingFilesError,
        match=r"^1 of \d+ files that .* names are missing, the first is .*025.jpg: unpack train2017.zip",
    ) as e:
        load_detection("coco", root, "train")
    assert [e.value.rest[i]["image_id"] for i in range(len(e.value.rest))] == [9, 30]
    assert e.value.rest[0]["boxes"].shape == (2, 4)
    assert e.value.rest[1]["boxes"].shape == (0, 4)
    (root / "annotations/instances_val2017.json").unlink()
    with pytest.raises(UserError, match=r"has no annotations/instances_val2017.json: get annotations_trainval2017.zip"):
        load_detection("coco", root, "val")
    with pytest.raises(UserError, match="does not exist"):
        load_detection("coco", root / "nowhere", "val")


def test_boxes_need_no_evaluator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    monkeypatch.setitem(sys.modules, "faster_coco_eval.core", None)
    root = fake.write(tmp_path)
    assert load_detection("coco", root, "train").without_masks()[0]["boxes"].shape == (2, 4)
    with pytest.raises(UserError, match=r"masks from polygons need: pip install 'gald\[detection\]'"):
        load_detection("coco", root, "train")[0]


# ------------------------------------------------------------------------------------------------------ the masks


def test_run_lengths_by_hand() -> None:
    """Down the columns: 2 outside, 3 inside, 1 outside in 2 rows of 3."""
    expected = torch.tensor([[False, True, True], [False, True, False]])
    assert torch.equal(mask_of({"size": [2, 3], "counts": [2, 3, 1]}, 2, 3), expected)
    assert torch.equal(mask_of({"size": [2, 3], "counts": "231"}, 2, 3), expected)
    assert not mask_of({"size": [2, 3], "counts": [6]}, 2, 3).any()
    assert mask_of({"size": [2, 3], "counts": [0, 6]}, 2, 3).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 40), (200, 300)])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_text_of_run_lengths_reads_as_another_library_writes_it(size: tuple[int, int], share: float) -> None:
    rng = np.random.default_rng(size[0])
    noise = rng.random(size) < share
    blocks = np.kron(rng.random((4, 4)) < share, np.ones((size[0] // 4 + 1, size[1] // 4 + 1)))[: size[0], : size[1]]
    for mask in (noise, blocks > 0):
        rle = coder.encode(np.asfortranarray(mask.astype(np.uint8)))
        counts = rle["counts"].decode() if isinstance(rle["counts"], bytes) else rle["counts"]
        assert np.array_equal(mask_of({"size": list(size), "counts": counts}, *size).numpy(), mask)


def test_polygons_fill_as_the_official_code_does() -> None:
    official = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(20):
        polygons = [
            np.stack([rng.uniform(-9, 69, points), rng.uniform(-9, 49, points)], 1).flatten().tolist()
            for points in rng.integers(3, 9, rng.integers(1, 4))
        ]
        merged = official.merge(official.frPyObjects(polygons, 40, 60))
        counts = {"size": [40, 60], "counts": merged["counts"].decode()}  # read by our own reader
        assert torch.equal(mask_of(polygons, 40, 60), mask_of(counts, 40, 60))


def test_packed_lists_come_back() -> None:
    lists: list[list[dict[str, Any]]] = [[], [{"a": 1, "ä": [0.1, 1e300]}], [{}, {"b": None}], []]
    packed = Packed(iter(lists))
    assert [packed[i] for i in range(4)] == lists


@pytest.mark.parametrize(("split", "pictures", "objects", "crowds"), [("train", 70, 586, 6), ("val", 68, 487, 4)])
def test_real_photos(shared: Path, split: str, pictures: int, objects: int, crowds: int) -> None:
    root = shared / "data" / "coco_mini"
    if not root.is_dir():
        pytest.skip("no ../shared/data/coco_mini (real photos with masks)")
    data = load_detection("coco_folder", root, split)
    content = json.loads((root / split / "instances.json").read_text())
    seen = ignored = 0
    for i in range(len(data)):
        truth = data.target(i)
        listed = [each for each in content["annotations"] if each["image_id"] == truth["image_id"]]
        png = np.asarray(Image.open(root / split / "instances" / f"{truth['name']}.png"))
        for row, each in enumerate(listed):
            mask = png == each["instance_index"]
            assert np.array_equal(truth["masks"][row].numpy(), mask)
            rows, columns = np.nonzero(mask)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert truth["boxes"][row].tolist() == edges
            assert truth["areas"][row] == mask.sum()
            assert data.labels[int(truth["classes"][row])].id == each["category_id"]
        seen, ignored = seen + len(truth["boxes"]), ignored + int(truth["ignored"].sum())
    assert (len(data), seen, ignored) == (pictures, objects, crowds)

"""The table of data sets under one contract, on fake trees in the real layouts, and all that can be wrong with one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import ade20k as fake_ade20k
from fake import camvid as fake_camvid
from fake import camvid32 as fake_camvid32
from fake import cityscapes as fake_cityscapes
from fake import coco_stuff as fake_coco_stuff
from fake import folder as fake_folder
from fake import mapillary as fake_mapillary
from fake import pascal_context as fake_pascal_context
from fake import voc2012 as fake_voc2012
from fake.streets import SIZE, colors, ids, label, picture
from PIL import Image
from torchvision import tv_tensors

from gald.data.files import MissingFilesError, SampleFiles
from gald.data.labels import Label
from gald.data.registry import DATASETS, dataset_names, load_segmentation, splits
from gald.data.segmentation import SegmentationDataset
from gald.data.transforms import segmentation as transforms
from gald.images.io import ORIENTATION
from gald.support.errors import UserError

NAMES = dataset_names("segmentation")
FAKES: dict[str, Callable[[Path], Path]] = {
    "camvid": fake_camvid.write,
    "camvid32": fake_camvid32.write,
    "camvid_original11": fake_camvid32.write,
    "ade20k": fake_ade20k.write,
    "pascal_context59": fake_pascal_context.write,
    "pascal_context60": fake_pascal_context.write,
    "coco_stuff164k": fake_coco_stuff.write164k,
    "coco_stuff10k": fake_coco_stuff.write10k,
    "cityscapes": fake_cityscapes.write,
    "mapillary": fake_mapillary.write,
    "mapillary19": fake_mapillary.write,
    "mapillary_v2": fake_mapillary.write,
    "voc2012": fake_voc2012.write,
    "folder": fake_folder.write,
    "synthetic": lambda root: root,
}
TWIN_COLORS = {"ade20k", "mapillary_v2"}  # their releases give one colour to several classes


def test_every_data_set_has_a_fake_tree_and_tells_its_splits() -> None:
    assert FAKES.keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_contract(tmp_path: Path, name: str) -> None:
    root = FAKES[name](tmp_path)
    found = splits(name, root)
    assert {"train", "val"} <= set(found)
    for split in found:
        pairs = load_segmentation(name, root, split)
        assert len(pairs) > 0
        assert len({pairs.name(i) for i in range(len(pairs))}) == len(pairs)
        for attribute in ("name", "id") if name in TWIN_COLORS else ("name", "color", "id"):
            assert len({getattr(each, attribute) for each in pairs.labels}) == len(pairs.labels)
    sample = pairs[0]
    assert isinstance(sample["image"], tv_tensors.Image)
    assert isinstance(sample["mask"], tv_tensors.Mask)
    assert sample["image"].dtype == sample["mask"].dtype == torch.uint8
    assert sample["image"].shape == (3, *sample["mask"].shape)
    assert sample["name"] == pairs.name(0)
    assert set(sample["mask"].unique().tolist()) <= {*range(len(pairs.labels)), 255}
    assert torch.equal(pairs.image(0), sample["image"])
    assert torch.equal(pairs.mask(0), sample["mask"])
    values = pairs.values(0)
    assert torch.equal(pairs.to_label_ids(pairs.mask(0)), values)
    crop = transforms.train((8, 8))(pickle.loads(pickle.dumps(pairs))[0])  # loading processes may get it pickled
    assert crop["image"].shape == (3, 8, 8)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_split_names_the_nearest(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"unknown split .*'trian'.*'train'"):
        load_segmentation(name, FAKES[name](tmp_path), "trian")


@pytest.mark.parametrize("name", [name for name in NAMES if not DATASETS[name].drawn])
def test_a_root_that_is_none_missing_a_file_or_empty(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"the data set '{name}' needs the folder it lies in"):
        load_segmentation(name, None, "train")
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        load_segmentation(name, tmp_path / "nowhere", "train")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file"):
        load_segmentation(name, tmp_path / "file", "train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty h(as|olds) no "):
        load_segmentation(name, tmp_path / "empty", "train")
    assert splits(name, tmp_path / "empty") == splits(name, tmp_path / "nowhere") == []


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown data set 'camvit'; did you mean 'camvid'"):
        load_segmentation("camvit", None, "train")


# --- what is wrong with a pair


def camvid_with(root: Path) -> tuple[Path, Path]:
    """A fake CamVid and its first training picture and label."""
    fake_camvid.write(root)
    return sorted((root / "train/images").iterdir())[0], sorted((root / "train/labels").iterdir())[0]


def test_a_value_that_is_no_class_is_named_with_its_place(tmp_path: Path) -> None:
    _, mask = camvid_with(tmp_path)
    values = ids((0, 1))
    values[3, 7] = 200
    values[4, 2] = 99
    Image.fromarray(values).save(mask)
    sentence = (
        rf"label {mask} has the value 200 at \(x, y\) = \(7, 3\) \(and 1 other such value\), which is no class: "
        r"correct the label, or the list of classes \(0 Sky, 1 Building, .*10 Bicyclist; ignored: 11\)"
    )
    with pytest.raises(UserError, match=sentence):
        load_segmentation("camvid", tmp_path, "train")[0]


def test_a_label_of_another_size_names_both(tmp_path: Path) -> None:
    image, mask = camvid_with(tmp_path)
    label(mask, (0, 1), (6, 10))
    with pytest.raises(UserError, match=rf"label {mask} is 10x6 but its picture {image} is 20x12: make them equal"):
        load_segmentation("camvid", tmp_path, "train")[0]


def test_an_exif_turn_that_the_label_lacks_is_said_so(tmp_path: Path) -> None:
    image, _ = camvid_with(tmp_path)
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    Image.new("RGB", SIZE[::-1]).save(image, exif=exif)
    with pytest.raises(UserError, match=r"is 20x12 but its picture .* is 12x20: the picture is turned by its EXIF tag"):
        load_segmentation("camvid", tmp_path, "train")[0]


def test_half_a_picture(tmp_path: Path) -> None:
    image, _ = camvid_with(tmp_path)
    image.write_bytes(image.read_bytes()[:-200])
    with pytest.raises(UserError, match=rf"cannot read the picture {image}: .*truncated"):
        load_segmentation("camvid", tmp_path, "train")[0]


def test_files_without_a_partner_are_counted_and_the_rest_is_kept(tmp_path: Path) -> None:
    image, mask = camvid_with(tmp_path)
    mask.unlink()
    label(tmp_path / "train/labels/stray.png", (0,))
    sentence = (
        rf"1 of 3 pictures have no label, 1 labels have no picture: {image} has no label; "
        r"label .*stray\.png has no picture; add the missing files"
    )
    with pytest.raises(MissingFilesError, match=sentence) as caught:
        load_segmentation("camvid", tmp_path, "train")
    assert len(caught.value.rest) == 2
    assert len(caught.value.missing) == 2


def test_empty_and_doubtful_folders(tmp_path: Path) -> None:
    image, _ = camvid_with(tmp_path)
    Image.open(image).save(image.with_suffix(".png"))
    with pytest.raises(UserError, match=r"images holds both .*\.jpg and .*\.png: keep one"):
        load_segmentation("camvid", tmp_path, "train")
    for file in (tmp_path / "val/images").iterdir():
        file.unlink()
    with pytest.raises(UserError, match=r"val/images holds no pictures \(looked for \.png, \.jpg"):
        load_segmentation("camvid", tmp_path, "val")
    for file in (tmp_path / "test/labels").iterdir():
        file.unlink()
    (tmp_path / "test/labels").rmdir()
    with pytest.raises(UserError, match="test/labels does not exist"):
        load_segmentation("camvid", tmp_path, "test")


@pytest.mark.parametrize("size", [(1, 1), (500, 20000)])
def test_pairs_of_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", size[::-1]).save(tmp_path / "images/a.png")
    label(tmp_path / "labels/a.png", (0,), size)
    (tmp_path / "classes.txt").write_text("road\n")
    sample = load_segmentation("folder", tmp_path, "all")[0]
    assert sample["mask"].shape == size
    assert transforms.train((32, 32))(sample)["mask"].shape == (32, 32)


def test_many_classes_are_listed_in_short() -> None:
    labels = [Label(f"class{i}", (i, 0, 0), i) for i in range(100)]
    pairs = SegmentationDataset([SampleFiles("a", Path(), Path())], labels)
    assert pairs.allowed() == (
        "0 class0, 1 class1, 2 class2, 3 class3, 4 class4, 5 class5, 6 class6, 7 class7, ... (100 classes), "
        "98 class98, 99 class99; ignored: 255"
    )


def test_ids_are_the_data_sets_own() -> None:
    pairs = SegmentationDataset([], [Label("a", (1, 0, 0), 7), Label("b", (2, 0, 0), 26)], ignored=(0, 4, 255))
    assert pairs.to_train_ids(torch.tensor([[7, 26, 4]], dtype=torch.uint8), Path()).tolist() == [[0, 1, 255]]
    assert pairs.to_label_ids(torch.tensor([[0, 1, 255]])).tolist() == [[7, 26, 0]]


# --- CamVid


def test_camvid_as_lists_is_camvid_as_folders(tmp_path: Path) -> None:
    folders = load_segmentation("camvid", fake_camvid.write(tmp_path / "a"), "trainval")
    lists = load_segmentation("camvid", fake_camvid.write_listed(tmp_path / "b"), "trainval")
    assert len(folders) == len(lists) == 6
    assert [folders.name(i) for i in range(6)] == [lists.name(i) for i in range(6)]
    assert torch.equal(folders[2]["mask"], lists[2]["mask"])
    assert splits("camvid", tmp_path / "b") == ["train", "val", "test"]


def test_camvid_lists_that_are_wrong(tmp_path: Path) -> None:
    root = fake_camvid.write_listed(tmp_path)
    (root / "train.txt").write_text("one_word\n")
    with pytest.raises(UserError, match=r"train\.txt line 1 should hold a picture and a label, it holds 'one_word'"):
        load_segmentation("camvid", root, "train")
    (root / "train.txt").write_text("\n/SegNet/CamVid/train/x.png /SegNet/CamVid/trainannot/x.png\n")
    with pytest.raises(UserError, match=r"train\.txt line 2 names .*train/x\.png, which does not exist below"):
        load_segmentation("camvid", root, "train")
    (root / "train.txt").write_text("\n")
    with pytest.raises(UserError, match=r"train\.txt lists no pictures"):
        load_segmentation("camvid", root, "train")
    sorted((root / "valannot").iterdir())[0].unlink()
    with pytest.raises(MissingFilesError, match="1 of 3 pictures have no label"):
        load_segmentation("camvid", root, "val")


@pytest.mark.parametrize("copy", ["camvid", "camvid_small"])
def test_the_real_camvid(shared: Path, copy: str) -> None:
    root = shared / "data" / copy
    if not root.is_dir():
        pytest.skip(f"no {copy} in ../shared/data")
    sizes = {split: len(load_segmentation("camvid", root, split)) for split in ("train", "val", "test", "trainval")}
    assert sizes == {"train": 367, "val": 101, "test": 233, "trainval": 468}
    pairs = load_segmentation("camvid", root, "val")
    counts = torch.stack([torch.bincount(pairs.mask(i).flatten(), minlength=256) for i in range(len(pairs))])
    share = 100 * counts.sum(0) / counts.sum()
    assert {pairs.labels[i].name: round(float(share[i]), 2) for i in (0, 3, 10)} == {
        "Sky": 9.18, "Road": 28.95, "Bicyclist": 2.22
    }  # fmt: skip
    assert round(float(share[255]), 2) == 1.70
    assert pairs[0]["image"].shape == (3, 360, 480)


# --- a user's folder


@pytest.mark.parametrize("layout", fake_folder.LAYOUTS)
@pytest.mark.parametrize("ending", ["", "_label", "_labelIds", "_mask"])
def test_folder_layouts_and_endings(tmp_path: Path, layout: str, ending: str) -> None:
    root = fake_folder.write(tmp_path, layout, ending=ending)
    expected = [*fake_folder.LAYOUTS[layout][2]]
    assert splits("folder", root) == expected
    pairs = load_segmentation("folder", root, expected[-1])
    assert [pairs.name(i) for i in range(2)] == [f"{expected[-1]}{i}" for i in range(2)]
    assert [each.name for each in pairs.labels] == ["road", "traffic light", "sky"]
    assert pairs.labels[2] == Label("sky", (70, 130, 180), 7)
    assert pairs[0]["mask"][0].unique().tolist() == [0, 1, 2, 255]


def test_colour_masks_are_mapped(tmp_path: Path) -> None:
    by_id = load_segmentation("folder", fake_folder.write(tmp_path / "a"), "train")
    by_color = load_segmentation("folder", fake_folder.write(tmp_path / "b", colored=True), "train")
    assert by_color[0]["mask"][0].unique().tolist() == [0, 1, 2]
    assert by_color.values(0).unique().tolist() == [0, 1, 7]
    assert by_id.labels == by_color.labels


def test_colours_can_be_ignored_even_where_255_is_a_class(tmp_path: Path) -> None:
    root = fake_folder.write(tmp_path, colored=True)
    (root / "classes.txt").write_text("0 road 128 64 128\n255 light 250 170 30\nignore 70 130 180\n")
    assert load_segmentation("folder", root, "train")[0]["mask"][0].unique().tolist() == [0, 1, 255]


def test_an_unknown_colour_is_named_with_its_place(tmp_path: Path) -> None:
    root = fake_folder.write(tmp_path, colored=True)
    mask = colors(root / "train/labels/train0.png", (*fake_folder.COLORS, (1, 2, 3)))
    with pytest.raises(
        UserError, match=rf"label {mask} has the colour \(1, 2, 3\) at \(x, y\) = \(15, 0\), which .* does not list"
    ):
        load_segmentation("folder", root, "train")[0]


def test_colour_masks_without_a_map_propose_one(tmp_path: Path) -> None:
    root = fake_folder.write(tmp_path, colored=True)
    (root / "classes.txt").write_text("road\nlight\nsky\n")
    with pytest.raises(UserError, match=r"is a colour picture and .* gives no colours; .* save these lines") as caught:
        load_segmentation("folder", root, "train")[0]
    (root / "classes.txt").write_text(str(caught.value).split("\n", 1)[1])  # paste it, as it says
    assert load_segmentation("folder", root, "train")[0]["mask"].unique().tolist() == [0, 1, 2]


@pytest.mark.parametrize("colored", [False, True])
def test_a_missing_class_table_is_proposed_from_the_labels(tmp_path: Path, colored: bool) -> None:
    root = fake_folder.write(tmp_path, colored=colored)
    (root / "classes.txt").unlink()
    with pytest.raises(UserError, match=r"has no classes\.txt .*save these lines as .*classes\.txt") as caught:
        load_segmentation("folder", root, "train")
    (root / "classes.txt").write_text(str(caught.value).split("\n", 1)[1])
    assert load_segmentation("folder", root, "train")[0]["mask"].unique().tolist() == (
        [0, 1, 2] if colored else [0, 1, 2, 255]
    )


def test_photos_in_place_of_labels_are_not_turned_into_classes(tmp_path: Path) -> None:
    root = fake_folder.write(tmp_path)
    (root / "classes.txt").unlink()
    picture(root / "train/labels/train0.png")
    with pytest.raises(UserError, match=r"\d+ values or colours, too many for classes"):
        load_segmentation("folder", root, "train")


def test_two_labels_of_one_picture(tmp_path: Path) -> None:
    root = fake_folder.write(tmp_path)
    label(root / "train/labels/train0_mask.png", (0,))
    with pytest.raises(UserError, match=r"two labels for 'train0', train0\.png and train0_mask\.png"):
        load_segmentation("folder", root, "train")


def test_palette_labels_count_by_index(tmp_path: Path) -> None:
    root = fake_folder.write(tmp_path)
    image = Image.fromarray(ids((0, 7)))
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    image.save(root / "train/labels/train0.png")
    assert load_segmentation("folder", root, "train")[0]["mask"].unique().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "# mine\n\n0 road 128 64 128  # grey\n1 traffic light 250 170 30\n7 sky 70 130 180\n"),
        ("classes.csv", "id,name,r,g,b\n0,road,128,64,128\n1,traffic light,250,170,30\n7,sky,70,130,180\n"),
        (
            "classes.json",
            '{"classes": [{"id": 0, "name": "road", "color": [128, 64, 128]}, {"id": 1, "name": "traffic light",'
            ' "color": [250, 170, 30]}, {"id": 7, "name": "sky", "color": [70, 130, 180]}], "ignore": [255]}',
        ),
    ],
)
def test_class_tables(tmp_path: Path, file: str, text: str) -> None:
    root = fake_folder.write(tmp_path)
    expected = load_segmentation("folder", root, "train").labels
    (root / "classes.txt").unlink()
    (root / file).write_text(text)
    assert load_segmentation("folder", root, "train").labels == expected


@pytest.mark.parametrize(("file", "text"), [("classes.txt", "road\ncar\n"), ("classes.json", '["road", "car"]')])
def test_names_alone_count_from_zero(tmp_path: Path, file: str, text: str) -> None:
    root = fake_folder.write(tmp_path)
    (root / "classes.txt").unlink()
    (root / file).write_text(text)
    labels = load_segmentation("folder", root, "train").labels
    assert [(each.name, each.id) for each in labels] == [("road", 0), ("car", 1)]
    assert labels[0].color != labels[1].color


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("classes.txt", "", "lists 0 classes, it should be 1 to 253"),
        ("classes.txt", "0 road\ncar\n", "gives some classes an id and some none"),
        ("classes.txt", "0 road\n0 car\n", "gives the id 0 to 2 classes"),
        ("classes.txt", "road\nroad\n", "gives the name road to 2 classes"),
        ("classes.txt", "road 1 2 3\ncar 1 2 3\n", r"gives the colour \(1, 2, 3\) to 2 classes"),
        ("classes.txt", "300 road\n", "line 1: 300 should be a whole number from 0 to 255"),
        ("classes.txt", "road 1 2 256\n", "line 1: 256 should be a whole number from 0 to 255"),
        ("classes.txt", "0 road\n1 car\nignore 1\n", "says to ignore the value 1, which is also a class"),
        ("classes.json", "[", "is not JSON"),
        ("classes.json", '{"names": []}', "should hold a list of classes"),
        ("classes.json", "[3]", "class 0 should be a name or an object with 'name'"),
        ("classes.json", '[{"name": "a", "color": "red"}]', r"class 0: 'color' should be \[red, green, blue\]"),
    ],
)
def test_class_tables_that_are_wrong(tmp_path: Path, file: str, text: str, sentence: str) -> None:
    root = fake_folder.write(tmp_path)
    (root / "classes.txt").unlink()
    (root / file).write_text(text)
    with pytest.raises(UserError, match=rf"{file} {sentence}" if not sentence.startswith("line") else sentence):
        load_segmentation("folder", root, "train")

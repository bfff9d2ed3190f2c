"""Finding the files of a data set: what is missing is named, and the rest can still be looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from gald.data.files import (
    MissingFilesError,
    SampleFiles,
    data_folder,
    find_files,
    find_one,
    read_list,
    require_files,
    split_parts,
)
from gald.data.labels import label_table
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError


def wanted(root: Path, *names: str) -> list[SampleFiles]:
    return [SampleFiles(name, root / f"{name}.jpg", root / f"{name}.png") for name in names]


def test_samples_with_a_missing_file_are_left_out_and_told(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        (tmp_path / name).touch()
    found = require_files(wanted(tmp_path, "a", "b"), lambda path: f"get {path.name}", "the list")
    assert [files.name for files in found.samples] == ["a"]
    with pytest.raises(MissingFilesError) as error:
        found.require_all(SegmentationDataset(found.samples, label_table("road")))
    assert str(error.value) == (
        f"1 of 4 files that the list names are missing, the first is {tmp_path / 'b.png'}: get b.png"
    )
    assert error.value.missing == (f"{tmp_path / 'b.png'} is missing",)
    assert len(error.value.rest) == 1  # type: ignore[arg-type]


def test_where_nothing_is_missing_the_data_set_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.png").touch()
    found = require_files(wanted(tmp_path, "a"), lambda _: "", "")
    data = SegmentationDataset(found.samples, label_table("road"))
    assert found.require_all(data) is data


def test_an_archive_may_be_unpacked_there_or_above(tmp_path: Path) -> None:
    assert data_folder(tmp_path, "kit/VOC", "VOC") == tmp_path
    (tmp_path / "VOC").mkdir()
    assert data_folder(tmp_path, "kit/VOC", "VOC") == tmp_path / "VOC"
    with pytest.raises(UserError, match="nowhere does not exist"):
        data_folder(tmp_path / "nowhere", "VOC")


def test_the_first_of_several_places_and_what_to_do_without_any(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    assert find_one(tmp_path, ["a", "b"], "get it") == tmp_path / "b"
    with pytest.raises(UserError, match="has no a and no c: get it"):
        find_one(tmp_path, ["a", "c"], "get it")


def test_twins_of_archivers_are_no_files(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "._a.png"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files(tmp_path, "*.png")] == ["a.png", "b.png"]


def test_lists(tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    with pytest.raises(UserError, match=r"train\.txt does not exist: get it"):
        read_list(file, "get it")
    file.write_bytes(b"\xef\xbb\xbfone\n\n two \n")
    assert read_list(file) == ["one", "two"]
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=r"cannot read .*train\.txt"):
        read_list(file)


def test_trainval_is_a_sum() -> None:
    assert split_parts("trainval", ("train", "val")) == ("train", "val")
    assert split_parts("test", ("train", "val", "test")) == ("test",)
    with pytest.raises(UserError, match="unknown split 'test'"):
        split_parts("test", ("train", "val"))

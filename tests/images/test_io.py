"""Every way a file can be odd or broken, and what is said about it."""

from __future__ import annotations

import errno
import os
import resource
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from fake.streets import ids, label, picture
from PIL import Image

from gald.images import io as pictures
from gald.images.io import distinct_color, read_image, read_label, write_image, write_label
from gald.support.errors import UserError


def rgb(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def smooth(mode: str = "RGB") -> Image.Image:
    ramp = np.linspace(0, 250, 30, dtype=np.uint8)
    values = np.stack([np.tile(ramp, (20, 1)), np.tile(ramp[:20, None], (1, 30)), np.full((20, 30), 90, np.uint8)], -1)
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize(
    ("mode", "file"),
    [
        ("RGB", "a.png"), ("RGBA", "a.png"), ("LA", "a.png"), ("P", "a.png"), ("1", "a.png"), ("L", "a.jpg"),
        ("CMYK", "a.jpg"), ("CMYK", "a.tif"), ("YCbCr", "a.tif"), ("RGB", "a.webp"), ("RGB", "a.bmp"),
    ],
)  # fmt: skip
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, file: str) -> None:
    image = smooth(mode)
    image.save(tmp_path / file)
    read = read_image(tmp_path / file)
    assert read.shape == (3, 20, 30)
    assert read.dtype == torch.uint8
    assert (read.int() - rgb(image).int()).abs().float().mean() < 8  # JPEG and WebP lose a little


def test_the_colours_under_alpha_are_kept(tmp_path: Path) -> None:
    image = smooth()
    image.putalpha(0)
    image.save(tmp_path / "clear.png")
    assert torch.equal(read_image(tmp_path / "clear.png"), rgb(smooth()))


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path: Path) -> None:
    image = smooth("P")
    image.save(tmp_path / "p.png", transparency=bytes(range(256)))
    assert torch.equal(read_image(tmp_path / "p.png"), rgb(image))


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257, 32768, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png")[0].tolist() == [[0, 1, 128, 255]]


def test_an_exif_turn_is_applied_to_pictures_only(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    smooth().save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "turned.png"), rgb(smooth().transpose(Image.Transpose.ROTATE_270)))
    smooth("L").save(tmp_path / "label.png", exif=exif)
    assert read_label(tmp_path / "label.png").shape == (20, 30)
    assert pictures.swaps_sides(tmp_path / "turned.png")


def test_a_broken_exif_block_does_not_lose_the_picture(tmp_path: Path) -> None:
    smooth().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert read_image(tmp_path / "a.jpg").shape == (3, 20, 30)


@pytest.mark.parametrize("size", [(1, 1), (500, 20000)])
def test_sizes_from_one_pixel_to_a_long_strip(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size[::-1], (1, 2, 3)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (3, *size)
    Image.new("L", size[::-1], 3).save(tmp_path / "b.png")
    assert read_label(tmp_path / "b.png").shape == size


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    data = picture(tmp_path / "huge.png").read_bytes()
    for side in (13100, 14000):  # the second is over Pillow's own limit
        header = data[12:16] + side.to_bytes(4, "big") * 2 + data[24:29]
        (tmp_path / "huge.png").write_bytes(data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:])
        with pytest.raises(UserError, match=r"huge\.png is too large .*at most 170 megapixels"):
            read_image(tmp_path / "huge.png")


def test_half_a_file_is_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        whole = picture(tmp_path / name, (64, 64)).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(UserError, match=rf"{name}(:| is not)"):
            read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", r"a\.png is empty \(0 bytes\)"), (b"hello", r"a\.png is not a picture")]
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        read_image(tmp_path / "a.png")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.png does not exist"):
        read_image(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"cannot read the picture .*directory"):
        read_image(tmp_path)


def test_float_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif is a 32-bit picture \(mode F\)"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["L", "P"])
def test_labels_are_raw_values(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(ids((3, 0, 200)))
    if mode == "P":
        image.putpalette([value % 256 for value in range(768)])
    image.save(tmp_path / "a.png")
    assert torch.equal(read_label(tmp_path / "a.png"), torch.from_numpy(ids((3, 0, 200))))


def test_one_bit_labels_are_zero_and_one(tmp_path: Path) -> None:
    Image.fromarray(ids((0, 1)) > 0).save(tmp_path / "a.png")
    assert torch.equal(read_label(tmp_path / "a.png"), torch.from_numpy(ids((0, 1))))


@pytest.mark.parametrize(
    ("mode", "file", "sentence"),
    [
        ("RGB", "a.png", r"label .*a\.png is a colour picture \(mode RGB\).*classes\.txt"),
        ("RGBA", "a.png", r"label .*a\.png is a colour picture \(mode RGBA\)"),
        ("I;16", "a.png", r"label .*a\.png has more than 8 bits \(mode I;16\).*save it as 8-bit"),
        ("L", "a.jpg", r"label .*a\.jpg is a JPEG, whose compression changes class ids"),
    ],
)
def test_labels_that_are_no_ids(tmp_path: Path, mode: str, file: str, sentence: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / file)
    with pytest.raises(UserError, match=sentence):
        read_label(tmp_path / file)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    values = torch.from_numpy(ids((0, 2, 255)))
    write_label(values, tmp_path / "new" / "a.png")
    write_label(values, tmp_path / "b.png", [(10, 20, 30), (0, 0, 0), (7, 8, 9)])
    assert torch.equal(read_label(tmp_path / "new" / "a.png"), values)
    assert torch.equal(read_label(tmp_path / "b.png"), values)
    assert read_image(tmp_path / "b.png")[:, 0, 0].tolist() == [10, 20, 30]
    image = rgb(smooth())
    write_image(image, tmp_path / "c.png")
    assert torch.equal(read_image(tmp_path / "c.png"), image)


def test_endings_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no picture format has the ending '\.pgn'"):
        write_image(torch.zeros(3, 2, 2, dtype=torch.uint8), tmp_path / "a.pgn")
    with pytest.raises(UserError, match=r"label maps are written as \.png"):
        write_label(torch.zeros(2, 2, dtype=torch.uint8), tmp_path / "a.jpg")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/deep/a\.png: Not a directory"):
        write_label(torch.zeros(2, 2, dtype=torch.uint8), tmp_path / "file" / "deep" / "a.png")


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    """The limit on file size is the kernel's, so this is a real failure in the middle of a write."""
    old = picture(tmp_path / "a.png").read_bytes()
    noise = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(UserError, match=r"cannot write .*a\.png: File too large"):
            write_image(noise, tmp_path / "a.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "a.png").read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_the_reason_is_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=rf"cannot write .*a\.png: {os.strerror(code)}"):
        write_label(torch.zeros(2, 2, dtype=torch.uint8), tmp_path / "a.png")


def test_generated_colours_differ() -> None:
    assert len({distinct_color(i) for i in range(253)}) > 240
    assert len({distinct_color(i) for i in range(40)}) == 40


def test_labels_on_disk_are_small_files_of_their_own(tmp_path: Path) -> None:
    assert read_label(label(tmp_path / "a.png", (1, 2))).unique().tolist() == [1, 2]

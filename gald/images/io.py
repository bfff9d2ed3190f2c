"""Pictures in and out: one way to read a photo, a label map, to write either, and to draw one over the other.

Reading is where most of a user's trouble starts (EXIF turns, palettes, 16 bits, half a download), so every failure here
is a `gald.support.errors.UserError` that names the file and what is wrong with it.
"""

from __future__ import annotations

import colorsys
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError
from torch import Tensor

from gald.support.errors import UserError
from gald.support.files import check_writable, write_whole

MAX_PIXELS = 170_000_000  # just under the size at which Pillow itself refuses (a "decompression bomb")
ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 swap width and height
Color = tuple[int, int, int]


def open_picture(path: Path) -> Image.Image:
    """Decode a file whole, as it is stored: no EXIF turn, no change of mode. Raises `UserError`."""
    try:
        with _quiet():
            image: Image.Image = Image.open(BytesIO(path.read_bytes()))  # so that no failure leaves the file open
            if image.width * image.height > MAX_PIXELS:
                raise UserError(_too_large(path, f"{image.width}x{image.height}"))
            image.load()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except Image.DecompressionBombError:
        raise UserError(_too_large(path, "more")) from None
    except UnidentifiedImageError:
        what = "is empty (0 bytes)" if path.stat().st_size == 0 else "is not a picture that Pillow can read"
        raise UserError(f"{path} {what}") from None
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"cannot read the picture {path}: {reason}") from None
    return image


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings: on size from 89 megapixels on, and on broken EXIF, without a file name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _too_large(path: Path, size: str) -> str:
    return f"{path} is too large ({size} pixels, at most {MAX_PIXELS // 10**6} megapixels): cut it into tiles"


def read_image(path: Path) -> UInt8[Tensor, "3 h w"]:
    """Read any picture as RGB, turned upright by its EXIF tag.

    Grey, palette and CMYK pictures are converted; 16-bit grey is scaled to 8 bits; an alpha channel is dropped (the
    colours as stored, as most training pipelines do). 32-bit pictures have no agreed range and are refused.
    """
    image = open_picture(path)
    with _quiet():
        with suppress(Exception):  # a broken EXIF block is no reason to lose a good picture; Pillow raises many kinds
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I") or image.mode == "F":
            image = _eight_bits(image, path)
        pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """Scale 16-bit grey (which Pillow may also hand out in 32) to 8 bits."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise UserError(f"{path} is a 32-bit picture (mode {image.mode}): save it with 8 or 16 bits")
    return Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))


def read_label(path: Path) -> UInt8[Tensor, "h w"]:
    """Read a label map's raw values: palette indices, 8-bit grey, or 0 and 1 of a 1-bit file; no EXIF turn."""
    return label_values(open_picture(path), path)


def label_values(image: Image.Image, path: Path) -> UInt8[Tensor, "h w"]:
    """The values of a label map that `open_picture` has decoded from ``path``."""
    if image.format == "JPEG":
        raise UserError(f"label {path} is a JPEG, whose compression changes class ids: save label maps as PNG")
    if image.mode not in ("1", "L", "P"):
        raise UserError(f"label {path} {_not_ids(image.mode)}")
    return torch.from_numpy(np.array(image, dtype=np.uint8))


def _not_ids(mode: str) -> str:
    if mode.startswith("I") or mode == "F":
        return f"has more than 8 bits (mode {mode}), class ids are 0 to 255: save it as 8-bit grey or palette PNG"
    return (
        f"is a colour picture (mode {mode}), not a map of class ids: save ids as 8-bit grey or palette PNG, "
        "or name the colours in a classes.txt and use the data set 'folder'"
    )


def swaps_sides(path: Path) -> bool:
    """Whether the picture's EXIF tag turns it by 90 degrees."""
    image = open_picture(path)
    with _quiet():
        return int(image.getexif().get(ORIENTATION, 1)) >= 5


def check_picture(path: Path) -> None:
    """Raise `UserError` now where `write_image` would after the work; makes the folder."""
    _format(path)
    check_writable(path)


def _format(path: Path) -> str:
    """What Pillow calls the format that an ending stands for."""
    name = Image.registered_extensions().get(path.suffix.lower(), "")  # also of what Pillow can only read
    if name not in Image.SAVE:
        raise UserError(f"cannot write {path}: no picture format has the ending {path.suffix!r}; use .png")
    return name


def _save(image: Image.Image, path: Path) -> None:
    data = BytesIO()
    image.save(data, format=_format(path))
    write_whole(path, data.getvalue())


def as_image(picture: UInt8[Tensor, "3 h w"]) -> Image.Image:
    """A picture for Pillow."""
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().cpu().numpy())


def write_image(image: UInt8[Tensor, "3 h w"], path: Path) -> None:
    """Write an RGB picture; the format follows the ending."""
    _save(as_image(image), path)


def write_label(labels: UInt8[Tensor, "h w"], path: Path, palette: Sequence[Color] | None = None) -> None:
    """Write a label map as 8-bit PNG, grey, or with ``palette`` (colour of value i) for viewers to show."""
    if path.suffix.lower() != ".png":
        raise UserError(f"cannot write {path}: label maps are written as .png, other formats change class ids")
    image = Image.fromarray(labels.contiguous().cpu().numpy())
    if palette is not None:
        # all 256 entries: with fewer, Pillow stores fewer bits a pixel and 255 becomes 3
        image.putpalette([value for color in palette for value in color] + [0] * (768 - 3 * len(palette)))
    _save(image, path)


def colorize(labels: Integer[Tensor, "h w"], palette: Sequence[Color]) -> UInt8[Tensor, "3 h w"]:
    """Paint train ids in their colours; any value outside the palette (255 = ignore) is black."""
    table = torch.tensor([*palette, (0, 0, 0)], dtype=torch.uint8)
    index = labels.cpu().long()
    index = torch.where((index >= 0) & (index < len(palette)), index, len(palette))
    return table[index].permute(2, 0, 1).contiguous()


def distinct_color(index: int) -> Color:
    """A colour for class ``index`` where nobody chose one: steps of the golden angle round the hues, never black."""
    red, green, blue = colorsys.hsv_to_rgb(
        index * 0.618034 % 1, 0.55 + 0.45 * (index % 2), 0.95 - 0.3 * (index % 3 == 2)
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def overlay(
    image: UInt8[Tensor, "3 h w"],
    labels: Integer[Tensor, "h w"],
    palette: Sequence[Color],
    names: Sequence[str],
    legend: bool = True,
    opacity: float = 0.5,
) -> UInt8[Tensor, "3 h2 w2"]:
    """Blend the colours of train ids over a picture; ignored pixels show the picture itself.

    With ``legend`` a white strip below names the classes that are present, so the result is higher (and, for a picture
    narrower than a name, wider) than ``image``.
    """
    known = (labels >= 0) & (labels < len(palette))
    mixed = image.cpu() * (1 - opacity) + colorize(labels, palette) * opacity
    painted = torch.where(known.cpu(), mixed.round().to(torch.uint8), image.cpu())
    if not legend:
        return painted
    present = sorted(set(labels[known].tolist()))
    letters = max(14, image.shape[2] // 50)  # as high on the screen for a large picture as for a small one
    strip = draw_legend([(names[i], palette[i]) for i in present], image.shape[2], letters)
    canvas = torch.full((3, painted.shape[1] + strip.shape[1], strip.shape[2]), 255, dtype=torch.uint8)
    canvas[:, : painted.shape[1], : painted.shape[2]] = painted
    canvas[:, painted.shape[1] :] = strip
    return canvas


def draw_legend(entries: Sequence[tuple[str, Color | None]], width: int, size: int = 14) -> UInt8[Tensor, "3 h w2"]:
    """Draw squares of colour with names, in rows that fit ``width`` (or the longest name); no colour, no square."""
    font = ImageFont.load_default(size)
    row, gap = size + 8, size + 6
    widths = [gap + round(font.getlength(name)) + 16 for name, _ in entries]
    width = max([width, *widths])
    places, x, y = [], 0, 0
    for each in widths:
        if x + each > width:
            x, y = 0, y + row
        places.append((x, y))
        x += each
    strip = Image.new("RGB", (width, y + row if entries else 1), "white")
    draw = ImageDraw.Draw(strip)
    for (left, top), (name, color) in zip(places, entries, strict=True):
        if color is not None:
            draw.rectangle((left + 4, top + 4, left + 3 + size, top + 3 + size), fill=color, outline="black")
        draw.text((left + 3 + (gap if color else 0), top + row // 2), name, fill="black", font=font, anchor="lm")
    return torch.from_numpy(np.array(strip)).permute(2, 0, 1).contiguous()

"""Pictures in and out: one way to read a photo or a label map, and to write either.

Reading is where most of a user's trouble starts (EXIF turns, palettes, 16 bits, half a download), so every failure here
is a `gald.support.errors.UserError` that names the file and what is wrong with it.
"""

import colorsys
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
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
        return as_tensor(image.convert("RGB"))


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


def as_tensor(image: Image.Image) -> UInt8[Tensor, "3 h w"]:
    """An RGB picture of Pillow."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


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


def distinct_color(index: int) -> Color:
    """A colour for class ``index`` where nobody chose one: steps of the golden angle round the hues, never black."""
    red, green, blue = colorsys.hsv_to_rgb(
        index * 0.618034 % 1, 0.55 + 0.45 * (index % 2), 0.95 - 0.3 * (index % 3 == 2)
    )
    return round(red * 255), round(green * 255), round(blue * 255)

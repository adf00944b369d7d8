"""From any picture to (C, H, W) uint8: the rules for colour and for size.

**Colour.** A data set is grey (one channel) when every image is stored as grey, otherwise RGB. Palettes count as
colour and are looked up; CMYK, YCbCr, Lab and HSV are converted by Pillow. Transparent places are laid over white.
16-bit grey is divided by 257 and rounded (65535 becomes 255); 32-bit integers are taken as 16-bit; 32-bit floats
have no agreed range and are refused. Bilevel becomes 0 and 255.

**Size.** The orientation in EXIF is applied first. If all images have one size with a long side of at most 64 px,
that size is kept, square or not. Otherwise images become square: the median short side, at most 224 px, rounded
down to a multiple of 32 (of 8 below 64; at least 8). ``image_size`` replaces the rule. An image is scaled until it
just covers that size (bicubic, antialiased) and the middle is cropped, so for a square the short side is resized;
smaller images are enlarged. An image that has the size already is not resampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

__all__ = ["Header", "choose_size", "fit", "read_header", "size_note"]

_NATIVE_LIMIT = 64
_MAX_SIDE = 224
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})
_EXIF_ORIENTATION = 0x0112
_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # values of the EXIF orientation that swap width and height


@dataclass(frozen=True)
class Header:
    """What is known of an image before its pixels are read; size after orientation."""

    height: int
    width: int
    is_grey: bool


def read_header(image: Image.Image) -> Header:
    """Read size and kind; a lazily opened file is not decoded."""
    width, height = image.size
    # Pillow decodes a whole PNG to look for EXIF behind its pixels; `fit` honours it, the size rule can do without.
    has_cheap_exif = image.format != "PNG" or "exif" in image.info
    if has_cheap_exif and image.getexif().get(_EXIF_ORIENTATION) in _QUARTER_TURNS:
        width, height = height, width
    return Header(height, width, image.mode in _GREY_MODES)


def choose_size(headers: Iterable[Header]) -> tuple[int, int]:
    """Choose (H, W) for a data set by the rule above.

    Example:
        >>> choose_size([Header(28, 28, True)] * 3), choose_size([Header(300, 200, False), Header(250, 340, False)])
        ((28, 28), (192, 192))
    """
    sizes = [(header.height, header.width) for header in headers]
    if len(set(sizes)) == 1 and max(sizes[0]) <= _NATIVE_LIMIT:
        return sizes[0]
    side = min(_MAX_SIDE, median_low(min(size) for size in sizes))
    step = 32 if side >= _NATIVE_LIMIT else 8
    side = max(8, side // step * step)
    return side, side


def size_note(headers: Iterable[Header], size: tuple[int, int]) -> str:
    """Say in a sentence what happens to the sizes."""
    sizes = sorted({(header.height, header.width) for header in headers})
    height, width = size
    if sizes == [size]:
        return f"images keep their size of {height}x{width} px"
    sides = [side for pair in sizes for side in pair]
    target = f"{height}x{width} px (bicubic)"
    return (
        f"images of {min(sides)} to {max(sides)} px were resized to cover {target} and cropped in the middle; "
        "image_size chooses another size"
    )


def fit(image: Image.Image, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Decode, orient, convert and resize one image.

    Args:
        image: an opened image; its pixels may not have been read yet.
        size: (H, W).
        channels: 1 for grey (the image must be grey), 3 for RGB.

    Returns:
        (C, H, W) uint8.

    Raises:
        OSError: the file is cut off or damaged; other damage raises what Pillow raises.
        ValueError: the kind of pixel has no stated conversion.
    """
    height, width = size
    # A JPEG much larger than needed is decoded at a half, quarter or eighth; twice the target leaves the resize
    # enough to average.
    image.draft(None, (2 * max(size), 2 * max(size)))
    upright = ImageOps.exif_transpose(image)
    picture = _convert(upright, "L" if channels == 1 else "RGB")
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[np.newaxis] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "F":
        raise ValueError("32-bit float pixels have no stated range")
    if image.mode.startswith("I"):
        values = np.clip(np.asarray(image).astype(np.float64), 0, 65535)
        image = Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return image if image.mode == mode else image.convert(mode)

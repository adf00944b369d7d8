from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from automix.data.pixels import Header, choose_size, fit, read_header, size_note


def headers(*sizes: tuple[int, int]) -> list[Header]:
    return [Header(h, w, True) for h, w in sizes]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(8, 8)] * 3, (8, 8)),
        ([(48, 64)] * 3, (48, 64)),  # small and equal: kept, not square
        ([(96, 96)] * 3, (96, 96)),
        ([(100, 80)] * 3, (64, 64)),  # multiple of 32 below the short side
        ([(500, 400), (300, 700), (2000, 3000)], (224, 224)),
        ([(50, 60), (45, 60), (55, 60)], (48, 48)),  # multiple of 8 below 64
        ([(3, 5), (4, 5)], (8, 8)),
    ],
)
def test_size_follows_the_stated_rule(sizes, expected):
    assert choose_size(headers(*sizes)) == expected


def test_size_note_tells_range_and_target():
    assert "10 to 30 px were resized to cover 8x8 px" in size_note(headers((10, 20), (30, 20)), (8, 8))
    assert "keep their size of 8x9" in size_note(headers((8, 9)), (8, 9))


def test_colour_modes_are_converted_by_the_stated_rule():
    def pixel(image: Image.Image, channels: int) -> list[int]:
        return fit(image, (2, 2), channels)[:, 0, 0].tolist()

    assert pixel(Image.new("L", (2, 2), 77), 1) == [77]
    assert pixel(Image.new("L", (2, 2), 77), 3) == [77, 77, 77]
    assert pixel(Image.new("1", (2, 2), 1), 1) == [255]
    assert pixel(Image.fromarray(np.full((2, 2), 65535, np.uint16)), 1) == [255]
    assert pixel(Image.fromarray(np.full((2, 2), 257 * 100, np.uint16)), 3) == [100] * 3
    assert pixel(Image.new("I", (2, 2), 257 * 3), 1) == [3]
    assert pixel(Image.new("RGBA", (2, 2), (10, 20, 30, 0)), 3) == [255, 255, 255]
    assert pixel(Image.new("RGBA", (2, 2), (10, 20, 30, 255)), 3) == [10, 20, 30]
    assert pixel(Image.new("LA", (2, 2), (9, 0)), 1) == [255]
    assert pixel(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), 3) == [255, 0, 0]
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 5, 6, 7])
    assert pixel(palette, 3) == [5, 6, 7]
    palette.info["transparency"] = 1
    assert pixel(palette, 3) == [255, 255, 255]
    with pytest.raises(ValueError, match="no stated range"):
        pixel(Image.new("F", (2, 2)), 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I", "I;16"])
def test_grey_is_told_by_the_mode(mode):
    assert read_header(Image.new(mode, (2, 3))) == Header(3, 2, True)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colour_is_told_by_the_mode(mode):
    assert not read_header(Image.new(mode, (2, 3))).is_grey


def test_exif_orientation_turns_image_and_size():
    image = Image.fromarray(np.array([[0, 90, 180], [20, 110, 200]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees; shown upright it is 3 high and 2 wide
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=exif)
    turned = Image.open(stream)
    assert read_header(turned) == Header(3, 2, True)
    np.testing.assert_array_equal(fit(turned, (3, 2), 1)[0], np.rot90(np.asarray(image), k=-1))


def test_image_of_the_right_size_is_not_resampled():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit(Image.fromarray(pixels), (7, 9), 3), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (33, 47)])
def test_resize_agrees_with_torchvision_resize_and_centre_crop(size):
    rng = np.random.default_rng(1)
    smooth = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(smooth).resize(size, Image.Resampling.BICUBIC)
    theirs = v2.Compose([v2.Resize(24, v2.InterpolationMode.BICUBIC), v2.CenterCrop(24)])(image)
    ours = fit(image, (24, 24), 3).astype(float)
    # torchvision rounds the resized size and the crop's corner to whole pixels, ours crops between pixels.
    assert np.abs(ours - np.asarray(theirs, float).transpose(2, 0, 1)).mean() < 4


def test_small_image_is_enlarged_and_not_square_target_is_covered():
    assert fit(Image.new("RGB", (5, 4), "red"), (16, 32), 3).shape == (3, 16, 32)


def test_large_jpeg_is_decoded_reduced_to_nearly_the_same_picture():
    rng = np.random.default_rng(2)
    picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
        (800, 600), Image.Resampling.BICUBIC
    )
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95)
    reduced = fit(Image.open(stream), (32, 32), 3).astype(float)
    full = fit(Image.open(stream).convert("RGB"), (32, 32), 3).astype(float)
    assert np.abs(reduced - full).mean() < 2

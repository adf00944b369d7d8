from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automix.errors import DataError
from automix.gaze import open_gaze
from automix.gaze.fixations import render


def test_spots_agree_with_the_formula_pixel_by_pixel() -> None:
    points = [(3.0, 2.0, 0.5), (10.0, 7.0, 1.5)]
    slow = np.array(
        [
            [
                sum(d * math.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 33**2)) for px, py, d in points)
                for x in range(14)
            ]
            for y in range(9)
        ]
    )
    expected = (slow - slow.min()) / (slow.max() - slow.min())
    np.testing.assert_allclose(render(np.array(points), (9, 14)), expected, atol=1e-6)


def test_a_spot_ends_at_its_window_and_no_spot_is_no_gaze() -> None:
    drawn = render(np.array([(0.0, 0.0, 1.0)]), (4, 300))
    assert drawn[0, 100] > 0
    assert not drawn[:, 101:].any()
    assert not render(np.empty((0, 3)), (4, 4)).any()


def test_screen_coordinates_lose_the_offset_and_runs_have_none(tmp_path: Path) -> None:
    on_screen, run = tmp_path / "Fixation.txt", tmp_path / "Fixation_run1.txt"
    on_screen.write_text("a/1.jpg,40,20,80,40,100,200,130,210,300\n")
    run.write_text("a/1.jpg,80,40,30,10,300\n")
    first, second = (open_gaze(path).records[0] for path in (on_screen, run))
    assert (first.image, first.size, second.size) == ("a/1.jpg", (20, 40), (40, 80))
    np.testing.assert_array_equal(first.read(), second.read())
    assert np.unravel_index(first.read().argmax(), (40, 80)) == (10, 30)


def test_image_numbers_are_looked_up_in_the_list(tmp_path: Path) -> None:
    (tmp_path / "fix.txt").write_text("7,40,20,5,5,300\n")
    (tmp_path / "images.txt").write_text("7 001.Bird/x.jpg\n")
    assert open_gaze(tmp_path / "fix.txt", tmp_path / "images.txt").records[0].image == "001.Bird/x.jpg"
    (tmp_path / "images.txt").write_text("8 001.Bird/x.jpg\n")
    with pytest.raises(DataError, match="image '7'"):
        open_gaze(tmp_path / "fix.txt", tmp_path / "images.txt")


def test_heat_maps_are_found_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "cat" / "1.png")
    record = open_gaze(tmp_path).records[0]
    assert record.image == "cat/1.png"
    assert record.read().tolist() == [[0.0, 255.0]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "empty"),
        ("1,40,20,5,5\n", "5 values"),
        ("1,40,20,a,5,300\n", "numbers"),
        ("1,40,20,nan,5,300\n", "finite"),
        ("1,40,20,5,5,-1\n", "durations"),
        ("1,40,20,500,5,300\n", "20%.*coordinate frame"),
        ("1,40,20,80,40,100,200,30,10,300\n", "1 of 1 fixations.*coordinate frame"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "fix.txt").write_text(line)
    with pytest.raises(DataError, match=words):
        open_gaze(tmp_path / "fix.txt")


def test_a_few_fixations_outside_are_told(tmp_path: Path) -> None:
    (tmp_path / "fix.txt").write_text("1,40,20" + ",5,5,300" * 9 + ",500,5,300\n")
    assert open_gaze(tmp_path / "fix.txt").notes == (
        "1 of 10 fixations lie outside their pictures, and count as far as their spots reach in",
    )


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_negative_and_missing_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    np.savez(tmp_path / "g.npz", maps=np.full((1, 2, 2), bad), index=np.arange(1))
    with pytest.raises(DataError, match=r"g.npz\[0\]"):
        open_gaze(tmp_path / "g.npz").records[0].read()


def test_pickles_are_refused_also_within_archives(tmp_path: Path) -> None:
    (tmp_path / "order.pkl").write_bytes(b"")
    np.savez(tmp_path / "g.npz", maps=np.array([{}], dtype=object), index=np.arange(1))
    for name in ("order.pkl", "g.npz"):
        with pytest.raises(DataError, match="pickle"):
            open_gaze(tmp_path / name)


def test_archives_without_the_arrays_and_missing_paths_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", heat=np.zeros((1, 2, 2)))
    for path, words in ((tmp_path / "g.npz", "'maps'.*heat"), (tmp_path / "nowhere", "No gaze found")):
        with pytest.raises(DataError, match=words):
            open_gaze(path)

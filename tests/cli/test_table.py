from __future__ import annotations

import pytest

from automix.cli.table import Column, columns_of, render_table

ROWS = [
    {
        "rank": 1,
        "policy": "cutmix with a box that follows the patches of a transformer",
        "top1": "98.51",
        "ece": "1.20",
    },
    {"rank": None, "policy": "none", "top1": "9.10", "ece": "10.05"},
]
COLUMNS = [
    Column("rank", "rank", is_number=True),
    Column("policy", "policy", is_text=True),
    Column("top1", "val top-1 %", is_number=True),
    Column("ece", "ECE %", is_number=True, spare=1),
]


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, render_table(ROWS, COLUMNS, width).splitlines())) <= width


@pytest.mark.parametrize("width", [50, 80, None])
def test_numbers_stay_whole_and_right_aligned(width: int | None) -> None:
    lines = render_table(ROWS, COLUMNS, width).splitlines()
    ends = [line.index(value) + len(value) for value in ("98.51", " 9.10") for line in lines if value in line]
    assert len(ends) == 2
    assert ends[0] == ends[1]


def test_spare_columns_go_before_text_becomes_too_narrow() -> None:
    assert "ECE" not in render_table(ROWS, COLUMNS, 54)
    assert "ECE" in render_table(ROWS, COLUMNS, 80)


def test_text_is_folded_at_words_and_nothing_of_it_is_lost() -> None:
    lines = render_table(ROWS, COLUMNS, 56).splitlines()
    folded = " ".join(line[6:36].strip() for line in lines[2:-1])
    assert " ".join(folded.split()) == ROWS[0]["policy"]


def test_without_a_terminal_each_row_is_one_line() -> None:
    assert len(render_table(ROWS, COLUMNS).splitlines()) == 4


def test_lines_carry_no_trailing_blanks_and_empty_columns_are_not_shown() -> None:
    text = render_table([{"name": "a", "cause": ""}], columns_of([{"name": "a", "cause": ""}]))
    assert "cause" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_line_breaks_in_a_cell_do_not_break_the_table() -> None:
    assert len(render_table([{"error": "two\nlines"}], [Column("error", "error")]).splitlines()) == 3

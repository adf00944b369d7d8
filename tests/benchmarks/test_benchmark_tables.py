from __future__ import annotations

from pathlib import Path

import pytest
from _tables import table, write_between


def test_table_has_a_head_a_rule_and_its_rows() -> None:
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_what_stands_between_the_marks_is_replaced_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x -->\nold\n<!-- end of x -->\nafter\n", encoding="utf-8")
    for lines in (["new", "lines"], ["newest"]):
        write_between(page, "x", lines)
    assert page.read_text(encoding="utf-8") == "before\n<!-- x -->\nnewest\n<!-- end of x -->\nafter\n"


def test_page_without_marks_is_refused_and_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="<!-- x -->"):
        write_between(page, "x", ["new"])
    assert page.read_text(encoding="utf-8") == "nothing\n"

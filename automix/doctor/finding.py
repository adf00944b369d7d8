"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Result"]

Result = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what was looked at, one word or two.
        result: "ok"; "warn", a search works but not as well as it could or not as it is meant; "fail", it does not.
        text: what was found.
        advice: what to do; empty where there is nothing to do.
    """

    name: str
    result: Result
    text: str
    advice: str = ""

"""Search spaces: read a file, filter by what can work, suggest policies to a search."""

from __future__ import annotations

from automix.spaces.compose import compose
from automix.spaces.document import SpaceDocument
from automix.spaces.facts import Facts
from automix.spaces.loader import list_spaces, load_space
from automix.spaces.signature import signature_diff
from automix.spaces.space import Space, SummaryRow
from automix.spaces.trials import Parameter

__all__ = [
    "Facts",
    "Parameter",
    "Space",
    "SpaceDocument",
    "SummaryRow",
    "compose",
    "list_spaces",
    "load_space",
    "signature_diff",
]

"""automix: find out which sample-mixing policy helps your images, or that none does.

mix = automix.load_policy("policy.yaml", num_classes=10)      # in your own training loop
result = automix.search("folder:photos", preset="quick")      # what the command does
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automix.api import load_policy, preview, search
    from automix.search.result import SearchResult

__version__ = "0.1.0"

__all__ = ["load_policy", "preview", "search"]


def __getattr__(name: str) -> Any:
    """Import the API when it is first asked for: it brings torch."""
    if name in __all__:
        from automix import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class CallablePackage(ModuleType):
    """What `automix.search` is once the package of that name is imported: the package, and still the function."""

    def __call__(self, *arguments: Any, **options: Any) -> SearchResult:
        """Call `automix.api.search`."""
        from automix import api

        return api.search(*arguments, **options)

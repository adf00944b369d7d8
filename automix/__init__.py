"""automix: find out which sample-mixing policy helps your images, or that none does."""

from __future__ import annotations

__version__ = "0.1.0"

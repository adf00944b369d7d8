"""``python -m automix`` is the ``automix`` command."""

from __future__ import annotations

from automix.cli import main

if __name__ == "__main__":
    main()

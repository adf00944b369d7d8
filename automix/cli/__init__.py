"""The command line: one module per command, heavy imports inside the commands."""

from __future__ import annotations

from automix.cli.app import main

__all__ = ["main"]

"""Where the results of a search lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outputs"]


@dataclass(frozen=True)
class Outputs:
    """Where results lie."""

    folder: Path

    @property
    def policy(self) -> Path:
        """The policy to train with."""
        return self.folder / "policy.yaml"

    @property
    def candidate(self) -> Path:
        """The policy that was compared with no mixing where no difference was found."""
        return self.folder / "candidate.yaml"

    @property
    def leaderboard(self) -> Path:
        """Every slot, a row each."""
        return self.folder / "leaderboard.csv"

    @property
    def confirm(self) -> Path:
        """Every training on a fresh seed, a row each."""
        return self.folder / "confirm.csv"

    @property
    def models(self) -> Path:
        """The models of those trainings."""
        return self.folder / "models"

    @property
    def sheet(self) -> Path:
        """The same image pairs under every method."""
        return self.folder / "contact_sheet.png"

    @property
    def report(self) -> Path:
        """One HTML file that needs no network."""
        return self.folder / "report.html"

    @property
    def model(self) -> Path:
        """A model trained with the policy: of the fresh seeds the best on validation, without them the best trial's."""
        return self.folder / "model.safetensors"

    def files(self) -> dict[str, Path]:
        """Name what lies there, in the order in which a person looks."""
        return {
            "report": self.report,
            "policy": self.policy,
            "candidate": self.candidate,
            "model": self.model,
            "all models": self.models,
            "fresh seeds": self.confirm,
            "leaderboard": self.leaderboard,
            "contact sheet": self.sheet,
        }

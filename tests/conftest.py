"""What tests of the upper layers share: the command line in this process, a plan, and results made by hand."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from automix.cli import main
from automix.manager import PluginHost, build_host


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make faults` kill more often than every run of the tests does."""
    parser.addoption("--real-kills", type=int, default=3, help="kills of the real command in tests/faults")


Cli = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def heeded_signals() -> Iterator[None]:
    """Let children heed Ctrl-C and a closed terminal, also where the tests run in the background of a shell.

    Such a shell ignores these signals for what it starts, children inherit that, and a search respects it.
    """
    ignored = [s for s in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(s) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Call `automix` in this process, in an empty folder, with arguments given one by one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("AUTOMIX_WORK", raising=False)

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def host() -> PluginHost:
    return build_host()


@pytest.fixture(scope="session")
def shared_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder that keeps decoded images for the session."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def make_plan(host: PluginHost, shared_work: Path, tmp_path: Path) -> Callable[..., Any]:
    """Plan a tiny search on digits."""
    from automix.planning import SearchRequest, plan_search

    def plan(**options: Any) -> Any:
        defaults = {"preset": "smoke", "limit": 100, "work": shared_work, "out": tmp_path / "out", "device": "cpu"}
        return plan_search(SearchRequest(**{**defaults, **options}), host)

    return plan


@pytest.fixture
def make_result() -> Callable[..., Any]:
    """Make a search result by hand.

    ``policies`` maps a title to (policy, top-1 by epoch, arm or ""); top-1 None stands for a trial that failed.
    """
    from automix.policy import PolicyDocument, complete
    from automix.search import Ending, SearchResult, SlotRecord, SlotState, StudyFolder
    from automix.search.leaderboard import leaderboard
    from automix.search.ledger import Proposal

    def curve(top1: Sequence[float]) -> tuple[dict[str, float], ...]:
        return tuple(
            {
                "val/top1": value,
                "val/balanced_top1": value,
                "val/logloss": 2 * (1 - value),
                "val/ece": 0.05,
                "cost/img_s": 1000.0,
                "cost/epoch_s": 0.1,
                "cost/cpu_s": 0.1,
                "seconds": 0.2,
            }
            for value in top1
        )

    def result(
        plan: Any, policies: Mapping[str, tuple[str, Sequence[float] | None, str]], ending: str = "complete"
    ) -> Any:
        slots = {}
        for number, (title, (mixer, top1, arm)) in enumerate(policies.items()):
            document = complete(PolicyDocument.of(mixer), plan.host.registry)
            slots[number] = SlotRecord(
                slot=number,
                trial=number,
                proposal=Proposal(policy=document.to_dict(), key=f"{title}-key", title=title, arm=arm),
                state=SlotState.FAILED if top1 is None else SlotState.COMPLETE,
                curve=() if top1 is None else curve(top1),
                error="it <b>broke</b>" if top1 is None else "",
            )
        ranking = tuple(leaderboard(slots.values()))
        folder = StudyFolder(plan.work, plan.config.name)
        return SearchResult(
            study=plan.config.name,
            n_epochs=plan.config.n_epochs,
            ending=Ending(ending),
            leaderboard=ranking,
            slots=slots,
            best=slots[ranking[0].slot] if ranking and ranking[0].rank is not None else None,
            folder=folder,
            out=plan.out,
            parent_run=None,
            time_s=12.0,
        )

    return result

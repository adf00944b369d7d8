"""The search: slots handed out to worker processes, watched over by a supervisor, through crashes of everything.

    config.py       what a study is; compared when it is started again
    folder.py       where its files lie, and the marker that stops workers
    locks.py        locks that the kernel frees
    ledger.py       what became of each slot (Optuna's storage)
    slots.py        who works on which slot; recovery
    sampler.py      what to try next
    pruning.py      when to end a trial early
    fidelity.py     how much of a whole training a trial gets, and what that tells of the whole
    ranks.py        how alike two orders are
    pareto.py       the trials that nobody beats in two goals
    projection.py   a slot as MLflow shows it
    objective.py    one slot, from policy to result
    bench.py        what a worker works with
    worker.py       a worker process (imports torch; import it from there)
    protocol.py     what supervisor and workers agree on
    launch.py       starting workers; their environment
    interrupts.py   Ctrl-C and its like
    supervisor.py   watching over the workers
    cost.py         time on the clock and of processors
    probe.py        what an epoch of each method costs, measured
    estimate.py     what a search will cost
    account.py      that, beside what it took
    progress.py     how a search stands
    leaderboard.py  the ranking
    reading.py      finding a study, and how it stands
    successor.py    a study that follows another one when plugins or space have changed
    result.py       what a search hands back
    memory.py       what it leaves in the databases
    run.py          all of it, in order

Importing this package imports Optuna; import it inside commands.
"""

import sys

from automix import CallablePackage
from automix.search.config import Arm, StudyConfig, load_config
from automix.search.folder import StudyFolder
from automix.search.launch import Machine
from automix.search.leaderboard import LeaderboardRow, leaderboard
from automix.search.ledger import Ledger, SlotRecord, SlotState
from automix.search.progress import Progress, progress_of
from automix.search.result import SearchResult
from automix.search.run import run_search
from automix.search.supervisor import Ending

__all__ = [
    "Arm",
    "Ending",
    "LeaderboardRow",
    "Ledger",
    "Machine",
    "Progress",
    "SearchResult",
    "SlotRecord",
    "SlotState",
    "StudyConfig",
    "StudyFolder",
    "leaderboard",
    "load_config",
    "progress_of",
    "run_search",
]

# The import of this package puts it where users find the function `automix.search`; it takes its place.
sys.modules[__name__].__class__ = CallablePackage

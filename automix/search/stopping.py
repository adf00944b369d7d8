"""How a worker learns that it shall come to an end."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from types import FrameType

from automix.search.protocol import ENV_SUPERVISOR

__all__ = ["StopFlag"]


@dataclass
class StopFlag:
    """Set by SIGTERM; also true when the supervisor that started this process is gone."""

    supervisor: int = 0
    _terminated: list[int] = field(default_factory=list)

    @classmethod
    def install(cls) -> StopFlag:
        """Handle the signals of this process from now on; Ctrl-C, which reaches all of a terminal, is ignored."""
        flag = cls(int(os.environ.get(ENV_SUPERVISOR, "0")))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, flag._note)
        # The supervisor starts us with these blocked, so that none arrives before we know what to do with it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGTERM})
        return flag

    def is_set(self) -> bool:
        """Whether this process shall stop."""
        is_orphan = self.supervisor != 0 and os.getppid() != self.supervisor
        return bool(self._terminated) or is_orphan

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._terminated.append(number)

"""SQLite the way automix uses it: write-ahead log, few waits for the disk, local disks only.

In WAL mode readers never wait for a writer, and ``synchronous=NORMAL`` keeps a database whole through any crash of a
process; a power cut can take back the last commits, which a resumed study repeats. Together they save about a third of
what Optuna spends per epoch (`benchmarks/bookkeeping.py`). The journal mode is a property of the file and lasts; the
other settings belong to a connection, so they come with the connection class.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from automix.errors import StorageError
from automix.storage.lock import exclusive

__all__ = [
    "FastConnection",
    "network_mount",
    "prepare_sqlite",
    "refuse_network",
    "sqlite_connect_args",
    "sqlite_path",
    "sqlite_url",
]

# How long a writer waits for another one before it gives up: longer than any commit, migrations included.
_BUSY_TIMEOUT_S = 60.0
# SQLite's locks and shared memory are not reliable there: sqlite.org/faq.html question 5, sqlite.org/wal.html.
_NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "fuse.sshfs", "fuse.rclone"})
_MOUNTS = Path("/proc/self/mounts")


class FastConnection(sqlite3.Connection):
    """A connection that enforces foreign keys and does not wait for the disk at every commit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=NORMAL")
        self.execute("PRAGMA foreign_keys=ON")


def sqlite_connect_args() -> dict[str, Any]:
    """Return what ``sqlalchemy.create_engine(connect_args=...)`` needs for these settings."""
    return {"factory": FastConnection, "timeout": _BUSY_TIMEOUT_S}


def sqlite_url(path: Path | str) -> str:
    """Return the SQLAlchemy URL of a database file; absolute, so that every process means the same file.

    Example:
        >>> sqlite_url("/data/automix.db")
        'sqlite:////data/automix.db'
    """
    return f"sqlite:///{Path(path).absolute()}"


def sqlite_path(url: str) -> Path | None:
    """Return the file behind a SQLite URL, or None for another database or one in memory.

    Example:
        >>> str(sqlite_path("sqlite:////data/automix.db")), sqlite_path("postgresql+psycopg://host/automix")
        ('/data/automix.db', None)
    """
    scheme, _, rest = url.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not rest or rest.startswith(":memory:"):
        return None
    return Path(rest.partition("?")[0])


def prepare_sqlite(path: Path | str) -> Path:
    """Make the folder and the file of a database, in WAL mode. Safe to call again and from several processes.

    Returns:
        The absolute path.

    Raises:
        StorageError: the folder lies on a network file system or cannot be written, or the file is no database.
    """
    path = Path(path).absolute()
    refuse_network(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.with_name(f"{path.name}.lock")):
            _use_wal(path)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"The database {str(path)!r} cannot be opened or created: {error}. "
            f"Check that its folder can be written and has space left, or choose another one with --work."
        ) from error
    return path


def network_mount(path: Path, mounts: str) -> tuple[str, str] | None:
    r"""Return (mount point, type) of the network file system that holds ``path``, or None where it is local.

    Args:
        path: absolute path; it need not exist.
        mounts: text in the form of ``/proc/self/mounts``.

    Example:
        >>> network_mount(Path("/home/a/work"), "/dev/sda / ext4 rw 0 0\nnas:/home /home nfs4 rw 0 0")
        ('/home', 'nfs4')
    """
    best: tuple[Path, str] | None = None
    for line in mounts.splitlines():
        _, point_text, kind, *_ = line.split(" ")
        point = Path(_unescape(point_text))
        # The longest mount point holds the path; of two at one place the later one hides the earlier.
        if path.is_relative_to(point) and (best is None or len(point.parts) >= len(best[0].parts)):
            best = (point, kind)
    if best is None or best[1] not in _NETWORK_TYPES:
        return None
    return str(best[0]), best[1]


def refuse_network(path: Path) -> None:
    """Raise StorageError where ``path`` lies on a network file system."""
    if not _MOUNTS.exists():  # only Linux tells; elsewhere the user has to know
        return
    found = network_mount(path.resolve(), _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    if found is not None:
        point, kind = found
        raise StorageError(
            f"Expected the work folder on a local disk but {str(path.parent)!r} lies on {point!r}, "
            f"a network file system ({kind}), where SQLite loses data. "
            f"Choose a local folder with --work or the environment variable AUTOMIX_WORK."
        )


def _use_wal(path: Path) -> None:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def _unescape(text: str) -> str:
    # The kernel writes space, tab, newline and backslash in a mount point as three octal digits.
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

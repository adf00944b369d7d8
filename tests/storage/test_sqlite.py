from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import automix.storage.sqlite as sqlite_module
from automix.errors import StorageError
from automix.storage.lock import exclusive
from automix.storage.sqlite import (
    FastConnection,
    network_mount,
    prepare_sqlite,
    sqlite_connect_args,
    sqlite_path,
    sqlite_url,
)

MOUNTS = r"""/dev/sda1 / ext4 rw,relatime 0 0
nas:/export /home nfs4 rw 0 0
/dev/sdb1 /home/ada/fast ext4 rw 0 0
//srv/share /mnt/my\040share cifs rw 0 0
ada@host:/ /mnt/ssh fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/data/mine", None),
        ("/home/ada/work", ("/home", "nfs4")),
        ("/home/ada/fast/work", None),
        ("/homework", None),
        ("/mnt/my share/work", ("/mnt/my share", "cifs")),
        ("/mnt/ssh", ("/mnt/ssh", "fuse.sshfs")),
    ],
)
def test_network_file_system_is_found_by_the_longest_mount_point(path, found):
    assert network_mount(Path(path), MOUNTS) == found


def test_a_later_mount_at_the_same_place_hides_the_earlier():
    assert network_mount(Path("/home/a"), MOUNTS + "tmp /home tmpfs rw 0 0\n") is None


def test_database_on_a_network_file_system_is_refused_with_advice(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"nas:/x {tmp_path.resolve()} nfs rw 0 0\n")
    monkeypatch.setattr(sqlite_module, "_MOUNTS", mounts)
    with pytest.raises(StorageError, match=r"network file system \(nfs\).*--work"):
        prepare_sqlite(tmp_path / "work" / "automix.db")
    assert not (tmp_path / "work").exists()


def test_prepared_file_stays_in_wal_mode_and_keeps_its_rows(tmp_path):
    path = prepare_sqlite(tmp_path / "deep" / "x.db")
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert prepare_sqlite(path) == path
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path):
    path = tmp_path / "x.db"
    path.write_text("not a database, but long enough to have a header of its own" * 4)
    with pytest.raises(StorageError, match=r"x\.db.*not a database.*--work"):
        prepare_sqlite(path)


def test_a_folder_that_cannot_be_made_is_refused_with_its_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"x\.db.*cannot be opened or created"):
        prepare_sqlite(tmp_path / "file" / "x.db")


def test_connections_do_not_wait_for_the_disk_and_enforce_foreign_keys(tmp_path):
    connection = sqlite3.connect(prepare_sqlite(tmp_path / "x.db"), **sqlite_connect_args())
    assert isinstance(connection, FastConnection)
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)  # 1 is NORMAL
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()


def test_url_and_path_are_each_others_inverse(tmp_path):
    assert sqlite_path(sqlite_url(tmp_path / "x.db")) == tmp_path / "x.db"
    assert sqlite_path("sqlite:///:memory:") is None
    assert sqlite_path("mysql+pymysql:///x.db") is None


def test_lock_is_free_again_when_its_holder_was_killed(tmp_path):
    path = tmp_path / "x.lock"
    holder = (
        "import sys, time, pathlib\nfrom automix.storage.lock import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", holder, str(path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    with exclusive(path):
        pass

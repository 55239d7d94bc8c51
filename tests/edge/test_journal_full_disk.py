"""On a full or read-only disk the journal frees its ballast, then keeps everything in memory and says so."""

import shutil
import subprocess
import sys
import textwrap

import pytest

from sickbay.edge.journal import Journal, LedgerRow, OutboxRow
from sickbay.errors import StoreError


def row(id_, severity="major", size=200):
    return OutboxRow(id_, id_, severity, "opened", "t", b"x" * size, 0.0, "[mqtt]")


def ids(rows):
    return [each.id for each in rows]


def fill(journal):
    """This leaves the database a page limit that it has reached: SQLite's own, genuine SQLITE_FULL."""
    pages = journal._reader().execute("PRAGMA page_count").fetchone()[0]
    journal._reader().execute(f"PRAGMA max_page_count={pages}")


def make_room(journal):
    journal._reader().execute("PRAGMA max_page_count=1000000")


def test_messages_wait_in_memory_and_still_leave(tmp_path):
    """A full disk must not silence the device: what cannot be written can still be sent."""
    with Journal(tmp_path) as journal:
        journal.commit(b"old", [row("stored")])
        fill(journal)
        with pytest.raises(StoreError, match=r"no room left; kept in memory. Make room"):
            journal.commit(b"new" * 9000, [row("waits", "critical")])
        assert not journal.healthy
        assert ids(journal.pending(9)) == ["waits", "stored"]
        assert journal.load() == b"new" * 9000
        journal.ledger_add([LedgerRow(1.0, "t", "escalation opened", "[mqtt]", 9, "waits")])
        assert [each.id for each in journal.ledger()] == ["waits"]
        assert journal.pending(1)[0].attempts == 1


def test_what_waited_is_written_once_there_is_room(tmp_path):
    with Journal(tmp_path) as journal:
        journal.commit(b"old", [row("stored")])
        fill(journal)
        with pytest.raises(StoreError):
            journal.commit(b"new" * 9000, [row("waits")])
        journal.ledger_add([LedgerRow(1.0, "t", "escalation opened", "[mqtt]", 9, "waits")])
        make_room(journal)
        journal.flush()
        assert journal.healthy
        assert "everything that waited is on the disk" in journal.notes[-1]
    with Journal(tmp_path) as journal:
        assert ids(journal.pending(9)) == ["stored", "waits"]
        assert [each.attempts for each in journal.pending(9)] == [0, 1]
        assert journal.load() == b"new" * 9000


def test_receipts_are_believed_on_a_full_disk(tmp_path):
    """Else every message would be sent again and again for as long as the disk is full."""
    with Journal(tmp_path) as journal:
        journal.commit(b"old", [row("stored"), row("stored too")])
        fill(journal)
        with pytest.raises(StoreError):
            journal.commit(b"new" * 9000, [row("waits")])
        assert journal.forget(["waits", "stored", "stored"]) == ["waits", "stored"]
        assert journal.forget(["waits", "stored"]) == []
        assert ids(journal.pending(9)) == ["stored too"]
        make_room(journal)
        journal.flush()
    with Journal(tmp_path) as journal:
        assert ids(journal.pending(9)) == ["stored too"]


def test_memory_is_bounded_and_the_least_grave_go_first(tmp_path):
    with Journal(tmp_path) as journal:
        journal.commit(b"", [])
        fill(journal)
        for n in range(100):
            with pytest.raises(StoreError):
                journal.commit(b"n" * 9000, [row(f"m{n}", "minor", 16_000), row(f"c{n}", "critical", 4_000)])
        kept = ids(journal.pending(999))
        assert [id_ for id_ in kept if id_[0] == "c"] == [f"c{n}" for n in range(100)]
        assert "m99" in kept
        assert "m0" not in kept
        shed = journal.shed()
        assert shed == {"minor": 200 - len(kept)}
        make_room(journal)
        journal.flush()
        assert journal.shed() == shed


def test_a_state_is_told_once(tmp_path):
    """A disk that stays full for a month must not fill the log as well."""
    with Journal(tmp_path) as journal:
        journal.commit(b"", [])
        fill(journal)
        for n in range(20):
            with pytest.raises(StoreError):
                journal.commit(b"n" * 9000, [row(f"m{n}")])
        assert len([note for note in journal.notes if "no room left" in note]) == 1


SCENES = {
    "ballast": """
        journal = Journal(state)
        assert ballast.is_file()
        while True:  # fill what is left, the ballast excepted
            try:
                with open(f"{disk}/other", "ab", buffering=0) as other:
                    other.write(b"x" * 4096)
            except OSError:
                break
        for n in range(15):
            journal.commit(b"s" * 20_000, [row(f"f{n}")])
        assert not ballast.exists()
        assert any("ballast was freed" in note for note in journal.notes), journal.notes
        assert journal.healthy
        full = 0
        for n in range(15, 400):
            try:
                journal.commit(b"s" * 20_000, [row(f"f{n}")])
            except StoreError as error:
                assert "no room left" in str(error), error
                full += 1
        assert full and not journal.healthy
        assert len(journal.pending(999)) == 400
        os.unlink(f"{disk}/other")
        journal.flush()
        assert journal.healthy
        assert ballast.is_file(), "made again once there is room"
        journal.close()
        journal = Journal(state)
        assert [each.id for each in journal.pending(999)] == [f"f{n}" for n in range(400)]
    """,
    "full from the start": """
        with open(f"{disk}/other", "wb", buffering=0) as other:
            try:
                while True:
                    other.write(b"x" * 65536) or sys.exit("no end")
            except OSError:
                pass
        journal = Journal(state)
        assert not journal.healthy and not ballast.exists()
        try:
            journal.commit(b"s", [row("f0")])
            raise AssertionError("a full disk took it")
        except StoreError:
            pass
        assert [each.id for each in journal.pending(9)] == ["f0"]
        os.unlink(f"{disk}/other")
        journal.flush()
        journal.close()
        assert [each.id for each in Journal(state).pending(9)] == ["f0"]
    """,
    "no inode": """
        def litter():
            for n in range(999):
                try:
                    (pathlib.Path(disk) / f"small-{n}").touch()
                except OSError:
                    return
        state.mkdir()
        litter()
        journal = Journal(state)
        assert not journal.healthy and "inodes" in journal.short, journal.short
        try:
            journal.commit(b"s", [row("f0")])
            raise AssertionError("a disk without an inode took it")
        except StoreError:
            pass
        for small in pathlib.Path(disk).glob("small-*"):
            small.unlink()
        journal.flush()
        assert journal.healthy and not journal.look()
        litter()
        journal.commit(b"s", [row("f1")])  # the files are there
        assert "inodes" in journal.look()
        journal.close()
        for small in pathlib.Path(disk).glob("small-*"):
            small.unlink()
        assert [each.id for each in Journal(state).pending(9)] == ["f0", "f1"]
    """,
    "short of room": """
        journal = Journal(state)
        journal.commit(b"s", [row("f0")], [LedgerRow(float(n), "t", "state", "c", 9) for n in range(200)])
        assert not journal.look()
        room = os.statvfs(disk)
        with open(f"{disk}/other", "wb") as other:
            other.write(b"x" * (room.f_bavail * room.f_frsize - 200_000))
        assert "KiB of the disk are left" in journal.look()
        journal.commit(None, [], [LedgerRow(999.0, "t", "state", "c", 9) for n in range(50)])
        assert len(list(journal.ledger())) == 200 and journal.ledger_dropped() == 50
        assert journal.healthy
        os.unlink(f"{disk}/other")
        assert not journal.look()
        journal.close()
    """,
    "read-only": """
        journal = Journal(state)
        journal.commit(b"s", [row("f0")])
        subprocess.run(["mount", "-o", "remount,ro", disk], check=False)
        if not os.statvfs(disk).f_flag & os.ST_RDONLY:  # files open for writing forbid it: pull them away first
            journal._disk.close()
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        try:
            journal.commit(b"t", [row("f1")])
            raise AssertionError("a read-only disk took it")
        except StoreError as error:
            assert "read-only now" in str(error), error
        assert sorted(each.id for each in journal.pending(9))[-1] == "f1"
        try:
            Journal(pathlib.Path(disk) / "elsewhere")
            raise AssertionError("opened on a read-only disk")
        except StoreError as error:
            assert "cannot be written" in str(error), error
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        journal.flush()
        assert journal.healthy
        assert [each.id for each in journal.pending(9)] == ["f0", "f1"]
    """,
}

HEAD = """
import os, pathlib, subprocess, sys
from sickbay.edge.journal import Journal, LedgerRow, OutboxRow
from sickbay.errors import StoreError
disk = sys.argv[1]
state = pathlib.Path(disk) / "state"
ballast = state / "sickbay.ballast"
def row(id_):
    return OutboxRow(id_, id_, "major", "opened", "t", b"x" * 200, 0.0, "[mqtt]")
"""


def small_disks():
    """This returns the small real file systems that this machine grants: tmpfs in a mount namespace, or none."""
    if shutil.which("unshare") is None:
        return []
    probe = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return ["tmpfs"] if subprocess.run(probe, capture_output=True, check=False).returncode == 0 else []


@pytest.mark.parametrize(("scene", "disk"), [(scene, disk) for scene in SCENES for disk in small_disks()])
def test_on_a_real_small_disk(tmp_path, scene, disk):
    """SQLite's page limit is not a disk: ENOSPC reaches the log, the index and the checkpoint by different ways."""
    script = tmp_path / "scene.py"
    script.write_text(HEAD + textwrap.dedent(SCENES[scene]))
    place = tmp_path / "disk"
    place.mkdir()
    mounted = f'mount -t {disk} -o size=6m,nr_inodes=300 none {place} && exec "$0" "$@"'
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            mounted,
            sys.executable,
            str(script),
            str(place),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

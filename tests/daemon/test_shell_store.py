"""What the disk does to a running daemon: damaged, unwritable, full, shared. It watches on wherever it can."""

import contextlib
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pytest

from broker import Broker
from scene import Line, Unit, configuration, sickbay


def test_a_damaged_database_is_moved_aside_and_told(tmp_path: Path) -> None:
    """An SD card that lost its memory must not keep the machine unwatched; what is left of it is kept for a look."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sickbay.db").write_bytes(b"SQLite format 3\0" + os.urandom(20_000))
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        aside = re.search(r"moved aside to (\S+) and started afresh", unit.says("moved aside"))
        assert aside and (tmp_path / "state" / aside[1]).stat().st_size == 20_016
        unit.reads()
        assert unit.status()["outbox"]["healthy"] is True


def test_damage_while_it_runs_is_survived_with_all_that_was_known(tmp_path: Path) -> None:
    """What is in memory is written anew: a quarantine outlives the file that held it."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        assert unit.cli("quarantine", "a", "--reason", "loose").returncode == 0
        unit.event("isolate", "a")
        unit.kill()
        for part in (tmp_path / "state").glob("sickbay.db*"):
            part.write_bytes(b"\0" * part.stat().st_size)
        unit.start()
        unit.says("moved aside")
        assert unit.cli("quarantine", "b", "--reason", "loose").returncode == 0
        unit.event("isolate", "b")
        unit.kill()
        unit.start()
        assert unit.status()["signals"]["b"]["state"] == "isolated"


def test_a_snapshot_of_another_version_starts_the_node_anew(tmp_path: Path) -> None:
    """After a downgrade the memory cannot be read; the machine is watched all the same, and the log says why."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        unit.reads()
        assert unit.stop() == 0
        with sqlite3.connect(tmp_path / "state" / "sickbay.db") as db:
            db.execute("UPDATE snapshot SET body = ?, length = 7", (b"garbage",))
        db.close()
        unit.start()
        unit.says("the node starts anew")
        unit.reads()


def test_a_configuration_that_changed_keeps_what_still_fits(tmp_path: Path) -> None:
    """A sensor is added and another goes: nobody wants to lose the quarantine of a third for that."""
    with Line(tmp_path, ("a", "b", "c")), Unit(tmp_path, configuration(tmp_path)) as unit:
        unit.learnt()
        assert unit.cli("quarantine", "a", "--reason", "loose").returncode == 0
        assert unit.cli("quarantine", "b", "--reason", "loose").returncode == 0
        assert unit.stop() == 0
        unit.config.write_text(configuration(tmp_path, names=("c", "a")), encoding="utf-8")
        unit.start()
        status = unit.status()
        assert {n: s["state"] for n, s in status["signals"].items()} == {"c": "in_service", "a": "isolated"}
        unit.learnt()
        assert "Traceback" not in unit.log()


def test_events_may_be_switched_off_or_lie_elsewhere(tmp_path: Path) -> None:
    """A card that must not wear out; a place that another program reads."""
    with Line(tmp_path):
        for name, events, place in (("a", "", None), ("b", f"{tmp_path}/else.jsonl", tmp_path / "else.jsonl")):
            text = configuration(tmp_path).replace("[sources.rig]", f'events = "{events}"\n[sources.rig]', 1)
            with Unit(tmp_path, text) as unit:
                unit.ask("quarantine", name=name, reason="test")
                assert unit.stop() == 0
            assert not (tmp_path / "state" / "events.jsonl").exists()
            assert place is None or '"kind":"isolate"' in place.read_text(encoding="utf-8")


def test_a_state_folder_that_cannot_be_made_ends_it_with_one(tmp_path: Path) -> None:
    """systemd shows the text: which folder, and what to do."""
    (tmp_path / "state").write_text("a file is in the way", encoding="utf-8")
    config = tmp_path / "sickbay.toml"
    config.write_text(configuration(tmp_path), encoding="utf-8")
    said = sickbay("run", "--config", str(config))
    assert said.returncode == 1
    assert f"{tmp_path}/state: the state folder cannot be written" in said.stderr and "paths.state" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("way", ["/proc/sickbay/state", "/sys/sickbay/state"])
def test_a_state_folder_where_nothing_can_be_made_ends_it_with_one(tmp_path: Path, way: str) -> None:
    """Read-only places refuse in other words than a file that is in the way."""
    config = tmp_path / "sickbay.toml"
    config.write_text(configuration(tmp_path).replace(f'state = "{tmp_path}/state"', f'state = "{way}"'), "utf-8")
    said = sickbay("run", "--config", str(config))
    assert said.returncode == 1 and f"{way}: the state folder cannot be written" in said.stderr


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """A shell beside the service is how it happens; two would undo each other's quarantines."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        said = sickbay("run", "--config", str(unit.config))
        assert said.returncode == 1
        assert "another sickbay is at work with this state folder" in said.stderr
        assert unit.socket.exists()
        unit.reads()


def opened(unit: Unit) -> list[dict[str, Any]]:
    """This returns what the ledger holds of escalations that left."""
    return [row for row in unit.ask("ledger") if row["what"] == "escalation.opened"]


@contextlib.contextmanager
def log_beside(folder: Path) -> Iterator[IO[bytes]]:
    """This gives a pipe into the log that does not share the daemon's disk."""
    with (folder / "log").open("ab") as log:
        cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)
        assert cat.stdin is not None
        try:
            yield cat.stdin
        finally:
            cat.stdin.close()
            cat.wait()


def test_a_full_disk_is_told_once_and_what_must_leave_leaves(tmp_path: Path) -> None:
    """A full card is itself a fault that somebody must know of, and no reason to fall silent about others."""
    with Broker() as broker, Line(tmp_path) as line, log_beside(tmp_path) as log:
        text = configuration(tmp_path, f'[mqtt]\nurl = "{broker.url}"\n')
        with Unit(tmp_path, text, stderr=log) as unit:
            assert unit.process is not None
            unit.until_status("the broker", lambda s: s["uplink"]["state"] == "connected")
            # From now on no file may grow. Python ignores SIGXFSZ, so that each write fails, as on a full disk.
            _, hard = resource.prlimit(unit.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            line.say = lambda row: b'{"a": 5000, "b": %r}\n' % row["b"]
            found = unit.until_status("its case", lambda s: [f for f in s["faults"] if f["class"] == "store"])
            (store,) = [f for f in found["faults"] if f["class"] == "store"]
            assert (store["target"], store["layer"]) == ("journal", "surroundings")
            assert found["signals"]["a"]["state"] == "isolated", "isolation waits for no disk"
            assert found["outbox"]["healthy"] is False
            for _ in range(5):
                unit.ask("ack", name="a")
            unit.until_status("what must leave", lambda s: len(opened(unit)) >= 2)
            assert unit.log().count(" E ") == 1 and unit.log().count("kept in memory") == 2, "once, and as evidence"
            assert unit.status()["events_lost"] > 0
            resource.prlimit(unit.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
            unit.ask("ack", name="a")
            unit.until_status("the disk", lambda s: s["outbox"]["healthy"])
            unit.says("the journal can be written again")
            assert "Traceback" not in unit.log()
            kept = {row["id"] for row in opened(unit)}
            assert unit.stop() == 0
            unit.start()
            assert kept <= {row["id"] for row in opened(unit)}, "what waited in memory is on the disk"


HURRY = {"WATCHDOG_USEC": "600000"}  # upkeep comes as often as a watchdog asks: here every 0.3 s


def test_lost_records_are_told_to_a_person_too(tmp_path: Path) -> None:
    """A quarantine that was lost with the file has put its part back in service: a line in a log is not enough."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sickbay.db").write_bytes(b"SQLite format 3\0" + os.urandom(20_000))
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        found = unit.event("escalate", unit.event("fault", unit.until_fault("store")["id"])["id"])
        assert found["severity"] == "major"
        assert "moved aside" in unit.ask("why", name="journal")["faults"][0]["evidence"][0]


def test_a_state_folder_that_was_taken_away_is_noticed_and_made_again(tmp_path: Path) -> None:
    """Somebody tidies up. The file that is held open goes on taking writes that nobody will ever read."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path), env=HURRY) as unit:
        assert unit.cli("quarantine", "a", "--reason", "loose").returncode == 0
        shutil.rmtree(tmp_path / "state")
        unit.says("was gone; begun anew")
        unit.until_fault("store")
        unit.kill()
        unit.start()
        assert unit.status()["signals"]["a"]["state"] == "isolated"


def test_a_time_before_a_restart_stays_what_it_was(tmp_path: Path) -> None:
    """ "Since" is what a technician plans by; after a week without power it must not say "4 s ago"."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        assert unit.cli("quarantine", "a", "--reason", "loose").returncode == 0
        before = datetime.fromisoformat(unit.status()["signals"]["a"]["since"])
        assert unit.stop() == 0
        time.sleep(1.5)
        unit.start()
        after = datetime.fromisoformat(unit.status()["signals"]["a"]["since"])
        assert abs((after - before).total_seconds()) < 0.5

"""These look at the worker from outside, as the kernel does: its limits, its place in the queue, its end."""

import os
import select
import signal
import subprocess
from pathlib import Path

from sickbay.edge.scorer import frames, worker
from sickbay.edge.scorer.launch import launch, load_of
from tiny_models import PATIENCE_S, unit_file


def settled(process: subprocess.Popen[bytes]) -> list[frames.Report]:
    """This returns the reports of a worker up to the one that says it is settled."""
    assert process.stdout is not None
    splitter, reports = frames.Splitter(), []
    while not reports or not reports[-1].settled:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], "the worker says nothing"
        data = os.read(process.stdout.fileno(), 65536)
        assert data, "the worker ended"
        reports += [frames.report(body) for kind, body in splitter.feed(data) if kind == frames.REPORT]
    return reports


def ended(process: subprocess.Popen[bytes]) -> int:
    """This returns how the worker ended, its pipes closed."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    code = process.wait(PATIENCE_S)
    process.stdout.close()
    return code


def test_it_is_ready_on_pure_python_and_switches_once_behind_that(tmp_path: Path) -> None:
    """A device must not be without its model for as long as an import of numpy takes."""
    process = launch(load_of({"pump": unit_file(tmp_path)}, None, ""))
    reports = settled(process)
    assert [(r.file != "", r.runtime, r.settled) for r in reports] == [
        (True, "", False),
        (False, "python", False),
        (False, "litert", True),
    ]
    assert ended(process) == 0


def test_it_ends_when_its_stdin_does(tmp_path: Path) -> None:
    """A daemon that is killed -9 closes the pipe and nothing else; no worker may be left behind."""
    process = launch(load_of({"pump": unit_file(tmp_path)}, None, "python"))
    assert ended(process) == 0


def test_it_leaves_ctrl_c_and_sigterm_to_the_daemon(tmp_path: Path) -> None:
    """Both reach the whole process group; a worker that died first would look like a fault during each stop."""
    process = launch(load_of({"pump": unit_file(tmp_path)}, None, "python"))
    settled(process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.stdin is not None and process.stdout is not None
    os.write(process.stdin.fileno(), frames.ask_frame(1, 0, [0.0, 0.0, 0.0]))
    assert select.select([process.stdout], [], [], PATIENCE_S)[0]
    [(kind, body)] = list(frames.Splitter().feed(os.read(process.stdout.fileno(), 65536)))
    assert kind == frames.ANSWER and len(frames.answer(body)[1]) == 3
    assert ended(process) == 0


def test_it_bounds_itself(tmp_path: Path) -> None:
    """What reads files from outside gets no more of the machine than it needs, and goes first when memory runs out."""
    process = launch(load_of({"pump": unit_file(tmp_path)}, None, ""))
    settled(process)
    proc = Path(f"/proc/{process.pid}")
    limits = {line[:25].strip(): line[25:].split()[:2] for line in (proc / "limits").read_text().splitlines()}
    assert limits["Max address space"] == [str(worker.ADDRESS_SPACE_BYTES)] * 2
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == [str(worker.FILES_OPEN_MAX)] * 2
    assert int((proc / "oom_score_adj").read_text()) == worker.OOM_SCORE
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + worker.NICENESS
    assert ended(process) == 0


def test_words_it_does_not_understand_end_it(tmp_path: Path) -> None:
    """A stream out of step never gets back into step; a new worker does."""
    process = launch(load_of({"pump": unit_file(tmp_path)}, None, "python"))
    settled(process)
    assert process.stdin is not None
    os.write(process.stdin.fileno(), b"\xff" * 64)
    assert ended(process) != 0

"""These hold the worker of replay, score and bench: it waits for each answer, and never for ever."""

import os
import signal
from pathlib import Path

import pytest

from sickbay.core.effects import Question
from sickbay.edge.scorer.blocking import DEATHS_MAX, BlockingWorker
from sickbay.edge.scorer.network import run
from sickbay.edge.scorer.runtimes import tolerance
from tiny_models import FAN, FAN_NETWORK, PUMP, PUMP_NETWORK, ROW, halt, unit_file


def test_it_is_on_its_final_runtime_from_the_first_answer_on(tmp_path: Path) -> None:
    """A recording replayed twice must give the same numbers twice."""
    path = unit_file(tmp_path)
    with BlockingWorker({"pump": path, "fan": path}, signals={"pump": PUMP, "fan": FAN}) as worker:
        assert worker.status() == {"runtime": "litert", "parts": {"pump": "ok", "fan": "ok"}}
        first = worker.ask(Question("pump", 5, ROW))
        assert (first.part, first.at_ms) == ("pump", 5)
        assert first.estimates == pytest.approx(run(PUMP_NETWORK, ROW), abs=tolerance(PUMP_NETWORK, ROW))
        assert worker.ask(Question("pump", 5, ROW)) == first


def test_many_are_answered_in_order_and_unknown_parts_with_none(tmp_path: Path) -> None:
    """All parts of one moment are asked at once."""
    path = unit_file(tmp_path)
    with BlockingWorker({"pump": path, "fan": path}, only="python") as worker:
        questions = [
            Question(("pump", "fan", "none")[i % 3], i, ROW if i % 3 == 0 else (float(i), 1.0)) for i in range(100)
        ]
        answers = worker.ask_all(questions)
        assert [(a.part, a.at_ms) for a in answers] == [(q.part, q.at_ms) for q in questions]
        assert answers[1].estimates == pytest.approx(run(FAN_NETWORK, (1.0, 1.0)))
        assert all((a.estimates is None) == (a.part == "none") for a in answers)


def test_a_killed_worker_costs_one_answer(tmp_path: Path) -> None:
    """A bench of a million rows goes on."""
    with BlockingWorker({"pump": unit_file(tmp_path)}, only="python") as worker:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.ask(Question("pump", 1, ROW)).estimates is None
        assert worker.ask(Question("pump", 2, ROW)).estimates is not None


def test_a_hanging_worker_costs_one_deadline(tmp_path: Path) -> None:
    """A stopped process answers nobody."""
    with BlockingWorker({"pump": unit_file(tmp_path)}, 100, only="python") as worker:
        first = worker.pid
        assert first is not None
        halt(first)
        assert worker.ask(Question("pump", 1, ROW)).estimates is None
        assert not Path(f"/proc/{first}").exists()


def test_it_gives_up_after_some_deaths_and_says_so(tmp_path: Path) -> None:
    """A program that waits must not start workers for ever."""
    with BlockingWorker({"pump": unit_file(tmp_path)}, only="python") as worker:
        for _ in range(DEATHS_MAX):
            if worker.pid is None:
                worker.ask(Question("pump", 0, ROW))
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            assert worker.ask(Question("pump", 1, ROW)).estimates is None
        assert worker.ask(Question("pump", 2, ROW)).estimates is None
        assert worker.status()["runtime"] == "none"
        assert f"died {DEATHS_MAX} times" in worker.status()["parts"]["pump"]


def test_a_bad_file_is_told_by_the_status(tmp_path: Path) -> None:
    """Whoever scores with a file that is none must not take silence for health."""
    with BlockingWorker({"pump": tmp_path / "gone.tflite"}) as worker:
        assert worker.ask(Question("pump", 1, ROW)).estimates is None
        assert worker.status()["runtime"] == "none" and "No such file" in worker.status()["parts"]["pump"]

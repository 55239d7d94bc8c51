"""These run real worker processes: whatever becomes of one, each question gets exactly one answer and the caller lives on."""

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sickbay.core.effects import Question
from sickbay.edge.scorer import network, runtimes
from sickbay.edge.scorer.client import DEATHS_MAX, IN_FLIGHT_MAX
from sickbay.edge.scorer.emit import emit
from tiny_models import FAN, FAN_NETWORK, FILE, PUMP, PUMP_NETWORK, ROW, Ward, halt, mutant, unit_file

SIGNALS = {"pump": PUMP, "fan": FAN}


def near(got: tuple[float, ...] | None, net: network.Network, row: tuple[float, ...]) -> bool:
    wanted = network.run(net, row)
    return got is not None and got == pytest.approx(wanted, abs=runtimes.tolerance(net, row))


def test_each_part_of_a_unit_s_file_is_answered_by_its_own_block(tmp_path: Path) -> None:
    """One file serves the whole unit, and parts must not speak into each other."""

    async def run() -> None:
        path = unit_file(tmp_path)
        async with Ward({"pump": path, "fan": path}, signals=SIGNALS) as ward:
            await ward.settled()
            assert near(await ward.ask("pump", ROW, 7), PUMP_NETWORK, ROW)
            assert near(await ward.ask("fan", (3.0, 1.0), 8), FAN_NETWORK, (3.0, 1.0))
            assert [(r.part, r.at_ms) for r in ward.got] == [("pump", 7), ("fan", 8)]
            assert ward.worker.status() == {"runtime": "litert", "parts": {"pump": "ok", "fan": "ok"}}

    asyncio.run(run())


@pytest.mark.parametrize("runtime", ["litert", "numpy", "python"])
def test_a_runtime_can_be_pinned(tmp_path: Path, runtime: str) -> None:
    """A bench that compares machines must know what it runs on."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}, only=runtime) as ward:
            await ward.settled()
            assert ward.worker.status()["runtime"] == runtime
            assert near(await ward.ask("pump", ROW), PUMP_NETWORK, ROW)

    asyncio.run(run())


def test_start_returns_before_the_worker_is_ready_and_early_questions_get_none(tmp_path: Path) -> None:
    """The daemon is ready half a second after its start whatever the worker takes."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}) as ward:
            assert ward.worker.status()["runtime"] == "none"
            assert await ward.ask("pump", ROW) is None
            await ward.settled()
            assert await ward.ask("pump", ROW) is not None
            assert ward.worker.counts.absent == 1

    asyncio.run(run())


def test_the_answer_never_comes_from_within_ask(tmp_path: Path) -> None:
    """The caller is in the middle of acting on effects when it asks; an answer then would re-enter it."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}) as ward:
            ward.worker.ask(Question("pump", 1, ROW))
            ward.worker.ask(Question("no such part", 2, ROW))
            assert ward.got == []
            assert [r.estimates for r in await ward.answers(2)] == [None, None]

    asyncio.run(run())


def test_bad_files_cost_their_own_parts_alone_and_are_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad file on a unit must not take the model from the other parts, nor fill the log."""
    bodies = {
        "empty": b"",
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "elf": Path(sys.executable).resolve().read_bytes()[:100_000],
        "cut": FILE[:300],
        "zeros": bytes(1000),
    }
    models = {"pump": unit_file(tmp_path), "folder": tmp_path, "gone": tmp_path / "gone.tflite"}
    for name, body in bodies.items():
        models[name] = tmp_path / name
        models[name].write_bytes(body)

    async def run() -> None:
        async with Ward(models, backoff_s=(0.01, 0.01)) as ward:
            await ward.settled()
            for part in models:
                answer = await ward.ask(part, ROW)
                assert (answer is not None) == (part == "pump"), part
            texts = ward.worker.status()["parts"]
            assert texts["pump"] == "ok"
            assert "is a folder" in texts["folder"] and "No such file" in texts["gone"]
            assert "it is empty" in texts["empty"] and "7f 45 4c 46" in texts["elf"]
            first = ward.worker.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await ward.another_worker(first)

    with caplog.at_level(logging.WARNING, "sickbay.model"):
        asyncio.run(run())
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == len(set(said)) == len(models), "one line a bad part, and one for the killed worker"
    assert all("judged by its statistics alone" in text for text in said)


def test_a_file_that_does_not_fit_the_part_is_refused_with_both_lists(tmp_path: Path) -> None:
    """A model of other signals would compare litres with degrees."""

    async def run() -> None:
        path = unit_file(tmp_path)
        swapped = ("pressure", "flow", "current")
        models = {"pump": path, "fan": path, "heater": path}
        async with Ward(models, signals={"pump": swapped, "fan": FAN, "heater": ("a", "b")}) as ward:
            await ward.settled()
            texts = ward.worker.status()["parts"]
            assert "judges pump by flow, pressure, current; here it has pressure, flow, current" in texts["pump"]
            assert "knows no part 'heater', only fan, pump" in texts["heater"]
            assert await ward.ask("pump", ROW) is None and await ward.ask("fan", (0.0, 0.0)) is not None

    asyncio.run(run())


def test_a_row_of_another_width_gets_none_and_the_status_says_why(tmp_path: Path) -> None:
    """Without the signals' names the misfit shows only when the first row comes."""

    async def run() -> None:
        bare = tmp_path / "bare.tflite"
        bare.write_bytes(emit(PUMP_NETWORK))
        async with Ward({"pump": bare}) as ward:
            await ward.settled()
            assert await ward.ask("pump", (1.0, 2.0)) is None
            assert "3 inputs and no card; pump has 2 signals" in ward.worker.status()["parts"]["pump"]
            assert near(await ward.ask("pump", ROW), PUMP_NETWORK, ROW)
            assert await ward.ask("pump", (0.0,) * 300) is None

    asyncio.run(run())


def test_cells_that_are_not_numbers_do_not_reach_the_network(tmp_path: Path) -> None:
    """A missing cell is 0.0 and an absurd one is bounded, so that one of them does not blind the part."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}) as ward:
            await ward.settled()
            nan = await ward.ask("pump", (float("nan"), -2.0, 0.5))
            assert near(nan, PUMP_NETWORK, (0.0, -2.0, 0.5))
            wild = await ward.ask("pump", (float("inf"), -2.0, 0.5))
            assert near(wild, PUMP_NETWORK, (1e6, -2.0, 0.5))

    asyncio.run(run())


def test_a_killed_worker_comes_back_and_its_questions_get_none(tmp_path: Path) -> None:
    """The kernel kills it first when memory runs out: that is by design and must be harmless."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}, deadline_ms=60_000, backoff_s=(0.01, 0.01)) as ward:
            await ward.settled()
            first = ward.worker.pid
            assert first is not None
            await ward.dies_of("pump", 5)
            assert [(r.at_ms, r.estimates) for r in await ward.answers(5)] == [(i, None) for i in range(5)]
            await ward.another_worker(first)
            assert near(await ward.ask("pump", ROW), PUMP_NETWORK, ROW)
            assert ward.worker.counts.lost == 5 and ward.worker.counts.restarts == 1

    asyncio.run(run())


def test_a_hanging_worker_is_replaced_after_three_missed_deadlines(tmp_path: Path) -> None:
    """A stopped process looks alive to everybody who does not wait for an answer."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}, deadline_ms=20, backoff_s=(0.01, 0.01)) as ward:
            await ward.settled()
            first = ward.worker.pid
            assert first is not None
            halt(first)
            for _ in range(3):
                assert await ward.ask("pump", ROW) is None
            assert await ward.another_worker(first) != first
            assert ward.worker.counts.missed == 3

    asyncio.run(run())


def test_questions_of_one_moment_count_as_one_miss(tmp_path: Path) -> None:
    """One hiccup of the machine hits the rows of all parts at once, and is no reason to kill a worker."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}, deadline_ms=300) as ward:
            await ward.settled()
            first = ward.worker.pid
            assert first is not None
            halt(first)
            for at_ms in range(6):
                ward.worker.ask(Question("pump", at_ms, ROW))
            assert all(r.estimates is None for r in await ward.answers(6))
            os.kill(first, signal.SIGCONT)
            while await ward.ask("pump", ROW) is None:  # it first works off what nobody waits for any more
                pass
            assert ward.worker.pid == first

    asyncio.run(run())


def test_a_full_worker_says_none_instead_of_waiting(tmp_path: Path) -> None:
    """The daemon's loop must never stand behind a worker that does not keep up."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}, deadline_ms=60_000, backoff_s=(0.01, 0.01)) as ward:
            await ward.settled()
            assert ward.worker.pid is not None
            halt(ward.worker.pid)
            for at_ms in range(IN_FLIGHT_MAX + 10):
                ward.worker.ask(Question("pump", at_ms, ROW))
            assert [r.at_ms for r in await ward.answers(10)] == list(range(IN_FLIGHT_MAX, IN_FLIGHT_MAX + 10))
            assert ward.worker.counts.full == 10
            os.kill(ward.worker.pid, signal.SIGCONT)
            assert len(await ward.answers(IN_FLIGHT_MAX + 10)) == IN_FLIGHT_MAX + 10
            assert ward.worker.counts.answered == IN_FLIGHT_MAX

    asyncio.run(run())


def test_a_file_the_worker_dies_of_is_set_aside_and_the_other_goes_on(tmp_path: Path) -> None:
    """A worker that dies and comes back for ever would cost more than the model is worth."""

    async def run() -> None:
        bad, good = unit_file(tmp_path, "bad.tflite"), unit_file(tmp_path, "good.tflite")
        async with Ward({"pump": bad, "fan": good}, deadline_ms=60_000, backoff_s=(0.001, 0.001)) as ward:
            pid = None
            for _ in range(DEATHS_MAX):
                pid = await ward.another_worker(pid)
                await ward.dies_of("pump")
            await ward.another_worker(pid)
            texts = ward.worker.status()["parts"]
            assert "set aside" in texts["pump"] and "bad.tflite" in texts["pump"] and texts["fan"] == "ok"
            assert await ward.ask("pump", ROW) is None
            assert near(await ward.ask("fan", (3.0, 1.0)), FAN_NETWORK, (3.0, 1.0))

    asyncio.run(run())


def test_a_worker_that_hangs_at_its_start_is_replaced(tmp_path: Path) -> None:
    """A file on a dead network drive, or a swapping machine: the start has a bound too."""

    async def run() -> None:
        ward = Ward({"pump": unit_file(tmp_path)}, start_s=2.0, backoff_s=(0.01, 0.01))
        async with ward:
            first = ward.worker.pid
            assert first is not None
            halt(first)
            await ward.another_worker(first)
            assert await ward.ask("pump", ROW) is not None

    asyncio.run(run())


def test_stop_leaves_no_process_behind_and_answers_what_is_open(tmp_path: Path) -> None:
    """Under systemd a left-over process would keep the unit from stopping."""

    async def run() -> None:
        ward = Ward({"pump": unit_file(tmp_path)}, deadline_ms=60_000)
        async with ward:
            await ward.settled()
            pid = ward.worker.pid
            assert pid is not None
            halt(pid)
            ward.worker.ask(Question("pump", 3, ROW))
        assert [(r.at_ms, r.estimates) for r in ward.got] == [(3, None)]
        assert not Path(f"/proc/{pid}").exists()
        assert ward.worker.status() == {"runtime": "none", "parts": {"pump": "the model worker is stopped"}}

    asyncio.run(run())


def test_a_unit_without_models_runs_no_process() -> None:
    """Most small units name no model: they must not pay for one."""

    async def run() -> None:
        async with Ward({}) as ward:
            await ward.settled()
            assert ward.worker.pid is None and ward.worker.status() == {"runtime": "none", "parts": {}}
            assert await ward.ask("pump", ROW) is None

    asyncio.run(run())


def test_a_runtime_that_does_not_exist_is_said(tmp_path: Path) -> None:
    """A slip of the pen must not look like a device without numpy."""

    async def run() -> None:
        async with Ward({"pump": unit_file(tmp_path)}, only="tensorflow") as ward:
            await ward.settled()
            assert 'no runtime "tensorflow"' in ward.worker.status()["parts"]["pump"]

    asyncio.run(run())


def test_mutants_do_not_kill_a_real_worker(tmp_path: Path) -> None:
    """A damaged file is refused or judged as the network it still is; the process lives, the others are served."""
    chance = random.Random(7)
    models = {"pump": unit_file(tmp_path)}
    for i in range(300):
        name = f"m{i:03d}"
        models[name] = tmp_path / name
        models[name].write_bytes(mutant(chance, FILE.replace(b'"pump"', f'"{name}"'.encode())))

    async def run() -> None:
        async with Ward(models, deadline_ms=20_000) as ward:
            await ward.settled()
            pid, answered = ward.worker.pid, 0
            for part in models:
                answered += await ward.ask(part, ROW) is not None
            assert ward.worker.pid == pid and ward.worker.counts.restarts == 0
            texts = ward.worker.status()["parts"]
            assert texts["pump"] == "ok" and 10 < answered < 290, answered

    asyncio.run(run())


def test_the_daemon_s_side_never_loads_numpy() -> None:
    """Numpy alone is as large as the daemon may be."""
    code = (
        "import sys, sickbay.edge.scorer.client, sickbay.edge.scorer.blocking, sickbay.edge.scorer.model_file,"
        " sickbay.edge.scorer.find; sys.exit(any(m in sys.modules for m in ('numpy', 'flatbuffers', 'ai_edge_litert')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""This is the daemon's side of the model worker: questions out, residuals in, a dead or hung worker replaced.

Nothing here blocks, and nothing here can hurt the daemon: whatever becomes of the worker, each question is answered
once, with estimates or with None, and the statistics go on without the model.
"""

import asyncio
import logging
import os
import select
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sickbay.core.effects import Question
from sickbay.core.reading import Residuals
from sickbay.edge.scorer import frames
from sickbay.edge.scorer.launch import launch, load_of
from sickbay.edge.scorer.network import ROW_MAX
from sickbay.errors import ModelFileError

IN_FLIGHT_MAX = 64  # questions; when full, the next is answered with None
MISSES_MAX = 3  # rounds of missed deadlines in a row until the worker is replaced
START_S = 20.0  # from its start until the worker must be ready; a Pi Zero takes 2
SETTLE_S = 60.0  # from ready until a missed deadline counts again, while a better runtime is being imported
BACKOFF_S = (0.2, 30.0)  # first and longest wait before a restart
DEATHS_MAX = 5  # from the same file within DEATHS_MS: the file is set aside
DEATHS_MS = 600_000

_log = logging.getLogger("sickbay.model")


class Counts:
    """What became of the questions, since the start."""

    def __init__(self) -> None:
        self.asked = 0
        self.answered = 0  # with estimates
        self.no_view = 0  # by the worker's own word
        self.missed = 0  # the deadline
        self.full = 0  # too many in flight
        self.absent = 0  # no worker, or it is not ready
        self.lost = 0  # the worker died over them
        self.restarts = 0


class ModelWorker:
    """The model of every part, in a process of its own.

    `models` names each part's file. `signals` names each part's signals in order, so that a file fitted for others is
    refused at the start; without it a misfit shows at the first question. `deliver` gets each answer from the event
    loop, never from within `ask`. `only` pins one runtime of the chain.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        clock: Callable[[], int],
        deliver: Callable[[Residuals], None],
        deadline_ms: int = 250,
        *,
        signals: Mapping[str, tuple[str, ...]] | None = None,
        only: str = "",
        start_s: float = START_S,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._start_s, self._backoff_s = start_s, backoff_s
        self._models, self._signals, self._only = dict(models), signals, only
        self._clock, self._deliver, self._deadline_s = clock, deliver, deadline_ms / 1000
        self._numbers = {part: i for i, part in enumerate(self._models)}
        self.counts = Counts()
        self._worker: subprocess.Popen[bytes] | None = None
        self._to = self._from = -1  # the pipes
        self._splitter = frames.Splitter()
        self._report = frames.Report()
        self._ready = False
        self._flying: dict[int, tuple[str, int, float]] = {}  # seq: part, at_ms, due (loop time); oldest first
        self._unsent: list[tuple[int, Question, bytes]] = []
        self._seq = 0
        self._misses, self._missed_at, self._lenient_until = 0, 0.0, 0.0
        self._due: asyncio.TimerHandle | None = None
        self._next: asyncio.TimerHandle | None = None  # the coming restart, or the end of patience with a start
        self._deaths: deque[int] = deque(maxlen=64)
        self._file_deaths: dict[str, deque[int]] = {}
        self._set_aside: set[str] = set()
        self._refused = ""
        self._said: set[str] = set()
        self._reaping: dict[int, tuple[subprocess.Popen[bytes], asyncio.Future[None]]] = {}  # by pidfd
        self._settled: asyncio.Event = asyncio.Event()
        self._stopped = True

    async def start(self) -> None:
        """This starts the worker and returns at once; until it is ready, questions are answered with None."""
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._launch()

    async def stop(self) -> None:
        """This ends the worker and returns when it is gone. What was outstanding is answered with None."""
        self._stopped = True
        for timer in (self._due, self._next):
            if timer is not None:
                timer.cancel()
        self._due = self._next = None
        self._drop()
        self._settled.set()
        await asyncio.gather(*(gone for _, gone in self._reaping.values()))

    async def settled(self) -> None:
        """This returns when the worker has its final runtime, or when no file is left to run."""
        await self._settled.wait()

    def ask(self, question: Question) -> None:
        """This passes a question on. It never blocks; the answer comes by `deliver`, exactly once."""
        self.counts.asked += 1
        number = self._numbers.get(question.part)
        if self._to < 0 or not self._ready or number is None or len(question.row) > ROW_MAX:
            self.counts.absent += 1
            self._no_view_later(question)
            return
        if len(self._flying) >= IN_FLIGHT_MAX:
            self.counts.full += 1
            self._no_view_later(question)
            return
        seq = self._seq = (self._seq + 1) & 0xFFFFFFFF
        # The parts of one moment go in one write: a hop costs far more than a row.
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append((seq, question, frames.ask_frame(seq, number, question.row)))
        due = self._loop.time() + self._deadline_s
        self._flying[seq] = (question.part, question.at_ms, due)
        if self._due is None:
            self._due = self._loop.call_at(due, self._overdue)

    def _send(self) -> None:
        """This writes what was asked since the last turn of the loop, in portions that a pipe takes whole or not at all."""
        unsent, self._unsent = self._unsent, []
        portion: list[tuple[int, Question, bytes]] = []
        size = 0
        for asked in unsent:
            if asked[0] not in self._flying:
                continue  # answered with None meanwhile: the worker was lost
            if size + len(asked[2]) > select.PIPE_BUF:
                self._write(portion)
                portion, size = [], 0
            portion.append(asked)
            size += len(asked[2])
        if portion:
            self._write(portion)

    def _write(self, portion: list[tuple[int, Question, bytes]]) -> None:
        try:
            os.write(self._to, b"".join(frame for _, _, frame in portion))
            return
        except BlockingIOError:
            self.counts.full += len(portion)
        except OSError:  # it died; its pidfd will say so
            self.counts.absent += len(portion)
        for seq, question, _ in portion:
            del self._flying[seq]
            self._no_view_later(question)

    def status(self) -> dict[str, Any]:
        """This returns {"runtime": litert | tflite | numpy | python | none, "parts": {part: "ok" or what is wrong}}."""
        texts = {}
        for part, path in self._models.items():
            if str(path) in self._set_aside:
                texts[part] = (
                    f"{path}: set aside until the next start: the worker died of it {DEATHS_MAX} times in 10 min"
                )
            elif self._refused:
                texts[part] = self._refused
            elif self._ready:
                texts[part] = self._report.parts.get(part, "ok")
            else:
                texts[part] = "the model worker is starting" if not self._stopped else "the model worker is stopped"
        runtime = self._report.runtime if self._ready and "ok" in texts.values() else "none"
        return {"runtime": runtime, "parts": texts}

    @property
    def pid(self) -> int | None:
        """This is the worker's process, None while there is none."""
        return self._worker.pid if self._worker else None

    # ---- answers

    def _readable(self) -> None:
        try:
            data = os.read(self._from, 65536)
            if not data:
                self._died("ended")
                return
            for kind, body in self._splitter.feed(data):
                if kind == frames.ANSWER:
                    self._answered(*frames.answer(body))
                elif kind == frames.REPORT:
                    self._reported(frames.report(body))
                if self._from < 0:
                    return  # a delivery stopped us
        except BlockingIOError:
            return
        except (OSError, frames.FrameError) as error:
            self._died(f"could not be understood: {error}")

    def _answered(self, seq: int, estimates: tuple[float, ...]) -> None:
        asked = self._flying.pop(seq, None)
        if asked is None:
            return  # it came after its deadline: None was the answer
        self._misses = 0
        if estimates:
            self.counts.answered += 1
        else:
            self.counts.no_view += 1
        self._deliver(Residuals(asked[0], asked[1], estimates or None))

    def _reported(self, report: frames.Report) -> None:
        if report.file:
            self._report = report
            return
        if not self._ready:
            self._lenient_until = self._loop.time() + SETTLE_S
            if self._next is not None:
                self._next.cancel()
                self._next = None
        self._report, self._ready = report, True
        for part, text in report.parts.items():
            if text != "ok":
                self._say(f"part {part} has no model: {text}. It is judged by its statistics alone")
        if report.settled:
            self._lenient_until = 0.0
            self._settled.set()
            _log.info("model runtime: %s", report.runtime)

    def _no_view_later(self, question: Question) -> None:
        self._loop.call_soon(self._deliver, Residuals(question.part, question.at_ms, None))

    # ---- deadlines

    def _overdue(self) -> None:
        now, late = self._loop.time(), False
        self._due = None
        while self._flying:
            seq, (part, at_ms, due) = next(iter(self._flying.items()))
            if due > now:
                break
            del self._flying[seq]
            self.counts.missed += 1
            late = late or due - self._deadline_s >= self._missed_at  # several questions of one moment are one miss
            self._deliver(Residuals(part, at_ms, None))
        if late and now >= self._lenient_until:
            self._missed_at = now
            self._misses += 1
            if self._misses >= MISSES_MAX:
                self._died(f"missed {MISSES_MAX} deadlines of {self._deadline_s * 1000:g} ms in a row")
                return
        if self._flying and self._due is None:
            self._due = self._loop.call_at(next(iter(self._flying.values()))[2], self._overdue)

    # ---- life and death

    def _launch(self) -> None:
        self._next = None
        usable = {part: path for part, path in self._models.items() if str(path) not in self._set_aside}
        self._numbers = {part: i for i, part in enumerate(usable)}
        if not usable:
            self._settled.set()
            return
        self._splitter, self._report = frames.Splitter(), frames.Report()
        self._ready, self._misses, self._missed_at = False, 0, 0.0
        try:
            self._worker = launch(load_of(usable, self._signals, self._only))
        except ModelFileError as error:  # more parts than can be named in one frame
            self._refused = str(error)
            self._say(f"no model is run: {error}")
            self._settled.set()
            return
        except OSError as error:  # no memory, no processes left
            self._restart_later(f"could not be started: {error}")
            return
        assert self._worker.stdin is not None and self._worker.stdout is not None
        self._to, self._from = self._worker.stdin.fileno(), self._worker.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._loop.add_reader(self._from, self._readable)
        self._next = self._loop.call_later(self._start_s, self._died, f"was not ready after {self._start_s:g} s")

    def _died(self, why: str) -> None:
        """This is the end of a worker, by its own doing or by ours: blame, answers, and another one later."""
        file = self._suspect()
        self._drop()
        if self._stopped:
            return
        now = self._clock()
        if file is not None:
            deaths = self._file_deaths.setdefault(file, deque(maxlen=DEATHS_MAX))
            deaths.append(now)
            if len(deaths) == DEATHS_MAX and now - deaths[0] <= DEATHS_MS:
                self._set_aside.add(file)
                self._say(
                    f"{file}: the model worker died of it {DEATHS_MAX} times; it is set aside until the next start"
                )
        self._restart_later(why)

    def _restart_later(self, why: str) -> None:
        now = self._clock()
        self._deaths.append(now)
        recent = sum(1 for at in self._deaths if now - at <= DEATHS_MS)
        wait_s = min(self._backoff_s[0] * 2.0 ** (recent - 1), self._backoff_s[1])
        self._say(
            f"the model worker {why}. It is started again; meanwhile every part is judged by its statistics alone"
        )
        self.counts.restarts += 1
        if self._next is not None:
            self._next.cancel()
        self._next = self._loop.call_later(wait_s, self._launch)

    def _suspect(self) -> str | None:
        """This returns the file that the worker was busy with, None when it was idle."""
        if self._flying:
            return str(self._models[next(iter(self._flying.values()))[0]])
        return self._report.file or None

    def _drop(self) -> None:
        """This kills the worker, answers what is outstanding with None, and leaves its end to be collected."""
        worker, self._worker = self._worker, None
        self._ready = False
        self._settled.clear()
        if self._from >= 0:
            self._loop.remove_reader(self._from)
        self._to = self._from = -1
        if worker is not None:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.close()
            worker.stdout.close()
            worker.send_signal(signal.SIGKILL)
            self._collect(worker)
        if self._due is not None:
            self._due.cancel()
            self._due = None
        outstanding, self._flying = self._flying, {}
        self.counts.lost += len(outstanding)
        for part, at_ms, _ in outstanding.values():
            self._deliver(Residuals(part, at_ms, None))

    def _collect(self, worker: subprocess.Popen[bytes]) -> None:
        if worker.poll() is not None:
            return
        try:
            fd = os.pidfd_open(worker.pid)  # becomes readable when the process is gone: no wait() that could block
        except OSError:  # no descriptor left, or a kernel before 5.3: a killed process is gone within milliseconds
            worker.wait()
            return
        gone: asyncio.Future[None] = self._loop.create_future()
        self._reaping[fd] = (worker, gone)

        def collected() -> None:
            self._loop.remove_reader(fd)
            os.close(fd)
            worker.wait()
            del self._reaping[fd]
            gone.set_result(None)

        self._loop.add_reader(fd, collected)

    def _say(self, text: str) -> None:
        """This logs a thing once."""
        if text not in self._said and len(self._said) < 100:
            self._said.add(text)
            _log.warning("%s", text)

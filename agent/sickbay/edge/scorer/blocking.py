"""This is the model worker for programs that wait for each answer: replay, score, learn and the bench."""

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sickbay.core.effects import Question
from sickbay.core.reading import Residuals
from sickbay.edge.scorer import frames
from sickbay.edge.scorer.launch import launch, load_of
from sickbay.edge.scorer.network import ROW_MAX

START_MS = 20_000
DEATHS_MAX = 5  # after so many the rest goes without the model


class BlockingWorker:
    """A worker that is asked and waited for. It is ready, on its final runtime, when the constructor returns.

    `only` pins one runtime of the chain, e.g. "python", so that a run gives the same numbers on every machine.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        deadline_ms: int = 2_000,
        *,
        signals: Mapping[str, tuple[str, ...]] | None = None,
        only: str = "",
    ) -> None:
        self._load = load_of(models, signals, only)
        self._numbers = {part: i for i, part in enumerate(models)}
        self._deadline_ms = deadline_ms
        self._seq = 0
        self._deaths = 0
        self._worker: subprocess.Popen[bytes] | None = None
        self._report = frames.Report()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def ask(self, question: Question) -> Residuals:
        """This returns the answer; None for estimates when the deadline passed, the worker died or it has no view."""
        return self.ask_all([question])[0]

    def ask_all(self, questions: Sequence[Question]) -> list[Residuals]:
        """This returns the answers in order. Asking for all parts of one moment at once pays for one hop, not for each.

        They are sent in portions that the pipe is sure to hold, so that neither side waits for the other.
        """
        answers: list[Residuals] = []
        for first in range(0, len(questions), 16):
            answers += self._portion(questions[first : first + 16])
        return answers

    def status(self) -> dict[str, Any]:
        """This returns the same as `ModelWorker.status`."""
        texts = dict(self._report.parts)
        if self._worker is None:
            texts = dict.fromkeys(self._numbers, f"the model worker died {self._deaths} times; it is not started again")
        runtime = self._report.runtime if "ok" in texts.values() else "none"
        return {"runtime": runtime, "parts": texts}

    @property
    def pid(self) -> int | None:
        """This is the worker's process, None when there is none any more."""
        return self._worker.pid if self._worker else None

    def close(self) -> None:
        """This ends the worker."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.communicate()

    def _start(self) -> None:
        while self._worker is None and self._deaths < DEATHS_MAX:
            self._splitter = frames.Splitter()
            try:
                self._worker = launch(self._load)
            except OSError:
                self._deaths += 1
                continue
            due = time.monotonic() + START_MS / 1000
            while self._worker is not None and not self._report.settled:
                for kind, body in self._frames(due):
                    if kind == frames.REPORT:
                        self._report = frames.report(body)

    def _portion(self, questions: Sequence[Question]) -> list[Residuals]:
        wanted: dict[int, int] = {}
        estimates: list[tuple[float, ...] | None] = [None] * len(questions)
        if self._worker is None:
            self._start()
        if self._worker is not None:
            batch = []
            for place, question in enumerate(questions):
                number = self._numbers.get(question.part)
                if number is not None and len(question.row) <= ROW_MAX:
                    self._seq = (self._seq + 1) & 0xFFFFFFFF
                    wanted[self._seq] = place
                    batch.append(frames.ask_frame(self._seq, number, question.row))
            self._send(b"".join(batch))
        due = time.monotonic() + self._deadline_ms / 1000
        while wanted and self._worker is not None:
            for kind, body in self._frames(due):
                if kind == frames.REPORT:
                    self._report = frames.report(body)
                elif kind == frames.ANSWER:
                    seq, values = frames.answer(body)
                    if (place := wanted.pop(seq, -1)) >= 0:
                        estimates[place] = values or None
        return [Residuals(q.part, q.at_ms, e) for q, e in zip(questions, estimates, strict=True)]

    def _send(self, batch: bytes) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        try:
            while batch:
                batch = batch[os.write(self._worker.stdin.fileno(), batch) :]
        except OSError:
            self._bury()

    def _frames(self, due: float) -> list[tuple[int, bytes]]:
        """This returns the frames that came by `due`; a worker that is late, dead or not understood is buried."""
        assert self._worker is not None and self._worker.stdout is not None
        fd = self._worker.stdout.fileno()
        ready = select.poll()
        ready.register(fd, select.POLLIN)
        if ready.poll(max(0.0, due - time.monotonic()) * 1000):
            data = os.read(fd, 65536)
            if data:
                try:
                    return list(self._splitter.feed(data))
                except frames.FrameError:
                    pass
        self._bury()
        return []

    def _bury(self) -> None:
        self._deaths += 1
        self._report = frames.Report()
        self.close()

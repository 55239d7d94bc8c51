"""This is the model worker's own process: the only one that reads model files and loads numpy or LiteRT.

It answers with the pure-Python runtime at once; a thread imports a better one behind it, and one assignment switches
over. It ends when its stdin does, so that it never outlives the daemon. What it is told and what it says: `frames`.
"""

import contextlib
import math
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence

from sickbay.edge.scorer import card, frames, model_file, network, runtimes
from sickbay.edge.scorer.frames import Load, Report
from sickbay.edge.scorer.network import Network
from sickbay.edge.scorer.runtimes import Run
from sickbay.errors import ModelFileError

ADDRESS_SPACE_BYTES = 768 * 1024 * 1024  # numpy and LiteRT map 130 MiB on x86-64, of which 40 become resident
FILES_OPEN_MAX = 64
OOM_SCORE = 800  # of 1000: under memory pressure this process goes first
NICENESS = 5
CELL_MAX = 1e6  # standardised; a cell beyond it says no more than that it is absurd, and float32 stays exact enough
TEXT_MAX = 300  # of what is said of one part


class Models:
    """The networks of all parts, computed by the runtime of the moment."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._files: dict[str, tuple[Network, card.Card | None] | str] = {}
        self._networks: dict[tuple[int, int], Network] = {}  # by part and width
        self._runs: dict[tuple[int, int], Run] = {}
        self._lock = threading.Lock()  # held to change what is above and to write a whole frame
        self.runtime = "python"
        self.settled = False
        self.passed_over: dict[str, str] = {}
        self.texts = {part: "ok" for part, _, _ in load.parts}

    def read_files(self) -> None:
        """This reads every file once and opens every part whose width is known, on the pure-Python runtime."""
        for _, path, _ in self._load.parts:
            if path not in self._files:
                self.tell(Report(file=path))
                self._files[path] = _read(path)
        for index, (_, path, signals) in enumerate(self._load.parts):
            if signals is None:
                signals = self._signals_on_card(index)
            if signals is not None:
                self._open(index, len(signals))
            elif isinstance(text := self._files[path], str):
                self._refuse(index, text)

    def answer(self, index: int, row: Sequence[float]) -> Sequence[float]:
        """This returns the estimates for a part's row; empty where there is no view."""
        key = (index, len(row))
        run = self._runs.get(key)
        if run is None:
            if not self._open(*key):
                return ()
            run = self._runs[key]
        estimates = run([x if -CELL_MAX <= x <= CELL_MAX else _clamp(x) for x in row])
        return estimates if all(map(math.isfinite, estimates)) else ()

    def better_runtime(self) -> None:
        """This tries the chain from its best end and switches once to the first that works for every part."""
        try:
            self._switch([self._load.only] if self._load.only else runtimes.CHAIN)
        finally:  # whatever a native runtime threw, pure Python goes on and the daemon hears that nothing better comes
            self.settled = True
            self.report()

    def _switch(self, chain: Sequence[str]) -> None:
        with self._lock:
            known = dict(self._networks)  # what is opened meanwhile is opened once more after the switch
        for name in chain:
            try:
                runs = {key: runtimes.open_runtime(name, net) for key, net in known.items()}
            except runtimes.FAILURES as error:
                self.passed_over[name] = f"{type(error).__name__}: {error}"[:TEXT_MAX]
                continue
            with self._lock:
                self.runtime, self._runs = name, runs
            return

    def report(self) -> None:
        self.tell(Report("", self.runtime, self.settled, dict(self.texts), dict(self.passed_over)))

    def tell(self, report: Report) -> None:
        self.write(frames.report_frame(report))

    def write(self, frame: bytes) -> None:
        """This writes whole frames to stdout, which blocks for as long as the daemon does not read."""
        try:
            with self._lock:
                while frame:
                    frame = frame[os.write(1, frame) :]
        except BrokenPipeError:
            os._exit(0)  # nobody listens any more

    def _open(self, index: int, width: int) -> bool:
        """This makes a part's network ready for rows of `width`; where it does not fit, says so once."""
        part, path, signals = self._load.parts[index]
        found = self._files[path]
        if isinstance(found, str):
            self._refuse(index, found)
            return False
        if signals is not None and len(signals) != width:
            self._refuse(index, f"a row of {width} cells was asked about; {part} has {len(signals)} signals")
            return False
        try:
            net = _part_of(*found, part, signals, width)
        except ModelFileError as error:
            self._refuse(index, f"{path}: {error}")
            return False
        with self._lock:
            name = self.runtime
        try:
            run = runtimes.open_runtime(name, net)
        except runtimes.FAILURES:
            run = runtimes.open_runtime("python", net)
        with self._lock:
            self._networks[index, width] = net
            self._runs[index, width] = run
        return True

    def _refuse(self, index: int, text: str) -> None:
        part = self._load.parts[index][0]
        text = text[:TEXT_MAX]
        if self.texts[part] != text:
            self.texts[part] = text
            self.report()

    def _signals_on_card(self, index: int) -> tuple[str, ...] | None:
        part, path, _ = self._load.parts[index]
        found = self._files[path]
        if isinstance(found, str) or found[1] is None or part not in found[1].parts:
            return None
        return found[1].parts[part].signals


def main() -> None:
    """This is the worker's whole life: limits, files, questions, the end of stdin."""
    set_limits()
    splitter = frames.Splitter()
    models: Models | None = None
    while data := os.read(0, 65536):
        answers = []
        for kind, body in splitter.feed(data):
            if kind == frames.LOAD and models is None:
                models = Models(frames.load(body))
                models.read_files()
                models.report()
                threading.Thread(target=models.better_runtime, name="better runtime", daemon=True).start()
            elif kind == frames.ASK and models is not None:
                seq, index, row = frames.ask(body)
                answers.append(frames.answer_frame(seq, models.answer(index, row)))
        if answers and models is not None:
            models.write(b"".join(answers))
    os._exit(0)  # a thread may be in the middle of an import; there is nothing to put away


def set_limits() -> None:
    """This bounds the process: memory, files, no core dump; it runs behind the daemon and is killed before it."""
    for kind, most in (
        (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, FILES_OPEN_MAX),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    with contextlib.suppress(OSError):  # a sandbox may forbid either; the worker works as well without
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"%d" % OOM_SCORE)
        os.close(fd)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    for order in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C and systemd reach the whole group; the daemon ends us
        signal.signal(order, signal.SIG_IGN)
    sys.setswitchinterval(0.0005)  # questions wait no longer than this behind the importing thread's bytecode


def _read(path: str) -> tuple[Network, card.Card | None] | str:
    """This returns what a file holds, or what is wrong with it."""
    try:
        raw = model_file.load(path)
    except ModelFileError as error:
        return str(error)
    try:
        return model_file.read_network(raw), model_file.read_card(raw)
    except ModelFileError as error:
        return f"{path}: {error}"


def _part_of(whole: Network, of: card.Card | None, part: str, signals: tuple[str, ...] | None, width: int) -> Network:
    """This returns the network of one part as wide as its rows; cells left over in a wider place are 0.0."""
    if of is None:
        if whole.inputs != width:
            raise ModelFileError(f"the network has {whole.inputs} inputs and no card; {part} has {width} signals")
        return network.block(whole, 0, width)
    entry = card.place(of, part, signals, width)
    return network.narrowed(network.block(whole, entry.offset, len(entry.signals)), width)


def _clamp(x: float) -> float:
    return 0.0 if x != x else math.copysign(CELL_MAX, x)


if __name__ == "__main__":
    main()

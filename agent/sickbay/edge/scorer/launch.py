"""This starts a model worker as a process of its own: exec'd, with nothing inherited but three pipes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import sickbay
from sickbay.edge.scorer.frames import Load, load_frame
from sickbay.edge.scorer.runtimes import CHAIN
from sickbay.errors import ModelFileError

# -I ignores PYTHON* and the working folder; the folder this very package came from is put back by hand, so that an
# installed, an editable and a plain source tree all start the worker of their own version.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from sickbay.edge.scorer.worker import main; main()"
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "HOME", "TMPDIR")


def launch(load: Load) -> subprocess.Popen[bytes]:
    """This returns a running worker that has been told what to load; its pipes are unbuffered."""
    first = load_frame(load)
    worker = subprocess.Popen(
        [sys.executable, "-I", "-c", _BOOT, str(Path(sickbay.__file__).parent.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=_environment(),
    )
    assert worker.stdin is not None
    os.write(worker.stdin.fileno(), first)
    return worker


def load_of(models: Mapping[str, Path], signals: Mapping[str, tuple[str, ...]] | None, only: str) -> Load:
    """This returns what a worker is to load, in the order that questions number parts by."""
    if only and only not in CHAIN:
        raise ModelFileError(f'there is no runtime "{only}". There are: {", ".join(CHAIN)}')
    return Load([(part, str(path), signals.get(part) if signals else None) for part, path in models.items()], only)


def _environment() -> dict[str, str]:
    # One thread: a network of eight signals is done before a second one would have woken up, and each costs 8 MiB of
    # stack.
    return {k: os.environ[k] for k in _KEPT if k in os.environ} | {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }

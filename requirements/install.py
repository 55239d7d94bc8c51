"""This makes .venv beside the Makefile and installs a lock into it, or does nothing where that was done before.

    python3 requirements/install.py demo|dev

Every file is checked against the hash in the lock. Where the lock holds no wheel for this machine (32-bit ARM), pip chooses
for itself, unchecked, and that is said. A file of the wrong hash is never waved through, nor is a network that fails.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
EXTRAS = {"demo": "demo", "dev": "dev"}
ABSENT = ("No matching distribution found", "Could not find a version")
TAMPERED = "DO NOT MATCH THE HASHES"


def main(lock: str) -> int:
    """This returns an exit code: 0 installed, 1 not, 2 wrongly called."""
    if lock not in EXTRAS:
        return _say(f"{lock}: there is no such lock. There are: {', '.join(EXTRAS)}", 2)
    if sys.hexversion < 0x030B0000:
        return _say(f"sickbay needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}", 1)
    wanted = _digest()
    if _installed(wanted) in (lock, "dev"):
        return 0
    began = time.monotonic()
    if not _made() and not _make():
        return 1
    code = _install(lock)
    if code == 0:
        STAMP.write_text(f"{wanted} {lock}\n", encoding="utf-8")
        _say(f"installed in {time.monotonic() - began:.0f} s", 0)
    return code


def _digest() -> str:
    """This returns what the installation follows from: a change of it installs anew."""
    files = [ROOT / "pyproject.toml", *sorted((ROOT / "requirements").glob("*.lock"))]
    parts = [str(ROOT).encode(), sys.version.encode(), *(file.read_bytes() for file in files)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _installed(wanted: str) -> str:
    """This returns which lock is installed as wanted; "" for none."""
    if not _made():
        return ""
    try:
        digest, lock = STAMP.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return ""
    return lock if digest == wanted else ""


def _made() -> bool:
    """This returns whether .venv works here: one that was moved, or whose Python was upgraded away, does not."""
    ask = "import importlib.util, sys; print(bool(importlib.util.find_spec('pip')), sys.version)"
    try:
        # Its scripts begin with the path it was made at; venv notes that path as its own command.
        if str(VENV) not in (VENV / "pyvenv.cfg").read_text(encoding="utf-8"):
            return False
        said = subprocess.run([PYTHON, "-c", ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return said.stdout.strip() == f"True {sys.version}"


def _make() -> bool:
    _say(f"making .venv with Python {sys.version.split()[0]}", 0)
    shutil.rmtree(VENV, ignore_errors=True)
    done = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True, check=False)
    if done.returncode:
        print((done.stdout + done.stderr).strip(), file=sys.stderr)
        _say("no .venv could be made. On Debian and Raspberry Pi OS: sudo apt install python3-venv", 1)
    return done.returncode == 0


def _install(lock: str) -> int:
    path = ROOT / "requirements" / f"{lock}.lock"
    count = sum(line[:1].isalnum() for line in path.read_text(encoding="utf-8").splitlines())
    _say(f"installing up to {count} packages, each checked against its hash in requirements/{lock}.lock", 0)
    code, said = _pip("install", "--only-binary", ":all:", "--require-hashes", "-r", str(path))
    if code == 0:
        _say("installing sickbay itself, editable", 0)
        code, said = _pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    elif TAMPERED not in said and any(words in said for words in ABSENT) and "onnection" not in said:
        missing = next(line for line in said.splitlines() if any(words in line for words in ABSENT))
        _say(f"the lock has nothing for this machine ({missing.removeprefix('ERROR: ')[:120]})", 0)
        _say(f"installing .[{EXTRAS[lock]}] as pip finds it: versions are not pinned and hashes not checked", 0)
        code, said = _pip("install", "--prefer-binary", "-e", f"{ROOT}[{EXTRAS[lock]}]")
    if code:
        print(said.strip(), file=sys.stderr)
        _say("not installed, see above; nothing outside .venv was changed", 1)
    return 1 if code else 0


def _pip(*args: str) -> tuple[int, str]:
    """This returns pip's exit code and all that it said. No byte is compiled: Python does that for what it imports."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *args, "--quiet", "--no-compile"]
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


def _say(words: str, code: int) -> int:
    print(f"sickbay: {words}", file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))

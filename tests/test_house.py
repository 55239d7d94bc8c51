"""These hold the house's own rules, where a machine can read them."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sickbay

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("agent", "hw-sim", "fleet", "models", "bench", "docs", "requirements")
TREES = (*SHIPPED, "systemd", "tests", ".ci")
LINES_MAX = 400
AVOIDED = {"manager", "handler", "helper", "helpers", "util", "utils", "misc", "common"}
# Put together here, so that this file does not hold what it looks for.
MACHINE = re.compile(
    "|".join(
        [
            r"(?<!\w)/wo" + "rk/",
            r"(?<!\w)/ro" + "ot/",
            "pypi" + r"\.org",
            "pythonhosted" + r"\.org",
            "--extra-" + "index-url",
        ]
    )
)


def modules(*trees: str) -> list[Path]:
    """This returns the Python files of some top folders."""
    return sorted(file for tree in trees for file in (ROOT / tree).rglob("*.py"))


def name_of(path: Path) -> str:
    """This returns a path as people write it."""
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    """This gives every text file of the project, by name."""
    files = [f for f in ROOT.iterdir() if f.is_file()] + [
        f for t in TREES for f in (ROOT / t).rglob("*") if f.is_file()
    ]
    for file in files:
        if "__pycache__" not in file.parts and file.suffix not in (".tflite", ".gif", ".png", ".pyc"):
            yield name_of(file), file.read_text(encoding="utf-8", errors="replace")


def words_of(name: str) -> set[str]:
    """This returns the single words of a name, whether it is written like_this or LikeThis."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_no_module_grows_beyond_what_answers_one_question() -> None:
    """At 200 lines a module should be done; at 400 it answers two questions."""
    sizes = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in modules(*SHIPPED)}
    assert not {name: lines for name, lines in sizes.items() if lines > LINES_MAX}


def test_nothing_is_named_by_a_word_that_says_nothing() -> None:
    """Manager, handler, helper, util and process() name the author's doubt, not the thing."""
    found: list[str] = []
    for file in modules(*SHIPPED):
        named = [file.stem] if "cli" not in file.parts else []  # cli/terminal.py is what the verbs have in common
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                named.append(node.name)
        found += [f"{name_of(file)}: {name}" for name in named if words_of(name) & AVOIDED or name == "process"]
    assert not found


def test_every_module_says_what_it_is_in_its_first_line() -> None:
    """The first line completes "This ..." or "These ...": a reader knows at once whether he is in the right file."""
    found: list[str] = []
    for file in modules(*SHIPPED):
        text = file.read_text(encoding="utf-8")
        said = ast.get_docstring(ast.parse(text))
        if text.strip() and not re.match(r"(This|These) \w", said or ""):
            found.append(name_of(file))
    assert not found


def test_the_version_stands_in_one_place() -> None:
    """Two places would differ one day; the package, the wheel and the changelog follow the one."""
    places = [
        name_of(f) for f in modules(*SHIPPED) if re.search(r"^__version__ =", f.read_text(encoding="utf-8"), re.M)
    ]
    assert places == ["agent/sickbay/__init__.py"]
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dynamic"]
    assert f"## [{sickbay.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_file_names_the_machine_it_was_written_on() -> None:
    """A path or a package host of one machine breaks the project on every other, quietly."""
    assert not [f"{name}: {found.group()}" for name, text in texts() if (found := MACHINE.search(text))]


@pytest.mark.parametrize("lock", ["demo", "dev"])
def test_a_lock_pins_and_hashes_everything_and_names_no_place(lock: str) -> None:
    """A line without a hash, or one with a place to fetch from, would undo the check of all others."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    entries = [e for e in re.split(r"\n(?=\S)", text.strip()) if not e.startswith("#")]
    assert len(entries) > 15
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+( ; [^\\]+)? \\\n", entry), entry.splitlines()[0]
        assert re.fullmatch(r"[^\n]+( \\\n    --hash=sha256:[0-9a-f]{64})+", entry), entry.splitlines()[0]


@pytest.mark.parametrize(("lock", "extras"), [("demo", ["demo"]), ("dev", ["gpio", "learn", "litert", "demo", "dev"])])
def test_a_lock_holds_every_dependency_that_is_declared(lock: str, extras: list[str]) -> None:
    """A dependency that is declared and not locked would be missing in a fresh clone alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(d for extra in extras for d in project["optional-dependencies"][extra])]
    wanted = {re.split(r"[<>=~;\[ ]", line)[0].lower() for line in [*declared, "hatchling", "editables"]} - {"sickbay"}
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    assert not wanted - set(re.findall(r"^([a-z0-9-]+)==", text, re.M))


def test_the_daemon_loads_no_numpy_and_no_table_printer() -> None:
    """They cost 20 MiB and half a second on a Pi; the linter cannot see an import that is asked for by name."""
    ask = (
        "import sys, sickbay.daemon, sickbay.cli.run, sickbay.edge.uplink, sickbay.edge.sources.serial_line; "
        "print([m for m in ('numpy', 'flatbuffers', 'ai_edge_litert', 'tflite_runtime', 'rich') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"

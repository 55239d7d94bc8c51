"""These hold the README to its word: what it tells people to type exists, and what it shows them to write is valid."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sickbay import config
from sickbay.cli.main import parser
from sickbay_fleet.main import _parser as fleet_parser
from sickbay_sim.main import _parser as sim_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
OURS = ("sickbay", "sickbay-fleet", "sickbay-sim")


def blocks(page: Path, language: str) -> list[str]:
    """This returns the fenced blocks of a language."""
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def commands() -> list[list[str]]:
    """This returns every command that the pages tell people to type, in words; each once."""
    found: dict[tuple[str, ...], None] = {}
    for page in PAGES:
        for line in "\n".join(blocks(page, "console")).splitlines():
            if not line.startswith("$ "):
                continue
            words = shlex.split(line[2:], comments=True)
            while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] == "sudo"):
                words = words[1:]
            end = next((i for i, word in enumerate(words) if word in ("|", "&&", ";", "&", ">")), len(words))
            if words[:end]:
                found[Path(words[0]).name, *words[1:end]] = None
    return [list(words) for words in found]


COMMANDS = commands()


def test_the_readme_tells_people_what_to_type() -> None:
    """The search itself must not come back empty-handed, or all the rest would hold of nothing."""
    told = {words[0] for words in COMMANDS}
    assert {"make", "sickbay"} <= told
    assert ["make", "demo"] in COMMANDS


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[0] in OURS], ids=" ".join)
def test_a_command_that_is_told_can_be_parsed(words: list[str]) -> None:
    """A verb or an option that was renamed would send the reader away at his second line."""
    name, *rest = words
    known = {"sickbay": lambda: parser(rest), "sickbay-fleet": fleet_parser, "sickbay-sim": sim_parser}[name]()
    try:
        known.parse_args(rest)
    except SystemExit as ended:
        assert ended.code == 0, f"{' '.join(words)} is not understood"


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[0] == "make"], ids=" ".join)
def test_a_make_target_that_is_told_exists(words: list[str]) -> None:
    """`make -n` says what it would do, and fails where there is no such target."""
    said = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("verb", [["sickbay-sim", "rig"]])
def test_what_the_simulator_prints_is_a_configuration(verb: list[str], tmp_path: Path) -> None:
    """The reader is told to put it into a file and to run the daemon with it."""
    assert verb in COMMANDS
    command = [sys.executable, "-m", "sickbay_sim.main", *verb[1:], "--folder", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as rig:
        assert rig.stdout is not None
        printed = ""
        for line in rig.stdout:
            printed += line
            if line.startswith("output = ") and "fan_relay" in line:
                break
        rig.send_signal(signal.SIGINT)
        rest = rig.stdout.read()
        assert rig.wait(30) == 0 and "Traceback" not in rest
    made = config.parse(printed)
    assert set(made.parts) == {"pump", "fan"} and made.parts["pump"].essential


TOML = [(page.name, text) for page in PAGES for text in blocks(page, "toml")]


@pytest.mark.parametrize("text", [t for _, t in TOML], ids=[n for n, _ in TOML])
def test_a_configuration_that_is_shown_is_valid(text: str) -> None:
    """People copy it. The receiving end's has a [store], which no device has."""
    if "[store]" in text:
        from sickbay_fleet import settings

        assert settings.toml.convert(text, settings.Settings, "shown").store.url
    else:
        config.parse(text)


def test_the_reference_configuration_is_valid_and_knows_every_key() -> None:
    """It says that it holds every key with its default; a key that it lacks is one that nobody finds."""
    file = ROOT / "docs" / "sickbay.toml"
    text = file.read_text(encoding="utf-8")
    config.parse(text, file.name)
    tables = [config.Device, config.Paths, config.Mqtt, config.SerialLine, config.Pin, config.Gpio, config.Replay]
    tables += [config.SignalTable, config.OutputTable, config.PartTable, config.PolicyTable]
    lacking = [
        f"{table.__name__}.{field.encode_name}"
        for table in tables
        for field in config.msgspec.structs.fields(table)
        if not re.search(rf"\b{field.encode_name}\b\s*=", text)
    ]
    assert not lacking

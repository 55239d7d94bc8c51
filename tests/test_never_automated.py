"""docs/never-automated.md is a promise: each line of it is held by a test that exists and is run."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "never-automated.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ONE_FOR_ALL = "test_over_all_there_is_nothing_from_afar_loosens_what_its_owner_keeps"


def sections() -> dict[str, list[str]]:
    """This returns the rows of each table of the page, under its heading."""
    found: dict[str, list[str]] = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        lines = part.splitlines()
        rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| what", "| ---"))]
        found[lines[0]] = rows
    return found


def skipped(function: ast.FunctionDef) -> bool:
    """This returns whether a test bears a mark that keeps it from running."""
    return any("skip" in ast.unparse(mark) or "xfail" in ast.unparse(mark) for mark in function.decorator_list)


def test_every_test_that_the_page_names_exists_and_is_run() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 10
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        (found,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name] or [None]
        assert found is not None and not skipped(found), f"{file}::{name}"


def test_every_line_of_the_page_names_its_test() -> None:
    """A promise without a test is a wish. Of what is never ordered from afar, one test holds every line."""
    for heading, rows in sections().items():
        assert rows, heading
        for row in rows:
            assert NAMED.search(row) or heading.startswith("Never from afar"), row
    assert ONE_FOR_ALL in PAGE.read_text(encoding="utf-8")

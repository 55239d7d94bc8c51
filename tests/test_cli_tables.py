"""Tables for eyes: what stands in a cell is text, never markup, and off a terminal nothing of it is cut."""

import pytest

from sickbay.cli.terminal import table


def test_brackets_in_a_cell_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger's consent is `[mqtt] url = ...`: taken for markup, the name of the table vanished from it."""
    table(("allowed by", "[x]"), [('[mqtt] url = "mqtt://127.0.0.1"', "[/]")])
    out = capsys.readouterr().out
    assert '[mqtt] url = "mqtt://127.0.0.1"' in out
    assert "[/]" in out
    assert "[x]" in out


def test_off_a_terminal_every_row_is_one_whole_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The widest cells of a table stand in different rows: each row alone fits, and all columns together did not."""
    rows = [("a" * 70, "short", "x"), ("b", "c" * 70, "y"), ("d", "e", "(fault-" + "f" * 70 + ")")]
    table(("one", "two", "three"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(rows)
    assert all(cell in line for row, line in zip(rows, lines[1:], strict=True) for cell in row)

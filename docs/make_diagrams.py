"""This writes docs/state-machines.md from the two transition tables of the core, so that the page cannot be wrong.

    python docs/make_diagrams.py [--check]

With --check nothing is written: exit 1 says that the page is behind the code. What each state and trigger means is
taken from the comment beside it in the code; WORDS holds it for those that need none there.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from sickbay.core import fault, quarantine

PAGE = Path(__file__).parent / "state-machines.md"

WORDS = {
    "clean": "nothing is remembered",
    "pending": "failed in this operation cycle or the last one; not yet told",
    "in_service": "read, judged, and used",
    "clear": "a person or a tester erases the entry; what fails again is remembered again",
    "probation_over": "no fault for the whole of the probation",
}

HEAD = """# State machines

<!-- Written by `python docs/make_diagrams.py` from the tables in the code. Change those, then run it. -->

Three machines, never merged. Two are tables, and this page is made from them; what a table does not hold does not
happen. The third, the *overlay* (acked, shelved, suppressed, latched, out of service, delivered), is a set of
independent marks on a case: it never changes the other two. What each word means: [names.md](names.md).
"""

QUALIFICATION = """
## A. Qualification: is this fault real?

One entry for each target and class. Single results move a counter (`fdc`, -128 to 127); at its upper end `test_failed`
rises, at its lower end it falls, in between the verdict holds. What the diagram shows is the entry's memory, which moves
when `test_failed` rises and when an operation cycle ends. `NOT_TESTED` moves nothing: blindness is not health.

Source: [core/fault.py](../agent/sickbay/core/fault.py), after AUTOSAR DEM and ISO 14229-1.
"""

ISOLATION = """
## B. Isolation: is this part or sensor out of service?

One record for each part and each signal. The guards (essential, mode, redundancy, number isolated, cooldown, read-back)
are asked every time the machine wants to isolate: they decide between `fault` and `barred`. Out of service are %s.

Source: [core/quarantine.py](../agent/sickbay/core/quarantine.py).
"""

State = TypeVar("State", bound=StrEnum)
Trigger = TypeVar("Trigger", bound=StrEnum)


def page() -> str:
    """This returns the whole page."""
    out_of_service = ", ".join(f"`{state}`" for state in quarantine.OUT_OF_SERVICE)
    return "".join(
        [
            HEAD,
            QUALIFICATION,
            section(fault.TRANSITIONS, fault.Memory, fault.Trigger),
            ISOLATION % out_of_service,
            section(quarantine.TRANSITIONS, quarantine.State, quarantine.Trigger),
        ]
    )


def section(table: Mapping[tuple[State, Trigger], State], states: type[State], triggers: type[Trigger]) -> str:
    """This returns a diagram, its states, its triggers, and the table whole."""
    lines = ["", "```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(states))}"]
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, trigger), after in table.items():
        arrows.setdefault((before, after), []).append(str(trigger))
    lines += [f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in arrows.items()]
    lines += ["```", "", *meanings("State", states), "", *meanings("Trigger", triggers), ""]
    lines += ["| from | " + " | ".join(f"`{t}`" for t in triggers) + " |", "| --- |" + " --- |" * len(triggers)]
    for state in states:
        cells = [_cell(state, table.get((state, trigger))) for trigger in triggers]
        lines.append(f"| `{state}` | " + " | ".join(cells) + " |")
    lines += ["", "An empty cell: nothing happens. A dot: it stays where it is, by the table's own word.", ""]
    return "\n".join(lines)


def meanings(title: str, kind: type[StrEnum]) -> list[str]:
    """This returns a table of what each member means; raises KeyError for one that nobody has explained."""
    source = inspect.getsource(kind)
    rows = [f"| {title} | |", "| --- | --- |"]
    for member in kind:
        found = re.search(rf"^    {member.name} = .*?# (.+)$", source, re.MULTILINE)
        words = found.group(1) if found else WORDS[str(member)]
        words = re.sub(r"\b(\w+_\w+)\b", r"`\1`", words)
        rows.append(f"| `{member}` | {words[0].upper()}{words[1:]}. |")
    return rows


def _cell(state: StrEnum, after: StrEnum | None) -> str:
    return "" if after is None else "." if after is state else f"`{after}`"


def main() -> int:
    """This returns 0, or 1 where --check finds the page behind the code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is behind the code")
    check = parser.parse_args().check
    wanted = page()
    current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if check and current != wanted:
        print(f"{PAGE.name} is behind the code. Run: python docs/make_diagrams.py", file=sys.stderr)
        return 1
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
    print(f"{PAGE.name} is as the code is")
    return 0


if __name__ == "__main__":
    sys.exit(main())

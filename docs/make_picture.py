"""This records `sickbay demo` as a moving picture, docs/demo.svg: each line appears when it was really printed.

python docs/make_picture.py
"""

import subprocess
import sys
import time
from html import escape
from pathlib import Path

WIDTH, LINE, TOP, SIZE = 1010, 17, 34, 13
STYLE = f"""
text {{ font: {SIZE}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre; fill: #d7dae0;
animation-name: wait; }}
.head {{ fill: #7cc4ff; }} .good {{ fill: #8fd694; }} .bad {{ fill: #ff9a8b; }}
@keyframes wait {{ from {{ opacity: 0; }} to {{ opacity: 0; }} }}
"""


def main() -> int:
    lines = recorded()
    if lines is None:
        print("the demo did not hold: no picture was made", file=sys.stderr)
        return 1
    Path(__file__).with_name("demo.svg").write_text(drawn(lines), encoding="utf-8")
    return 0


def recorded() -> list[tuple[float, str]] | None:
    """This returns (seconds, line) of one run, None when its story broke."""
    command = [sys.executable, "-u", "-m", "sickbay.cli.main", "demo"]
    began = time.monotonic()
    out: list[tuple[float, str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            out.append((time.monotonic() - began, line.rstrip()))
    return out[:-2] if process.returncode == 0 else None


def drawn(lines: list[tuple[float, str]]) -> str:
    """This returns the picture; a line that is of a step, a rule or a release has its own colour."""
    height = TOP + LINE * (len(lines) + 2)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="sickbay demo">'
    ]
    out += [f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#1b1e25"/>']
    out.append(_text(0.0, TOP - 8, "head", "$ sickbay demo"))
    for k, (at_s, line) in enumerate(lines, 1):
        out.append(_text(at_s, TOP - 8 + LINE * k, _colour(line), line))
    return "\n".join([*out, "</svg>"]) + "\n"


def _colour(line: str) -> str:
    text = line.strip()
    if line[:3] in ("1. ", "2. ", "3. ", "4. "):
        return "head"
    if "quarantined" in text or "isolated by" in text or "critical" in text:
        return "bad"
    return "good" if "back in service" in text or text.startswith("closed") else ""


def _text(at_s: float, y: int, name: str, line: str) -> str:
    kind = f' class="{name}"' if name else ""
    return (
        f'<text x="16" y="{y}"{kind} xml:space="preserve" style="animation-duration:{at_s:.2f}s">{escape(line)}</text>'
    )


if __name__ == "__main__":
    sys.exit(main())

"""These keep the documents true where a machine can tell: links, generated pages, and the shape of decisions."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").glob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """This returns the anchors of a page's headings, as forges make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_link_in_the_documents_leads_somewhere() -> None:
    """A dead link costs the reader who needed it most."""
    dead: list[str] = []
    for page in PAGES:
        for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
            place, _, anchor = link.partition("#")
            if "://" in link or link.startswith("mailto:"):
                continue
            target = (page.parent / place).resolve() if place else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert not dead


def test_the_state_machines_page_is_as_the_tables_are() -> None:
    """A diagram that is behind the code is worse than none."""
    command = [sys.executable, str(ROOT / "docs" / "make_diagrams.py"), "--check"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_decisions_are_numbered_without_gaps_and_each_says_context_decision_and_consequence() -> None:
    """A decision without its context cannot be undone wisely."""
    files = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        heads = re.findall(r"^## (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert heads == ["Context", "Decision", "Consequence"], file.name


def test_every_decision_can_be_found_from_the_architecture() -> None:
    """What nobody links, nobody reads."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert not [file.name for file in (ROOT / "docs" / "adr").glob("*.md") if f"adr/{file.name}" not in text]

"""This writes docs/scorecard.md: what was run, every figure beside both baselines, what was broken, and what each figure means."""

from collections.abc import Mapping, Sequence

from sickbay_sim.score import baselines
from sickbay_sim.score.card import Card
from sickbay_sim.score.confusion import Matrix
from sickbay_sim.score.detection import Recall
from sickbay_sim.score.figures import FIGURES, share, short, times
from sickbay_sim.score.intervals import DAY_S, MONTH_S
from sickbay_sim.score.summary import Standing, rows

REPLAYS_MAX = 3  # of one scenario that are named on the page


def page(
    command: str, seeds: str, own: Card, beside: Mapping[str, Card], standings: Sequence[Standing], version: str
) -> str:
    """This returns the whole page."""
    return "\n".join(
        [
            "# Score card",
            "",
            f"<!-- Written by `{command}`. Run that again instead of changing this page. -->",
            "",
            *_ran(command, seeds, own, beside, version),
            "",
            "## The card",
            "",
            "In brackets: how many, of how many, and the exact 95 % interval. Times are p50 / p95. An aim stands where the design "
            "states one.",
            "",
            *_card(own, beside),
            "",
            "## By kind of fault",
            "",
            *_by_kind(own.detection.by_kind),
            "",
            "## What was true, and what was told of it",
            "",
            "An illness counts once, by the first word that claims a layer. *ok* counts runs in which nothing false was told, and "
            "else each false escalation, those of the warm-up included. What was right is bold.",
            "",
            *_matrix(own.layers),
            *[line for matrix in own.plants for line in ("", *_matrix(matrix))],
            "",
            "## Expectations",
            "",
            *_expectations(standings),
            "",
            "## What the figures mean",
            "",
            *_definitions(),
            "",
        ]
    )


def _ran(command: str, seeds: str, own: Card, beside: Mapping[str, Card], version: str) -> list[str]:
    extent = own.extent
    compared = next(iter(beside.values())).extent.runs if beside else 0
    latent = f" ({extent.latent} of them latent)" if extent.latent else ""
    out = [
        f"    {command}",
        "",
        f"sickbay {version}, bench (virtual time), seeds {seeds}: {extent.runs} runs of {extent.scenarios} scenarios, "
        f"{extent.illnesses} illnesses{latent}, {short(extent.months * MONTH_S / DAY_S)} device-days "
        f"({extent.months:.3g} device-months, of which {extent.healthy_months:.3g} without an illness)"
        + (f"; {extent.everyday} everyday events that nobody need be told of" if extent.everyday else "")
        + ".",
    ]
    if extent.cut_short:
        out += ["", f"**{extent.cut_short} runs ended in trouble**; their figures are those up to there."]
    if compared != extent.runs:
        out += ["", f"The baselines saw {compared} of the {extent.runs} runs: longer ones keep no rows."]
    return out


def _card(own: Card, beside: Mapping[str, Card]) -> list[str]:
    head = ["figure", "sickbay", *(baselines.NAMES[name] for name in beside), "aim"]
    out = _head(head, "ll" + "l" * len(beside) + "l")
    group = ""
    for figure, cells in rows(own, beside):
        if figure.group != group:
            group = figure.group
            out.append(_row([f"**{group}**", *[""] * (len(head) - 1)]))
        out.append(_row([figure.name, *cells, figure.aim]))
    return out


def _by_kind(kinds: Mapping[str, Recall]) -> list[str]:
    out = _head(["kind", "told of", "rightly named", "onset to told", "onset to rightly named"], "lllll")
    for kind, recall in kinds.items():
        cells = [share(recall.noticed), share(recall.named), times(recall.to_noticed), times(recall.to_named)]
        out.append(_row([f"`{kind}`", *cells]))
    return out


def _matrix(matrix: Matrix) -> list[str]:
    """This returns a matrix without the rows and columns in which nothing is."""
    shown = [row for row in matrix.rows if any(matrix.counts[row].values())]
    columns = [c for c in matrix.columns if any(matrix.counts[row][c] for row in shown)]
    out = _head([f"{matrix.name}: truth \\ told", *columns], "l" + "r" * len(columns))
    return [*out, *(_row([row, *(_cell(matrix, row, column) for column in columns)]) for row in shown)]


def _cell(matrix: Matrix, row: str, column: str) -> str:
    count, right = matrix.counts[row][column], matrix.right[row][column]
    if not count:
        return ""
    return f"**{count}**" if right == count else f"{count} (**{right}**)" if right else str(count)


def _expectations(standings: Sequence[Standing]) -> list[str]:
    held = sum(s.held == s.runs for s in standings)
    checks, kept = sum(s.checks for s in standings), sum(s.checks_held for s in standings)
    out = [f"{held} of {len(standings)} scenarios held with every seed; {kept} of {checks} single checks."]
    broken = [s for s in standings if s.held < s.runs]
    if not broken:
        return out
    out += ["", *_head(["scenario", "runs held", "broken: how often", "for example"], "llll")]
    for one in broken:
        what = "<br>".join(f"{name}: {count}" for name, count in one.broken.items())
        out.append(_row([f"`{one.name}`", f"{one.held} of {one.runs}", what, one.example.replace("|", "\\|")]))
    out += ["", "Each of these shows one:", ""]
    return out + [f"    {line}" for one in broken for line in one.replays[:REPLAYS_MAX]]


def _definitions() -> list[str]:
    out = [
        "- **illness**: one fault of a story, from its first moment in force to its last. What befalls a healthy machine (an "
        "engine switched off, a load, a hot day, a broker that is gone, a clock that is set, a kill, a line that says "
        "things twice or too often) is none, unless its story expects it to be told.",
        "- **to blame**: the names that the simulator's truth gives for an illness; for the line and the surroundings the layer "
        "does, too. A word that claims no layer (unknown) blames nobody, wherever it points.",
        "- **word**: an escalation opened, or updated to another target or layer. A closing says nothing anew.",
    ]
    out += [f"- **{baselines.NAMES[name]}**: {says}." for name, says in baselines.TITLES.items()]
    out[-1] += (
        " Both run on the rows that reached the port, one signal at a time, and alarm once an episode, blaming the signal; "
        f"a signal or a line that is missing for {baselines.NO_SIGNAL_S:g} s, and for {baselines.GAPS:g} times the longest gap of "
        "the warm-up, is an alarm, too. They see the machine as sickbay left it: a part it switched off is off for them, too."
    )
    for figure in FIGURES:
        if figure.says:
            out.append(f"- *{figure.name}*: {figure.says}.")
    return out


def _head(names: Sequence[str], align: str) -> list[str]:
    return [_row(names), _row(["---:" if a == "r" else "---" for a in align])]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

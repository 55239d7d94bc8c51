"""These tests hold what a scenario's file may say, and that what it may not say is told with its key and a mend."""

from pathlib import Path

import pytest

from sickbay_sim import scenario_file
from sickbay_sim.scenario import Bounds, Expect, Fault
from sickbay_sim.scenario_file import ScenarioError, parse

WHOLE = """
title = "The fan stands still, then is mended"
plant = "cooling-loop"
seconds = 1800
seed = 3
warm_s = 600
tags = ["relay"]

[[fault]]
kind = "stuck"
target = "outlet_temp"
at_s = 300
until_s = 900

[[expect]]
target = "outlet_temp"
within_s = 60
layer = "sensor"
class = ["stuck", "disagreement"]
quarantine = true
released_within_s = 300

[bounds]
escalations_max = 1
never_isolate = ["pump"]

[bounds.relays]
pump_relay = true

[policy]
probation_s = 30

[signals.flow]
rate_max_per_s = 20.0

[[order]]
verb = "release"
target = "fan"
at_s = 1000
reason = "mended"
"""


def test_a_file_says_everything_in_its_own_words() -> None:
    """Tables that come many times are in the singular, a class may be one word or several, times may be whole numbers."""
    made = parse(WHOLE, "loop-fan.toml", Path("somewhere/loop-fan.toml"))
    assert made.name == "loop-fan" and made.path == Path("somewhere/loop-fan.toml")
    assert made.seconds == 1800.0 and isinstance(made.seconds, float) and made.seed == 3
    assert made.faults == (Fault("stuck", "outlet_temp", 300.0, 900.0),)
    wanted = Expect("outlet_temp", None, 60.0, "sensor", ("stuck", "disagreement"), True, 300.0)
    assert made.expects == (wanted,)
    assert made.bounds == Bounds(escalations_max=1, never_isolate=("pump",), relays={"pump_relay": True})
    assert made.policy == {"probation_s": 30} and made.signals == {"flow": {"rate_max_per_s": 20.0}}
    assert made.orders[0].verb == "release" and made.orders[0].who == "anna"


@pytest.mark.parametrize(
    ("change", "key", "mend"),
    [
        (('warm_s = 600', 'warm = 600'), "warm: unknown key", 'Did you mean "warm_s"?'),
        (('until_s = 900', 'until = 900'), "fault[0].until: unknown key", '"until_s"'),
        (('within_s = 60', 'within_s = "1 min"'), "expect[0].within_s", "wanted is a number"),
        (('seed = 3', 'seed = 3.5'), "seed: wanted is a whole number", "3.5"),
        (('seconds = 1800', 'seconds = nan'), "seconds", "nan"),
        (('kind = "stuck"', 'kind = "stuk"'), "fault[0].kind", 'Did you mean "stuck"?'),
        (('target = "outlet_temp"\nat', 'target = "outlet"\nat'), "fault[0].target", 'Did you mean "outlet_temp'),
        (('layer = "sensor"', 'layer = "sensors"'), "expect[0].layer", 'Did you mean "sensor"?'),
        (('plant = "cooling-loop"', 'plant = "cooling_loop"'), "plant", 'Did you mean "cooling-loop"?'),
        (('until_s = 900', 'until_s = 200'), "fault[0].until_s", "not after at_s"),
        (('until_s = 900', 'severity = 1.5'), "fault[0].severity", "at most 1"),
        (('until_s = 900', 'shape = "linear"'), "fault[0].over_s", "over how many seconds"),
        (('until_s = 900', ''), "expect[0].released_within_s", "Give it until_s"),
        (('within_s = 60', 'fault = 4'), "expect[0].fault", "none of the 1 faults"),
        (('pump_relay = true', 'pump = true'), "bounds.relays.pump", "pump_relay"),
        (('[signals.flow]', '[signals.flo]'), "signals.flo", 'Did you mean "flow"?'),
        (('never_isolate = ["pump"]', 'never_isolate = ["pomp"]'), "bounds.never_isolate", 'Did you mean "pump"?'),
        (('verb = "release"', 'verb = "free"'), "order[0].verb", "release"),
        (('[[fault]]', '[fault]'), "fault", "write [[fault]]"),
        (('title =', 'titel ='), "titel: unknown key", '"title"'),
        (('seconds = 1800\n', ''), '"seconds" is missing', ""),
        (('at_s = 300', 'at_s = 3000'), "fault[0].at_s", "not between 0 and 1800"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_with_file_key_and_mend(change: tuple[str, str], key: str, mend: str) -> None:
    """A scenario that is half understood would pass, and hold nothing."""
    assert change[0] in WHOLE
    with pytest.raises(ScenarioError) as refused:
        parse(WHOLE.replace(*change), "loop-fan.toml")
    told = str(refused.value)
    assert told.startswith("loop-fan.toml: ") and key in told and mend in told, told


def test_an_expectation_that_asks_nothing_is_refused() -> None:
    """It would always hold."""
    with pytest.raises(ScenarioError, match=r"expect\[0\]: nothing is asked"):
        parse(WHOLE.split("within_s")[0], "x.toml")


def test_among_several_faults_an_expectation_says_which() -> None:
    """Times are counted from the onset of the fault it answers."""
    second = '[[fault]]\nkind = "bias"\ntarget = "flow"\nat_s = 1000\n'
    with pytest.raises(ScenarioError, match=r"expect\[0\].fault: there are 2 faults"):
        parse(WHOLE + second, "x.toml")


def test_a_folder_means_all_files_in_it(tmp_path: Path) -> None:
    """Other files may lie beside them; an empty folder is a mistyped one."""
    for name in ("b.toml", "a.toml", "notes.md"):
        (tmp_path / name).write_text(WHOLE, encoding="utf-8")
    assert [p.name for p in scenario_file.gather([tmp_path])] == ["a.toml", "b.toml"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScenarioError, match=r"no \*.toml in it"):
        scenario_file.gather([tmp_path / "empty"])
    with pytest.raises(ScenarioError, match=r"nowhere.toml: cannot be read"):
        scenario_file.read(tmp_path / "nowhere.toml")

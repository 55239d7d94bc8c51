"""These tests hold what the swarm tells again of the uplink, the shell and the fleet against the real ones, and its command."""

import inspect
import json
from pathlib import Path

import pytest

from sickbay.config import Mqtt
from sickbay.daemon import keeping
from sickbay.edge.uplink import session
from sickbay.edge.uplink import uplink as real
from sickbay_fleet import intake
from sickbay_sim.main import main
from sickbay_sim.swarm import device, receiving, uplink


def test_what_is_told_again_keeps_the_times_of_the_real_uplink() -> None:
    """A swarm that is kinder to its fleet than a device is would prove nothing."""
    assert uplink.CONNECT_MS == 1000 * session._ANSWER_S
    assert Mqtt("mqtt://x").prefix == uplink.PREFIX
    assert receiving.IDS_MAX == intake._IDS_MAX
    assert device.COMMIT_OVERHEAD_BYTES == keeping._OVERHEAD_BYTES


def test_the_uplink_that_is_told_again_asks_the_same_of_the_same_judges() -> None:
    """Whose turn it is, holds, budget and shape are the agent's own: what it asks of them in one place it must ask here too."""
    theirs, ours = inspect.getsource(real.Uplink), inspect.getsource(uplink.Way)
    asked = (
        "again()",
        "limit()",
        "due(rows",
        "tried(row)",
        "soonest(rows)",
        "settled(known)",
        "clear()",
        "taken(topic)",
    )
    for what in (*asked, 'lets("heartbeat', "next_s()", "reset()", "historical(row.payload)"):
        assert what in theirs, f"the agent's uplink no longer says {what}: look at what it does now"
        assert what in ours, what


def test_the_command_says_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads it after a night, and wants one exit code."""
    assert main(["swarm", "--devices", "3", "--hours", "0.5", "--rate", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["devices"] == 3 and said["breached"] == 0 and said["again"] == []
    assert set(said["looks"]) and said["lost"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--devices", "0"], "--devices 0"),
        (["--hours", "0.1"], "--hours 0.1"),
        (["--devices", "5", "--site", "1"], "--site 1: there are 1"),
        ([str(Path(__file__).parent.parent / "scenarios" / "car-plug-city-and-road.toml")], "obd"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 is for who typed it, and says what."""
    assert main(["swarm", *words]) == 2
    assert says in capsys.readouterr().err

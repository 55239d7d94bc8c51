"""The faults of a line, on bytes: each does what it says and nothing else, and the agent's own reader meets all of them."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay.config import SerialLine
from sickbay.edge.sources.serial_line.frames import Frames
from sickbay_sim.ailments.kinds import LINE_KINDS
from sickbay_sim.wires.pty import Pty
from sickbay_sim.wires.spoil import AWAY_S, KINDS, LineFaults
from sickbay_sim.wires.uart import resampled

CALM = settings(max_examples=60, derandomize=True, deadline=None, database=None)
FRAMES = st.lists(st.binary(min_size=1, max_size=60).map(lambda b: b.replace(b"\n", b".") + b"\r\n"), max_size=12)


def line(i: int) -> bytes:
    return json.dumps({"flow": round(20 + i / 100, 2), "pressure": 71.5}).encode() + b"\r\n"


def arrived(kind: str, frames: list[bytes], severity: float = 1.0, seed: int = 3) -> list[bytes]:
    """This returns what arrives of frames that are sent a second apart."""
    faults = LineFaults(seed)
    faults.set({kind: severity}, 0.0)
    return [b"".join(part for _, part in faults.feed(frame, float(i))) for i, frame in enumerate(frames)]


def read(content: bytes, checksum: str = "none") -> tuple[list[dict[str, float | None]], int]:
    """This returns the values that the agent's own reader makes of bytes, and how many frames were garbage to it."""
    table = SerialLine("x", "json", checksum=checksum)  # type: ignore[arg-type]  # one of its words
    frames = Frames(table, {"flow": "flow", "pressure": "pressure"})
    frames.reopened(0)
    return [dict(values) for values in frames.feed(content, 0)], frames.garbage


def test_every_kind_of_the_registry_is_built() -> None:
    """A kind that a scenario may name and nobody does would be a test that tests nothing."""
    assert set(KINDS) == set(LINE_KINDS)


@CALM
@given(kind=st.sampled_from(sorted(KINDS)), frames=FRAMES, severity=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_the_same_seed_gives_the_same_bytes_and_no_delay_goes_back(
    kind: str, frames: list[bytes], severity: float, seed: int
) -> None:
    """A failing story must be told again, byte for byte; and what was sent later cannot come earlier on one wire."""

    def once() -> list[list[tuple[float, bytes]]]:
        faults = LineFaults(seed)
        faults.set({kind: severity}, 0.0)
        return [faults.feed(frame, i / 2) for i, frame in enumerate(frames)]

    first = once()
    assert first == once()
    times = [i / 2 + delay for i, parts in enumerate(first) for delay, _ in parts]
    assert times == sorted(times) and all(delay >= 0 for parts in first for delay, _ in parts)


@CALM
@given(kind=st.sampled_from(sorted(set(KINDS) - {"unplug", "replug_renamed"})), frames=FRAMES)
def test_nothing_at_all_and_over_again_leave_every_byte_as_it_was(kind: str, frames: list[bytes]) -> None:
    """Severity 0 is a healthy line, and a fault that is over leaves nothing behind."""
    faults = LineFaults(1)
    faults.set({kind: 0.0}, 0.0)
    assert [faults.feed(frame, 0.0) for frame in frames] == [[(0.0, frame)] for frame in frames]
    faults.set({kind: 1.0}, 1.0)
    for frame in frames:
        faults.feed(frame, 1.0)
    faults.set({}, 2.0)
    assert [faults.feed(frame, 3.0) for frame in frames] == [[(0.0, frame)] for frame in frames]


@CALM
@given(content=st.binary(max_size=200), ratio=st.floats(0.97, 1.03))
def test_clocks_that_differ_by_three_percent_hear_every_byte(content: bytes, ratio: float) -> None:
    """8N1 stands half a bit of error at the stop bit, that is 5 %: two real oscillators never show."""
    assert resampled(content, ratio) == content


@CALM
@given(content=st.binary(max_size=300), ratio=st.floats(0.05, 20.0))
def test_no_speed_makes_more_bytes_than_the_wave_has_room_for(content: bytes, ratio: float) -> None:
    """A byte takes nine and a half of the receiver's bits, whatever they hold."""
    assert len(resampled(content, ratio)) <= len(content) * 10 / min(9.5 * ratio, 10 * len(content) + 1) + len(content)


def test_a_wave_read_at_half_and_at_twice_the_speed_is_what_a_scope_shows() -> None:
    """Worked by hand: U is a square wave; each of its bits heard twice gives 0x66, and what is left of it 0xE6."""
    assert resampled(b"U", 0.5) == b"\x66\xe6"
    assert resampled(b"\xff", 1.5) == b"\xff" and resampled(b"\xff", 2.0) == b"", "half a start bit is a glitch"
    assert resampled(b"", 2.0) == b""


@pytest.mark.parametrize("kind", ["garbage", "wrong_baud", "truncated", "half_frame"])
def test_what_cannot_be_read_is_garbage_to_the_agent_and_never_a_value(kind: str) -> None:
    """A spoilt line must cost a reading, and not become one."""
    content = b"".join(arrived(kind, [line(i) for i in range(400)]))
    values, garbage = read(content)
    assert not values and (garbage >= 1 or content.count(b"\n") < 2)


def test_flips_are_rare_bits_and_a_checksum_catches_them() -> None:
    """One bit in a hundred: eight in a line of a hundred bytes."""
    sent = bytes(1000)
    (got,) = arrived("flips", [sent])
    assert 40 <= sum(bin(b).count("1") for b in got) <= 120


def test_severity_is_the_share_of_lines() -> None:
    """Half as bad is half of the lines, so that a sweep over severity means something."""
    frames = [line(i) for i in range(2000)]
    for kind in ("garbage", "truncated", "duplicated", "half_frame", "crc_valid_wrong"):
        struck = sum(a != b for a, b in zip(arrived(kind, frames, 0.3), frames, strict=True))
        assert 500 <= struck <= 700, kind


def test_duplicates_are_whole_lines_twice() -> None:
    assert arrived("duplicated", [line(1)]) == [line(1) * 2]


def test_reordered_lines_are_all_there_each_behind_its_follower() -> None:
    """None is lost but the one that still waits."""
    frames = [line(i) for i in range(10)]
    got = b"".join(arrived("reordered", frames)).splitlines(keepends=True)
    assert got == [f for a, b in zip(frames[::2], frames[1::2], strict=True) for f in (b, a)]


@pytest.mark.parametrize(("checksum", "digits"), [("xor", 2), ("crc16", 4)])
def test_wrong_values_come_under_a_right_checksum(checksum: str, digits: int) -> None:
    """The fault that no checksum finds: only what the values mean can."""
    from sickbay_sim.wires.spoil import _crc16, _xor

    def summed(i: int) -> bytes:
        body = line(i).strip()
        return body + b"*" + (b"%02X" % _xor(body) if digits == 2 else b"%04X" % _crc16(body)) + b"\r\n"

    sent = [summed(i) for i in range(50)]
    assert len(read(b"".join(sent), checksum)[0]) == 50
    values, garbage = read(b"".join(arrived("crc_valid_wrong", sent)), checksum)
    assert len(values) == 50 and garbage == 0
    assert all(v["flow"] != round(20 + i / 100, 2) and v["pressure"] != 71.5 for i, v in enumerate(values))


def test_an_adapters_answer_is_wrong_in_its_value_alone() -> None:
    """Of hexadecimal the last digit: the answer still fits the question."""
    (got,) = arrived("crc_valid_wrong", [b"7E80341057B\r\r>"])
    assert got[:10] == b"7E80341057" and got[10:] != b"B\r\r>" and got.endswith(b"\r\r>")


def test_a_dribbling_line_takes_a_minute_and_loses_what_it_cannot_hold() -> None:
    """A byte at a time, each in its order; a backlog is bounded, as the sender's buffer is."""
    faults = LineFaults(1)
    faults.set({"slow_dribble": 1.0}, 0.0)
    parts = [(i + delay, part) for i in range(300) for delay, part in faults.feed(line(i), float(i))]
    assert parts[len(line(0)) - 1][0] == pytest.approx(60.0) and all(len(part) == 1 for _, part in parts)
    assert max(delay for delay, _ in parts) < 300 + 181 and len(parts) < 10 * len(line(0))


def test_a_flood_hides_the_good_line_and_the_agent_still_finds_it() -> None:
    """A thousand lines for one: all else is garbage, and counted."""
    (content,) = arrived("flood", [line(7)])
    assert content.count(b"\n") == 1000
    values, garbage = read(content)
    assert values == [{"flow": 20.07, "pressure": 71.5}] and garbage in (998, 999), (
        "the head of a stream may be a cut line"
    )


def test_stale_repeats_say_the_first_line_for_ever() -> None:
    assert set(arrived("stale_repeats", [line(i) for i in range(20)])) == {line(0)}


def test_unplugged_nothing_comes_and_renamed_it_comes_back() -> None:
    """The pure part says when the port is there; who holds a port does the rest."""
    faults = LineFaults(1)
    faults.set({"unplug": 1.0}, 10.0)
    assert not faults.plugged(10.0) and faults.feed(line(1), 10.0) == []
    faults.set({"replug_renamed": 1.0}, 20.0)
    assert not faults.plugged(20.0) and faults.plugged(20.0 + AWAY_S) and faults.renamed()
    assert faults.feed(line(1), 20.0 + AWAY_S) == [(0.0, line(1))]
    faults.set({}, 30.0)
    assert faults.plugged(30.0)


def test_a_renamed_port_is_another_device_under_the_same_name(tmp_path: Path) -> None:
    """As /dev/serial/by-id: the link stays, what it leads to changes."""
    port = Pty(tmp_path / "by-id")
    port.plug()
    before = port.device
    port.unplug()
    assert not port.path.is_symlink()
    port.plug(renamed=True)
    assert port.device != before and port.path.readlink() == port.device
    held = len(list(Path("/proc/self/fd").iterdir()))
    port.unplug()
    assert len(list(Path("/proc/self/fd").iterdir())) == held - 4


def test_two_faults_at_once_act_one_after_another() -> None:
    """Nothing says that a line has one fault at a time."""
    faults = LineFaults(2)
    faults.set({"duplicated": 1.0, "truncated": 1.0}, 0.0)
    ((delay, content),) = faults.feed(line(1), 0.0)
    assert delay == 0.0 and content.endswith(b"\r\n") and (line(1) * 2).startswith(content[:-2])


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="Known: garbage"):
        LineFaults(1).set({"gremlins": 1.0}, 0.0)

"""Recordings of many shapes, and a recording played as if it were live."""

import asyncio
import itertools
import time
import tracemalloc
from pathlib import Path

import pytest

from sickbay.config import Replay
from sickbay.core.reading import LineState, Reading
from sickbay.edge.sources.replay import ReplayError, ReplaySource, read_recording

PATIENCE_S = 15.0  # an upper bound, never waited for


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recording.csv"
    path.write_text(text, encoding="utf-8")
    return path


def times_of(path: Path, time_column: str = "") -> list[float]:
    return [round(at_s, 6) for at_s, _ in read_recording(path, time_column=time_column)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    """A user should not have to say what the first line shows."""
    lines = [["t", "flow", "p"], ["0", "1.5", "2"], ["1", "", "nan"]]
    recording = read_recording(written(tmp_path, "".join(delimiter.join(line) + "\r\n" for line in lines)))
    assert recording.columns == ("flow", "p")
    assert recording.time_column == "t"
    assert list(recording) == [(0.0, {"flow": 1.5, "p": 2.0}), (1.0, {"flow": None, "p": None})]


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("datetime", ["2020-03-01 15:44:06", "2020-03-01 15:44:08"], [0.0, 2.0]),
        ("Timestamp", ["2020-03-01T15:44:06Z", "2020-03-01T15:44:06.5Z"], [0.0, 0.5]),
        ("time", ["1583077446", "1583077449.25"], [0.0, 3.25]),
        ("timestamp", ["1583077446000", "1583077446100"], [0.0, 0.1]),
        ("t", ["5", "7"], [0.0, 2.0]),
        ("Time [ms]", ["0", "250"], [0.0, 0.25]),
        ("time_ms", ["0", "250"], [0.0, 0.25]),
        ("time", ["23:59:59.5", "00:00:01"], [0.0, 1.5]),
        ("when it was", ["2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00+00:00"], [0.0, 3600.0]),
        ("level", ["4", "3"], [0.0, 1.0]),
    ],
)
def test_time_is_found_out(tmp_path: Path, name: str, cells: list[str], expected: list[float]) -> None:
    """Loggers write time in many ways; without any, rows are a second apart."""
    assert times_of(written(tmp_path, f"{name},flow\n" + "".join(f"{cell},1\n" for cell in cells))) == expected


def test_a_thermometer_called_t_is_not_taken_for_time(tmp_path: Path) -> None:
    """Time goes forward; a temperature that falls would stop the clock."""
    recording = read_recording(written(tmp_path, "T,flow\n" + "".join(f"{20 - at % 7},1\n" for at in range(30))))
    assert (recording.time_column, recording.columns) == ("", ("T", "flow"))


def test_time_never_goes_back_and_what_did_is_counted(tmp_path: Path) -> None:
    """One row out of order waits for its time; recordings that were put end to end go on after each other."""
    path = written(tmp_path, "t,v\n" + "".join(f"{t},1\n" for t in [*range(20), 18.5, 20, 20, 0, 1, 2, 3]))
    recording = read_recording(path)
    assert [at_s for at_s, _ in recording] == [*range(20), 19, 20, 20, 20, 20, 21, 22]
    assert recording.backward == 3


def test_words_comments_quotes_and_short_rows_do_no_harm(tmp_path: Path) -> None:
    """Real recordings have a column of remarks, a comment at the top and a last line cut by a power failure."""
    text = '\ufeff# made by a logger\nt,"flow, left",note\n0,"1.5",fine\n\n1,2,"so, so"\n2,bad,\n3\n'
    recording = read_recording(written(tmp_path, text))
    assert recording.columns == ("flow, left",)
    assert list(recording) == [(at, {"flow, left": value}) for at, value in enumerate([1.5, 2.0, None, None])]
    assert recording.garbled == 1


def test_decimal_commas_are_read_where_the_delimiter_is_another(tmp_path: Path) -> None:
    """Half of Europe exports so."""
    assert list(read_recording(written(tmp_path, "t;flow\n0,5;1,25\n1,5;2\n"))) == [
        (0.0, {"flow": 1.25}),
        (1.0, {"flow": 2.0}),
    ]


def test_a_file_without_names_gets_the_columns_numbers(tmp_path: Path) -> None:
    """A recording without a header is still a recording."""
    recording = read_recording(written(tmp_path, "1.5,2\n2.5,3\n"))
    assert recording.columns == ("1", "2")
    assert len(list(recording)) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "is empty"), ("\n\n", "is empty"), ("t,flow\n", "no numbers"), ("a,b\nx,y\n", "no numbers")],
)
def test_a_file_that_is_no_recording_is_refused_in_plain_words(tmp_path: Path, text: str, says: str) -> None:
    """The text must name the file and say what a recording is."""
    path = written(tmp_path, text)
    with pytest.raises(ReplayError, match=says) as refused:
        read_recording(path)
    assert str(refused.value).startswith(str(path))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A wrong file name must not become a stack trace."""
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff" * 1000)
    with pytest.raises(ReplayError):
        read_recording(path)
    with pytest.raises(ReplayError, match="cannot be read"):
        read_recording(tmp_path)


def test_a_wrong_time_column_names_the_nearest(tmp_path: Path) -> None:
    """A mistyped name gets a mend."""
    path = written(tmp_path, "stamp,flow\n0,1\n1,2\n")
    assert times_of(path, "stamp") == [0.0, 1.0]
    with pytest.raises(ReplayError, match='Did you mean "stamp"'):
        read_recording(path, time_column="stmp")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A year at 1 Hz is 31 million rows, and the device has 512 MB."""
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("t,a,b\n")
        file.writelines(f"{at},{at * 0.5},{at % 9}\n" for at in range(60_000))  # 1 MB
    recording = read_recording(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in recording) == 60_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000


def played(path: Path, speed: float, fields: dict[str, str]) -> list[Reading | LineState]:
    facts: list[Reading | LineState] = []

    async def scene() -> None:
        began = time.monotonic_ns()
        source = ReplaySource(
            "tape", Replay(str(path), speed), fields, lambda: (time.monotonic_ns() - began) // 1_000_000, facts.append
        )
        running = asyncio.create_task(source.run())
        async with asyncio.timeout(PATIENCE_S):
            await source.ended.wait()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scene())
    return facts


def test_as_fast_as_it_goes_the_recordings_own_time_counts(tmp_path: Path) -> None:
    """A day must be judged in seconds, with the rates that it had."""
    path = written(tmp_path, "t,flow,p\n" + "".join(f"{at * 60},{at},0\n" for at in range(1000)))
    facts = played(path, 0.0, {"flow": "in.flow"})
    assert isinstance(facts[0], LineState)
    assert facts[0].alive
    readings = facts[1:-1]
    assert all(isinstance(fact, Reading) and fact.signal == "in.flow" for fact in readings)
    assert [fact.value for fact in readings if isinstance(fact, Reading)] == list(range(1000))
    assert {b.at_ms - a.at_ms for a, b in itertools.pairwise(readings)} == {60_000}
    end = facts[-1]
    assert isinstance(end, LineState)
    assert (end.alive, end.good, end.garbage) == (False, 1000, 0)
    assert "ended after 1000 rows" in end.detail


def test_at_a_speed_the_rows_come_at_their_time(tmp_path: Path) -> None:
    """Played live, a row must not come before it is due."""
    path = written(tmp_path, "t,flow\n" + "".join(f"{at},{at}\n" for at in range(11)))
    began = time.monotonic()
    readings = [fact for fact in played(path, 50.0, {"flow": "flow"}) if isinstance(fact, Reading)]
    assert time.monotonic() - began >= 0.2
    assert {b.at_ms - a.at_ms for a, b in itertools.pairwise(readings)} == {20}


def test_a_missing_recording_is_told_once_and_a_missing_column_named(tmp_path: Path) -> None:
    """The daemon starts with anything missing, and says what."""
    facts: list[Reading | LineState] = []

    async def scene(path: Path) -> tuple[bool, str]:
        told = asyncio.Event()

        def sink(fact: Reading | LineState) -> None:
            facts.append(fact)
            told.set()

        source = ReplaySource("tape", Replay(str(path)), {"flwo": "flow"}, lambda: 0, sink)
        running = asyncio.create_task(source.run())
        probe = await source.probe(1.0)
        async with asyncio.timeout(PATIENCE_S):
            await told.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return probe.ok, probe.detail

    ok, detail = asyncio.run(scene(tmp_path / "none.csv"))
    assert not ok
    assert "cannot be read: No such file" in detail
    assert [fact.alive for fact in facts if isinstance(fact, LineState)] == [False]
    ok, detail = asyncio.run(scene(written(tmp_path, "t,flow\n0,1\n")))
    assert not ok
    assert "not among them: flwo" in detail

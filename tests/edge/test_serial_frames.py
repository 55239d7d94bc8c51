"""Bytes to values: five formats, three checksums, and whatever a bad line sends."""

import random
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sickbay.config import SerialLine
from sickbay.edge.sources.serial_line.checksums import crc16, xor
from sickbay.edge.sources.serial_line.frames import QUIET_MS, Frames
from sickbay.edge.sources.serial_line.framing import Lines

FIELDS = {"flow": "flow", "p": "pressure"}
Values = list[tuple[str, float | None]]


def frames_of(config: SerialLine, fields: dict[str, str] | None = None) -> Frames:
    """Frames of a port that was quiet when it was opened: no line has lost its head."""
    frames = Frames(config, FIELDS if fields is None else fields)
    assert frames.feed(b"", QUIET_MS) == []
    return frames


def read(config: SerialLine, stream: bytes, fields: dict[str, str] | None = None) -> tuple[list[Values], int, int]:
    frames = frames_of(config, fields)
    rows = frames.feed(stream, QUIET_MS)
    return rows, frames.good, frames.garbage


def json_line(**options: object) -> SerialLine:
    return msgspec.convert({"driver": "serial_line", "port": "p", "format": "json"} | options, SerialLine)


def line(form: str, **options: object) -> SerialLine:
    return json_line(format=form, **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"flow": 1.5, "p": 2}', [("flow", 1.5), ("pressure", 2.0)]),
        ('{"flow": "1.5", "p": " -2e3 "}', [("flow", 1.5), ("pressure", -2000.0)]),
        ('{"flow": null, "p": "nan"}', [("flow", None), ("pressure", None)]),
        ('{"flow": NaN, "p": -Infinity}', [("flow", None), ("pressure", None)]),
        ('{"flow": nan,"p":inf}', [("flow", None), ("pressure", None)]),
        ('{"flow": 1e19, "p": 1e999}', [("flow", None), ("pressure", None)]),
        ('{"flow": 123456789012345678901234567890, "p": true}', [("flow", None), ("pressure", 1.0)]),
        ('{"p": 1}', [("pressure", 1.0)]),
        ("{}", []),
    ],
)
def test_json_values_become_numbers_or_none(text: str, expected: Values) -> None:
    """What is no finite number is a failed reading, never a number that happens to compare."""
    assert read(json_line(), text.encode() + b"\n") == ([expected], 1, 0)


def test_json_keys_are_reached_by_dots() -> None:
    """Firmware groups its values; a key that itself has a dot is meant first."""
    fields = {"pump.in.bar": "a", "temps.1": "b", "x.y": "c", "pump.none": "d"}
    text = b'{"pump": {"in": {"bar": 2.5}}, "temps": [20, 21], "x.y": 7, "x": {"y": 8}}\n'
    assert read(json_line(), text, fields)[0] == [[("a", 2.5), ("b", 21.0), ("c", 7.0)]]


@pytest.mark.parametrize("bad", ['"1x.5"', "[1]", '{"a": 1}', '"1_5"'])
def test_one_bad_field_of_a_json_object_leaves_the_others(bad: str) -> None:
    """One sensor that babbles must not silence its neighbours, and the line is known to babble."""
    rows, good, garbage = read(json_line(), f'{{"flow": {bad}, "p": 2}}\n'.encode())
    assert rows == [[("flow", None), ("pressure", 2.0)]]
    assert (good, garbage) == (0, 1)


@pytest.mark.parametrize(
    "bad", [b"{", b"3", b"[1]", b'"flow"', b'{"flow": 1}}', b'{"flow": 1', b"[" * 3000, b'{"a":' * 700]
)
def test_what_is_no_json_object_is_garbage(bad: bytes) -> None:
    """Garbage is counted, whatever it is made of, and the next line counts again."""
    rows, good, garbage = read(json_line(), bad + b'\n{"flow": 1}\n')
    assert (rows, good, garbage) == ([[("flow", 1.0)]], 1, 1)


def test_csv_columns_come_from_the_config() -> None:
    """A column that is not mapped may hold anything, e.g. a date; an empty field is a failed reading."""
    config = line("csv", columns=["when", "flow", "p"], delimiter=";")
    rows, good, garbage = read(config, b"2024-01-01 10:00;1.5;2\r\nx;;nan\r\ny; 1,25 ;3;\r\n")
    assert rows == [
        [("flow", 1.5), ("pressure", 2.0)],
        [("flow", None), ("pressure", None)],
        [("flow", 1.25), ("pressure", 3.0)],
    ]
    assert (good, garbage) == (3, 0)


def test_csv_columns_come_from_a_header_whenever_one_comes() -> None:
    """A logger that starts anew sends its header amid the stream, perhaps with another order."""
    stream = b'1,2\n"t","p","flow"\n0,2,1\nt,flow,p\n1,3,4\n'
    rows, good, garbage = read(line("csv"), stream)
    assert [row for row in rows if row] == [[("flow", 1.0), ("pressure", 2.0)], [("flow", 3.0), ("pressure", 4.0)]]
    assert (good, garbage) == (4, 1)  # before the header nobody knows what "1,2" is


def test_a_damaged_csv_header_is_not_believed() -> None:
    """It would silence a signal until the next header."""
    rows, _, garbage = read(line("csv"), b"flow,p\n1,2\nflow,#p\n3,4\n")
    assert [row for row in rows if row][-1] == [("flow", 3.0), ("pressure", 4.0)]
    assert garbage == 1


def test_csv_rows_without_names_are_read_by_place() -> None:
    """Many a device never says what its columns are."""
    assert read(line("csv"), b"5,6,7\n", {"1": "a", "3": "c"})[0] == [[("a", 5.0), ("c", 7.0)]]


@pytest.mark.parametrize("bad", [b"1,2", b"1,2,3,4", b"1,\xff,3", b'1,"2,3'])
def test_csv_of_a_wrong_width_or_code_is_garbage(bad: bytes) -> None:
    """A shifted column is a wrong value in the right range."""
    rows, good, garbage = read(line("csv", columns=["t", "flow", "p"]), bad + b"\n1,2,3\n")
    assert (rows, good, garbage) == ([[("flow", 2.0), ("pressure", 3.0)]], 1, 1)


def test_a_csv_field_that_is_no_number_spoils_itself_only() -> None:
    """A word that devices print for "no value" is not even garbage: the sensor is at fault, not the line."""
    config = line("csv", columns=["flow", "p"])
    assert read(config, b"1x5,2\n") == ([[("flow", None), ("pressure", 2.0)]], 0, 1)
    assert read(config, b"ERR,2\n") == ([[("flow", None), ("pressure", 2.0)]], 1, 0)


@pytest.mark.parametrize(
    "text",
    [
        "flow=1.5 p=2",
        "flow:1.5,p:2",
        "p=2;flow=1.5;",
        "flow = 1.5, p =2",
        "flow: 1.5 L/min p: 2 bar",
        "at 12:30 flow=1.5 p=2",
    ],
)
def test_kv_pairs_are_found_however_they_are_set_apart(text: str) -> None:
    """printf knows no standard."""
    rows, good, garbage = read(line("kv"), text.encode() + b"\n")
    assert sorted(rows[0]) == [("flow", 1.5), ("pressure", 2.0)]
    assert (good, garbage) == (1, 0)


def test_kv_without_a_pair_is_garbage_and_an_empty_value_a_failed_reading() -> None:
    """A boot message is no frame; a key without a value is a sensor without one."""
    assert read(line("kv"), b"booting now\nflow= p=2\n") == ([[("flow", None), ("pressure", 2.0)]], 1, 1)


GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"  # the example of NMEA 0183


def test_nmea_fields_are_named_by_sentence_and_place() -> None:
    """The talker changes with the satellites in use; the sentence does not."""
    fields = {"GGA.9": "height", "GPGGA.7": "satellites", "GNGGA.9": "never", "GGA.13": "age"}
    gn = b"$GNGGA,1,2,N,3,E,1,08,0.9,100.5,M,46.9,M,,"
    gn += b"*%02X" % xor(gn[1:])
    rows, good, garbage = read(line("nmea"), GGA + b"\r\n" + gn + b"\r\n$GPXTE,A,A,0.67,L,N*6F\r\n", fields)
    assert sorted(rows[0]) == [("age", None), ("height", 545.4), ("satellites", 8.0)]
    assert sorted(rows[1]) == [("age", None), ("height", 100.5), ("never", 100.5)]
    assert (rows[2], good, garbage) == ([], 3, 0)


def test_an_nmea_checksum_is_verified_where_there_is_one_and_demanded_where_configured() -> None:
    """A single flipped bit is a ship on land."""
    bare = GGA[: GGA.index(b"*")]
    stream = GGA.replace(b"545.4", b"645.4") + b"\n" + bare + b"\n" + GGA + b"\n"
    assert read(line("nmea"), stream, {"GGA.9": "h"})[1:] == (2, 1)
    assert read(line("nmea", checksum="xor"), stream, {"GGA.9": "h"})[1:] == (1, 2)
    assert read(line("nmea"), b"GPGGA,1\n$\n$GP\n", {})[1:] == (0, 3)


def test_regex_groups_become_fields() -> None:
    """The last resort for a device that writes sentences."""
    config = line("regex", pattern=r"flow is (?P<flow>\S+) l/min(?:, p (?P<p>\d+))?")
    stream = b"the flow is 1.5 l/min, p 3!\nflow is 2 l/min\nhello\n"
    assert read(config, stream) == ([[("flow", 1.5), ("pressure", 3.0)], [("flow", 2.0)]], 2, 1)


@pytest.mark.parametrize(("name", "digits", "function"), [("xor", 2, xor), ("crc16", 4, crc16)])
def test_a_line_whose_checksum_is_missing_cut_or_wrong_is_garbage(name: str, digits: int, function: object) -> None:
    """What the sender computed must hold for every byte before the star."""
    assert callable(function)
    body = b'{"flow": 1, "p": 2}'
    good = b"%s*%0*X" % (body, digits, function(body))
    flipped = good.replace(b"1", b"3", 1)
    stream = b"\n".join([good, good.lower(), flipped, body, good[:-1], body + b"*" + b"-" * digits, good])
    assert read(json_line(checksum=name), stream + b"\n")[1:] == (3, 4)


def test_the_checksums_are_those_of_their_standards() -> None:
    """Check values: Modbus over serial line V1.02 6.2.2 as catalogued for "123456789", and NMEA's own example."""
    assert crc16(b"123456789") == 0x4B37
    assert xor(GGA[1:-3]) == 0x47
    assert (crc16(b""), xor(b"")) == (0xFFFF, 0)


@given(st.binary(max_size=300))
def test_the_folded_xor_equals_the_plain_one(body: bytes) -> None:
    """It is only faster."""
    plain = 0
    for byte in body:
        plain ^= byte
    assert xor(body) == plain


@given(st.lists(st.binary(max_size=30)), st.integers(1, 20))
def test_lines_come_out_the_same_however_the_stream_is_cut(chunks: list[bytes], bytes_max: int) -> None:
    """USB hands over bytes in pieces of its own choosing."""
    whole = Lines(bytes_max)
    expected = whole.feed(b"".join(chunks) + b"\n")
    pieces = Lines(bytes_max)
    found = [line for chunk in [*chunks, b"\n"] for line in pieces.feed(chunk)]
    assert found == expected
    assert pieces.overlong == whole.overlong


def test_lines_end_with_any_of_three_ends_and_empty_ones_are_none() -> None:
    """DOS, Unix and old instruments."""
    lines = Lines(10)
    assert lines.feed(b"a\r\nb\nc\rd\r") == [b"a", b"b", b"c", b"d"]
    assert lines.feed(b"\ne\n\n\r\rf") == [b"e"]
    assert lines.feed(b"\n") == [b"f"]


def test_an_overlong_line_is_dropped_up_to_its_end_and_counted_once() -> None:
    """A device that never ends its line must not fill the memory."""
    lines = Lines(10)
    for _ in range(1000):
        assert lines.feed(b"x" * 1000) == []
    assert lines.overlong == 1
    assert lines.feed(b"x\nok\n") == [b"ok"]
    assert lines.feed(b"12345678901\n1234567890\n") == [b"1234567890"]
    assert lines.overlong == 2


def test_a_line_without_its_head_is_not_believed_unless_it_proves_itself() -> None:
    """A port opened amid "16.5;2" sees "6.5;2": a good row and a wrong value."""
    csv = line("csv", columns=["flow", "p"], delimiter=";")
    cut = Frames(csv, FIELDS)
    assert cut.feed(b"6.", 5) == []
    assert cut.feed(b"5;2\n16.6;3\n", QUIET_MS * 2) == [[("flow", 16.6), ("pressure", 3.0)]]
    assert (cut.good, cut.garbage) == (1, 0)
    quiet = Frames(csv, FIELDS)
    assert quiet.feed(b"6.5;2\n", QUIET_MS) == [[("flow", 6.5), ("pressure", 2.0)]]
    whole = Frames(json_line(), FIELDS)
    assert whole.feed(b'{"flow": 1}\n', 5) == [[("flow", 1.0)]]
    half = Frames(json_line(), FIELDS)
    assert half.feed(b'"flow": 1}\n', 5) == []
    assert half.garbage == 0


def test_a_header_without_its_head_names_the_last_columns() -> None:
    """A header that comes once, at the very moment of opening, must not be lost for it."""
    frames = Frames(line("csv"), FIELDS)
    assert frames.feed(b"mp,flow,p\n1,2,3,4\n1,2,3,5\n", 5) == [
        [("flow", 3.0), ("pressure", 4.0)],
        [("flow", 3.0), ("pressure", 5.0)],
    ]


def _good_line(form: str, at: int) -> bytes:
    nmea = b"GPXYZ,%d.5,%d" % (at, at)
    return {
        "json": b'{"flow": %d.5, "p": %d, "s": {"x": [1, 2]}}' % (at, at),
        "csv": b"%d.5,%d,word" % (at, at),
        "kv": b"flow=%d.5 p=%d" % (at, at),
        "nmea": b"$%s*%02X" % (nmea, xor(nmea)),
        "regex": b"flow %d.5 p %d" % (at, at),
    }[form]


OPTIONS: dict[str, dict[str, object]] = {
    "json": {},
    "csv": {"columns": ["flow", "p", "s"]},
    "kv": {},
    "nmea": {},
    "regex": {"pattern": r"flow (?P<flow>\S+) p (?P<p>\S+)"},
}
MAPPED = {"nmea": {"XYZ.1": "flow", "XYZ.2": "pressure"}}


def _mutated(chance: random.Random, good: bytes) -> bytes:
    kind = chance.randrange(6)
    at = chance.randrange(len(good))
    if kind == 0:
        return good[:at] + chance.randbytes(chance.randrange(1, 8)) + good[at + 1 :]
    if kind == 1:
        return good[:at]  # a lost end runs into the next line
    if kind == 2:
        return chance.randbytes(chance.randrange(300)) + b"\n"
    if kind == 3:
        return bytes([*good[:at], good[at] ^ (1 << chance.randrange(8)), *good[at + 1 :]]) + b"\n"
    if kind == 4:
        return bytes(chance.choices(b'{}[]",:;=*$!.-+eE0123456789 \r\nnullNaN', k=chance.randrange(300)))
    return good * chance.randrange(1, 60) + b"\r"


@pytest.mark.parametrize("form", list(OPTIONS))
def test_after_any_garbage_the_second_whole_line_is_read_and_nothing_grows(form: str) -> None:
    """A device sends 10 million frames in four months, and one of them must not be the last."""
    chance = random.Random(form)
    frames = frames_of(line(form, line_bytes_max=256, **OPTIONS[form]), MAPPED.get(form))
    good = [_good_line(form, at) + b"\n" for at in range(100)]

    def storm(times: int) -> None:
        for at in range(times):
            frames.feed(_mutated(chance, good[at % 100][:-1]), QUIET_MS)
            frames.feed(good[at % 100], QUIET_MS)  # may be swallowed by what came before
            assert frames.feed(good[at % 100], QUIET_MS)[-1] == [("flow", at % 100 + 0.5), ("pressure", at % 100)]

    storm(500)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        storm(3000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    storm(8000)
    assert grown < 20_000
    assert frames.garbage > 1000

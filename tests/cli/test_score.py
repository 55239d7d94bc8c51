"""`sickbay score`: any stream in, verdicts out, one a line, in step, whatever the stream is."""

import io
import json
import math
import random
import subprocess
import sys
from typing import Any

import pytest

from scene import sickbay
from sickbay.cli.score import serve

N = 60


def scored(header: dict[str, Any], samples: list[list[float | None]]) -> list[dict[str, Any]]:
    """This returns the answers to a stream, which must all be there and be numbers."""
    period = header.get("period_s", 1.0)
    lines = [json.dumps(header), *(json.dumps({"t": i * period, "x": x}) for i, x in enumerate(samples))]
    out = io.StringIO()
    assert serve(io.StringIO("\n".join(lines) + "\n"), out) == 0
    answers = [json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().splitlines()]
    assert len(answers) == len(samples)
    for answer in answers:
        assert set(answer) == {"score", "alarm", "blame"} and math.isfinite(answer["score"])
        assert answer["blame"] is None or len(answer["blame"]) == len(header["signals"])
        assert answer["blame"] is None or all(math.isfinite(b) for b in answer["blame"])
    return answers


def noise(seed: int, count: int, width: int = 2) -> list[list[float | None]]:
    chance = random.Random(seed)
    return [[chance.gauss(10 * i, 1.0) for i in range(width)] for _ in range(count)]


def test_each_sample_gets_its_answer_before_the_next_is_asked_for() -> None:
    """A caller that waits for each answer must not hang: it is how a controller uses it."""
    command = [sys.executable, "-m", "sickbay.cli.main", "score"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        process.stdin.write('{"signals": ["a"], "warm": 5}\n')
        for t in range(8):
            process.stdin.write(f'{{"t": {t}, "x": [{t % 3}]}}\n')
            process.stdin.flush()
            assert "score" in json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_jump_scores_higher_than_normal_running_and_names_the_signal() -> None:
    """The least that may be asked of it."""
    samples = noise(1, 600) + [[40.0, x[1]] for x in noise(2, 20)]
    answers = scored({"signals": ["a", "b"], "warm": 400}, samples)
    assert not any(a["alarm"] for a in answers[:600])
    assert answers[-1]["alarm"] and answers[-1]["score"] > 3 * max(a["score"] for a in answers[400:600])
    assert answers[-1]["blame"][0] > answers[-1]["blame"][1]
    assert all(a == {"score": 0.0, "alarm": False, "blame": None} for a in answers[:399])


@pytest.mark.parametrize("value", [0.0, -1.0, 5, 1e-12, 1e17, 85.0])
def test_a_constant_series_does_not_alarm(value: float) -> None:
    """A valve that is closed all year is not ill."""
    answers = scored({"signals": ["a", "b"], "warm": 100}, [[value, value]] * 300)
    assert not any(a["alarm"] for a in answers)


def test_missing_values_are_nothing_in_particular() -> None:
    """null now and then, a signal that is always null, and a row of nothing else."""
    samples = noise(3, 500, 3)
    for i, x in enumerate(samples):
        x[2] = None
        if i % 7 == 0:
            x[0] = None
        if i % 50 == 0:
            x[1] = x[0] = None
    answers = scored({"signals": ["a", "b", "never"], "warm": 200}, samples)
    assert sum(a["alarm"] for a in answers) == 0


def test_names_may_be_anything() -> None:
    """Spaces, slashes, emoji, doubles, nothing: names carry no meaning here."""
    names = ["", " ", "a/b#+", "温度", "a", "a", "\u0000", "x" * 5000, '"', "signals"]
    assert len(scored({"signals": names, "warm": 50}, noise(4, 120, len(names)))) == 120


@pytest.mark.parametrize("warm", [0, 1, 39, 100_000])
def test_any_length_of_warm_up_is_taken(warm: int) -> None:
    """Without any normal running it learns from what comes, and says nothing until then."""
    answers = scored({"signals": ["a", "b"], "warm": warm}, noise(5, N))
    assert not any(a["alarm"] for a in answers)


@pytest.mark.parametrize("period_s", [1e-6, 0.01, 60.0, 86_400.0, 1e7])
def test_any_cadence_is_taken(period_s: float) -> None:
    """From an accelerometer to a meter that is read once a quarter."""
    answers = scored({"signals": ["a", "b"], "warm": 50, "period_s": period_s}, noise(6, 200))
    assert sum(a["alarm"] for a in answers) == 0


def test_absurd_numbers_stay_finite() -> None:
    """1e308 squared is no number any more; the answer must be one."""
    samples = noise(7, 200)
    for i, value in ((60, 1e308), (61, -1e308), (62, 1e-308), (63, 5e-324), (150, 1e300), (151, -1e300), (152, 1e308)):
        samples[i] = [value, value]
    scored({"signals": ["a", "b"], "warm": 50}, samples)
    scored({"signals": ["a", "b"], "warm": 100}, samples)
    scored({"signals": ["a", "b"], "warm": 50}, [[1e308 * (-1) ** i, 1e-308] for i in range(150)])


def test_stamps_that_jump_do_not_matter() -> None:
    """A logger's clock is set back, and a gap is no silence of a sensor here."""
    samples = noise(8, 300)
    out = io.StringIO()
    lines = ['{"signals": ["a", "b"], "warm": 100, "unknown": 1}']
    lines += [json.dumps({"t": (-1) ** i * i * 1e6, "x": x, "more": None}) for i, x in enumerate(samples)]
    assert serve(io.StringIO("\n".join(lines) + "\n"), out) == 0
    assert not any(json.loads(line)["alarm"] for line in out.getvalue().splitlines())


HEADER = '{"signals": ["a"], "warm": 5}\n'


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        ("garbage\n", "line 1: "),
        ("\n", "line 1: "),
        ("[]\n", "line 1: "),
        ('{"warm": 5}\n', "line 1: "),
        ('{"signals": [], "warm": 5}\n', 'line 1: "signals" is empty'),
        ('{"signals": ["a"], "warm": -1}\n', 'line 1: "warm" must be 0 or more'),
        ('{"signals": ["a"], "warm": 1.5}\n', "line 1: "),
        ('{"signals": ["a"], "warm": 5, "period_s": 0}\n', '"period_s" above 0'),
        ('{"signals": ["a"], "warm": 5, "period_s": 1e400}\n', "line 1: "),
        (HEADER + "garbage\n", "line 2: "),
        (HEADER + '{"t": 0}\n', "line 2: "),
        (HEADER + '{"t": 0, "x": [1, 2]}\n', 'line 2: "x" has 2 numbers, the header named 1 signals'),
        (HEADER + '{"t": 0, "x": ["1"]}\n', "line 2: "),
        (HEADER + '{"t": 0, "x": [1e999]}\n', "line 2: "),
        (HEADER + '{"t": 0, "x": [1]}\n{"t": 1, "x": [tru\n', "line 3: "),
        (HEADER + '{"t": 0, "x": [1]}\n\x00\xff\n', "line 3: "),
    ],
)
def test_a_line_that_cannot_be_taken_is_named_and_ends_with_two(
    stream: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program at the other end needs to know which line, and a person what is wrong with it."""
    out = io.StringIO()
    assert serve(io.StringIO(stream), out) == 2
    said = capsys.readouterr().err
    assert said.startswith("sickbay score: line ") and complaint in said
    assert "Traceback" not in said and len(out.getvalue().splitlines()) == stream.count('"x": [1]')


def test_bytes_that_are_no_text_end_with_two_and_no_traceback() -> None:
    """A gzip file on stdin is soon done."""
    command = [sys.executable, "-m", "sickbay.cli.main", "score"]
    said = subprocess.run(command, input=b"\x1f\x8b\x08\xff\xfe\n", capture_output=True, check=False, timeout=30)
    assert said.returncode == 2 and b"Traceback" not in said.stderr and b"line 1" in said.stderr


def test_nothing_in_is_nothing_out() -> None:
    """An empty stream is no error."""
    said = sickbay("score")
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_a_reader_that_leaves_gets_no_traceback() -> None:
    """`sickbay score < stream | head` ends quietly."""
    stream = '{"signals": ["a"], "warm": 5}\n' + '{"t": 0, "x": [1]}\n' * 20_000
    command = f"{sys.executable} -m sickbay.cli.main score | head -1"
    said = subprocess.run(command, shell=True, input=stream.encode(), capture_output=True, check=False, timeout=60)
    assert said.stderr == b"" and said.stdout.count(b"\n") == 1

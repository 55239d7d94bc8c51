"""These hold the stream between daemon and worker: however the kernel cuts it, the same frames come out."""

import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sickbay.edge.scorer import frames
from sickbay.edge.scorer.network import ROW_MAX
from sickbay.errors import ModelFileError

ROWS = st.lists(st.floats(allow_nan=False), max_size=20)


@given(st.lists(ROWS, max_size=8), st.data())
def test_frames_come_out_whole_however_the_stream_is_cut(rows: list[list[float]], data: st.DataObject) -> None:
    """A read from a pipe ends where the kernel likes."""
    stream = b"".join(frames.ask_frame(i, i + 1, row) for i, row in enumerate(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter = frames.Splitter()
    found = [
        frames.ask(body)
        for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for kind, body in splitter.feed(stream[a:b])
        if kind == frames.ASK
    ]
    assert found == [(i, i + 1, tuple(row)) for i, row in enumerate(rows)]


def test_the_longest_question_is_one_atomic_write() -> None:
    """Half a question in a full pipe would put the stream out of step for good."""
    assert len(frames.ask_frame(1, 1, [0.0] * ROW_MAX)) <= select.PIPE_BUF


@pytest.mark.parametrize(
    "body", [b"", b"\0" * 5, frames.answer_frame(1, [1.0])[5:-1], frames.answer_frame(1, [1.0])[5:] + b"\0"]
)
def test_a_body_of_the_wrong_size_is_refused(body: bytes) -> None:
    """The worker may be out of its mind; its words are checked like any others."""
    with pytest.raises(frames.FrameError):
        frames.answer(body)
    with pytest.raises(frames.FrameError):
        frames.ask(body)
    for read in (frames.load, frames.report):
        with pytest.raises(frames.FrameError):
            read(body)


def test_a_frame_that_claims_to_be_endless_is_refused_at_once() -> None:
    """Waiting for four gigabytes would be a leak with a good excuse."""
    with pytest.raises(frames.FrameError, match="4294967295 bytes"):
        list(frames.Splitter().feed(b"\xff\xff\xff\xff\x03"))


def test_more_parts_than_a_fresh_pipe_takes_are_refused() -> None:
    """Telling the worker must not block the daemon."""
    with pytest.raises(ModelFileError, match="10000 parts"):
        frames.load_frame(frames.Load([(f"p{i}", "/models/x.tflite", None) for i in range(10_000)]))

"""What goes to stderr is bounded, whoever writes it."""

import io
import logging
import threading

from sickbay.daemon.loudness import BURST_LINES, LINE_CHARS_MAX, Bounded


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def test_a_flood_is_cut_and_counted():
    """3,574 lines in 3 s came from one chip that was pulled out; a month of that is a full disk."""
    out, clock = io.StringIO(), Clock()
    bounded = Bounded(out, clock)
    for n in range(100_000):
        bounded.write(f"no such chip {n}\n")
        clock.now_s += 0.001
    lines = out.getvalue().splitlines()
    assert BURST_LINES <= len(lines) <= BURST_LINES + 100
    clock.now_s += 60.0
    bounded.write("the chip is back\n")
    assert out.getvalue().splitlines()[-1] == "the chip is back"
    assert " lines were left out" in out.getvalue().splitlines()[-2]


def test_logging_and_a_librarys_thread_share_the_bound():
    out = io.StringIO()
    bounded = Bounded(out, Clock())
    logger = logging.Logger("flood")
    logger.addHandler(logging.StreamHandler(bounded))

    def flood():
        for n in range(5000):
            print("lost", n, file=bounded)

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(5000):
        logger.warning("lost %d", n)
    for thread in threads:
        thread.join()
    assert len(out.getvalue().splitlines()) == BURST_LINES


def test_a_line_without_an_end_is_bounded():
    out = io.StringIO()
    bounded = Bounded(out, Clock())
    for _ in range(1000):
        bounded.write("x" * 1000)
    bounded.write("\n")
    assert len(out.getvalue()) <= LINE_CHARS_MAX + 1

"""This is a serial line bit by bit: what a receiver makes of bytes that were sent at another speed than it listens at.

8N1: a start bit (low), eight data bits from the lowest, a stop bit (high); the line rests high. The receiver samples in the
middle of its own bits, as a 16550 does.
"""

WAVE_BYTES_MAX = 1 << 16


def resampled(content: bytes, ratio: float) -> bytes:
    """This returns what a receiver hears whose bit is `ratio` times as long as the sender's; 1 gives the same bytes.

    What begins with a glitch instead of a start bit is no byte. A byte whose stop bit is low has a framing error; pyserial
    opens ports with INPCK off, and then the kernel hands it on as it was sampled (n_tty.c, n_tty_receive_char_flagged).
    """
    if not 0.01 <= ratio <= 100:
        raise ValueError(f"uart: a bit {ratio:g} times as long makes no sense. Try 0.5 to 2")
    wave = bytearray()
    for byte in content[:WAVE_BYTES_MAX]:
        wave.append(0)
        wave += bytes(byte >> i & 1 for i in range(8))
        wave.append(1)
    length = len(wave)
    out = bytearray()
    at = wave.find(0)
    while at != -1:
        start = float(at)

        def level(bit: float, start: float = start) -> int:
            place = int(start + bit * ratio)
            return wave[place] if place < length else 1

        if level(0.5):
            at = _next_fall(wave, at)
            continue
        out.append(sum(level(1.5 + i) << i for i in range(8)))
        # The next start bit is looked for from the middle of the stop bit on; a line that is low there must rise first.
        at = _next_fall(wave, int(start + 9.5 * ratio))
    return bytes(out)


def _next_fall(wave: bytearray, place: int) -> int:
    """This returns where the line falls next, from a place on that may itself be low; -1 where it does not any more."""
    if place >= len(wave):
        return -1
    high = wave.find(1, place)
    return wave.find(0, high) if high != -1 else -1

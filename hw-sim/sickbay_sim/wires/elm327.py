"""This is an ELM327-class adapter and the engine computers behind it, as bytes in and bytes out on a clock that is an argument.

After the ELM327 data sheet (ELM327DSL) and what its clones do instead: they echo, put blanks between bytes, take 50 to 200 ms
an answer, say SEARCHING... for a while, do not know every command, and are back at their defaults after a dip of the supply.
The car speaks ISO 15765-4 (CAN, 11 bit addresses, 500 kbit/s); its service 01 is SAE J1979.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ENGINE, GEARBOX = 0x7E8, 0x7E9
HELD_BYTES_MAX = 256  # of a command that never ends
LOW_V = 6.5  # below it the adapter resets itself: cranking on a weak battery

# Service 01 of the car: signal -> (number, bytes, value per unit, offset): raw = (value - offset) / step.
CAR_PIDS: Mapping[str, tuple[int, int, float, float]] = {
    "engine_load": (0x04, 1, 100 / 255, 0.0),
    "coolant_temp": (0x05, 1, 1.0, -40.0),
    "engine_rpm": (0x0C, 2, 0.25, 0.0),
    "vehicle_speed": (0x0D, 1, 1.0, 0.0),
    "intake_temp": (0x0F, 1, 1.0, -40.0),
    "maf": (0x10, 2, 0.01, 0.0),
    "throttle": (0x11, 1, 100 / 255, 0.0),
    "baro": (0x33, 1, 1.0, 0.0),
    "battery_voltage": (0x42, 2, 0.001, 0.0),
}


def encoded(row: Mapping[str, float | None]) -> dict[int, bytes]:
    """This returns {number: bytes} of what a row says; what is missing from the row is missing from the car."""
    found: dict[int, bytes] = {}
    for name, (number, size, step, offset) in CAR_PIDS.items():
        value = row.get(name)
        if value is not None:
            raw = round((value - offset) / step)
            found[number] = min(max(raw, 0), 256**size - 1).to_bytes(size, "big")
    return found


@dataclass
class Socket:
    """The car's diagnostic socket as it is now."""

    engine: Mapping[int, bytes]  # service 01: number -> bytes
    gearbox: Mapping[int, bytes] | None = None  # a second computer on the bus
    awake: bool = True  # the computers are on
    volts: float = 14.1
    bus_error: bool = False  # a wire of the bus is broken: awake, and nothing comes through


@dataclass(frozen=True)
class Quirks:
    """What kind of adapter it is. `pace` divides its delays: a rig that runs 20 times as fast wants an adapter that does."""

    clone: bool = True
    pace: float = 1.0
    search_s: float = 1.5
    no_voltage: bool = False
    unknown: tuple[str, ...] = ("ATAT2", "ATCAF2")  # commands that it answers with ?


class Elm327:
    """One adapter. `feed` takes bytes, `take` gives those that are due; the caller owns time."""

    def __init__(self, socket: Callable[[], Socket], seed: int = 0, quirks: Quirks | None = None) -> None:
        self.quirks = quirks or Quirks()
        self.asked: list[str] = []  # the latest commands, for tests
        self._socket = socket
        self._chance = random.Random(f"elm327 {seed}")
        self._count = itertools.count()
        self._out: list[tuple[float, int, bytes]] = []
        self._held = bytearray()
        self._last = "ATI"
        self._defaults()

    def _defaults(self) -> None:
        self.echo = True
        self.linefeeds = False
        self.spaces = self.quirks.clone
        self.headers = False
        self.found = False  # the car's protocol

    def next_s(self) -> float | None:
        """This returns when bytes are due next, None while it has nothing to say."""
        return self._out[0][0] if self._out else None

    def take(self, at_s: float) -> bytes:
        """This returns what it has said by now."""
        said = b""
        while self._out and self._out[0][0] <= at_s + 1e-9:
            said += heapq.heappop(self._out)[2]
        return said

    def feed(self, content: bytes, at_s: float) -> None:
        """This takes in what the daemon sent."""
        if self._out and content:
            # "any character received while it is busy interrupts it": the rest of that answer never comes.
            self._out.clear()
            self._say(at_s, self._lines(["STOPPED"]))
            content = content[1:]
        for byte in content:
            if byte == 0x0D:
                command = bytes(self._held).decode("ascii", "replace")
                self._held.clear()
                self._obey("".join(command.split()).upper(), command, at_s)
            elif byte not in (0x0A, 0x00) and len(self._held) < HELD_BYTES_MAX:
                self._held.append(byte)

    def brown_out(self, at_s: float) -> None:
        """This is a dip of the supply: it is back at its defaults, and says LV RESET to whom it may concern."""
        self._out.clear()
        self._held.clear()
        self._defaults()
        self._say(at_s, self._lines(["LV RESET"]))

    def _obey(self, command: str, typed: str, at_s: float) -> None:
        command = command or self._last  # a bare return repeats the last command
        self._last = command
        self.asked = [*self.asked[-199:], command]
        if self.echo:
            self._say(at_s, typed.encode("ascii", "replace") + self._end())
        delay = self._chance.uniform(0.05, 0.2) if self.quirks.clone else self._chance.uniform(0.01, 0.03)
        due = at_s + delay / self.quirks.pace
        if command.startswith("AT"):
            if command in ("ATZ", "ATWS"):
                self._defaults()
                due += (0.7 if self.quirks.clone else 0.4) / self.quirks.pace
            self._say(due, self._lines(self._setting(command)))
            return
        socket = self._socket()
        if not self.found and len(command) >= 2:
            self._say(due, b"SEARCHING..." + self._end())
            due += self.quirks.search_s / self.quirks.pace
        self._say(due, self._lines(self._request(command, socket)))

    def _setting(self, command: str) -> list[str]:
        name = "ELM327 v1.5" if self.quirks.clone else "ELM327 v1.4b"
        if command in self.quirks.unknown:
            return ["?"]
        if command in ("ATZ", "ATWS", "ATI"):
            return ["", name]
        if command == "ATRV":
            return ["?"] if self.quirks.no_voltage else [f"{self._socket().volts:.1f}V"]
        if command in ("ATDP", "ATDPN"):
            return ["A6" if command == "ATDPN" else "AUTO, ISO 15765-4 (CAN 11/500)"]
        switch = {"ATE": "echo", "ATL": "linefeeds", "ATS": "spaces", "ATH": "headers"}.get(command[:-1])
        if switch and command[-1] in "01":
            setattr(self, switch, command[-1] == "1")
            return ["OK"]
        if command[:4] in ("ATSP", "ATTP"):
            self.found = False
            return ["OK"]
        return ["OK"] if command[:4] in ("ATAT", "ATST", "ATAL", "ATCF", "ATD0", "ATM0") or command == "ATD" else ["?"]

    def _request(self, command: str, socket: Socket) -> list[str]:
        """This returns the answer of the computers on the bus to a request in hexadecimal."""
        try:
            request = bytes.fromhex(command[: len(command) // 2 * 2])  # a last odd digit says how many answers to await
        except ValueError:
            return ["?"]
        if not request:
            return ["?"]
        if not socket.awake or socket.bus_error:
            if self.found:
                return ["CAN ERROR" if socket.bus_error else "NO DATA"]
            return ["UNABLE TO CONNECT"]
        self.found = True
        lines: list[str] = []
        for address, has in ((ENGINE, socket.engine), (GEARBOX, socket.gearbox)):
            if has is not None and (answer := _answer(request, has)) is not None:
                lines += self._frames(address, answer)
        return lines or ["NO DATA"]

    def _frames(self, address: int, message: bytes) -> list[str]:
        """This returns one message as lines: ISO 15765-2 frames where headers are on, else as the adapter strings it together."""
        if len(message) <= 7:
            return [self._hex(address, bytes([len(message)]) + message.ljust(7, b"\0"), message)]
        out = [] if self.headers else [f"{len(message):03X}"]
        parts = [message[:6], *(message[i : i + 7] for i in range(6, len(message), 7))]
        for i, part in enumerate(parts):
            protocol = bytes([0x10 | len(message) >> 8, len(message) & 0xFF]) if i == 0 else bytes([0x20 | i % 16])
            padded = part.ljust(6 if i == 0 else 7, b"\0")
            if self.headers:
                out.append(self._hex(address, protocol + padded, b""))
            else:
                blank = " " if self.spaces else ""
                out.append(f"{i % 16:X}:{blank}{padded.hex(blank or ' ').upper().replace(' ', blank)}")
        return out

    def _hex(self, address: int, frame: bytes, message: bytes) -> str:
        words = [f"{address:03X}", *(f"{b:02X}" for b in frame)] if self.headers else [f"{b:02X}" for b in message]
        return (" " if self.spaces else "").join(words)

    def _end(self) -> bytes:
        return b"\r\n" if self.linefeeds else b"\r"

    def _lines(self, lines: list[str]) -> bytes:
        end = self._end()
        return b"".join(line.encode("ascii") + end for line in lines) + end + b">"

    def _say(self, due_s: float, content: bytes) -> None:
        heapq.heappush(self._out, (due_s, next(self._count), content))


def _answer(request: bytes, has: Mapping[int, bytes]) -> bytes | None:
    """This returns what one computer says to a request, None where it keeps silent."""
    if request == b"\x09\x02":
        return b"\x49\x02\x01" + b"SIM00000000000042"
    if len(request) < 2 or request[0] != 0x01:
        return None
    number = request[1]
    if number % 0x20 == 0:
        known = [n for n in has if number < n <= number + 0x20]
        if number and not any(n > number for n in has):
            return None
        bits = sum(1 << (number + 0x20 - n) for n in known)
        bits |= any(n > number + 0x20 for n in has)
        return bytes([0x41, number]) + bits.to_bytes(4, "big")
    return bytes([0x41, number]) + has[number] if number in has else None

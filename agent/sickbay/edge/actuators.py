"""This drives the outputs and reads them back: a relay that does not follow is told, never taken for granted."""

import asyncio
import logging
from collections.abc import Callable, Mapping

import msgspec

from sickbay.config import OutputTable
from sickbay.edge.pins import Line, Pins, PinsError, choose
from sickbay.edge.sources import Probe

log = logging.getLogger(__name__)

LOOKS = 3  # in a row, a second apart, that contacts must be found otherwise: one may fall into an order, or bounce
RETRY_S = (1.0, 30.0)  # first wait and longest, for outputs whose chip is not there


Moved = Callable[[str, bool, str], None]


class OutputState(msgspec.Struct, frozen=True):
    """What status says of one output. `read_back` is None where no pin reads it back, or it has not been driven yet."""

    wanted: bool
    driven: bool  # False while the hardware is missing
    read_back: bool | None
    ok: bool
    detail: str


class _Relay:
    """One output, its lines while they are open, and what it should be."""

    def __init__(self, name: str, table: OutputTable) -> None:
        self.name = name
        self.table = table
        self.wanted = table.isolated_state != "on"  # in service until told otherwise
        self.out: Line | None = None
        self.back: Line | None = None
        self.state = OutputState(self.wanted, False, None, False, "not driven yet")
        self.turn = asyncio.Lock()
        self.looks = 0  # in a row that found its contacts otherwise than last told

    def close(self) -> None:
        for line in (self.out, self.back):
            if line is not None:
                line.close()
        self.out = self.back = None


class Outputs:
    """All outputs of a device. Nothing here raises for what hardware does."""

    def __init__(self, tables: Mapping[str, OutputTable], pins: Pins | None = None, moved: Moved | None = None) -> None:
        """`pins` is None for the pins of this process. Nothing is touched before `start` or `drive`.

        `moved` hears of contacts that move by themselves while `run` runs: the output, whether they are as ordered, and words.
        """
        self._pins = pins
        self._moved = moved
        self._relays = {name: _Relay(name, table) for name, table in tables.items()}

    async def start(self, on: Mapping[str, bool] | None = None) -> dict[str, tuple[bool, str]]:
        """This drives every output to its in-service state, or to what `on` says: a quarantine outlives a restart."""
        wanted = on or {}
        return {name: await self.drive(name, wanted.get(name, relay.wanted)) for name, relay in self._relays.items()}

    async def drive(self, name: str, on: bool) -> tuple[bool, str]:
        """This drives one output and reads it back; returns whether it took, else what to do. Twice does no harm."""
        relay = self._relays.get(name)
        if relay is None:
            return False, f"outputs.{name}: there is no such output. Known: {', '.join(self._relays) or 'none'}"
        async with relay.turn:
            relay.wanted = on
            driven, read_back, ok, detail = False, None, False, ""
            try:
                pins = self._pins or choose()
                await pins.ready()
                self._write(pins, relay, on)
                driven = True
                if relay.table.read_back is not None:
                    await asyncio.sleep(relay.table.read_back_after_s)
                    read_back = self._read(pins, relay)
                ok, detail = _judge(relay, on, read_back)
                relay.looks = 0
            except PinsError as error:
                relay.close()
                detail = f"outputs.{name}: not driven {_word(on)}: {error}. It is tried again until the pin answers"
                if driven:
                    detail = f"outputs.{name}: driven {_word(on)}, but not read back: {error}"
            relay.state = OutputState(on, driven, read_back, ok, detail)
            return ok, detail

    async def run(self) -> None:
        """This goes on until cancelled: it drives outputs again whose hardware was missing, and watches the others' contacts."""
        wait_s = RETRY_S[0]
        while True:
            await asyncio.sleep(wait_s)
            for relay in self._relays.values():
                await self._watch(relay)
            missing = [relay for relay in self._relays.values() if not relay.state.driven]
            for relay in missing:
                ok, detail = await self.drive(relay.name, relay.wanted)
                if ok:
                    log.info("outputs.%s: the pin is back; %s", relay.name, detail)
            still = any(not relay.state.driven for relay in missing)
            wait_s = min(2 * wait_s, RETRY_S[1]) if still else RETRY_S[0]

    async def _watch(self, relay: _Relay) -> None:
        """This looks whether contacts are still as they were found when last driven, and tells where they are not, for good."""
        async with relay.turn:
            state = relay.state
            if state.read_back is None:
                return
            try:
                read_back = self._read(self._pins or choose(), relay)
            except PinsError:
                return  # what is not there says nothing of contacts; the next order opens it again
            relay.looks = relay.looks + 1 if read_back is not state.read_back else 0
            if relay.looks < LOOKS:
                return
            relay.looks = 0
            ok, detail = _judge(relay, state.wanted, read_back, watched=True)
            relay.state = OutputState(state.wanted, state.driven, read_back, ok, detail)
        log.log(logging.INFO if ok else logging.WARNING, "outputs.%s moved by itself: %s", relay.name, detail)
        if self._moved is not None:
            self._moved(relay.name, ok, detail)

    async def release_all(self) -> dict[str, tuple[bool, str]]:
        """This drives every output to its fail state, for a clean stop. The pins stay driven until the process ends."""
        return {name: await self.drive(name, relay.table.fail_state == "on") for name, relay in self._relays.items()}

    def state(self) -> dict[str, OutputState]:
        return {name: relay.state for name, relay in self._relays.items()}

    async def probe(self, wait_s: float) -> list[Probe]:
        """This looks at each output's pins without moving any."""
        return [self._look(relay) for relay in self._relays.values()]

    def _look(self, relay: _Relay) -> Probe:
        table = relay.table
        try:
            pins = self._pins or choose()
            seen = [pins.look(pin, table.chip) for pin in (table.pin, table.read_back) if pin is not None]
        except PinsError as error:
            return Probe(relay.name, False, str(error))
        return Probe(relay.name, True, ", read back on ".join(seen))

    def _write(self, pins: Pins, relay: _Relay, on: bool) -> None:
        level = int(on != relay.table.active_low)
        if relay.out is None:
            # Opened at the level that is wanted, so that the relay does not click through another on the way.
            relay.out = pins.output(relay.table.pin, level, relay.table.chip)
        else:
            relay.out.drive(level)

    def _read(self, pins: Pins, relay: _Relay) -> bool:
        table = relay.table
        if relay.back is None:
            assert table.read_back is not None
            relay.back = pins.input(table.read_back, "none", "", table.chip)
        return bool(relay.back.level()) != table.active_low


def _judge(relay: _Relay, on: bool, read_back: bool | None, watched: bool = False) -> tuple[bool, str]:
    table = relay.table
    after = "" if watched else f"{table.read_back_after_s:g} s later "
    reads = f"{after}pin {table.read_back} {'' if watched else 'still '}reads"
    if read_back is None:
        return True, f"pin {table.pin} driven {_word(on)}; nothing reads it back"
    if read_back == on:
        return True, f"pin {table.pin} driven {_word(on)}; pin {table.read_back} confirms"
    return False, (
        f"outputs.{relay.name}: pin {table.pin} is driven {_word(on)}, but {reads} {_word(read_back)}. "
        "Look at the relay and its wiring: contacts may be welded, or the coil open"
    )


def _word(on: bool) -> str:
    return "on" if on else "off"

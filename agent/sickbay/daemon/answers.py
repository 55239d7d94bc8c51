"""This answers a person at the control socket: status, why, ledger, and orders, all through the node's own door."""

from typing import Any, Protocol

import msgspec

from sickbay.core import report
from sickbay.core.node import Node
from sickbay.core.reading import Command
from sickbay.daemon.afar import OrdersFromAfar
from sickbay.daemon.keeping import Keeping
from sickbay.daemon.messages import EventsFile
from sickbay.daemon.times import Clock, time_quality
from sickbay.edge.actuators import Outputs
from sickbay.edge.console import Request
from sickbay.edge.scorer.client import ModelWorker
from sickbay.errors import OrderRefused

ORDERS = ("ack", "shelve", "unshelve", "release", "quarantine", "feedback", "clear", "cycle", "loosen")
LEDGER_LINES_MAX = 10_000
NUMBER_MAX = 1e12  # seconds: 30,000 years


class Running(Protocol):
    """What the answers need to know of the running daemon."""

    node: Node
    clock: Clock
    keeping: Keeping
    outputs: Outputs
    events: EventsFile
    worker: ModelWorker | None
    model_troubles: dict[str, str]
    uplink: Any  # imported behind READY
    uplink_wanted: bool
    home: Any  # the guest on the uplink, None where nothing is said to Home Assistant
    afar: OrdersFromAfar
    inputs: int
    dropped: int

    def order(self, command: Command) -> str: ...

    async def carried_out(self) -> bool: ...


class Answers:
    """The verbs of the control socket."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon

    async def answer(self, request: Request) -> Any:
        """This returns the result of a verb; raises SickbayError with the reason."""
        args = request.args
        match request.verb:
            case "status":
                return await self.status()
            case "why":
                return report.why(self._daemon.node.ward, str(args.get("name", "")), self._daemon.clock.wall)
            case "ledger":
                return await self.ledger(_number(args, "since"))
            case verb if verb in ORDERS:
                return await self._order(request, verb)
        raise OrderRefused(f"{request.verb!r}: no such verb. There are: status, why, ledger, {', '.join(ORDERS)}")

    async def _order(self, request: Request, verb: str) -> dict[str, Any]:
        """This returns what an order did, once it is on the disk and its output was moved: somebody may reach into it now."""
        args = request.args
        daemon = self._daemon
        for_ms = round(_number(args, "for_s") * 1000)
        target, reason = str(args.get("name", "")), str(args.get("reason", ""))
        said = str(args.get("says", ""))
        says = daemon.order(Command(verb, target, daemon.clock(), request.who, reason, for_ms, says=said))
        await daemon.carried_out()
        output = next((p.output for p in daemon.node.ward.equipment.parts if p.name == target), None)
        if output is None or verb not in ("quarantine", "release"):
            return {"says": says, "ok": True}
        state = daemon.outputs.state()[output]
        return {"says": f"{says}\n{state.detail}" if state.ok else f"{says}\nBUT {state.detail}", "ok": state.ok}

    async def status(self) -> dict[str, Any]:
        """This returns the whole status, as the contract names it."""
        daemon = self._daemon
        found = report.status(daemon.node.ward, daemon.clock.wall)
        journal = daemon.keeping.journal
        model: dict[str, Any] = (
            daemon.worker.status() if daemon.worker is not None else {"runtime": "none", "parts": {}}
        )
        if daemon.worker is not None:
            model["counts"] = vars(daemon.worker.counts).copy()
        model["parts"] = {**model["parts"], **daemon.model_troubles}
        return {
            **found,
            "uptime_s": round(daemon.clock.uptime_s(), 1),
            "time_quality": time_quality(),
            "outbox": {
                "rows": journal.outbox_rows,
                "bytes": journal.outbox_bytes,
                "shed": journal.shed(),
                "shed_by": journal.shed_by(),
                "healthy": journal.healthy,
            },
            "journal": daemon.keeping.status(),
            "model": model,
            "outputs": {name: msgspec.to_builtins(state) for name, state in daemon.outputs.state().items()},
            "uplink": daemon.uplink.status() if daemon.uplink is not None else _no_uplink(daemon.uplink_wanted),
            "orders": daemon.afar.status(),
            "home_assistant": daemon.home.status() if daemon.home is not None else None,
            "inputs": {"taken": daemon.inputs, "dropped": daemon.dropped, "unknown": daemon.node.ward.unknown_signals},
            "events_lost": daemon.events.lost,  # lines of events.jsonl that a full disk did not take
        }

    async def ledger(self, since: float) -> list[dict[str, Any]]:
        """This returns the messages that left since a wall time, oldest first, the newest ten thousand at most."""
        rows = await self._daemon.keeping.ledger(since)
        return [msgspec.to_builtins(row) for row in rows[-LEDGER_LINES_MAX:]]


def _no_uplink(wanted: bool) -> dict[str, Any]:
    """This returns what there is to say of a line that is not there, or not yet: it has carried nothing."""
    state, detail = ("starting", "being loaded") if wanted else ("none", "no [mqtt]")
    return {
        "state": state,
        "detail": detail,
        "next_try_s": None,
        "sent": 0,
        "receipted": 0,
        "garbage": {},
        "budget": None,
    }


def _number(args: dict[str, object], name: str) -> float:
    """This returns a number out of a request, 0.0 where it is absent; raises OrderRefused for anything else."""
    value = args.get(name, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise OrderRefused(f"{name}: {value!r} is not a number")
    if abs(value) > NUMBER_MAX:
        raise OrderRefused(f"{name}: {value:g} is beyond any time that can be meant")
    return float(value)

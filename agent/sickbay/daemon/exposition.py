"""This turns the status into metrics: the same numbers, the same names, for a machine that collects them."""

from collections.abc import Iterator
from typing import Any

from sickbay.edge.metrics import Sample, family

_STATES = ("in_service", "would_isolate", "isolated", "probation", "locked_out")
_QUALITIES = ("good", "suspect", "bad", "silent")
_SEVERITIES = ("critical", "major", "minor")


def page(status: dict[str, Any]) -> str:
    """This returns the whole page, from what `sickbay status` says."""
    return "".join(_families(status))


def _families(found: dict[str, Any]) -> Iterator[str]:
    signals, parts = found["signals"], found["parts"]
    outbox, journal, uplink = found["outbox"], found["journal"], found["uplink"]
    yield family("sickbay_uptime_seconds", "gauge", "Since the daemon's first start", [({}, found["uptime_s"])])
    synced = found["time_quality"] == "synced"
    yield family("sickbay_time_synced", "gauge", "1 where the clock is synchronised", [({}, float(synced))])
    values = [({"signal": n, "unit": s["unit"]}, s["value"]) for n, s in signals.items() if s["value"] is not None]
    yield family("sickbay_signal_value", "gauge", "The latest reading, in the signal's own unit", values)
    stand_ins = [
        ({"signal": n, "by": str(s["substitute"])}, s["substitute_value"])
        for n, s in signals.items()
        if s["substitute_value"] is not None
    ]
    yield family("sickbay_signal_substitute_value", "gauge", "What stands in for a masked signal", stand_ins)
    one_of = _one_of("signal", {n: s["quality"] for n, s in signals.items()}, "quality", _QUALITIES)
    yield family("sickbay_signal_quality", "gauge", "1 for the quality that a signal has", one_of)
    one_of = _one_of("signal", {n: s["state"] for n, s in signals.items()}, "state", _STATES)
    yield family("sickbay_signal_state", "gauge", "1 for the state of isolation that a signal is in", one_of)
    one_of = _one_of("part", {n: p["state"] for n, p in parts.items()}, "state", _STATES)
    yield family("sickbay_part_state", "gauge", "1 for the state of isolation that a part is in", one_of)
    scores = [({"part": n}, p["score"]) for n, p in parts.items()]
    yield family("sickbay_part_score", "gauge", "How unlike its normal a part runs; 1 is the alarm's threshold", scores)
    learning = [({"part": n}, p["learning"]) for n, p in parts.items()]
    yield family("sickbay_part_learning_rows", "gauge", "Rows that are still to be learnt from", learning)
    alive = [({"source": n}, float(s["alive"])) for n, s in found["sources"].items()]
    yield family("sickbay_source_alive", "gauge", "1 where a source's line answers", alive)
    open_ = [f["severity"] for f in found["faults"] if f["open"] and f["suppressed_by"] is None]
    counts = [({"severity": s}, float(open_.count(s))) for s in _SEVERITIES]
    yield family("sickbay_faults_open", "gauge", "Open faults that no other explains", counts)
    yield family("sickbay_outbox_rows", "gauge", "Messages that the fleet has not committed", [({}, outbox["rows"])])
    yield family("sickbay_outbox_bytes", "gauge", "Their size", [({}, outbox["bytes"])])
    shed = [({"severity": s}, float(n)) for s, n in outbox["shed"].items()]
    yield family("sickbay_outbox_shed_total", "counter", "Messages that were let go, never told", shed)
    yield family("sickbay_journal_healthy", "gauge", "1 where records can be kept", [({}, float(outbox["healthy"]))])
    written: list[Sample] = [({}, float(journal["bytes_written"]))]
    yield family("sickbay_journal_written_bytes_total", "counter", "What the flash had to bear, an estimate", written)
    connected: list[Sample] = [({}, float(uplink["state"] == "connected"))]
    yield family("sickbay_uplink_connected", "gauge", "1 where the broker is reached and lets us", connected)
    inputs: list[Sample] = [({"what": what}, float(n)) for what, n in found["inputs"].items()]
    yield family("sickbay_inputs_total", "counter", "Facts that were taken, dropped, or of no known signal", inputs)


def _one_of(label: str, states: dict[str, str], what: str, all_: tuple[str, ...]) -> list[Sample]:
    return [({label: name, what: each}, float(state == each)) for name, state in states.items() for each in all_]

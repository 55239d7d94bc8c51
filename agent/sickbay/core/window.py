"""This is what a picture needs: a signal's readings before and since a fault opened, and the band that is normal for this unit."""

from typing import Any

from sickbay.core.case import Case
from sickbay.core.channel import Channel
from sickbay.core.ward import Ward

SIGNALS_MOST = 3  # of one part: the oddest first
POINTS_MOST = 400
BAND = 3.0  # deviations to each side, as learnt: what is normal for a single reading


def windows(ward: Ward, target: str, cases: list[Case]) -> list[dict[str, Any]]:
    """This returns one window a signal, times in seconds before now, oldest first."""
    channels = _channels(ward, target)
    opened = next((case for case in cases if case.frame), None)
    return [_window(ward, channel, opened) for channel in channels if channel.ring]


def _channels(ward: Ward, target: str) -> list[Channel]:
    if target in ward.channels:
        return [ward.channels[target]]
    row = ward.rows.get(target)
    if row is None:
        return ward.by_source.get(target, [])[:SIGNALS_MOST]
    blame = row.view.blame()
    order = sorted(range(len(row.members)), key=lambda i: (-blame[i], i))
    return [row.members[i] for i in order[:SIGNALS_MOST]]


def _window(ward: Ward, channel: Channel, case: Case | None) -> dict[str, Any]:
    now, name = ward.now_ms, channel.spec.name
    recent = list(channel.ring)
    before = case.frame.get(name, []) if case is not None else []
    points = [p for p in before if p[0] < recent[0][0]] + recent
    low = high = centre = None
    for row, i in channel.rows:
        found = row.view.explain(i)
        if not found.get("learning"):
            middle, scale = float(found["centre"] or 0.0), float(found["scale"] or 0.0)
            centre, low, high = middle, middle - BAND * scale, middle + BAND * scale
    return {
        "signal": name,
        "unit": channel.spec.unit,
        "centre": centre,
        "low": low,
        "high": high,
        "limit_low": channel.spec.limit_low,
        "limit_high": channel.spec.limit_high,
        "opened_s": (case.opened_ms - now) / 1000 if case is not None else None,
        "points": [[(at - now) / 1000, value] for at, value in points[-POINTS_MOST:]],
    }

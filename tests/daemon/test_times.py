"""What a time of the device means on the wall, across restarts."""

from datetime import datetime

import msgspec

from sickbay.daemon.times import EPOCHS_MAX, Clock, kept, taken_up


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_each_time_is_told_by_the_start_that_it_belongs_to() -> None:
    clock = Clock(50_000, [(0, 1_000.0), (20_000, 90_000.0)])
    assert seconds(clock.wall(5_000)) == 1_005.0
    assert seconds(clock.wall(30_000)) == 90_010.0
    assert seconds(clock.wall(60_000)) - seconds(clock.wall(50_000)) == 10.0


def test_the_epochs_travel_with_the_snapshot_and_stay_bounded() -> None:
    clock = Clock(1_000_000, [(k * 1000, float(k)) for k in range(500)])
    epochs, node = taken_up(kept(clock, b"node"))
    assert node == b"node" and len(epochs) == EPOCHS_MAX + 1 and epochs[-1][0] == 1_000_000


def test_a_snapshot_is_packed_and_one_from_before_that_is_still_read() -> None:
    """An update must not cost a device what it has learnt."""
    clock, node = Clock(5_000), b"sickbay memory" * 1000
    raw = kept(clock, node)
    assert len(raw) < len(node) / 10 and taken_up(raw)[1] == node
    assert taken_up(msgspec.msgpack.encode((clock.epochs(), node)))[1] == node


def test_a_snapshot_of_another_shape_is_left_for_the_node_to_refuse() -> None:
    packed = kept(Clock(), b"node")
    for raw in (b"", b"garbage", b"x", b"sickbay memory\nwhatever", packed[:-7], packed[:9] + b"?" + packed[10:]):
        assert taken_up(raw) == ([], raw)

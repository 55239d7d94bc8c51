"""A restart at any moment: a node brought back from its snapshot goes on as if it had never stopped, byte for byte."""

import pytest

from plants import BORN, Journey, becomes, equipment, fan_dies, give, long_journey, rows, trace
from sickbay.core.effects import Effect
from sickbay.core.node import Node
from sickbay.core.reading import Reading


def go_on(node: Node, inputs: list[object]) -> bytes:
    """This takes a node through inputs and returns the trace of what came out."""
    effects: list[Effect] = []
    for what in inputs:
        give(node, what)
        effects += node.take_effects()
    return trace(effects)


def test_the_journey_has_some_of_everything() -> None:
    """Else the restart proves little."""
    j = long_journey()
    kinds = {getattr(e, "kind", "drive") for e in j.effects}
    assert kinds >= {
        "verdict", "fault", "isolate", "would_isolate", "probation", "release", "output", "drive", "escalate", "command",
        "source_lost", "source_back", "opened", "updated", "closed",
    }  # fmt: skip


def test_a_restart_wherever_something_came_out_changes_nothing_that_follows() -> None:
    j = long_journey()
    plant = equipment()
    node = Node(plant, "boot1")
    node.start(0)
    node.take_effects()
    came_out: list[tuple[int, bytes, int]] = []
    lines: list[Effect] = []
    for index, what in enumerate(j.inputs):
        give(node, what)
        effects = node.take_effects()
        lines += effects
        if effects:
            came_out.append((index, node.snapshot(), len(lines)))
    assert len(came_out) > 40
    for index, kept, told in came_out:
        again = Node(plant, "boot1")
        assert again.restore(kept) == []
        assert again.snapshot() == kept
        assert go_on(again, j.inputs[index + 1 :]) == trace(lines[told:]), f"after input {index}: {j.inputs[index]}"


def test_restarts_in_a_row_change_nothing_either() -> None:
    """Also where nothing comes out: while learning, in a half filled row, between two ticks."""
    j = long_journey()
    plant = equipment()
    node = Node(plant, "boot1")
    node.start(0)
    straight = go_on(node, j.inputs)
    node = Node(plant, "boot1")
    node.start(0)
    effects: list[Effect] = []
    for index, what in enumerate(j.inputs):
        give(node, what)
        effects += node.take_effects()
        if index % 37 == 0:
            kept, due = node.snapshot(), node.deadline_ms()
            node = Node(plant, "boot1")
            node.restore(kept)
            assert node.deadline_ms() == due
    assert trace(effects) == straight


@pytest.mark.parametrize("off", [True, False], ids=["isolated", "in service"])
def test_a_start_puts_outputs_where_the_snapshot_says(off: bool) -> None:
    """The relay may have moved while nobody watched: the first order after a restart says where it belongs."""
    ill = BORN + 5
    j = Journey().run(rows(range(ill + 20), *(fan_dies(ill) if off else [])))
    again = Node(equipment(), "boot1")
    again.restore(j.node.snapshot())
    again.start(j.now_ms + 5000)
    orders = [e for e in again.take_effects() if type(e).__name__ == "Drive"]
    assert [(e.output, e.on) for e in orders] == [("fan_relay", not off)]


def test_the_next_fault_after_a_restart_has_a_new_id() -> None:
    """An id that came twice would close another fault's ticket."""
    ill = BORN + 5
    j = Journey().run(rows(range(ill + 10), becomes("flow", 70.0, ill)))
    (first,) = j.tickets()
    again = Node(equipment(), "boot1")
    again.restore(j.node.snapshot())
    for second, values in rows(range(ill + 10, ill + 20), becomes("flow", 70.0, ill), becomes("room", None, ill + 10)):
        for name, value in values.items():
            give(again, second * 1000)
            give(again, Reading(name, value, 1000 * second))
    assert [i for i in again.ward.triage.cases if i != first] == ["plant-1-boot1-0002"]

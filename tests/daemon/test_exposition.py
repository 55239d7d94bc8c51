"""A running daemon's own metrics, read by a real parser: what status says, and nothing else."""

import socket
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from scene import Line, Unit, configuration, until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_daemon_shows_its_numbers_where_it_is_told_to_and_feedback_changes_them(tmp_path: Path) -> None:
    """Whoever has a Prometheus already must need no second tool; and a false alarm, once said, is on the record."""
    port = free_port()
    more = f'[metrics]\nlisten = "127.0.0.1:{port}"\n'
    with Line(tmp_path) as line, Unit(tmp_path, configuration(tmp_path, more)) as unit:
        unit.learnt()

        def page() -> dict[tuple[str, ...], float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                text = answer.read().decode()
            samples = [s for found in text_string_to_metric_families(text) for s in found.samples]
            return {(s.name, *s.labels.values()): s.value for s in samples}

        found = page()
        assert found[("sickbay_signal_state", "a", "in_service")] == 1.0
        assert found[("sickbay_signal_state", "a", "isolated")] == 0.0
        assert 9.0 < found[("sickbay_signal_value", "a", "")] < 11.0
        assert found[("sickbay_faults_open", "minor")] == 0.0
        assert found[("sickbay_inputs_total", "taken")] > 0

        line.say = lambda row: b'{"a": 500, "b": %f}\n' % row["b"]
        unit.until_fault("range")
        until("the isolated signal on the page", lambda: page()[("sickbay_signal_state", "a", "isolated")] == 1.0)
        said = unit.ask("feedback", name="a", says="false_alarm", reason="somebody leant on it")
        assert "1 of 3" in said["says"] and said["ok"]
        (bar,) = unit.status()["bars"]
        assert (bar["target"], bar["class"], bar["reason"]) == ("a", "range", "somebody leant on it")


def test_a_port_that_is_taken_costs_the_page_and_nothing_else(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        more = f'[metrics]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n'
        with Line(tmp_path), Unit(tmp_path, configuration(tmp_path, more)) as unit:
            unit.says("cannot listen on 127.0.0.1")
            assert unit.status()["device"] == "unit-1"

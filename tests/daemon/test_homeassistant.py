"""Home Assistant beside the real daemon and a real broker: it sees the device, and may press what its owner listed."""

import asyncio
import json
import threading

import paho.mqtt.client as mqtt
import pytest

import home_rules
from broker import BROKERS
from deck import Deck, run
from scene import Line, Unit, configuration, plain, until
from sickbay import config as configuring
from sickbay.core.quarantine import State
from sickbay.daemon.homeassistant import WHY, HomeAssistant
from sickbay.edge.journal import Journal

CONFIG_TOPIC = "homeassistant/device/unit-1/config"
STATE, PRESS = "sickbay/1/unit-1/up/ha", "sickbay/1/unit-1/down/ha"


class Home:
    """What Home Assistant would see of a broker."""

    def __init__(self, port):
        self.seen = {}
        self._news = threading.Condition()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe([("homeassistant/#", 1), ("sickbay/#", 1)])
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, client, userdata, message):
        with self._news:
            self.seen.setdefault(message.topic, []).append((message.payload, message.retain))
            self._news.notify_all()

    def last(self, topic):
        payloads = self.seen.get(topic)
        return json.loads(payloads[-1][0]) if payloads and payloads[-1][0] else None

    def until(self, what, fits):
        return until(what, lambda: (found := self.last(STATE)) and fits(found) and found)

    def press(self, verb, target, retain=False):
        payload = json.dumps({"verb": verb, "target": target})
        self._client.publish(PRESS, payload, qos=1, retain=retain).wait_for_publish(20)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def text(folder, broker, home):
    more = f'[mqtt]\nurl = "{broker.url}"\n{home}\n[parts.vital]\nsignals = ["c"]\nessential = true\n'
    return configuration(folder, more, names=("a", "b", "c"))


ON = '[home_assistant]\ndiscovery = true\nevery_s = 1.0\nbuttons = ["ack", "release"]\n'


def ill(row):
    return plain({**row, "b": 5000})


def test_it_sees_the_device_and_may_press_what_the_owner_listed(tmp_path):
    """The whole way: description, a change of state, a press that is obeyed, one that never is, and taking it all back."""
    with BROKERS[-1]() as broker, Line(tmp_path, ("a", "b", "c")) as line, Home(broker.port) as home:
        with Unit(tmp_path, text(tmp_path, broker, ON)) as unit:
            payload = until("the description", lambda: home.last(CONFIG_TOPIC))
            assert home_rules.complaints(CONFIG_TOPIC, payload) == []
            with Home(broker.port) as later:
                until("it is retained", lambda: later.seen.get(CONFIG_TOPIC))
                assert later.seen[CONFIG_TOPIC][0][1]
            unit.learnt()
            home.until("a good reading", lambda s: s["signals"]["a"]["about"]["quality"] == "good")
            value = payload["cmps"]["signal_a"]["value_template"]
            assert 5 < home_rules.shown(value, home.last(STATE)) < 15
            line.say = ill
            state = home.until("isolation", lambda s: s["signals"]["b"]["about"]["state"] == "isolated")
            assert state["signals"]["b"]["value"] is None
            home.until("a fault", lambda s: s["device"]["faults"] >= 1)
            _buttons(unit, home)
            unit.stop()
            _in_the_ledger(unit, home)
            unit.start()
            unit.event("command", "unit-1", who="home-assistant", because="retained")
        _switched_off(tmp_path, broker, home)


def _buttons(unit, home):
    home.press("ack", "b")
    status = unit.until_status("the press", lambda s: [f for f in s["faults"] if f["target"] == "b" and f["acked"]])
    (fault,) = [f for f in status["faults"] if f["target"] == "b" and f["acked"]][:1]
    assert fault["acked"]["who"] == "home-assistant"
    assert unit.status()["home_assistant"]["pressed"] >= 1
    home.press("release", "vital")
    refused = unit.event("command", "vital", verb="release", who="home-assistant")
    assert "essential" in refused["refused"]
    home.press("release", "b", retain=True)  # once it is a press; at the next connect it is a ghost
    unit.event("probation", "b")


def _in_the_ledger(unit, home):
    """What left stands there, bytes and all, with the line of the configuration that let it; regular states many to a line."""
    with Journal(unit.state) as journal:
        mine = [row for row in journal.ledger() if row.what.startswith("homeassistant")]
    assert {row.why for row in mine} == {WHY}
    assert [row.what for row in mine if row.topic == CONFIG_TOPIC] == ["homeassistant.discovery"]
    sizes = [len(payload) + len(STATE) for payload, _ in home.seen[STATE]]
    counted = sum(row.bytes for row in mine if row.topic == STATE)
    assert sum(sizes) <= counted <= sum(sizes) + 2 * max(sizes), "counted before it leaves: one may have been cut off"
    assert len([row for row in mine if row.topic == STATE]) < len(sizes)


def _switched_off(folder, broker, home):
    """What was said is taken back once the owner no longer wants it; a retained press that is still there is nobody's."""
    with Unit(folder, text(folder, broker, "")) as unit:
        until("it is taken back", lambda: home.seen[CONFIG_TOPIC][-1][0] == b"" and home.seen[STATE][-1][0] == b"")
        unit.must_live()
        assert unit.stop() == 0
    said = len(home.seen[CONFIG_TOPIC])
    with Unit(folder, text(folder, broker, "")) as unit:
        unit.until_status("a connection", lambda s: s["uplink"]["state"] == "connected")
        unit.stop()
    assert len(home.seen[CONFIG_TOPIC]) == said, "once is enough"


def home_of(deck, more=""):
    text_ = f'[device]\nid = "deck"\n[mqtt]\nurl = "mqtt://127.0.0.1:1"\n{ON.replace("every_s = 1.0", "every_s = 30.0")}{more}'
    return HomeAssistant(deck, configuring.parse(text_), [], now_s=asyncio.get_running_loop().time)


class Orders(Deck):
    """A deck that takes orders."""

    def order(self, command):
        try:
            return self.node.command(command)
        finally:
            self.turn()


def test_a_retained_press_and_a_flood_and_nonsense_are_turned_away_and_told(tmp_path):
    """A press that a broker keeps would be pressed at every connect; a flood must not write the log full."""

    async def script():
        async with Orders(tmp_path) as d:
            home = home_of(d)
            home.heard(PRESS, b'{"verb":"ack","target":""}', True)
            home.heard(PRESS, b"\xff\x00", False)
            home.heard(PRESS, b'{"verb":"ack","target":"x","more":1}', False)
            home.heard(PRESS, b"[" * 100_000, False)
            for _ in range(1000):
                home.heard(PRESS, b'{"verb":"release","target":"nothing"}', False)
            assert home.turned_away["retained"] == 1 and home.turned_away["shape"] == 3
            assert home.turned_away["flood"] == 1000 - 2, "five at once, of which three made no sense"
            await d.keeping.carried_out()
        events = [json.loads(row) for row in (tmp_path / "events.jsonl").read_text().splitlines()]
        assert len([e for e in events if e["kind"] == "command"]) <= 12

    run(script)


def test_it_speaks_each_every_s_and_at_a_change_but_not_more_often_than_it_should(tmp_path):
    """A state that changes a hundred times a minute must not fill the line."""

    async def script():
        said = []

        async def say(topic, payload, what, why, *, regular=False):
            said.append((asyncio.get_running_loop().time(), what))
            return True

        async with Orders(tmp_path) as d:
            home = home_of(d)
            speaking = asyncio.create_task(home.speak(say))
            await asyncio.sleep(300.0)
            quiet = len([1 for _, what in said if what == "homeassistant.state"])
            assert quiet in (10, 11)
            record = next(iter(d.node.ward.quarantine.records.values()))
            for n in range(600):
                record.state = State.WOULD_ISOLATE if n % 2 else State.IN_SERVICE
                home.changed()
                await asyncio.sleep(0.3)
            busy = len([1 for _, what in said if what == "homeassistant.state"]) - quiet
            assert 30 <= busy <= 180 / 2 + 1, "180 s of it, two seconds apart at least"
            speaking.cancel()

    run(script)


def test_what_is_left_at_a_broker_is_taken_back_where_the_topics_change(tmp_path):
    """A device that was renamed must not stay in Home Assistant as a ghost under its old name."""

    async def script():
        said = []

        async def say(topic, payload, what, why, *, regular=False):
            said.append((topic, payload))
            return True

        async with Orders(tmp_path) as d:
            home = home_of(d)
            home._left = ["old/device/x/config"]
            speaking = asyncio.create_task(home.speak(say))
            await asyncio.sleep(1.0)
            assert ("old/device/x/config", b"") in said
            kept = json.loads(await d.keeping.remembered("homeassistant"))
            assert kept == ["homeassistant/device/plant-1/config", "sickbay/1/plant-1/up/ha"]
            speaking.cancel()

    run(script)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('prefix = "a/#"', "cannot be a topic"),
        ("every_s = 0.1", "every_s: 0.1 is not between"),
        ('buttons = ["quarantine"]', "buttons"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_said(line, says):
    with pytest.raises(ValueError, match=says):
        configuring.parse(f'[mqtt]\nurl = "mqtt://127.0.0.1:1"\n[home_assistant]\n{line}\n')


def test_without_a_broker_there_is_nobody_to_tell():
    with pytest.raises(ValueError, match=r"there is no \[mqtt\]"):
        configuring.parse("[home_assistant]\ndiscovery = true\n")

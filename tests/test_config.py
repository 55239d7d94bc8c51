"""These hold the configuration file's promise: what it may say, and how plainly a mistake in it is told."""

from pathlib import Path

import pytest

from sickbay import config as configuration
from sickbay.config import Config, Gpio, SerialLine, load, parse
from sickbay.errors import ConfigError

# The example of the outside surface, whole.
EXAMPLE = """
[device]
id = "pump-7"
model = "cooling-loop-2"

[paths]
state  = "/var/lib/sickbay"
socket = "/run/sickbay/sickbay.sock"
events = "events.jsonl"

[mqtt]
url = "mqtt://127.0.0.1:1883"
prefix = "sickbay/1"

[sources.rig]
driver = "serial_line"
port = "/dev/ttyACM0"
baud = 115200
format = "json"

[sources.second]
driver = "serial_line"
port = "socket://127.0.0.1:7"
format = "csv"
columns = ["t", "flow"]
delimiter = ";"
checksum = "xor"

[sources.pins]
driver = "gpio"
inputs  = { float = { pin = 27, pull = "up" }, fan_tach = { pin = 23, count = "rising", pulses_per_rev = 2 } }

[sources.old]
driver = "replay"
path = "old.csv"

[signals.flow]
from = "rig.flow"
unit = "L/min"
every_s = 1.0
range = [0, 60]
rate_max_per_s = 5
redundant_with = "flow_b"
substitute = "flow_b"
sentinel = [85.0, -127]
lsb = 0.1

[signals.flow_b]
from = "second.flow"
sentinel = -1

[signals.fan_tach]
from = "pins.fan_tach"

[signals.outlet_temp]
from = "rig.outlet_temp"

[outputs.fan_relay]
driver = "gpio"
pin = 17
fail_state = "on"
read_back = 22

[parts.pump]
signals = ["flow", "flow_b"]
essential = true
model = "generic"

[parts.fan]
signals = ["fan_tach", "outlet_temp"]
isolate = "active"
output = "fan_relay"

[policy]
learn_rows = 400
"""

RIG = '[sources.rig]\ndriver = "serial_line"\nport = "/dev/ttyACM0"\nformat = "json"\n'
FLOW = RIG + '[signals.flow]\nfrom = "rig.flow"\n'
PINS = '[sources.pins]\ndriver = "gpio"\ninputs = { a = { pin = 5 } }\n'
RELAY = '[outputs.relay]\ndriver = "gpio"\nfail_state = "on"\n'


def said(text: str) -> str:
    """This returns the complaint about a configuration, which must name the file."""
    with pytest.raises(ConfigError) as found:
        parse(text, "sickbay.toml")
    message = str(found.value)
    assert message.startswith("sickbay.toml: "), message
    return message.removeprefix("sickbay.toml: ")


def test_every_key_of_the_agreed_example_is_accepted() -> None:
    """This page is what people copy from: each key of it must go on working."""
    config = parse(EXAMPLE)
    equipment = configuration.equipment(config)
    assert [s.name for s in equipment.signals] == ["flow", "flow_b", "fan_tach", "outlet_temp"]
    assert equipment.signals[0].sentinels == (85.0, -127.0) and equipment.signals[1].sentinels == (-1.0,)
    assert [(p.name, p.essential, p.min_signals, p.output) for p in equipment.parts] == [
        ("pump", True, 1, None),
        ("fan", False, 0, "fan_relay"),
    ]
    assert isinstance(config.sources["rig"], SerialLine) and isinstance(config.sources["pins"], Gpio)


def test_one_source_and_one_signal_are_enough() -> None:
    """Whoever begins writes four lines: all signals are then one part, and nothing is ever moved."""
    (part,) = configuration.equipment(parse(FLOW)).parts
    assert (part.name, part.signals, str(part.isolate)) == ("device", ("flow",), "passive")
    assert parse("").sources == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[devise]\n", 'devise: unknown key. Did you mean "device"?'),
        ('[device]\nname = "x"\n', "device.name: unknown key. Known here: id, model"),
        ('[paths]\nsate = "/x"\n', 'paths.sate: unknown key. Did you mean "state"?'),
        ('[mqtt]\nurl = "mqtt://h"\nprefx = "x"\n', 'mqtt.prefx: unknown key. Did you mean "prefix"?'),
        (RIG + "bauds = 9600\n", 'sources.rig.bauds: unknown key. Did you mean "baud"?'),
        (FLOW + "every = 1\n", 'signals.flow.every: unknown key. Did you mean "every_s"?'),
        (RELAY + "pin = 1\nreadback = 2\n", 'outputs.relay.readback: unknown key. Did you mean "read_back"?'),
        (FLOW + '[parts.p]\nsignal = ["flow"]\n', 'parts.p.signal: unknown key. Did you mean "signals"?'),
        ("[policy]\ncooldown = 3\n", 'policy.cooldown: unknown key. Did you mean "cooldown_s"?'),
        (
            '[sources.p]\ndriver = "gpio"\ninputs = { a = { pin = 5, pul = "up" } }\n',
            'sources.p.inputs.a.pul: unknown key. Did you mean "pull"?',
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_path_and_the_nearest_known_one(text: str, complaint: str) -> None:
    """A mistyped key that passed unseen would leave a guard rail off for ever."""
    assert said(text) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (FLOW + 'every_s = "1"\n', "signals.flow.every_s: wanted is a number, not text in quotes"),
        (FLOW + "range = 5\n", "signals.flow.range: wanted is a list in [ ], not a whole number"),
        (FLOW + "range = [0]\n", "signals.flow.range: Expected list of length 2, got 1"),
        (FLOW + 'range = [0, "x"]\n', "signals.flow.range: wanted is a number, not text in quotes"),
        (FLOW + 'sentinel = "x"\n', "signals.flow.sentinel: wanted is a number or a list in [ ], not text in quotes"),
        (FLOW + "unit = 5\n", "signals.flow.unit: wanted is text in quotes, not a whole number"),
        (
            FLOW + 'isolate = "activ"\n',
            'signals.flow.isolate: "activ" is not one of off, passive, active. Did you mean "active"?',
        ),
        (RIG + "[signals]\nflow = 5\n", "signals.flow: wanted is a table, not a whole number"),
        (RIG + '[signals.flow]\nunit = "V"\n', 'signals.flow: "from" is missing'),
        ("signals = 5\n", "signals: wanted is a table, not a whole number"),
        (FLOW + '[parts.p]\nsignals = "flow"\n', "parts.p.signals: wanted is a list in [ ], not text in quotes"),
        (FLOW + '[parts.p]\nsignals = ["flow"]\nessential = 1\n', "wanted is true or false, not a whole number"),
        (RELAY + 'pin = "17"\n', "outputs.relay.pin: wanted is a whole number, not text in quotes"),
        (
            '[outputs.r]\ndriver = "gpio"\npin = 1\nfail_state = "One"\n',
            'outputs.r.fail_state: "One" is not one of on, off',
        ),
        (
            RIG.replace('"json"', '"jason"'),
            'sources.rig.format: "jason" is not one of json, csv, kv, nmea, regex. Did you mean "json"?',
        ),
        (RIG + 'checksum = "crc"\n', 'checksum: "crc" is not one of none, xor, crc16. Did you mean "crc16"?'),
        (
            RIG.replace("serial_line", "serial"),
            'sources.rig: driver "serial": there is no such driver. Did you mean "serial_line"?',
        ),
        (
            RIG.replace('driver = "serial_line"\n', ""),
            'sources.rig: "driver" is missing. Known: serial_line, gpio, replay',
        ),
        ("[policy]\nlearn_rows = 60.5\n", "policy.learn_rows: wanted is a whole number, not one with a fraction"),
        (
            '[sources.p]\ndriver = "gpio"\ninputs = { a = { pin = 5, pull = "upp" } }\n',
            'sources.p.inputs.a.pull: "upp" is not one of up, down, none. Did you mean "up"?',
        ),
        ('[mqtt]\nprefix = "x"\n', 'mqtt: "url" is missing'),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_the_table_it_stands_in(text: str, complaint: str) -> None:
    """With forty signals "signals[...].every_s" sends people through the whole file."""
    message = said(text)
    assert complaint in message
    assert "[..." not in message and "`" not in message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (FLOW + '[signals.flux]\nfrom = "rig.flow"\n', '"rig.flow" is read by signals.flow already. Remove one'),
        (FLOW.replace("rig.flow", "rg.flow"), 'signals.flow.from: there is no source "rg". Did you mean "rig"?'),
        (FLOW.replace("rig.flow", "rig"), 'signals.flow.from: "rig" is not of the form source.field'),
        (FLOW.replace("rig.flow", "rig."), "is not of the form source.field"),
        (PINS + '[signals.b]\nfrom = "pins.b"\n', "signals.b.from: sources.pins has no input 'b'"),
        (FLOW + "every_s = 0\n", "signals.flow.every_s: 0 is not between 0.001 and 86400"),
        (FLOW + "range = [5, 5]\n", "signals.flow.range: 5 is not below 5"),
        (FLOW + "range = [nan, 5]\n", "signals.flow.range[0]: nan is not a number that anything can be compared with"),
        (FLOW + "rate_max_per_s = -1\n", "signals.flow.rate_max_per_s: -1 is not above 0"),
        (FLOW + "lsb = -0.5\n", "signals.flow.lsb: -0.5 is not between"),
        (FLOW + 'substitute = "flow"\n', "signals.flow.substitute: 'flow' is not another signal"),
        (RIG + 'delimiter = ";;"\n', 'sources.rig.delimiter: ";;" is not one character'),
        (RIG + 'delimiter = ""\n', 'sources.rig.delimiter: "" is not one character'),
        (RIG + "line_bytes_max = 0\n", "sources.rig.line_bytes_max: 0 is not between 1 and"),
        (RIG + "baud = 0\n", "sources.rig.baud: 0 is not between 1 and"),
        (RIG + "baud = -9600\n", "sources.rig.baud: -9600 is not between 1 and"),
        (RIG + "silent_s = -1\n", "sources.rig.silent_s: -1 is not between"),
        (RIG.replace("/dev/ttyACM0", ""), "sources.rig.port: empty"),
        (RIG.replace("json", "regex"), "sources.rig.pattern: name what it finds"),
        (RIG.replace("json", "regex") + 'pattern = "("\n', "sources.rig.pattern: not a regular expression"),
        ('[sources.r]\ndriver = "replay"\npath = ""\n', "sources.r.path: empty"),
        (PINS.replace("5", "-5"), "sources.pins.inputs.a.pin: -5 is not a pin's number"),
        (PINS + "sample_s = 0\n", "sources.pins.sample_s: 0 is not between"),
        (RELAY + "pin = -1\n", "outputs.relay.pin: -1 is not a pin's number"),
        (RELAY + "pin = 5\nread_back = 5\n", "outputs.relay.read_back: pin 5 is outputs.relay.pin already"),
        (PINS + RELAY + "pin = 5\n", "outputs.relay.pin: pin 5 is sources.pins.inputs.a.pin already"),
        (FLOW + "[parts.p]\nsignals = []\n", "parts.p.signals: empty"),
        (FLOW + '[parts.p]\nsignals = ["flw"]\n', "parts.p.signals: 'flw' is not a signal"),
        (FLOW + '[parts.p]\nsignals = ["flow"]\nmin_signals = 2\n', "parts.p.min_signals: 2 is not between 0 and"),
        (FLOW + '[parts.flow]\nsignals = ["flow"]\n', "parts.flow: a signal has the same name"),
        (FLOW + '[parts.p]\nsignals = ["flow"]\noutput = "x"\n', "parts.p.output: 'x' is not an output"),
        ("[policy]\nlearn_rows = 39\n", "policy.learn_rows: 39 is not between 40 and"),
        ("[policy]\ncooldown_s = -1\n", "policy.cooldown_s: -1 is not between 0 and"),
        ("[policy]\nprobation_s = -1\n", "policy.probation_s: -1 is not between 0 and"),
        ("[policy]\ntrial_s = inf\n", "policy.trial_s: inf is not a number"),
        ("[policy]\ncycle_s = 0\n", "policy.cycle_s: 0 is not between 1 and"),
        ("[policy]\nrelapses_max = -1\n", "policy.relapses_max: -1 is not between 0 and"),
        ("[policy]\nisolated_max = -1\n", "policy.isolated_max: -1 is not between 0 and"),
        ("[policy]\ncorroborate_rows = 0\n", "policy.corroborate_rows: 0 is not between 1 and"),
        ("[policy]\nfalse_alarms_per_month = 0\n", "policy.false_alarms_per_month: 0 is not between"),
        ('[mqtt]\nurl = "http://h"\n', 'mqtt.url: "http://h" is not of the form mqtt://HOST:PORT'),
        ('[mqtt]\nurl = "mqtt://h:99999"\n', "mqtt.url: 99999 is no port; 1 to 65535"),
        ('[mqtt]\nurl = "mqtt://h"\nkeepalive_s = 0\n', "mqtt.keepalive_s: 0 is not between 5 and 1200"),
        ('[mqtt]\nurl = "mqtt://h"\nkeep_days = 0.5\n', "mqtt.keep_days: 0.5 is not between 1 and 3660"),
        ('[mqtt]\nurl = "mqtt://h"\nkeepalive_s = 70000\n', "mqtt.keepalive_s: 70000 is not between 5 and 1200"),
        ('[mqtt]\nurl = "mqtt://h"\nprefix = "a/#"\n', 'mqtt.prefix: "a/#" is not the beginning of a topic'),
        ('[device]\nid = "pump 7"\n', 'device.id: "pump 7": it stands in MQTT topics'),
        ('[device]\nid = "pump/7"\n', "has no blanks and none of / # +"),
        ('[device]\nid = "pump#"\n', "has no blanks and none of / # +"),
        ('[device]\nid = "+"\n', "has no blanks and none of / # +"),
        ("[device\n", "not TOML: "),
        (FLOW + FLOW, "not TOML: "),
    ],
)
def test_what_cannot_be_is_refused_with_its_key_and_a_mend(text: str, complaint: str) -> None:
    """Each of these passes as TOML and as a type, and would fail at night, on site, in other words."""
    assert complaint in said(text)


@pytest.mark.parametrize("name", ["a b", "a/b", "a#", "a+"])
def test_names_that_no_topic_or_order_could_carry_are_refused(name: str) -> None:
    """A name stands in topics, in orders and in file names."""
    assert "a name has no blanks and none of / # +" in said(RIG + f'[signals."{name}"]\nfrom = "rig.flow"\n')


def test_a_file_that_cannot_be_read_is_told_by_its_path(tmp_path: Path) -> None:
    """Missing, a folder, or in another encoding: whoever typed the path must see which one."""
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes('[device]\nid = "Kühlung"\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml: not UTF-8 at byte 16\. Save it as UTF-8"):
        load(latin)


def test_the_state_folder_is_the_files_then_systemds_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit file, a test and a person at a shell must each find their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    nothing = Config()
    assert configuration.state_dir(nothing) == tmp_path / ".local/state/sickbay"
    assert configuration.socket_path(nothing) == tmp_path / ".local/state/sickbay/sickbay.sock"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/sickbay:/var/lib/other")
    assert configuration.state_dir(nothing) == Path("/var/lib/sickbay")
    assert configuration.socket_path(nothing) == Path("/var/lib/sickbay/sickbay.sock")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/sickbay")
    assert configuration.socket_path(nothing) == Path("/run/sickbay/sickbay.sock")
    own = parse('[paths]\nstate = "~/here"\nsocket = "/tmp/s.sock"\n')
    assert configuration.state_dir(own) == tmp_path / "here"
    assert configuration.socket_path(own) == Path("/tmp/s.sock")


def test_relative_paths_begin_at_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sickbay status` from another folder must find the daemon that `sickbay run` started from this one."""
    file = tmp_path / "sickbay.toml"
    file.write_text('[paths]\nstate = "state"\nsocket = "s.sock"\n', encoding="utf-8")
    monkeypatch.chdir("/")
    assert configuration.state_dir(load(file)) == tmp_path / "state"
    assert configuration.socket_path(load(file)) == tmp_path / "s.sock"


def test_a_device_without_an_id_gets_one_that_does_not_betray_the_machine() -> None:
    """machine-id(5) wants to stay private; the id derived from it must still be the same each time."""
    first, again = configuration.device_id(parse("")), configuration.device_id(parse(""))
    assert first == again and first.startswith("device-") and len(first) == 17
    machine = Path("/etc/machine-id")
    if machine.exists():
        assert machine.read_text(encoding="ascii").strip()[:10] not in first


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "9464", "192.168.1.4:9464", "127.0.0.1", ":9464"])
def test_the_metrics_page_is_for_this_machine_alone(listen: str) -> None:
    """It needs no password, so it must not be reached from elsewhere."""
    with pytest.raises(ConfigError, match="not on this machine alone"):
        parse(f'[metrics]\nlisten = "{listen}"', "sickbay.toml")

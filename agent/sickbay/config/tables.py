"""These are the tables of the configuration file, frozen and closed: what may stand in it, and what it is where it does not."""

from typing import Literal

import msgspec

from sickbay.core.equipment import Mode


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every table: frozen, and closed to unknown keys."""


class Device(Struct, frozen=True):
    """[device]"""

    id: str = ""  # "": derived from /etc/machine-id
    model: str = ""  # the cohort that the fleet compares with


class Paths(Struct, frozen=True):
    """[paths]; "" means: where systemd says, else under the home folder."""

    state: str = ""
    socket: str = ""
    events: str = "events.jsonl"


class Mqtt(Struct, frozen=True):
    """[mqtt]"""

    url: str
    prefix: str = "sickbay/1"
    username: str = ""
    password_file: str = ""  # a systemd credential, or a file only the daemon may read
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive_s: int = 22
    keep_days: float = 30.0  # how long a message waits that is no news any more; critical and open ones wait for ever
    bytes_per_day: int = 20_000_000  # of messages; what is over it waits, what is critical never; 0: no bound


class ConsentTable(Struct, frozen=True):
    """[consent]: what may leave beside the words of a fault. Nothing that comes over the network can change it."""

    freeze_frames: bool = False  # readings of before and after a fault
    history: bool = False  # this unit's own past with the fault, and what people said of it
    context: bool = False  # how a target stands, in the answer to an order that asks for it
    heartbeat: bool = True  # a sign of life each five minutes; it holds nothing that the birth did not


class SerialLine(Struct, frozen=True, tag_field="driver", tag="serial_line"):
    """[sources.X] driver = "serial_line": lines of text from any pyserial URL."""

    port: str
    format: Literal["json", "csv", "kv", "nmea", "regex"]
    baud: int = 115200
    checksum: Literal["none", "xor", "crc16"] = "none"
    columns: tuple[str, ...] = ()  # csv; a header line in the stream also names them
    delimiter: str = ","  # csv
    pattern: str = ""  # regex with named groups
    line_bytes_max: int = 4096  # longer lines are garbage
    silent_s: float = 0.0  # reopen after this much silence; 0: never


class Pin(Struct, frozen=True):
    """One GPIO input: a level, or counted edges."""

    pin: int
    pull: Literal["up", "down", "none"] = "none"
    active_low: bool = False
    count: Literal["", "rising", "falling", "both"] = ""
    pulses_per_rev: float = 0.0  # with count: the field is rev/min; without: edges a second


class Gpio(Struct, frozen=True, tag_field="driver", tag="gpio"):
    """[sources.X] driver = "gpio": sampled levels and counted edges."""

    inputs: dict[str, Pin]
    sample_s: float = 1.0
    chip: str = ""  # e.g. "/dev/gpiochip0"; "": found out


class Replay(Struct, frozen=True, tag_field="driver", tag="replay"):
    """[sources.X] driver = "replay": a recording played as if it were live."""

    path: str
    speed: float = 1.0  # times real time; 0: as fast as it goes
    delimiter: str = ""  # "": found out
    time_column: str = ""  # "": found out


class Obd(Struct, frozen=True, tag_field="driver", tag="obd"):
    """[sources.X] driver = "obd": an ELM327-class adapter in a car's diagnostic socket."""

    port: str
    baud: int = 0  # 0: found out
    pids: dict[str, str] = {}  # field -> "0105" or a standard name; a field that is a standard name needs no line
    timeout_s: float = 2.0  # for one answer; four times as long while it looks for the car's protocol
    asleep_s: float = 10.0  # how often a car that is switched off is looked at


Source = SerialLine | Gpio | Replay | Obd


class SignalTable(Struct, frozen=True, rename={"from_": "from"}):
    """[signals.X]"""

    from_: str
    unit: str = ""
    every_s: float = 1.0
    range: tuple[float, float] | None = None
    rate_max_per_s: float | None = None
    redundant_with: str | None = None
    substitute: str | None = None
    sentinel: float | tuple[float, ...] = ()
    lsb: float = 0.0
    limit_low: float | None = None
    limit_high: float | None = None
    isolate: Mode | None = None


class OutputTable(Struct, frozen=True):
    """[outputs.X]"""

    driver: Literal["gpio"]
    pin: int
    fail_state: Literal["on", "off"]
    isolated_state: Literal["on", "off"] = "off"
    active_low: bool = False
    read_back: int | None = None
    read_back_after_s: float = 0.05
    chip: str = ""


class PartTable(Struct, frozen=True):
    """[parts.X]"""

    signals: tuple[str, ...]
    essential: bool = False
    isolate: Mode = Mode.PASSIVE
    output: str | None = None
    model: str | None = None
    min_signals: int | None = None  # default: 1 for an essential part, else 0


class PolicyTable(Struct, frozen=True):
    """[policy]: guard rails of the whole device."""

    isolated_max: int = 3
    cooldown_s: float = 10.0
    probation_s: float = 60.0
    trial_s: float = 600.0
    relapses_max: int = 3
    cycle_s: float = 86400.0
    corroborate_rows: int = 30
    learn_rows: int = 400
    warn_ahead_s: float = 604_800.0
    false_alarms_per_month: float = 0.1


class OrdersTable(Struct, frozen=True):
    """[orders]: who may order from afar, and how much."""

    keys: tuple[str, ...] = ()  # files of public keys; a bare name is a systemd credential where there are any
    two_key: bool = False
    tighten_max: float = 1.5


class MetricsTable(Struct, frozen=True):
    """[metrics]: a page for a Prometheus on this machine."""

    listen: str = ""  # HOST:PORT on the loopback interface; "" switches it off


class HomeAssistantTable(Struct, frozen=True):
    """[home_assistant]: how the device is shown there, over the broker of [mqtt]."""

    discovery: bool = False
    prefix: str = "homeassistant"  # as it is set there
    buttons: tuple[Literal["ack", "release"], ...] = ()  # a press is an order that nobody signed
    every_s: float = 30.0


class Config(Struct, frozen=True):
    """The whole file."""

    device: Device = Device()
    paths: Paths = Paths()
    mqtt: Mqtt | None = None
    consent: ConsentTable = ConsentTable()
    sources: dict[str, Source] = {}
    signals: dict[str, SignalTable] = {}
    outputs: dict[str, OutputTable] = {}
    parts: dict[str, PartTable] = {}
    policy: PolicyTable = PolicyTable()
    orders: OrdersTable = OrdersTable()
    metrics: MetricsTable = MetricsTable()
    home_assistant: HomeAssistantTable = HomeAssistantTable()


def fields_of(config: Config, source: str) -> dict[str, str]:
    """This returns {field of the source: signal name} for one source."""
    pairs = ((t.from_.partition("."), name) for name, t in config.signals.items())
    return {field: name for (src, _, field), name in pairs if src == source}

"""This is a device's machine: one of a few dozen patients that many devices share, or a patient of its own.

Stepping a thousand plants costs more than a thousand nodes. So healthy devices hear a patient that others hear too, each through
sensors of its own: gain, offset and noise are the device's. Faults of its sensors are its own as well. What changes physics (a
part's fault, the weather at its place, a relay that it switches) is had by a copy of the patient, made at that moment, until the
device has been well for REJOIN_S; then it goes back to the shared one.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from sickbay_sim.ailments import Distortion, in_force, kinds_of, noises, severity_at
from sickbay_sim.catalogue import Description
from sickbay_sim.patient import Patient
from sickbay_sim.plant import PLANTS
from sickbay_sim.plant.sensors import chain_of
from sickbay_sim.record import Illness
from sickbay_sim.scenario import Fault

REJOIN_S = 3600.0
BEFORE_S, AFTER_S = 10.0, 60.0  # around a fault of its line a device hears bytes, else what good bytes would say
TABLE = 1 << 14  # normal numbers, drawn once a site; each device reads them at places of its own
TABLE_MORE = 64  # more signals than any plant has
OFFSET, GAIN, NOISE = 2.0, 0.005, 0.5  # what units differ by: in noises, as a share; and what noise is the device's own

Row = Mapping[str, float | None]


class Machine(Protocol):
    """What a device is fastened to. Times are its own seconds."""

    plant: Description

    def row(self) -> Row:
        """This moves on by one period and returns what the sensors say; None for a reading that is missing."""
        ...

    def switch(self, relay: str, on: bool) -> bool:
        """This puts a relay's coil on or off and returns whether the contacts follow."""
        ...

    def of_bytes(self) -> dict[str, float]:
        """This returns the line's faults in force, and how bad they are."""
        ...

    def line_near(self) -> bool:
        """This returns whether bytes must be made of rows now: a fault of the line is in force, just over, or soon to come."""
        ...

    def illnesses(self) -> list[Illness]: ...


class Ring:
    """One patient that many devices share, and its rows of the present slice: devices come to them one after another."""

    def __init__(self, plant: str, seed: int, profile: str, period_s: float = 1.0) -> None:
        self.period_s = period_s
        self.patient = Patient(seed, plant=plant, profile=profile)
        self.plant: Description = PLANTS[plant]
        self.noises = noises(self.plant, profile, self.patient.true_values())
        self.chains = self.patient.sensors.chains
        self._first = 0  # how many rows were before the slice
        self._rows: list[tuple[float, Row]] = []
        self._before = self.patient  # as it was then

    def ahead(self, count: int) -> None:
        """This begins a slice: from the last row of the one before up to the row of that number, counted from 1."""
        last = self._first + len(self._rows)
        self._before, self._first = copy.deepcopy(self.patient), last
        self._rows = []
        for _ in range(last, count):
            row = self.patient.advance(self.period_s)
            self._rows.append((self.patient.at_s, row))

    def row(self, number: int) -> tuple[float, Row]:
        """This returns when a row of the slice came, in the machine's seconds, and what it says."""
        return self._rows[number - self._first - 1]

    def patient_at(self, number: int) -> Patient:
        """This returns another patient: this one as it was at a row of the slice, or at the last one before."""
        found = copy.deepcopy(self._before)
        for _ in range(self._first, number):
            found.advance(self.period_s)
        return found


def table_of(seed: str) -> list[float]:
    """This returns a site's normal numbers; the first stand at the end once more, so that a row may begin anywhere."""
    chance = random.Random(seed)
    numbers = [chance.gauss(0.0, 1.0) for _ in range(TABLE)]
    return numbers + numbers[:TABLE_MORE]


class Shared:
    """A machine that hears its ring's patient as long as nothing befalls its own physics."""

    def __init__(self, ring: Ring, faults: Sequence[Fault], seed: int, table: Sequence[float]) -> None:
        chance = random.Random(f"unit {seed}")
        self.plant, self._ring, self._table = ring.plant, ring, table
        self._kinds = kinds_of(ring.plant)
        self._faults = tuple(faults)
        self._of_sensors = self._acting("reading")
        self._of_physics = self._acting("physics")
        self._of_bytes = self._acting("bytes")
        self._distortion = Distortion(seed, ring.plant, ring.chains, ring.noises)
        self._bent = False
        self._own: Patient | None = None
        self._well_s = 0.0  # since when nothing has befallen its own patient
        self._place, self._stride = chance.randrange(TABLE), 2 * chance.randrange(TABLE // 2) + 1
        self._chains = [self._chain(name, chance) for name in ring.chains]
        self._begun: list[Illness] = []
        self._rows = 0
        self.at_s = ring.patient.at_s

    def _acting(self, acts: str) -> list[Fault]:
        return sorted((f for f in self._faults if self._kinds[f.kind].acts == acts), key=lambda f: f.at_s)

    def _chain(self, name: str, chance: random.Random) -> tuple[str, float, float, float, float, float, float]:
        """This returns what this unit's sensor makes of the shared one's: gain, offset, noise, step, floor and ceiling."""
        sensor, noise = self._ring.chains[name], self._ring.noises[name]
        gain, offset = 1.0 + GAIN * chance.gauss(0, 1), OFFSET * noise * chance.gauss(0, 1)
        if chain_of(sensor) == "switch":
            return name, 1.0, 0.0, 0.0, 1.0, sensor.low, sensor.high
        return name, gain, offset, NOISE * noise, sensor.lsb or 1e-6, sensor.low, sensor.high

    def row(self) -> Row:
        self._rows += 1
        at_s, heard = self._ring.row(self._rows)
        self.at_s, own = at_s, self._own
        if own is not None:
            heard = own.advance(self._ring.period_s)
            self._perhaps_rejoin(own, at_s)
        else:
            if self._of_physics and at_s >= self._of_physics[0].at_s:
                self._fork()
        said = self._through_own_sensors(heard)
        if self._of_sensors and at_s >= self._of_sensors[0].at_s - self._ring.period_s:
            return self._distorted(said, at_s)
        return said

    def _through_own_sensors(self, heard: Row) -> dict[str, float | None]:
        place = self._place = (self._place + self._stride) % TABLE
        table = self._table
        said: dict[str, float | None] = {}
        for name, gain, offset, noise, lsb, low, high in self._chains:
            value = heard[name]
            if value is not None:
                value = round((value * gain + offset + noise * table[place]) / lsb) * lsb
                value = low if value < low else high if value > high else value
            said[name] = value
            place += 1
        return said

    def _distorted(self, said: dict[str, float | None], at_s: float) -> Row:
        acting = [(f, s) for f in self._of_sensors if (s := severity_at(f, at_s)) > 0]
        while self._of_sensors and self._over(self._of_sensors[0], at_s):
            self._of_sensors.pop(0)
        there = {name: value for name, value in said.items() if value is not None}
        return {**said, **self._distortion.apply(there, acting, self._ring.period_s)}

    def _over(self, fault: Fault, at_s: float) -> bool:
        return fault.until_s is not None and at_s >= fault.until_s

    def switch(self, relay: str, on: bool) -> bool:
        if self._own is None:
            if on:
                return self._ring.patient.contacts(relay) is on  # nobody ever switches or harms the shared one
            self._fork()
        assert self._own is not None
        return self._own.switch(relay, on) is on

    def _fork(self) -> None:
        """This gives the device a patient of its own, as the shared one is at this moment."""
        self._own = self._ring.patient_at(self._rows)
        self._well_s = self.at_s
        for fault in self._of_physics:
            self._own.fall_ill(fault)

    def _perhaps_rejoin(self, own: Patient, at_s: float) -> None:
        soon = any(f.until_s is None or f.until_s > at_s for f in self._of_physics)
        if soon or not all(own.coils.values()):
            self._well_s = at_s
        elif at_s - self._well_s >= REJOIN_S:
            self._begun += own.illnesses()
            self._of_physics = [f for f in self._of_physics if f.at_s > at_s]
            self._own = None

    def of_bytes(self) -> dict[str, float]:
        if not self._of_bytes:
            return {}
        at_s = self.at_s
        return {f.kind: s for f in self._of_bytes if (s := severity_at(f, at_s)) > 0}

    def line_near(self) -> bool:
        at_s = self.at_s
        return any(
            f.at_s - BEFORE_S <= at_s and (f.until_s is None or at_s < f.until_s + AFTER_S) for f in self._of_bytes
        )

    def illnesses(self) -> list[Illness]:
        """This returns what was and is truly wrong with this machine, by onset."""
        at_s = self.at_s
        found = self._begun + (self._own.illnesses() if self._own is not None else [])
        for fault in self._faults:
            kind = self._kinds[fault.kind]
            if kind.acts == "physics" or fault.at_s > at_s:
                continue
            blamed = tuple(fault.target.split("<>")) if fault.kind == "swap" else (fault.target,)
            end_s = None if in_force(fault, at_s) else fault.until_s
            found.append(
                Illness(fault.kind, kind.layer, fault.target, fault.at_s, end_s, blamed, min(1.0, fault.severity))
            )
        return sorted(found, key=lambda illness: illness.onset_s)


class Alone:
    """A machine with a patient to itself, as a scenario tells of it."""

    def __init__(self, patient: Patient, period_s: float) -> None:
        self.patient, self.plant = patient, type(patient.plant)
        self._period_s = period_s

    def row(self) -> Row:
        return self.patient.advance(self._period_s)

    def switch(self, relay: str, on: bool) -> bool:
        return self.patient.switch(relay, on) is on

    def line_near(self) -> bool:
        return True

    def of_bytes(self) -> dict[str, float]:
        return {fault.kind: severity for fault, severity in self.patient.in_force("bytes")}

    def illnesses(self) -> list[Illness]:
        return self.patient.illnesses()

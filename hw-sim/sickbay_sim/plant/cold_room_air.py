"""This is what stands around a cold room's unit: weather, people at the door, air, walls and goods.

Where the formulae and figures come from:
- flow through an open door: Gosney and Olama's equation, ASHRAE Handbook Refrigeration, chapter 24: 0.221 A sqrt(g H)
  sqrt(1 - rho_i / rho_r); a strip curtain keeps back 70 %;
- walls: 45 m2 of 60 mm polyurethane, 0.5 W/m2 K with floor and joints; 14 m3 of air with shelves and lining follows within
  10 minutes, 600 kg of goods at 3.3 kJ/kg K (meat: the same handbook, chapter 19) within 4 hours;
- outdoor air: a year and a day as sines (middle of Europe: 10.5 +- 9.5 and +- 4 K), a weather that changes from day to day;
- opening hours 6 to 20 on weekdays, 7 to 13 on Saturdays, a rush of deliveries from 7 to 9.
Weather and doors are functions of seed and clock: no step draws.
"""

import math
import random
from dataclasses import dataclass, replace

from sickbay_sim.plant.cold_room_unit import vapour_ratio

DAY_S = 86400
GOODS_J_KG_K = 3300.0
AIR_KG = 18.0
DOOR_M2, DOOR_M = 1.8, 2.0
CURTAIN = 0.3  # what a strip curtain lets through
SEAL_LEAK = 0.08  # of an open door's flow past a seal that is gone


@dataclass(frozen=True)
class RoomParameters:
    """What one room is built of."""

    air_j_k: float = 95e3  # with shelves and the walls' lining
    goods_kg: float = 600.0
    goods_w_k: float = 140.0
    walls_w_k: float = 22.0
    goods_dry_kg_s: float = 0.03  # vapour from goods for each kg/kg of difference
    openings: float = 1.0  # how often the door opens, for the usual


def drawn(chance: random.Random) -> RoomParameters:
    """This returns one room, somewhat off the nominal."""
    p = RoomParameters()
    return replace(
        p,
        air_j_k=p.air_j_k * chance.uniform(0.85, 1.15),
        goods_kg=p.goods_kg * chance.uniform(0.8, 1.2),
        walls_w_k=p.walls_w_k * chance.uniform(0.9, 1.15),
        openings=chance.uniform(0.7, 1.3),
    )


class World:
    """The weather and the people. `clock_s` counts from the start of a year; day 0 is a Monday."""

    def __init__(self, seed: int, openings: float) -> None:
        self._seed = seed
        self._openings = openings
        self._day = self._hour = -1
        self._weather = (0.0, 0.0)
        self._opened: list[tuple[float, float]] = []

    def outdoor_c(self, clock_s: float) -> float:
        """This returns the outdoor temperature that season, hour and weather make."""
        days = clock_s / DAY_S
        day = int(days)
        if day != self._day:
            self._day = day
            self._weather = (self._mood(day), self._mood(day + 1))
        part = days - day
        blend = part * part * (3 - 2 * part)
        weather = self._weather[0] + blend * (self._weather[1] - self._weather[0])
        return (
            10.5
            + 9.5 * math.cos(2 * math.pi * (days - 200) / 365.25)
            + 4.0 * math.cos(2 * math.pi * (part - 15 / 24))
            + weather
        )

    def is_open(self, clock_s: float) -> bool:
        """This returns whether somebody holds the door open now."""
        hour = int(clock_s // 3600)
        if hour != self._hour:
            self._hour = hour
            self._opened = self._drawn(hour)
        while self._opened and clock_s >= self._opened[0][1]:
            self._opened.pop(0)
        return bool(self._opened) and clock_s >= self._opened[0][0]

    def _mood(self, day: int) -> float:
        return max(-7.0, min(7.0, random.Random(f"cold-room weather {self._seed} {day}").gauss(0, 2.5)))

    def _drawn(self, hour: int) -> list[tuple[float, float]]:
        """This draws an hour's openings, in even seconds, one after the other."""
        weekday, of_day = hour // 24 % 7, hour % 24
        rate = 0.0
        if weekday < 5 and 6 <= of_day < 20:
            rate = 9.0 if 7 <= of_day < 9 else 4.5
        elif weekday == 5 and 7 <= of_day < 13:
            rate = 4.0
        chance = random.Random(f"cold-room door {self._seed} {hour}")
        openings, at = [], 0.0
        while rate > 0:
            at += chance.expovariate(rate * self._openings / 3600)
            lasts = 2 * round(chance.uniform(4, 20))
            start = 2 * math.ceil(at / 2)
            if start + lasts > 3590:
                break
            openings.append((float(3600 * hour + start), float(3600 * hour + start + lasts)))
            at = start + lasts + 4.0
        return openings


class Room:
    """Air and goods. Heats since the beginning are summed, so that the balance can be struck."""

    def __init__(self, p: RoomParameters) -> None:
        self.p = p
        self.air_c = -1.0
        self.goods_c = -0.9
        self.goods_kg = p.goods_kg
        self.ratio = 0.0032  # kg of vapour a kg of dry air
        self.seal_lost = 0.0
        self.in_j = self.out_j = 0.0

    @property
    def stored_j(self) -> float:
        return self.p.air_j_k * self.air_c + self.goods_kg * GOODS_J_KG_K * self.goods_c

    @property
    def humidity(self) -> float:
        """This is the relative humidity over water in %, as sensors give it."""
        kpa = self.ratio * 101.325 / (0.622 + self.ratio)
        temp_c = min(90.0, max(-70.0, self.air_c))
        return min(100.0, max(0.0, 100 * kpa / (0.61094 * math.exp(17.625 * temp_c / (temp_c + 243.04)))))

    def bring(self, kg: float, temp_c: float) -> None:
        """This brings goods in at a temperature, or takes some out."""
        if kg > 0:
            self.in_j += kg * GOODS_J_KG_K * temp_c
            self.goods_c = (self.goods_kg * self.goods_c + kg * temp_c) / (self.goods_kg + kg)
            self.goods_kg += kg
        else:
            kg = max(kg, 10.0 - self.goods_kg)
            self.out_j -= kg * GOODS_J_KG_K * self.goods_c
            self.goods_kg += kg

    def step(
        self, dt_s: float, hall_c: float, is_open: bool, warmth_w: float, coil_w_k: float, coil_c: float, dew: float
    ) -> tuple[float, float]:
        """This moves on by one step and returns what the coil took: W, and kg/s of vapour.

        `warmth_w` is what fan, lamp and people give; `coil_w_k` and `dew` (kg/s for each kg/kg) bind air and coil.
        """
        p = self.p
        share = 1.0 if is_open else SEAL_LEAK * self.seal_lost
        breath = 0.0
        if share > 0:
            thinner = max(0.0, 1 - (273.15 + self.air_c) / (273.15 + hall_c))  # 1 - rho_hall / rho_room
            breath = 1.29 * CURTAIN * share * 0.221 * DOOR_M2 * math.sqrt(9.81 * DOOR_M * thinner)  # kg/s
        outside = p.walls_w_k + 1006.0 * breath
        ca, cg = p.air_j_k / dt_s, self.goods_kg * GOODS_J_KG_K / dt_s
        # air:   (ca + outside + goods + coil) Ta - goods Tg = ca Ta' + outside hall + coil Tcoil + warmth
        # goods: (cg + goods) Tg - goods Ta = cg Tg'
        g0, g1 = cg * self.goods_c / (cg + p.goods_w_k), p.goods_w_k / (cg + p.goods_w_k)
        known = ca * self.air_c + outside * hall_c + coil_w_k * coil_c + warmth_w + p.goods_w_k * g0
        self.air_c = air = known / (ca + outside + coil_w_k + p.goods_w_k * (1 - g1))
        self.goods_c = g0 + g1 * air
        taken = coil_w_k * (air - coil_c)
        self.in_j += (outside * (hall_c - air) + warmth_w) * dt_s
        self.out_j += taken * dt_s
        hall_ratio = 0.5 * vapour_ratio(hall_c)
        coil_ratio = vapour_ratio(coil_c)
        m = AIR_KG / dt_s
        damp = m * self.ratio + breath * hall_ratio + p.goods_dry_kg_s * vapour_ratio(self.goods_c) + dew * coil_ratio
        self.ratio = ratio = damp / (m + breath + p.goods_dry_kg_s + dew)
        return taken, dew * (ratio - coil_ratio)

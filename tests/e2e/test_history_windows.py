# SPDX-License-Identifier: Apache-2.0
"""Goal: windows over history are what docs/internals/windows.md says, as `auspex features history`
gives them.

Method: random events (late, corrected, moved to other times and keys, at equal times, without key)
and rows, against brute force here: final, without the row's own event, and as known. The seed is
in the name of the test. The C side alone is tested harder in tests/unit/feature/test_window*.c.
"""

import csv
import datetime
import json
import math
import os
import random
import struct
import subprocess

import pytest

EXACT = 6
DEFINITIONS = f"""
auspex: 1
project: test
entities:
  airport: {{keys: {{faa: string}}}}
sources:
  departures:
    files: departures.csv
    time: departed
    created: made
    event_id: [id, part]
    columns: {{id: int64, part: string, origin: string, departed: timestamp, made: timestamp,
              delay: float64, tail: string}}
views:
  departures:
    entity: airport
    keys: {{faa: origin}}
    source: departures
    exact_events: {EXACT}
    fields:
      count_1h: count(*) over 1h
      mean_1h: avg(delay) over 1h
      most_3h: {{expr: max(delay) over 3h, default: -1}}
      late_24h: count(*) filter (where delay > 15) over 24h / count(*) over 24h
      tails: last_n(tail, 3) over 24h
      sum_24h: sum(delay) over 24h hop 2h
      small: {{expr: sum(delay) over 3h, type: float32}}
services:
  plain:
    request: {{id: int64, part: string}}
    features: [{{view: departures, keys: {{faa: origin}}, as: o}}]
  self:
    request: {{id: int64, part: string}}
    exclude_self: true
    features: [{{view: departures, keys: {{faa: origin}}, as: o}}]
"""

HOUR = 3600
START = datetime.datetime(2013, 1, 1, tzinfo=datetime.timezone.utc)


# The same rows without ids are states: of one key and time one counts.
STATES = DEFINITIONS.replace("    event_id: [id, part]\n", "").replace(
    "    exclude_self: true\n", "")


def time_text(seconds):
    return (START + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_events(rng):
    events = []
    for number in range(rng.randint(1, 120)):
        event = {"id": number // 2, "part": "ab"[number % 2], "origin": rng.choice("JJJLE"),
                 "departed": rng.randrange(0, 8 * HOUR, 60), "delay": rng.uniform(-10, 60),
                 "tail": rng.choice(["n1", "n2", "n3", ""])}
        event["made"] = event["departed"] + rng.randrange(0, 600)
        events.append(event)
        if rng.random() < 0.3:
            events.append({**event, "made": event["made"] + rng.randrange(0, 7200),
                           "departed": max(0, event["departed"] + rng.randrange(-1800, 1800, 60)),
                           "origin": rng.choice([event["origin"], "J"]), "delay": 1.0})
    for event in events:
        if rng.random() < 0.1:
            event["delay"] = None
        if rng.random() < 0.05:
            event["origin"] = None
    rng.shuffle(events)
    return events


def winners(events, known_until, are_states):
    """The version of each id that counts: the last made, of equal ones the last in the file. Of
    states key and time are the id."""
    best = {}
    for event in events:
        if known_until is not None and event["made"] > known_until:
            continue
        key = ((event["origin"], event["departed"]) if are_states
               else (event["id"], event["part"]))
        if key not in best or event["made"] >= best[key]["made"]:
            best[key] = event
    return sorted(best.values(), key=lambda e: (e["departed"], e["id"], e["part"]))


def window(events, at, length, ladder, own, always=False):
    before = at - length
    exact = events[-EXACT]["departed"] if len(events) >= EXACT else None
    if always or (exact is not None and exact > before):
        before -= before % ladder
    return [e for e in events
            if e["departed"] > before and (e["id"], e["part"]) != own]


def expected(events, row, is_self, as_known, are_states):
    at = row["at"]
    own = (row["id"], row["part"]) if is_self else None
    if at is None or row["origin"] is None:
        known = []
        at = 0
    else:
        known = [e for e in winners(events, at if as_known else None, are_states)
                 if e["origin"] == row["origin"] and e["departed"] <= at]
    hour = window(known, at, HOUR, 300, own)
    three = window(known, at, 3 * HOUR, 300, own)
    day = window(known, at, 24 * HOUR, HOUR, own)
    hopped = window(known, at, 24 * HOUR, 2 * HOUR, own, always=True)
    delays = [[e["delay"] for e in part if e["delay"] is not None]
              for part in (hour, three, hopped)]
    tails = [e["tail"] for e in reversed(day) if e["tail"]][:3]
    return {
        "count_1h": len(hour),
        "mean_1h": math.fsum(delays[0]) / len(delays[0]) if delays[0] else None,
        "most_3h": max(delays[1]) if delays[1] else -1,
        "late_24h": sum((e["delay"] or 0) > 15 for e in day) / len(day) if day else None,
        "tails": "[" + ", ".join(tails) + "]" if tails else None,
        "sum_24h": math.fsum(delays[2]) if delays[2] else None,
        "small": as_float32(math.fsum(delays[1])) if delays[1] else None,
    }


def as_float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def write_table(path, names, rows, times):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in rows:
            writer.writerow("" if row[n] is None else time_text(row[n]) if n in times
                            else row[n] if not isinstance(row[n], float) else repr(row[n])
                            for n in names)


def same(name, text, value):
    if value is None or text == "":
        return value is None and text == ""
    if isinstance(value, str):
        return text == value
    if name == "small":
        return as_float32(float(text)) == value
    return math.isclose(float(text), value, rel_tol=3e-16, abs_tol=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("are_states", [False, True])
def test_windows_are_those_of_brute_force(tmp_path, seed, are_states):
    rng = random.Random(seed)
    events = make_events(rng)
    rows = [{"at": rng.choice([e["departed"], rng.randrange(0, 10 * HOUR)]),
             "origin": rng.choice("JJLX"), "id": e["id"], "part": e["part"]}
            for e in rng.choices(events, k=60)]
    rows[3]["at"] = rows[5]["origin"] = None
    rows[7]["id"] = None
    write_table(tmp_path / "departures.csv",
                ["id", "part", "origin", "departed", "made", "delay", "tail"], events,
                ["departed", "made"])
    write_table(tmp_path / "rows.csv", ["at", "origin", "id", "part"], rows, ["at"])
    (tmp_path / "all.yaml").write_text(STATES if are_states else DEFINITIONS, encoding="utf-8")
    for service, known in (("plain", []), ("self", []), ("plain", ["--as-known"]),
                           ("self", ["--as-known"])):
        if are_states and service == "self":
            continue
        done = subprocess.run(
            [os.environ["AX_BINARY"], "features", "history", "--definitions", str(tmp_path),
             "--rows", str(tmp_path / "rows.csv"), "--service", service, "--out",
             str(tmp_path / "out.csv"), "--json", *known],
            capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"] == len(rows)
        with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        for row, line in zip(rows, table, strict=True):
            wanted = expected(events, row, service == "self", bool(known), are_states)
            for name, value in wanted.items():
                assert same(name, line["o__" + name], value), (service, known, row, name, line)
        os.unlink(tmp_path / "out.csv")


def history(folder, *options):
    """The inputs of service s for folder/rows.csv as dicts, and the process."""
    done = subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", "--definitions", str(folder),
         "--rows", str(folder / "rows.csv"), "--service", "s",
         "--out", str(folder / "out.csv"), *options],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with open(folder / "out.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), done


def write(folder, definitions, **tables):
    (folder / "all.yaml").write_text("auspex: 1\nproject: test\n" + definitions, encoding="utf-8")
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")


def test_deep_expressions_in_and_around_aggregates(tmp_path):
    """Printed into one another, 40 terms would be a text of 2^40 bytes."""
    inside = " + ".join(["x"] * 40)
    around = " + ".join(["sum(x) over 1h"] * 39 + ["count(*) over 1h"])
    write(tmp_path, f"""
entities: {{e: {{keys: {{k: int64}}}}}}
sources:
  events:
    files: events.csv
    time: t
    event_id: [id]
    columns: {{id: int64, k: int64, t: timestamp, x: int64}}
views:
  v:
    entity: e
    source: events
    fields:
      inside: sum({inside}) over 1h
      filtered: count(*) filter (where {inside} > 100) over 1h
      around: {around}
services: {{s: {{features: [{{view: v}}]}}}}
""", events="id,k,t,x\n1,1,2024-01-01T00:00:00Z,2\n2,1,2024-01-01T00:10:00Z,3\n",
          rows="k,at\n1,2024-01-01T00:30:00Z\n2,2024-01-01T00:30:00Z\n")
    table, _ = history(tmp_path)
    assert [(line["inside"], line["filtered"], line["around"]) for line in table] == [
        ("200", "1", "197"), ("", "0", "")]


def test_only_what_is_asked_for_is_read(tmp_path):
    """A field that the service leaves out reads a column that its file lacks."""
    write(tmp_path, """
entities: {e: {keys: {k: int64}}}
sources:
  events:
    files: events.csv
    time: t
    event_id: [id]
    columns: {id: int64, k: int64, t: timestamp, x: int64, y: int64}
views:
  v: {entity: e, source: events, fields: {a: sum(x) over 1h, b: max(y) over 1h}}
services: {s: {features: [{view: v, fields: [a]}]}}
""", events="id,k,t,x\n1,1,2024-01-01T00:00:00Z,2\n",
          rows="k,at\n1,2024-01-01T00:30:00Z\n")
    assert [line["a"] for line in history(tmp_path)[0]] == ["2"]


def test_without_created_a_version_was_known_at_its_time(tmp_path):
    """So of one id the latest counts, not the last in the file; of equal times the last."""
    write(tmp_path, """
entities: {e: {keys: {k: int64}}}
sources:
  events:
    files: events.csv
    time: t
    event_id: [id]
    columns: {id: int64, k: int64, t: timestamp, x: int64}
views:
  plain: {entity: e, source: events, fields: {x: x}}
  windows: {entity: e, source: events, fields: {n: count(*) over 1d, most: max(x) over 1d}}
services: {s: {features: [{view: plain}, {view: windows}]}}
""", events="id,k,t,x\n1,1,2024-01-01T02:00:00Z,20\n1,1,2024-01-01T01:00:00Z,10\n"
               "2,2,2024-01-01T01:00:00Z,5\n2,2,2024-01-01T01:00:00Z,4\n",
          rows="k,at\n1,2024-01-01T03:00:00Z\n1,2024-01-01T01:30:00Z\n2,2024-01-01T03:00:00Z\n")
    table, _ = history(tmp_path)
    assert [(line["x"], line["n"], line["most"]) for line in table] == [
        ("20", "1", "20"), ("", "0", ""), ("4", "1", "4")]
    table, _ = history(tmp_path, "--as-known")
    assert [(line["x"], line["n"], line["most"]) for line in table] == [
        ("20", "1", "20"), ("10", "1", "10"), ("4", "1", "4")]


def list_definitions(newest, often):
    return f"""
entities: {{e: {{keys: {{k: int64}}}}}}
sources:
  events:
    files: events.csv
    time: t
    event_id: [id]
    columns: {{id: int64, k: int64, t: timestamp, s: string}}
views:
  v:
    entity: e
    source: events
    fields: {{newest: "{newest} over 30d", often: "{often} over 30d"}}
services: {{s: {{features: [{{view: v}}]}}}}
"""


def test_lists_do_not_fill_memory(tmp_path):
    """Rows of one key, in no order, whose lists take 20 MB: what is held of them at a time is a
    part of --memory-max, however many rows there are, and the values are those of lists held at
    once. What 2,048 rows have must fit; when it does not, that is told with the remedy."""
    count = 5000
    write(tmp_path, list_definitions("last_n(id, 500)", "last(s)"),
          events="id,k,t,s\n" + "".join(f"{i},1,{time_text(i)},{i}\n" for i in range(count)),
          rows="k,at\n" + "".join(f"1,{time_text(i * 7919 % count)}\n" for i in range(count)))
    command = [os.environ["AX_BINARY"], "features", "history", "--definitions", str(tmp_path),
               "--rows", str(tmp_path / "rows.csv"), "--service", "s", "--json",
               "--out", str(tmp_path / "out.parquet")]
    digests = set()
    for options in ([], ["--memory-max", "64000000"]):
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == 0, done.stderr
        digests.add(json.loads(done.stdout)["digest"])
    assert len(digests) == 1
    write(tmp_path, list_definitions("last_n(id, 1024)", "last(s)"))
    done = subprocess.run([*command, "--memory-max", "64000000"], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode != 0
    assert ("too many values for memory; shorter lists and texts in input 'newest' or a higher "
            "--memory-max help") in done.stderr


def test_lists_that_are_too_long_are_refused(tmp_path):
    write(tmp_path, """
entities: {e: {keys: {k: int64}}}
sources:
  lists: {files: lists.csv, time: t, columns: {k: int64, t: timestamp, l: list<int64>}}
views: {v: {entity: e, source: lists, fields: {n: len(l)}}}
services: {s: {features: [{view: v}]}}
""", rows="k,at\n1,2024-01-03\n")
    numbers = "1," * 65535 + "1"
    lists = f'k,t,l\n1,2024-01-01,"[2]"\n1,2024-01-02,"[{numbers}]"\n'
    (tmp_path / "lists.csv").write_text(lists, encoding="utf-8")
    assert [line["n"] for line in history(tmp_path)[0]] == ["65536"]
    (tmp_path / "lists.csv").write_text(lists.replace("[1", "[1,1"), encoding="utf-8")
    done = subprocess.run([os.environ["AX_BINARY"], "features", "history", "--definitions",
                           str(tmp_path), "--rows", str(tmp_path / "rows.csv"), "--service", "s",
                           "--out", str(tmp_path / "none.csv")], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 3
    assert "lists.csv: row 2: column 'l' is '[1,1," in done.stderr
    assert "; list<int64> of at most 65536 elements" in done.stderr


def test_top_k_of_too_many_values_is_told(tmp_path):
    events = "id,k,t,s\n" + "".join(f"{i},1,{time_text(i)},s{i}\n" for i in range(258))
    write(tmp_path, list_definitions("last_n(s, 1)", "top_k(s, 2)"), events=events,
          rows="k,at\n" + "".join(f"1,{time_text(i)}\n" for i in (0, 255, 256, 257)) +
               f"2,{time_text(9)}\n")
    table, done = history(tmp_path)
    assert [line["often"] for line in table] == ["[s0]", "[s0, s1]", "", "", ""]
    assert ("2 values of top_k are null since their windows have more than 256 different values; "
            "the first is of view 'v', field 'often'") in done.stderr
    os.unlink(tmp_path / "out.csv")
    _, done = history(tmp_path, "--json")
    assert json.loads(done.stdout)["top_k_too_many"] == 2


def test_a_key_of_two_parts_of_which_one_is_null(tmp_path):
    write(tmp_path, """
entities:
  pair: {keys: {k: int64, j: int64}}
sources:
  events:
    files: events.csv
    time: t
    event_id: [id]
    columns: {id: int64, k: int64, j: int64, t: timestamp}
views:
  pairs: {entity: pair, source: events, fields: {n: count(*) over 90d}}
services:
  s: {features: [{view: pairs}]}
""", events="id,k,j,t\n1,1,1,2024-01-01\n2,,1,2024-01-01\n3,1,,2024-01-01\n",
          rows="k,j,at\n,1,2024-01-03\n,2,2024-01-02\n1,,2024-01-02\n1,1,2024-01-02\n"
               ",1,2024-01-02\n")
    assert [line["n"] for line in history(tmp_path)[0]] == ["0", "0", "0", "1", "0"]


@pytest.mark.plain
def test_versions_that_come_and_go_in_parts(tmp_path):
    """As known, a plain view of events of which each is corrected a second later, more than a part
    holds. The newest of a key is the event of the moment, not corrected yet; the one behind it
    was."""
    count, keys = 210000, 500
    texts = [time_text(i) for i in range(count + 1)]
    events = "id,k,t,c,x\n" + "".join(
        f"{i},{i % keys},{texts[i]},{texts[i]},{i}\n{i},{i % keys},{texts[i]},{texts[i + 1]},{-i}\n"
        for i in range(count))
    asked = range(keys, count, 71)
    rows = "id,k,at\n" + "".join(f"{i},{i % keys},{texts[i]}\n" for i in asked)
    definitions = """
entities: {e: {keys: {k: int64}}}
sources:
  events:
    files: events.csv
    time: t
    created: c
    event_id: [id]
    columns: {id: int64, k: int64, t: timestamp, c: timestamp, x: int64}
views: {v: {entity: e, source: events, fields: {x: x}}}
services:
  s: {request: {id: int64}, exclude_self: EXCLUDES, features: [{view: v}]}
"""
    write(tmp_path, definitions, events=events, rows=rows)
    for excludes, right in (("false", lambda i: i), ("true", lambda i: keys - i)):
        write(tmp_path, definitions.replace("EXCLUDES", excludes))
        table, _ = history(tmp_path, "--as-known", "--threads", "2", "--memory-max",
                           "100000000")
        assert [int(line["x"]) for line in table] == [right(i) for i in asked]

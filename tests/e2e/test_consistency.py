# SPDX-License-Identifier: Apache-2.0
"""Goal: what was served is what a history says, value by value, whatever was pushed before, late,
twice or corrected, by the wall clock and by a replayed one; a source whose clock is ahead and a
feed that comes late are found, with the feature and the day.

Method: random rows are pushed to one server a clock and asked for in between, with every vector
logged; then the command compares. Of the other two sources one says that it learnt things in an
hour, and the other has rows in its file that nobody brought to the store.
tests/unit/server/test_served_log.c has what is logged, tests/unit/pipeline/test_consistency.c what
is held against what had been seen, and test_consistency_value.c which values are equal.
"""

import datetime
import json
import os
import random
import subprocess

import pytest

from conftest import Server

DEFINITIONS = """\
auspex: 1
entities:
  airport: {keys: {faa: string}}
sources:
  weather:
    files: w.csv
    time: t
    push: true
    columns: {faa: string, t: timestamp, temp: float64, wind: float32, word: string}
  landings:
    files: l.csv
    time: t
    event_id: [id]
    push: true
    columns: {id: int64, faa: string, t: timestamp, delay: float64}
  ahead:
    files: a.csv
    time: t
    created: c
    push: true
    columns: {faa: string, t: timestamp, c: timestamp, x: float64}
  late: {files: late.csv, time: t, columns: {faa: string, t: timestamp, y: int64}}
views:
  weather:
    entity: airport
    source: weather
    ttl: 2h
    fields: {temp: temp, wind: {expr: wind, type: float32, default: 1.5}, word: word}
  landings: {entity: airport, source: landings, fields: {delay: delay}}
  windows:
    entity: airport
    source: landings
    fields: {n: count(*) over 10m, mean: avg(delay) over 1h, last: "last_n(delay, 3) over 1h"}
  ahead: {entity: airport, source: ahead, fields: {x: x}}
  late: {entity: airport, source: late, fields: {y: y}}
services:
  s: {features: [{name: faa}, {view: weather}, {view: landings}, {view: windows, as: w},
                 {name: sum, expr: temp + delay + w__n}]}
  ahead: {features: [{view: ahead}]}
  late: {features: [{view: late}]}
"""
AIRPORTS = ["EWR", "JFK", "LGA"]


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def run(*arguments, status=0):
    done = subprocess.run([os.environ["AX_BINARY"], *arguments], capture_output=True, text=True,
                          check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def start(path, clock, now):
    for folder in ("models", "definitions"):
        (path / folder).mkdir()
    (path / "definitions/f.yaml").write_text(DEFINITIONS, encoding="utf-8")
    for name, columns in (("w", "faa,t,temp,wind,word"), ("l", "id,faa,t,delay"),
                          ("a", "faa,t,c,x")):
        (path / f"definitions/{name}.csv").write_text(columns + "\n", encoding="utf-8")
    (path / "definitions/late.csv").write_text(
        f"faa,t,y\nEWR,{text(now - datetime.timedelta(hours=5))},7\n", encoding="utf-8")
    run("apply", "--state", str(path / "state"), str(path / "definitions"))
    return Server(path / "models", "--state", str(path / "state"), "--images=false", "--clock",
                  clock, "--served-entities-per-million", "1000000")


def push(server, source, rows):
    answer = server.post("/push", {"source": source, "rows": rows})
    assert answer.status == 200, answer.body


def ask(server, service, airports):
    answer = server.post("/get-online-features",
                         {"feature_service": service, "entities": {"faa": airports}})
    assert answer.status == 200, answer.body


def play(server, choose, now):
    """Rows up to an hour late, events again and corrected, and questions in between; each step has
    the minute of the one before, or the next. A correction leaves key and time as they are: those
    that do not are told of in docs/internals/online-store.md."""
    asked = []
    events = []
    # Whole rows first: others leave columns out.
    first = {"t": text(now - datetime.timedelta(minutes=80)), "temp": 1, "wind": 2, "word": "w"}
    push(server, "weather", [{"faa": faa, **first} for faa in AIRPORTS])
    for step in range(40):
        at = now + datetime.timedelta(minutes=step // 4 - 20)
        late = at - datetime.timedelta(seconds=choose.choice([0, 0, 0, 7, 700, 3000]))
        faa = choose.choice(AIRPORTS)
        if choose.random() < 0.4:
            row = {"faa": faa, "t": text(late), "temp": choose.choice([None, 0.1, 7e-320, -3.5])}
            if choose.random() < 0.7:
                row |= {"wind": choose.choice([None, 0.1, 1e30]), "word": choose.choice("xyz")}
            else:
                row["word"] = choose.choice([None, "é"])
            if choose.random() < 0.5:
                del row["temp"]
            push(server, "weather", [row])
        else:
            for _ in range(choose.randrange(1, 4)):
                number = len(events)
                events.append({"id": number, "faa": faa,
                               "t": text(late + datetime.timedelta(microseconds=number))})
            push(server, "landings",
                 [event | {"delay": choose.choice([None, 1, 0.1, 1e16])}
                  for event in events[-3:] + choose.sample(events, 1)])
        if choose.random() < 0.7:
            airports = choose.sample([*AIRPORTS, "BOS"], choose.randrange(1, 5))
            ask(server, "s", airports)
            asked += airports
    return asked


def delete(path, faa, *options):
    """How many vectors go."""
    done = run("features", "delete", "--state", str(path / "state"), "--entity", "airport",
               "--key", f"faa={faa}", "--json", *options)
    assert not done.stderr
    return json.loads(done.stdout)["served_vectors"]


def compare(path, service, *options, status=0):
    done = run("features", "consistency", "--state", str(path / "state"), "--service", service,
               "--json", "--quiet", *options, status=status)
    head, *features = [json.loads(line) for line in done.stdout.splitlines()]
    return head, {f["feature"]: f for f in features}


# Not under ThreadSanitizer: histories are made by DuckDB, which is built without it.
@pytest.mark.parametrize("clock", ["wall", "replay"])
def test_what_was_served_is_what_a_history_says(tmp_path, clock):
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    now = datetime.datetime.now(datetime.timezone.utc)
    if clock == "replay":
        now = datetime.datetime(2013, 12, 1, 12, tzinfo=datetime.timezone.utc)
    server = start(tmp_path, clock, now)
    airports = play(server, choose, now)
    asked = len(airports)
    if clock == "wall":
        find_what_is_wrong(tmp_path, server, now, asked)
    else:
        assert server.stop() == 0
    nothing = run("features", "consistency", "--state", str(tmp_path / "state"), "--service", "s",
                  "--from", "2003-01-01T00:00:00Z", "--to", "2003-01-02T00:00:00Z", status=4)
    assert "no vectors of service 's' were logged" in nothing.stderr
    run("features", "consistency", "--state", str(tmp_path / "state"), "--service", "s",
        "--from", "2003-01-02T00:00:00Z", "--to", "2003-01-01T00:00:00Z", status=2)
    head, features = compare(tmp_path, "s")
    assert head == {"service": "s", "vectors": asked, "other_vectors": 0}
    assert list(features) == ["temp", "wind", "word", "delay", "w__n", "w__mean", "w__last", "sum"]
    for feature in features.values():
        assert feature["compared"] == feature["equal"] == asked, (seed, feature)
    if clock == "wall":
        delete_what_was_served(tmp_path, airports)


def find_what_is_wrong(path, server, now, asked):
    """A clock that is ahead, and a feed that is late. The server ends."""
    push(server, "ahead", [{"faa": "EWR", "t": text(now - datetime.timedelta(minutes=20)), "x": 1,
                            "c": text(now + datetime.timedelta(hours=1))}])
    ask(server, "ahead", ["EWR", "JFK"])
    ask(server, "late", ["EWR", "JFK", "SFO"])
    assert delete(path, "SFO") == 1  # which no file had yet
    metrics = server.metrics()
    assert metrics["ax_served_vectors_total"] == asked + 5
    assert metrics["ax_served_vectors_lost_total"] == 0
    assert server.stop() == 0
    _, features = compare(path, "ahead", status=1)
    assert (features["x"]["equal"], features["x"]["extra"]) == (1, 1)
    kept = path / "kept.parquet"
    _, features = compare(path, "late", "--out", str(kept), status=1)
    assert (features["y"]["equal"], features["y"]["missing"]) == (1, 1)
    assert features["y"]["days"][0]["missing"] == 1 and kept.exists()


def delete_what_was_served(path, airports):
    gone = airports.count("EWR") + 2
    assert delete(path, "EWR", "--dry-run") == delete(path, "EWR") == gone
    assert delete(path, "EWR") == 0

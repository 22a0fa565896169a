# SPDX-License-Identifier: Apache-2.0
"""Goal: rows of a source are taken in by POST /push in each of its forms, or refused with the row
and the column; what was acknowledged is read from then on, also after kill -9.

Method: one server over a small folder of definitions, and bodies with the counts that follow by
hand: a row that is older than what the store has is stale, so counts tell what the store has.
tests/unit/server/api/test_push_body.c has more bodies; what rows mean to views is
tests/unit/feature/test_source_plan.c.
"""

import csv
import datetime
import json
import os
import signal
import subprocess
import time

import pytest

from conftest import Server
from history import wait_for


DEFINITIONS = """\
auspex: 1
entities:
  airport: {keys: {faa: string}}
sources:
  weather:
    files: w.csv
    time: t
    push: true
    columns: {faa: string, t: timestamp, temp: float64, wind: float32}
    expect: [{check: expression, expr: temp + wind < 500, do: drop_row}]
  flights:
    files: f.csv
    time: t
    event_id: [id]
    push: true
    columns: {id: string, faa: string, t: timestamp, delay: float64}
  landings:
    files: l.csv
    time: t
    event_id: [id]
    push: true
    columns: {id: int64, faa: string, t: timestamp, delay: float64}
  gusts:
    files: g.csv
    time: t
    push: true
    columns: {faa: string, t: timestamp, gust: float64}
    expect:
      - {check: between, column: gust, max: 100, do: drop_row}
      - {check: not_null, column: gust}
      - {check: length, column: faa, max: 4, do: fail}
  kept: {files: k.csv, time: t, columns: {faa: string, t: timestamp, x: float64}}
views:
  weather: {entity: airport, source: weather, fields: {temp: temp, wind: wind}}
  warm: {entity: airport, source: weather, fields: {warm: temp > 20}}
  flights: {entity: airport, source: flights, fields: {delay: delay}}
  landings:
    entity: airport
    source: landings
    fields: {n: count(*) over 10m, mean: avg(delay) over 1h, last: last(delay) over 1h}
  gusts: {entity: airport, source: gusts, ttl: 1h, fields: {gust: gust}}
services:
  s: {features: [{view: weather}, {view: flights}]}
  landings: {features: [{view: landings}]}
  gusts: {features: [{view: gusts}]}
"""


def start(path, *options):
    return Server(path / "models", "--state", str(path / "state"), "--images=false", *options)


def make_folder(path):
    (path / "models").mkdir()
    (path / "definitions").mkdir()
    (path / "definitions/f.yaml").write_text(DEFINITIONS, encoding="utf-8")
    subprocess.run([os.environ["AX_BINARY"], "apply", "--check=false", "--state", path / "state",
                    path / "definitions"], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = start(make_folder(tmp_path_factory.mktemp("push")))
    yield server
    assert server.stop() == 0


def push(served, rows, source="weather"):
    answer = served.post("/push", {"source": source, "rows": rows})
    assert answer.status == 200, answer.body
    return answer.json


def counts(rows, written=0, stale=0, refused=0):
    return {"rows": rows, "written": written, "stale": stale, "refused": refused}


def read(served, faa):
    """What the store has: temp, wind, warm."""
    answer = served.post("/get-online-features", {
        "entities": {"faa": [faa]}, "features": ["weather:temp", "weather:wind", "warm:warm"]})
    assert answer.status == 200, answer.body
    return [r["values"][0] for r in answer.json["results"][1:]]


def row(faa, seconds, **values):
    return {"faa": faa, "t": f"2024-01-01T00:00:{seconds:02}Z", **values}


@pytest.mark.threads
def test_rows_in_each_form(served):
    """A state has two views here, an event one; what is older is stale, what comes again is not."""
    before = served.metrics()
    assert push(served, [row("EWR", 10, temp=12.5, wind=3), row("JFK", 10, temp=1, wind=2)]) == \
        counts(2, written=4)
    assert push(served, [row("EWR", 9, temp=1, wind=1), row("EWR", 10, temp=2, wind=2)]) == \
        counts(2, written=2, stale=2)
    assert push(served, []) == counts(0)
    assert push(served, [row(None, 1, temp=1, wind=1)]) == counts(1)
    # Only the wind changes: the other view has nothing new but the time.
    assert push(served, [row("EWR", 11, wind=4)]) == counts(1, written=2)
    assert read(served, "EWR") == [2, 4, False]
    assert push(served, [row("EWR", 12, temp=None)]) == counts(1, written=2)
    assert read(served, "EWR") == [None, 4, None]
    one = served.post("/push", {"row": row("LGA", 1, temp=1, wind=1), "source": "weather"})
    assert one.json == counts(1, written=2)
    lines = "".join(json.dumps(row("LGA", s, temp=s, wind=s)) + "\n" for s in (2, 3, 1))
    answer = served.request("POST", "/push?source=weather", lines.encode(),
                            ["content-type: application/x-ndjson; charset=utf-8"])
    assert answer.json == counts(3, written=4, stale=2)
    assert read(served, "LGA") == [3, 3, False]
    event = {"id": "1", "faa": "EWR", "t": 1000000, "delay": 5}
    assert push(served, [event, event], "flights") == counts(2, written=2)
    after = served.metrics()
    assert after["ax_journal_rows_total"] - before["ax_journal_rows_total"] == 13
    for source, rows in ("weather", 11), ("flights", 2):
        for name, least, most in ("kept_rows", rows, rows), ("bytes", 40 * rows, 2000):
            name = "ax_journal_" + name
            grown = after.get(name, source=source) - before.get(name, source=source)
            assert least <= grown <= most
    assert after["ax_online_stale_total"] - before["ax_online_stale_total"] == 4


def test_what_is_expected(served):
    """A row that is to be dropped is no history and no value; one that fails takes all with it."""
    rows = [row("EWR", 1, gust=99), row("EWR", 2, gust=101), row("JFK", 3, gust=None)]
    pushed = push(served, rows, "gusts")
    assert pushed == {**counts(2, written=2), "dropped": 1}
    assert push(served, [row("EWR", 3, gust=101)], "gusts") == {**counts(0), "dropped": 1}
    answer = served.post("/push", {"source": "gusts",
                                   "rows": [row("EWR", 4, gust=1), row("NEWARK", 4, gust=1)]})
    assert answer.status == 422 and "row 1: length faa" in answer.json["error"], answer.body
    after = served.metrics()
    assert after.get("ax_push_unexpected_total", source="gusts", do="drop_row") == 2
    assert after.get("ax_push_unexpected_total", source="gusts", do="warn") == 1
    assert push(served, [row("EWR", 2, gust=98)], "gusts") == counts(1, written=1)
    # A row that leaves a column out is what it is when it is whole.
    assert push(served, [row("OAK", 1, temp=300, wind=1)]) == counts(1, written=2)
    rows = [row("OAK", 3, wind=200), row("OAK", 2, temp=2), row("OAK", 4, wind=201)]
    assert push(served, rows) == {**counts(2, written=4), "dropped": 1}
    assert read(served, "OAK") == [2, 201, False]
    after = served.metrics()
    assert after.get("ax_push_unexpected_total", source="weather", do="drop_row") == 1


@pytest.mark.threads
def test_as_feast_pushes(served):
    body = {"push_source_name": "weather", "to": "online_and_offline", "allow_registry_cache": True,
            "df": {"faa": ["BOS", "BOS"], "t": ["2024-01-01 00:00:01", 1704067202],
                   "temp": [1.5, None], "wind": [1, 2]}}
    answer = served.post("/push", body)
    assert (answer.status, answer.body) == (200, b"")
    assert push(served, [row("BOS", 1, temp=1, wind=1)]) == counts(1, stale=2)
    unknown = served.post("/push", {**body, "push_source_name": "wether"})
    assert unknown.status == 422
    error = json.loads(unknown.json)
    assert error["class"] == "PushSourceNotFoundException" and "'weather'" in error["message"]


REFUSED = [
    (404, {"source": "wether", "rows": []},
     '"error":"no source \'wether\' is defined; nearest is \'weather\'"'),
    (422, {"source": "kept", "rows": []}, "source 'kept' is not pushed"),
    (422, {"rows": []}, "names no source"),
    (422, {"source": "weather", "rows": [row("X", 1, temp="1")]}, "'temp', row 0: a number"),
    (422, {"source": "weather", "rows": [row("X", 1, temp=1), row("X", 1, tmp=1)]},
     "row 1: 'tmp' is no column of the source; nearest is 'temp'"),
    (422, {"source": "weather", "rows": [{"t": 0, "temp": 1, "wind": 1}]}, "leaves out 'faa'"),
    (422, {"source": "flights", "rows": [{"id": "1", "faa": "X", "t": 0}]}, "leaves out 'delay'"),
    (413, {"source": "weather", "rows": [{}] * 100001}, "at most 100000 rows"),
    (422, {"push_source_name": "weather", "df": {"faa": ["X"], "t": []}}, "does not hold 1 values"),
]


@pytest.mark.threads
@pytest.mark.parametrize("status, body, message", REFUSED, ids=range(len(REFUSED)))
def test_refused(served, status, body, message):
    """As a whole: the good row that stands before a bad one is not taken in either."""
    before = served.metrics()["ax_journal_rows_total"]
    answer = served.post("/push", body)
    assert answer.status == status
    assert message in answer.body.decode()
    assert served.metrics()["ax_journal_rows_total"] == before


def test_refused_query(served):
    answer = served.post("/push?source=weather&source=flights", {"rows": []})
    assert answer.status == 422 and "'source' is given twice" in answer.error
    answer = served.post("/push?source=weather&sorce=weather", {"rows": []})
    assert answer.status == 422 and "the query has 'sorce'" in answer.error


@pytest.mark.threads
def test_future_rows(served):
    now = int(time.time() * 1000000)
    assert push(served, [{"faa": "F", "t": now + 1000000, "temp": 1, "wind": 1}])["written"] == 2
    answer = served.post("/push", {"source": "weather", "row": {
        "faa": "F", "t": now + 3600 * 1000000, "temp": 1, "wind": 1}})
    assert answer.status == 422 and "lies in the future" in answer.error


def history(path):
    """The inputs of EWR a second before the last row, and behind it; rows of files are older."""
    data = path / "data"
    data.mkdir(exist_ok=True)
    (data / "w.csv").write_text("faa,t,temp,wind\nEWR,1969-01-01,-1,-1\n", encoding="utf-8")
    (data / "f.csv").write_text("id,faa,t,delay\n", encoding="utf-8")
    (data / "rows.csv").write_text("faa,at\nEWR,2024-01-01T00:00:18Z\nEWR,2024-01-02\n",
                                   encoding="utf-8")
    subprocess.run([os.environ["AX_BINARY"], "features", "history", "--quiet", "--service", "s",
                    "--definitions", path / "definitions", "--data", data, "--rows",
                    data / "rows.csv", "--out", data / "out.csv", "--state", path / "state"],
                   check=True, capture_output=True)
    lines = (data / "out.csv").read_text(encoding="utf-8").splitlines()
    return [line.split(",")[2:] for line in lines[1:]]


def landings(at):
    """Late ones, one repeated and one corrected: what is pushed, and what counts."""
    rows = [{"id": i, "faa": "EWR" if i % 3 else "JFK", "t": at - (i * 7 % 25) * 150 * 1000000,
             "delay": i * 1.5 - 9} for i in range(25)]
    corrected = {**rows[4], "t": rows[4]["t"] - 60 * 1000000, "delay": 77.5}
    return [*rows, rows[2], corrected], [*rows[:4], corrected, *rows[5:]]


def history_of(path, rows, at):
    """What a history of the rows says of each airport at the moment."""
    header = "id,faa,t,delay\n"
    (path / "definitions/l.csv").write_text(header + "".join(
        f"{r['id']},{r['faa']},{stamp(r['t'])},{r['delay']}\n" for r in rows), encoding="utf-8")
    (path / "rows.sql").write_text("select * from (values ('EWR'), ('JFK'), ('LGA')) as r(faa), "
                                   f"(select timestamp '{stamp(at)[:-1]}' as at)", encoding="utf-8")
    done = subprocess.run([os.environ["AX_BINARY"], "features", "history", "--definitions",
                           path / "definitions", "--service", "landings", "--sql",
                           path / "rows.sql", "--out", path / "out.csv", "--quiet"],
                          check=False, capture_output=True, text=True, cwd=path)
    assert done.returncode == 0, done.stderr
    with open(path / "out.csv", encoding="utf-8") as file:
        return {r["faa"]: [float(r[name]) if r[name] else None for name in ("n", "mean", "last")]
                for r in csv.DictReader(file)}


def stamp(us):
    whole = datetime.datetime.fromtimestamp(us // 1000000, datetime.UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{us % 1000000:06}Z"


def delete(path, *options):
    told = subprocess.run([os.environ["AX_BINARY"], "features", "delete", "--state",
                           path / "state", "--json", "--entity", "airport", *options],
                          capture_output=True, cwd=path, text=True)
    return json.loads(told.stdout) if told.returncode == 0 else told.stderr


def write_keys(path, *airports):
    lines = "".join(json.dumps({"faa": faa}) + "\n" for faa in airports)
    (path / "keys.ndjson").write_text(lines, encoding="utf-8")
    return "keys.ndjson"


def online(served, at):
    def read_airport(faa):
        answer = served.get(f"/v1/features/landings?faa={faa}&at={at}")
        assert answer.status == 200, answer.body
        return [answer.json["features"][name]["value"] for name in ("n", "mean", "last")]
    return {faa: read_airport(faa) for faa in ("EWR", "JFK", "LGA")}


# Not under ThreadSanitizer: histories are made by DuckDB, which is built without it.
def test_kill(tmp_path):
    """What was acknowledged is there, and in histories, too; windows have of it what a
    history of the same rows has. A journal that is full takes nothing in, and reads go on. What is
    deleted is nowhere any more, whether a server did it or the command itself."""
    killed = start(make_folder(tmp_path))
    rows = [row("EWR", s, temp=s, wind=s) for s in range(19)]
    assert push(killed, rows + [row("EWR", 19, temp=19)]) == counts(20, written=40)
    at = int(time.time() * 1000000) - 1000000
    pushed, final = landings(at)
    assert push(killed, pushed, "landings") == counts(27, written=27)
    expected = history_of(tmp_path, final, at)
    assert online(killed, at) == expected
    # The newest event of the view, whoever has it, is at the moment; before it nothing is told.
    for moment, age in (at, 0), (at + 250000, 0.25), (at - 1, None):
        told = killed.get(f"/v1/features/landings?faa=LGA&at={moment}").json["features"]["n"]
        assert told["status"] == "PRESENT" and told.get("age_s") == age
    count = killed.metrics().get("ax_feature_age_seconds_count", view="landings")
    assert count == 3 + 2
    killed.stop(signal.SIGKILL)
    assert history(tmp_path) == [["18.0", "18.0", ""], ["19.0", "18.0", ""]]
    again = start(tmp_path, "--journal-bytes-max", "6k")
    try:
        assert online(again, at) == expected
        assert read(again, "EWR") == [19, 18, False]
        assert push(again, [row("EWR", 18, temp=0, wind=0)]) == counts(1, stale=2)
        assert push(again, [row("EWR", 19, temp=21)]) == counts(1, written=2)
        full = again.post("/push", {"source": "weather", "rows": 100 * [row("EWR", 30, temp=0)]})
        assert full.status == 503 and int(full.headers["retry-after"]) > 0
        assert read(again, "EWR") == [21, 18, True]
        # What was stale online is the last that was learnt of its time.
        assert history(tmp_path) == [["0.0", "0.0", ""], ["21.0", "18.0", ""]]
        told = {"entity": "airport", "keys": 1, "found": 1, "served_vectors": 0, "dry_run": False}
        rows_of = {"weather": 22, "landings": 18}
        assert delete(tmp_path, "--key", "faa=EWR", "--dry-run") == \
            {**told, "rows": 40, "sources": rows_of, "dry_run": True}
        assert online(again, at) == expected
        assert delete(tmp_path, "--key", "faa=EWR") == {**told, "rows": 40, "sources": rows_of}
        expected["EWR"] = [0, None, None]
        assert online(again, at) == expected and read(again, "EWR") == [None, None, None]
        assert "'faa', row 0: " in delete(tmp_path, "--keys", write_keys(tmp_path, 7))
    finally:
        assert again.stop() == 0
    assert history(tmp_path) == 2 * [["-1.0", "-1.0", ""]] # what the file has
    keys = write_keys(tmp_path, "JFK", "BOS", "JFK")
    assert delete(tmp_path, "--keys", keys) == \
        {**told, "keys": 2, "found": 0, "rows": 9, "sources": {"landings": 9}}
    expected["JFK"] = [0, None, None]
    again = start(tmp_path)
    try:
        assert online(again, at) == expected
    finally:
        assert again.stop() == 0


def test_what_cannot_come_into_force(tmp_path):
    """Definitions by which pushed rows could not be read are refused before anything is applied.
    A store that cannot be opened is unavailable, rather than as if nothing were applied, and is
    taken up when it was moved away; so is a registry that was put right."""
    server = start(make_folder(tmp_path))
    told = push(server, [{"id": 1, "faa": "EWR", "t": "2024-01-01T00:00:00Z",
                          "delay": 1}], "landings")
    assert told["rows"] == 1
    file = tmp_path / "definitions/f.yaml"
    file.write_text(DEFINITIONS.replace("{id: int64, faa", "{id: string, faa"), encoding="utf-8")
    for command in ("plan", "apply"):
        done = subprocess.run([os.environ["AX_BINARY"], command, "--state", tmp_path / "state",
                               *(["--check=false"] if command == "apply" else []), file.parent],
                              capture_output=True, text=True, check=False)
        assert done.returncode not in (0, 2)
        assert "source 'landings': " in done.stderr and "cannot be read as string" in done.stderr
    assert push(server, [{"id": 2, "faa": "EWR", "t": "2024-01-01T00:00:01Z",
                          "delay": 2}], "landings")
    push(server, [row("EWR", 1, temp=1, wind=1)])
    assert server.stop() == 0
    data = tmp_path / "state/online/data.mdb"
    data.write_bytes(b"\0" * data.stat().st_size)
    server = start(tmp_path)
    try:
        for path, body in (("/push", {"source": "weather", "row": row("EWR", 2, temp=1, wind=1)}),
                           ("/get-online-features", {"entities": {"faa": ["EWR"]},
                                                     "feature_service": "s"})):
            answer = server.post(path, body)
            assert answer.status == 503 and "cannot be served" in answer.body.decode()
        assert server.get("/v1/features/s?faa=EWR").status == 503
        data.parent.rename(tmp_path / "state/online.damaged")
        wait_for(lambda: server.get("/v1/features/s?faa=EWR").status == 200)
        assert server.get("/v1/features/s?faa=EWR").json["features"]["temp"]["value"] == 1
    finally:
        assert server.stop() == 0
    registry = tmp_path / "state/registry.db"
    good = registry.read_bytes()
    registry.write_bytes(b"none")
    server = start(tmp_path)
    try:
        assert server.get("/v1/features/s?faa=EWR").status == 503
        registry.write_bytes(good)
        wait_for(lambda: server.get("/v1/features/s?faa=EWR").status == 200)
    finally:
        assert server.stop() == 0


GUSTY = """\
rules: 1
inputs: {gust: FP64}
outputs: {prediction: FP64}
cases: [{when: "gust > 20", then: 1}, {when: "gust is null", then: -1}, {otherwise: 0}]
"""


def gust(server, faa):
    """The moment that is now, and what is known of the airport."""
    told = server.get(f"/v1/features/gusts?faa={faa}").json
    return told["at"], told["features"]["gust"]["value"], told["features"]["gust"]["status"]


@pytest.mark.threads
def test_replay(tmp_path):
    """Now is the latest time of what was pushed, of any source, also after kill -9: predictions see
    what was pushed, and the ttl counts from there. What lies ahead of the wall clock is refused."""
    killed = start(make_folder(tmp_path), "--clock", "replay")
    assert gust(killed, "EWR") == ("1970-01-01T00:00:00Z", None, "NOT_FOUND")
    push(killed, [{"faa": "EWR", "t": "2013-12-01T06:00:00Z", "gust": 25}], "gusts")
    assert gust(killed, "EWR") == ("2013-12-01T06:00:00Z", 25, "PRESENT")
    push(killed, [{"faa": "JFK", "t": "2013-12-01T07:00:00.000001Z", "gust": 30},
                  {"faa": "LGA", "t": "2013-12-01T06:30:00Z", "gust": 5}], "gusts")
    assert gust(killed, "EWR") == ("2013-12-01T07:00:00.000001Z", None, "OUTSIDE_MAX_AGE")
    push(killed, [{"faa": "BOS", "t": "2013-12-01T06:50:00Z", "gust": 1}], "gusts")
    assert gust(killed, "BOS") == ("2013-12-01T07:00:00.000001Z", 1, "PRESENT")
    event = {"id": "1", "faa": "EWR", "t": "2013-12-01T07:30:00Z", "delay": 5}
    push(killed, [event], "flights")
    ahead = int(time.time() * 1000000) + 3600 * 1000000
    assert killed.post("/push", {"source": "flights", "row": {**event, "t": ahead}}).status == 422
    services = killed.get("/v1/features").json["services"]
    digest, = [s["digest"] for s in services if s["name"] == "gusts"]
    killed.stop(signal.SIGKILL)
    version = tmp_path / "models/gusty/1"
    version.mkdir(parents=True)
    (version / "rules.yaml").write_text(GUSTY, encoding="utf-8")
    (version / "model.yaml").write_text(f"service: {{name: gusts, digest: {digest}}}\n",
                                        encoding="utf-8")
    again = start(tmp_path, "--clock", "replay")
    try:
        answer = again.post("/v1/models/gusty/predict", {
            "entities": [{"faa": f} for f in ("EWR", "JFK", "LGA")], "features": "status"})
        assert answer.status == 200, answer.body
        rows = answer.json["predictions"]
        assert [r["prediction"] for r in rows] == [-1, 1, 0]
        assert {r["at"] for r in rows} == {event["t"]}
    finally:
        assert again.stop() == 0

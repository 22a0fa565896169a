# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex train` of a model with a service learns from what `features history` gives, is
recorded with that version of the service, and refuses what it can prove to know the label.

Method: a folder of definitions over made-up flights, changed a word at a time; what is trained is
compared, byte for byte, with a training on the file that `features history` writes of the same
rows.
"""

import contextlib
import json
import os
import signal
import sqlite3

import history
import numpy as np
import pytest
import yaml

from conftest import Server

FLIGHTS = 400  # one an hour, from 2013-01-01; the label is known two hours later
STOP_FROM, TEST_FROM = "2013-01-10", "2013-01-13 12:00:00"

DEFINITIONS = """
auspex: 1
entities:
  carrier: {keys: {carrier: string}}
  airport: {keys: {faa: string}}
sources:
  arrivals:
    files: data/arrivals.csv
    time: arrived_at
    event_id: [flight_id]
    columns: {flight_id: int64, carrier: string, arrived_at: timestamp, arr_delay: float64}
  weather:
    files: data/weather.csv
    time: time_hour
    columns: {origin: string, time_hour: timestamp, temp: float64}
  fleets:
    files: data/fleets.csv
    time: none
    columns: {carrier: string, seats: int64}
views:
  recent:
    entity: carrier
    source: arrivals
    fields:
      delay_6h: avg(arr_delay) over 6h
      late_share_1d: count(*) filter (where arr_delay > 3) over 24h / count(*) over 24h
  weather: {entity: airport, keys: {faa: origin}, source: weather, ttl: 3h, fields: {temp: temp}}
  fleet: {entity: carrier, source: fleets, fields: {seats: {expr: seats, type: float32}}}
services:
  pushback:
    request: {departed_at: timestamp, x: float64, need: {type: int64, required: true}}
    features:
      - {name: carrier}
      - {name: x}
      - {name: need}
      - {name: hour, expr: extract(hour from departed_at)}
      - {view: recent}
      - {view: weather, keys: {faa: origin}, as: origin}
      - {view: fleet}
      - {name: warm, expr: origin__temp > 10}
models:
  delay:
    service: pushback
    unknown_category: missing
    train:
      rows: {sql: rows.sql}
      at: departed_at
      label: arr_delay > 3
      label_known_at: arrived_at
      split: {stop_from: "2013-01-10", test_from: "2013-01-13 12:00:00"}
      params: {objective: "binary:logistic", max_depth: 3}
      rounds: 20
      early_stopping: 5
      threads: 1
"""

ROWS = "SELECT * FROM 'data/flights.csv' ORDER BY flight_id;\n"
INPUTS = ["carrier", "x", "need", "hour", "delay_6h", "late_share_1d", "origin__temp", "seats",
          "warm"]
OF_ROWS = ["x", "need"]


def moment(hours):
    return str(np.datetime64("2013-01-01T00:00:00") + np.timedelta64(int(hours * 60), "m")) + "Z"


def write_data(folder):
    rng = np.random.default_rng(4)
    carriers = [["AA", "B6", "UA"][i] for i in rng.integers(0, 3, FLIGHTS)]
    x = rng.standard_normal(FLIGHTS).round(3)
    drift = {c: np.repeat(rng.standard_normal(FLIGHTS // 20 + 1) * 6, 20) for c in
             ("AA", "B6", "UA")}
    delay = [round(float(5 * x[i] + drift[carriers[i]][i] + rng.standard_normal()), 3)
             for i in range(FLIGHTS)]
    # Times without a zone: to see whether a text is one with a zone takes DuckDB a calendar each.
    flights = ["flight_id,carrier,origin,departed_at,arrived_at,x,need,arr_delay"]
    arrivals = ["flight_id,carrier,arrived_at,arr_delay"]
    for i in range(FLIGHTS):
        told = "" if i % 50 == 7 else repr(delay[i])
        flights.append(f"{i},{carriers[i]},{'JFK' if i % 3 else 'LGA'},{moment(i)[:-1]},"
                       f"{moment(i + 2)[:-1]},{float(x[i])!r},{i % 5},{told}")
        if told:
            arrivals.append(f"{i},{carriers[i]},{moment(i + 2)},{told}")
    weather = ["origin,time_hour,temp"]
    weather += [f"{o},{moment(h)},{float(rng.normal(10, 5)):.2f}"
                for h in range(0, FLIGHTS, 2) for o in ("JFK", "LGA")]
    (folder / "data").mkdir()
    for name, lines in (("flights", flights), ("arrivals", arrivals), ("weather", weather),
                        ("fleets", ["carrier,seats", "AA,150", "B6,100"])):
        (folder / f"data/{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    folder = tmp_path / "definitions"
    folder.mkdir()
    write_data(folder)
    (folder / "rows.sql").write_text(ROWS, encoding="utf-8")
    define(tmp_path)
    return tmp_path


def define(folder, *changes):
    text = DEFINITIONS
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    (folder / "definitions/all.yaml").write_text(text, encoding="utf-8")


def command(folder, *options):
    return ["train", folder / "definitions", "--models", folder / "models", "--state",
            folder / "state", "--json", *options]


def train(folder, *options):
    done = history.run(*command(folder, *options))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def refused(folder, *options, status=3):
    done = history.run(*command(folder, *options))
    assert done.returncode == status and not done.stdout, done.stderr
    assert not (folder / "models").exists() or not list((folder / "models").rglob("*"))
    return done.stderr


def apply(folder, *options, status=0):
    done = history.run("apply", folder / "definitions", "--state", folder / "state", *options)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def version_yaml(done):
    with open(f"{done['path']}/model.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)


def model_bytes(done):
    with open(f"{done['path']}/model.ubj", "rb") as file:
        return file.read()


def make_history(folder, *options):
    done = history.run("features", "history", "--definitions", folder / "definitions", "--service",
                       "pushback", "--sql", folder / "definitions/rows.sql", "--out",
                       folder / "h.parquet", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def snapshot(folder, *options):
    done = history.run("data", "snapshot", "--definitions", folder / "definitions", "--state",
                       folder / "state", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_same_as_a_history_that_is_trained_on(folder):
    done, told = train(folder)
    made = make_history(folder, "--at", "departed_at")
    assert done["history"]["digest"] == made["digest"]
    assert done["history"]["rows"] == made["rows"] == FLIGHTS
    written = version_yaml(done)
    plain = {
        "auspex": 1,
        "models": {"plain": {
            "columns": [{"name": n, "required": n == "need"} for n in INPUTS],
            "unknown_category": "missing",
            "train": {
                "rows": {"sql": "SELECT * FROM 'h.parquet' ORDER BY flight_id"},
                "at": "departed_at", "label": "arr_delay > 3", "label_known_at": "arrived_at",
                "split": {"stop_from": STOP_FROM, "test_from": TEST_FROM},
                "params": {"objective": "binary:logistic", "max_depth": 3}, "rounds": 20,
                "early_stopping": 5, "threads": 1}}}}
    by_file = history.train(folder, plain)
    assert model_bytes(done) == model_bytes(by_file)
    theirs = version_yaml(by_file)
    for key in ("parts", "rows", "rounds", "metrics", "gain"):
        assert written["training"][key] == theirs["training"][key]
    assert written["signature"] == theirs["signature"]
    # Rows without a label are left out, and counted.
    assert done["rows"]["unlabelled"] == FLIGHTS // 50
    assert sum(done["rows"][p] for p in ("train", "stop", "test")) == FLIGHTS * 49 // 50
    assert done["metrics"]["auc"] > 0.7 and written["training"]["gain"]["delay_6h"] > 0
    assert [i["name"] for i in written["signature"]["inputs"]] == INPUTS
    assert "'fleets' has no history" in told


def test_the_moment_is_an_expression(folder):
    """Features are asked for earlier, and so is the split: what is learned from is less. Times with
    a zone are the same times. Of events that are told late only what was known then counts."""
    (folder / "definitions/rows.sql").write_text(ROWS.replace(
        "*", "* REPLACE (departed_at::TIMESTAMPTZ AS departed_at, arrived_at::TIMESTAMPTZ AS "
        "arrived_at)"), encoding="utf-8")
    define(folder, ("at: departed_at", "as_known: true\n      at: departed_at - 2h"),
           ("arrived_at: timestamp, arr", "arrived_at: timestamp, known_at: timestamp, arr"),
           ("event_id: [flight_id]", "event_id: [flight_id]\n    created: known_at"))
    arrivals = folder / "definitions/data/arrivals.csv"
    lines = [line.split(",") for line in arrivals.read_text(encoding="utf-8").splitlines()]
    arrivals.write_text("arrived_at,flight_id,carrier,known_at,arr_delay\n" + "".join(
        f"{at},{flight},{carrier},{moment(int(flight) + 2 + int(flight) % 5)},{delay}\n"
        for flight, carrier, at, delay in lines[1:]), encoding="utf-8")
    done, _ = train(folder)
    made = make_history(folder, "--at", "departed_at - 2h", "--as-known")
    assert done["history"]["digest"] == made["digest"]
    assert make_history(folder, "--at", "departed_at - 2h")["digest"] != made["digest"]
    assert version_yaml(done)["training"]["history"] == {
        "rows": FLIGHTS, "digest": made["digest"], "as_known": True}
    # 1 of 50 rows has no label; the parts begin two rows later than by departed_at.
    assert done["rows"]["train"] == 9 * 24 + 2 - 5 and done["rows"]["stop"] == 84 - 1


def assert_served(folder, digest):
    """A server tells what is in force and what the version needs of it, follows what is applied,
    and keeps it when the registry is damaged."""
    served = Server(folder / "models", "--state", str(folder / "state"), "--images=false")
    told = served.get("/v1/features").json
    service = told["services"][0]
    assert told["apply"] == 1 and service["version"] == 1 and service["digest"] == digest
    assert [v["name"] for v in service["request"]] == ["departed_at", "x", "need"]
    assert service["request"][2] == {"name": "need", "type": "int64", "required": True}
    assert service["keys"] == [{"name": "carrier", "type": "string"},
                               {"name": "origin", "type": "string"}]
    assert [i["name"] for i in service["inputs"]] == INPUTS
    assert service["inputs"][6] == {"name": "origin__temp", "type": "float64", "from": "field",
                                    "view": "weather", "field": "temp"}
    assert [i["from"] for i in service["inputs"][:4]] == ["key", "request", "request", "expr"]
    assert [(v["name"], v["entity"], v["windowed"]) for v in told["views"]] == [
        ("recent", "carrier", True), ("weather", "airport", False), ("fleet", "carrier", False)]
    version = {"name": "delay", "version": "1", "service": "pushback", "service_version": 1}
    assert told["models"] == [version | {"in_force": True}]

    define(folder, ("ttl: 3h", "ttl: 4h"))
    apply(folder, "--check=false")
    history.wait_for(lambda: served.metrics()["ax_features_apply"] == 2)
    told = served.get("/v1/features").json
    assert told["apply"] == 2 and told["views"][1]["version"] == 2
    assert told["models"] == [version | {"in_force": False}]
    (folder / "state/registry.db").write_bytes(b"no registry")
    history.wait_for(lambda: any("registry.db' is damaged" in line for line in served.lines))
    assert served.get("/v1/features").json == told
    metrics = served.metrics()
    assert metrics["ax_features_load_failures_total"] and metrics["ax_features_loads_total"] == 2
    assert served.stop() == 0
    log = "".join(served.lines)
    assert log.count("is not in force as it was in training") == 1, log


def test_what_is_written_down(folder):
    apply(folder)
    done, _ = train(folder)
    service = version_yaml(done)["service"]
    assert service["name"] == "pushback" and service["version"] == 1
    assert service["digest"] == done["service"]["digest"]
    types = ["string", "float64", "int64", "int64", "float64", "float64", "float64", "float32",
             "bool"]
    assert service["inputs"] == [{"name": n, "type": t} for n, t in zip(INPUTS, types)]
    assert version_yaml(done)["training"]["history"] == {
        "rows": FLIGHTS, "digest": done["history"]["digest"]}
    assert done["service"] | {"digest": ""} == {"name": "pushback", "version": 1, "digest": "",
                                                "recorded": True}
    shown = history.run("models", "inspect", "--json", "--state", folder / "state", done["path"])
    shown = json.loads(shown.stdout)
    assert (shown["service"], shown["service_version"], shown["service_digest"]) == (
        "pushback", 1, service["digest"])
    assert_served(folder, service["digest"])
    # The version is served as any other: it takes the inputs themselves.
    (folder / "rows.csv").write_text(
        ",".join(INPUTS) + "\nAA,0.5,1,3,2.5,0.5,11,150,true\n", encoding="utf-8")
    scored = history.run("predict", "--model", done["path"], folder / "rows.csv",
                         folder / "out.csv")
    assert scored.returncode == 0, scored.stderr


def test_plan_and_lineage_know_the_version(folder):
    apply(folder)
    train(folder)
    lineage = history.run("features", "lineage", "--state", folder / "state", "view:recent")
    assert "model delay (versions 1)" in lineage.stdout
    define(folder, ("delay_6h: avg(arr_delay) over 6h", "delay_9h: avg(arr_delay) over 9h"))
    done = history.run("plan", folder / "definitions", "--state", folder / "state", "--json")
    breaks = json.loads(done.stdout)["breaks"]
    assert any(b["model"] == "delay" and b["model_versions"] == "1" and b["feature"] == "delay_6h"
               for b in breaks), breaks
    assert "--force" in apply(folder, status=1)


def test_what_is_not_in_force_is_not_recorded(folder):
    apply(folder)
    first, _ = train(folder)
    define(folder, ("over 6h", "over 7h"))
    second, _ = train(folder)
    assert second["service"]["version"] is None and not second["service"]["recorded"]
    assert second["service"]["digest"] != first["service"]["digest"]
    assert "version" not in version_yaml(second)["service"]
    # Another object of the folder does not matter.
    define(folder, ("  fleet: {entity", "  more: {entity: carrier, source: fleets, fields: {more: "
                    "seats}}\n  fleet: {entity"))
    third, _ = train(folder)
    assert third["service"]["recorded"] and third["version"] == 3
    text = history.run("train", folder / "definitions", "--models", folder / "models", "--state",
                       folder / "nowhere").stdout
    assert "not recorded" in text and not (folder / "nowhere").exists()


def test_the_same_again(folder):
    first, _ = train(folder)
    second, _ = train(folder)
    assert first["digest"] == second["digest"]
    # A correction of the past is another set, a seed another model of it.
    define(folder, ("max_depth: 3}", "max_depth: 3, subsample: 0.5}"))
    third, _ = train(folder)
    define(folder, ("      rounds: 20", "      rounds: 20\n      seed: 9"),
           ("max_depth: 3}", "max_depth: 3, subsample: 0.5}"))
    path = folder / "definitions/data/arrivals.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines + [lines[9].rsplit(",", 1)[0] + ",99"]) + "\n",
                    encoding="utf-8")
    fourth, _ = train(folder)
    assert third["history"]["digest"] == first["history"]["digest"]
    assert fourth["history"]["digest"] != first["history"]["digest"]
    assert model_bytes(fourth) != model_bytes(third) != model_bytes(first)


def test_rows_of_a_file(folder):
    """CSV and Parquet teach what the query did, and have the digest that snapshots of them have."""
    first, _ = train(folder)
    known = ("known_at: arrived_at", "known_at: CAST(arrived_at AS TIMESTAMP)")
    define(folder, ("{sql: rows.sql}", "{file: data/flights.csv}"), known,
           ("temp: temp}", "temp: {expr: temp, deprecated: of no use}}"))
    second, told = train(folder)
    assert "field 'temp' of view 'weather' is deprecated: of no use" in told
    assert model_bytes(second) == model_bytes(first)
    assert version_yaml(second)["training"]["file"] == "data/flights.csv"
    kept = snapshot(folder, folder / "definitions/data/flights.csv")
    path = folder / "state/snapshots" / kept["digest"] / "data.parquet"
    define(folder, ("{sql: rows.sql}", f"{{file: '{path}'}}"), known)
    third, _ = train(folder, "--snapshot")
    made = snapshot(folder, "--service", "pushback", "--rows", path, "--at", "departed_at")
    assert made["digest"] == third["history"]["snapshot"] and made["was_there"]
    shown = json.loads(history.run("data", "show", "--state", folder / "state", "--json",
                                   version_yaml(third)["training"]["history"]["snapshot"]).stdout)
    assert shown["made"]["service"] == "pushback" and shown["made"]["at"] == "departed_at"
    assert {s["of"] for s in shown["sources"]} == {
        "rows", "source arrivals", "source weather", "source fleets"}
    digests = {second["history"]["digest"], third["history"]["digest"], made["content"],
               version_yaml(third)["training"]["history"]["digest"]}
    assert len(digests) == 1 and model_bytes(third) == model_bytes(first)


REQUEST = "request: {departed_at: timestamp, x: float64,"
LEAKS = {
    "by expressions": (
        [(REQUEST, REQUEST.replace("x: ", "arr_delay: float64, x: ")),
         ("- {view: recent}", "- {name: late, expr: arr_delay > 3}\n"
          "      - {name: later, expr: late and x > 0}\n      - {view: recent}")],
        "leak: 'late' <- 'arr_delay' of the rows, which the label reads: take it out of service "
        "'pushback'"),
    "by another name": (
        [("{sql: rows.sql}", "{sql: \"WITH r AS (SELECT *, arr_delay AS y FROM 'data/flights.csv') "
          "SELECT * REPLACE (y / 2 AS x) FROM r ORDER BY flight_id\"}")],
        "leak: 'x' of the rows, made of 'arr_delay' of 'data/flights.csv', as 'arr_delay' is, "
        "which the label reads"),
    "the row's own event": (
        [("      label_known_at: arrived_at\n", "")],
        "leak: 'delay_6h' <- view 'recent' <- 'arrivals.arr_delay', as the label reads, of which "
        "the rows have the event_id"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_refused(folder, name):
    changes, words = LEAKS[name]
    define(folder, *changes)
    told = refused(folder)
    assert words in told and "all.yaml:" in told, told


def test_labels_that_were_known(folder):
    text = ROWS.replace("*", "* REPLACE (CASE WHEN flight_id IN (30, 31) THEN departed_at ELSE "
                        "arrived_at END AS arrived_at)")
    (folder / "definitions/rows.sql").write_text(text, encoding="utf-8")
    told = refused(folder)
    assert "label of 2 rows was known at or before 'departed_at'" in told
    assert "'flight_id': 30" in told


def test_own_events_that_do_not_count(folder):
    """Left out by the service: nothing to refuse."""
    define(folder, ("      label_known_at: arrived_at\n", ""),
           (REQUEST, "exclude_self: true\n    " + REQUEST.replace("x: ", "flight_id: int64, x: ")))
    _, told = train(folder)
    assert "event" not in told


MISTAKES = {
    "no such model": ([], ["--model", "dely"], 4, "no model 'dely'; nearest is delay"),
    "no such column in at": ([("at: departed_at", "at: departd_at")], [], 3,
                             "all.yaml:47:11: at: rows: the rows have no column 'departd_at'"),
    "no such name in at": ([("at: departed_at", "at: departed_at + dur")], [], 3,
                           "all.yaml:47:25: at: rows: at, column 15: 'dur'"),
    "no at": ([("      at: departed_at\n", "")], [], 3, "needs the key 'at'"),
    "no such service": ([("service: pushback", "service: pushbak")], [], 3, "'pushback'"),
    "a time as input": ([("- {name: x}", "- {name: x}\n      - {name: departed_at}")], [], 3,
                        "cannot take input 'departed_at' of service 'pushback': it is a time"),
    "no column of the label": ([("label: arr_delay > 3", "label: arr_dely > 3")], [], 3,
                               "all.yaml:48:14: label: Binder Error: Referenced column"),
    "no expression": ([("label: arr_delay > 3", "label: arr_delay > > 3")], [], 3,
                      "all.yaml:48:26: label: "),
    "when it was known": ([("known_at: arrived_at", "known_at: arrived_at +")], [], 3,
                          "all.yaml:49:35: label_known_at: "),
    "file": ([("{sql: rows.sql}", "{file: data/flihts.csv}")], [], 4,
             "data/flihts.csv': No such file"),
    "split": ([('stop_from: "2013-01-10"', 'stop_from: "2013-02-10"')], [], 3,
              "stop_from lies after test_from"),
    "nothing to train on": ([('stop_from: "2013-01-10"', 'stop_from: "2012-01-10"')], [], 3,
                            "all.yaml:50:14: split: no row with a label is left to train on"),
    "the moment's name": ([("rows: {sql: rows.sql}", "rows: {sql: \"SELECT *, 1 AS ax_moment FROM "
                            "'data/flights.csv' ORDER BY flight_id\"}")], [], 3, "'ax_moment'"),
    "no order": ([("rows: {sql: rows.sql}",
                   "rows: {sql: \"SELECT * FROM 'data/flights.csv'\"}")], [], 3,
                 "all.yaml:46:19: rows: the query has no ORDER BY"),
    "SQL in YAML": ([("rows: {sql: rows.sql}", "rows:\n        sql: >-\n          SELECT *, foo\n"
                      "          FROM 'data/flights.csv' ORDER BY flight_id")], [], 3,
                    "all.yaml:48:21: rows: Binder Error: Referenced column \"foo\""),
    "no file": ([("files: data/weather.csv", "files: data/wether.csv")], [], 4, "wether.csv"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(folder, name):
    changes, options, status, words = MISTAKES[name]
    define(folder, *changes)
    told = refused(folder, *options, status=status)
    assert words in told, told
    if name in ("no column of the label", "no expression", "when it was known", "no order"):
        assert "history: " not in told  # before the work


def test_places_by_relative_paths(folder):
    """The working folder is another one while the query runs."""
    def told(*changes):
        define(folder, *changes)
        done = history.run("train", "definitions/all.yaml", "--models", "models", "--state",
                           "state", cwd=folder)
        assert done.returncode == 3
        return done.stderr

    assert "definitions/all.yaml:46:35: rows: " in told(
        ("{sql: rows.sql}", "{sql: \"SELECT 1 AS a, foo ORDER BY a\"}"))
    (folder / "definitions/rows.sql").write_text("SELECT *\nFORM x", encoding="utf-8")
    assert "definitions/rows.sql:2:6: rows: syntax error" in told()


def test_which_file_is_trained(folder):
    """A file with all definitions is trained by itself; else the folder that has them is named."""
    done, _ = train(folder)
    path = folder / "definitions/all.yaml"
    alone = history.run("train", path, "--models", folder / "models", "--state", folder / "state",
                        "--json")
    assert json.loads(alone.stdout)["digest"] == done["digest"], alone.stderr
    head, models = DEFINITIONS.split("models:\n")
    path.write_text(head, encoding="utf-8")
    told = refused_in(folder, folder / "definitions")
    assert "defines no model" in told
    (folder / "definitions/models.yaml").write_text("auspex: 1\nmodels:\n" + models,
                                                    encoding="utf-8")
    assert "train the folder" in refused_in(folder, folder / "definitions/models.yaml")
    again, _ = train(folder)
    assert again["digest"] == done["digest"]


def refused_in(folder, path):
    done = history.run("train", path, "--models", folder / "models", "--state", folder / "state")
    assert done.returncode in (3, 4), done.stderr
    return done.stderr


ENDLESS = ("files: data/fleets.csv", "sql: SELECT '' || sum(i) AS carrier, 1 AS seats FROM "
           "range(100000000000) t(i)")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted(folder, sent):
    """What is done of a large view stays; the next training goes on from there, and leaves the same
    as one that was never interrupted."""
    with open(folder / "definitions/data/weather.csv", "a", encoding="utf-8") as weather:
        weather.write("EWR,2013-01-01T00:00:00Z,1\n" * 70000)
    define(folder, ENDLESS)
    process = history.start(*command(folder))
    while "reading source fleets" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(sent)
    _, told = process.communicate(timeout=60)
    assert process.returncode == (130 if sent == signal.SIGTERM else -sent)
    assert list((folder / "models").rglob("model.*")) == []
    assert len(list((folder / "models/delay/.history/parts").iterdir())) == 1
    if sent == signal.SIGTERM:
        assert os.listdir(folder / "models/delay") == [".history"]
        assert "delay/.history' keeps what is done; the same command goes on" in told
    define(folder)
    first, told = train(folder)
    assert "found what was done of view weather" in told
    assert os.listdir(folder / "models/delay") == ["1"]
    second, told = train(folder)
    assert "found" not in told and first["digest"] == second["digest"]


def record(folder, path):
    done = history.run("train", "--record", path, "--state", folder / "state")
    return done.returncode, done.stdout + done.stderr


def recorded(folder):
    done = history.run("features", "lineage", "--state", folder / "state", "service:pushback")
    return "model delay (versions 1)" in done.stdout


def test_recorded_later(folder):
    """What could not be recorded, since the database refuses it, or nothing is in force."""
    apply(folder)
    path = folder / "models/delay/1"
    with contextlib.closing(sqlite3.connect(folder / "state/registry.db")) as database:
        database.executescript("create trigger t before insert on model_versions begin "
                               "select raise(abort, 'not now'); end")
        done = history.run(*command(folder))
        database.executescript("drop trigger t")
    assert done.returncode == 1 and "models/delay/1' is written and not recorded" in done.stderr
    assert "registry.db': not now" in done.stderr
    assert (path / "model.ubj").exists() and not recorded(folder)
    assert record(folder, folder / "none")[0] == 4
    status, told = record(folder, folder / "models/delay/1")
    assert status == 0 and told == "recorded: delay version 1, service pushback version 1\n"
    assert recorded(folder)
    define(folder, ("over 6h", "over 7h"))
    apply(folder)
    status, told = record(folder, path)
    assert status == 4 and "not in force" in told
    (path / "model.yaml").write_text("service: {name: pushback}\n", encoding="utf-8")
    status, told = record(folder, path)
    assert status == 3 and "was not trained with a service" in told

# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex plan` tells what `auspex apply` does, apply does it whole or not at all, what would
break an applied model takes --force, and `auspex features` tells what is in force and where it
comes from.

Method: the commands on a small folder of definitions that is changed step by step; their output as
JSON, their exit statuses. Applies are killed at twenty moments (tests/unit/registry/test_sqlite.c
kills at each call), meet a lock and each other, a damaged registry and one of a newer program.
"""

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

FLIGHTS = """\
auspex: 1
entities:
  aircraft: {keys: {tailnum: string}}
  airport: {keys: {faa: string}}
sources:
  planes:
    files: data/planes.csv
    time: none
    columns: {tailnum: string, year: int64, seats: int64}
  weather:
    files: data/weather.csv
    time: time_hour
    columns: {origin: string, time_hour: timestamp, temp: float64}
views:
  plane:
    entity: aircraft
    source: planes
    fields:
      built: year
      seats: {expr: seats, type: float32}
  weather:
    entity: airport
    keys: {faa: origin}
    source: weather
    ttl: 3h
    fields: {temp: temp}
services:
  pushback:
    request: {distance: float64}
    features:
      - {name: distance}
      - {view: plane}
      - {view: weather, keys: {faa: origin}, as: origin}
      - {name: age, expr: 2013 - built}
models:
  flight_delay:
    service: pushback
    train:
      rows: {sql: rows.sql}
      at: departed_at
      label: arr_delay > 15
      label_known_at: arrived_at
      split: {stop_from: "2013-10-01", test_from: "2013-11-01"}
      params: {objective: "binary:logistic"}
"""


class Folder:
    """A folder of definitions and a state directory beside it."""

    def __init__(self, path):
        self.path = path
        self.state = path / "state"
        self.definitions = path / "definitions"
        self.definitions.mkdir(parents=True)
        (self.definitions / "rows.sql").write_text("select 1 as a order by a", encoding="utf-8")
        self.write(FLIGHTS)

    def write(self, text, name="flights.yaml"):
        (self.definitions / name).write_text(text, encoding="utf-8")

    def change(self, old, new):
        text = (self.definitions / "flights.yaml").read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        self.write(text.replace(old, new))

    def run(self, *arguments, **options):
        if arguments[0] == "apply" and "--check" not in arguments:
            arguments = [*arguments, "--check=false"]  # there are no files of data
        command = [os.environ["AX_BINARY"], *map(str, arguments), "--state", self.state]
        return subprocess.run(command, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, **options)

    def plan(self):
        done = self.run("plan", "--json", self.definitions)
        assert done.returncode in (0, 2), done.stderr
        found = json.loads(done.stdout)
        assert done.returncode == (2 if found["changes"] else 0)
        return found

    def apply(self, *arguments):
        done = self.run("apply", *arguments, self.definitions)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def features(self, *arguments):
        done = self.run("features", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def features_json(self, *arguments):
        return [json.loads(line) for line in self.features(*arguments, "--json").splitlines()]

    def versions(self, kind):
        return {line["name"]: line["version"]
                for line in self.features_json("list", "--kind", kind)}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def changes(found):
    return {(c["action"], c["kind"], c["name"]) for c in found["changes"]}


def test_plan_tells_and_apply_does(folder):
    found = folder.plan()
    assert len(found["changes"]) == 8 and {c["action"] for c in found["changes"]} == {"add"}
    assert [w["line"] for w in found["warnings"]] == [8]  # time: none
    sizes = {e["name"]: e["online_bytes"] for e in found["entities"]}
    assert sizes == {"aircraft": 16 + 1 + 8 + 4, "airport": 16 + 1 + 8}
    assert not folder.state.exists()  # a plan changes nothing
    assert "8 to add" in folder.apply() and folder.plan()["changes"] == []
    assert folder.run("plan", folder.definitions).returncode == 0
    assert "nothing to apply" in folder.apply()

    folder.change("ttl: 3h", "ttl: 4h")
    folder.change("{temp: temp}", "{temp: temp * 2.0, hot: temp > 80.0}")
    found = folder.plan()
    assert changes(found) == {("change", "view", "weather"), ("change", "service", "pushback")}
    words = {w["path"]: (w.get("from"), w.get("to"))
             for c in found["changes"] if c["kind"] == "view" for w in c["words"]}
    assert words == {"ttl": ("3h", "4h"), "fields.temp.expr": ("temp", "temp * 2.0"),
                     "fields.hot": (None, "")}
    assert found["breaks"] == []
    text = folder.run("plan", folder.definitions).stdout
    assert "    ttl: 3h -> 4h\n" in text and "    fields.hot: added\n" in text
    folder.apply()
    assert folder.versions("view") == {"plane": 1, "weather": 2}
    assert folder.versions("service") == {"pushback": 2}
    applies = folder.features_json("list", "--kind", "apply")
    assert [(a["apply"], a["added"], a["changed"], a["dropped"]) for a in applies] == [
        (2, 0, 2, 0), (1, 8, 0, 0)]
    assert applies[0]["command"].startswith("auspex apply ") and "@" in applies[0]["who"]


def test_descriptions_make_no_version(folder):
    folder.apply()
    folder.change("      built: year", "      built: {expr: year, description: first flight}")
    folder.change("    ttl: 3h\n", "    ttl: 180m\n    description: at the airport\n")
    found = folder.plan()
    assert changes(found) == {("describe", "view", "plane"), ("describe", "view", "weather")}
    folder.apply()
    assert folder.plan()["changes"] == [] and folder.versions("view") == {"plane": 1, "weather": 1}
    (shown,) = folder.features_json("show", "plane")
    assert shown["definition"]["notes"] == {"fields": {"built": {"description": "first flight"}}}
    # It is told which apply is in force, not that another one was done.
    folder.change("    ttl: 180m\n", "    ttl: 180m\n    deprecated: by the gate\n")
    assert folder.apply().endswith("described otherwise: 1; apply 1 stays in force\n")
    assert len(folder.features_json("list", "--kind", "apply")) == 1
    # What only moved is told by nobody, but its place is kept.
    folder.write("# A line in front.\n" + (folder.definitions / "flights.yaml").read_text("utf-8"))
    assert folder.plan()["changes"] == []
    folder.apply()
    (moved,) = folder.features_json("show", "plane")
    line = int(shown["place"].removeprefix("flights.yaml:"))
    assert moved["place"] == f"flights.yaml:{line + 1}" and moved["version"] == 1


@pytest.mark.parametrize("old, new, kind", [
    ("      built: year\n", "", "dropped"),
    ("      built: year\n", "      made: year\n", "dropped"),
    ("      built: year\n", "      built: {expr: year, type: int32}\n", "retyped"),
])
def test_what_models_need_takes_force(folder, old, new, kind):
    folder.apply()
    folder.change(old, new)
    folder.change("      - {name: age, expr: 2013 - built}\n", "")
    (broken,) = folder.plan()["breaks"]
    assert (broken["kind"], broken["view"], broken["feature"]) == (kind, "plane", "built")
    assert (broken["model"], broken["model_versions"]) == ("flight_delay", "")
    refused = folder.run("apply", folder.definitions)
    assert refused.returncode == 1 and "--force" in refused.stderr
    assert "! feature plane.built is " in refused.stdout
    assert "model flight_delay needs it, by service pushback version 1" in refused.stdout
    assert folder.versions("view")["plane"] == 1
    folder.apply("--force")
    assert folder.versions("view")["plane"] == 2
    assert folder.features_json("list", "--kind", "apply")[0]["forced"] is True
    assert folder.plan()["breaks"] == []


def test_other_keys_break_models(folder):
    folder.apply()
    text = (folder.definitions / "flights.yaml").read_text(encoding="utf-8")
    folder.write(text.replace("tailnum: string", "tailnum: int64"))
    (broken,) = folder.plan()["breaks"]
    assert broken["kind"] == "keys" and broken["view"] == "plane" and "feature" not in broken
    assert (broken["from"], broken["to"]) == ("aircraft (tailnum: string)",
                                              "aircraft (tailnum: int64)")
    refused = folder.run("apply", folder.definitions)
    assert refused.returncode == 1 and folder.versions("entity") == {"aircraft": 1, "airport": 1}
    assert ("! view plane is of entity aircraft (tailnum: int64) instead of aircraft (tailnum: "
            "string); model flight_delay needs it" in refused.stdout)
    folder.apply("--force")
    assert folder.plan()["breaks"] == []


def test_apply_tells_as_json_what_became_of_it(folder):
    """One object, printed when it is known."""
    done = json.loads(folder.apply("--json"))
    assert done["applied"] == 1 and len(done["changes"]) == 8
    assert json.loads(folder.apply("--json"))["applied"] == 1
    folder.change("      built: year\n", "      made: year\n")
    folder.change("      - {name: age, expr: 2013 - built}\n", "")
    refused = folder.run("apply", "--json", folder.definitions)
    assert refused.returncode == 1 and "--force" in refused.stderr
    found = json.loads(refused.stdout)
    assert found["applied"] is None and len(found["breaks"]) == 1
    assert "applied" not in folder.plan()
    assert json.loads(folder.apply("--json", "--force"))["applied"] == 2


@pytest.mark.parametrize("named, says", [
    ("wether", "'wether' is not applied; nearest is 'weather'"),
    ("plane.setas", "'plane' has no 'setas'; nearest is 'seats'"),
    ("view:plane.buit", "'plane' has no 'buit'; nearest is 'built'"),
    ("service:pushbak", "'service:pushbak' is not applied; nearest is 'pushback'"),
    ("service:plane", "'service:plane' is not applied; auspex features list tells what is"),
    ("plane.zzzzzzzz", "'plane.zzzzzzzz' is not applied; auspex features list tells what is"),
])
def test_nearest_names(folder, named, says):
    folder.apply()
    for command in ("show", "lineage"):
        missing = folder.run("features", command, named)
        assert missing.returncode == 4 and says in missing.stderr, missing.stderr


def test_trained_versions_are_named(folder):
    """What a trained version needs is that of its own version of the service."""
    folder.apply()
    with sqlite3.connect(folder.state / "registry.db") as db:
        db.execute("insert into model_versions select 'flight_delay', 7, v.id, 'd', 'p', 0 "
                   "from versions v join objects o on o.id = v.object where o.kind = 'service'")
    db.close()
    folder.change("      - {view: plane}\n      - {view: weather", "      - {view: weather")
    folder.change("      - {name: age, expr: 2013 - built}\n", "")
    assert folder.plan()["breaks"] == []
    folder.apply()
    folder.change("      seats: {expr: seats, type: float32}\n", "")
    (broken,) = folder.plan()["breaks"]
    assert (broken["feature"], broken["model_versions"], broken["service_version"]) == (
        "seats", "7", 1)
    folder.apply("--force")
    found = folder.plan()
    assert found["breaks"] == [] and [b["feature"] for b in found["broken"]] == ["seats"]
    assert ("? broken already: feature plane.seats is dropped or renamed; model flight_delay "
            "(versions 7) needs it" in folder.run("plan", folder.definitions).stdout)
    (shown,) = folder.features_json("show", "pushback")
    assert shown["trained"] == [{"model": "flight_delay", "versions": "7", "service_version": 1}]
    lineage = folder.features("lineage", "plane.built")
    assert "service pushback@1.built" in lineage and "model flight_delay (versions 7)" in lineage


def test_deprecated_is_warned_about_where_it_is_used(folder):
    folder.change("      built: year", "      built: {expr: year, deprecated: use age}")
    found = folder.plan()
    (warning,) = [w for w in found["warnings"] if "deprecated" in w["text"]]
    assert "built" in warning["text"] and "use age" in warning["text"] and warning["line"] == 32
    folder.apply()
    listed = {f["name"]: f["deprecated"] for f in folder.features_json("list")}
    assert listed == {"built": True, "seats": False, "temp": False}


def test_deprecated_is_warned_about_by_history(folder):
    folder.change("      built: year", "      built: {expr: year, deprecated: use age}")
    folder.change("files: data/planes.csv", "sql: select 'N1' as tailnum, 1 as year, 2 as seats")
    folder.change("files: data/weather.csv",
                  "sql: select 'E' as origin, timestamp '2013-01-01' as time_hour, 1.5 as temp")
    folder.change("models:", "  small:\n    features: [{view: plane, fields: seats}]\nmodels:")
    rows = folder.path / "rows.sql"
    rows.write_text("select 'E' as faa, 'E' as origin, 'N1' as tailnum, 1.0 as distance, "
                    "timestamp '2013-01-01 01:00:00' as at", encoding="utf-8")
    for service, warned in (("pushback", 1), ("small", 0)):
        done = folder.run("features", "history", "--definitions", folder.definitions, "--sql", rows,
                          "--service", service, "--out", folder.path / "out.csv", "--quiet")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("history: warning: field 'built' of view 'plane' is deprecated: "
                                 "use age\n") == warned
        assert done.stderr.count("warning") == warned


def test_show_tells_how_a_feature_is_computed(folder):
    folder.change("type: float32}", "type: float32, default: 150, description: \"in\\nall\","
                  " deprecated: too many}")
    folder.apply()
    text = folder.features("show", "plane.seats")
    for line in ("expr        cast(seats as float64)", "type        float32", "default     150",
                 "description in all", "deprecated  too many"):
        assert f"\n  {line}\n" in text, text
    (shown,) = folder.features_json("show", "plane.seats")
    assert shown["feature"] == {"expr": "cast(seats as float64)", "type": "float32", "default": 150,
                                "description": "in\nall", "deprecated": "too many"}
    assert shown["place"] == "flights.yaml:20" and "  place       flights.yaml:20\n" in text
    assert folder.features_json("show", "plane")[0]["place"] == "flights.yaml:15"
    (temp,) = folder.features_json("show", "pushback.origin__temp")
    assert temp["place"] == "flights.yaml:33"
    assert temp["feature"] == {"from": "field", "type": "float64", "view": "weather",
                               "field": "temp", "keys.faa": "origin"}
    assert [(f["feature"], f["place"]) for f in folder.features_json("show", "planes.year")] == [
        ({}, "flights.yaml:9")]
    folder.change("auspex: 1\n", "auspex: 1\n# Seats, and one more.\n")
    folder.change("seats: {expr: seats, ", "seats: {expr: seats + 1, ")
    folder.apply()
    former = folder.features_json("show", "plane.seats", "--version", "1")
    assert [f["place"] for f in former] == ["flights.yaml:20"]
    assert folder.features_json("show", "plane.seats")[0]["place"] == "flights.yaml:21"
    assert "feature" not in folder.features_json("show", "plane")[0]


def test_another_project_takes_force(folder):
    folder.apply()
    folder.write("auspex: 1\nproject: other\nentities: {user: {keys: {id: string}}}\n")
    found = folder.plan()
    assert (found["project"], found["project_in_force"]) == ("other", "default")
    refused = folder.run("apply", folder.definitions)
    assert refused.returncode == 1 and "has the definitions of another project" in refused.stderr
    assert "! what is in force is of project default, and this is other\n" in refused.stdout
    assert folder.versions("view") == {"plane": 1, "weather": 1}
    folder.apply("--force")
    assert folder.versions("view") == {} and folder.versions("entity") == {"user": 1}
    assert "project_in_force" not in folder.plan()


def test_lineage_from_files_to_models(folder):
    folder.change("time: time_hour\n", "time: time_hour\n    event_id: [time_hour]\n")
    folder.change("    ttl: 3h\n    fields: {temp: temp}",
                  "    fields: {temp: max(temp) filter (where origin <> 'X') over 3h, "
                  "reports: count(*) over 3h}")
    folder.apply()
    assert folder.features("lineage", "view:weather.reports").splitlines() == [
        "view weather.reports",
        "  from", "    source weather", "      file data/weather.csv",
        "    view weather", "      entity airport", "        entity airport.faa",
        "      source weather (see above)", "      source weather.origin",
        "        source weather (see above)", "      source weather.time_hour",
        "        source weather (see above)",
        "  into", "    service pushback.origin__reports", "      service pushback",
        "        model flight_delay"]
    assert ("view weather.reports\n        service pushback.origin__reports\n"
            in folder.features("lineage", "source:weather.time_hour"))
    assert " from source weather\n" in folder.features("show", "view:weather.reports")
    assert "    view weather: temp, reports\n" in folder.features("show", "source:weather")
    age = folder.features("lineage", "pushback.age")
    assert "source planes.year" in age and "seats" not in age and "weather" not in age
    (graph,) = folder.features_json("lineage", "file:data/planes.csv")
    assert {(n["kind"], n["name"]) for n in graph["nodes"]} == {
        ("file", "data/planes.csv"), ("source", "planes"), ("view", "plane"),
        ("service", "pushback"), ("model", "flight_delay")}
    dot = folder.features("lineage", "--dot")
    assert dot.startswith("digraph lineage {\n") and dot.endswith("}\n") and dot.count("->") == 10
    folder.change("data/planes.csv", "data/*/p*.csv")
    folder.apply()
    (graph,) = folder.features_json("lineage", "file:data/2013/planes.csv")
    assert ("file", "data/*/p*.csv") in {(n["kind"], n["name"]) for n in graph["nodes"]}


def test_files_are_opened_when_asked_and_by_apply(folder):
    data = folder.definitions / "data"
    data.mkdir()
    (data / "planes.csv").write_text("tailnum,year,seats\nN1,2001,180\n", encoding="utf-8")
    assert len(folder.plan()["changes"]) == 8  # a plan opens nothing
    for command, status in ((["plan", "--check"], 1), (["apply", "--check"], 4)):
        done = folder.run(*command, folder.definitions)
        assert done.returncode == status and "data/weather.csv" in done.stderr, done.stderr
        assert "flights.yaml:10:3: source 'weather': " in done.stderr
    weather = data / "weather.csv"
    weather.write_text("origin,time_hour\nEWR,2013-01-01T06:00:00Z\n", encoding="utf-8")
    done = folder.run("apply", "--check", folder.definitions)
    assert done.returncode == 3 and "'temp'" in done.stderr, done.stderr
    assert folder.plan()["unchanged"] == 0
    # What stands above the names of the columns is not passed over: reading would not do so either.
    for title in ("Weather of 2013\n", "Weather, of 2013\n"):
        weather.write_text(title + "origin,time_hour,temp\nEWR,2013-01-01T06:00:00Z,39.02\n",
                           encoding="utf-8")
        done = folder.run("apply", "--check", folder.definitions)
        assert done.returncode == 3 and "data/weather.csv" in done.stderr, done.stderr
    weather.write_text("origin,time_hour,temp\nEWR,2013-01-01T06:00:00Z,39.02\n", encoding="utf-8")
    assert folder.run("plan", "--check", folder.definitions).returncode == 2
    folder.apply("--check")
    weather.unlink()
    assert folder.run("plan", "--check", folder.definitions).returncode == 1


@pytest.mark.parametrize("in_yaml, in_file, says", [
    ("|\n      select 'N1' as tailnum,\n        sets, 1 as year", None,
     "flights.yaml:9:9: source 'planes': Binder Error: Referenced column \"sets\""),
    ("planes.sql", "select 'N1' as tailnum,\n  1 as seats\n  from (select 1) where",
     "planes.sql:3:24: source 'planes': Parser Error: syntax error at end of input"),
    ("planes.sql", "-- later\n", "flights.yaml:6:3: source 'planes': the query is empty"),
    ("select 1 as year, 2 as seats, 3 as Year", None,
     "flights.yaml:6:3: source 'planes': the query gives column 'Year' twice"),
])
def test_mistakes_in_sql_have_their_place(folder, in_yaml, in_file, says):
    folder.change("files: data/planes.csv", f"sql: {in_yaml}")
    if in_file:
        (folder.definitions / "planes.sql").write_text(in_file, encoding="utf-8")
    done = folder.run("plan", "--check", folder.definitions)
    assert done.returncode == 1 and f"auspex plan: {says}" in done.stderr, done.stderr


def test_what_did_not_change_is_not_opened_again(folder):
    data = folder.definitions / "data"
    data.mkdir()
    planes, weather = data / "planes.csv", data / "weather.csv"
    planes.write_text("tailnum,year,seats\nN1,2001,180\n", encoding="utf-8")
    weather.write_text("origin,time_hour,temp\nEWR,2013-01-01T06:00:00Z,39.02\n", encoding="utf-8")

    def check(*arguments):
        done = folder.run(*arguments, "--json", folder.definitions)
        found = json.loads(done.stdout)
        return found["sources_opened"], found["sources_known"]

    assert check("plan", "--check") == (2, 0)
    assert check("plan", "--check") == (2, 0)  # a plan keeps nothing
    assert "sources_opened" not in folder.plan()
    assert check("apply", "--check") == (2, 0)
    assert check("apply", "--check") == (0, 2) and check("plan", "--check") == (0, 2)
    text = folder.run("plan", "--check", folder.definitions).stdout
    assert "# sources: 0 opened, 2 as when they were opened last\n" in text
    # The same length, and the time of the last change set back: it was written all the same.
    before = weather.stat()
    weather.write_text("origin,time_hour,tmep\nEWR,2013-01-01T06:00:00Z,39.02\n", encoding="utf-8")
    os.utime(weather, ns=(before.st_atime_ns, before.st_mtime_ns))
    refused = folder.run("apply", "--check", folder.definitions)
    assert refused.returncode == 3 and "nearest is 'tmep'" in refused.stderr, refused.stderr
    weather.write_text("origin,time_hour,temp\nEWR,2013-01-01T06:00:00Z,39.02\n", encoding="utf-8")
    # A definition that means something else, and one that is only described otherwise.
    folder.change("seats: int64}", "seats: float64}")
    assert check("apply", "--check") == (2, 0)
    folder.change("    time: none\n", "    time: none\n    description: of the airframe\n")
    assert check("apply", "--check") == (0, 2)
    # Whatever stands in the file, it is only a help.
    for damage in (b"", b"\0" * 1000, b"x" * 64 + b" planes\n", b"0" * 70):
        (folder.state / "opened-sources").write_bytes(damage)
        assert check("plan", "--check") == (2, 0)
    assert check("apply", "--check") == (2, 0) and check("apply", "--check") == (0, 2)
    folder.change("files: data/planes.csv", "sql: select 'N1' as tailnum, 1 as year, 2 as seats")
    assert check("apply", "--check") == (1, 1)  # what a query reads is not known,
    assert check("apply", "--check") == (1, 1)  # so it is asked each time


def test_columns_that_vanish_or_change_between_daily_files(folder):
    """Apply finds it, although no definition has changed, and says in which file."""
    folder.change("files: data/weather.csv", "files: data/*/weather.*")
    folder.change("files: data/planes.csv", "sql: select 'N1' as tailnum, 1 as year, 2 as seats")
    days = [folder.definitions / "data" / f"day={day}" for day in range(1, 5)]
    for day in days[:3]:
        day.mkdir(parents=True)
        # Another order of columns, and more of them, are nothing to complain about.
        (day / "weather.csv").write_text(
            "time_hour,temp,more,origin\n2013-01-01T06:00:00Z,39.02,1,EWR\n"
            if day == days[1] else
            "origin,time_hour,temp\nEWR,2013-01-01T06:00:00Z,39.02\n", encoding="utf-8")
    folder.apply("--check")
    days[3].mkdir()
    newest = days[3] / "weather.csv"
    newest.write_text("origin,time_hour,temperature\nEWR,2013-01-04T06:00:00Z,39.02\n",
                      encoding="utf-8")
    assert folder.plan()["changes"] == []
    for _ in range(2):  # what was found to be wrong is not taken for known
        vanished = folder.run("apply", "--check", folder.definitions)
        assert vanished.returncode == 3 and "flights.yaml:" in vanished.stderr
        assert ("column 'temp' is not in " in vanished.stderr
                and "day=4/weather.csv" in vanished.stderr), vanished.stderr
    newest.unlink()
    rows = folder.path / "rows.sql"
    rows.write_text("select 'EWR' as origin, timestamp '2013-01-04 06:00:00' as time_hour, 'N1' as "
                    "tailnum, date '2013-01-04' as temp, 1.0 as distance, time_hour as at",
                    encoding="utf-8")
    typed = days[3] / "weather.parquet"
    made = folder.run("features", "history", "--definitions", folder.definitions, "--sql", rows,
                      "--service", "pushback", "--out", folder.path / "typed.parquet")
    assert made.returncode == 0, made.stderr
    (folder.path / "typed.parquet").rename(typed)
    changed = folder.run("apply", "--check", folder.definitions)
    assert changed.returncode == 3, changed.stderr
    assert "column 'temp' is DATE in " in changed.stderr and "float64" in changed.stderr
    typed.write_bytes(typed.read_bytes()[:-9])
    broken = folder.run("apply", "--check", folder.definitions)
    assert broken.returncode == 3 and "day=4/weather.parquet" in broken.stderr, broken.stderr
    typed.unlink()
    (days[3] / "weather.jsonl").write_text("", encoding="utf-8")  # a day without events
    folder.apply("--check")
    newest.write_text("", encoding="utf-8")  # a file that was cut off says not even its columns
    empty = folder.run("apply", "--check", folder.definitions)
    assert empty.returncode == 3 and "day=4/weather.csv' is empty" in empty.stderr, empty.stderr


def test_one_owner(folder):
    folder.apply()
    with open(folder.state / "lock", "r+", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()} auspex serve\n")
        lock.flush()
        refused = folder.run("apply", folder.definitions)
        assert refused.returncode == 5
        assert f"' is in use by process {os.getpid()} (auspex serve)" in refused.stderr
        # Who only reads may.
        assert folder.plan()["changes"] == [] and len(folder.features_json("list")) == 3
    folder.apply()
    # Real ones at once: who does not come first is told so, or comes after it.
    folder.change("ttl: 3h", "ttl: 4h")
    command = [os.environ["AX_BINARY"], "apply", folder.definitions, "--state", folder.state,
               "--check=false"]
    applies = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for _ in range(3)]
    ended = [(apply.communicate(timeout=60)[1], apply.returncode) for apply in applies]
    assert {status for _, status in ended} in ({0}, {0, 5}), ended
    assert all(not status or "' is in use by process " in told for told, status in ended), ended
    assert folder.versions("view") == {"plane": 1, "weather": 2}


@pytest.mark.parametrize("break_it, status, says", [
    (lambda db: db.write_bytes(b"no database, but more than a hundred bytes of something" * 9),
     3, "is damaged: "),
    (lambda db: db.write_bytes(db.read_bytes()[:8192]), 3, "is damaged: "),
    (lambda db: (db.unlink(), db.mkdir()), 3, "is not a regular file"),
    (lambda db: sqlite3.connect(db).executescript("pragma user_version = 12").close(),
     3, "has schema 12 and this auspex knows schemas up to 3"),
    (lambda db: sqlite3.connect(db).executescript("pragma application_id = 5").close(),
     3, "is a database of another program"),
    (lambda db: sqlite3.connect(db).executescript(
        "update features set type = 'bool' where name = 'seats'").close(),
     3, "is not what was applied"),
])
def test_registries_that_are_not_in_order(folder, break_it, status, says):
    folder.apply()
    break_it(folder.state / "registry.db")
    for command in (["apply", folder.definitions], ["features", "list"]):
        done = folder.run(*command)
        assert done.returncode == status and says in done.stderr, done.stderr
        assert "registry.db'" in done.stderr
    plan = folder.run("plan", folder.definitions)
    assert plan.returncode == 1 and says in plan.stderr


def test_refuses_and_names_the_place(folder):
    folder.change("ttl: 3h", "tll: 3h")
    for command, status in (("plan", 1), ("apply", 3)):
        done = folder.run(command, folder.definitions)
        assert done.returncode == status and "flights.yaml:25:5: " in done.stderr, done.stderr
        assert not folder.state.exists()
    assert folder.run("plan", folder.path / "nowhere").returncode == 1
    assert folder.run("apply", folder.path / "nowhere").returncode == 4
    assert folder.run("plan", "--nonsense").returncode == 1
    assert folder.run("apply", "a", "b").returncode == 2
    assert folder.run("features").returncode == 2
    assert folder.run("features", "lst").returncode == 2
    assert folder.run("features", "show").returncode == 2
    for command in ("history", "consistency", "delete"):
        done = folder.run("features", command)
        usage = f"usage: auspex features {command} [OPTION]... --"
        assert done.returncode == 2 and usage in done.stderr, done.stderr
    # An empty name is none: FOLDER/definitions.py would lie in the root. (Nothing was applied: 4.)
    repository = folder.path / "repository"
    for options in (["--feast", ""], ["--feast", repository, "--server", ""]):
        done = folder.run("features", "export", *options)
        assert done.returncode == 2 and "features: name the " in done.stderr, done.stderr
    assert folder.run("features", "export", "--feast", repository).returncode == 4
    assert folder.run("features", "list").returncode == 4


def views(count, fields, factor):
    columns = ", ".join(f"c{i}: float64" for i in range(fields))
    text = ["auspex: 1", "entities: {user: {keys: {id: string}}}",
            "sources: {s: {files: s.csv, time: t, columns: {id: string, t: timestamp, "
            + columns + "}}}",
            "views:"]
    for v in range(count):
        text.append(f"  v{v}: {{entity: user, source: s, ttl: 1h, fields: {{"
                    + ", ".join(f"f{i}: c{i} * {factor}.0" for i in range(fields)) + "}}")
    return "\n".join(text) + "\n"


@pytest.mark.plain
def test_killed_applies_leave_the_old_or_the_new(folder):
    """Twenty kills, spread over the time that an apply takes here."""
    texts = [views(60, 6, 2), views(60, 6, 3)]
    folder.write(texts[0])
    folder.apply()
    folder.write(texts[1])
    began = time.monotonic()
    folder.apply()
    seconds = time.monotonic() - began
    seen = set()
    for i in range(20):
        folder.write(texts[i % 2])
        process = subprocess.Popen([os.environ["AX_BINARY"], "apply", folder.definitions, "--state",
                                    folder.state, "--check=false"], stdout=subprocess.DEVNULL)
        time.sleep(seconds * (i + 1) / 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        factors = {f["words"][0]["from"] for f in folder.plan()["changes"]}
        assert len({text.rpartition(" ")[2] for text in factors}) <= 1  # all old, or all new
        kinds = {line["version"] for line in folder.features_json("list", "--kind", "view")}
        assert len(kinds) == 1
        seen.add(process.returncode)
    assert seen <= {0, -signal.SIGKILL} and -signal.SIGKILL in seen
    folder.write(texts[0].replace("* 2.0", "* 4.0"))
    folder.apply()
    assert folder.plan()["changes"] == []


@pytest.mark.plain
def test_two_thousand_views_of_fifty_fields(folder):
    """Counts; the seconds are printed, not judged."""
    whole = views(2000, 50, 2).splitlines()
    folder.write("\n".join(whole[:3]) + "\n")
    for part in range(4):  # a file has at most 100,000 values
        lines = whole[4 + 500 * part:504 + 500 * part]
        folder.write("auspex: 1\nviews:\n" + "\n".join(lines) + "\n", f"part{part}.yaml")
    began = time.monotonic()
    found = folder.plan()
    print(f"plan of 2,000 views with 50 fields each: {time.monotonic() - began:.2f} s")
    assert len(found["changes"]) == 2002
    (user,) = found["entities"]
    assert (user["online_views"], user["online_bytes"]) == (2000, 2000 * (16 + 7 + 8 * 50))

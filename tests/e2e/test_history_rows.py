# SPDX-License-Identifier: Apache-2.0
"""Goal: what comes into `auspex features history` as rows and files is read as it was meant, passed
on as it came, and refused, naming the place, where it can mean two things.

Method: small definitions and files, the whole output compared. Times of zones that the embedded
DuckDB knows otherwise than the system are compared with Python's zoneinfo.
"""

import csv
import datetime
import json
import os
import subprocess
import zoneinfo

import pytest

DEFINITIONS = """
auspex: 1
project: test
entities:
  airport: {keys: {faa: string}}
  number: {keys: {n: int64}}
sources:
  weather:
    files: "w*.*"
    time: time
    zone: America/New_York
    event_id: [id]
    columns: {id: int64, faa: string, time: timestamp, temp: float64, took: duration}
  numbers: {files: "numbers.csv", time: none, columns: {n: int64, m: int64}}
views:
  weather: {entity: airport, source: weather, fields: {temp: temp, took: took, since: time}}
  number: {entity: number, source: numbers, fields: {m: m}}
services:
  s:
    request: {sched: timestamp, wait: duration}
    features: [{view: weather}]
  numbers: {features: [{view: number}]}
"""

WEATHER = """id,faa,time,temp,took
1,JFK,2024-03-01 10:00:00,1,90s
2,JFK,2024-06-01 10:00:00,2,1500
"""


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    (tmp_path / "d").mkdir()
    write(tmp_path, "d/all.yaml", DEFINITIONS)
    write(tmp_path, "d/w.csv", WEATHER)
    write(tmp_path, "d/numbers.csv", "n,m\n7,1\n8,2\n")
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def run(folder, rows, *options, out="out.csv", service="s"):
    source = "--sql" if rows.endswith(".sql") else "--rows"
    return subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", "--definitions", str(folder / "d"), source,
         str(folder / rows), "--service", service, "--out", str(folder / out), "--json", *options],
        capture_output=True, text=True, timeout=120, check=False)


def history(folder, name, text, *options, service="s"):
    write(folder, name, text)
    done = run(folder, name, *options, service=service)
    assert done.returncode == 0, done.stderr
    with open(folder / "out.csv", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def refused(folder, name, text, *options, out="out.csv"):
    write(folder, name, text)
    done = run(folder, name, *options, out=out)
    assert done.returncode == 3, done.stderr
    return done.stderr


def test_a_date_that_can_be_two_is_refused(folder):
    # 3 April or 4 March: as the former it would see the value of 1 March.
    told = refused(folder, "rows.csv", "faa,at,sched,wait\nJFK,2024-03-01,,\nJFK,03/04/2024,,\n")
    assert f"{folder}/rows.csv: row 2: column 'at' is '03/04/2024'; timestamp is expected" in told
    told = refused(folder, "rows.jsonl",
                   '{"faa": "JFK", "at": "03/04/2024", "sched": null, "wait": null}\n')
    assert f"{folder}/rows.jsonl: row 1: column 'at' is '03/04/2024'" in told


def test_a_wrong_select_has_its_place(folder):
    told = refused(folder, "rows.sql", "SELECT 'JFK' AS faa,\n  '\u00e4', fuu AS at")
    assert f"{folder}/rows.sql:2:8: rows: Binder Error: Referenced column \"fuu\"" in told
    told = refused(folder, "rows.sql", "-- later\n")
    assert f"{folder}/rows.sql:1:1: rows: the query is empty" in told


def test_microseconds(folder):
    at = int(datetime.datetime(2024, 4, 3, tzinfo=datetime.timezone.utc).timestamp()) * 1000000
    table = history(folder, "rows.csv", f"faa,at,sched,wait\nJFK,{at},,\n")
    assert table[1][1:] == [str(at), "", "", "1.0", "90000000", "2024-03-01T15:00:00Z"]
    rows = f'{{"faa": "JFK", "at": {at}, "sched": "2024-01-01", "wait": "2h"}}\n'
    table = history(folder, "rows.jsonl", rows)
    assert table[1][1:] == [str(at), "2024-01-01T00:00:00Z", "7200000000", "1.0", "90000000",
                            "2024-03-01T15:00:00Z"]
    table = history(folder, "rows.sql", f"SELECT 'JFK' AS faa, {at} AS at, TIMESTAMP '2024-01-01' "
                    "AS sched, '1500ms' AS wait")
    assert table[1][1:5] == [str(at), "2024-01-01T00:00:00Z", "1500000", "1.0"]
    # Of a source's time a number may be seconds as well.
    write(folder, "d/w2.csv", f"id,faa,time,temp,took\n3,JFK,{at},1,\n")
    assert "w2.csv: row 1: column 'time' is '" in refused(folder, "rows.csv",
                                                          "faa,at,sched,wait\nJFK,,,\n")


def test_other_columns_are_passed_on(folder):
    given = [["at", "1e19", "clock", "faa", "odd, \"name\"", "sched", "wait", "x"],
             ["2024-04-03", "1e19", "8:05", "JFK", "01", "", "", "12345678901234567890123"],
             ["2024-04-03", "-0.0", "08:05", "LGA", " a ", "", "", "true"]]
    with open(folder / "rows.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(given)
    table = history(folder, "rows.csv", (folder / "rows.csv").read_text("utf-8"))
    assert [row[:8] for row in table] == given
    table = history(folder, "rows.jsonl", '{"faa": "JFK", "at": "2024-04-03", "sched": null, '
                    '"wait": null, "day": "03/04/2024", "n": 1, "x": 1.5, "ok": true, '
                    '"l": [1, "2024-01-01"], "many": 12345678901234567890}\n')
    assert dict(zip(*table))["day"] == "03/04/2024" and dict(zip(*table))["n"] == "1"
    assert dict(zip(*table))["l"].replace(" ", "") == '[1,"2024-01-01"]'
    assert dict(zip(*table))["many"] == "12345678901234567890"


def test_columns_of_the_call_have_their_types_in_parquet(folder):
    write(folder, "rows.csv", "n,at\n7,2024-01-01\n")
    done = run(folder, "rows.csv", out="out.parquet", service="numbers")
    assert done.returncode == 0, done.stderr
    # As rows again: an expression sees int64 where the first run had a key, and text elsewhere.
    write(folder, "d/all.yaml", DEFINITIONS.replace("number: {keys: {n: int64}}",
                                                    "number: {keys: {m: int64}}")
          .replace("fields: {m: m}", "fields: {again: n}"))
    done = run(folder, "out.parquet", "--at", "cast(at as timestamp) + 1h * n", service="numbers",
               out="again.csv")
    assert done.returncode == 0, done.stderr
    assert (folder / "again.csv").read_text("utf-8") == "n,at,m,again\n7,2024-01-01,1,7\n"


def test_there_is_no_minus_zero(folder):
    """What float32 is too coarse for is 0, wherever it becomes one."""
    write(folder, "d/all.yaml", """
auspex: 1
project: test
entities: {e: {keys: {k: int64}}}
sources:
  s: {files: numbers.csv, time: t, columns: {k: int64, t: timestamp, x: float32, y: float64}}
views:
  v:
    entity: e
    source: s
    fields: {x: x, y: y, z: {expr: y, type: float32}, d: {expr: 1 / (y - y), default: -0.0}}
  w:
    entity: e
    source: s
    fields: {least: min(x) over 1h, sum: {expr: sum(y) over 1h, type: float32},
             last: "last_n(x, 2) over 1h"}
services:
  s:
    request: {r: float32, q: float64}
    features: [{name: r}, {name: q}, {view: v}, {view: w}, {name: p, expr: q, type: float32},
               {name: angle, expr: "atan2(r + x + z + d + p + sum, -1)"}]
""")
    write(folder, "d/numbers.csv", "k,t,x,y\n1,2024-01-01,-1e-50,-1e-50\n")
    table = history(folder, "rows.csv", "k,at,r,q\n1,2024-01-01T00:01:00Z,-1e-50,-1e-50\n")
    assert dict(zip(*table)) == {
        "k": "1", "at": "2024-01-01T00:01:00Z", "r": "0.0", "q": "-1e-50", "x": "0.0",
        "y": "-1e-50", "z": "0.0", "d": "0.0", "least": "0.0", "sum": "0.0", "last": "[0.0]",
        "p": "0.0", "angle": "3.141592653589793"}


def test_parquet_rounds_nothing(folder):
    """What it cannot hold is a decimal or a text, and CSV has a float32 with all its digits."""
    write(folder, "rows.sql", "SELECT 7 AS n, TIMESTAMP '2024-01-01' AS \"at\", "
          "sum(9007199254740993) AS total, 340282366920938463463::UHUGEINT AS "
          "large, INTERVAL '1 day 1.234567 s' AS span, "
          "[9007199254740993::HUGEINT] AS list, '01:02:03.456789+02'::TIMETZ AS clock, 0.1::FLOAT "
          "AS f, TIME '01:02:03.456789' AS time, 1.5::DECIMAL(38, 1) AS dec")
    write(folder, "d/all.yaml", DEFINITIONS.replace("{m: m}",
                                                    "{m: {expr: m * 0.1, type: float32}}"))
    write(folder, "again.sql", f"SELECT * EXCLUDE (m) FROM '{folder}/out.parquet'")
    tables, digests = [], []
    for rows, out in [("rows.sql", "out.parquet"), ("rows.sql", "out.csv"), ("again.sql", "o.csv")]:
        done = run(folder, rows, out=out, service="numbers")
        assert done.returncode == 0, done.stderr
        digests.append(json.loads(done.stdout)["digest"])
        tables.append((folder / out).read_bytes())
    assert tables[1] == tables[2] and digests[0] == digests[1]
    assert tables[1].decode().splitlines()[1].split(",") == [
        "7", "2024-01-01T00:00:00Z", "9007199254740993", "340282366920938463463",
        "1 day 00:00:01.234567", "[9007199254740993]", "01:02:03.456789+02", "0.10000000149011612",
        "01:02:03.456789", "1.5", "0.10000000149011612"]
    write(folder, "rows.sql", "SELECT 7 AS n, TIMESTAMP '2024-01-01' AS \"at\", "
          "170141183460469231731687303715884105727::HUGEINT AS total")
    done = run(folder, "rows.sql", out="out.parquet", service="numbers")
    assert done.returncode == 3 and "DECIMAL(38,0)" in done.stderr, done.stderr


def test_moment_is_an_expression(folder):
    rows = ("faa,sched,wait,day\nJFK,2024-03-01T16:59:59.999999Z,,2024-03-02\n"
            "JFK,2024-03-01T17:00:00Z,,2024-02-01\nJFK,,,\n")
    table = history(folder, "rows.csv", rows, "--at", "sched - 2h")
    assert [row[4] for row in table] == ["temp", "", "1.0", ""]
    table = history(folder, "rows.csv", rows, "--at", "cast(day as timestamp)")
    assert [row[4] for row in table] == ["temp", "1.0", "", ""]
    table = history(folder, "rows.sql", "SELECT 'JFK' AS faa, NULL::TIMESTAMP AS sched, "
                    "NULL::BIGINT AS wait, DATE '2024-03-02' AS day, 24 AS n",
                    "--at", "day - 1h * n + 15h")
    assert table[1][5] == "1.0"


@pytest.mark.parametrize("at, words, caret", [
    ("sched - 2hh", "at, column 9: '2hh' is no duration", 8),
    ("shed - 2h", "at, column 1: 'shed' is not known here; nearest is 'sched'", 0),
    ("sched - faa", "at, column 7", 6),
    ("length(faa)", "at, column 1: it is int64; timestamp is expected", 0),
    ("wait", "column 'wait' is duration, the moment asked about a timestamp", 0),
    ("", "no column 'at', the moment asked about", None),
])
def test_bad_moments(folder, at, words, caret):
    told = refused(folder, "rows.csv", "faa,sched,wait\nJFK,2024-01-01,\n", "--at", at)
    assert words in told
    lines = told.splitlines()
    if caret is not None:
        assert lines[-2:] == ["  " + at, "  " + " " * caret + "^"]


@pytest.mark.parametrize("rows, words", [
    ("faa,at,sched,wait\nJFK,n/a,,\n", "rows.csv: row 1: column 'at' is 'n/a'; timestamp is"),
    ("faa,at,sched,wait\nJFK,,,\nJFK,2024-01-01,\n",
     "rows.csv: line 3 has not as many fields as the header"),
    ("faa,at,sched,wait\nJFK,2024-01-01,,,x\n", "rows.csv: line 2 has not as many fields"),
    ('faa,at,sched,wait\nJFK,"2024-01-01,,\n', "rows.csv: line 2 has a quote that is not closed"),
    ('faa,at,"sched,wait\n', "rows.csv': a quote in the header is not closed"),
    ("faa,at,sched,wait,at\n", "the header has the column 'at' twice"),
    ("faa,at,sched,wait\nJFK,2024-01-01,,soon\n", "row 1: column 'wait' is 'soon'; duration"),
    ("faa,at,sched,wait\nJFK,2024-01-01 24:00,,\n", "row 1: column 'at' is '2024-01-01 24:00'"),
    ("faa,at,sched,wait\nJFK,999999999999999999,,\n", "row 1: column 'at' is '999999999999999999'"),
])
def test_bad_rows(folder, rows, words):
    assert words in refused(folder, "rows.csv", rows)


@pytest.mark.parametrize("text, words", [
    ("id,faa,time,temp,took\n5,JFK,2024-01-01,1,\n,JFK,2024-01-01,1,\n",
     "w2.csv: row 2 has no 'id', which is the id of its event"),
    ("id,faa,time,temp,took\n5,JFK,2024-01-01\n", "w2.csv: line 2 has not as many fields"),
    ("id,faa,time,temp,took\n5,JFK,2024-01-01,n/a,\n", "w2.csv: row 1: column 'temp' is 'n/a'"),
    ("id,faa,time,temp,took\n5,JFK,2024-01-01,1,1.5\n", "row 1: column 'took' is '1.5'; duration"),
])
def test_bad_files(folder, text, words):
    write(folder, "d/w2.csv", text)
    told = refused(folder, "rows.csv", "faa,at,sched,wait\nJFK,2024-01-01,,\n")
    assert words in told and "source 'weather'" in told


def test_names_with_marks_of_patterns(folder):
    """Folders and files whose names could be read as patterns are read, and nothing beside them."""
    odd = folder / "a[1]*?"
    odd.mkdir()
    (folder / "d").rename(odd / "d[2]")
    (folder / "a1xx").mkdir()
    (odd / "d2").mkdir()
    for other in (folder / "a1xx", odd / "d2"):
        (other / "w1.csv").write_text("not this\n", encoding="utf-8")
    (odd / "d[2]/w[ab].csv").write_text("id,faa,time,temp,took\n4,JFK,2024-07-01,4,\n", "utf-8")
    (odd / "d[2]/wa.jsonl").write_text(
        '{"id": 5, "faa": "LGA", "time": "2024-07-01", "temp": 5, "took": null}\n', "utf-8")
    (odd / "rows[x].csv").write_text(
        "faa,at,sched,wait\nJFK,2024-08-01,,\nLGA,2024-08-01,,\n", "utf-8")
    (odd / "rowsx.csv").write_text("not this\n", encoding="utf-8")
    done = subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", "--definitions", str(odd / "d[2]"),
         "--rows", str(odd / "rows[x].csv"), "--service", "s", "--out", str(odd / "out[1].csv")],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with open(odd / "out[1].csv", encoding="utf-8", newline="") as file:
        assert [row[4] for row in csv.reader(file)] == ["temp", "4.0", "5.0"]


@pytest.mark.parametrize("out, words", [
    ("rows.csv", "holds the rows"),
    ("d", "d' is a folder"),
    ("d/w.csv", "is among the files of source 'weather'"),
    ("d/w_new.csv", "is among the files of source 'weather'"),
    ("d/link.csv", "is among the files of source 'weather'"),
])
def test_what_is_read_is_not_written(folder, out, words):
    os.link(folder / "d/w.csv", folder / "d/link.csv")
    before = (folder / "d/w.csv").read_bytes()
    rows = "faa,at,sched,wait\nJFK,2024-01-01,,\n"
    assert words in refused(folder, "rows.csv", rows, out=out)
    assert (folder / "d/w.csv").read_bytes() == before
    assert (folder / "rows.csv").read_text("utf-8") == rows
    assert sorted(os.listdir(folder / "d")) == ["all.yaml", "link.csv", "numbers.csv", "w.csv"]


@pytest.mark.parametrize("zone", ["America/New_York", "America/Ciudad_Juarez", "Asia/Qostanay",
                                  "Africa/Cairo", "Europe/Kyiv", "Pacific/Apia"])
def test_naive_times_of_sources(folder, zone):
    # Each hour of the days around changes of clocks; a time that clocks show twice is the second.
    write(folder, "d/all.yaml", DEFINITIONS.replace("America/New_York", zone))
    times = [datetime.datetime(2023, month, day, hour) for month in (3, 4, 10, 11)
             for day in range(1, 32 if month in (3, 10) else 31) for hour in range(24)]
    place = zoneinfo.ZoneInfo(zone)
    there = [t for t in times if t.replace(tzinfo=place).astimezone(datetime.timezone.utc)
             .astimezone(place).replace(tzinfo=None) == t]
    write(folder, "d/w.csv", "id,faa,time,temp,took\n" + "".join(
        f"{i},k{i},{t},1,\n" for i, t in enumerate(there)))
    table = history(folder, "rows.csv", "faa,at,sched,wait\n" + "".join(
        f"k{i},2024-01-01,,\n" for i in range(len(there))))
    expected = [t.replace(tzinfo=place, fold=1).astimezone(datetime.timezone.utc) for t in there]
    assert [row[6] for row in table[1:]] == [t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in expected]


def test_all_kinds_of_moments_are_printed_alike(folder):
    table = history(folder, "rows.sql", """
        SELECT 'JFK' AS faa, TIMESTAMPTZ '2024-04-03 02:00:00+02' AS at, NULL::TIMESTAMP AS sched,
        NULL::BIGINT AS wait, TIMESTAMP_NS '2024-01-01 00:00:00.123456789' AS ns,
        DATE '2024-01-01' AS day, TIMESTAMP_S '2024-01-01 00:00:00' AS s,
        TIMESTAMP '2024-01-01 00:00:00.5' AS us""")
    assert dict(zip(*table)) == {
        "faa": "JFK", "at": "2024-04-03T00:00:00Z", "sched": "", "wait": "",
        "ns": "2024-01-01T00:00:00.123456789Z", "day": "2024-01-01", "s": "2024-01-01T00:00:00Z",
        "us": "2024-01-01T00:00:00.5Z", "temp": "1.0", "took": "90000000",
        "since": "2024-03-01T15:00:00Z"}


@pytest.mark.parametrize("threads", ["1", "2"])
def test_little_memory_reads_csv(folder, threads):
    count = 100000
    write(folder, "d/numbers.csv", "n,m\n" + "".join(f"{i},{i * 2}\n" for i in range(count)))
    write(folder, "rows.csv", "n,at\n" + "".join(f"{i},2024-01-01\n" for i in range(count)))
    done = run(folder, "rows.csv", "--memory-max", "64000000", "--threads", threads,
               service="numbers")
    assert done.returncode == 0, done.stderr
    small = json.loads(done.stdout)["digest"]
    done = run(folder, "rows.csv", service="numbers")
    assert json.loads(done.stdout)["digest"] == small

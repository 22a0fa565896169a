# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex features history` gives rows their features as they were, and refuses, naming the
place, what would make them wrong.

Method: small definitions and files; the whole output is compared. What a random history gives is
compared with a join by brute force in tests/unit/feature/test_point_in_time.c; here are the rules
that other feature stores were found to break, each by itself, files of all kinds, and faults.
"""

import csv
import json
import os
import signal
import subprocess

import pytest

DEFINITIONS = """
auspex: 1
project: test
entities:
  airport: {keys: {faa: string}}
  pair: {keys: {a: int64, b: int64}}
sources:
  weather:
    files: weather*.*
    time: time_hour
    created: made
    columns: {origin: string, time_hour: timestamp, made: timestamp, temp: float64, n: int64}
  salaries:
    files: salaries.csv
    time: time
    columns: {a: int64, b: int64, time: timestamp, salary_y: float64}
  planes:
    files: planes.csv
    time: none
    columns: {faa: string, seats: int64}
views:
  weather:
    entity: airport
    keys: {faa: origin}
    source: weather
    ttl: 3h
    fields:
      temp: temp
      warm: temp > 10
      seen: coalesce(n, -1)
      small: {expr: n * 1000000000, type: int32}
      n: {expr: n, default: 7}
  salary: {entity: pair, source: salaries, fields: {salary_y: salary_y}}
  plane: {entity: airport, source: planes, fields: {seats: seats, faa_again: faa}}
services:
  s:
    request: {dist: float64, need: {type: int64, required: true}}
    features:
      - {name: dist}
      - {view: weather, keys: {faa: origin}, as: origin}
      - {view: weather, keys: {faa: dest}, as: dest, fields: [temp]}
      - {name: sum, expr: origin__temp + dist}
      - {name: twice, expr: sum * 2}
  pairs:
    features:
      - {view: salary}
  planes:
    features:
      - {view: plane}
"""

AGAIN = """
auspex: 1
project: test
entities:
  airport: {keys: {dest: string}}
sources:
  planes: {files: planes.csv, time: none, columns: {dest: string, seats: int64}}
views:
  plane: {entity: airport, source: planes, fields: {seats: seats, again: dest}}
services:
  planes: {features: [{view: plane}]}
"""

WEATHER = """origin,time_hour,made,temp,n
JFK,2013-01-01T00:00:00Z,2013-01-01T00:00:00Z,5,1
JFK,2013-01-01T01:00:00Z,2013-01-01T01:00:00Z,20.5,2
JFK,2013-01-01T01:00:00Z,2013-01-01T09:00:00Z,21.5,3
LGA,2013-01-01T00:00:00Z,2013-01-01T00:00:00Z,NA,
,2013-01-01T00:00:00Z,2013-01-01T00:00:00Z,99,9
"""

HEAD = "extra,at,origin,dest,dist,need\n"


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    (tmp_path / "d").mkdir()
    write(tmp_path, "d/all.yaml", DEFINITIONS)
    write(tmp_path, "d/weather.csv", WEATHER)
    write(tmp_path, "d/salaries.csv", "a,b,time,salary_y\n")
    write(tmp_path, "d/planes.csv", "faa,seats\nJFK,100\nLGA,1\nJFK,200\n")
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def command(folder, rows, service="s", *options, out="out.csv"):
    return [os.environ["AX_BINARY"], "features", "history", "--definitions", str(folder / "d"),
            "--rows", str(folder / rows), "--service", service, "--out", str(folder / out),
            "--json", *options]


def run(folder, rows, service="s", *options, out="out.csv", **process):
    done = subprocess.run(command(folder, rows, service, *options, out=out), capture_output=True,
                          text=True, timeout=120, check=False, **process)
    assert leftovers(folder) == []
    return done


def leftovers(folder):
    return [p for p in os.listdir(folder) if p.startswith(".")]


def history(folder, text, service="s", *options, out="out.csv"):
    """The output's rows, as lists of texts behind the names."""
    write(folder, "rows.csv", text)
    done = run(folder, "rows.csv", service, *options, out=out)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    with open(folder / out, encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert report["rows"] == len(table) - 1
    return table


def refused(folder, text, service="s", *options):
    write(folder, "rows.csv", text)
    done = run(folder, "rows.csv", service, *options)
    assert done.returncode != 0 and not (folder / "out.csv").exists()
    # Where a mistake is in --at stands below it.
    return next(line for line in done.stderr.splitlines() if line.startswith("auspex features:"))


def test_rows_as_they_were(folder):
    table = history(folder, HEAD +
                    "b,2013-01-01T01:30:00Z,JFK,LGA,1.5,1\n"
                    "a,2013-01-01T00:59:59.999999Z,JFK,,,1\n"    # one microsecond before the next
                    "c,2013-01-01T04:00:00Z,JFK,JFK,2,1\n"       # aged exactly ttl
                    "d,2013-01-01T04:00:00.000001Z,JFK,XXX,2,1\n"
                    "e,2012-12-31T23:59:59Z,JFK,JFK,2,1\n"       # nothing yet
                    "f,,JFK,JFK,2,1\n"
                    "b,2013-01-01T01:30:00Z,JFK,LGA,1.5,1\n")    # the same row again
    assert table[0] == ["extra", "at", "origin", "dest", "dist", "need", "origin__temp",
                        "origin__warm", "origin__seen", "origin__small", "origin__n", "dest__temp",
                        "sum", "twice"]
    assert [row[0] for row in table[1:]] == list("bacdefb")
    # Of the two values at 01:00 the one made later; a null in the newest row stays null; an
    # expression is not computed where there is no row; what does not fit int32 is null.
    assert table[1][6:] == ["21.5", "true", "3", "", "3", "", "23.0", "46.0"]
    assert table[2][6:] == ["5.0", "false", "1", "1000000000", "1", "", "", ""]
    assert table[3][6:] == ["21.5", "true", "3", "", "3", "21.5", "23.5", "47.0"]
    for row in table[4:7]:
        assert row[6:] == ["", "", "", "", "7", "", "", ""]
    assert table[7] == table[1]


def test_as_known(folder):
    rows = HEAD + "a,2013-01-01T01:30:00Z,JFK,LGA,0,1\nb,2013-01-01T09:00:00Z,JFK,LGA,0,1\n"
    write(folder, "d/all.yaml", DEFINITIONS.replace("    ttl: 3h\n", ""))
    table = history(folder, rows, "s", "--as-known")
    assert [row[6] for row in table[1:]] == ["20.5", "21.5"]


def test_keys_do_not_run_together(folder):
    # (1, 12) and (11, 2) have the same digits; a column that ends in _y is a column.
    write(folder, "d/salaries.csv", "a,b,time,salary_y\n1,12,2013-01-01,1\n11,2,2013-01-01,2\n")
    table = history(folder, "a,b,at,x_y\n1,12,2013-01-02,p\n11,2,2013-01-02,q\n1,2,2013-01-02,r\n",
                    "pairs")
    assert table == [["a", "b", "at", "x_y", "salary_y"],
                     ["1", "12", "2013-01-02", "p", "1.0"], ["11", "2", "2013-01-02", "q", "2.0"],
                     ["1", "2", "2013-01-02", "r", ""]]


def test_time_none(folder):
    table = history(folder, "faa,at\nJFK,2013-01-01\nLGA,1970-01-01\nJFK,\nXXX,2013-01-01\n",
                    "planes")
    assert [row[2:] for row in table] == [["seats", "faa_again"], ["200", "JFK"], ["1", "LGA"],
                                          ["200", "JFK"], ["", ""]]


def test_keys_stay_texts(folder):
    write(folder, "d/planes.csv", "faa,seats\n007,1\n7,2\n")
    table = history(folder, "faa,at,n\n007,2013-01-01,007\n7,2013-01-01,7\n", "planes")
    assert [row[:2] + row[3:4] for row in table[1:]] == [["007", "2013-01-01", "1"],
                                                         ["7", "2013-01-01", "2"]]


def test_files_of_all_kinds(folder):
    # Daily files of two kinds, columns in another order; the later file wins a full tie.
    write(folder, "d/weather2.csv", "n,temp,made,time_hour,origin\n"
          '8,-0.0,2013-01-01T09:00:00Z,"2013-01-01 02:00:00+01:00",JFK\n')
    write(folder, "d/weather3.jsonl",
          '{"origin":"LGA","time_hour":"2013-01-01 01:00","made":null,"temp":3.25,"n":4}\n'
          '{"origin":"LGA","time_hour":"2013-01-01 01:15","temp":null}\n')
    table = history(folder, HEAD + "x,2013-01-01T01:30:00Z,JFK,LGA,0,1\n"
                    "x,2013-01-01T01:10:00Z,LGA,LGA,0,1\n")
    assert table[1][6:11] == ["0.0", "false", "8", "", "8"] and table[1][11] == ""
    assert table[2][6:11] == ["3.25", "false", "4", "", "4"] and table[2][11] == "3.25"


def test_large_files_keep_their_order(folder):
    """DuckDB reads them in several parts; of full ties the last one counts."""
    count = 300000
    write(folder, "d/salaries.csv", "a,b,time,salary_y\n" + "".join(
        f"{i % 100},1,2024-01-01 00:00:00,{i}\n" for i in range(count)))
    write(folder, "rows.csv", "a,b,at,text\n" + "".join(
        f"{i % 1000},1,2024-01-02 00:00:00,{i:025}\n" for i in range(count)))
    done = run(folder, "rows.csv", "pairs", "--threads", "2")
    assert done.returncode == 0, done.stderr
    with open(folder / "out.csv", encoding="utf-8", newline="") as file:
        for i, row in enumerate(csv.DictReader(file)):
            a = i % 1000
            assert int(row["text"]) == i and int(row["a"]) == a
            assert row["salary_y"] == (f"{count - 100 + a}.0" if a < 100 else "")


def test_formats_agree(folder):
    rows = HEAD + "".join(f"x{i},2013-01-01T01:{i % 60:02}:00Z,{'JFK' if i % 2 else ''},LGA,{i},1\n"
                          for i in range(5000))
    write(folder, "rows.csv", rows)
    reports = [json.loads(run(folder, "rows.csv", "s", "--threads", str(threads), out=out).stdout)
               for threads, out in ((1, "a.parquet"), (2, "b.csv"), (2, "c.parquet"))]
    assert len({report["digest"] for report in reports}) == 1
    assert (folder / "a.parquet").read_bytes()[:4] == b"PAR1"
    # The output is rows again: Parquet, with keys, numbers and moments in types of their own.
    write(folder, "d/all.yaml", AGAIN)
    write(folder, "d/planes.csv", "dest,seats\nLGA,1\n")
    done = run(folder, "a.parquet", "planes", out="again.csv")
    assert done.returncode == 0, done.stderr
    with open(folder / "again.csv", encoding="utf-8", newline="") as file:
        again = list(csv.reader(file))
    assert len(again) == 5001 and again[0][-2:] == ["seats", "again"]
    assert all(row[-2:] == ["1", "LGA"] for row in again[1:])
    assert [row[0] for row in again[1:]] == [f"x{i}" for i in range(5000)]


@pytest.mark.parametrize("name, text, words", [
    ("weather2.csv", "origin,time_hour,made,n\nJFK,2013-01-01,,1\n",
     ["source 'weather'", "column 'temp' is not in", "weather2.csv"]),
    ("weather2.csv", "", ["weather2.csv' is empty"]),
    ("weather2.csv", "origin,time_hour,made,temp,n\nJFK,2013-01-01,,1,1\nJFK,2013-01-02,,x,1\n",
     ["weather2.csv: row 2: column 'temp' is 'x'; float64 is expected"]),
    ("weather2.csv", "origin,time_hour,made,temp,n\nJFK,2013-01-01,,1,1.5\n",
     ["row 1: column 'n' is '1.5'; int64 is expected"]),
    ("weather2.csv",
     "origin,time_hour,made,temp,n\nJFK,2013-01-01,,inf,1\nJFK,2013-01-01,,1e500,1\n",
     ["row 2: column 'temp' is '1e500'; float64 is expected"]),
    ("weather2.csv", "origin,time_hour,made,temp,n\nJFK,2013-01-01,,1_0.5,1\n",
     ["row 1: column 'temp' is '1_0.5'; float64 is expected"]),
    ("weather2.csv", "origin,time_hour,made,temp,n\nJFK,2013-01-01,,1e9,0x1F\n",
     ["row 1: column 'n' is '0x1F'; int64 is expected"]),
    ("weather2.jsonl", '{"origin":"JFK","time_hour":"2013-01-01","made":null,"temp":1e500,"n":1}\n',
     ["row 1: column 'temp' is '1e500'; float64 is expected"]),
    ("weather2.csv", "origin,time_hour,made,temp,n\nJFK,yesterday,,1,1\n",
     ["row 1: column 'time_hour' is 'yesterday'; timestamp is expected"]),
    ("weather2.csv", "origin,time_hour,made,temp,n\nJFK,20130-01-01 00:00:00,,1,1\n",
     ["row 1: column 'time_hour' is '20130-01-01", "years 1 to 9999"]),
    ("weather2.jsonl", '{"origin":"JFK","time_hour":"2013-01-01","made":null,"n":1}\n',
     ["column 'temp' is not in", "weather2.jsonl"]),
    ("weather2.jsonl", '{"origin":"JFK"\n', ["weather2.jsonl"]),
    ("weather2.jsonl", '{"x":' + "[" * 100000 + "]" * 100000 + "}\n",
     ["weather2.jsonl': a line is nested more than 1000 deep"]),
    ("weather2.parquet", "PAR1 is not enough", ["weather2.parquet"]),
    ("weather2.txt", "x", ["does not end in .csv, .jsonl or .parquet"]),
])
def test_bad_sources(folder, name, text, words):
    write(folder, f"d/{name}", text)
    told = refused(folder, HEAD + "x,2013-01-01,JFK,LGA,1,1\n")
    for word in words:
        assert word in told


@pytest.mark.parametrize("rows, words", [
    ("at,origin,dest,dist\n2013-01-01,JFK,LGA,1\n", ["no column 'need'", "request"]),
    ("at,origin,dests,dist,need\n2013-01-01,JFK,LGA,1,1\n",
     ["no column 'dest', which is a key", "nearest is 'dests'"]),
    ("when,origin,dest,dist,need\n2013-01-01,JFK,LGA,1,1\n", ["no column 'at', the moment"]),
    ("at,origin,dest,dist,need\n2013-01-01,JFK,LGA,1,1\n2013-01-01,JFK,LGA,1,\n",
     ["row 2 has no 'need', which is required"]),
    ("at,origin,dest,dist,need\n2013-01-01,JFK,LGA,far,1\n",
     ["row 1: column 'dist' is 'far'; float64 is expected"]),
    ("at,origin,dest,dist,need,Origin__Temp\n2013-01-01,JFK,LGA,1,1,1\n",
     ["'origin__temp' is a column of the rows and an input"]),
    ("", ["rows.csv' is empty"]),
])
def test_bad_rows(folder, rows, words):
    told = refused(folder, rows)
    for word in words:
        assert word in told


def test_what_is_no_file(folder):
    """A day whose disk is gone, and a pipe."""
    (folder / "d/weather3.csv").symlink_to("/nowhere/weather.csv")
    assert "weather3.csv': No such file" in refused(folder, HEAD)
    (folder / "d/weather3.csv").unlink()
    os.mkfifo(folder / "d/weather3.csv")
    assert "weather3.csv' is no file" in refused(folder, HEAD)


def test_no_file_and_no_rows(folder):
    assert len(history(folder, HEAD)) == 1
    (folder / "out.csv").unlink()
    (folder / "d/weather.csv").unlink()
    assert "there is no file" in refused(folder, HEAD)
    done = run(folder, "missing.csv")
    assert done.returncode != 0 and "missing.csv" in done.stderr


def test_an_empty_query(folder):
    write(folder, "rows.sql", "")
    done = subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", "--definitions", str(folder / "d"),
         "--sql", str(folder / "rows.sql"), "--service", "pairs", "--out",
         str(folder / "out.csv")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3 and "rows.sql is empty" in done.stderr


@pytest.mark.parametrize("time, temp", [
    ("2013-01-01T02:00:00+02", "5.0"), ("0001-01-01T00:00:00Z", "5.0"), ("infinity", None),
    ("-infinity", None), ("10000-01-01T00:00:00Z", None), ("0001-12-31 (BC) 23:59:59+00", None)])
def test_moments_of_a_database(folder, time, temp):
    """TIMESTAMP WITH TIME ZONE, whose range is wider than ours."""
    write(folder, "d/all.yaml", DEFINITIONS.replace(
        "files: weather*.*", f"sql: \"SELECT 'JFK' AS origin, TIMESTAMPTZ '{time}' AS time_hour, "
        "NULL::TIMESTAMP AS made, 5 AS temp, 1 AS n\"").replace("ttl: 3h", "online: true"))
    if not temp:
        assert "years 1 to 9999" in refused(folder, HEAD + "x,2013-01-01,JFK,,1,1\n")
        return
    table = history(folder, HEAD + "x,2013-01-01,JFK,,1,1\n")
    assert table[1][table[0].index("origin__temp")] == temp


def test_usage(folder):
    write(folder, "rows.csv", HEAD)
    assert "nearest is 'pairs'" in run(folder, "rows.csv", "pair").stderr
    assert ".parquet or .csv" in run(folder, "rows.csv", out="out.txt").stderr
    done = subprocess.run([os.environ["AX_BINARY"], "features", "history"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2 and "usage: auspex features history" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_killed(folder, sent):
    # The source is a sum over 10^14 pairs, so the work is not done before the signal.
    write(folder, "rows.csv", HEAD + "x,2013-01-01,JFK,LGA,1,1\n")
    write(folder, "d/all.yaml", DEFINITIONS.replace(
        "files: planes.csv", "sql: \"SELECT 'JFK' AS faa, sum(a.range * b.range) AS seats FROM "
        "range(10000000) a, range(10000000) b\""))
    write(folder, "planes_rows.csv", "faa,at\nJFK,2013-01-01\n")
    with subprocess.Popen(command(folder, "planes_rows.csv", "planes"), stderr=subprocess.PIPE,
                          text=True) as process:
        for line in process.stderr:
            if "reading source planes" in line:
                break
        process.send_signal(sent)
        process.wait(timeout=60)
    assert process.returncode != 0 and not (folder / "out.csv").exists()
    assert leftovers(folder) == ([] if sent == signal.SIGINT else [".out.csv.work"])
    # The next run removes what the killed one left.
    write(folder, "d/all.yaml", DEFINITIONS)
    assert run(folder, "planes_rows.csv", "planes").returncode == 0

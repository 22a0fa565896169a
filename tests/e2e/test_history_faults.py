# SPDX-License-Identifier: Apache-2.0
"""Goal: a history that is interrupted or killed leaves nothing half-written and goes on where it
was, and files that are broken or differ from day to day are told of or read right.

Method: a view over a large file, then one over a query that never ends, which the process is killed
in; the next run must give what an undisturbed one gives, without reading the large file again, as
its progress tells, but reads it again when anything of it changed. Parquet files are made by the
command itself.
"""

import csv
import json
import os
import pathlib
import signal
import subprocess

import pytest

COUNT = 70000  # just over what a view must have for its values to be kept
ENDLESS = ("SELECT 'JFK' AS faa, sum(a.range * b.range) AS seats FROM range(10000000) a, "
           "range(10000000) b")
QUICK = "SELECT 'JFK' AS faa, 3 AS seats"

DEFINITIONS = """
auspex: 1
project: test
entities:
  airport: {keys: {faa: string}}
sources:
  weather:
    files: "w*.*"
    time: time
    event_id: [id]
    created: made
    columns: {id: int64, faa: string, time: timestamp, made: timestamp, temp: float64}
    expect:
      - {check: between, column: temp, max: 98, do: drop_row}
      - {check: referential, column: faa, refers_to: airports.faa}
  airports: {files: airports.csv, time: none, columns: {faa: string}}
  planes: {sql: "PLANES", time: none, columns: {faa: string, seats: int64}}
views:
  weather:
    {entity: airport, source: weather, fields: {temp: temp, f32: {expr: temp, type: float32}}}
  last:
    entity: airport
    source: weather
    fields: {n: count(*) over 1h, l: "last_n(temp, 2) over 1h"}
  plane: {entity: airport, source: planes, fields: {seats: seats}}
services:
  s: {features: [{view: weather}, {view: last}, {view: plane}]}
  weather: {features: [{view: weather}]}
"""


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    (tmp_path / "d").mkdir()
    define(tmp_path, QUICK)
    write(tmp_path, "d/airports.csv", "faa\nLGA\n")
    write(tmp_path, "rows.csv", "faa,at\nJFK,2024-01-01T01:00:00Z\nLGA,2024-01-01T01:00:00Z\n")
    return tmp_path


def define(folder, planes):
    write(folder, "d/all.yaml", DEFINITIONS.replace("PLANES", planes))


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def write_large(folder):
    write(folder, "d/w.csv", "id,faa,time,made,temp\n" + "".join(
        f"{i},JFK,2024-01-01T00:{i * 60 // COUNT:02}:00Z,,{i % 100}\n" for i in range(COUNT)))


def command(folder, *options, rows="rows.csv", out="out.csv", service="s"):
    return [os.environ["AX_BINARY"], "features", "history", "--definitions", str(folder / "d"),
            "--rows" if rows.endswith(".csv") else "--sql", str(folder / rows),
            "--service", service, "--out", str(folder / out), "--json", *options]


def run(folder, *options, **named):
    return subprocess.run(command(folder, *options, **named), capture_output=True, text=True,
                          timeout=120, check=False)


def end_in_the_query(folder, sent):
    """Run until the query that does not end, and end it there."""
    define(folder, ENDLESS)
    with subprocess.Popen(command(folder), stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "reading source planes" in line:
                break
        process.send_signal(sent)
        told = process.stderr.read()
        process.wait(timeout=60)
    assert process.returncode != 0 and not (folder / "out.csv").exists()
    define(folder, QUICK)
    return told


def parts(folder):
    return sorted((folder / ".out.csv.work/parts").iterdir())


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_goes_on(folder, sent):
    write_large(folder)
    expected = run(folder, out="whole.csv")
    assert expected.returncode == 0, expected.stderr
    told = end_in_the_query(folder, sent)
    assert len(parts(folder)) == 2 and all(p.suffix == ".parquet" for p in parts(folder))
    if sent == signal.SIGINT:
        assert ".out.csv.work' keeps what is done; the same command goes on" in told
        assert os.listdir(folder / ".out.csv.work") == ["parts"]
    # A part that is torn is made again, with its source; the other one is used.
    parts(folder)[0].write_bytes(parts(folder)[0].read_bytes()[:-10])
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("found what was done of view") == 1
    assert done.stderr.count("joining view") == 2
    assert json.loads(done.stdout)["digest"] == json.loads(expected.stdout)["digest"]
    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    assert not (folder / ".out.csv.work").exists()


def test_goes_on_only_with_the_same(folder):
    write_large(folder)
    end_in_the_query(folder, signal.SIGKILL)
    saved = {part.name: part.read_bytes() for part in parts(folder)}

    def uses(*options):
        """How many views are found done when the parts are there."""
        (folder / ".out.csv.work/parts").mkdir(parents=True, exist_ok=True)
        for name, content in saved.items():
            (folder / ".out.csv.work/parts" / name).write_bytes(content)
        done = run(folder, *options)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("reading source weather") == (0 if "found" in done.stderr else 1)
        # What was expected of the source is told as if it had been read.
        assert json.loads(done.stdout)["dropped_rows"] == COUNT // 100
        assert [line.split(": ")[2] for line in done.stderr.splitlines()
                if ": source 'weather': " in line] == ["dropped", "warned"]
        return done.stderr.count("found what was done of view")

    assert uses() == 2
    assert uses("--threads", "1") == 2
    assert uses("--as-known") == 0
    rows = (folder / "rows.csv").read_text("utf-8")
    write(folder, "rows.csv", rows.replace("LGA", "EWR"))
    assert uses() == 0
    write(folder, "rows.csv", rows.replace("faa,at\n", "other,faa,at\n").replace("\nJFK", "\nx,JFK")
          .replace("\nLGA", "\nx,LGA"))
    assert uses() == 2
    write(folder, "d/w2.csv", "id,faa,time,made,temp\n1,JFK,2024-01-01,,5\n")
    assert uses() == 0
    (folder / "d/w2.csv").unlink()
    assert uses() == 2
    for name in ("d/airports.csv", "d/w.csv"):
        before = (folder / name).stat()
        os.utime(folder / name, (1, 1))
        assert uses() == 0
        os.utime(folder / name, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_little_is_not_kept(folder):
    write(folder, "d/w.csv", "id,faa,time,made,temp\n1,JFK,2024-01-01,,5\n")
    end_in_the_query(folder, signal.SIGINT)
    assert [p for p in os.listdir(folder) if p.startswith(".")] == []


# ---- files that are broken, or differ ----

def write_parquet(folder, name, query):
    """By the command itself, with a service that adds nothing to the rows."""
    there = folder / "make"
    there.mkdir(exist_ok=True)
    write(there, "all.yaml", """
auspex: 1
project: make
entities: {airport: {keys: {faa: string}}}
sources: {none: {sql: "SELECT 'JFK' AS faa, 1 AS x", time: none, columns: {faa: string, x: int64}}}
views: {none: {entity: airport, source: none, fields: {none: x}}}
services: {none: {features: [{view: none}]}}
""")
    write(there, "rows.sql", query)
    done = subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", "--definitions", str(there), "--sql",
         str(there / "rows.sql"), "--service", "none", "--at", "time", "--out", str(folder / name)],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def values(folder, **named):
    done = run(folder, service="weather", **named)
    assert done.returncode == 0, done.stderr
    with open(folder / "out.csv", encoding="utf-8", newline="") as file:
        return [row[2] for row in csv.reader(file)][1:]


def refused(folder, status=3):
    done = run(folder, service="weather")
    assert done.returncode == status and not (folder / "out.csv").exists(), done.stderr
    return done.stderr.splitlines()[-1]


FIRST = ("SELECT 1::BIGINT AS id, 'JFK' AS faa, TIMESTAMP '2024-01-01' AS time, "
         "NULL::TIMESTAMP AS made, 1.5::DOUBLE AS temp")


def test_daily_files_that_change(folder):
    write_parquet(folder, "d/w1.parquet", FIRST)
    # Another order, other whole numbers, a moment with an offset: all can become what is declared.
    write_parquet(folder, "d/w2.parquet",
                  "SELECT 7::SMALLINT AS temp, TIMESTAMPTZ '2024-01-01 02:30:00+02' AS time, "
                  "NULL::DATE AS made, 'LGA' AS faa, 2::INTEGER AS id, 1 AS more")
    assert values(folder) == ["1.5", "7.0"]
    for query, words in [
            (FIRST.replace("1.5::DOUBLE", "'warm'"), "column 'temp' is VARCHAR in"),
            (FIRST.replace("1::BIGINT", "'a'"), "column 'id' is VARCHAR in"),
            (FIRST.replace(" AS made", " AS maed"), "column 'made' is not in"),
            (FIRST.replace(" AS temp", " AS tmep"), "column 'temp' is not in")]:
        (folder / "out.csv").unlink(missing_ok=True)
        write_parquet(folder, "d/w3.parquet", query)
        told = refused(folder)
        assert words in told and "w3.parquet" in told


def test_torn_parquet(folder):
    write_parquet(folder, "d/w1.parquet", FIRST)
    whole = (folder / "d/w1.parquet").read_bytes()
    for size in (len(whole) // 2, len(whole) - 1, 4, 0):
        (folder / "d/w1.parquet").write_bytes(whole[:size])
        assert "w1.parquet" in refused(folder)


def test_events_that_come_twice(folder):
    # The same id in several files and formats: what was made last is the event.
    write(folder, "d/w1.csv", "id,faa,time,made,temp\n1,JFK,2024-01-01,2024-01-03,1\n"
          "2,LGA,2024-01-01,,2\n1,JFK,2024-01-01,2024-01-02,3\n")
    write(folder, "d/w2.jsonl", '{"id": 2, "faa": "JFK", "time": "2023-12-01", '
          '"made": "2024-01-02", "temp": 4}\n')
    assert values(folder) == ["1.0", ""]


def test_far_future(folder):
    write(folder, "d/w1.csv", "id,faa,time,made,temp\n1,JFK,2024-01-01,,1\n"
          "2,JFK,9999-12-31T23:59:59Z,,2\n")
    assert values(folder) == ["1.0", ""]
    write(folder, "d/w1.csv", "id,faa,time,made,temp\n1,JFK,9999-12-31T23:59:59-01:00,,1\n")
    (folder / "out.csv").unlink()
    assert "row 1: column 'time' is '9999-12-31T23:59:59-01:00'" in refused(folder)


def test_statements_that_end(folder):
    write(folder, "d/w.csv", "id,faa,time,made,temp\n1,JFK,2024-01-01,,5\n")
    text = ("SELECT 'JFK' AS faa, TIMESTAMP '2024-01-02' AS at, "
            "'; -- ''no end' AS \"a;\"\"--\"")
    for end in ("", ";", " ;\n;", "; -- the end", ";\n-- the end\n", "; /* the\nend */ ", " -- "):
        write(folder, "rows.sql", text + end)
        assert values(folder, rows="rows.sql")[0] == "; -- 'no end"


def test_a_table_that_is_not_there(folder):
    write(folder, "d/all.yaml", DEFINITIONS.replace('files: "w*.*"', "table: no.duckdb/main.t"))
    told = refused(folder, status=4)
    assert "open '" in told and "d/no.duckdb'" in told


def test_too_little_memory(folder):
    done = run(folder, "--memory-max", "1000000")
    assert done.returncode == 3
    assert "1000000 bytes of memory are too few; 64000000 are the least" in done.stderr
    assert not pathlib.Path(folder / ".out.csv.work").exists()

# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex data` keeps datasets under the digest of their content, whole or not at all.

Method: snapshots of small files and of a history, their manifests compared with what the rows are;
then what must not change a digest (threads, place, format of the numbers' text), what must, and
faults: a killed process, files that are damaged or change meanwhile, two at once.
"""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

DEFINITIONS = """
auspex: 1
project: test
entities:
  airport: {keys: {faa: string}}
sources:
  weather:
    files: weather*.csv
    time: time_hour
    columns: {faa: string, time_hour: timestamp, temp: float64}
  more:
    sql: more.sql
    time: none
    columns: {faa: string, n: int64}
views:
  weather: {entity: airport, source: weather, ttl: 3h, fields: {temp: temp}}
  more: {entity: airport, source: more, fields: {n: n}}
services:
  s:
    features: [{name: faa}, {view: weather}, {view: more}]
"""

ROWS = "faa,at,extra\nJFK,2013-01-01T01:30:00Z,1\nLGA,2013-01-01T01:30:00Z,2\n"

TABLE = """id,n,x,t,b,d,big,far,near,z,s
007,1,1.5,2013-01-01 00:00:00,true,03/04/2013,12345678901234567890,1e400,1e-400,0.0e5,b
8,-2,nan,2013-01-02 05:00:00.25,false,03/05/2013,1,1,1,-1e-300,"a, ""b c"
9,,,,,,,,,,
"""


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    (tmp_path / "d").mkdir()
    write(tmp_path, "d/all.yaml", DEFINITIONS)
    write(tmp_path, "d/weather.csv", "faa,time_hour,temp\nJFK,2013-01-01T01:00:00Z,5.5\n")
    write(tmp_path, "d/more.sql", "SELECT 'JFK' AS faa, 7 AS n")
    write(tmp_path, "rows.csv", ROWS)
    write(tmp_path, "a.csv", TABLE)
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def command(*arguments):
    return [os.environ["AX_BINARY"], "data", *(str(a) for a in arguments), "--state", "auspex-data"]


def run(folder, *arguments, **process):
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False, **process)


def snapshot(folder, *arguments, **process):
    done = run(folder, "snapshot", "--quiet", "--json", *arguments, **process)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert not (folder / "auspex-data/snapshots/.work").exists()
    return json.loads(done.stdout)


def history(*more):
    return ["--definitions", "d", "--service", "s", "--rows", "rows.csv", *more]


def refused(folder, *arguments, status=3, **process):
    before = sorted(os.listdir(folder / "auspex-data/snapshots")) if (
        folder / "auspex-data/snapshots").exists() else []
    done = run(folder, *arguments, **process)
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stdout == ""
    after = sorted(os.listdir(folder / "auspex-data/snapshots")) if (
        folder / "auspex-data/snapshots").exists() else []
    assert before == after
    return done.stderr.splitlines()[-1]


def manifest(folder, digest):
    path = folder / "auspex-data/snapshots" / digest
    text = (path / "manifest.json").read_text("utf-8")
    assert sorted(os.listdir(path)) == ["data.parquet", "manifest.json"]
    return json.loads(text)


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def test_of_a_file(folder):
    kept = snapshot(folder, "a.csv")
    assert (kept["rows"], kept["columns"], kept["was_there"]) == (3, 11, False)
    found = manifest(folder, kept["digest"])
    assert found["digest"] == kept["digest"] and found["content"] == kept["content"]
    data = folder / "auspex-data/snapshots" / kept["digest"] / "data.parquet"
    assert found["file"] == {"name": "data.parquet", "bytes": data.stat().st_size,
                             "sha256": sha256(data)}
    assert found["made"]["by"] == "file" and found["made"]["from"] == str(folder / "a.csv")
    assert found["sources"] == [{"of": "rows", "path": str(folder / "a.csv"),
                                 "bytes": len(TABLE), "sha256": sha256(folder / "a.csv")}]
    # A text that would lose something stays one: leading zeros, digits, an order of day and month,
    # and what a double has as infinity or as zero.
    assert found["columns"] == [
        {"name": "id", "type": "VARCHAR", "count": 3, "nulls": 0, "distinct": 3, "min": "007",
         "max": "9"},
        {"name": "n", "type": "BIGINT", "count": 2, "nulls": 1, "distinct": 2, "min": -2, "max": 1,
         "mean": -0.5},
        {"name": "x", "type": "DOUBLE", "count": 2, "nulls": 1, "not_finite": 1, "distinct": 1,
         "min": 1.5, "max": 1.5, "mean": 1.5},
        {"name": "t", "type": "TIMESTAMP", "count": 2, "nulls": 1, "distinct": 2,
         "min": "2013-01-01T00:00:00.000000Z", "max": "2013-01-02T05:00:00.250000Z"},
        {"name": "b", "type": "BOOLEAN", "count": 2, "nulls": 1, "distinct": 2, "min": False,
         "max": True, "mean": 0.5},
        {"name": "d", "type": "VARCHAR", "count": 2, "nulls": 1, "distinct": 2,
         "min": "03/04/2013", "max": "03/05/2013"},
        {"name": "big", "type": "VARCHAR", "count": 2, "nulls": 1, "distinct": 2, "min": "1",
         "max": "12345678901234567890"},
        {"name": "far", "type": "VARCHAR", "count": 2, "nulls": 1, "distinct": 2, "min": "1",
         "max": "1e400"},
        {"name": "near", "type": "VARCHAR", "count": 2, "nulls": 1, "distinct": 2, "min": "1",
         "max": "1e-400"},
        {"name": "z", "type": "DOUBLE", "count": 2, "nulls": 1, "not_finite": 0, "distinct": 2,
         "min": -1e-300, "max": 0.0, "mean": -5e-301},
        {"name": "s", "type": "VARCHAR", "count": 2, "nulls": 1, "distinct": 2, "min": 'a, "b c',
         "max": "b"},
    ]


def test_the_same_is_the_same(folder):
    first = snapshot(folder, "a.csv")
    data = folder / "auspex-data/snapshots" / first["digest"]
    before = (data / "manifest.json").read_text("utf-8"), (data / "data.parquet").stat().st_ino
    write(folder, "b.csv", TABLE.replace("1.5", "1.50"))
    shutil.copy(data / "data.parquet", folder / "c.parquet")
    for name in ("a.csv", "b.csv", "c.parquet"):
        again = snapshot(folder, name)
        assert again["digest"] == first["digest"] and again["was_there"]
    assert before == ((data / "manifest.json").read_text("utf-8"),
                      (data / "data.parquet").stat().st_ino)
    done = run(folder, "snapshot", "--quiet", "a.csv")
    assert "the same snapshot was there already" in done.stdout
    # Whatever else makes another dataset.
    lines = TABLE.splitlines(keepends=True)
    changed = [TABLE.replace("1.5", "1.25"), TABLE.replace("id,", "Id,"),
               "".join(lines[:1] + lines[2:] + lines[1:2]), TABLE + lines[3],
               TABLE.replace("8,-2", ",-2"), TABLE.replace("1,1.5", "1.0,1.5")]
    digests = set()
    for text in changed:
        write(folder, "b.csv", text)
        digests.add(snapshot(folder, "b.csv")["digest"])
    assert len(digests) == len(changed) and first["digest"] not in digests


def test_exact_types_are_told_apart(folder):
    """Whole numbers as BIGINT of CSV and as what a history makes of int32 have one content."""
    write(folder, "d/all.yaml", DEFINITIONS.replace("{n: n}", "{n: {expr: n, type: int32}}"))
    made = snapshot(folder, *history())
    found = manifest(folder, made["digest"])
    assert [c["type"] for c in found["columns"]][-1] == "INTEGER"
    write(folder, "d/all.yaml", DEFINITIONS)
    other = snapshot(folder, *history())
    assert other["digest"] != made["digest"] and other["content"] == made["content"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_threads_change_no_digest(folder, kind):
    """Row groups of Parquet hold 122,880 rows; CSV and JSON lines are cut in parts as well."""
    count = 150000
    if kind == "jsonl":
        text = "".join(f'{{"a":{i},"b":"{i * 7919 % 1000}"}}\n' for i in range(count))
    else:
        text = "a,b,c\n" + "".join(f"{i},{i * 7919 % 1000},{i / 8}\n" for i in range(count))
    name = "big.jsonl" if kind == "jsonl" else "big.csv"
    write(folder, name, text)
    kept = [snapshot(folder, name, "--threads", "1")]
    if kind == "parquet":
        digest = kept[0]["digest"]
        shutil.move(folder / "auspex-data/snapshots" / digest / "data.parquet",
                    folder / "big.parquet")
        shutil.rmtree(folder / "auspex-data/snapshots" / digest)
        name = "big.parquet"
        found = snapshot(folder, name, "--threads", "1")
        assert not found["was_there"]
        kept.append(found)
    elsewhere = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE"}
    kept.append(snapshot(folder, name, "--threads", "4", "--memory-max", "100000000",
                         env=elsewhere))
    assert {k["digest"] for k in kept} == {kept[0]["digest"]} and kept[-1]["was_there"]
    found = manifest(folder, kept[0]["digest"])
    assert found["rows"] == count
    a, b = found["columns"][:2]
    assert (a["min"], a["max"], a["mean"]) == (0, count - 1, (count - 1) / 2)
    assert a["distinct_is_estimate"] and abs(a["distinct"] / count - 1) < 0.15
    assert f" ~{a['distinct']} " in run(folder, "show", kept[0]["digest"]).stdout
    assert abs(b["distinct"] / 1000 - 1) < 0.15


def test_of_a_history(folder):
    kept = snapshot(folder, *history())
    done = subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", *history(), "--out", "out.csv", "--json"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == kept["content"]
    found = manifest(folder, kept["digest"])
    assert {k: found["made"][k] for k in ("by", "from", "service", "at", "as_known",
                                          "definitions")} == {
        "by": "history", "from": str(folder / "rows.csv"), "service": "s", "at": "at",
        "as_known": False, "definitions": str(folder / "d")}
    assert [(s["of"], s.get("path")) for s in found["sources"]] == [
        ("rows", str(folder / "rows.csv")), ("source weather", str(folder / "d/weather.csv")),
        ("source more", None)]
    assert found["sources"][1]["sha256"] == sha256(folder / "d/weather.csv")
    assert found["sources"][2]["sha256"] == sha256(folder / "d/more.sql")
    assert [c["name"] for c in found["columns"]] == ["faa", "at", "extra", "temp", "n"]
    assert found["columns"][4]["nulls"] == 1
    # The digest of the definitions is the one that is shown once they are applied.
    assert subprocess.run([os.environ["AX_BINARY"], "apply", "d"], cwd=folder, check=False,
                          capture_output=True).returncode == 0
    shown = subprocess.run([os.environ["AX_BINARY"], "features", "show", "service:s"], cwd=folder,
                           check=False, capture_output=True, text=True)
    assert found["definition"]["digest"] in shown.stdout
    # Nor does it matter where things lie, or in which zone the machine is.
    (folder / "d").rename(folder / "e")
    shutil.copy(folder / "rows.csv", folder / "other.csv")
    moved = snapshot(folder, "--definitions", "e", "--service", "s", "--rows", "other.csv",
                     env={**os.environ, "TZ": "America/New_York"})
    assert moved == {**kept, "was_there": True}
    (folder / "e").rename(folder / "d")
    # Another file that changes no value is the same dataset; one that changes a value is not.
    write(folder, "d/weather2.csv", "faa,time_hour,temp\nEWR,2013-01-01T01:00:00Z,5.5\n")
    assert snapshot(folder, *history("--threads", "1"))["was_there"]
    write(folder, "d/weather2.csv", "faa,time_hour,temp\nLGA,2013-01-01T01:00:00Z,5.5\n")
    assert snapshot(folder, *history())["digest"] != kept["digest"]


def test_rows_by_sql(folder):
    write(folder, "rows.sql", "SELECT 'JFK' AS faa, TIMESTAMP '2013-01-01 01:30:00' AS at")
    kept = snapshot(folder, "--definitions", "d", "--service", "s", "--sql", "rows.sql")
    found = manifest(folder, kept["digest"])
    assert found["sources"][0]["of"] == "sql of the rows"
    assert found["sources"][0]["sha256"] == sha256(folder / "rows.sql")
    assert found["columns"][2]["min"] == 5.5


def test_list_and_show(folder):
    assert run(folder, "list").stdout.splitlines()[1:] == []
    first = snapshot(folder, "a.csv")
    second = snapshot(folder, *history())
    lines = run(folder, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["DIGEST", first["digest"][:12],
                                                   second["digest"][:12]]
    assert "file " + str(folder / "a.csv") in lines[1] and "history of service s" in lines[2]
    listed = [json.loads(line) for line in run(folder, "list", "--json").stdout.splitlines()]
    assert [entry["digest"] for entry in listed] == [first["digest"], second["digest"]]
    assert listed[1]["service"] == "s" and listed[0]["rows"] == 3
    done = run(folder, "show", first["digest"][:8].upper())
    assert done.returncode == 0 and done.stdout.startswith(first["digest"] + "\n")
    for word in (str(folder / "a.csv"), first["content"], "007", "1.5", "BIGINT"):
        assert word in done.stdout
    done = run(folder, "show", "--json", first["digest"])
    assert json.loads(done.stdout) == manifest(folder, first["digest"])
    assert done.stdout.count("\n") == 1


def test_names(folder):
    assert "there are no snapshots" in refused(folder, "show", "abcdef", status=4)
    kept = snapshot(folder, "a.csv")["digest"]
    # Two that begin alike, of which one is no snapshot.
    other = kept[:10] + ("0" if kept[10] != "0" else "1") * 54
    (folder / "auspex-data/snapshots" / other).mkdir()
    told = refused(folder, "show", kept[:9])
    assert "2 snapshots begin with" in told and kept[:16] in told and other[:16] in told
    assert run(folder, "show", kept[:11]).returncode == 0
    told = refused(folder, "show", kept[:11] + ("0" if kept[11] != "0" else "1"), status=4)
    assert f"nearest is '{kept[:16]}'" in told
    assert "first hex digits" in refused(folder, "show", "abc")
    assert "other than hex digits" in refused(folder, "show", "../../x")
    # What is no snapshot is told, and the others are listed.
    done = run(folder, "list")
    assert done.returncode == 4 and other in done.stderr and kept[:12] in done.stdout
    assert run(folder, "delete", other[:11]).returncode == 0
    assert run(folder, "list").returncode == 0


def test_delete(folder):
    kept = snapshot(folder, "a.csv")["digest"]
    other = snapshot(folder, "rows.csv")["digest"]
    assert run(folder, "delete", kept[:12]).stdout == f"{kept} is deleted\n"
    assert os.listdir(folder / "auspex-data/snapshots") == [other]
    assert snapshot(folder, "a.csv") == {**snapshot(folder, "a.csv"), "was_there": False}


def rewrite(path, old, new):
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize("old, new, words", [
    ('"rows":3,', '"rows":4,', "there are 3 rows, the manifest says 4"),
    ('"min":-2', '"min":-3', "column 'n': min is -2, the manifest says -3"),
    ('"mean":-0.5', '"mean":-0.25', "column 'n': mean is -0.5, the manifest says -0.25"),
    ('"min":"007"', '"min":"008"', 'column \'id\': min is "007", the manifest says "008"'),
    ('"not_finite":1', '"not_finite":0', "column 'x': not_finite is 1"),
    ('"type":"BIGINT"', '"type":"INTEGER"', "column 'n': type is"),
    ('"name":"n"', '"name":"m"', "column 'n': name is"),
    ('"bytes":%d,"sha256":"%s"}', '"bytes":%d,"sha256":"' + "0" * 64 + '"}', "has other bytes"),
    ('"content":"%s"', '"content":"' + "a" * 64 + '"', "the content of the rows is"),
])
def test_verify_finds(folder, old, new, words):
    kept = snapshot(folder, "a.csv")
    path = folder / "auspex-data/snapshots" / kept["digest"]
    assert "verified" in run(folder, "show", "--verify", kept["digest"]).stdout
    size = (path / "data.parquet").stat().st_size
    fill = {2: (size, sha256(path / "data.parquet")), 1: (kept["content"],)}.get(old.count("%"), ())
    rewrite(path / "manifest.json", old % fill, new % ((size,) if "%d" in new else ()))
    assert words in refused(folder, "show", "--verify", kept["digest"])


def test_verify_reads_the_rows(folder):
    kept = snapshot(folder, "a.csv")["digest"]
    path = folder / "auspex-data/snapshots" / kept / "data.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert "bytes, the manifest says" in refused(folder, "show", "--verify", kept)
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert "has other bytes" in refused(folder, "show", "--verify", kept)
    path.unlink()
    assert "data.parquet" in refused(folder, "show", "--verify", kept, status=4)
    assert run(folder, "show", kept).returncode == 0


@pytest.mark.parametrize("text, words", [
    ("", "malformed JSON"),
    ("[]", "no JSON object"),
    ('{"format":2}', "its format is 2"),
    ('{"format":1,"digest":"x"}', "'digest' is no text of 64"),
])
def test_damaged_manifests(folder, text, words):
    kept = snapshot(folder, "a.csv")["digest"]
    write(folder, f"auspex-data/snapshots/{kept}/manifest.json", text)
    assert words in refused(folder, "show", kept)
    assert words in run(folder, "list").stderr
    told = refused(folder, "snapshot", "--quiet", "a.csv")
    assert "auspex data delete " + kept[:12] in told
    assert run(folder, "delete", kept).returncode == 0
    assert not snapshot(folder, "a.csv")["was_there"]


@pytest.mark.parametrize("name, text, words", [
    ("x.csv", "", "'x.csv' is empty"),
    ("x.csv", "a,A\n1,2\n", "two columns"),
    ("x.csv", "a,a\n1,2\n", "'a'"),
    ("x.csv", "a,b\n1,2\n1,2,3\n", "x.csv"),
    ("x.csv", "a\0,b\n1,2\n", "x.csv': the header is not UTF-8, or has a NUL"),
    ("x.jsonl", '{"a":1}\n{"a"', "x.jsonl"),
    ("x.jsonl", '{"a\\u0000":1}', "a NUL stands in the query, or in a name of it"),
    ("x.jsonl", '{"a":' * 100000 + "1" + "}" * 100000, "nested more than 1000 deep"),
    ("x.parquet", "PAR1 is not enough", "x.parquet"),
    ("x.txt", "a\n1\n", "does not end in .csv"),
])
def test_bad_files(folder, name, text, words):
    write(folder, name, text)
    assert words in refused(folder, "snapshot", "--quiet", name)


def test_usage(folder):
    assert "none.csv" in refused(folder, "snapshot", "--quiet", "none.csv", status=4)
    for arguments in (["snapshot"], ["snapshot", "a.csv", "--rows", "rows.csv"],
                      ["snapshot", "--service", "s"], ["show"], ["list", "x"], ["delete"], ["gc"],
                      ["snapshot", "--service", "s", "--rows", "rows.csv", "--sql", "rows.csv"]):
        done = run(folder, *arguments)
        assert done.returncode == 2 and done.stderr, arguments
    told = refused(folder, "snapshot", "--quiet", "--definitions", "d", "--service", "ss", "--rows",
                   "rows.csv", status=4)
    assert "nearest is 's'" in told


def test_names_with_patterns(folder):
    """What is a pattern to DuckDB is a name here."""
    place = folder / "data[1]*"
    place.mkdir()
    (folder / "data1x").mkdir()
    write(folder, "data1x/a?.csv", "a\n9\n9\n9\n")
    shutil.copy(folder / "a.csv", place / "a?.csv")
    kept = snapshot(place, "a?.csv")
    assert kept["rows"] == 3 and kept["columns"] == 11
    assert run(place, "show", "--verify", kept["digest"]).returncode == 0


def start_endless(folder):
    """A snapshot whose rows come from a sum over 10^14 pairs."""
    write(folder, "d/more.sql", "SELECT 'JFK' AS faa, CAST(sum(a.range + b.range) AS BIGINT) AS n "
          "FROM range(10000000) AS a, range(10000000) AS b")
    process = subprocess.Popen(command("snapshot", *history()), cwd=folder, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while "reading source more" not in process.stderr.readline():
        assert process.poll() is None
    return process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_killed(folder, sent):
    process = start_endless(folder)
    # While it runs it is in nobody's way, and nobody is in its.
    done = run(folder, "snapshot", "--quiet", "--json", "a.csv")
    assert done.returncode == 0, done.stderr
    assert run(folder, "delete", json.loads(done.stdout)["digest"]).returncode == 0
    assert subprocess.run([os.environ["AX_BINARY"], "apply", "d"], cwd=folder, check=False,
                          capture_output=True).returncode == 0
    assert process.poll() is None
    assert len(os.listdir(folder / "auspex-data/snapshots/.work")) == 1
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode == (130 if sent == signal.SIGINT else -sent)
    assert (folder / "auspex-data/snapshots/.work").exists() == (sent == signal.SIGKILL)
    write(folder, "d/more.sql", "SELECT 'JFK' AS faa, 7 AS n")
    kept = snapshot(folder, *history())
    assert os.listdir(folder / "auspex-data/snapshots") == [kept["digest"]]


def test_killed_anywhere(folder):
    """Killed after each of some times, most of which fall into the work: what is there is whole."""
    write(folder, "big.csv", "a\n" + "".join(f"{i * 7919}\n" for i in range(60000)))
    for i in range(6):
        process = subprocess.Popen(command("snapshot", "--quiet", "big.csv"), cwd=folder,
                                   stdout=subprocess.DEVNULL)
        time.sleep(0.02 * i)
        process.kill()
        process.wait(timeout=60)
        done = run(folder, "list", "--json")
        assert done.returncode == 0, done.stderr
    kept = snapshot(folder, "big.csv")
    assert os.listdir(folder / "auspex-data/snapshots") == [kept["digest"]]
    assert run(folder, "show", "--verify", kept["digest"]).returncode == 0

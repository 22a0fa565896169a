# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex features check` finds exactly the rows of which an expectation does not hold, does
with them what is said, and `features history` does the same.

Method: random sources with nulls, compared with loops over the rows that know nothing of SQL; then
each rule by itself at its edges, what becomes of failing rows, and faults.
"""

import csv
import json
import os
import random
import re
import signal
import subprocess

import pytest

HEAD = """
auspex: 1
project: test
entities:
  thing: {keys: {k: string}}
sources:
"""

SOURCE = """
  a:
    files: a*.csv
    time: t
    columns: {n: int64, k: string, t: timestamp, x: float64, f: float32, d: duration, b: bool}
"""

OTHER = """
  other: {files: other.csv, time: none, columns: {k: string, n: int32, raw: bytes}}
"""

# What history reads of `a`, and a service that passes rows on, to read Parquet with.
VIEWS = """
views:
  newest: {entity: thing, source: a, fields: {x: x}}
services:
  s: {features: [{view: newest}]}
  plain: {request: {at: timestamp}, features: [{name: at}]}
"""

COLUMNS = "n,k,t,x,f,d,b\n"


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    write(tmp_path, "other.csv", "k,n,raw\na,1,a\nb,2,b\n,,\n")
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def define(folder, *expectations, source=SOURCE, more=OTHER + VIEWS):
    lines = "".join(f"      - {{{line}}}\n" for line in expectations)
    write(folder, "f.yaml", HEAD + source + ("    expect:\n" + lines if lines else "") + more)


def table(folder, rows):
    """Rows as dicts of texts; what is left out is null."""
    names = COLUMNS.strip().split(",")
    text = "".join(",".join(row.get(name, "") for name in names) + "\n" for row in rows)
    write(folder, "a.csv", COLUMNS + text)


def auspex(*args, **process):
    return subprocess.run([os.environ["AX_BINARY"], "features", *map(str, args)],
                          capture_output=True, text=True, timeout=120, check=False, **process)


def check(folder, *options, status=0):
    done = auspex("check", folder, "--json", *options)
    assert done.returncode == status, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def one(folder, expectation, rows, status=0):
    """(missing, unexpected, first row, outcome) of an expectation over rows."""
    define(folder, expectation)
    table(folder, rows)
    result, = check(folder, status=status)
    assert result["element_count"] == len(rows)
    assert ("first_unexpected" in result) == (result["unexpected_count"] > 0)
    first = result.get("first_unexpected", {}).get("row")
    return result["missing_count"], result["unexpected_count"], first, result["outcome"]


def history(folder, rows, *options, status=0, service="s"):
    write(folder, "rows.csv", rows)
    done = auspex("history", "--definitions", folder, "--rows", folder / "rows.csv", "--service",
                  service, "--out", folder / "out.csv", "--json", *options)
    assert done.returncode == status, done.stderr
    if status:
        assert not (folder / "out.csv").exists()
        return None, done.stderr
    with open(folder / "out.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), done.stderr + done.stdout


def failing(folder, name="a"):
    """The rows that were kept, as lists of texts behind the names."""
    path = folder / "kept" / f"{name}.failed.parquet"
    write(folder, "kept.sql", "SELECT * EXCLUDE (ax_reasons), array_to_string(ax_reasons, '; ') AS "
          f"reasons, TIMESTAMP '2024-01-01' AS at FROM '{path}'")
    done = auspex("history", "--definitions", folder, "--sql", folder / "kept.sql", "--service",
                  "plain", "--out", folder / "kept.csv")
    assert done.returncode == 0, done.stderr
    with open(folder / "kept.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- against loops over the rows ----

def random_rows(seed, count):
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        row = {"n": str(rng.randrange(count)), "k": rng.choice(["a", "b", "c", "ÄÖ", ""]),
               "t": f"2024-01-{rng.randrange(1, 29):02}T00:00:{i % 60:02}Z",
               "x": str(rng.randrange(-40, 41) / 4),
               "f": rng.choice(["0.1", str(rng.randrange(8) / 8)]),
               "d": str(rng.randrange(100)), "b": rng.choice(["true", "false"])}
        rows.append({key: value for key, value in row.items() if rng.random() > 0.1 and value})
    return rows


def wanted(rows):
    """For each expectation below: for each row whether it holds, None when it is left out."""
    def of(name, holds):
        return [holds(row[name]) if name in row else None for row in rows]

    def is_unique(names):
        keys = [tuple(row.get(name) for name in names) for row in rows]
        return [None if None in key else keys.count(key) == 1 for key in keys]

    def is_monotonic(name, by):
        seen, answers = {}, []
        for row in rows:
            key = row.get(by) if by else ""
            if key is None or name not in row:
                answers.append(None)
                continue
            value = float(row[name]) if name == "x" else row[name]
            answers.append(seen.get(key, value) <= value)
            seen[key] = max(seen.get(key, value), value)
        return answers

    def expression(row):
        # x > 0 or k = 'a', of three values.
        parts = [float(row["x"]) > 0 if "x" in row else None,
                 row["k"] == "a" if "k" in row else None]
        return True if True in parts else None if None in parts else False

    return [
        ("check: not_null, column: k", ["k" in row for row in rows]),
        ("check: unique, columns: [n]", is_unique(["n"])),
        ("check: unique, columns: [n, k]", is_unique(["n", "k"])),
        ("check: between, column: x, min: -5, max: 7.25",
         of("x", lambda v: -5 <= float(v) <= 7.25)),
        ("check: between, column: n, min: 10.5", of("n", lambda v: int(v) >= 11)),
        ("check: between, column: t, min: '2024-01-05', max: '2024-01-20T00:00:30Z'",
         of("t", lambda v: "2024-01-05T00:00:00Z" <= v <= "2024-01-20T00:00:30Z")),
        ("check: between, column: d, max: 50us", of("d", lambda v: int(v) <= 50)),
        ("check: between, column: f, min: 0.125, max: 0.5",
         of("f", lambda v: 0.125 <= float(v) <= 0.5)),
        ("check: in_set, column: k, values: [a, ÄÖ]", of("k", lambda v: v in ("a", "ÄÖ"))),
        ("check: in_set, column: n, values: [1, 2, 3, 5, 8]",
         of("n", lambda v: int(v) in (1, 2, 3, 5, 8))),
        ("check: between, column: f, min: 0.1, max: 0.1", of("f", lambda v: v == "0.1")),
        ("check: in_set, column: f, values: [0, 0.5, 1e-1, 1e300]",
         of("f", lambda v: float(v) in (0, .5, .1))),
        ("check: regex, column: k, pattern: '[abc]'",
         of("k", lambda v: bool(re.search("[abc]", v)))),
        ("check: length, column: k, max: 1", of("k", lambda v: len(v) <= 1)),
        ("check: monotonic, column: t", is_monotonic("t", None)),
        ("check: monotonic, column: x, by: [k]", is_monotonic("x", "k")),
        ("check: referential, column: k, refers_to: other.k", of("k", lambda v: v in ("a", "b"))),
        ("check: expression, expr: x > 0 or k = 'a'", [expression(row) for row in rows]),
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_rows(folder, seed):
    rows = random_rows(seed, 400)
    checks = wanted(rows)
    define(folder, *(text for text, _ in checks))
    table(folder, rows)
    results = check(folder, "--failed", folder / "kept")
    assert len(results) == len(checks)
    for result, (text, holds) in zip(results, checks):
        assert result["element_count"] == len(rows)
        assert result["missing_count"] == holds.count(None), text
        assert result["unexpected_count"] == holds.count(False), text
        assert result["unexpected_count"] and result["outcome"] == "warned", text
        assert result["first_unexpected"]["row"] == holds.index(False) + 1, text
        assert result["success"] is False
    kept = failing(folder)
    names = [result["expectation"] for result in results]
    reasons = {i + 1: [name for name, (_, holds) in zip(names, checks) if holds[i] is False]
               for i in range(len(rows))}
    assert {int(row["ax_row"]): row["reasons"].split("; ") for row in kept} == {
        row: names for row, names in reasons.items() if names}
    assert [int(row["ax_row"]) for row in kept] == sorted(int(row["ax_row"]) for row in kept)
    for row in kept:
        assert row["k"] == rows[int(row["ax_row"]) - 1].get("k", "")


# ---- edges ----

def test_mostly(folder):
    rows = [{"x": "1"}] * 999 + [{"x": "-1"}]
    expectation = "check: between, column: x, min: 0, mostly: 0.999, do: fail"
    assert one(folder, expectation, rows) == (0, 1, 1000, "held")
    assert one(folder, expectation, rows[1:], 1) == (0, 1, 999, "failed")
    # Nulls are no part of the share: one of 999 is one too many, however many there are.
    assert one(folder, expectation, rows[1:] + [{}] * 5, 1) == (5, 1, 999, "failed")
    assert one(folder, expectation, [{}] * 3) == (3, 0, None, "held")
    assert one(folder, expectation, []) == (0, 0, None, "held")


@pytest.mark.parametrize("mostly, bad, outcome", [
    ("", 3, "dropped"), (", mostly: 1", 4, "dropped"), (", mostly: 0.5", 2, "dropped"),
    (", mostly: 0.5", 3, "failed"), (", mostly: 0.5", 0, "held"),
])
def test_drop_row(folder, mostly, bad, outcome):
    rows = [{"x": "-1"}] * bad + [{"x": "1"}] * (4 - bad)
    assert one(folder, "check: between, column: x, min: 0, do: drop_row" + mostly, rows,
               1 if outcome == "failed" else 0) == (0, bad, 1 if bad else None, outcome)


def test_a_null_is_no_row_that_does_not_hold(folder):
    checks = ["between, column: n, min: 1", "in_set, column: k, values: [z]",
              "regex, column: k, pattern: z", "length, column: k, min: 9", "unique, column: k",
              "monotonic, column: t", "referential, column: k, refers_to: other.k",
              "expression, expr: x > 1"]
    define(folder, *(f"check: {text}, do: fail" for text in checks))
    table(folder, [{}, {}])
    assert [(r["missing_count"], r["unexpected_count"], r["outcome"]) for r in check(folder)] == [
        (2, 0, "held")] * len(checks)
    assert one(folder, "check: not_null, column: k, do: fail", [{}, {}], 1) == (0, 2, 1, "failed")


def test_a_column_each_for_itself(folder):
    define(folder, "check: not_null, columns: [n, x], do: fail")
    table(folder, [{"n": "1"}, {"x": "1", "n": "2"}])
    assert [(r["columns"], r["outcome"]) for r in check(folder, status=1)] == [
        (["n"], "held"), (["x"], "failed")]


def test_whole_numbers_are_exact(folder):
    # 2^53 + 1 is no double.
    rows = [{"n": "9007199254740993"}, {"n": "-9007199254740993"}]
    assert one(folder, "check: between, column: n, max: 9007199254740992", rows)[1:3] == (1, 1)
    assert one(folder, "check: between, column: n, min: -9007199254740992", rows)[1:3] == (1, 2)
    assert one(folder, "check: between, column: n, max: 9007199254740993", rows)[1] == 0
    assert one(folder, "check: between, column: n, min: 9007199254740994", rows)[1] == 2
    assert one(folder, "check: between, column: n, max: 1e30", rows)[1] == 0
    assert one(folder, "check: between, column: n, min: 1e30", rows)[1] == 2


def test_monotonic_is_not_cured_by_a_step_up(folder):
    # What lies below the greatest value so far does not hold, so what is left is monotonic.
    rows = [{"x": x} for x in ("1", "9", "2", "3", "9", "10")]
    assert one(folder, "check: monotonic, column: x", rows) == (0, 2, 3, "warned")


def test_files_are_one_source(folder):
    define(folder, "check: unique, column: n", "check: monotonic, column: n", "check: row_count, "
           "min: 4, max: 4, do: fail")
    write(folder, "a1.csv", COLUMNS + "5,,,,,,\n6,,,,,,\n")
    write(folder, "a2.csv", COLUMNS + "6,,,,,,\n1,,,,,,\n")
    unique, monotonic, count = check(folder)
    assert (unique["unexpected_count"], unique["first_unexpected"]["row"]) == (2, 2)
    assert (monotonic["unexpected_count"], monotonic["first_unexpected"]["row"]) == (1, 4)
    assert (count["outcome"], count["observed_value"]) == ("held", 4)


def test_row_count(folder):
    define(folder, "check: row_count, min: 3, do: fail", "check: row_count, max: 1")
    table(folder, [{}, {}])
    low, high = check(folder, status=1)
    assert (low["outcome"], low["observed_value"]) == ("failed", 2)
    assert (high["outcome"], high["observed_value"]) == ("warned", 2)


def test_freshness(folder):
    define(folder, "check: freshness, max_age: 24h, do: fail")
    # A time that is not yet makes nothing fresh.
    table(folder, [{"t": "2024-01-01T00:00:00Z"}, {"t": "2023-01-01"}, {}, {"t": "2999-01-01"}])
    fresh, = check(folder, "--now", "2024-01-02T00:00:00Z")
    assert (fresh["outcome"], fresh["observed_value"]) == ("held", "2024-01-01T00:00:00Z")
    stale, = check(folder, "--now", "2024-01-02T00:00:00.000001Z", status=1)
    assert (stale["outcome"], stale["observed_value"]) == ("failed", "2024-01-01T00:00:00Z")
    none, = check(folder, "--now", "2022-01-01", status=1)
    assert (none["outcome"], none["observed_value"]) == ("failed", None)
    check(folder, status=1)
    done = auspex("check", folder, "--now", "noon")
    assert done.returncode == 2 and "'noon' is no time" in done.stderr


def test_referential_of_bytes_and_of_itself(folder):
    rows = [{"k": "a", "n": "1"}, {"k": "z", "n": "3"}]
    assert one(folder, "check: referential, column: k, refers_to: other.raw", rows)[1:3] == (1, 2)
    assert one(folder, "check: referential, column: n, refers_to: other.n", rows)[1:3] == (1, 2)
    assert one(folder, "check: referential, column: k, refers_to: a.k", rows)[1] == 0
    write(folder, "other.csv", "k,n,raw\n,,\n")
    assert one(folder, "check: referential, column: k, refers_to: other.k", rows)[1] == 2


def test_more_than_one_batch(folder):
    """Checks are counted some at a time; reasons come in the order of the text all the same."""
    define(folder, *(f"check: between, column: n, max: {i}" for i in range(150)))
    table(folder, [{"n": "149"}, {"n": "1"}, {"n": "148"}])
    results = check(folder, "--failed", folder / "kept")
    assert [r["unexpected_count"] for r in results] == [3] + [2] * 147 + [1, 0]
    rows = failing(folder)
    assert [(row["ax_row"], len(row["reasons"].split("; "))) for row in rows] == [
        ("1", 149), ("2", 1), ("3", 148)]
    assert rows[0]["reasons"].split("; ")[70] == "between n (at most 70)"


# ---- failing rows ----

def test_failing_rows_come_and_go(folder):
    define(folder, "check: not_null, column: k")
    table(folder, [{"k": "a"}, {"n": "2"}])
    check(folder)
    assert not (folder / "kept").exists()
    check(folder, "--failed", folder / "kept")
    assert [(row["ax_row"], row["n"], row["reasons"]) for row in failing(folder)] == [
        ("2", "2", "not_null k")]
    assert oct((folder / "kept").stat().st_mode)[-3:] == "700"
    table(folder, [{"k": "a"}])
    check(folder, "--failed", folder / "kept")
    assert os.listdir(folder / "kept") == []


def test_names_that_failing_rows_need(folder):
    source = SOURCE.replace("b: bool", "AX_ROW: int64")
    define(folder, "check: not_null, column: k", source=source)
    write(folder, "a.csv", "n,k,t,x,f,d,AX_ROW\n,,,,,,\n")
    assert len(check(folder)) == 1
    assert "rows with a column 'AX_ROW' cannot be kept" in check(
        folder, "--failed", folder / "kept", status=3)[0]["error"]


@pytest.mark.parametrize("sent, status", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_killed_and_two_at_once(folder, sent, status):
    # The source is a sum over 10^14 pairs, so the work is not done before the signal.
    endless = SOURCE.replace(
        "files: a*.csv", "sql: \"SELECT sum(a.range * b.range) AS n, 'a' AS k, now() AS t, 1 AS x, "
        "1 AS f, 1 AS d, true AS b FROM range(10000000) a, range(10000000) b\"")
    define(folder, "check: not_null, column: n", source=endless)
    kept = folder / "kept"
    with subprocess.Popen([os.environ["AX_BINARY"], "features", "check", folder, "--failed", kept],
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "a\n"
        other = auspex("check", folder, "--failed", kept)
        assert other.returncode == 5 and "another process is checking into" in other.stderr
        process.send_signal(sent)
        process.wait(timeout=60)
    assert process.returncode == status
    assert os.listdir(kept) == ([] if sent == signal.SIGINT else [".check.work"])
    # The next run removes what the killed one left.
    define(folder, "check: not_null, column: n")
    table(folder, [{}])
    check(folder, "--failed", kept)
    assert os.listdir(kept) == ["a.failed.parquet"]


# ---- sources that cannot be read ----

def test_others_are_checked_all_the_same(folder):
    more = OTHER.replace("}}", "}, expect: [{check: not_null, column: k, do: fail}]}") + VIEWS
    define(folder, "check: not_null, column: k", more=more)
    write(folder, "a.csv", COLUMNS.replace("k", "kk") + "1,,,,,,\n")
    done = auspex("check", folder)
    assert done.returncode == 3 and "column 'k' is not in" in done.stderr
    assert "nearest is 'kk'" in done.stderr
    assert "failed   not_null k: 1 of 3 rows (33.3 %) does not hold; row 3: k=null" in done.stdout
    assert "a\n  could not be read\n" in done.stdout
    assert "2 sources (1 could not be read), " in done.stdout
    bad, other = check(folder, status=3)
    assert "column 'k' is not in" in bad["error"] and other["outcome"] == "failed"
    assert len(check(folder, "--source", "other", status=1)) == 1
    done = auspex("check", folder, "--source", "othr")
    assert done.returncode == 4 and "nearest is 'other'" in done.stderr


def test_a_source_that_is_referred_to_is_missing(folder):
    define(folder, "check: referential, column: k, refers_to: other.k")
    table(folder, [{}])
    (folder / "other.csv").unlink()
    assert "source 'other': there is no file" in check(folder, status=4)[0]["error"]


def test_nothing_is_expected(folder):
    define(folder)
    done = auspex("check", folder)
    assert done.returncode == 0 and done.stdout.startswith("0 sources")
    table(folder, [{}])
    done = auspex("check", folder, "--source", "a")
    assert done.returncode == 0
    assert done.stdout.startswith("a\n  nothing is expected of it\n1 source, 0 held")


# ---- history ----

ROWS = "k,at\na,2024-02-01\nb,2024-02-01\n"


def test_history_drops_rows(folder):
    define(folder, "check: between, column: x, max: 100, do: drop_row",
           "check: expression, expr: n <> 7.0, do: drop_row", "check: not_null, column: n",
           "check: freshness, max_age: 1d, do: fail")
    table(folder, [{"k": "a", "x": "1", "t": "2024-01-01", "n": "1"},
                   {"k": "a", "x": "2", "t": "2024-01-02", "n": "7"},
                   {"k": "a", "x": "101", "t": "2024-01-03"},
                   {"k": "b", "x": "3", "t": "2024-01-01", "n": "2"},
                   {"k": "b", "x": "4"},
                   {"k": "b", "x": "5", "t": "2024-01-01", "n": "3"}])
    rows, told = history(folder, ROWS)
    # Of the two values of one time the later row counts, as it does where nothing is dropped.
    assert [row["x"] for row in rows] == ["1.0", "5.0"]
    assert '"dropped_rows":2' in told
    assert ("dropped: between x (at most 100): 1 of 6 rows (16.7 %) does not hold; "
            "row 3: x=101.0") in told
    assert "dropped: expression n <> 7.0: 1 of " in told  # as it is written
    assert "warned: not_null n: 2 of 6 rows (33.3 %) do not hold; row 3: n=null" in told
    define(folder)
    rows, told = history(folder, ROWS)
    assert [row["x"] for row in rows] == ["101.0", "5.0"] and '"dropped_rows":0' in told


def test_history_of_events_drops_before_it_replaces(folder):
    source = SOURCE + "    event_id: [n]\n"
    define(folder, "check: between, column: x, max: 100, do: drop_row",
           "check: not_null, column: n, do: drop_row", source=source)
    # The correction is none, and an event without an id is none of those that are refused.
    table(folder, [{"k": "a", "x": "1", "t": "2024-01-01", "n": "1"},
                   {"k": "a", "x": "999", "t": "2024-01-01", "n": "1"},
                   {"k": "a", "x": "2", "t": "2024-01-01"}])
    assert [row["x"] for row in history(folder, ROWS)[0]] == ["1.0", ""]
    rows, _ = history(folder, ROWS, "--as-known")
    assert [row["x"] for row in rows] == ["1.0", ""]


@pytest.mark.parametrize("expectation", [
    "check: between, column: x, min: 0, do: fail",
    "check: between, column: x, min: 0, mostly: 0.9, do: drop_row",
    "check: row_count, min: 3, do: fail",
])
def test_history_stops(folder, expectation):
    define(folder, expectation)
    table(folder, [{"k": "a", "x": "-1", "t": "2024-01-01"}, {"k": "a", "x": "1"}])
    _, told = history(folder, ROWS, status=3)
    assert re.search(r"source 'a': f\.yaml:\d+:9: (between x|row_count) \(at least [03]\): ", told)


def test_snapshots_and_training_do_the_same(folder):
    model = """
models:
  m:
    service: s
    train:
      rows: {sql: "SELECT * FROM 'rows.csv' ORDER BY k"}
      at: at
      label: y
      label_known_at: known
      split: {hash: k, stop: 0.2, test: 0.2}
      params: {objective: "binary:logistic"}
      rounds: 2
"""
    define(folder, "check: between, column: x, max: 100, do: drop_row", more=OTHER + VIEWS + model)
    table(folder, [{"k": f"k{i}", "x": str(i * 10), "t": "2024-01-01"} for i in range(40)])
    write(folder, "rows.csv", "k,at,known,y\n" + "".join(
        f"k{i},2024-02-01,2024-03-01,{i % 2}\n" for i in range(40)))
    told = ("source 'a': dropped: between x (at most 100): 29 of 40 rows (72.5 %) do not hold; "
            "row 12: x=110.0")
    for command in (
            ["data", "snapshot", "--definitions", folder, "--service", "s", "--rows",
             folder / "rows.csv", "--state", folder / "state"],
            ["train", folder / "f.yaml", "--models", folder / "models", "--state",
             folder / "state"]):
        done = subprocess.run([os.environ["AX_BINARY"], *map(str, command)], capture_output=True,
                              text=True, timeout=120, check=False)
        assert told in done.stderr, done.stderr
        assert done.returncode == 0, done.stderr

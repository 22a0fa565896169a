# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever stands in the files of sources, it is read right or refused with its place, and
nothing ends the process.

Method: a source a file, each with something odd in it, and one `auspex features check` that reads
all of them: a source that cannot be read keeps none of the others from being looked at.
docs/hostile-input.md lists what is tried where.
"""

import gzip
import json
import os
import random
import subprocess

HEAD = b"k,t,x,n\n"
ROW = b"a,2024-01-01,1.5,1\n"
LINE = b'{"k":"a","t":"2024-01-01","x":1.5,"n":1}\n'

TIME = "timestamp is expected (like 2013-12-01T10:00:00Z, years 1 to 9999)"
FIELDS = "has not as many fields as the header"


def row(**values):
    """A row of CSV with some of its values."""
    return b",".join({"k": b"a", "t": b"2024-01-01", "x": b"1.5", "n": b"1", **values}.values())


def line(**values):
    """A line of JSON with some of its members, as they stand."""
    members = {"k": b'"a"', "t": b'"2024-01-01"', "x": b"1.5", "n": b"1", **values}
    return b"{" + b",".join(b'"%s":%s' % (k.encode(), v) for k, v in members.items()) + b"}\n"


# What is in the file, and how many rows are read of it or what is said.
CSV = [
    (HEAD + ROW, 1),
    (b"\xef\xbb\xbf" + HEAD + ROW, 1),
    ((HEAD + ROW).replace(b"\n", b"\r\n"), 1),
    ((HEAD + ROW).replace(b"\n", b"\r"), 1),
    (HEAD + b"\n" + ROW + b"\n\n", 1),
    ((HEAD + ROW)[:-1], 1),
    (HEAD, 0),
    (HEAD + row(k=b"a\0b"), 1),
    (HEAD + row(k=b"a" * 1500000), 1),
    (b"n,more,t,k,x\n1,m,2024-01-01,a,1.5\n", 1),
    (HEAD + row(t=b"9999-12-31T23:59:59.999999Z"), 1),
    (HEAD + row(t=b"0001-01-01T00:00:00Z"), 1),
    (b"", "is empty: not even the names of columns"),
    (b"\0" * 1000, "the header is not UTF-8, or has a NUL"),
    ((HEAD + ROW).decode().encode("utf-16"), "the header is not UTF-8, or has a NUL"),
    ((HEAD + ROW).replace(b",", b";"), "column 'k' is not in"),
    (HEAD.replace(b"k", b"K") + ROW, "column 'k' is not in"),
    (HEAD.replace(b"x", b"k") + ROW, "the header has the column 'k' twice"),
    (HEAD + ROW + b"\0" * 20, "line 3 " + FIELDS),
    (HEAD + ROW + b"b,2024-01-01\n", "line 3 " + FIELDS),
    (HEAD + ROW + ROW[:-1] + b",2\n", "line 3 " + FIELDS),
    (HEAD + b'"a,2024-01-01,1.5,1\n' + ROW, "line 2 has a quote that is not closed"),
    (HEAD + row(k=b"\xe9"), "line 2 is not UTF-8"),
    (HEAD + ROW.replace(b"\n", b"\r\n") + ROW, "lines end in LF and in CR LF"),
    (HEAD + ROW + b"b" * 5000000, "the last line is longer than 2000000 bytes"),
    (HEAD + row(k=b"b" * 5000000) + b"\n" + ROW, "a line is too long"),
    (HEAD + row(x=b"1\0"), "row 1: column 'x' is '1\\u0000'; float64 is expected"),
    (HEAD + row(x=b"0x10"), "row 1: column 'x' is '0x10'; float64 is expected"),
    (HEAD + row(n=b"1.5"), "row 1: column 'n' is '1.5'; int64 is expected"),
    (HEAD + row(n=b"9223372036854775808"), "column 'n' is '9223372036854775808'; int64"),
] + [(HEAD + ROW + row(t=moment), f"row 2: column 't' is '{moment.decode()}'; {TIME}")
     for moment in (b"10000-01-01", b"-0001-01-01", b"0000-01-01", b"1704067200000", b"infinity",
                    b"0044-03-15 (BC)", b"2024-02-30", b"2024-02-01T24:00:00Z", b"03/04/2024",
                    b"2024-02-01T23:59:60Z", b" 2024-01-01")]

JSON_LINES = [
    (LINE, 1),
    (b"", 0),
    (b"\xef\xbb\xbf" + LINE, 1),
    (LINE.replace(b"\n", b"\r\n") + b"\n" + LINE, 2),
    (line(k=b'"a\\u0000b"'), 1),
    (line(k=b"7"), 1),  # a number is a text's digits
    (line(n=b"1.0"), 1),
    (line(x=b"1.5" + b"0" * 10000), 1),
    (line(more=b"[" * 900 + b"]" * 900), 1),
    (line(more=b'"' + b"[" * 2000 + b'"'), 1),
    (line(more=b"[" * 100000 + b"]" * 100000), "a line is nested more than 1000 deep"),
    (line(more=b'{"a":' * 100000 + b"1" + b"}" * 100000), "a line is nested more than 1000 deep"),
    (line(n=b'1,"n":2'), "JSON transform error"),
    (line(n=b"true"), "row 1: column 'n' is 'true'; int64 is expected"),
    (line(n=b"18446744073709551616"), "column 'n' is '18446744073709551616'; int64"),
    (line(x=b"[1]"), "row 1: column 'x' is '[1]'; float64 is expected"),
    (line(t=b"1704067200000"), f"column 't' is '1704067200000'; {TIME}"),
    (line(k=b'"\\ud800"'), "Malformed JSON"),
    (line(k=b'"\xff"'), "is not UTF-8"),
    (line(k=b'"a\0b"'), "Malformed JSON"),
    (LINE + LINE[:20], "Malformed JSON"),
    (LINE[:-1] + LINE, "Malformed JSON"),
    (b"[" + LINE[:-1] + b"]", "column 'k' is not in"),
    (b"1\n", "column 'k' is not in"),
    (b"{}\n", "column 'k' is not in"),
    (line(k=b"1,\"k\\u0000\":1").replace(b'"k":1,', b""), "column 'k' is not in"),
]

# What SQL reads of JSON lines that are nested however deep: where no types are guessed, and no
# member is left out.
DEEP = line(more=b"[" * 100000 + b"]" * 100000)
DEEP_SQL = ["SELECT * FROM read_json('deep.jsonl', columns={k: 'VARCHAR', t: 'VARCHAR', "
            "x: 'DOUBLE', n: 'BIGINT', more: 'JSON'})",
            "SELECT json->>'k' AS k, json->>'t' AS t, (json->>'x')::DOUBLE AS x, "
            "(json->>'n')::BIGINT AS n FROM read_ndjson_objects('deep.jsonl')"]

COMPRESSED = [
    (gzip.compress(HEAD + ROW), 1),
    (gzip.compress(HEAD + ROW * 1000)[:-20], FIELDS),
    (HEAD + ROW, "is not a GZIP stream"),
    (b"", "is empty: not even the names of columns"),
]

DEFINITIONS = """
auspex: 1
project: test
entities: {thing: {keys: {k: string}}}
views: {none: {entity: thing, source: none, fields: {n: n}}}
services: {none: {features: [{view: none}]}}
sources:
  none: {sql: "SELECT 'a' AS k, 1 AS n", time: none, columns: {k: string, n: int64}}
"""
SOURCE = """\
  %s:
    files: %s
    time: t
    columns: {k: string, t: timestamp, x: float64, n: int64}
    expect: [{check: row_count, min: 0}, {check: not_null, columns: [k, t, x, n]}]
"""


def auspex(folder, *arguments):
    return subprocess.run([os.environ["AX_BINARY"], "features", *arguments], cwd=folder, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)


def make_parquet(folder):
    """The bytes of a file that the command itself writes."""
    (folder / "all.yaml").write_text(DEFINITIONS, encoding="utf-8")
    (folder / "rows.sql").write_text(
        "SELECT CASE WHEN i % 3 = 0 THEN 'a' || i END AS k, make_timestamp(i * 1000000) AS t, "
        "i * 1.5::DOUBLE AS x, t AS at FROM range(500) AS r(i)", encoding="utf-8")
    done = auspex(folder, "history", "--sql", "rows.sql", "--service", "none", "--out",
                  "out.parquet")
    assert done.returncode == 0, done.stderr
    return (folder / "out.parquet").read_bytes()


def cut_and_flipped(whole):
    """Prefixes of a file, and the file with some bits of its footer turned."""
    choose = random.Random(1)
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    cuts = [whole[:len(whole) * i // 20] for i in range(1, 20)] + [whole[:-1]]
    flipped = []
    for _ in range(40):
        content = bytearray(whole)
        for _ in range(choose.choice((1, 1, 2, 8))):
            content[choose.randrange(footer, len(whole))] ^= 1 << choose.randrange(8)
        flipped.append(bytes(content))
    return cuts, flipped


def test_what_stands_in_files(tmp_path):
    whole = make_parquet(tmp_path)
    cuts, flipped = cut_and_flipped(whole)
    cases = [(ending, *case) for ending, table in (
        ("csv", CSV), ("jsonl", JSON_LINES), ("csv.gz", COMPRESSED),
        ("parquet", [(whole, 500)] + [(cut, "No magic bytes found at end") for cut in cuts] +
         [(content, None) for content in flipped])) for case in table]
    text = DEFINITIONS
    for i, (ending, content, _) in enumerate(cases):
        (tmp_path / f"s{i}.{ending}").write_bytes(content)
        text += SOURCE % (f"s{i}", f"s{i}.{ending}")
    (tmp_path / "deep.jsonl").write_bytes(DEEP)
    for i, query in enumerate(DEEP_SQL):
        text += SOURCE.replace("files: %s", 'sql: "%s"') % (f"deep{i}", query)
    (tmp_path / "all.yaml").write_text(text, encoding="utf-8")
    done = auspex(tmp_path, "check", "--memory-max", "64000000", "--json", ".")
    assert done.returncode == 3, done.stderr  # the status of a source that cannot be read
    found = {}
    for told in map(json.loads, done.stdout.splitlines()):
        found.setdefault(told["source"], told)
    for i, (ending, content, expected) in enumerate(cases):
        told = found[f"s{i}"]
        if isinstance(expected, int):
            assert told.get("element_count") == expected, (ending, content[:100], told)
        elif expected:
            assert expected in told.get("error", ""), (ending, content[:100], told)
            assert f"s{i}.{ending}" in told["error"], told
    for i in range(len(DEEP_SQL)):
        assert found[f"deep{i}"].get("element_count") == 1, found[f"deep{i}"]
    assert len(found) == len(cases) + len(DEEP_SQL)


def test_what_is_no_file(tmp_path):
    """A glob passes over folders, and nothing else that is no regular file, so that no day is lost;
    names are of any bytes."""
    (tmp_path / "all.yaml").write_text(DEFINITIONS + "".join(
        SOURCE % (name, f"{name}*.csv") for name in ("folder", "fifo", "loop", "dangling", "device",
                                                    "odd", "beside")), encoding="utf-8")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "dangling.csv").symlink_to("nowhere")
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    (tmp_path / os.fsdecode(b"odd\xff.csv")).write_bytes(HEAD + ROW)
    os.mkfifo(tmp_path / "beside.csv")
    (tmp_path / "beside '*\n.csv").write_bytes(HEAD + ROW)
    done = auspex(tmp_path, "check", "--json", ".")
    assert done.returncode in (3, 4), done.stderr
    told = {one["source"]: one for one in map(json.loads, done.stdout.splitlines())}
    for name, text in (("folder", "there is no file '"), ("loop", "loop.csv': Too many levels"),
                       ("dangling", "dangling.csv': No such file"),
                       ("fifo", "fifo.csv' is no file"),
                       ("device", "device.csv' is no file"), ("beside", "beside.csv' is no file")):
        assert text in told[name]["error"], told[name]
    assert "look for files 'odd*.csv': " in told["odd"]["error"], told["odd"]
    os.mkfifo(tmp_path / "rows.csv")
    done = auspex(tmp_path, "history", "--rows", "rows.csv", "--service", "none", "--out", "o.csv")
    assert done.returncode == 3 and "rows.csv' is no regular file" in done.stderr

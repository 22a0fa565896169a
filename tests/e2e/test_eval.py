# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex eval` computes over the row it is given, and says where a text is wrong.

Method: the binary's output, error and exit status for rows of each type, for what --type says, and
for what is refused. What expressions mean is the unit tests' matter.
"""

import json
import os
import subprocess

import pytest


def run(*args):
    return subprocess.run([os.environ["AX_BINARY"], "eval", *args], capture_output=True, text=True,
                          timeout=30, check=False)


@pytest.mark.parametrize("args, value", [
    (["1 + 2"], "3"),
    (["--", "-1 + 2"], "1"),
    (["-1"], "-1"),
    (["-(1 + 2) * 2"], "-6"),
    (["a + b", "--row", '{"a": 1, "b": 0.5}'], "1.5"),
    (["a // 2", "--row", '{"a": 7}'], "3"),
    (["a / 2", "--row", '{"a": 7.0}'], "3.5"),
    (["a", "--row", '{"a": 2}', "--type", "a=float64"], "2.0"),
    (["t and s = 'ü\"'", "--row", r'{"t": true, "s": "ü\""}'], "true"),
    (["a is null", "--row", '{"a": null}', "--type", "a=string"], "true"),
    (["a is null", "--type", "a=list<string>"], "true"),
    (["a is null", "--row", '{"a": NaN}'], "true"),
    (["at + 90m", "--row", '{"at": "2013-10-01T00:00:00+02:00"}', "--type=at=timestamp"],
     "2013-09-30T23:30:00Z"),
    (["late > 15m", "--row", '{"late": "20m"}', "--type", "late=duration"], "true"),
    (["l", "--row", '{"l": [1, null, 2.5]}'], "[1.0, null, 2.5]"),
    (["l", "--row", '{"l": []}', "--type", "l=list<string>"], "[]"),
    (["l", "--row", '{"l": ["a", "it\'s"]}'], "['a', 'it''s']"),
])
def test_value(args, value):
    found = run(*args)
    assert (found.returncode, found.stdout, found.stderr) == (0, value + "\n", "")


@pytest.mark.parametrize("args, document", [
    (["1 + 2"], {"type": "int64", "value": 3}),
    (["1 / 0"], {"type": "float64", "value": None}),
    (["s", "--row", r'{"s": "\"\u0001"}'], {"type": "string", "value": '"\x01'}),
    (["timestamp '2013-10-01'"], {"type": "timestamp", "value": "2013-10-01T00:00:00Z"}),
    (["2s"], {"type": "duration", "value": 2000000}),
    (["l", "--row", '{"l": [1, null]}'], {"type": "list<int64>", "value": [1, None]}),
])
def test_json(args, document):
    found = run("--json", *args)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == document


def test_place():
    found = run("1 +\n\tü = 2 or", "--row", "{}")
    assert (found.returncode, found.stdout) == (3, "")
    assert found.stderr.splitlines() == ["auspex eval: 'ü' means nothing here", "  \tü = 2 or",
                                         "  \t^"]
    found = run("'üü' = limt", "--row", '{"limit": 3}')
    assert found.stderr.splitlines() == [
        "auspex eval: 'limt' is not known here; nearest is 'limit'", "  'üü' = limt", "         ^"]


@pytest.mark.parametrize("args, status, words", [
    ([], 2, ""),
    (["1", "2"], 2, ""),
    (["1", "--row", "[]"], 3, "--row: expected a JSON object"),
    (["1", "--row", ""], 3, "--row: "),
    (["-x", "--row", '{"x": 1}'], 2, "no option '-x'"),
    (["t at time zone 'Europe/Berln'", "--type", "t=timestamp"], 3,
     "no time zone 'Europe/Berln'"),
    (["1", "--row", '{"a": }'], 3, "--row: "),
    (["1", "--row", '{"a": 1} x'], 3, "--row: "),
    (["1", "--row", '{"a": {}}'], 3, "--row: column 'a': a column holds an object"),
    (["1", "--row", '{"a": [[1]]}'], 3, "--row: column 'a': a column holds an array"),
    (["1", "--row", '{"a": [1, "x"]}'], 3, "--row: column 'a': string cannot be read as int64"),
    (["1", "--row", '{"a": null}'], 3, "nothing says which type 'a' has; add --type"),
    (["1", "--row", '{"a": []}'], 3, "nothing says which type 'a' has; add --type"),
    (["1", "--row", '{"a": 1, "a": 2}'], 3, "the row has 'a' twice"),
    (["1", "--row", '{"a": 9223372036854775808}'], 3, "does not fit int64"),
    (["1", "--row", '{"a": "x"}', "--type", "a=int64"], 3, "string cannot be read as int64"),
    (["1", "--row", '{"a": "soon"}', "--type", "a=timestamp"], 3,
     "string cannot be read as timestamp"),
    (["1", "--row", '{"a": 1}', "--type", "a=list<int64>"], 3, "expected list<int64>"),
    (["1", "--type", "a=integer"], 3, "there is no type 'integer'"),
    (["1", "--type", "a"], 3, "has to be NAME=TYPE"),
    (["1", "--type", "a=bool", "--type", "a=bool"], 3, "names 'a' twice"),
    (["(" * 100 + "1"], 3, "nested over 64 deep"),
    (["1" * 9000], 3, "bytes"),
])
def test_refused(args, status, words):
    found = run(*args)
    assert (found.returncode, found.stdout) == (status, "")
    assert words in found.stderr


def test_output_that_cannot_be_written():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([os.environ["AX_BINARY"], "eval", "1"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "standard output" in done.stderr

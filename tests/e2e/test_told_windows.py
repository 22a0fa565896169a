# SPDX-License-Identifier: Apache-2.0
"""Goal: what files told windows stays, whatever is materialised and applied afterwards, and
a kill -9 takes nothing of it; what is not known is said to be so, and what is deleted stays away.

Method: events a few minutes old in a file, and one that is pushed, of a key of its own and of
another; each step is followed by a kill -9 and a start, and the values are asked for again. That
they are right at any moment is tests/unit/feature/test_online_parity.c.
"""

import datetime
import json
import os
import shutil
import signal
import subprocess

import pytest

from conftest import Server

DEFINITIONS = """\
auspex: 1
entities: {{thing: {{keys: {{{key}: string}}}}}}
sources:
  ev:
    files: {files}
    time: {time}
    event_id: id
    push: {push}
    columns: {{id: int64, {key}: string, t: timestamp, u: timestamp, x: {x}{columns}}}{expect}
views:
  short:
    entity: thing
    source: ev
    fields: {{n: count(*) over 2h, last: last(x) over 2h{fields}}}
  long: {{entity: thing, source: ev, fields: {{n: count(*) over 3d}}}}
services:
  s: {{features: [{{view: short, as: s}}, {{view: long, as: l}}]}}
"""


def minutes_ago(minutes):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def event(number, minutes, key="A", x=1234):
    at = minutes_ago(minutes)
    return {"id": number, "k": key, "t": at, "u": at, "x": x}


class Place:
    """Definitions with a file of five events, and a server that is killed again and again."""

    def __init__(self, path, push="true"):
        self.path, self.state, self.push = path, path / "state", push
        (path / "models").mkdir()
        (path / "defs").mkdir()
        rows = [event(1, 100), event(2, 50), event(3, 40), event(4, 20, "B"), event(5, 1500)]
        for name in ("ev.jsonl", "other.jsonl"):
            self.write(rows, name)
        self.apply()
        self.server = None
        self.run("materialize")
        self.restart()

    def write(self, rows, name="ev.jsonl"):
        text = "".join(json.dumps(row | {"y": 7, "kk": row["k"]}) + "\n" for row in rows)
        (self.path / "defs" / name).write_text(text, encoding="utf-8")

    def run(self, *command):
        return subprocess.run([os.environ["AX_BINARY"], *command, "--state", str(self.state)],
                              check=True, capture_output=True, text=True, timeout=60)

    def apply(self, **changes):
        usual = {"files": "ev.jsonl", "time": "t", "columns": "", "fields": "", "key": "k",
                 "x": "int64", "push": self.push, "expect": ""}
        (self.path / "defs/f.yaml").write_text(DEFINITIONS.format(**usual | changes),
                                               encoding="utf-8")
        subprocess.run([os.environ["AX_BINARY"], "apply", "--state", str(self.state),
                        str(self.path / "defs")], check=True, capture_output=True, timeout=60)

    def restart(self):
        if self.server:
            self.server.stop(signal.SIGKILL)
        self.server = Server(self.path / "models", "--state", str(self.state), "--threads", "1")

    def values(self, key="A", *names):
        features = self.server.get(f"/v1/features/s?k={key}").json["features"]
        return [features[name]["value"] for name in names or ("s__n", "l__n")]

    def expect(self, *values, key="A", names=()):
        """Now, and after a kill."""
        assert self.values(key, *names) == list(values)
        self.restart()
        assert self.values(key, *names) == list(values)


@pytest.fixture(name="place")
def make_place(tmp_path):
    made = Place(tmp_path)
    yield made
    assert made.server.stop() == 0


def test_an_earlier_end(place):
    """One view up to an earlier moment, in all three ways: no windows of the source go back."""
    place.expect(3, 4)
    place.run("materialize", "--view", "short", "--to", minutes_ago(45))
    place.expect(3, 4)
    place.write([event(1, 100), event(2, 50), event(3, 40), event(4, 20, "B"), event(5, 1500),
                 event(6, 60)])
    place.run("materialize", "--incremental", "--view", "short", "--to", minutes_ago(45))
    assert place.values()[0] == 4
    answer = place.server.post("/materialize-incremental", {"end_ts": minutes_ago(45)})
    assert answer.status == 200
    place.expect(4, 5)
    place.run("materialize", "--view", "short", "--rebuild", "--to", minutes_ago(45))
    place.expect(4, 5)
    place.run("materialize", "--rebuild", "--to", minutes_ago(45))
    assert place.values() == [3, 4]  # all of them: without the event 40 minutes ago


def test_other_expectations(place):
    """What is expected now is asked of what was pushed, also of what a history has of it."""
    assert place.server.post("/push", {"source": "ev", "row": event(9, 1, x=5)}).status == 200
    place.run("materialize")
    place.expect(4, 5)
    place.apply(expect="\n    expect: [{check: between, column: x, min: 1000, do: drop_row}]")
    place.expect(3, 4)
    place.apply()
    place.expect(4, 5)
    # Of a column that the history lacks nothing is known before files are read again.
    place.apply(columns=", y: int64",
                expect="\n    expect: [{check: not_null, column: y, do: drop_row}]")
    place.expect(4, 5)


def test_views_share(place):
    """What is read for a view that begins anew is put into the other one's windows."""
    place.run("features", "delete", "--entity", "thing", "--key", "k=A")
    place.apply(fields=", m: count(*) over 30d")
    place.expect(0, 0)
    place.run("materialize", "--incremental")
    place.expect(3, 4)


def test_another_source(place):
    """A column more or less takes nothing away; where events are others, pushes alone are not
    taken for all there is."""
    assert place.server.post("/push", {"source": "ev", "row": event(9, 1)}).status == 200
    place.expect(4, 5)
    place.apply(columns=", y: int64")
    place.expect(4, 5)
    place.apply(columns=", y: int64", fields=", y: count(y) over 2h, m: count(*) over 30d, "
                "high: count(*) filter (where y > 6) over 2h")
    names = ("s__n", "s__y", "s__high", "s__m", "l__n")
    place.expect(4, None, None, None, 5, names=names)
    place.run("materialize")
    place.expect(4, 3, 3, 5, 5, names=names)
    place.apply()
    place.expect(4, 5)
    for change in ({"files": "other.jsonl"}, {"time": "u"}):
        place.apply(**change)
        place.expect(None, None)
        status = place.server.get("/v1/features/s?k=A").json["features"]["s__n"]["status"]
        assert status == "NOT_FOUND"
    place.run("materialize", "--incremental")
    place.expect(4, 5)


def test_another_type(tmp_path):
    """What cannot be read as a column is now is not known, and nothing is wrong with that."""
    place = Place(tmp_path, push="false")
    for kind, is_known in (("string", False), ("int64", False), ("float64", True)):
        place.apply(x=kind)
        assert place.values()[0] == (3 if is_known else None)
        place.restart()
        place.run("materialize", "--incremental", "--view", "short")
        place.expect(3, 4)
    assert place.server.stop() == 0


def test_what_was_told_is_gone(place):
    """Files that are as they were are read again all the same."""
    shutil.rmtree(place.state / "history")
    place.restart()
    assert place.values() == [0, 0]
    place.run("materialize", "--incremental")
    place.expect(3, 4)


def rows_on_the_disk(place, text):
    return [path for path in (place.state / "history").rglob("*")
            if path.is_file() and text in path.read_bytes()]


@pytest.mark.parametrize("change", [{"columns": ", y: int64"}, {"files": "other.jsonl"},
                                    {"time": "u"}, {"key": "kk"}, {"x": "string"}])
def test_deleted_under_other_definitions(tmp_path, change):
    """What files told under the definitions before is deleted, too."""
    place = Place(tmp_path, push="false" if "x" in change else "true")
    place.write([event(1, 100, "SECRET"), event(2, 50)])
    place.run("materialize")
    assert rows_on_the_disk(place, b"SECRET")
    place.apply(**change)
    place.write([event(2, 50)])
    place.write([event(2, 50)], "other.jsonl")
    place.run("features", "delete", "--entity", "thing", "--key",
              f"{change.get('key', 'k')}=SECRET")
    assert not rows_on_the_disk(place, b"SECRET")
    place.apply()
    is_whole = "key" not in change and "x" not in change  # could be searched for it
    place.expect(*([0, 0] if is_whole else [None, None]), key="SECRET")
    place.run("materialize", "--incremental")
    place.expect(0, 0, key="SECRET")
    place.expect(1, 1)
    assert place.server.stop() == 0

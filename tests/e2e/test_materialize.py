# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex materialize` brings what is applied to the online store, tells what it did, and
goes on after kill -9; it says what is wrong with what it is asked for.

Method: the command on two small sources, alone and beside a server, whose metrics tell what it
has. A limit of rows a second holds it behind the first view, where it is killed. What comes to the
store is compared in tests/unit/pipeline/test_materialize_views.c.
"""

import datetime
import fcntl
import json
import os
import shutil
import signal
import subprocess

import pytest

from conftest import Server
from history import wait_for

DEFINITIONS = """\
auspex: 1
entities: {thing: {keys: {k: string}}}
sources:
  a: {files: a.csv, time: t, event_id: [k], columns: {k: string, t: timestamp, x: int64}}
  b: {files: b.csv, time: none, columns: {k: string, s: string}}
views:
  numbers: {entity: thing, source: a, fields: {x: x}}
  sums: {entity: thing, source: a, fields: {sum: sum(x) over 1h}}
  texts: {entity: thing, source: b, fields: {s: s}}
  past: {entity: thing, source: a, online: false, fields: {x: x}}
services: {sum: {features: [{view: sums}]}}
"""


def command(folder, *options):
    return [os.environ["AX_BINARY"], "materialize", "--state", str(folder / "state"), "--quiet",
            *options]


def run(folder, *options):
    return subprocess.run(command(folder, *options), capture_output=True, text=True, timeout=120,
                          check=False)


def results(done):
    assert done.returncode == 0, done.stderr
    return {line["view"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    for name, text in [("f.yaml", DEFINITIONS), ("b.csv", "k,s\nA,one\nB,two\n"),
                       ("a.csv", "k,t,x\n" + "".join(f"K{i},2024-01-01,1\n" for i in range(500)))]:
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run([os.environ["AX_BINARY"], "apply", "--state", str(tmp_path / "state"),
                    str(tmp_path)], check=True, capture_output=True)
    return tmp_path


def test_kill(folder):
    with subprocess.Popen(command(folder, "--rate=1"), stdout=subprocess.PIPE, text=True) as slow:
        assert slow.stdout.readline().startswith("numbers: 500 rows read; 500 keys: 500 written, ")
        slow.send_signal(signal.SIGKILL)
    done = results(run(folder, "--json"))
    assert list(done) == ["numbers", "sums", "texts"]
    assert done["numbers"] == {"view": "numbers", "outcome": "done before"}
    assert done["sums"]["outcome"] in ("done", "done before")
    assert done["texts"]["written"] == done["texts"]["keys"] == done["texts"]["read"] == 2
    again = results(run(folder, "--json", "--incremental"))
    assert again["numbers"]["keys"] == again["texts"]["keys"] == 0


ALL = {"feature_views": ["numbers", "sums", "texts"]}
END = {"end_ts": "2024-06-01T00:00:00"}
TIMES = {"start_ts": "2024-01-01T00:00:00+00:00", **END}


def ask_beside_it(server):
    """Two that are not waited for, of which the second one is queued behind what runs."""
    return [server.post("/materialize-incremental?async=true", END),
            server.post("/materialize?async=true&force=1", TIMES)]


def asked_by_http(folder, server):
    done = server.post("/materialize", {**TIMES, "feature_views": ["numbers"], "version": None})
    assert (done.status, done.json) == (200, None), done.body
    every = {"disable_event_timestamp": True, "feature_views": []}
    assert server.post("/materialize", every).json is None
    done = server.post("/materialize-incremental", {**END, **ALL})
    assert (done.status, done.json) == (200, None), done.body
    told = [line for line in server.lines if 'event="a job tells"' in line]
    assert any("who=HTTP" in line and "numbers: 500 rows read" in line for line in told), told
    for body, status, message in [
            ({}, 422, "'start_ts' must be a time"), ("x", 422, "must be an object"),
            ({"start_ts": "2025-01-01", **END}, 422, "'start_ts' is later than 'end_ts'"),
            ({"start_ts": "2999-01-01", "end_ts": "2999-01-02"}, 422, "'start_ts' lies ahead"),
            ({**TIMES, "feature_views": "numbers"}, 422, "an array of names"),
            ({**TIMES, "feature_views": ["number"]}, 404, "nearest is 'numbers'"),
            ({**TIMES, "feature_views": ["sums"] * 5}, 422, "more names than there are views"),
            ({**TIMES, "feature_views": ["sums", "past"]}, 422, "view 'past' is not online"),
            ({**TIMES, "version": "v2"}, 422, "'version'")]:
        refused = server.post("/materialize", body)
        assert refused.status == status and message in refused.json, (body, refused.body)
    assert server.post("/materialize?async=maybe", TIMES).status == 422
    (folder / "b.csv").rename(folder / "c.csv")
    refused = server.post("/materialize", {**TIMES, "feature_views": ["texts"]})
    assert refused.status == 422 and '"FeastError' in refused.json.replace("\\", ""), refused.body
    assert "there is no file" in refused.json
    (folder / "c.csv").rename(folder / "b.csv")


def windows_are_filled(folder, server):
    """Nothing is known of windows before their rows were read."""
    path = "/v1/features/sum?k=K7&at=2024-01-01T00:30:00Z"
    assert server.get(path).json["features"]["sum"]["status"] == "NOT_FOUND"
    done = results(run(folder, "--json", "--view=sums", "--to=2024-01-01T01:00:00Z"))
    assert done["sums"]["events"] == done["sums"]["written"] == 500
    found = server.get(path).json["features"]["sum"]
    assert (found["status"], found["value"]) == ("PRESENT", 1)
    done = results(run(folder, "--json", "--view=sums", "--from=2024-01-01"))
    assert done["sums"] == {"view": "sums", "outcome": "windows: not with --from"}


def test_server(folder):
    (folder / "models").mkdir()
    server = Server(folder / "models", "--state", str(folder / "state"), "--threads", "1",
                    "--clock", "replay")
    done = run(folder)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("numbers: 500 rows read; 500 keys: 500 written, ")
    assert results(run(folder, "--json", "--dry-run"))["texts"]["keys"] == 2
    windows_are_filled(folder, server)
    assert server.metrics()["ax_online_rows"] == 502
    assert server.metrics()["ax_online_written_total"] == 502
    with subprocess.Popen(command(folder, "--rate=1"), stdout=subprocess.PIPE, text=True) as slow:
        assert slow.stdout.readline().startswith("numbers: ")
        answers = ask_beside_it(server)
        slow.send_signal(signal.SIGINT)
        assert slow.wait(60) == 130
    refused, forced = answers
    assert refused.status == 409 and refused.json["feature_views"] == ALL["feature_views"]
    assert "materialize of process" in refused.json["error"]
    assert (forced.status, forced.json) == (202, {"status": "accepted", **ALL})
    done = results(run(folder, "--json"))
    assert done["numbers"]["outcome"] == "done before" and done["texts"]["stale"] == 0
    assert run(folder, "--view=number").returncode == 4
    asked_by_http(folder, server)
    (folder / "b.csv").write_text("k,s\nB,zwei\n", encoding="utf-8")
    done = results(run(folder, "--json", "--rebuild", "--view=texts"))
    assert done["texts"]["written"] == done["texts"]["keys"] == 1
    assert server.metrics()["ax_online_rows"] == 501
    server.stop()


def due(server):
    return server.metrics().get("ax_schedule_due_timestamp_seconds", view="texts")


def test_every(folder):
    """A view that was never done is done at once, and not again after a restart, but when the store
    was lost; its schedule is no part of what it means."""
    (folder / "models").mkdir()
    definitions = (folder / "f.yaml").read_text("utf-8")
    (folder / "f.yaml").write_text(definitions.replace("source: b,", "source: b, every: 1h,"),
                                   encoding="utf-8")
    server = Server(folder / "models", "--state", str(folder / "state"), "--threads", "1")
    subprocess.run([os.environ["AX_BINARY"], "apply", "--state", str(folder / "state"),
                    str(folder)], check=True, capture_output=True)
    at = wait_for(lambda: due(server))
    assert server.metrics()["ax_online_written_total"] == 2
    assert 0 < at - os.stat(folder / "f.yaml").st_mtime < 7200
    shown = subprocess.run([os.environ["AX_BINARY"], "features", "show", "--state",
                            str(folder / "state"), "view:texts", "--json"], check=True,
                           capture_output=True, text=True)
    next_at = datetime.datetime.fromisoformat(json.loads(shown.stdout)["next"])
    assert next_at.timestamp() == pytest.approx(at, abs=0.001)
    assert server.stop() == 0
    server = Server(folder / "models", "--state", str(folder / "state"), "--threads", "1")
    wait_for(lambda: due(server) == at)
    assert server.metrics()["ax_online_written_total"] == 0
    assert server.stop() == 0
    assert not any("made anew" in line for line in server.lines)
    shutil.rmtree(folder / "state/online")
    server = Server(folder / "models", "--state", str(folder / "state"), "--threads", "1")
    wait_for(lambda: any("the online store was made anew" in line for line in server.lines))
    wait_for(lambda: server.metrics()["ax_online_written_total"] == 2)
    assert server.stop() == 0


STATES = """\
auspex: 1
entities: {thing: {keys: {k: string}}}
sources: {s: {files: s.csv, time: t, push: %s,
              columns: {k: string, t: timestamp, x: int64, w: int64}}}
views: {states: {entity: thing, source: s, fields: {x: x%s}}}
services: {states: {features: [{view: states}]}}
"""


def apply_states(folder, is_pushed, fields):
    (folder / "f.yaml").write_text(STATES % (is_pushed, fields), encoding="utf-8")
    subprocess.run([os.environ["AX_BINARY"], "apply", "--check=false", "--state",
                    str(folder / "state"), str(folder)], check=True, capture_output=True)


def test_pushed_from_now_on(tmp_path):
    """What was materialised before its source was pushed lacks nothing."""
    (tmp_path / "models").mkdir()
    (tmp_path / "s.csv").write_text("k,t,x,w\nA,2024-01-01,1,9\n", encoding="utf-8")
    apply_states(tmp_path, "false", ", w: w")
    assert results(run(tmp_path, "--json"))["states"]["written"] == 1
    apply_states(tmp_path, "true", ", w: w")
    server = Server(tmp_path / "models", "--state", str(tmp_path / "state"), "--threads", "1")
    row = {"source": "s", "row": {"k": "A", "t": "2024-01-02", "x": 2}}
    assert server.post("/push", row).json["written"] == 1
    assert server.stop() == 0


def test_what_files_know_better(tmp_path):
    """A row that leaves out a field that an apply added, or anything after the store was lost, is
    refused until the view is materialised, and not after kill -9 behind that."""
    (tmp_path / "models").mkdir()
    (tmp_path / "s.csv").write_text("k,t,x,w\nA,2024-01-01,1,9\n", encoding="utf-8")
    apply_states(tmp_path, "true", "")
    assert results(run(tmp_path, "--json"))["states"]["written"] == 1
    apply_states(tmp_path, "true", ", w: w")
    row = {"source": "s", "row": {"k": "A", "t": "2024-01-02", "x": 2}}
    server = Server(tmp_path / "models", "--state", str(tmp_path / "state"), "--threads", "1")
    refused = server.post("/push", row)
    assert refused.status == 503 and "'auspex materialize --view states'" in refused.json["error"]
    assert int(refused.headers["retry-after"]) > 0
    assert results(run(tmp_path, "--json", "--incremental"))["states"]["written"] == 1
    server.stop(signal.SIGKILL)
    server = Server(tmp_path / "models", "--state", str(tmp_path / "state"), "--threads", "1")
    assert server.post("/push", row).json["written"] == 1
    features = server.get("/v1/features/states?k=A").json["features"]
    assert [features[name]["value"] for name in "xw"] == [2, 9]
    assert server.stop() == 0
    shutil.rmtree(tmp_path / "state/online")
    server = Server(tmp_path / "models", "--state", str(tmp_path / "state"), "--threads", "1")
    assert server.post("/push", row).status == 503
    assert server.stop() == 0


def test_refused(folder):
    done = run(folder, "--view=number")
    assert done.returncode == 4 and "nearest is 'numbers'" in done.stderr
    for wrong in (["--from=soon"], ["--from=2024-01-01", "--incremental"],
                  ["--rebuild", "--incremental"], ["--from=2024-01-02", "--to=2024-01-01"],
                  ["--from=2998-01-01", "--to=2999-01-01"]):
        assert run(folder, *wrong).returncode == 2
    assert run(folder, "--state=none").returncode == 4 and not (folder / "none").exists()
    (folder / "b.csv").unlink()
    done = run(folder, "--view=texts", "--view=numbers")
    assert done.returncode == 4 and "numbers: 500 rows read" in done.stdout
    assert "texts: failed: " in done.stdout and "b.csv" in done.stdout
    # What another view has failed with is no reason to leave out what is new.
    with open(folder / "a.csv", "a", encoding="utf-8") as more:
        more.write("more,2024-01-02,2\nlater,2999-01-01,3\n")
    done = run(folder, "--view=texts", "--view=numbers", "--to=2999-01-01")
    assert "numbers: 502 rows read; 501 keys: 501 written" in done.stdout
    assert "--to lies ahead of now" in done.stderr
    with open(folder / "state/lock", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(folder).returncode == 5

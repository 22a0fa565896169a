# SPDX-License-Identifier: Apache-2.0
"""Goal: while versions come, fail, leave and come back, each request is counted once, on the version
that it asked for where that has an account; what is gone stays in the sums; the series are bounded.

Method: small rules models in a folder of the test's own, which is changed under a server; what was
asked is counted here, and all that the server says of itself must agree with it.
"""

import signal
import time

import pytest

from accounts import assert_accounts_agree, assert_accounts_equal, codes_of, counted, totals
from conftest import RULES, Server

pytestmark = pytest.mark.threads

ROW = {"rows": [{"dep_delay": 40}]}


def add_version(folder, model, version, text=RULES):
    path = folder / model / str(version)
    path.mkdir(parents=True)
    (path / "rules.yaml").write_text(text, encoding="utf-8")
    return path


def rescan(server, seconds=10):
    """Have the folder read again, and wait until nothing is on its way."""
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + seconds
    time.sleep(0.2)
    while time.monotonic() < end:
        states = states_of(server.metrics())
        if not {"loading", "warming", "draining"} & set(states.values()):
            return
        time.sleep(0.05)
    raise AssertionError(f"not settled: {states}")


def states_of(metrics):
    family = metrics.families.get("ax_model_state")
    return {(s.labels["model"], s.labels["version"]): s.labels["state"]
            for s in (family.samples if family else [])}


def ask(server, model, count=1, version=None):
    path = f"/v1/models/{model}/predict"
    body = ROW if version is None else {**ROW, "version": version}
    with server.wire() as wire:
        return [wire.request("POST", path, body).status for _ in range(count)]


def test_a_version_that_failed_has_an_account(tmp_path):
    add_version(tmp_path, "good", 1)
    add_version(tmp_path, "bad", 1, "rules: nonsense\n")
    one = Server(tmp_path, "--threads", "1")
    assert ask(one, "good", 3) == [200] * 3
    assert ask(one, "bad", 2) == [503] * 2
    assert ask(one, "none", 1) == [404]
    body = {"models": ["good", "bad", "none"], "rows": [{}]}
    assert one.post("/v1/predict", body).status == 200
    metrics = one.metrics()
    assert codes_of(metrics) == {("good", "1", "OK"): 4, ("bad", "1", "UNAVAILABLE"): 3,
                                 ("", "", "NOT_FOUND"): 2}
    assert counted(metrics, "ax_model_hits_total") == {("good", "1"): 4}
    assert counted(metrics, "ax_model_misses_total") == {("bad", "1"): 3}
    assert counted(metrics, "ax_model_loads_total") == {("good", "1"): 1}
    assert counted(metrics, "ax_model_load_failures_total") == {("bad", "1"): 1}
    assert states_of(metrics) == {("good", "1"): "ready", ("bad", "1"): "failed"}
    assert metrics.get("ax_model_versions", state="ready") == 1
    assert metrics.get("ax_model_versions", state="failed") == 1
    assert metrics.get("ax_model_resident_bytes", model="good", version="1") > 0
    assert metrics.get("ax_model_load_seconds", model="good", version="1") > 0
    assert metrics["ax_model_load_duration_seconds_count"] == 1
    assert_accounts_equal(one, {"success": 4, "failed": 2, "rejected": 3})


def test_versions_without_room_share_series(tmp_path):
    for i in range(6):
        add_version(tmp_path, f"m{i}", 1)
    one = Server(tmp_path, "--threads", "1", "--metric-versions-max", "2", "--load-threads", "1")
    for i in range(6):
        assert ask(one, f"m{i}", i + 1) == [200] * (i + 1)
    accounts = assert_accounts_agree(one)
    assert len(accounts) == 3 and ("_other", "") in accounts
    assert totals(accounts)["success"] == 21
    states = states_of(one.metrics())
    assert len(states) == 2 and one.metrics().get("ax_model_versions", state="ready") == 6
    shared = next(m for m in (f"m{i}" for i in range(6)) if (m, "1") not in states)
    told = one.get(f"/v2/models/{shared}/stats").json["model_stats"]
    assert [s["shared"] for s in told] == [True]
    assert told[0]["requests"]["success"] == accounts["_other", ""]["success"]
    assert_accounts_equal(one, 21)

# SPDX-License-Identifier: Apache-2.0
"""Goal: while versions come, fail, leave and come back, each request is counted once, on the
version that it asked for where that has an account; what is gone stays in the sums; the series are
bounded.

Method: small rules models in a folder of the test's own, which is changed under a server; what was
asked is counted here, and all that the server says of itself must agree with it.
"""

import shutil
import signal
import time

import pytest

from accounts import assert_accounts_agree, assert_accounts_equal, codes_of, counted, totals
from conftest import RULES, Server, request

pytestmark = pytest.mark.threads

ROW = {"rows": [{"dep_delay": 40}]}


def add_version(folder, model, version, text=RULES):
    path = folder / model / str(version)
    path.mkdir(parents=True)
    (path / "rules.yaml").write_text(text, encoding="utf-8")
    return path


def rescan(server, settled, seconds=30):
    """Have the folder read again, and wait until the metrics are as they are to become."""
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + seconds
    while not settled(metrics := server.metrics()):
        assert time.monotonic() < end, states_of(metrics)
        time.sleep(0.02)


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


def test_what_leaves_stays_in_the_sums(tmp_path):
    """A version whose folder goes loses its series, and nothing is lost of what it counted."""
    add_version(tmp_path, "goes", 1)
    add_version(tmp_path, "stays", 1)
    one = Server(tmp_path, "--threads", "1")
    lines = len(one.get("/metrics").body.splitlines())
    for i in range(3):
        assert ask(one, "goes", 5) == [200] * 5
        assert ask(one, "stays", 2) == [200] * 2
        before = assert_accounts_agree(one)
        assert before["goes", "1"] == {"success": 5}
        shutil.rmtree(tmp_path / "goes")
        rescan(one, lambda m: ("goes", "1") not in states_of(m))
        accounts = assert_accounts_agree(one)
        assert ("goes", "1") not in accounts
        assert accounts["_gone", ""] == {"success": 5 * (i + 1)}
        assert totals(accounts) == totals(before)
        assert ask(one, "goes") == [404]
        add_version(tmp_path, "goes", 1)
        rescan(one, lambda m: states_of(m).get(("goes", "1")) == "ready")
    # Its series are as many as before, and those of _gone were added once, and no state.
    assert len(one.get("/metrics").body.splitlines()) < 2 * lines
    metrics = one.metrics()
    assert counted(metrics, "ax_model_loads_total") == {("stays", "1"): 1, ("_gone", ""): 3,
                                                        ("goes", "1"): 1}
    assert_accounts_equal(one, 3 * 8)


def test_a_reload_goes_on_counting(tmp_path):
    """The same version with other files, and one that failed to be replaced."""
    path = add_version(tmp_path, "m", 1) / "rules.yaml"

    def tries(metrics):
        return sum(counted(metrics, f"ax_model_{k}_total").get(("m", "1"), 0)
                   for k in ("loads", "load_failures"))
    one = Server(tmp_path, "--threads", "1")
    for i in range(4):
        assert ask(one, "m", 3) == [200] * 3
        text = "rules: nonsense\n" if i % 2 else RULES.replace("0.9", f"0.{i + 1}")
        path.write_text(text, encoding="utf-8")
        rescan(one, lambda m: tries(m) == i + 2)  # pylint: disable=W0640
    assert ask(one, "m", 3) == [200] * 3
    accounts = assert_accounts_agree(one)
    assert accounts == {("m", "1"): {"success": 15}}
    metrics = one.metrics()
    assert counted(metrics, "ax_model_loads_total") == {("m", "1"): 3}
    assert counted(metrics, "ax_model_load_failures_total") == {("m", "1"): 2}
    assert_accounts_equal(one, 15)


def test_a_replaced_version_leaves(tmp_path):
    """latest: 1, and a new one each time: the series are those of one version and of the gone."""
    add_version(tmp_path, "m", 1)
    one = Server(tmp_path, "--threads", "1", "--version-policy", "latest:1")
    for i in range(2, 8):
        assert ask(one, "m", 2) == [200] * 2
        add_version(tmp_path, "m", i)
        rescan(one, lambda m: states_of(m) == {("m", str(i)): "ready"})  # pylint: disable=W0640
    assert ask(one, "m", 2) == [200] * 2
    metrics = one.metrics()
    assert {k for k in states_of(metrics)} == {("m", "7")}
    assert metrics.get("ax_model_versions", state="unloaded") == 6
    accounts = assert_accounts_agree(one)
    assert accounts == {("m", "7"): {"success": 2}, ("_gone", ""): {"success": 12}}
    assert_accounts_equal(one, 14)


def test_waiting_for_a_cold_version(tmp_path):
    """Whoever waits is counted where the version is, as a miss, once, and loads it once."""
    add_version(tmp_path, "cold", 1)
    add_version(tmp_path, "bad", 1, "rules: nonsense\n")
    one = Server(tmp_path, "--threads", "1", "--preload", "none")
    wires = [one.wire() for _ in range(20)]
    for wire in wires:
        wire.send(request("POST", "/v1/models/cold/predict", ROW))
    assert [wire.answer().status for wire in wires] == [200] * 20
    for wire in wires:
        wire.socket.close()
    assert ask(one, "cold", 4) == [200] * 4
    assert ask(one, "bad", 3) == [503] * 3
    body = {"models": ["cold", "bad", "none"], "rows": [{}]}
    assert one.post("/v1/predict", body).status == 200
    metrics = one.metrics()
    assert counted(metrics, "ax_model_loads_total") == {("cold", "1"): 1}
    assert counted(metrics, "ax_model_load_failures_total") == {("bad", "1"): 1}
    misses = counted(metrics, "ax_model_misses_total")
    assert 1 <= misses["cold", "1"] <= 20 and misses["bad", "1"] == 4
    # The gauge is set when the round that told them ends, a moment behind their answers.
    for _ in range(500):
        if one.metrics()["ax_model_waiting_requests"] == 0:
            break
        time.sleep(0.02)
    assert one.metrics()["ax_model_waiting_requests"] == 0
    accounts = assert_accounts_agree(one)
    assert accounts == {("cold", "1"): {"success": 25}, ("bad", "1"): {"rejected": 4},
                        ("", ""): {"failed": 1}}
    assert_accounts_equal(one, 30)


def test_unloaded_by_request(tmp_path):
    """An account lives on while its version is only unloaded."""
    add_version(tmp_path, "m", 1)
    one = Server(tmp_path, "--threads", "1", "--model-control", "explicit")
    for i in range(3):
        assert ask(one, "m", 2) == [200] * 2
        assert one.post("/v2/repository/models/m/unload").status == 200
        assert set(ask(one, "m", 2)) <= {404, 503}
        assert one.post("/v2/repository/models/m/load").status == 200
    accounts = assert_accounts_agree(one)
    assert accounts["m", "1"]["success"] == 6 and ("_gone", "") not in accounts
    assert counted(one.metrics(), "ax_model_loads_total") == {("m", "1"): 4}
    assert_accounts_equal(one, 12)


def test_driven_out_and_back(tmp_path):
    """Memory for two of six: whoever is driven out keeps its account, and comes back."""
    names = [f"m{i}" for i in range(6)]
    for name in names:
        add_version(tmp_path, name, 1)
    one = Server(tmp_path, "--threads", "1")
    sizes = counted(one.metrics(), "ax_model_resident_bytes")
    assert set(sizes) == {(name, "1") for name in names}
    assert_accounts_equal(one, 0)
    limit = int(2.5 * max(sizes.values()))
    one = Server(tmp_path, "--threads", "1", "--model-memory-max", str(limit))
    for _ in range(3):
        for name in names:
            assert ask(one, name, 2) == [200] * 2
    metrics = one.metrics()
    assert metrics["ax_model_memory_limit_bytes"] == limit
    assert 0 < metrics["ax_model_memory_bytes"] <= limit
    loads, evictions = (counted(metrics, f"ax_model_{k}_total") for k in ("loads", "evictions"))
    assert all(loads[name, "1"] > 1 for name in names)
    ready = [k for k, state in states_of(metrics).items() if state == "ready"]
    assert 1 <= len(ready) <= 2
    for names_of, count in loads.items():
        assert count - evictions.get(names_of, 0) == (names_of in ready)
    accounts = assert_accounts_agree(one)
    assert accounts == {(name, "1"): {"success": 6} for name in names}
    assert_accounts_equal(one, 36)

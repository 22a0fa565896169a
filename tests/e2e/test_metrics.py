# SPDX-License-Identifier: Apache-2.0
"""Goal: /metrics is Prometheus text and its counters are exact after known traffic.

Method: prometheus_client's parser, a server of one thread with fresh counters, traffic that is
counted here.
"""

import time

import pytest

from conftest import FEATURES, Server, column, request, tensor

ROW = [0.25] * FEATURES


def requests_of(metrics):
    return {(s.labels["model"], s.labels["version"], s.labels["code"]): s.value
            for s in metrics.families["ax_requests"].samples if s.value}


def test_families_are_described(server):
    answer = server.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = server.metrics().families
    for name, kind in [("ax_requests", "counter"), ("ax_rows", "counter"),
                       ("ax_batches", "counter"), ("ax_request_duration_seconds", "histogram"),
                       ("ax_predict_duration_seconds", "histogram"), ("ax_build_info", "gauge"),
                       ("process_resident_memory_bytes", "gauge"), ("process_open_fds", "gauge"),
                       ("process_cpu_seconds", "counter"),
                       ("process_start_time_seconds", "gauge")]:
        assert families[name].type == kind and families[name].documentation


def test_process_values(server):
    before = server.metrics()
    assert before["process_resident_memory_bytes"] > 1 << 20
    wires = [server.wire() for _ in range(20)]
    assert all(w.request("GET", "/v2/health/live").status == 200 for w in wires)
    assert server.metrics()["process_open_fds"] >= before["process_open_fds"] + 20
    for wire in wires:
        wire.socket.close()


def test_counters_are_exact(single):
    for _ in range(5):
        assert single.infer("binary", tensor([ROW] * 3)).status == 200
    assert single.post("/v2/models/binary/versions/1/infer",
                       {"inputs": [tensor([ROW])]}).status == 200
    assert single.predict("binary", {}, {}).status == 200
    assert single.infer("value", tensor([ROW])).status == 200
    assert single.infer("value", tensor([])).status == 400
    assert single.infer("value", tensor([ROW], "FP16")).status == 400
    assert single.infer("value", dict(tensor([ROW]),
                                      parameters={"shared_memory_region": "x"})).status == 501
    assert single.post("/v2/models/value/infer", {"inputs": []},
                       ["inference-header-content-length: 5"]).status == 400
    for name in ("nothing", 'x",y="z', "%0A"):
        assert single.post(f"/v2/models/{name}/infer", {}).status == 404
    assert single.post("/v2/models/value/versions/9/infer", {}).status == 404
    metrics = single.metrics()
    assert requests_of(metrics) == {
        ("binary", "2", "OK"): 6, ("binary", "1", "OK"): 1, ("value", "1", "OK"): 1,
        ("value", "1", "INVALID"): 3, ("value", "1", "UNSUPPORTED"): 1, ("", "", "NOT_FOUND"): 4}
    assert metrics.get("ax_rows_total", model="binary", version="2") == 17
    assert metrics.get("ax_rows_total", model="binary", version="1") == 1
    assert metrics.get("ax_rows_total", model="value", version="1") == 1
    # Several rows are cut where a call took long.
    assert 6 <= metrics.get("ax_batches_total", model="binary", version="2") <= 17
    assert metrics.get("ax_batches_total", model="binary", version="1") == 1
    for name, count in [("ax_request_duration_seconds_count", 6),
                        ("ax_predict_duration_seconds_count", 6)]:
        assert metrics.get(name, model="binary", version="2") == count


def test_labels_never_come_from_requests(single):
    lines = len(single.get("/metrics").body.splitlines())
    for i in range(50):
        assert single.post(f"/v2/models/m{i}/infer", {}).status == 404
    assert len(single.get("/metrics").body.splitlines()) == lines


@pytest.mark.parametrize("path, good, body", [
    ("/v2/models/binary/infer", "INVALID", {"inputs": []}),
    ("/v1/models/binary/predict", "INVALID", {})])
def test_refusals_score_nothing(single, path, good, body):
    assert single.post(path, body).status == 400
    metrics = single.metrics()
    assert metrics.get("ax_requests_total", model="binary", version="2", code=good) == 1
    assert metrics.get("ax_batches_total", model="binary", version="2") == 0
    assert metrics.get("ax_rows_total", model="binary", version="2") == 0


def test_one_wake_up_is_one_batch(single, boosters):
    rows = [[i / 100 - 0.5] * FEATURES for i in range(100)]
    with single.wire() as wire:
        assert wire.request("GET", "/v2/health/live").status == 200
        wire.send(b"".join(request("POST", "/v2/models/binary/infer", {"inputs": [tensor([r])]})
                           for r in rows))
        answers = [wire.answer() for _ in rows]
    got = [a.json["outputs"][0]["data"][0] for a in answers]
    right = boosters["binary"].predict(rows)[:, 0]
    assert all(abs(g - r) <= 1e-6 * r for g, r in zip(got, right))
    metrics = single.metrics()
    assert metrics.get("ax_requests_total", model="binary", version="2", code="OK") == 100
    assert metrics.get("ax_rows_total", model="binary", version="2") == 100
    # A segment or two of the kernel's making.
    assert 1 <= metrics.get("ax_batches_total", model="binary", version="2") <= 10


def test_joined_requests_keep_apart(single):
    """Different models, outputs, numbers of rows, and missing values, in one wake-up."""
    alone = []
    bodies = []
    for i in range(60):
        if i % 3 == 0:
            wanted = [["prediction"], ["margin"], ["margin", "prediction"]][i // 3 % 3]
            bodies.append(("binary", {"inputs": [tensor([[i / 60] * FEATURES] * (i % 4))]
                                      if i % 4 else [tensor([], shape=[0, FEATURES])],
                                      "outputs": [{"name": n} for n in wanted], "id": str(i)}))
        elif i % 3 == 1:
            bodies.append(("rules", {"inputs": [
                column("stops", "INT64", [None, 2, None][:i % 3 + 1]),
                column("night", "BOOL", [True, None, None][:i % 3 + 1]),
                column("carrier", "BYTES", [None, "UA", "AA"][:i % 3 + 1]),
                column("dep_delay", "FP64", [31, None, 31][:i % 3 + 1])]}))
        else:
            bodies.append(("classes", {"inputs": [tensor([[i / 60] * FEATURES])],
                                       "outputs": [{"name": "label"}]}))
    with single.wire() as wire:
        for model, body in bodies:
            alone.append(wire.request("POST", f"/v2/models/{model}/infer", body))
        assert all(a.status == 200 for a in alone), [a.body for a in alone if a.status != 200]
        wire.send(b"".join(request("POST", f"/v2/models/{m}/infer", b) for m, b in bodies))
        for one in alone:
            assert wire.answer().json == one.json


def test_a_bad_one_does_not_spoil_the_others(single):
    good = request("POST", "/v2/models/binary/infer", {"inputs": [tensor([ROW])]})
    bad = request("POST", "/v2/models/binary/infer", {"inputs": [tensor([ROW[1:]])]})
    with single.wire() as wire:
        wire.send((good + bad) * 20)
        assert [wire.answer().status for _ in range(40)] == [200, 400] * 20


def waits_of(server):
    metrics = server.metrics()
    return {kind: metrics.get("ax_http_waits_total", kind=kind) for kind in ("polled", "slept")}


def ask_in_turn(server, count):
    with server.wire() as wire:
        for _ in range(count):
            assert wire.request("GET", "/v2/health/live").status == 200


def test_without_busy_polling_a_thread_sleeps(models):
    one = Server(models, "--threads", "1")
    ask_in_turn(one, 200)
    waits = waits_of(one)
    one.stop()
    assert waits["polled"] == 0 and waits["slept"] >= 100


def test_busy_polling_bridges_short_pauses_and_ends_in_long_ones(models):
    one = Server(models, "--threads", "1", "--busy-poll-us", "1000")
    # On a busy machine many pauses are longer.
    for _ in range(20):
        ask_in_turn(one, 500)
        waits = waits_of(one)
        if waits["polled"] >= 50:
            break
    idle_began = one.metrics()["process_cpu_seconds_total"]
    time.sleep(2)
    idle_used = one.metrics()["process_cpu_seconds_total"] - idle_began
    one.stop()
    assert waits["polled"] >= 50
    assert idle_used < 1

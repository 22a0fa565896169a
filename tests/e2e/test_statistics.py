# SPDX-License-Identifier: Apache-2.0
"""Goal: the statistics extension tells exactly what happened, in Triton's form, and agrees with
/metrics under both kinds of names.

Method: a server of one thread with fresh counters, traffic that is counted here; differences of two
readings, as perf_analyzer takes them.
"""

import time

import pytest

from conftest import FEATURES, request, tensor

pytestmark = pytest.mark.threads

ROW = [0.25] * FEATURES
DURATIONS = {"success", "fail", "queue", "compute_input", "compute_infer", "compute_output",
             "cache_hit", "cache_miss"}
BATCH_DURATIONS = {"compute_input", "compute_infer", "compute_output"}


def stats(server, path="/v2/models/stats"):
    answer = server.get(path)
    assert answer.status == 200
    return {(s["name"], s["version"]): s for s in answer.json["model_stats"]}


def test_form(server, models):
    versions = {(f.parent.name, f.name) for f in models.glob("*/*")}
    every = stats(server)
    assert set(every) == versions
    for one in every.values():
        assert set(one) == {"name", "version", "last_inference", "inference_count",
                            "execution_count", "inference_stats", "response_stats", "batch_stats",
                            "memory_usage", "requests"}
        assert set(one["inference_stats"]) == DURATIONS
        assert all(set(d) == {"count", "ns"} for d in one["inference_stats"].values())
        for batch in one["batch_stats"]:
            assert set(batch) == BATCH_DURATIONS | {"batch_size"}
        assert (one["response_stats"], one["memory_usage"]) == ({}, [])


def test_paths(single):
    every = stats(single)
    assert set(stats(single, "/v2/models/binary/stats")) == {k for k in every if k[0] == "binary"}
    assert set(stats(single, "/v2/models/binary/versions/1/stats")) == {("binary", "1")}
    for path in ("/v2/models/none/stats", "/v2/models/binary/versions/9/stats"):
        answer = single.get(path)
        assert answer.status == 404 and "is not found" in answer.error
    assert single.post("/v2/models/stats").status == 405
    # The name is a route's, so no model can have it, and none is taken for it.
    assert single.get("/v2/models/stats/ready").status == 404


def test_counts_are_exact(single):
    """A request of one row is one call of the engine; more rows are cut where a call took long."""
    for _ in range(5):
        assert single.infer("binary", tensor([ROW])).status == 200
    assert single.infer("binary", tensor([], shape=[0, FEATURES])).status == 200
    for _ in range(3):
        assert single.infer("binary", tensor([ROW[1:]])).status == 400
    assert single.infer("nothing", tensor([ROW])).status == 404
    answer = single.get("/v2/models/stats").json
    one = next(s for s in answer["model_stats"] if (s["name"], s["version"]) == ("binary", "2"))
    assert (one["inference_count"], one["execution_count"]) == (5, 5)
    of = one["inference_stats"]
    assert (of["success"]["count"], of["fail"]["count"]) == (6, 3)
    assert all(of[k]["count"] == 6 for k in ("queue", "compute_input", "compute_infer",
                                             "compute_output"))
    assert of["cache_hit"] == of["cache_miss"] == {"count": 0, "ns": 0}
    assert one["requests"] == {"received": 9, "success": 6, "failed": 3, "rejected": 0,
                               "cancelled": 0, "in_progress": 0}
    assert [b["batch_size"] for b in one["batch_stats"]] == [1]
    assert all(b[k]["count"] == 5 for b in one["batch_stats"] for k in BATCH_DURATIONS)
    assert answer["no_model"]["requests"]["received"] == 1
    assert answer["no_model"]["requests"]["failed"] == 1
    assert abs(one["last_inference"] / 1000 - time.time()) < 60
    others = [s for s in answer["model_stats"] if s is not one]
    assert all(s["requests"]["received"] == s["last_inference"] == 0 and not s["batch_stats"]
               for s in others)


def test_batch_sizes_add_up(single):
    """Every row is in one call of the engine, and every call in the class of its size."""
    for rows in range(1, 9):
        assert single.infer("binary", tensor([ROW] * rows)).status == 200
    one = stats(single)["binary", "2"]
    calls = {b["batch_size"]: b["compute_infer"]["count"] for b in one["batch_stats"]}
    assert sum(size * count for size, count in calls.items()) == one["inference_count"] == 36
    assert sum(calls.values()) == one["execution_count"] >= 8


@pytest.mark.parametrize("rows", [1, 3000])
def test_times_are_within_the_whole(single, rows):
    """What the parts take is not more than the whole, nor than what the client saw."""
    began = time.monotonic()
    for _ in range(20):
        assert single.infer("binary", tensor([ROW] * rows)).status == 200
    seen_ns = (time.monotonic() - began) * 1e9
    of = stats(single)["binary", "2"]["inference_stats"]
    parts = [of[k]["ns"] for k in ("queue", "compute_input", "compute_infer", "compute_output")]
    assert all(ns > 0 for ns in parts)
    assert sum(parts) <= of["success"]["ns"] <= seen_ns


def test_batches_of_joined_requests(single):
    body = request("POST", "/v2/models/binary/infer", {"inputs": [tensor([ROW])]})
    with single.wire() as wire:
        wire.send(body * 12)
        assert all(wire.answer().status == 200 for _ in range(12))
    one = stats(single)["binary", "2"]
    assert one["inference_count"] == 12 and one["inference_stats"]["success"]["count"] == 12
    calls = {b["batch_size"]: b["compute_infer"]["count"] for b in one["batch_stats"]}
    assert sum(calls.values()) == one["execution_count"] <= 12
    # 9 to 16 rows are one class.
    assert set(calls) <= {1, 2, 3, 4, 5, 6, 7, 8, 16}


def nv(metrics, name, **more):
    """A counter of Triton's; the parser gives it the end that counters should have."""
    labels = {"model": "binary", "version": "2", **more}
    return metrics.get(name + "_total", **labels)


def test_metrics_say_the_same_under_both_names(single):
    for rows in (1, 2, 700):
        assert single.infer("binary", tensor([ROW] * rows)).status == 200
    assert single.infer("binary", tensor([ROW[1:]])).status == 400
    metrics = single.metrics()
    one = stats(single)["binary", "2"]
    of = one["inference_stats"]
    where = {"model": "binary", "version": "2"}
    assert nv(metrics, "nv_inference_request_success") == 3
    assert nv(metrics, "nv_inference_request_failure", reason="OTHER") == 1
    for reason in ("REJECTED", "CANCELED", "BACKEND"):
        assert nv(metrics, "nv_inference_request_failure", reason=reason) == 0
    assert nv(metrics, "nv_inference_count") == metrics.get("ax_rows_total", **where) \
        == one["inference_count"] == 703
    assert nv(metrics, "nv_inference_exec_count") \
        == metrics.get("ax_batches_total", **where) == one["execution_count"]
    assert metrics.get("nv_inference_pending_request_count", **where) == 0
    for part, name in [("success", "request"), ("queue", "queue"),
                       ("compute_input", "compute_input"), ("compute_infer", "compute_infer"),
                       ("compute_output", "compute_output")]:
        assert nv(metrics, f"nv_inference_{name}_duration_us") == of[part]["ns"] // 1000
    assert 0 < metrics.get("nv_model_load_duration_secs", **where) < 60
    for name in metrics.families:
        assert metrics.families[name].documentation


def test_series_of_triton_are_bounded(single):
    """Each version has its series from the start, and requests add none."""
    def count():
        return sum(s.startswith("nv_") for s in single.get("/metrics").body.decode().splitlines())
    before = count()
    assert before == 14 * len(stats(single))
    for i in range(20):
        assert single.infer(f"m{i}", tensor([ROW])).status == 404
    assert count() == before

# SPDX-License-Identifier: Apache-2.0
"""Goal: deadlines, limits and refusals as clients see them, in every protocol, and counted exactly.

Method: a server with one I/O thread. Requests that cannot be in time are sent with their body late,
or ask for more than their deadline allows. Overload is what was sent while the server was stopped,
so that all of it is there at once; what a row of the slow model takes is measured first, and
requests are made so large that none is done before all are read. Statuses, texts and counts are
asserted, and no times.
"""

import contextlib
import os
import signal
import time

import numpy as np
import pytest

from conftest import FEATURES, NAMES, Server, request, tensor, train

ROW = [0.5] * FEATURES
INFER = {"inputs": [tensor([ROW])]}
NAMED = dict(zip(NAMES, ROW))
FORMS = {
    "/v2/models/binary/infer": INFER,
    "/v1/models/binary/predict": {"rows": [NAMED]},
    "/v1/models/binary:predict": {"instances": [ROW]},
    "/v1/models/binary/invocations": {"inputs": [ROW]},
    "/v1/predict": {"models": ["binary"], "rows": [NAMED]},
}
HEADER = "x-request-timeout-ms"


def text_of(answer):
    return answer.json.get("error") or answer.json["message"]


@pytest.mark.parametrize("path", FORMS)
def test_timeout_in_a_header(single, path):
    with single.wire() as wire:
        for value in ("60000", "0", "18446744073709551615"):
            assert wire.request("POST", path, FORMS[path], [f"{HEADER}: {value}"]).status == 200
        for value in ("", "1.5", "-1", "1e3", "18446744073709551616", "soon"):
            answer = wire.request("POST", path, FORMS[path], [f"{HEADER}: {value}"])
            assert answer.status == 400 and "'X-Request-Timeout-Ms' must be" in text_of(answer)
        answer = wire.request("POST", path, FORMS[path], [f"{HEADER}: 9"] * 2)
        assert answer.status == 400 and "once" in text_of(answer)
        # Its time runs from the first byte.
        late = request("POST", path, FORMS[path], [f"{HEADER}: 1"])
        wire.send(late[:30])
        time.sleep(0.05)
        wire.send(late[30:])
        answer = wire.answer()
    if path == "/v1/predict":
        part = answer.json["parts"][0]
        assert answer.status == 200 and part["status"] == 503
        assert part["error"] == "Request timeout expired"
        return
    assert answer.status == 503 and text_of(answer) == "Request timeout expired"
    assert answer.headers["retry-after"] == "1"


def test_the_shortest_timeout_counts(single):
    with single.wire() as wire:
        for milliseconds, microseconds in ((1, 60000000), (60000, 1000)):
            late = request("POST", "/v2/models/binary/infer",
                           {**INFER, "parameters": {"timeout": microseconds}},
                           [f"{HEADER}: {milliseconds}"])
            wire.send(late[:30])
            time.sleep(0.05)
            wire.send(late[30:])
            answer = wire.answer()
            assert answer.status == 503 and answer.error == "Request timeout expired"
    metrics = single.metrics()
    assert metrics.get("ax_refused_total", reason="deadline") == 2
    assert metrics["ax_late_starts_total"] == 0


@pytest.mark.parametrize("path", [p for p in FORMS if p != "/v1/predict"])
def test_refused_without_its_body(single, path):
    """A large body need not be sent for a refusal. What comes of it is thrown away, and the
    connection goes on."""
    length = 1 << 20
    head = request("POST", path, None, [f"{HEADER}: 1", "content-type: application/json"])
    head = head.replace(b"content-length: 0", b"content-length: %d" % length)
    with single.wire() as wire:
        wire.send(head[:30])
        time.sleep(0.05)
        wire.send(head[30:])
        answer = wire.answer()
        assert answer.status == 503 and text_of(answer) == "Request timeout expired"
        wire.send(b" " * length)
        assert wire.request("POST", path, FORMS[path]).status == 200
    metrics = single.metrics()
    assert metrics.get("ax_refused_total", reason="deadline") == 1
    assert metrics.get("ax_requests_total", model="binary", version="2", code="TIMEOUT") == 1
    assert metrics.get("ax_requests_total", model="binary", version="2", code="OK") == 1


def test_default_timeout(models):
    one = Server(models, "--threads", "1", "--request-timeout-ms", "20")
    late = request("POST", "/v2/models/binary/infer", INFER)
    longer = request("POST", "/v2/models/binary/infer", INFER, [f"{HEADER}: 60000"])
    with one.wire() as wire:
        for sent, status in ((late, 503), (longer, 200)):
            wire.send(sent[:30])
            time.sleep(0.1)
            wire.send(sent[30:])
            assert wire.answer().status == status
    assert one.stop() == 0


def test_requests_of_a_model(models):
    """Those that came with the first one are refused, but not those of another version or later."""
    one = Server(models, "--threads", "1", "--model-requests-max", "1")
    with one.wire() as wire:
        for _ in range(3):
            wire.send(request("POST", "/v2/models/binary/infer", INFER) * 5 +
                      request("POST", "/v2/models/value/infer", INFER))
            answers = [wire.answer() for _ in range(6)]
            assert [a.status for a in answers] == [200, 503, 503, 503, 503, 200]
            assert_refused(answers[1:5], "Exceeds maximum queue size")
    metrics = one.metrics()
    assert metrics.get("ax_refused_total", reason="model_requests") == 12
    assert metrics.get("ax_requests_total", model="binary", version="2", code="LIMIT") == 12
    assert metrics.get("ax_requests_total", model="binary", version="2", code="OK") == 3
    assert one.stop() == 0


def test_rows_of_a_request(models):
    """One limit for all models and protocols, named where it refuses, and told to clients."""
    one = Server(models, "--threads", "1", "--request-rows-max", "2")
    bodies = {
        "/v2/models/binary/infer": lambda n: {"inputs": [tensor([ROW] * n)]},
        "/v1/models/value/predict": lambda n: {"rows": [NAMED] * n},
        "/v1/models/binary:predict": lambda n: {"instances": [ROW] * n},
        "/v1/models/binary/invocations": lambda n: {"inputs": [ROW] * n},
    }
    text = "inference request batch-size must be <= 2 (request_rows_max)"
    for path, make in bodies.items():
        assert one.post(path, make(2)).status == 200
        answer = one.post(path, make(3))
        assert answer.status == 400 and text_of(answer) == text
    part = one.post("/v1/predict", {"models": ["binary"], "rows": [NAMED] * 3}).json["parts"][0]
    assert part["status"] == 400 and part["error"] == text
    assert one.get("/v2/models/binary/config").json["max_batch_size"] == 2
    metrics = one.metrics()
    assert metrics.get("ax_refused_total", reason="request_rows") == 5
    assert metrics.get("ax_requests_total", model="binary", version="2", code="INVALID") == 4
    assert one.stop() == 0


def test_time_in_the_queue(models):
    """Each request that was answered with scores is in the histogram of its priority."""
    one = Server(models, "--threads", "1", "--priority-levels", "3")
    for priority in (1, 1, 2, 3, 3, 3, 0, 9):
        asked = {**INFER, "parameters": {"priority": priority}}
        assert one.post("/v2/models/binary/infer", asked).status == 200
    assert one.post("/v1/predict", {"models": ["binary", "value"], "rows": [NAMED]}).status == 200
    assert one.post("/v2/models/binary/infer", {"inputs": []}).status == 400
    metrics = one.metrics()
    for priority, count in (("1", 2), ("2", 5), ("3", 3)):
        assert metrics.get("ax_queue_duration_seconds_count", priority=priority) == count
    assert one.stop() == 0


def test_parts_are_requests_of_a_model(models):
    """Each part of a request for several models counts, until all of it ends."""
    one = Server(models, "--threads", "1", "--model-requests-max", "1", "--version-policy", "all")
    asked = {"models": ["binary", "value", "binary", "binary/1"], "rows": [NAMED]}
    for _ in range(3):
        parts = one.post("/v1/predict", asked).json["parts"]
        assert ["predictions" in p for p in parts] == [True, True, False, True]
        assert parts[2]["status"] == 503 and parts[2]["error"] == "Exceeds maximum queue size"
    with one.wire() as wire:
        wire.send(request("POST", "/v1/predict", {**asked, "models": ["binary"]}) +
                  request("POST", "/v2/models/binary/infer", INFER))
        assert [wire.answer().status for _ in range(2)] == [200, 503]
    assert one.metrics().get("ax_refused_total", reason="model_requests") == 4
    assert one.stop() == 0


def test_a_version_that_the_body_names(models):
    """It is counted as the one that answers, and no more as the one that its path names."""
    one = Server(models, "--threads", "1", "--model-requests-max", "1", "--version-policy", "all")
    older = request("POST", "/v1/models/binary/predict", {"version": "1", "rows": [NAMED]})
    newest = request("POST", "/v1/models/binary/predict", {"rows": [NAMED]})
    with one.wire() as wire:
        for _ in range(3):
            wire.send(older + older + newest)
            assert [wire.answer().status for _ in range(3)] == [200, 503, 200]
    assert one.stop() == 0


def test_requests_of_models_without_series(models):
    """Whose requests are counted together are limited each by itself."""
    one = Server(models, "--threads", "1", "--model-requests-max", "1",
                 "--metric-versions-max", "0")
    with one.wire() as wire:
        wire.send(request("POST", "/v2/models/binary/infer", INFER) +
                  request("POST", "/v2/models/value/infer", INFER) +
                  request("POST", "/v2/models/binary/infer", INFER))
        assert [wire.answer().status for _ in range(3)] == [200, 200, 503]
    assert one.stop() == 0


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A folder with a model whose rows are slow, and one whose are not."""
    folder = tmp_path_factory.mktemp("slow")
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((200, FEATURES)).astype(np.float32)
    for name, rounds in (("slow", 6000), ("quick", 5)):
        (folder / name / "1").mkdir(parents=True)
        train(rows, rows[:, 0], {"objective": "reg:squarederror", "max_depth": 4,
                                 "eta": 0.001, "seed": 1}, rounds,
              NAMES).save(folder / name / "1/model.ubj")
    return folder


class Slow:
    """A server of them that has learnt what rows cost."""

    def __init__(self, folder, *options):
        self.server = Server(folder, "--threads", "1", *options)
        few, least, before = 200, None, self.infer_ns()
        for _ in range(20):
            assert self.server.infer("slow", tensor([ROW] * few)).status == 200
            now = self.infer_ns()
            least, before = min(least or now - before, now - before), now
        self.row_ns = least / few

    def infer_ns(self):
        stats = self.server.get("/v2/models/slow/stats").json["model_stats"][0]
        return stats["inference_stats"]["compute_infer"]["ns"]

    def asking(self, milliseconds, headers=(), **parameters):
        """A request of so many rows that the engine needs so long, at least."""
        rows = int(milliseconds * 1e6 / self.row_ns) + 1
        body = {"inputs": [tensor([ROW] * rows)], "parameters": parameters}
        return request("POST", "/v2/models/slow/infer", body, headers)

    def at_once(self, requests):
        """The answers to requests on connections of their own, all sent before any is read."""
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(self.server.wire()) for _ in requests]
            for wire in wires:
                assert wire.request("GET", "/v2/health/live").status == 200
            os.kill(self.server.process.pid, signal.SIGSTOP)
            try:
                for wire, one in zip(wires, requests):
                    wire.send(one)
            finally:
                os.kill(self.server.process.pid, signal.SIGCONT)
            return [wire.answer() for wire in wires]

    def end(self, late_or_deadline=0, **refused):
        """So many were refused, by the reason; none began late, and nothing is left."""
        metrics = self.server.metrics()
        counts = {reason: metrics.get("ax_refused_total", reason=reason)
                  for reason in ("queue_time", "deadline", "late", "model_requests")}
        if late_or_deadline:
            assert counts["late"] + counts["deadline"] == late_or_deadline, counts
            refused.update(late=counts["late"], deadline=counts["deadline"])
        assert {reason: count for reason, count in counts.items() if count} == \
            {reason: count for reason, count in refused.items() if count}
        where = {"model": "slow", "version": "1"}
        limit = refused.get("queue_time", 0) + refused.get("model_requests", 0)
        timeout = refused.get("deadline", 0) + refused.get("late", 0)
        assert metrics.get("ax_requests_total", **where, code="LIMIT") == limit
        assert metrics.get("ax_requests_total", **where, code="TIMEOUT") == timeout
        assert metrics["ax_late_starts_total"] == 0 and metrics["ax_backlog_seconds"] == 0
        assert self.server.stop() == 0


def assert_refused(answers, text):
    for answer in answers:
        assert answer.status == 503 and answer.error == text
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.plain
@pytest.mark.parametrize("limit", ["2", "0"])
def test_refused_for_what_waits(slow, limit):
    """Sixty ask for what takes 20 ms each: a slice of a quarter of a millisecond of each is more
    than 2 ms. Another model's request is answered all the same."""
    asked = Slow(slow, "--queue-time-max-ms", limit)
    quick = request("POST", "/v2/models/quick/infer", INFER)
    *answers, other = asked.at_once([asked.asking(20)] * 60 + [quick])
    assert other.status == 200
    refused = [a for a in answers if a.status != 200]
    assert_refused(refused, "Exceeds maximum queue size")
    assert 1 <= len(refused) < 60 if limit != "0" else not refused
    assert len({a.body for a in answers if a.status == 200}) == 1
    # It is over when it is over.
    assert asked.server.infer("slow", tensor([ROW])).status == 200
    asked.end(queue_time=len(refused))


@pytest.mark.plain
def test_refused_for_its_deadline(slow):
    """What would take longer than it may is refused before it waits, and only that."""
    asked = Slow(slow)
    with asked.server.wire() as wire:
        # More than reading the body takes.
        for one in (asked.asking(500, [f"{HEADER}: 250"]), asked.asking(500, timeout=250000)):
            wire.send(one)
            assert_refused([wire.answer()], "Request timeout expired")
        wire.send(asked.asking(50, [f"{HEADER}: 60000"]))
        assert wire.answer().status == 200
    asked.end(deadline=2)


@pytest.mark.plain
def test_refused_since_it_became_late(slow):
    """It could be done within its deadline, were it not for those of a higher priority, of which it
    is not told what they will still need: it gets a sixteenth of their time. On a machine that is
    busy enough that is known to be too much from the start."""
    asked = Slow(slow, "--queue-time-max-ms", "0")
    last = asked.asking(60, priority=4, timeout=300000)
    *first, late = asked.at_once([asked.asking(60, priority=1)] * 20 + [last])
    assert {a.status for a in first} == {200}
    assert_refused([late], "Request timeout expired")
    asked.end(late_or_deadline=1)

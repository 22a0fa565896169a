# SPDX-License-Identifier: Apache-2.0
"""Goal: deadlines, limits and refusals as clients see them, in every protocol, and counted exactly.

Method: a server with one I/O thread. Requests that cannot be in time are sent with their body late;
too many requests arrive in one write, for a model whose rows are slow. Statuses, texts and counts
are asserted, and no times.
"""

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
        assert answer.status == 200 and part["status"] == 504
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
            assert answers[1].error == "Exceeds maximum queue size"
            assert answers[1].headers["retry-after"] == "1"
    metrics = one.metrics()
    assert metrics.get("ax_refused_total", reason="model_requests") == 12
    assert metrics.get("ax_requests_total", model="binary", version="2", code="LIMIT") == 12
    assert metrics.get("ax_requests_total", model="binary", version="2", code="OK") == 3
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


@pytest.mark.plain
@pytest.mark.parametrize("limit", ["1", "0"])
def test_overload(slow, limit):
    """More than a burst arrives at once for one model; another one is answered all the same."""
    one = Server(slow, "--threads", "1", "--queue-time-max-ms", limit)
    each = 60
    many = {"inputs": [tensor([ROW] * 200)]}
    burst = request("POST", "/v2/models/slow/infer", many) * each
    wires = [one.wire() for _ in range(8)]
    for _ in range(20):  # what a call takes is learnt
        assert one.infer("slow", *many["inputs"]).status == 200
    with one.wire() as other:
        for wire in wires:
            wire.send(burst)
        assert other.request("POST", "/v2/models/quick/infer", INFER).status == 200
    answers = [wire.answer() for wire in wires for _ in range(each)]
    refused = [a for a in answers if a.status == 503]
    assert {a.status for a in answers} <= {200, 503}
    # Whether a limit is reached is up to the machine; without one nothing is refused.
    assert limit != "0" or not refused
    assert all(a.error == "Exceeds maximum queue size" and a.headers["retry-after"] == "1"
               for a in refused)
    scores = {a.body for a in answers if a.status == 200}
    assert len(scores) == 1
    # It is over when it is over.
    assert one.infer("slow", *many["inputs"]).status == 200
    metrics = one.metrics()
    assert metrics.get("ax_refused_total", reason="queue_time") == len(refused)
    where = {"model": "slow", "version": "1"}
    assert metrics.get("ax_requests_total", **where, code="LIMIT") == len(refused)
    assert metrics.get("ax_requests_total", **where, code="OK") == \
        len(answers) - len(refused) + 21
    assert metrics["ax_late_starts_total"] == 0 and metrics["ax_backlog_seconds"] == 0
    assert one.stop() == 0

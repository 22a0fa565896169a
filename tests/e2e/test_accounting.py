# SPDX-License-Identifier: Apache-2.0
"""Goal: success + failed + rejected + cancelled is exactly what was received, for each model and
version, in /metrics, in the statistics and in the log, after good, bad and cut requests.

Method: servers with fresh counters; every kind of end is caused here and counted here. A request
whose client leaves is waited for, since its end comes when the server notices.
"""

import select
import signal
import socket
import struct
import time

import pytest

from accounts import codes_of, logged, outcomes_of
from conftest import FEATURES, Server, Wire, request, tensor

pytestmark = pytest.mark.threads

ROW = [0.25] * FEATURES
GOOD = {"inputs": [tensor([ROW] * 3)]}
LARGE = {"inputs": [tensor([ROW] * 30000)]}
PATH = "/v2/models/binary/infer"

def wait_for(server, wanted, seconds=10):
    """Until the counters are as wanted; what they are at last."""
    end = time.monotonic() + seconds
    codes = codes_of(server.metrics())
    while codes != wanted and time.monotonic() < end:
        time.sleep(0.05)
        codes = codes_of(server.metrics())
    return codes


def reset(wire):
    """Close so that the kernel sends a reset."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()


def head(path, *headers):
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n".encode() + b"".join(
        h.encode() + b"\r\n" for h in headers) + b"\r\n"


@pytest.fixture
def small(models):
    """One thread, small limits, short patience."""
    one = Server(models, "--threads", "1", "--body-bytes-max", "2m", "--chunk-count-max", "3",
                 "--body-timeout-s", "1", "--drain-timeout-s", "2")
    yield one
    one.stop()


def answered(server):
    """Every way to be answered; what they count as."""
    wanted = {}

    def count(model, version, code, times=1):
        key = (model, version, code)
        wanted[key] = wanted.get(key, 0) + times

    with server.wire() as wire:
        for _ in range(7):
            assert wire.request("POST", PATH, GOOD).status == 200
        count("binary", "2", "OK", 7)
        assert wire.request("POST", "/v2/models/binary/versions/1/infer", GOOD).status == 200
        count("binary", "1", "OK")
        body = {"version": 1, "rows": [{}]}
        assert wire.request("POST", "/v1/models/binary/predict", body).status == 200
        count("binary", "1", "OK")
        assert wire.request("POST", "/v1/models/binary/predict", {"rows": [{}]}).status == 200
        count("binary", "2", "OK")
        for body in (b"", b"{", b"[]", b'{"inputs":[]}', {"inputs": [tensor([ROW[1:]])]}):
            assert wire.request("POST", PATH, body).status == 400
            count("binary", "2", "INVALID")
        bad = {"inputs": [dict(tensor([ROW]), parameters={"shared_memory_region": "r"})]}
        assert wire.request("POST", PATH, bad).status == 501
        count("binary", "2", "UNSUPPORTED")
        assert wire.request("POST", "/v2/models/none/infer", GOOD).status == 404
        assert wire.request("POST", "/v2/models/binary/versions/77/infer", GOOD).status == 404
        assert wire.request("POST", "/v1/models/none/predict", {"rows": []}).status == 404
        body = {"version": 77, "rows": [{}]}
        assert wire.request("POST", "/v1/models/binary/predict", body).status == 404
        count("", "", "NOT_FOUND", 4)
        body = {"instances": [ROW]}
        assert wire.request("POST", "/v1/models/binary:predict", body).status == 200
        assert wire.request("POST", "/v1/models/binary/invocations", body).status == 200
        count("binary", "2", "OK", 2)
        # One model at least answers: each part counts as a request of its own.
        body = {"models": ["binary", "none", "binary/1"], "rows": [{}]}
        assert wire.request("POST", "/v1/predict", body).status == 200
        count("binary", "2", "OK")
        count("binary", "1", "OK")
        count("", "", "NOT_FOUND")
        assert wire.request("POST", "/v1/predict", {"models": ["binary"]}).status == 400
        count("", "", "INVALID")
        # These ask for no scores.
        assert wire.request("GET", PATH).status == 405
        assert wire.request("GET", "/v2/models/binary").status == 200
        assert wire.request("POST", "/v2/models/binary/infers", GOOD).status == 404
    return wanted


def refused_by_net(server):
    """Requests of a known model that end before they are whole."""
    wanted = {("binary", "2", "TOO_LARGE"): 3, ("binary", "2", "INVALID"): 1,
              ("binary", "2", "UNSUPPORTED"): 3, ("binary", "2", "TIMEOUT"): 1,
              ("", "", "TOO_LARGE"): 1}
    for data, status in [
            (head(PATH, "content-length: 2097153"), 413),
            (head("/v2/models/none/infer", "content-length: 2097153"), 413),
            (head(PATH, "transfer-encoding: chunked") + b"1\r\n{\r\n" * 4, 413),
            (head(PATH, "transfer-encoding: chunked") + b"200001\r\n", 413),
            (head(PATH, "transfer-encoding: chunked") + b"zz\r\n", 400),
            (head(PATH, "transfer-encoding: gzip", "content-length: 0").replace(
                b"content-length: 0\r\n", b""), 501),
            (head(PATH, "content-encoding: br", "content-length: 3") + b"abc", 415),
            (head(PATH, "expect: something", "content-length: 3") + b"abc", 417),
            (head(PATH, "content-length: 3") + b"a", 408)]:
        with server.wire() as wire:
            wire.send(data)
            assert wire.answer().status == status, data
    return wanted


def cut_by_clients(server):
    """Clients that leave: in the middle of a body, while their request is worked on."""
    for leave in (lambda w: w.socket.close(), reset,
                  lambda w: w.socket.shutdown(socket.SHUT_WR)):
        wire = server.wire()
        wire.send(head(PATH, "content-length: 100") + b"{")
        time.sleep(0.1)
        leave(wire)
        time.sleep(0.1)
        wire.socket.close()
    for _ in range(4):
        wire = server.wire()
        wire.send(request("POST", PATH, LARGE))
        reset(wire)
    return {("binary", "2", "CANCELLED"): 7}


def add(*all_of_them):
    sums = {}
    for one in all_of_them:
        for key, count in one.items():
            sums[key] = sums.get(key, 0) + count
    return sums


def test_every_end_is_counted_once(small):
    wanted = add(answered(small), refused_by_net(small))
    assert wait_for(small, wanted) == wanted
    cut = cut_by_clients(small)
    # Those that were reset may have been lost in the kernel, or scored before it was noticed.
    time.sleep(1)
    got = codes_of(small.metrics())
    ends = {k: v - wanted.get(k, 0) for k, v in got.items() if v != wanted.get(k, 0)}
    assert set(ends) <= {("binary", "2", "CANCELLED"), ("binary", "2", "OK")}, ends
    assert 3 <= sum(ends.values()) <= sum(cut.values())
    assert ends[("binary", "2", "CANCELLED")] >= 3
    outcomes = outcomes_of(got)
    assert small.stop() == 0
    lines = logged(small.lines)
    everything = lines.pop(("*", "*"))
    assert lines == outcomes
    assert everything == {k: sum(o.get(k, 0) for o in outcomes.values())
                          for k in everything}


def test_unreadable_requests_are_counted_apart(small):
    for data in (b"nonsense\r\n\r\n", b"POST " + PATH.encode() + b" HTTP/1.1\n\n",
                 b"POST " + PATH.encode() + b" HTTP/1.1\r\nhost : x\r\n\r\n", b"\x16\x03\x01" * 9,
                 b"POST /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n"):
        with small.wire() as wire:
            wire.send(data)
            wire.answer()
    with small.wire() as wire:
        wire.send(b"POST /v2/mo")
    metrics = small.metrics()
    end = time.monotonic() + 5
    while metrics["ax_http_unreadable_total"] < 6 and time.monotonic() < end:
        time.sleep(0.05)
        metrics = small.metrics()
    assert metrics["ax_http_unreadable_total"] == 6
    assert codes_of(metrics) == {}


def test_in_progress(models):
    """A request in slices is seen in progress from another connection, and not any more later."""
    one = Server(models, "--threads", "1")

    def in_progress():
        return one.metrics().get("ax_requests_in_progress", model="binary", version="2")
    large = request("POST", PATH, {"inputs": [tensor([ROW] * 100000)]})
    seen = []
    for _ in range(5):  # A busy machine may let no reading in between.
        with one.wire() as wire:
            wire.send(large)
            while 1 not in seen and not select.select([wire.socket], [], [], 0)[0]:
                seen.append(in_progress())
            assert wire.answer().status == 200
        if 1 in seen:
            break
    assert set(seen) <= {0, 1} and 1 in seen
    assert in_progress() == 0
    one.stop()


def test_drain_cuts_what_does_not_end(models):
    """A body that never comes whole."""
    one = Server(models, "--threads", "1", "--drain-timeout-s", "1", "--body-timeout-s", "60")
    half = one.wire()
    half.send(head(PATH, "content-length: 100") + b"{")
    assert one.post(PATH, GOOD).status == 200
    time.sleep(0.2)
    one.process.send_signal(signal.SIGTERM)
    assert one.stop(None) == 0
    half.socket.close()
    assert logged(one.lines) == {("binary", "2"): {"success": 1, "cancelled": 1},
                                 ("*", "*"): {"success": 1, "cancelled": 1}}
    assert 'reason="the drain timeout was over" connections_cut=1' in one.lines[-1]


def test_pipelined_mixture(models):
    one = Server(models, "--threads", "1")
    good = request("POST", PATH, GOOD)
    bad = request("POST", PATH, b"{]")
    with one.wire() as wire:
        wire.send((good + bad + good) * 50)
        statuses = [wire.answer().status for _ in range(150)]
    assert statuses == [200, 400, 200] * 50
    assert codes_of(one.metrics()) == {("binary", "2", "OK"): 100, ("binary", "2", "INVALID"): 50}
    # A client that leaves behind what it asked for.
    wire = Wire(one.address)
    wire.send(good * 20)
    reset(wire)
    time.sleep(0.3)
    assert one.stop() == 0
    end = logged(one.lines)[("binary", "2")]
    assert end["failed"] == 50 and 100 <= end["success"] + end.get("cancelled", 0) <= 120

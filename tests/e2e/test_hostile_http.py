# SPDX-License-Identifier: Apache-2.0
"""Goal: clients that are slow, that leave, that come by the thousand or that send what a machine
made up are refused or cut off, and the server goes on serving.

Method: the real binary with short timeouts; after each case a good prediction. What is wrong with
a single request is a row of hostile.py; tests/unit/net/test_http_hostile.c has the finer cases.
"""

import random
import shutil
import socket
import struct
import time

import pytest

import hostile
from conftest import Server, is_sanitized
from hostile import FEATURES, GOOD, GOOD_REQUEST, INFER, head, request

HEADER_TIMEOUT_S = 3


@pytest.fixture(scope="module")
def hasty(models):
    one = Server(models, "--threads", "1", "--header-timeout-s", str(HEADER_TIMEOUT_S),
                 "--body-timeout-s", "1")
    yield one
    assert one.stop() == 0


@pytest.fixture(autouse=True)
def still_serving(hasty):
    yield
    with hasty.wire() as wire:
        wire.send(GOOD_REQUEST)
        assert wire.answer().status == 200


def test_many_chunks_below_the_limit(hasty):
    body = GOOD_REQUEST.partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n"
    with hasty.wire() as wire:
        wire.send(hostile.chunked(chunks))
        assert wire.answer().status == 200


# ---- clients that are slow or leave ----

@pytest.mark.parametrize("data", [b"POST /v2", head("a: b")[:-2], head("content-length: 9") + b"{",
                                  hostile.chunked(b"2\r\n{")])
def test_slow(hasty, data):
    with hasty.wire() as wire:
        wire.send(data)
        answer = wire.answer()
        assert answer.status == 408 and answer.error
        assert not wire.more()


def open_connections(server):
    """But for the one that asks."""
    return server.metrics()["ax_http_connections"] - 1


def test_a_thousand_slow_heads(models):
    """Slow-loris: a byte now and then buys no time, holds a connection and little memory, and does
    not keep others waiting."""
    one = Server(models, "--threads", "1", "--header-timeout-s", str(HEADER_TIMEOUT_S))
    before = one.resident_bytes()
    wires = [one.wire() for _ in range(1000)]
    for wire in wires:
        wire.send(b"POST " + INFER.encode() + b" HTTP/1.1\r\nhost: x\r\na: ")
    assert open_connections(one) == 1000
    for _ in range(3):
        time.sleep(HEADER_TIMEOUT_S / 10)
        for wire in wires:
            wire.send(b"b")
        assert one.post(INFER, GOOD).status == 200
    growth = one.resident_bytes() - before
    for wire in wires:
        assert wire.answer().status == 408
        assert not wire.more()
        wire.socket.close()
    assert is_sanitized() or growth <= 1000 * (32 << 10), f"{growth} bytes for 1,000 heads"
    end = time.monotonic() + 10
    while open_connections(one) and time.monotonic() < end:
        time.sleep(0.05)
    assert open_connections(one) == 0
    metrics = one.metrics()
    assert metrics.get("ax_http_timeouts_total", kind="header") == 1000
    assert metrics["ax_http_unreadable_total"] == 1000
    assert one.stop() == 0


def test_connections_are_bounded(models):
    """Those over the limit are closed at once; when others go, there is room again."""
    one = Server(models, "--threads", "1", "--connections-max", "20")
    wires = [one.wire() for _ in range(20)]
    for wire in wires:
        wire.send(GOOD_REQUEST)
        assert wire.answer().status == 200
    for _ in range(50):
        with one.wire() as wire:
            assert not wire.more() or wire.answer().status == 503
    for wire in wires[:10]:
        wire.socket.close()
    for wire in wires[10:]:
        wire.send(GOOD_REQUEST)
        assert wire.answer().status == 200
    assert one.post(INFER, GOOD).status == 200
    assert one.stop() == 0


def test_half_close(hasty):
    with hasty.wire() as wire:
        wire.send(GOOD_REQUEST * 3)
        wire.socket.shutdown(socket.SHUT_WR)
        assert [wire.answer().status for _ in range(3)] == [200] * 3
        assert not wire.more()
    with hasty.wire() as wire:
        wire.send(GOOD_REQUEST[:-5])
        wire.socket.shutdown(socket.SHUT_WR)
        while wire.more():
            pass
        assert not wire.buffer or wire.answer().status == 400


def test_reset_inside_a_body(hasty):
    for cut in (10, len(GOOD_REQUEST) // 2, len(GOOD_REQUEST) - 1):
        wire = hasty.wire()
        wire.send(GOOD_REQUEST[:cut])
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.socket.close()


def test_expect_continue(hasty):
    start, _, body = GOOD_REQUEST.partition(b"\r\n\r\n")
    with hasty.wire() as wire:
        wire.send(start + b"\r\nexpect: 100-continue\r\n\r\n")
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().status == 200


# ---- what a machine made up ----

URLS = ["/v2", "/v2/models/binary", "/v2/models/binary/infer", "/v2/models/binary/versions/v1",
        "/v2/models/binary/config", "/v2/models/binary/stats", "/v2/models/binary/ready",
        "/v2/health/ready", "/v2/health/live", "/v2/repository/index",
        "/v2/repository/models/binary/unload", "/v2/repository/models/binary/load",
        "/v2/systemsharedmemory/status", "/v2/systemsharedmemory/register",
        "/v2/systemsharedmemory/unregister", "/v2/cudasharedmemory/region/x/status",
        "/v1/models/binary:predict", "/v1/models/binary/predict", "/invocations", "/metrics"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE"]
VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 ", b"HTTP", b"",
                                b"HTTP/9999.1"]
PIECES = [b"", b"/", b"//", b"/..", b"/./", b"%", b"%00", b"%2f", b"%2e%2e", b"%zz", b"%n%s%p",
          b"?", b"?a=b&c", b"#", b" ", b"\t", b"\0", b"\x7f", b"\xff", b"\xc3\xa9", b"\r\n", b"\n",
          b"\r", b"{m}", b"'", b'"', b"\\", b";", b":", b"A" * 300, b"A" * 9000, b"/" * 500,
          b"%41" * 100, b"-1", b"18446744073709551616", b"http://a/", b"@", b"*"]
# Statuses of a mutated request. 500 is not among them.
ALLOWED = {200, 400, 403, 404, 405, 411, 413, 414, 415, 431, 501, 503, 505}


def mutated(mixer, url):
    data = url.encode()
    for _ in range(mixer.randint(0, 3)):
        at, to = sorted(mixer.randint(0, len(data)) for _ in range(2))
        cut = mixer.choice([at, at, min(at + 1, len(data)), to])
        data = data[:at] + mixer.choice(PIECES) + data[cut:]
    return data


@pytest.mark.parametrize("url", URLS)
def test_mutated_urls(single, url):
    """As Triton's L0_http_fuzz: 20 URLs, 8 methods, path and version mutated; the seed is fixed."""
    mixer = random.Random(url)
    for method in METHODS:
        for _ in range(25):
            data = b" ".join([method.encode(), mutated(mixer, url), mixer.choice(VERSIONS)])
            with single.wire() as wire:
                wire.send(data + b"\r\nhost: x\r\n\r\n")
                wire.socket.shutdown(socket.SHUT_WR)
                answer = wire.answer(head_only=method == "HEAD")
                assert answer.status in ALLOWED, data
                if answer.status != 200 and method != "HEAD":
                    assert answer.headers["content-type"] == "application/json", data
    assert single.post(INFER, GOOD).status == 200


# ---- the folder ----

def test_models_may_vanish_while_serving(tmp_path, models):
    """What was loaded at the start goes on, whatever becomes of its files."""
    folder = tmp_path / "copy"
    shutil.copytree(models, folder)
    one = Server(folder, "--threads", "1")
    reading = [("GET", "/v2/models", b""), ("GET", "/v2/models/binary", b""),
               ("GET", "/v2/models/binary/config", b""), ("POST", "/v2/repository/index", b""),
               ("GET", "/v2/health/ready", b""), ("POST", INFER, GOOD_REQUEST[-1:]),
               ("POST", INFER, GOOD), ("POST", "/v2/models/rules/infer", {"inputs": [
                   hostile.column("carrier", "BYTES", ["UA"])]})]
    before = [one.request(*of).body for of in reading]
    with one.wire() as wire:
        body = request("POST", INFER, {"inputs": [hostile.tensor(
            shape=[20000, FEATURES], data=[0.5] * (20000 * FEATURES))]})
        wire.send(body[:-1000])
        shutil.rmtree(folder / "binary")
        wire.send(body[-1000:])
        assert wire.answer().status == 200
    shutil.rmtree(folder)
    folder.write_text("no folder any more", encoding="utf-8")
    assert [one.request(*of).body for of in reading] == before
    assert one.stop() == 0

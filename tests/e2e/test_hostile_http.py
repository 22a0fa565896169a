# SPDX-License-Identifier: Apache-2.0
"""Goal: hostile or broken HTTP gets its 4xx or is cut off, and the server goes on serving.

Method: raw bytes against the real binary with short timeouts; after each case a good prediction.
tests/unit/net/test_http_hostile.c has the finer cases.
"""

import socket
import struct

import pytest

from conftest import FEATURES, Server, request, tensor

GOOD = request("POST", "/v2/models/binary/infer", {"inputs": [tensor([[0.5] * FEATURES])]})
HEAD = b"POST /v2/models/binary/infer HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def hasty(models):
    one = Server(models, "--threads", "1", "--header-timeout-s", "1", "--body-timeout-s", "1")
    yield one
    assert one.stop() == 0


@pytest.fixture(autouse=True)
def still_serving(hasty):
    yield
    with hasty.wire() as wire:
        wire.send(GOOD)
        assert wire.answer().status == 200


REFUSED = {
    "two lengths": (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", 400),
    "length and chunks": (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"
                          b"0\r\n\r\n", 400),
    "negative length": (HEAD + b"content-length: -1\r\n\r\n", 400),
    "64 MiB and a byte": (HEAD + b"content-length: 67108865\r\n\r\n", 413),
    "NUL in a header": (HEAD + b"a: b\0c\r\n\r\n", 400),
    "NUL in the path": (b"GET /v2/models/a\0b HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "many headers": (HEAD + b"".join(b"h%d: x\r\n" % i for i in range(101)) + b"\r\n", 431),
    "long header": (HEAD + b"a: " + b"x" * 20000 + b"\r\n\r\n", 431),
    "long target": (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", 414),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "65,537 chunks": (HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 65537, 413),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(hasty, name):
    data, status = REFUSED[name]
    with hasty.wire() as wire:
        wire.send(data)
        answer = wire.answer()
        assert answer.status == status and answer.error


def test_many_chunks_below_the_limit(hasty):
    body = GOOD.partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n"
    with hasty.wire() as wire:
        wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks)
        assert wire.answer().status == 200


@pytest.mark.parametrize("data", [b"POST /v2", HEAD, HEAD + b"content-length: 9\r\n\r\n{"])
def test_slow(hasty, data):
    with hasty.wire() as wire:
        wire.send(data)
        assert wire.answer().status == 408
        assert not wire.more()


def test_half_close(hasty):
    with hasty.wire() as wire:
        wire.send(GOOD * 3)
        wire.socket.shutdown(socket.SHUT_WR)
        assert [wire.answer().status for _ in range(3)] == [200] * 3
        assert not wire.more()
    with hasty.wire() as wire:
        wire.send(GOOD[:-5])
        wire.socket.shutdown(socket.SHUT_WR)
        while wire.more():
            pass
        assert not wire.buffer or wire.answer().status == 400


def test_reset_inside_a_body(hasty):
    for cut in (10, len(GOOD) // 2, len(GOOD) - 1):
        wire = hasty.wire()
        wire.send(GOOD[:cut])
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.socket.close()


def test_expect_continue(hasty):
    head, _, body = GOOD.partition(b"\r\n\r\n")
    with hasty.wire() as wire:
        wire.send(head + b"\r\nexpect: 100-continue\r\n\r\n")
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().status == 200

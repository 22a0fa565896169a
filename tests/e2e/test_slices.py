# SPDX-License-Identifier: Apache-2.0
"""Goal: a long request does not keep its I/O thread: others are answered in between, and it may be
given up.

Method: a server with one I/O thread; what is asserted is the order of events, not their times.
"""

import json
import select
import socket
import struct
import time

import numpy as np
import pytest

from conftest import FEATURES, NAMES, Server, request, tensor

ROWS = 200000
SMALL = {"inputs": [tensor([[0.5] * FEATURES])]}


@pytest.fixture(scope="module")
def rows():
    return np.round(np.random.default_rng(3).standard_normal((ROWS, FEATURES)), 3) \
        .astype(np.float32)


def infer_body(rows, **members):
    """json.dumps would take longer than the server."""
    data = np.char.mod("%.3f", rows).flatten()
    head = json.dumps({"inputs": [dict(tensor([[0.0] * FEATURES]), shape=list(rows.shape),
                                       data="DATA")], **members})
    return head.replace('"DATA"', "[" + ",".join(data) + "]").encode()


def is_readable(wire):
    return bool(select.select([wire.socket], [], [], 0)[0])


def test_others_go_on(single, boosters, rows):
    body = infer_body(rows, outputs=[{"name": "margin"}], id="long")
    with single.wire() as long, single.wire() as short:
        assert short.request("POST", "/v2/models/binary/infer", SMALL).status == 200
        long.send(request("POST", "/v2/models/binary/infer", body))
        for _ in range(3):
            assert short.request("POST", "/v2/models/binary/infer", SMALL).status == 200
            assert short.request("POST", "/v2/models/value/infer", SMALL).status == 200
        assert not is_readable(long)
        answer = long.answer().json
    assert answer["id"] == "long" and answer["outputs"][0]["shape"] == [ROWS]
    got = np.array(answer["outputs"][0]["data"], np.float32)
    assert np.array_equal(got, boosters["binary"].predict(rows, margin=True)[:, 0])
    metrics = single.metrics()
    assert metrics.get("ax_rows_total", model="binary", version="2") == ROWS + 4
    # In slices: many calls of the engine for one request.
    assert metrics.get("ax_batches_total", model="binary", version="2") >= 10


def test_columns_nested_and_turned(single, rows):
    """The same rows through every way of reading, all of them in slices."""
    part = rows[:30000]
    flat = infer_body(part)
    right = single.post("/v2/models/binary/infer", flat).json["outputs"]
    texts = np.char.mod("%.3f", part)
    nested = flat[:flat.index(b'"data": [')] + b'"data": [' + \
        ",".join("[" + ",".join(row) + "]" for row in texts).encode() + b"]}]}"
    assert single.post("/v2/models/binary/infer", nested).json["outputs"] == right
    data = flat[flat.index(b'"data": '):flat.index(b"]}") + 1]
    turned = b'{"inputs":[{' + data + b',"x":[1,{}],"shape":[30000,%d],"datatype":"FP64",' \
        b'"name":"input"}]}' % FEATURES
    assert single.post("/v2/models/binary/infer", turned).json["outputs"] == right
    columns = ",".join('{"name":"%s","shape":[30000],"datatype":"FP32","data":[%s]}'
                       % (name, ",".join(texts[:, i])) for i, name in enumerate(NAMES))
    answer = single.post("/v2/models/binary/infer", f'{{"inputs":[{columns}]}}'.encode())
    assert answer.json["outputs"] == right
    friendly = ",".join("{" + ",".join(f'"{n}":{v}' for n, v in zip(NAMES, row)) + "}"
                        for row in texts)
    answer = single.post("/v1/models/binary/predict", f'{{"rows":[{friendly}]}}'.encode())
    assert [p["prediction"] for p in answer.json["predictions"]] == right[0]["data"]


def test_refused_late(single, rows):
    body = infer_body(rows[:60000])
    for bad in (body[:-3], body[:-20] + b"x" + body[-19:], body + b"]"):
        with single.wire() as wire:
            answer = wire.request("POST", "/v2/models/binary/infer", bad)
            assert answer.status == 400 and "JSON" in answer.error
            assert wire.request("POST", "/v2/models/binary/infer", SMALL).status == 200
    assert single.metrics().get("ax_batches_total", model="binary", version="2") == 3


INFER, PREDICT = "/v2/models/binary/infer", "/v1/models/binary/predict"
DATA = b'{"inputs":[{"name":"input","shape":[1,8],"datatype":"FP32","data":[1,'


@pytest.mark.parametrize("path, begin, unit, what", [
    (INFER, b'{"x":"', b"a", "a string"), (INFER, b'{"x":', b"1", "a number"),
    (INFER, b"", b" ", "white space"), (INFER, DATA, b" ", "white space"),
    (INFER, DATA + b"0.", b"1", "a number"), (PREDICT, b"", b"\n", "white space"),
    (PREDICT, b'{"rows":[{"temp":"', b"\xc3\xa9", "a string")])
def test_a_token_that_cannot_be_cut(single, path, begin, unit, what):
    """One token is read in one go, so it may not be as long as a body."""
    with single.wire() as wire:
        answer = wire.request("POST", path, begin + unit * (1 << 20))
        assert answer.status == 400
        assert f"{what} of more than 65536 bytes" in answer.error
        assert wire.request("POST", "/v2/models/binary/infer", SMALL).status == 200


def test_work_has_a_budget(models):
    """Two bytes of text may ask for a whole row: what they become is limited, not only they."""
    count = 1 << 20
    body = b'{"inputs":[{"name":"temp","shape":[%d],"datatype":"FP32","data":[%s]}]}' \
        % (count, b",".join([b"1"] * count))
    one = Server(models, "--threads", "1", "--bodies-bytes-max", "30m")
    for path, sent in ((INFER, body), (PREDICT, b'{"rows":[%s]}' % b",".join([b"{}"] * count))):
        with one.wire() as wire:
            answer = wire.request("POST", path, sent)
            assert answer.status == 503 and "no memory for the rows" in answer.error
            assert answer.headers["retry-after"] == "1"
            assert wire.request("POST", INFER, SMALL).status == 200
    assert one.stop() == 0


def test_announced_bodies_hold_little(models):
    one = Server(models, "--threads", "1", "--bodies-bytes-max", "16m")
    head = request("POST", INFER, b"x" * (1 << 20))[:-(1 << 20)]
    wires = [one.wire() for _ in range(50)]
    for wire in wires:
        wire.send(head + b"{")
    # All have been received when one that was begun later is answered.
    assert one.post(INFER, SMALL).status == 200
    assert not any(is_readable(wire) for wire in wires)
    for wire in wires:
        wire.socket.close()
    assert one.stop() == 0


def reset(wire):
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()


def wait_for(single, reading, wanted):
    end = time.monotonic() + 30
    while reading(single.metrics()) < wanted:
        assert time.monotonic() < end, reading(single.metrics())


def test_client_goes_away(single, rows):
    whole = request("POST", "/v2/models/binary/infer", infer_body(rows))

    def received(metrics):
        return metrics["ax_http_received_bytes_total"]

    def ended(metrics):
        return sum(metrics.get("ax_requests_total", model="binary", version="2", code=c)
                   for c in ("OK", "CANCELLED"))
    for sent in (len(whole) // 2, len(whole), len(whole)):
        before = received(single.metrics())
        wire = single.wire()
        wire.send(whole[:sent])
        # What the server has not read yet is lost with the connection.
        wait_for(single, received, before + sent)
        reset(wire)
    # The half one is cut; the others are given up, or were done before the end was seen.
    wait_for(single, ended, 3)
    assert ended(single.metrics()) == 3
    assert single.metrics().get("ax_requests_total", model="binary", version="2",
                                code="CANCELLED") >= 1
    assert single.infer("binary", SMALL["inputs"][0]).status == 200


def test_large_answer_to_small_request(single):
    # Many values out of little text.
    body = {"inputs": [dict(tensor([[1] * FEATURES]), shape=[30000, FEATURES], datatype="INT8",
                            data=[1] * (30000 * FEATURES))],
            "outputs": [{"name": n} for n in ("prediction", "margin", "label")]}
    answer = single.post("/v2/models/classes/infer", json.dumps(body).encode()).json
    assert [len(o["data"]) for o in answer["outputs"]] == [90000, 90000, 30000]
    assert len(set(answer["outputs"][2]["data"])) == 1

# SPDX-License-Identifier: Apache-2.0
"""Goal: gzip and deflate, both ways, as docs/internals/http.md tells it: on all routes, in slices,
and within limits that hold for what a body becomes.

Method: bodies made by Python's zlib, sent as they are, cut, damaged and as bombs; answers are taken
apart by Python's zlib and compared with what a client that accepts no coding is answered.
tritonclient for its own options.
"""

import gzip
import json
import select
import zlib

import numpy as np
import pytest
import tritonclient.http

from conftest import FEATURES, Server, request, tensor

RNG = np.random.default_rng(7)
PACK = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}
INFER = "/v2/models/binary/infer"


def rows_of(count):
    return np.round(RNG.standard_normal((count, FEATURES)), 3).astype(np.float32)


def infer(rows):
    return json.dumps({"inputs": [tensor(rows)], "outputs": [{"name": "margin"}]}).encode()


SMALL = infer(rows_of(1))


def post(server, body, coding, path=INFER, headers=()):
    return server.post(path, PACK[coding](body), [f"content-encoding: {coding}", *headers])


def plain(answer):
    return UNPACK[answer.headers.get("content-encoding")](answer.body)


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("count", [1, 50, 20000])
def test_requests(single, coding, count):
    body = infer(rows_of(count))
    assert post(single, body, coding).body == single.post(INFER, body).body


@pytest.mark.parametrize("path, body", [
    ("/v1/models/binary/predict", {"rows": [{"temp": 1.5}]}),
    ("/v2/repository/index", {"ready": True}), ("/v2/models/binary/versions/1/infer",
                                                {"inputs": [tensor(rows_of(2))]})])
def test_requests_of_all_routes(server, path, body):
    body = json.dumps(body).encode()
    for coding in PACK:
        answer, right = post(server, body, coding, path), server.post(path, body)
        assert answer.status == right.status == 200
        if path.endswith("/predict"):
            assert answer.json["predictions"] == right.json["predictions"]
        else:
            assert answer.body == right.body


def test_a_binary_request(server, boosters):
    """The length in the header is that of the JSON before it was compressed."""
    rows = rows_of(300)
    head = json.dumps({"inputs": [{"name": "input", "shape": [300, FEATURES], "datatype": "FP32",
                                   "parameters": {"binary_data_size": rows.nbytes}}],
                       "outputs": [{"name": "margin"}],
                       "parameters": {"binary_data_output": True}}).encode()
    answer = post(server, head + rows.tobytes(), "gzip",
                  headers=[f"inference-header-content-length: {len(head)}"])
    assert answer.status == 200
    length = int(answer.headers["inference-header-content-length"])
    got = np.frombuffer(answer.body[length:], np.float32)
    assert np.array_equal(got, boosters["binary"].predict(rows, margin=True)[:, 0])


def test_chunks_and_pieces(server):
    packed = gzip.compress(infer(rows_of(30)))
    right = server.post(INFER, gzip.decompress(packed)).body
    head = (b"POST " + INFER.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\n"
            b"transfer-encoding: chunked\r\n\r\n")
    with server.wire() as wire:
        for size in (1, 7, 100, len(packed)):
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(packed[i:i + size]), packed[i:i + size])
                              for i in range(0, len(packed), size))
            wire.send(head + chunks + b"0\r\n\r\n")
            assert wire.answer().body == right


def test_pipelined(server):
    """Answers in order, whatever has to be decompressed in between."""
    bodies = [infer(rows_of(n)) for n in (1, 3000, 2, 400, 1)]
    right = [server.post(INFER, b).body for b in bodies]
    with server.wire() as wire:
        wire.send(b"".join(request("POST", INFER, PACK[c](b) if c else b,
                                   [f"content-encoding: {c}"] if c else [])
                           for b, c in zip(bodies, ("gzip", "deflate", None, "gzip", None))))
        assert [wire.answer().body for _ in bodies] == right


def test_unknown_coding_is_told_which_are_known(server):
    answer = server.post(INFER, SMALL, ["content-encoding: br"])
    assert answer.status == 415 and answer.headers["accept-encoding"] == "gzip, deflate"


def test_identity(server):
    assert server.post(INFER, SMALL, ["content-encoding: identity"]).status == 200


def bomb(size):
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


@pytest.mark.plain  # measures memory
def test_bombs(models):
    """256 MiB in 256 KiB: refused at the limit, and nothing is kept."""
    one = Server(models, "--threads", "1", "--body-bytes-max", "4m")
    packed = bomb(1 << 28)
    assert len(packed) < 512 << 10
    before = one.resident_bytes()
    for _ in range(5):
        answer = one.post(INFER, packed, ["content-encoding: gzip"])
        assert answer.status == 413 and "body_bytes_max" in answer.error
        assert one.post(INFER, SMALL).status == 200
    assert one.resident_bytes() - before < 16 << 20
    # Not more was made than the limit allows.
    assert one.metrics().get("ax_http_plain_bytes_total", kind="request") <= 5 * (4 << 20)
    assert one.stop() == 0


def test_the_limit_is_exact(models):
    one = Server(models, "--threads", "1", "--body-bytes-max", "50k")
    body = SMALL + b" " * (51200 - len(SMALL))
    assert post(one, body, "gzip").status == 200
    assert post(one, body + b" ", "gzip").status == 413
    assert one.stop() == 0


def test_others_go_on(single):
    """Bombs are decompressed in slices: a small request is answered before they are refused."""
    packed = bomb(64 << 20)
    with single.wire() as small:
        wires = [single.wire() for _ in range(5)]
        for wire in wires:
            wire.send(request("POST", INFER, packed, ["content-encoding: gzip"]))
        for _ in range(3):
            assert small.request("POST", INFER, SMALL).status == 200
        waiting = [w for w in wires if not select.select([w.socket], [], [], 0)[0]]
        assert len(waiting) >= 4
        # They are 64 MiB of zeros, and 64 MiB are allowed.
        for wire in wires:
            answer = wire.answer()
            assert answer.status == 400 and "malformed JSON" in answer.error
            wire.socket.close()


# ---- answers ----

@pytest.mark.parametrize("accepted, coding", [
    ("gzip", "gzip"), ("deflate", "deflate"), ("gzip, deflate", "gzip"), ("*", "gzip"),
    ("gzip;q=0.1, deflate;q=0.5", "deflate"), ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip"),
    ("identity", None), ("gzip;q=0", None), ("br", None), ("", None), ("gzip;q=nonsense", None)])
def test_answers(single, accepted, coding):
    # Answers of several slices, too, in each coding.
    for count in (3000, 30000) if accepted in ("gzip", "deflate") else (3000,):
        body = infer(rows_of(count))
        answer = single.post(INFER, body, [f"accept-encoding: {accepted}"])
        assert answer.status == 200 and answer.headers.get("content-encoding") == coding
        assert answer.headers.get("vary") == ("Accept-Encoding" if coding else None)
        right = single.post(INFER, body)
        assert "content-encoding" not in right.headers
        assert plain(answer) == right.body
        assert not coding or len(answer.body) < len(right.body)


def test_small_answers_are_not_compressed(server):
    answer = server.post(INFER, SMALL, ["accept-encoding: gzip"])
    assert answer.status == 200 and "content-encoding" not in answer.headers


def test_the_smallest_is_an_option(models):
    for option, coded in (("1", True), ("0", False)):
        one = Server(models, "--threads", "1", "--compress-bytes-min", option)
        answer = one.request("GET", "/v2/models/binary", headers=["accept-encoding: gzip"])
        assert ("content-encoding" in answer.headers) == coded
        assert json.loads(plain(answer))["name"] == "binary"
        # An error, too; and what would become larger leaves as it is.
        answer = one.request("GET", "/v2/models/" + "n" * 300, headers=["accept-encoding: gzip"])
        assert answer.status == 404 and ("content-encoding" in answer.headers) == coded
        assert "nnn" in json.loads(plain(answer))["error"]
        answer = one.request("GET", "/v2/health/live", headers=["accept-encoding: gzip"])
        assert answer.json == {"live": True}
        with one.wire() as wire:
            head = wire.request("HEAD", "/v2/models/binary", headers=["accept-encoding: gzip"])
            assert "content-encoding" not in head.headers
            assert wire.request("GET", "/v2/health/live").status == 200
        assert one.stop() == 0


def test_metrics_page(server):
    server.infer("binary", tensor(rows_of(1)))
    answer = server.request("GET", "/metrics", headers=["accept-encoding: gzip"])
    assert b"ax_http_compressed_total" in plain(answer)


def test_counted(single):
    for _ in range(3):
        post(single, infer(rows_of(2000)), "gzip", headers=["accept-encoding: deflate"])
    metrics = single.metrics()
    for kind in ("request", "answer"):
        assert metrics.get("ax_http_compressed_total", kind=kind) == 3
        assert metrics.get("ax_http_plain_bytes_total", kind=kind) > 3 * 16384
    assert metrics.get("ax_requests_total", model="binary", version="2", code="OK") == 3


@pytest.fixture
def patient(models):
    """One that refuses nothing for waiting too long, however slow the machine is."""
    one = Server(models, "--threads", "1", "--queue-time-max-ms", "0")
    yield one
    assert one.stop() == 0


def test_many_at_once(patient):
    """Also those that find no free coder are answered, in order with small ones behind them."""
    body = infer(rows_of(4000))
    right = patient.post(INFER, body).body
    wires = [patient.wire() for _ in range(100)]
    for wire in wires:
        wire.send(request("POST", INFER, body, ["accept-encoding: gzip"]) +
                  request("GET", "/v2/health/live"))
    for wire in wires:
        assert plain(wire.answer()) == right
        assert wire.answer().json == {"live": True}
        wire.socket.close()


def test_a_client_leaves(single):
    packed = gzip.compress(infer(rows_of(100000)), 1)
    for _ in range(5):
        wire = single.wire()
        wire.send(request("POST", INFER, packed,
                          ["content-encoding: gzip", "accept-encoding: gzip"]))
        wire.socket.close()
    assert single.post(INFER, SMALL).status == 200
    assert single.stop() == 0


# ---- tritonclient ----

@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("there", [None, "gzip", "deflate"])
@pytest.mark.parametrize("back", [None, "gzip", "deflate"])
def test_triton(server, boosters, there, back, binary):
    rows = rows_of(2000)
    one = tritonclient.http.InferInput("input", rows.shape, "FP32")
    one.set_data_from_numpy(rows, binary_data=binary)
    wanted = [tritonclient.http.InferRequestedOutput("margin", binary_data=binary)]
    with tritonclient.http.InferenceServerClient(server.url) as client:
        result = client.infer("binary", [one], outputs=wanted, request_compression_algorithm=there,
                              response_compression_algorithm=back)
    right = boosters["binary"].predict(rows, margin=True)[:, 0]
    assert np.array_equal(result.as_numpy("margin"), right)

# SPDX-License-Identifier: Apache-2.0
"""Goal: the binary tensor extension as docs/protocols/open-inference.md tells it, both ways.

Method: tritonclient for what it can say, bodies built by hand for the rest; scores are compared
with the library's own.
"""

import json
import struct

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import serialize_byte_tensor

from conftest import CARRIERS, FEATURES, NAMES, column, tensor

RNG = np.random.default_rng(11)


def rows_of(count, features=FEATURES):
    rows = RNG.standard_normal((count, features)).astype(np.float32)
    rows[RNG.random(rows.shape) < 0.1] = np.nan
    return rows


def blob(name, datatype, array):
    data = serialize_byte_tensor(array).item() if datatype == "BYTES" else array.tobytes()
    return {"name": name, "datatype": datatype, "shape": list(array.shape),
            "parameters": {"binary_data_size": len(data)}}, data


def post(server, model, inputs, blobs, length=None, **members):
    head = json.dumps({"inputs": inputs, **members}).encode()
    length = len(head) if length is None else length
    return server.post(f"/v2/models/{model}/infer", head + b"".join(blobs),
                       [f"Inference-Header-Content-Length: {length}"])


def unpack(answer):
    """The answer's JSON, and its outputs as arrays."""
    assert answer.status == 200, answer.body
    length = answer.headers.get("inference-header-content-length")
    if length is None:
        assert answer.headers["content-type"] == "application/json"
        head, rest = answer.json, b""
    else:
        assert answer.headers["content-type"] == "application/octet-stream"
        head, rest = json.loads(answer.body[:int(length)]), answer.body[int(length):]
    arrays = {}
    for output in head["outputs"]:
        dtype = {"FP32": np.float32, "FP64": np.float64}.get(output["datatype"], object)
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            array = np.array(output["data"], dtype)
        elif dtype is object:
            array, at = [], 0
            while at < size:
                n, = struct.unpack_from("<I", rest, at)
                array.append(rest[at + 4:at + 4 + n].decode())
                at += 4 + n
            array = np.array(array, dtype)
        else:
            array = np.frombuffer(rest[:size], dtype)
        rest = rest[size or 0:]
        arrays[output["name"]] = array.reshape(output["shape"])
    assert rest == b""
    return head, arrays


DTYPES = {"BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32,
          "UINT64": np.uint64, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32,
          "INT64": np.int64, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_datatype(server, boosters, datatype):
    rows = RNG.integers(0, 2, (9, FEATURES)) if datatype == "BOOL" else \
        rows_of(9) if datatype.startswith("FP") else RNG.integers(0, 100, (9, FEATURES))
    rows = rows.astype(DTYPES[datatype])
    one, data = blob("input", datatype, rows)
    head, got = unpack(post(server, "binary", [one], [data], id="x",
                            outputs=[{"name": "margin"}]))
    assert head["id"] == "x" and head["model_name"] == "binary"
    right = boosters["binary"].predict(rows.astype(np.float32), margin=True)[:, 0]
    assert np.array_equal(got["margin"], right)


def test_bfloat16(server, boosters):
    rows = np.frombuffer((rows_of(5).view(np.uint32) & 0xffff0000).tobytes(), np.float32)
    rows = rows.reshape(5, FEATURES)
    one, data = blob("input", "BF16", (rows.view(np.uint32) >> 16).astype(np.uint16))
    _, got = unpack(post(server, "binary", [one], [data], outputs=[{"name": "margin"}]))
    assert np.array_equal(got["margin"], boosters["binary"].predict(rows, margin=True)[:, 0])


def test_every_alignment(server, boosters):
    """A matrix at a fitting address is not copied; the answer is the same everywhere."""
    rows = rows_of(33)
    right = boosters["binary"].predict(rows, margin=True)[:, 0]
    one, data = blob("input", "FP32", rows)
    for pad in range(16):
        _, got = unpack(post(server, "binary", [one], [data], outputs=[{"name": "margin"}],
                             x="." * pad))
        assert np.array_equal(got["margin"], right)


def test_columns(server, boosters):
    """A blob each, of different datatypes, in any order, beside data."""
    rows = RNG.integers(0, 100, (7, FEATURES)).astype(np.float32)
    datatypes = ["FP32", "FP64", "INT8", "UINT8", "INT32", "UINT64", "FP16"]
    parts = [blob(name, datatype, rows[:, i].astype(DTYPES[datatype]))
             for i, (name, datatype) in enumerate(zip(NAMES, datatypes))]
    parts.append((column(NAMES[7], "FP32", rows[:, 7].tolist()), b""))
    order = RNG.permutation(FEATURES)
    _, got = unpack(post(server, "binary", [parts[i][0] for i in order],
                         [parts[i][1] for i in order], outputs=[{"name": "margin"}]))
    assert np.array_equal(got["margin"], boosters["binary"].predict(rows, margin=True)[:, 0])


def test_texts(server, boosters):
    texts, delays = np.array(CARRIERS, object), rows_of(len(CARRIERS), 1)[:, 0]
    parts = [blob("carrier", "BYTES", texts), blob("dep_delay", "FP32", delays)]
    _, got = unpack(post(server, "carriers", [p[0] for p in parts], [p[1] for p in parts]))
    coded = np.stack([np.arange(len(CARRIERS)), delays], axis=1).astype(np.float32)
    assert np.allclose(got["prediction"], boosters["carriers"].predict(coded)[:, 0], rtol=1e-6)


FORMS = [
    ({}, {}, False), ({}, {"binary_data": True}, True), ({}, {"binary_data": False}, False),
    ({"binary_data_output": True}, {}, True), ({"binary_data_output": False}, {}, False),
    ({"binary_data_output": True}, {"binary_data": False}, False),
    ({"binary_data_output": False}, {"binary_data": True}, True)]


@pytest.mark.parametrize("request_says, output_says, is_binary", FORMS)
def test_forms_of_the_answer(server, boosters, request_says, output_says, is_binary):
    rows = rows_of(6)
    names = ["label", "probability", "margin", "prediction"]
    # One of them always in JSON, so that both forms are mixed.
    outputs = [{"name": n, "parameters": output_says} for n in names[:-1]]
    outputs.append({"name": names[-1], "parameters": {"binary_data": False}})
    answer = server.post("/v2/models/classes/infer", {
        "inputs": [dict(tensor(rows), data=[None if np.isnan(v) else float(v)
                                            for v in rows.flatten()])],
        "outputs": outputs, "parameters": request_says})
    head, got = unpack(answer)
    assert [o["name"] for o in head["outputs"]] == names
    for output in head["outputs"]:
        assert ("data" in output) != ("parameters" in output)
        assert ("parameters" in output) == (is_binary and output["name"] != "prediction")
    right = boosters["classes"].predict(rows)
    assert np.allclose(got["prediction"], right, rtol=1e-6)
    assert np.array_equal(got["probability"].view(np.uint32), got["prediction"].view(np.uint32))
    assert got["label"].tolist() == [["early", "fine", "late"][i] for i in right.argmax(axis=1)]


def test_no_rows(server):
    one, data = blob("input", "FP32", rows_of(0))
    head, got = unpack(post(server, "classes", [one], [data],
                            parameters={"binary_data_output": True}))
    assert got["prediction"].shape == (0, 3)
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 0}


def raw(server, model, data):
    return server.post(f"/v2/models/{model}/infer", data, ["Inference-Header-Content-Length: 0"])


def test_raw(server, boosters):
    for count in (1, 5, 0):
        rows = rows_of(count)
        head, got = unpack(raw(server, "binary", rows.tobytes()))
        assert head["outputs"][0]["parameters"] == {"binary_data_size": 4 * count}
        right = boosters["binary"].predict(rows)[:, 0] if count else np.zeros(0)
        assert np.allclose(got["prediction"], right, rtol=1e-6)


def test_header_length_twice(server):
    """The first one counts; it is no matter of framing."""
    body = json.dumps({"inputs": [tensor([[0.0] * FEATURES])]}).encode()
    answer = server.post("/v2/models/binary/infer", body,
                         [f"inference-header-content-length: {len(body)}", "x: y"])
    assert answer.status == 200


@pytest.mark.parametrize("count", [40000, 200000])
def test_large(single, boosters, count):
    """In slices; others are answered in between (tests/e2e/test_slices.py asserts that)."""
    rows = rows_of(count)
    right = boosters["binary"].predict(rows, margin=True)[:, 0]
    one, data = blob("input", "FP32", rows)
    for form in (True, False):
        _, got = unpack(post(single, "binary", [one], [data], outputs=[
            {"name": "margin", "parameters": {"binary_data": form}}]))
        assert np.array_equal(got["margin"], right)
    _, got = unpack(raw(single, "binary", data))
    assert got["prediction"].shape == (count,)
    columns = [blob(name, "FP64", rows[:, i].astype(np.float64)) for i, name in enumerate(NAMES)]
    _, got = unpack(post(single, "binary", [c[0] for c in columns], [c[1] for c in columns],
                         outputs=[{"name": "margin"}], parameters={"binary_data_output": True}))
    assert np.array_equal(got["margin"], right)


def test_large_texts(single):
    rows = rows_of(120000)
    one, data = blob("input", "FP32", rows)
    outputs = [{"name": n, "parameters": {"binary_data": True}} for n in ("label", "probability")]
    _, got = unpack(post(single, "classes", [one], [data], outputs=outputs))
    names = np.array(["early", "fine", "late"], object)
    assert np.array_equal(got["label"], names[got["probability"].argmax(axis=1)])


def test_triton_raw(server, boosters):
    """As its examples do: a request without JSON."""
    rows = rows_of(1)
    one = tritonclient.http.InferInput("input", rows.shape, "FP32")
    one.set_data_from_numpy(rows, binary_data=True)
    with tritonclient.http.InferenceServerClient(server.url) as client:
        body, length = client.generate_request_body([one])
        assert length is not None and body.endswith(rows.tobytes())
    answer = raw(server, "binary", rows.tobytes())
    result = tritonclient.http.InferenceServerClient.parse_response_body(
        answer.body, header_length=int(answer.headers["inference-header-content-length"]))
    assert np.allclose(result.as_numpy("prediction"), boosters["binary"].predict(rows)[:, 0],
                       rtol=1e-6)

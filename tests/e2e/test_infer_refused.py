# SPDX-License-Identifier: Apache-2.0
"""Goal: what is wrong with an infer request is refused with a status and a text that name it, and
the server goes on serving.

Method: one table of bodies against one server; behind each, a good request on the same connection.
"""

import json

import pytest

from conftest import FEATURES, column, request, tensor

GOOD = {"inputs": [tensor([[0.0] * FEATURES])]}
ROW = [0.0] * FEATURES


def changed(**members):
    return {"inputs": [dict(tensor([ROW]), **members)]}


def without(member):
    one = tensor([ROW])
    del one[member]
    return {"inputs": [one]}


def raw(text):
    return text.encode() if isinstance(text, str) else text


REFUSED = {
    # JSON.
    "empty body": (b"", 400, "malformed JSON"),
    "no object": (b"[]", 400, "the body must be an object, found an array"),
    "cut off": (b'{"inputs":[', 400, "malformed JSON"),
    "behind the end": (json.dumps(GOOD).encode() + b"x", 400, "malformed JSON"),
    "comma too many": (b'{"inputs":[],}', 400, "malformed JSON"),
    "deep": (b'{"x":' + b"[" * 101 + b"]" * 101 + b"}", 400,
             "JSON nesting depth exceeds maximum allowed limit (100)"),
    "very deep": (b'{"x":' + b"[" * 250000, 400,
                  "JSON nesting depth exceeds maximum allowed limit (100)"),
    "deep from the start": (b"[" * 250000, 400, ""),
    "invalid UTF-8": (b'{"id":"\xff\xfe","inputs":[]}', 400, "UTF-8"),
    "invalid UTF-8 in what is skipped": (b'{"x":"\xc3(","inputs":[]}', 400, "UTF-8"),
    "lone surrogate": (b'{"id":"\\ud800","inputs":[]}', 400, ""),
    "number without digits": (raw(json.dumps(GOOD).replace("0.0", "-")), 400, "malformed JSON"),
    "leading zero": (raw(json.dumps(GOOD).replace("0.0", "01")), 400, "malformed JSON"),
    # The request.
    "no inputs": ({}, 400, "the request has no 'inputs'"),
    "empty inputs": ({"inputs": []}, 400, "the request has no 'inputs'"),
    "inputs twice": (b'{"inputs":[],"inputs":[]}', 400, "'inputs' is given twice"),
    "inputs no array": ({"inputs": {}}, 400, "'inputs' must be an array, found an object"),
    "input no object": ({"inputs": [1]}, 400, "each of 'inputs' must be an object"),
    "id no string": (dict(GOOD, id=7), 400, "'id' must be a string, found a number"),
    "id too long": (dict(GOOD, id="x" * 1025), 400, "'id' is longer than"),
    # Inputs.
    "no name": (without("name"), 400, "an input has no 'name'"),
    "no shape": (without("shape"), 400, "input 'input': has no 'shape'"),
    "no datatype": (without("datatype"), 400, "input 'input': has no 'datatype'"),
    "no data": (without("data"), 400, "input 'input': has no 'data'"),
    "unknown name": ({"inputs": [column("dep_dely", "FP32", [1])]}, 400,
                     "no input 'dep_dely'; nearest is 'dep_delay'"),
    "unknown datatype": (changed(datatype="FP31"), 400, "unknown datatype 'FP31'"),
    "datatype in lower case": (changed(datatype="fp32"), 400, "unknown datatype 'fp32'"),
    "half precision": (changed(datatype="FP16"), 400,
                       "receiving FP16 data via JSON is not supported. Please use the binary data "
                       "format for input input"),
    "bfloat": (changed(datatype="BF16"), 400, "receiving BF16 data via JSON is not supported."),
    "texts in a tensor": (changed(datatype="BYTES"), 400, "datatype is BYTES"),
    "texts for a number": ({"inputs": [column("distance", "BYTES", ["x"])]}, 400,
                           "input 'distance': datatype is BYTES, expected FP32"),
    "twice": ({"inputs": [tensor([ROW]), tensor([ROW])]}, 400,
              "input 'input' already exists in request"),
    "column twice": ({"inputs": [column("temp", "FP32", [1]), column("temp", "FP32", [1])]}, 400,
                     "input 'temp' already exists in request"),
    "mixed": ({"inputs": [tensor([ROW]), column("temp", "FP32", [1])]}, 400, "are mixed"),
    "mixed otherwise": ({"inputs": [column("temp", "FP32", [1]), tensor([ROW])]}, 400,
                        "are mixed"),
    "different rows": ({"inputs": [column("temp", "FP32", [1]), column("wind", "FP32", [1, 2])]},
                       400, "input 'wind': holds 2 rows, the inputs before it 1"),
    "blob and data": (changed(parameters={"binary_data_size": 4}), 400,
                      "input 'input': has both 'data' and 'binary_data_size'"),
    "shared memory": (changed(parameters={"shared_memory_region": "r"}), 501,
                      "'shared_memory_region' is not supported"),
    # Shapes.
    "one dimension": (changed(shape=[FEATURES]), 400, "unexpected shape, expected [-1,8]"),
    "three dimensions": (changed(shape=[1, 1, FEATURES]), 400, "unexpected shape"),
    "no dimension": (changed(shape=[]), 400, "unexpected shape"),
    "nine dimensions": (changed(shape=[1] * 9), 400, "more than 8 dimensions"),
    "negative": (changed(shape=[-1, FEATURES]), 400, "'shape' must hold whole numbers from 0"),
    "fraction": (changed(shape=[1.5, FEATURES]), 400, "'shape' must hold whole numbers from 0"),
    "text": (changed(shape=["1", FEATURES]), 400, "'shape' must hold whole numbers from 0"),
    "2^60 rows": (changed(shape=[1 << 60, FEATURES]), 400,
                  "inference request batch-size must be <= 1048576"),
    "2^64 rows": (changed(shape=[1 << 64, FEATURES]), 400, "'shape' must hold whole numbers"),
    "overflow": (changed(shape=[(1 << 61) + 1, FEATURES]), 400,
                 "inference request batch-size must be <= 1048576"),
    "one row too many": (changed(shape=[(1 << 20) + 1, FEATURES]), 400,
                         "inference request batch-size must be <= 1048576"),
    "rows that are not there": (changed(shape=[1 << 20, FEATURES]), 400,
                                "fewer elements than the 8388608"),
    "zero rows, but data": (changed(shape=[0, FEATURES]), 400, "more than the 0 elements"),
    # Data.
    "one too few": (changed(data=ROW[1:]), 400, "'data' holds 7 elements, its shape 8"),
    "one too many": (changed(data=ROW + [1]), 400, "more than the 8 elements of its shape"),
    "no array": (changed(data=1), 400, "'data' must be an array, found a number"),
    "a text": (changed(data=["1"] + ROW[1:]), 400, "element 0: found a string in data of dataty"),
    "true": (changed(data=ROW[1:] + [True]), 400, "element 7: found true in data of datatype FP32"),
    "an object": (changed(data=[{}] + ROW[1:]), 400, "element 0: found an object"),
    "too large a number": (raw(json.dumps(GOOD).replace("0.0", "1e999")), 400, "too large"),
    "a fraction as INT32": (changed(datatype="INT32", data=[0.5] + [0] * 7), 400,
                            "element 0: '0.5' is no INT32"),
    "300 as UINT8": (changed(datatype="UINT8", data=[300] + [0] * 7), 400, "'300' is no UINT8"),
    "-1 as UINT64": (changed(datatype="UINT64", data=[-1] + [0] * 7), 400, "'-1' is no UINT64"),
    "-129 as INT8": (changed(datatype="INT8", data=[-129] + [0] * 7), 400, "'-129' is no INT8"),
    "2^63 as INT64": (changed(datatype="INT64", data=[1 << 63] + [0] * 7), 400, "is no INT64"),
    "a number as BOOL": (changed(datatype="BOOL", data=[1] + [True] * 7), 400, "found a number"),
    "rows too short": (changed(shape=[2, FEATURES], data=[ROW[1:], ROW + [0.0]]), 400,
                       "row 0 of 'data' does not hold 8 elements"),
    "rows too long": (changed(shape=[2, FEATURES], data=[ROW + [0.0], ROW[1:]]), 400,
                      "row 0 of 'data' does not hold 8 elements"),
    "an empty row": (changed(shape=[2, FEATURES], data=[[], ROW + ROW]), 400,
                     "row 0 of 'data' does not hold 8 elements"),
    "row, then element": (changed(shape=[2, FEATURES], data=[ROW] + ROW), 400, "mixes rows"),
    "element, then row": (changed(shape=[2, FEATURES], data=ROW + [ROW]), 400, "nested otherwise"),
    "nested too deep": (changed(data=[[[0.0] * FEATURES]]), 400, "nested otherwise"),
    "nested column": ({"inputs": [column("temp", "FP32", [[1]], [1])]}, 400, "nested otherwise"),
    # Outputs.
    "unknown output": (dict(GOOD, outputs=[{"name": "x"}]), 400, "unexpected inference output 'x'"),
    "output twice": (dict(GOOD, outputs=[{"name": "margin"}, {"name": "margin"}]), 400,
                     "output 'margin' already exists in request"),
    "output without name": (dict(GOOD, outputs=[{}]), 400, "an output has no 'name'"),
    "classification": (dict(GOOD, outputs=[{"name": "margin",
                                            "parameters": {"classification": "1"}}]), 400,
                       "'classification' must be a whole number of classes, found a string"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(server, name):
    body, status, text = REFUSED[name]
    with server.wire() as wire:
        answer = wire.request("POST", "/v2/models/binary/infer", body)
        assert answer.status == status, answer.body
        assert text in answer.error
        assert len(answer.error) < 240 and "\n" not in answer.error
        assert wire.request("POST", "/v2/models/binary/infer", GOOD).status == 200


def test_unseen_category(server):
    answer = server.infer("carriers", column("carrier", "BYTES", ["UA", "UAA"]))
    assert answer.status == 400
    assert "'carrier'" in answer.error and "row 1" in answer.error and "'UAA'" in answer.error


@pytest.mark.parametrize("path, status", [
    ("/v2/models/../ready", 404), ("/v2/models/%2e%2e/ready", 404),
    ("/v2/models/..%2f..%2fetc/ready", 404), ("/v2/models/a%00b/ready", 400),
    ("/v2/models/%zz/ready", 400), ("/v2/models/%ff/ready", 404),
    ("/v2/models/" + "x" * 5000 + "/ready", 404), ("/v2/models/binary%20/ready", 404),
    ("/v2/models/binary/versions/..%2f1/ready", 404), ("/v2/models/binary/versions/01/ready", 404),
    ("/v2/models/binary/versions/-1/ready", 404), ("/v2/models/binary/versions/abc/infer", 405)])
def test_names(server, path, status):
    answer = server.get(path)
    assert answer.status == status and "error" in answer.json
    assert server.get("/v2/health/live").status == 200


def test_error_texts_are_escaped(server):
    answer = server.infer("binary", column('a"\n<b>\u2028', "FP32", [1]))
    assert answer.status == 400 and "no input" in answer.error


def test_memory_after_many_refusals(single):
    bodies = [request("POST", "/v2/models/binary/infer", REFUSED[name][0])
              for name in ("rows that are not there", "very deep", "2^60 rows", "one too few")]
    with single.wire() as wire:
        def round_of(count):
            for _ in range(count):
                for body in bodies:
                    wire.send(body)
                    assert wire.answer().status == 400
        round_of(150)
        before = single.resident_bytes()
        round_of(300)
        assert single.resident_bytes() - before <= 1 << 20

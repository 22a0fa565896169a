# SPDX-License-Identifier: Apache-2.0
"""Goal: several models in one request, as docs/protocols/predict-many.md tells it.

Method: each part is what the same rows get from the model's own endpoint; a part that fails says so
and changes nothing for the others; a body that is wrong is refused whole; long requests, clients
that leave, and the counters.
"""

import json
import socket
import struct
import time

import numpy as np
import pytest

from conftest import NAMES, Server, request

RNG = np.random.default_rng(31)
MANY = "/v1/predict"


def rows_of(count):
    rows = np.round(RNG.standard_normal((count, len(NAMES))), 3)
    return [dict(zip(NAMES, row)) for row in rows.tolist()]


def parts_of(server, models, rows):
    answer = server.post(MANY, {"models": models, "rows": rows})
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"id", "parts", "time_us"}
    assert len(answer.json["parts"]) == len(models)
    return answer.json["parts"]


def alone(server, model, rows, **members):
    answer = server.predict(model, *rows, **members)
    assert answer.status == 200, answer.body
    return {k: answer.json[k] for k in ("model", "version", "predictions")}


def test_each_part_is_as_if_alone(server):
    rows = rows_of(7)
    models = ["binary", "classes", "interval", "value"]
    assert parts_of(server, models, rows) == [alone(server, m, rows) for m in models]


def test_versions(server):
    rows = rows_of(2)
    models = ["binary/1", {"name": "binary", "version": 1}, {"version": "2", "name": "binary"},
              {"name": "binary"}, "binary"]
    one, two = (alone(server, "binary", rows, version=v) for v in (1, 2))
    assert parts_of(server, models, rows) == [one, one, two, two, two]


def test_a_failed_part_fails_alone(server):
    rows = rows_of(3)
    parts = parts_of(server, ["nothing", "binary", "rules", "binary/9", "value", "a/b/", "/"], rows)
    assert [p.get("status", 200) for p in parts] == [404, 200, 400, 404, 200, 404, 404]
    assert parts[0] == {"model": "nothing", "status": 404,
                        "error": "Request for unknown model: 'nothing' is not found"}
    assert "no input 'arr_delay'" in parts[2]["error"] and parts[2]["version"] == "1"
    assert "version 9" in parts[3]["error"] and parts[3]["version"] == "9"
    assert parts[1] == alone(server, "binary", rows)
    assert parts[4] == alone(server, "value", rows)


def test_all_parts_fail(server):
    parts = parts_of(server, ["x", "y"], [{}])
    assert [p["status"] for p in parts] == [404, 404]


def test_values_of_another_kind(server):
    row = {"carrier": "AA", "dep_delay": 1}
    parts = parts_of(server, ["carriers", "rules", "binary"], [row, {**row, "carrier": "ZZ"}])
    assert "row 1" in parts[0]["error"] and "'ZZ'" in parts[0]["error"]
    assert [p["prediction"] for p in parts[1]["predictions"]] == [0.2, 0.2]
    assert "no input 'carrier'" in parts[2]["error"]


def test_no_rows(server):
    assert [p["predictions"] for p in parts_of(server, ["binary", "value"], [])] == [[], []]


def test_rows_in_front_of_models(server):
    body = b'{"rows":[{"temp":1}],"models":["binary"]}'
    assert server.post(MANY, body).json["parts"] == [alone(server, "binary", [{"temp": 1}])]


REFUSED = {
    "no models": ({"rows": []}, "the request has no 'models'"),
    "no rows": ({"models": ["binary"]}, "the request has no 'rows'"),
    "empty": ({"models": [], "rows": []}, "'models' names no model"),
    "a text": ({"models": "binary", "rows": []}, "'models' must be an array, found a string"),
    "a number": ({"models": [1], "rows": []}, "each of 'models' must be a name or an object"),
    "no name": ({"models": [{"version": 1}], "rows": []}, "a model has no 'name'"),
    "name twice": (b'{"models":[{"name":"a","name":"b"}],"rows":[]}', "'name' of a model is given"),
    "a name that is none": ({"models": [{"name": []}], "rows": []}, "'name' must be a string"),
    "a number as name": ({"models": [{"name": 1}], "rows": []}, "'name' must be a string, found a"),
    "more members": ({"models": [{"name": "a", "x": 1}], "rows": []}, "unknown member 'x' of a"),
    "models twice": (b'{"models":["a"],"models":["a"],"rows":[]}', "'models' is given twice"),
    "too many": ({"models": ["a"] * 33, "rows": []}, "'models' names more than 32 models"),
    "unknown member": ({"models": ["a"], "rows": [], "version": 1}, "unknown member 'version'"),
    "no timeout": ({"models": ["a"], "rows": [], "timeout_us": -1}, "'timeout_us' must be a whole"),
    "rows by position": ({"models": ["binary"], "rows": [[1]]}, "row 0 must be an object"),
    "twice in a row": (b'{"models":["binary"],"rows":[{"temp":1,"temp":2}]}', "is given twice"),
    "cut off": (b'{"models":["binary"],"rows":[{"temp":', "malformed JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_whole(server, name):
    body, text = REFUSED[name]
    answer = server.post(MANY, body)
    assert answer.status == 400 and text in answer.error, answer.body


def test_one_deadline(server):
    """It has passed before anything is scored; 0 is none, and an hour is long enough."""
    rows = rows_of(2)
    answer = server.post(MANY, {"models": ["binary", "x", "value"], "rows": rows, "timeout_us": 1})
    assert answer.status == 200
    assert [p["status"] for p in answer.json["parts"]] == [503, 404, 503]
    assert answer.json["parts"][0]["error"] == "Request timeout expired"
    for timeout_us in (0, 3600 * 10**6, 2**64 - 1):
        answer = server.post(MANY, {"timeout_us": timeout_us, "models": ["binary"], "rows": rows})
        assert answer.json["parts"] == [alone(server, "binary", rows)]


def test_limit_is_an_option(models):
    server = Server(models, "--threads", "1", "--models-per-request-max", "2")
    assert server.post(MANY, {"models": ["a", "b"], "rows": []}).status == 200
    assert server.post(MANY, {"models": ["a", "b", "c"], "rows": []}).status == 400
    assert server.stop() == 0


def test_long_request(single):
    """Read, filled, scored and printed in slices."""
    rows = rows_of(8000)
    body = json.dumps({"models": ["binary", "nothing", "value", "classes"], "rows": rows}).encode()
    assert len(body) > 1 << 20
    parts = single.post(MANY, body).json["parts"]
    for part, model in zip(parts, ["binary", None, "value", "classes"]):
        assert part.get("status") == 404 if model is None else part == alone(single, model, rows)


def test_pipelined_with_others(single):
    """Parts are scored in turns; answers keep their order."""
    rows = rows_of(3)
    wanted = [alone(single, m, rows) for m in ("binary", "value")]
    with single.wire() as wire:
        one = request("POST", MANY, {"models": ["binary", "value"], "rows": rows})
        other = request("POST", "/v1/models/value/predict", {"rows": rows})
        wire.send((one + other) * 20)
        for _ in range(20):
            assert wire.answer().json["parts"] == wanted
            assert wire.answer().json["predictions"] == wanted[1]["predictions"]


def requests_of(server, **labels):
    samples = server.metrics().families["ax_requests"].samples
    return {s.labels["code"]: s.value for s in samples
            if s.name.endswith("_total") and s.value
            and all(s.labels[k] == v for k, v in labels.items())}


def test_counted_once_a_part(single):
    rows = rows_of(5)
    parts_of(single, ["binary", "binary/1", "rules", "nothing", "value"], rows)
    single.post(MANY, {"models": ["binary"]})
    assert requests_of(single, model="binary", version="2") == {"OK": 1}
    assert requests_of(single, model="binary", version="1") == {"OK": 1}
    assert requests_of(single, model="rules") == {"INVALID": 1}
    assert requests_of(single, model="value") == {"OK": 1}
    assert requests_of(single, model="") == {"NOT_FOUND": 1, "INVALID": 1}
    assert single.metrics().get("ax_rows_total", model="binary", version="1") == 5


def test_client_that_leaves(single):
    body = {"models": ["binary", "value", "classes"], "rows": rows_of(20000)}
    wire = single.wire()
    wire.send(request("POST", MANY, body))
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        counted = [requests_of(single, model=m, version=v) for m, v in
                   (("binary", "2"), ("value", "1"), ("classes", "1"))]
        none = requests_of(single, model="")
        if all(counted) or none:
            break
        time.sleep(0.05)
    # Cut while it was read, or in any part: counted once all the same.
    if none:
        assert none == {"CANCELLED": 1} and not any(counted)
    else:
        assert counted == [{"CANCELLED": 1}] * 3
    assert single.predict("binary", {}).status == 200

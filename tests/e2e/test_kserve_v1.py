# SPDX-License-Identifier: Apache-2.0
"""Goal: KServe's protocol V1 as docs/protocols/kserve-v1.md tells it.

Method: rows in every form that the protocol has, compared with the library's own scores; each
refusal is {"error": …} with the status that clients expect.
"""

import numpy as np
import pytest

from conftest import CARRIERS, NAMES, holey_rows, named_rows, plain_rows

RNG = np.random.default_rng(21)


def rows_of(count):
    return holey_rows(RNG, count)


def predict(server, model, body, path=":predict"):
    answer = server.post(f"/v1/models/{model}{path}", body)
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"predictions"}
    return answer.json["predictions"]


def forms(rows):
    columns = {n: [row[i] for row in plain_rows(rows)] for i, n in enumerate(NAMES)}
    return {
        "arrays": {"instances": plain_rows(rows)},
        "objects": {"instances": named_rows(rows), "signature_name": "serving_default"},
        "boxed": {"instances": [{k: [v] for k, v in row.items()} for row in named_rows(rows)]},
        "tensor": {"instances": [{"input": row} for row in plain_rows(rows)]},
        "inputs": {"inputs": plain_rows(rows)},
        "columns": {"inputs": columns},
        "shaped columns": {"inputs": {n: [[v] for v in c] for n, c in columns.items()}},
        "tensor of all": {"inputs": {"input": plain_rows(rows)}},
    }


@pytest.mark.parametrize("form", forms(rows_of(2)))
def test_forms(server, boosters, form):
    rows = rows_of(20)
    right = boosters["binary"].predict(rows)[:, 0]
    assert predict(server, "binary", forms(rows)[form]) == pytest.approx(right, rel=1e-6)


def test_several_classes(server, boosters):
    rows = rows_of(3)
    found = predict(server, "classes", {"instances": plain_rows(rows)})
    assert np.allclose(found, boosters["classes"].predict(rows), rtol=1e-6)


def test_categories(server, boosters):
    coded = np.array([[i, 0.5] for i in range(len(CARRIERS))], np.float32)
    right = boosters["carriers"].predict(coded)[:, 0]
    by_position = {"instances": [[c, 0.5] for c in CARRIERS]}
    by_name = {"inputs": {"dep_delay": [0.5] * len(CARRIERS), "carrier": CARRIERS}}
    assert predict(server, "carriers", by_position) == pytest.approx(right, rel=1e-6)
    assert predict(server, "carriers", by_name) == pytest.approx(right, rel=1e-6)


def test_rules(server):
    assert predict(server, "rules", {"instances": [[31, "UA", 0, False]]}) == [0.9]
    assert predict(server, "rules", {"instances": [{"stops": 2}, {"night": True}, {}]}) \
        == [0.5, 0.4, 0.2]


def test_version_in_the_path(server, boosters):
    rows = rows_of(2)
    right = boosters["binary"].predict(rows)[:, 0]
    for version in "12":
        assert predict(server, "binary", {"instances": plain_rows(rows)},
                       f"/versions/{version}:predict") == pytest.approx(right, rel=1e-6)
    answer = server.post("/v1/models/binary/versions/9:predict", {"instances": []})
    assert answer.status == 404 and "version 9" in answer.error


def test_no_rows(server):
    assert predict(server, "binary", {"instances": []}) == []
    assert predict(server, "binary", {"inputs": {}}) == []


REFUSED = {
    "no instances": ({}, "the request has no 'instances' or 'inputs'"),
    "both": ({"instances": [], "inputs": []}, "send one of 'instances' or 'inputs'"),
    "too few": ({"instances": [[1, 2]]}, "a row holds 2 values, the model takes 8"),
    "ragged": ({"instances": [[1] * 8, [1] * 7]}, "row 1 does not hold 8 values"),
    "mixed": ({"instances": [[1] * 8, {}]}, "row 1 mixes"),
    "too deep": ({"instances": [[[[1]] * 8]]}, "value 0 of row 0"),
    "unknown feature": ({"instances": [{"dep_dely": 1}]}, "nearest is 'dep_delay'"),
    "unknown column": ({"inputs": {"dep_dely": [1]}}, "nearest is 'dep_delay'"),
    "base64": ({"instances": [{"temp": {"b64": "AAAA"}}]}, "found an object"),
    "text": ({"instances": [{"temp": "warm"}]}, "found the text 'warm'"),
    "scalar": ({"instances": [1]}, "a row holds 1 values"),
    "no JSON": (b"instances", "malformed JSON"),
    "an array": (b"[]", "the body must be an object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(server, name):
    body, text = REFUSED[name]
    answer = server.post("/v1/models/binary:predict", body)
    assert answer.status == 400 and text in answer.error, answer.body
    assert set(answer.json) == {"error"}


def test_models(server):
    answer = server.get("/v1/models")
    assert answer.status == 200
    assert {"binary", "value", "classes"} <= set(answer.json["models"])


def test_model(server):
    for path in ("/v1/models/binary", "/v1/models/binary/versions/1"):
        answer = server.get(path)
        assert (answer.status, answer.json) == (200, {"name": "binary", "ready": True})
    assert server.get("/v1/models/nothing").status == 404
    assert server.get("/v1/models/binary/versions/7").status == 404
    assert server.post("/v1/models/nothing:predict", {"instances": []}).status == 404


def test_live(server):
    answer = server.get("/")
    assert (answer.status, answer.json) == (200, {"status": "alive"})


def test_methods(server):
    answer = server.post("/v1/models/binary", {})
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"
    assert server.post("/v1/models/binary:explain", {}).status == 405
    assert server.post("/v1/models/binary:predict:predict", {"instances": []}).status == 404


def test_counted(single):
    single.post("/v1/models/binary:predict", {"instances": [[1] * 8] * 3})
    single.post("/v1/models/binary:predict", {"instances": [[1]]})
    labels = {"model": "binary", "version": "2"}
    metrics = single.metrics()
    assert metrics.get("ax_rows_total", **labels) == 3
    assert metrics.get("ax_requests_total", code="OK", **labels) == 1
    assert metrics.get("ax_requests_total", code="INVALID", **labels) == 1

# SPDX-License-Identifier: Apache-2.0
"""Goal: the friendly form as docs/protocols/predict.md tells it.

Method: rows by name against every kind of model, compared with the library's own scores; each
refusal names the field and the row, and nothing is half answered.
"""

import json
import re
import time

import numpy as np
import pytest

from conftest import CARRIERS, NAMES

RNG = np.random.default_rng(9)


def rows_of(count):
    return np.round(RNG.standard_normal((count, len(NAMES))), 3).astype(np.float32)


def named(rows):
    return [{n: float(v) for n, v in zip(NAMES, row) if not np.isnan(v)} for row in rows]


def predictions(answer):
    assert answer.status == 200, answer.body
    found = answer.json["predictions"]
    assert [p["row"] for p in found] == list(range(len(found)))
    return found


def test_binary_with_decision(server, boosters):
    rows = rows_of(40)
    rows[3, 2] = np.nan
    answer = server.predict("binary", *named(rows))
    found = predictions(answer)
    right = boosters["binary"].predict(rows)[:, 0]
    assert np.allclose([p["prediction"] for p in found], right, rtol=1e-6)
    assert [p["probability"] for p in found] == [p["prediction"] for p in found]
    for p in found:
        wanted = "rebook" if p["probability"] >= 0.7 else \
            "warn" if p["probability"] >= 0.3 else "nothing"
        assert p["decision"] == wanted
    assert {p["decision"] for p in found} == {"rebook", "warn", "nothing"}


def test_envelope(server):
    before = time.time()
    answers = [server.predict("binary", {}).json for _ in range(3)]
    for one in answers:
        assert (one["model"], one["version"]) == ("binary", "2")
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                            one["id"])
        milliseconds = int(one["id"].replace("-", "")[:12], 16)
        assert before - 1 <= milliseconds / 1000 <= time.time() + 1
        assert 0 <= one["time_us"] < 30e6
    assert len({one["id"] for one in answers}) == 3


def test_value(server, boosters):
    rows = rows_of(5)
    found = predictions(server.predict("value", *named(rows)))
    right = boosters["value"].predict(rows)[:, 0]
    assert np.allclose([p["value"] for p in found], right, rtol=1e-6)
    assert [p["value"] for p in found] == [p["prediction"] for p in found]
    assert set(found[0]) == {"row", "prediction", "value"}


def test_interval(server, boosters):
    rows = rows_of(5)
    found = predictions(server.predict("interval", *named(rows)))
    right = boosters["interval"].predict(rows)
    assert np.allclose([p["prediction"] for p in found], right, rtol=1e-6)
    for p in found:
        assert p["value"] == p["prediction"][1]
        assert p["interval"] == {"lower": p["prediction"][0], "upper": p["prediction"][2],
                                 "coverage": 0.8}


def test_classes(server, boosters):
    rows = rows_of(5)
    found = predictions(server.predict("classes", *named(rows)))
    right = boosters["classes"].predict(rows)
    for p, scores in zip(found, right):
        assert list(p["probabilities"]) == ["early", "fine", "late"]
        assert np.allclose(list(p["probabilities"].values()), scores, rtol=1e-6)
        assert p["label"] == ["early", "fine", "late"][int(np.argmax(scores))]


def test_categories(server, boosters):
    rows = [{"carrier": c, "dep_delay": 0.5} for c in CARRIERS] + [{"dep_delay": 0.5},
                                                                   {"carrier": None}]
    coded = [[i, 0.5] for i in range(len(CARRIERS))] + [[np.nan, 0.5], [np.nan, np.nan]]
    found = predictions(server.predict("carriers", *rows))
    right = boosters["carriers"].predict(np.array(coded, np.float32))[:, 0]
    assert np.allclose([p["prediction"] for p in found], right, rtol=1e-6)


def test_rules(server):
    found = predictions(server.predict(
        "rules", {"dep_delay": 31, "stops": 0}, {"stops": 2, "carrier": "naïve \u2603"},
        {"night": True}, {}))
    assert [p["prediction"] for p in found] == [0.9, 0.5, 0.4, 0.2]


def test_agrees_with_open_inference(server):
    rows = rows_of(64)
    flat = server.infer("binary", {"name": "input", "shape": [64, len(NAMES)], "datatype": "FP32",
                                   "data": rows.flatten().tolist()}).json["outputs"][0]["data"]
    assert [p["prediction"] for p in predictions(server.predict("binary", *named(rows)))] == flat


def test_no_rows(server):
    assert predictions(server.predict("binary")) == []


@pytest.mark.parametrize("version, wanted", [(1, "1"), ("1", "1"), (2, "2"), ("2", "2")])
def test_version(server, version, wanted):
    answer = server.predict("binary", {}, version=version)
    assert answer.json["version"] == wanted
    # In front of the rows, too.
    body = b'{"version":%s,"rows":[{}]}' % json.dumps(version).encode()
    assert server.post("/v1/models/binary/predict", body).json["version"] == wanted


REFUSED = {
    "unknown feature": ([{}, {"dep_dely": 1}], "row 1: no input 'dep_dely'; nearest is"),
    "text for a number": ([{}, {"temp": "warm"}], "input 'temp', row 1: found the text 'warm'"),
    "array": ([{"temp": [1]}], "input 'temp', row 0: found an array where a value is wanted"),
    "object": ([{}, {}, {"wind": {}}], "input 'wind', row 2: found an object where a value is"),
    "given twice": (b'{"rows":[{},{"temp":1,"temp":2}]}', "input 'temp', row 1: is given twice"),
    "no object": ([{}, 7], "row 1 must be an object, found a number"),
    "rows no array": (b'{"rows":{}}', "'rows' must be an array, found an object"),
    "no rows": (b"{}", "the request has no 'rows'"),
    "rows twice": (b'{"rows":[],"rows":[]}', "'rows' is given twice"),
    "unknown member": (b'{"row":[{}]}', "unknown member 'row'"),
    "version no number": (b'{"rows":[],"version":[]}', "'version' must be a number or a string"),
    "version twice": (b'{"rows":[],"version":1,"version":2}', "'version' is given twice"),
    "no JSON": (b"rows", "malformed JSON"),
    "cut off": (b'{"rows":[{"temp":', "malformed JSON"),
    "deep": (b'{"rows":[{"temp":' + b"[" * 101, "input 'temp', row 0: found an array where"),
    "very deep": (b'{"rows":' + b"[" * 250000, ""),
    "invalid UTF-8": (b'{"rows":[{"temp":"\xff"}]}', "UTF-8"),
    "too large a number": (b'{"rows":[{},{"temp":1e999}]}', "input 'temp', row 1: the number is"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(server, name):
    body, text = REFUSED[name]
    with server.wire() as wire:
        answer = wire.request("POST", "/v1/models/binary/predict",
                              body if isinstance(body, bytes) else {"rows": body})
        assert answer.status == 400 and text in answer.error, answer.body
        assert set(answer.json) == {"error"}
        assert wire.request("POST", "/v1/models/binary/predict", {"rows": [{}]}).status == 200


def test_refused_by_type(server):
    for row, text in [({"stops": 1.5}, "'stops', row 1"), ({"night": "x"}, "'night', row 1"),
                      ({"carrier": 3}, "'carrier', row 1"), ({"stops": True}, "'stops', row 1")]:
        answer = server.predict("rules", {}, row)
        assert answer.status == 400 and text in answer.error, answer.body
    answer = server.predict("carriers", {"carrier": "AA"}, {"carrier": "ZZ"})
    assert answer.status == 400 and "row 1" in answer.error and "'ZZ'" in answer.error


def test_unknown_model_and_version(server):
    answer = server.predict("nothing", {})
    assert answer.status == 404
    assert answer.error == "Request for unknown model: 'nothing' is not found"
    answer = server.predict("binary", {}, version=9)
    assert answer.status == 404 and "version 9" in answer.error


def test_too_many_rows(server):
    body = b'{"rows":[' + b",".join([b"{}"] * ((1 << 20) + 1)) + b"]}"
    answer = server.post("/v1/models/binary/predict", body)
    assert answer.status == 400
    assert answer.error == "inference request batch-size must be <= 1048576"

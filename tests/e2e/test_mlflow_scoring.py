# SPDX-License-Identifier: Apache-2.0
"""Goal: MLflow's scoring protocol as docs/protocols/mlflow-scoring.md tells it.

Method: tables in every form that MLflow's own scoring server takes, CSV too, compared with the
library's own scores; refusals have the form of MLflow's exceptions; and which model answers.
"""

import json

import numpy as np
import pytest

from conftest import CARRIERS, NAMES, Server, holey_rows, named_rows, plain_rows

RNG = np.random.default_rng(22)
INVOCATIONS = "/v1/models/{}/invocations"
CSV = ["content-type: text/csv"]


def rows_of(count):
    return holey_rows(RNG, count)


def split(rows, **changes):
    return {"columns": NAMES, "index": list(range(len(rows))), "data": plain_rows(rows), **changes}


def csv(rows, end="\n"):
    lines = [",".join(NAMES)]
    lines += [",".join("" if v is None else repr(v) for v in row) for row in plain_rows(rows)]
    return (end.join(lines) + end).encode()


def scores(server, model, body, headers=("content-type: application/json",)):
    answer = server.post(INVOCATIONS.format(model), body, headers)
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"predictions"}
    return answer.json["predictions"]


def forms(rows):
    named = named_rows(rows)
    turned = list(reversed(NAMES))
    return {
        "split": {"dataframe_split": split(rows)},
        "split, turned": {"dataframe_split": split(rows[:, ::-1], columns=turned)},
        "split, columns last": {"dataframe_split": {"data": plain_rows(rows), "columns": NAMES}},
        "split, no names": {"dataframe_split": {"data": plain_rows(rows)}},
        "split, positions": {"dataframe_split": split(rows, columns=list(range(len(NAMES))))},
        "records": {"dataframe_records": named},
        "instances": {"instances": plain_rows(rows)},
        "instances, named": {"instances": named},
        "inputs": {"inputs": plain_rows(rows)},
        "inputs, named": {"inputs": {n: [r[n] for r in named] for n in NAMES}},
        "inputs, tensor": {"inputs": {"input": plain_rows(rows)}},
        "params": {"params": {"x": [1]}, "dataframe_records": named},
    }


@pytest.mark.parametrize("form", forms(rows_of(2)))
def test_forms(server, boosters, form):
    rows = rows_of(20)
    right = boosters["binary"].predict(rows)[:, 0]
    assert scores(server, "binary", forms(rows)[form]) == pytest.approx(right, rel=1e-6)


def test_nan_is_missing(server, boosters):
    rows = rows_of(3)
    body = json.dumps({"dataframe_split": split(rows, data=rows.tolist())}).encode()
    assert b"NaN" in body
    right = boosters["binary"].predict(rows)[:, 0]
    assert scores(server, "binary", body) == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv(server, boosters, end):
    rows = rows_of(20)
    right = boosters["binary"].predict(rows)[:, 0]
    assert scores(server, "binary", csv(rows, end), CSV) == pytest.approx(right, rel=1e-6)


def test_csv_of_several_kinds(server):
    body = ('\ufeffcarrier,night,stops,dep_delay\n"UA",False,0,31\n\n,True,,\n"A ""b"",\nc",'
            '0,2.0,+1e0\nNA,,nan,NULL').encode()
    assert scores(server, "rules", body, ["content-type: text/csv; charset=UTF-8"]) \
        == [0.9, 0.4, 0.5, 0.2]


def test_csv_categories(server, boosters):
    body = ("carrier,dep_delay\n" + "".join(f"{c},0.5\n" for c in CARRIERS)).encode()
    right = boosters["carriers"].predict(
        np.array([[i, 0.5] for i in range(len(CARRIERS))], np.float32))[:, 0]
    assert scores(server, "carriers", body, CSV) == pytest.approx(right, rel=1e-6)


def test_several_classes(server, boosters):
    rows = rows_of(3)
    found = scores(server, "classes", {"inputs": plain_rows(rows)})
    assert np.allclose(found, boosters["classes"].predict(rows), rtol=1e-6)


def test_no_rows(server):
    assert scores(server, "binary", {"dataframe_split": split(rows_of(1)[:0])}) == []
    assert scores(server, "binary", ",".join(NAMES).encode(), CSV) == []


@pytest.mark.parametrize("headers", [
    [], ["content-type: application/json"], ["content-type: Application/JSON ; charset=\"UTF-8\""]])
def test_content_types(server, headers):
    assert len(scores(server, "binary", {"inputs": [[0] * 8]}, headers)) == 1


@pytest.mark.parametrize("value", [
    "text/plain", "application/octet-stream", "application/json; charset=latin-1",
    "text/csv; header=absent", "application/json; format=pandas-split"])
def test_content_type_refused(server, value):
    answer = server.post(INVOCATIONS.format("binary"), {"inputs": []}, [f"content-type: {value}"])
    assert answer.status == 415
    assert answer.json["error_code"] == "BAD_REQUEST" and answer.json["message"]


BAD_JSON = {
    "no form": ({}, "no 'dataframe_split', 'dataframe_records', 'instances' or 'inputs'"),
    "two forms": ({"inputs": [], "instances": []}, "'instances' comes on top of other rows"),
    "unknown column": ({"dataframe_records": [{"dep_dely": 1}]}, "nearest is 'dep_delay'"),
    "too many values": ({"dataframe_split": {"columns": ["temp"], "data": [[1, 2]]}},
                        "1 columns are named, a row holds 2 values"),
    "no data": ({"dataframe_split": {"columns": ["temp"]}}, "'dataframe_split' has no 'data'"),
    "a list": ([{"temp": 1}], "the body must be an object"),
    "text": ({"inputs": {"temp": ["warm"]}}, "found the text 'warm'"),
    "no JSON": (b"{", "malformed JSON"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_refused(server, name):
    body, text = BAD_JSON[name]
    answer = server.post(INVOCATIONS.format("binary"), body if isinstance(body, bytes)
                         else json.dumps(body).encode())
    assert answer.status == 400, answer.body
    assert set(answer.json) == {"error_code", "message"}
    assert answer.json["error_code"] == "BAD_REQUEST" and text in answer.json["message"]


BAD_CSV = {
    "empty": (b"", "the body is empty"),
    "index": (b",temp\n0,1\n", "line 1: column 0 has no name"),
    "twice": (b"temp,temp\n1,1\n", "line 1: the column 'temp' is named twice"),
    "too few": (b"temp,wind\n1,2\n1\n", "line 3 does not hold 2 fields"),
    "too many": (b"temp,wind\n\n1,2,3\n", "line 3 does not hold 2 fields"),
    "open quote": (b'temp,wind\n1,"2\n3\n', "line 2: a quote is not closed"),
    "behind a quote": (b'temp,wind\n1,"2"3\n', "line 2: something follows a closing quote"),
    "no UTF-8": (b"temp\n\xff\n", "line 2: a field is not UTF-8"),
    "no number": (b"temp,wind\n1,calm\n", "input 'wind', row 0: found the text 'calm'"),
    "unknown": (b"temp,windy\n1,2\n", "no input 'windy'; nearest is 'wind'"),
    "long": (b"temp\n" + b"1" * 70000, "line 2: a field is longer than 65536 bytes"),
}


@pytest.mark.parametrize("name", BAD_CSV)
def test_csv_refused(server, name):
    body, text = BAD_CSV[name]
    answer = server.post(INVOCATIONS.format("binary"), body, CSV)
    assert answer.status == 400 and answer.json["error_code"] == "BAD_REQUEST"
    assert text in answer.json["message"], answer.body


def test_unknown_model(server):
    answer = server.post(INVOCATIONS.format("nothing"), {"inputs": []})
    assert answer.status == 404 and answer.json["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_several_models_and_no_default(server):
    answer = server.post("/invocations", {"inputs": [[0] * 8]})
    assert answer.status == 400 and answer.json["error_code"] == "BAD_REQUEST"
    assert "--default-model" in answer.json["message"] and "'binary'" in answer.json["message"]


@pytest.mark.parametrize("default, version", [("binary", "2"), ("binary/1", "1")])
def test_default_model(models, boosters, default, version):
    rows = rows_of(4)
    server = Server(models, "--threads", "1", "--default-model", default)
    answer = server.post("/invocations", {"dataframe_split": split(rows)})
    right = boosters["binary"].predict(rows)[:, 0]
    assert answer.json["predictions"] == pytest.approx(right, rel=1e-6)
    assert server.metrics().get("ax_rows_total", model="binary", version=version) == 4
    assert server.stop() == 0


def test_only_model(models, tmp_path):
    (tmp_path / "one").symlink_to(models / "value")
    server = Server(tmp_path, "--threads", "1")
    assert len(server.post("/invocations", {"inputs": [[0] * 8]}).json["predictions"]) == 1
    assert server.stop() == 0


def test_default_model_that_is_not_there(models):
    server = Server(models, "--threads", "1", "--default-model", "bynary")
    assert any("the default model is not there" in line for line in server.lines)
    answer = server.post("/invocations", {"inputs": []})
    assert answer.status == 404 and "'bynary'" in answer.json["message"]
    assert server.stop() == 0


def test_health(server):
    for path, body in (("/ping", b"\n"), ("/health", b"OK")):
        answer = server.get(path)
        assert (answer.status, answer.body) == (200, body)
    version = server.get("/version")
    assert version.status == 200 and version.headers["content-type"].startswith("text/plain")
    assert version.body.decode() == server.get("/v2").json["version"]


def test_long_csv_in_slices(single, boosters):
    rows = rows_of(20000)
    found = single.post(INVOCATIONS.format("binary"), csv(rows), CSV).json["predictions"]
    assert found == pytest.approx(boosters["binary"].predict(rows)[:, 0], rel=1e-6)

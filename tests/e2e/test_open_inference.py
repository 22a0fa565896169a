# SPDX-License-Identifier: Apache-2.0
"""Goal: the Open Inference Protocol over HTTP as docs/protocols/open-inference.md tells it.

Method: tritonclient for what it can say, raw requests for the rest; scores are compared with the
library's own.
"""

import json

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from conftest import CARRIERS, FEATURES, column, tensor

RNG = np.random.default_rng(5)


@pytest.fixture
def client(server):
    with tritonclient.http.InferenceServerClient(server.url) as one:
        yield one


def rows_of(count, features=FEATURES):
    rows = RNG.standard_normal((count, features)).astype(np.float32)
    rows[RNG.random(rows.shape) < 0.1] = np.nan
    return rows


# ---- tritonclient ----

def test_triton_health(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("binary") and client.is_model_ready("binary", "1")
    assert not client.is_model_ready("binary", "7") and not client.is_model_ready("nothing")


def test_triton_health_with_query(client):
    assert client.is_server_live(query_params={"test_1": 1, "test_2": 2})
    assert client.is_model_ready("binary", query_params={"x": "a b"})


def test_triton_server_metadata(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] == "auspex"
    assert {"binary_tensor_data", "model_configuration", "model_repository",
            "statistics"} <= set(metadata["extensions"])
    # What is listed is called by clients, so what does not exist is not.
    assert not {"trace", "sequence", "system_shared_memory", "cuda_shared_memory",
                "schedule_policy"} & set(metadata["extensions"])


def test_triton_model_metadata(client):
    metadata = client.get_model_metadata("binary")
    assert metadata["name"] == "binary" and metadata["versions"] == ["1", "2"]
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, FEATURES]}]
    by_name = {t["name"]: t for t in metadata["outputs"]}
    assert by_name["prediction"] == {"name": "prediction", "datatype": "FP32", "shape": [-1]}
    assert {"margin", "probability"} <= set(by_name)
    assert metadata["parameters"]["format"] == "xgboost_ubjson"
    assert metadata["parameters"]["iterations"] == "all (12)"
    assert client.get_model_metadata("binary", "1")["parameters"]["format"] == "xgboost_json"


def test_triton_metadata_of_columns(client):
    inputs = client.get_model_metadata("carriers")["inputs"]
    assert inputs == [{"name": "carrier", "datatype": "BYTES", "shape": [-1, 1]},
                      {"name": "dep_delay", "datatype": "FP32", "shape": [-1, 1]}]


def test_triton_model_config(client):
    config = client.get_model_config("classes")
    assert config["name"] == "classes" and config["backend"] == "forest"
    assert config["max_batch_size"] == 1 << 20
    assert config["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [FEATURES]}]
    assert {"name": "prediction", "data_type": "TYPE_FP32", "dims": [3]} in config["output"]
    assert config["parameters"]["iterations"] == {"string_value": "all (6)"}


def test_triton_repository_index(client):
    index = client.get_model_repository_index()
    assert {"name": "binary", "version": "2", "state": "READY", "reason": ""} in index
    assert {e["name"] for e in index} == {"binary", "value", "interval", "classes", "carriers",
                                          "rules"}


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT32", "UINT8"])
@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_triton_infer(client, boosters, datatype, binary_in, binary_out):
    rows = rows_of(17) if datatype.startswith("FP") else RNG.integers(0, 9, (17, FEATURES))
    rows = rows.astype(tritonclient.utils.triton_to_np_dtype(datatype))
    one = tritonclient.http.InferInput("input", rows.shape, datatype)
    one.set_data_from_numpy(rows, binary_data=binary_in)
    wanted = [tritonclient.http.InferRequestedOutput(n, binary_data=binary_out)
              for n in ("margin", "prediction")]
    result = client.infer("binary", [one], outputs=wanted, request_id="a/7")
    assert result.get_response()["id"] == "a/7"
    assert result.get_response()["model_version"] == "2"
    assert [o["name"] for o in result.get_response()["outputs"]] == ["margin", "prediction"]
    booster = boosters["binary"]
    assert np.array_equal(result.as_numpy("margin"), booster.predict(rows, margin=True)[:, 0])
    assert np.allclose(result.as_numpy("prediction"), booster.predict(rows)[:, 0], rtol=1e-6)


def test_triton_infer_without_outputs(client, boosters):
    # The client then asks for binary outputs.
    rows = rows_of(3)
    one = tritonclient.http.InferInput("input", rows.shape, "FP32")
    one.set_data_from_numpy(rows, binary_data=False)
    result = client.infer("classes", [one], model_version="1")
    assert result.as_numpy("prediction").shape == (3, 3)
    assert np.allclose(result.as_numpy("prediction"), boosters["classes"].predict(rows), rtol=1e-6)
    assert result.get_response()["outputs"] == [
        {"name": "prediction", "datatype": "FP32", "shape": [3, 3],
         "parameters": {"binary_data_size": 36}}]


@pytest.mark.parametrize("binary", [False, True])
def test_triton_infer_text(client, boosters, binary):
    texts = np.array([[c] for c in CARRIERS], dtype=object)
    delays = rows_of(len(CARRIERS), 1)
    carrier = tritonclient.http.InferInput("carrier", texts.shape, "BYTES")
    carrier.set_data_from_numpy(texts, binary_data=binary)
    delay = tritonclient.http.InferInput("dep_delay", delays.shape, "FP32")
    delay.set_data_from_numpy(delays, binary_data=False)
    result = client.infer("carriers", [delay, carrier])
    coded = np.concatenate([np.arange(len(CARRIERS)).reshape(-1, 1), delays], axis=1)
    right = boosters["carriers"].predict(coded)[:, 0]
    assert np.allclose(result.as_numpy("prediction"), right, rtol=1e-6)


def test_triton_errors(client):
    one = tritonclient.http.InferInput("input", [1, 1], "FP32")
    one.set_data_from_numpy(np.zeros((1, 1), np.float32), binary_data=False)
    with pytest.raises(InferenceServerException, match="unexpected shape, expected"):
        client.infer("binary", [one])
    with pytest.raises(InferenceServerException,
                       match="Request for unknown model: 'nothing' is not found"):
        client.infer("nothing", [one])
    one.set_data_from_numpy(np.zeros((1, 1), np.float32), binary_data=True)
    with pytest.raises(InferenceServerException, match="unexpected shape, expected"):
        client.infer("binary", [one])


# ---- health, lists ----

def test_health_bodies(server):
    live, ready = server.get("/v2/health/live"), server.get("/v2/health/ready")
    assert (live.status, live.json) == (200, {"live": True})
    assert (ready.status, ready.json) == (200, {"ready": True})
    one = server.get("/v2/models/rules/ready")
    assert (one.status, one.json) == (200, {"name": "rules", "ready": True})


def test_models(server):
    assert set(server.get("/v2/models").json["models"]) == {
        "binary", "value", "interval", "classes", "carriers", "rules"}


def test_head(server):
    with server.wire() as wire:
        answer = wire.request("HEAD", "/v2/health/live")
        assert answer.status == 200
        assert int(answer.headers["content-length"]) == len('{"live":true}')
        assert wire.request("GET", "/v2/health/live").json == {"live": True}


@pytest.mark.parametrize("body, status", [
    (b"", 200), (b"{}", 200), (b'{"ready":true}', 200), (b'{"ready":1}', 400),
    (b'{"ready":"true"}', 400), (b"[]", 400), (b"{", 400), (b" " * 70000 + b"{}", 413)])
def test_index_body(server, body, status):
    answer = server.post("/v2/repository/index", body)
    assert answer.status == status
    if body.startswith(b'{"ready":') and status == 400:
        assert answer.error == "Invalid value for 'ready': expected a boolean"


def test_paths_and_methods(server):
    assert server.get("/v2/nothing").status == 404
    assert server.get("/v2/models//ready").status == 404
    assert server.get("/v2/models/binary/infer").headers["allow"] == "POST"
    answer = server.post("/v2/models/binary", {})
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"
    assert "error" in answer.json
    assert server.get("/v2/models/%62inary/ready").status == 200


# ---- infer: forms ----

def predictions(answer, name="prediction"):
    assert answer.status == 200, answer.body
    one = next(o for o in answer.json["outputs"] if o["name"] == name)
    return np.array(one["data"], dtype=np.float32).reshape(one["shape"])


def test_nested_is_flat(server):
    rows = np.round(rows_of(4), 3)
    flat = tensor(rows)
    nested = dict(flat, data=rows.tolist())
    right = predictions(server.infer("binary", flat))
    assert np.array_equal(predictions(server.infer("binary", nested)), right)


def test_columns_are_the_tensor(server):
    rows = np.round(rows_of(5), 3)
    names = ["dep_delay", "arr_delay", "distance", "air_time", "temp", "wind", "precip", "seats"]
    right = predictions(server.infer("binary", tensor(rows)))
    columns = [column(n, "FP32", rows[:, i].tolist()) for i, n in enumerate(names)]
    assert np.array_equal(predictions(server.infer("binary", *reversed(columns))), right)
    flat = [column(n, "FP64", rows[:, i].tolist(), [5]) for i, n in enumerate(names)]
    assert np.array_equal(predictions(server.infer("binary", *flat)), right)
    nested = [dict(c, data=[[v] for v in c["data"]]) for c in columns]
    assert np.array_equal(predictions(server.infer("binary", *nested)), right)


@pytest.mark.parametrize("name", ["input-0", "input-1"])
def test_names_that_other_servers_clients_have_for_the_tensor(server, name):
    rows = np.round(rows_of(3), 3)
    right = predictions(server.infer("binary", tensor(rows)))
    assert np.array_equal(predictions(server.infer("binary", tensor(rows, name=name))), right)
    twice = server.infer("binary", tensor(rows), tensor(rows, name=name))
    assert twice.status == 400 and "already exists in request" in twice.error
    assert server.infer("binary", tensor(rows, name="input-2")).status == 400


def test_null_and_absent_are_missing(server, boosters):
    rows = np.full((2, FEATURES), np.nan, np.float32)
    rows[:, 1] = [0.5, -0.5]
    right = boosters["binary"].predict(rows)[:, 0]
    one = column("arr_delay", "FP32", [0.5, -0.5])
    assert np.allclose(predictions(server.infer("binary", one)), right, rtol=1e-6)
    data = [None if np.isnan(v) else float(v) for v in rows.flatten()]
    whole = dict(tensor(rows), data=data)
    assert np.allclose(predictions(server.infer("binary", whole)), right, rtol=1e-6)


def test_tensor_of_category_indexes(server, boosters):
    coded = np.array([[i, 0.25 * i] for i in range(len(CARRIERS))], np.float32)
    right = boosters["carriers"].predict(coded)[:, 0]
    assert np.allclose(predictions(server.infer("carriers", tensor(coded))), right, rtol=1e-6)


def test_order_of_members_is_free(server):
    rows = np.round(rows_of(3), 3)
    body = {"inputs": [tensor(rows)]}
    right = predictions(server.post("/v2/models/binary/infer", body))
    data = json.dumps(rows.flatten().tolist())
    turned = ('{"later":{"a":[1,{"b":null}]},"inputs":[{"data":%s,"more":[[]],"datatype":"FP32",'
              '"parameters":{"x":1},"shape":[3,%d],"name":"input"}],"id":"\\u0031"}'
              % (data, FEATURES)).encode()
    answer = server.post("/v2/models/binary/infer", turned)
    assert np.array_equal(predictions(answer), right) and answer.json["id"] == "1"


def test_id_is_echoed(server):
    assert "id" not in server.infer("value", tensor(np.zeros((1, FEATURES)))).json
    for text in ["", "a", 'q"\\\n', "naïve ☃"]:
        assert server.infer("value", tensor(np.zeros((1, FEATURES))), id=text).json["id"] == text


def test_no_rows(server):
    answer = server.infer("classes", tensor(np.zeros((0, FEATURES))))
    assert answer.status == 200
    assert answer.json["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [0, 3],
                                       "data": []}]


def test_labels(server):
    rows = rows_of(6)
    answer = server.infer("classes", tensor(rows), outputs=[{"name": "label"},
                                                            {"name": "probability"}])
    label, probability = answer.json["outputs"]
    best = np.array(probability["data"]).reshape(6, 3).argmax(axis=1)
    assert label["datatype"] == "BYTES" and label["shape"] == [6]
    assert label["data"] == [["early", "fine", "late"][i] for i in best]


def test_rules(server):
    answer = server.infer("rules", column("dep_delay", "FP64", [31, 31, 0, None]),
                          column("carrier", "BYTES", [None, "DL", "WN", "AA"]),
                          column("stops", "INT64", [0, 2, 3, 0]),
                          column("night", "BOOL", [False, True, True, True]))
    assert answer.json["outputs"][0]["data"] == [0.9, 0.5, 0.5, 0.4]


def test_versions(server):
    rows = tensor(rows_of(1))
    for version in ("1", "2"):
        answer = server.post(f"/v2/models/binary/versions/{version}/infer", {"inputs": [rows]})
        assert answer.json["model_version"] == version
    answer = server.post("/v2/models/binary/versions/3/infer", {"inputs": [rows]})
    assert answer.status == 404
    assert answer.error == "Request for unknown model: 'binary' version 3 is not found"

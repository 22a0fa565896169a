# SPDX-License-Identifier: Apache-2.0
"""Goal: tritonclient.http and tritonclient.http.aio work unmodified: every call of theirs that has
a route here, in JSON and in binary form, compressed and not; and calls that have none fail as the
clients expect a server to refuse.

Method: one body of tests over both clients, the one of coroutines behind a wrapper that runs each
call to its end. What is scored is compared with the library's own answers.
"""

import asyncio
import inspect

import numpy as np
import pytest
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

from conftest import rows_of, serving

FEATURES = serving.FEATURES


class Blocking:
    """A client of coroutines whose calls return when they are done."""

    def __init__(self, make):
        self.loop = asyncio.new_event_loop()
        self.client = self.run(self.begin(make))

    @staticmethod
    async def begin(make):
        return make()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def __getattr__(self, name):
        method = getattr(self.client, name)
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *args, **kwargs: self.run(method(*args, **kwargs))


def connect(kind, url):
    if kind == "http":
        return tritonclient.http.InferenceServerClient(url)
    return Blocking(lambda: tritonclient.http.aio.InferenceServerClient(url))


@pytest.fixture(params=["http", "aio"])
def client(request, server):
    one = connect(request.param, server.url)
    yield one
    one.close()


def tensor(rows, datatype="FP32", name="input", binary=True):
    one = tritonclient.http.InferInput(name, rows.shape, datatype)
    one.set_data_from_numpy(rows, binary_data=binary)
    return one


def output(name, binary=True, **more):
    return tritonclient.http.InferRequestedOutput(name, binary_data=binary, **more)


# ---- what there is ----

def test_health(client):
    assert client.is_server_live() is True and client.is_server_ready() is True
    assert client.is_model_ready("binary") is True and client.is_model_ready("binary", "1") is True
    assert client.is_model_ready("binary", "9") is False and client.is_model_ready("no") is False
    assert client.is_server_live(headers={"X-Test": "1"}, query_params={"a": "b c", "n": 1}) is True


def test_metadata(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] and metadata["version"]
    assert {"binary_tensor_data", "statistics"} <= set(metadata["extensions"])
    one = client.get_model_metadata("binary", "1")
    assert one["name"] == "binary" and one["versions"] == ["1", "2"]
    assert one["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, FEATURES]}]
    assert client.get_model_metadata("carriers")["inputs"][0]["datatype"] == "BYTES"


def test_config(client):
    config = client.get_model_config("classes")
    assert config["name"] == "classes" and config["max_batch_size"] > 0
    assert config["input"][0]["dims"] == [FEATURES]


def test_repository_index(client):
    index = client.get_model_repository_index()
    assert {(e["name"], e["version"], e["state"]) for e in index} >= {("binary", "1", "READY"),
                                                                     ("binary", "2", "READY")}


RULES = """rules: 1
inputs: {{x: {{datatype: FP32, default: 0}}}}
outputs: {{prediction: BYTES}}
cases:
  - otherwise: {}
"""


@pytest.fixture(params=["http", "aio"])
def control(request, tmp_path):
    """A client of a server of its own that takes orders, and the folder of its models."""
    folder = tmp_path / "models"
    (folder / "m/1").mkdir(parents=True)
    (folder / "m/1/rules.yaml").write_text(RULES.format("folder"), "utf-8")
    one = serving.Server(folder, "--threads", "1", "--state", str(tmp_path / "state"),
                         "--model-control", "explicit")
    client = connect(request.param, one.url)
    yield client
    client.close()
    assert one.stop() == 0


def word_of(client, model="m"):
    answer = client.infer(model, [tensor(np.ones((1, 1), np.float32), name="x")])
    return answer.as_numpy("prediction").flatten()[0].decode()


def test_load_and_unload(control):
    assert word_of(control) == "folder"
    control.unload_model("m", unload_dependents=True)
    assert control.is_model_ready("m") is False
    assert {e["state"] for e in control.get_model_repository_index()} <= {"UNAVAILABLE",
                                                                         "UNLOADING"}
    with pytest.raises(InferenceServerException):
        word_of(control)
    control.load_model("m", headers={"x-test": "1"}, query_params={"test_1": "1", "test_2": "2"})
    assert control.is_model_ready("m") is True and word_of(control) == "folder"
    with pytest.raises(InferenceServerException, match="failed to load 'wrong', failed to poll"):
        control.load_model("wrong")


def test_overrides(control):
    control.load_model("m", config='{"max_batch_size": 16}')
    assert control.get_model_config("m")["max_batch_size"] == 16
    control.load_model("other", config="{}",
                       files={"file:1/rules.yaml": RULES.format("brought").encode()})
    assert word_of(control, "other") == "brought" and word_of(control) == "folder"
    with pytest.raises(InferenceServerException, match="failed to load 'other'"):
        control.load_model("other", config="{}", files={"file:../1/rules.yaml": b"x"})
    with pytest.raises(InferenceServerException, match="needs 'config'"):
        control.load_model("other", files={"file:1/rules.yaml": b"x"})
    assert word_of(control, "other") == "brought"
    control.load_model("m")
    assert control.get_model_config("m")["max_batch_size"] > 16


def test_statistics(client):
    def successes():
        one, = client.get_inference_statistics("value", "1")["model_stats"]
        return one["inference_stats"]["success"]["count"], one["inference_count"]

    requests, rows = successes()
    client.infer("value", [tensor(rows_of(7))])
    assert successes() == (requests + 1, rows + 7)
    assert {s["version"] for s in client.get_inference_statistics("binary")["model_stats"]} == {
        "1", "2"}
    assert {s["name"] for s in client.get_inference_statistics()["model_stats"]} >= {"binary",
                                                                                    "value"}


def test_log_settings(client):
    before = client.get_log_settings()
    assert before["log_file"] == "" and isinstance(before["log_info"], bool)
    after = client.update_log_settings({"log_verbose_level": 1, "log_info": False})
    assert (after["log_verbose_level"], after["log_info"]) == (1, False)
    assert client.get_log_settings() == after
    assert client.update_log_settings({"log_verbose_level": None, "log_info": None}) == before
    with pytest.raises(InferenceServerException, match="log file location can not be updated"):
        client.update_log_settings({"log_file": "/tmp/x"})


@pytest.mark.parametrize("model", [None, "binary"])
def test_trace_settings(client, model):
    before = client.get_trace_settings(model_name=model)
    assert before["trace_level"] == ["OFF"]
    assert client.update_trace_settings(model, {"trace_level": ["OFF"]}) == before
    assert client.update_trace_settings(model, {"trace_rate": None}) == before
    with pytest.raises(InferenceServerException, match="trace_level 'TIMESTAMPS'"):
        client.update_trace_settings(model, {"trace_level": ["TIMESTAMPS"]})


def test_shared_memory(client):
    """There is none: clients' tests ask for it and clear it before they begin."""
    assert client.get_system_shared_memory_status() == []
    assert client.get_cuda_shared_memory_status() == []
    client.unregister_system_shared_memory()
    client.unregister_system_shared_memory("region")
    client.unregister_cuda_shared_memory()
    client.unregister_cuda_shared_memory("region")
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        client.register_system_shared_memory("region", "/key", 64)
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        client.register_cuda_shared_memory("region", b"handle", 0, 64)
    with pytest.raises(InferenceServerException, match="none can be registered"):
        client.get_system_shared_memory_status("region")
    one = tritonclient.http.InferInput("input", [1, FEATURES], "FP32")
    one.set_shared_memory("region", 4 * FEATURES)
    with pytest.raises(InferenceServerException, match="'shared_memory_region' is not supported"):
        client.infer("binary", [one])


def test_control_of_models_is_refused(client):
    for call in (lambda: client.load_model("binary"), lambda: client.unload_model("binary")):
        with pytest.raises(InferenceServerException,
                           match="explicit model load / unload is not allowed") as caught:
            call()
        assert caught.value.status() == "400"
    assert client.is_model_ready("binary")


# ---- infer ----

@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infer(client, boosters, binary_in, binary_out):
    rows = rows_of(33, missing=binary_in)
    result = client.infer("binary", [tensor(rows, binary=binary_in)], request_id="a/7",
                          outputs=[output("margin", binary_out), output("prediction", binary_out)])
    response = result.get_response()
    assert (response["id"], response["model_version"]) == ("a/7", "2")
    assert ("data" in response["outputs"][0]) is not binary_out
    booster = boosters["binary"]
    assert np.array_equal(result.as_numpy("margin"), booster.predict(rows, margin=True)[:, 0])
    assert np.allclose(result.as_numpy("prediction"), booster.predict(rows)[:, 0], rtol=1e-6)
    assert result.as_numpy("no such") is None


def test_forms_are_mixed(client, boosters):
    rows = rows_of(4)
    result = client.infer("binary", [tensor(rows)],
                          outputs=[output("margin", True), output("prediction", False)])
    margin, prediction = result.get_response()["outputs"]
    assert "data" not in margin and "data" in prediction
    assert np.array_equal(result.as_numpy("margin"),
                          boosters["binary"].predict(rows, margin=True)[:, 0])


def test_no_outputs_named(client, boosters):
    # The client then asks for all outputs there are in binary form, and gets the default one.
    rows = rows_of(5)
    result = client.infer("classes", [tensor(rows)])
    assert [o["name"] for o in result.get_response()["outputs"]] == ["prediction"]
    assert "data" not in result.get_output("prediction")
    assert np.allclose(result.as_numpy("prediction"), boosters["classes"].predict(rows), rtol=1e-6)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_compressed(client, boosters, algorithm, binary):
    # Large enough that the answer is compressed, too.
    rows = rows_of(6000, missing=binary)
    result = client.infer("binary", [tensor(rows, binary=binary)],
                          outputs=[output("margin", binary)],
                          request_compression_algorithm=algorithm,
                          response_compression_algorithm=algorithm)
    assert np.array_equal(result.as_numpy("margin"),
                          boosters["binary"].predict(rows, margin=True)[:, 0])


@pytest.mark.parametrize("datatype", ["BOOL", "UINT8", "INT16", "INT32", "UINT64", "FP16", "FP32",
                                      "FP64"])
def test_datatypes(client, boosters, datatype):
    kind = tritonclient.utils.triton_to_np_dtype(datatype)
    rows = (np.abs(rows_of(9, missing=False)) * 2).astype(kind)
    result = client.infer("value", [tensor(rows, datatype)], outputs=[output("margin")])
    right = boosters["value"].predict(rows.astype(np.float32), margin=True)[:, 0]
    assert np.array_equal(result.as_numpy("margin"), right)


@pytest.mark.parametrize("binary", [True, False])
def test_texts(client, boosters, carrier_rows, binary):
    texts, delays, coded = carrier_rows
    result = client.infer("carriers", [
        tensor(delays, "FP32", "dep_delay", binary),
        tensor(texts.reshape(-1, 1), "BYTES", "carrier", binary)])
    right = boosters["carriers"].predict(coded)[:, 0]
    assert np.allclose(result.as_numpy("prediction"), right, rtol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_texts_come_back(client, binary):
    result = client.infer("classes", [tensor(rows_of(6))],
                          outputs=[output("label", binary), output("probability", binary)])
    labels = [t.decode() if isinstance(t, bytes) else t for t in result.as_numpy("label").tolist()]
    best = result.as_numpy("probability").argmax(axis=1)
    assert labels == [["early", "fine", "late"][i] for i in best]


@pytest.mark.parametrize("binary", [True, False])
def test_classification(client, boosters, binary):
    rows = rows_of(6)
    result = client.infer("classes", [tensor(rows)],
                          outputs=[output("probability", binary, class_count=2)])
    found = result.as_numpy("probability")
    right = boosters["classes"].predict(rows)
    assert found.shape == (6, 2)
    for row, texts in zip(right, found):
        for text, index in zip(texts, np.argsort(-row, kind="stable")):
            value, number, label = (text.decode() if isinstance(text, bytes) else text).split(":")
            assert int(number) == index and label == ["early", "fine", "late"][index]
            assert np.isclose(float(value), row[index], rtol=1e-6)


def test_request_parameters(client):
    # What a model here takes no notice of is no reason to refuse.
    result = client.infer("value", [tensor(rows_of(1))], priority=3, timeout=10_000_000,
                          parameters={"mine": "x", "count": 3, "ratio": 0.5, "flag": True},
                          headers={"X-Request-Id": "7"}, query_params={"test_1": 1})
    assert result.as_numpy("prediction").shape == (1,)


def test_no_rows(client):
    result = client.infer("binary", [tensor(np.zeros((0, FEATURES), np.float32))])
    assert result.as_numpy("prediction").shape == (0,)


def test_large(client, boosters):
    rows = rows_of(20_000)
    result = client.infer("binary", [tensor(rows)], outputs=[output("margin")])
    assert np.array_equal(result.as_numpy("margin"),
                          boosters["binary"].predict(rows, margin=True)[:, 0])


def test_versions(client):
    for version in ("1", "2"):
        result = client.infer("binary", [tensor(rows_of(1))], model_version=version)
        assert result.get_response()["model_version"] == version


def test_body_made_by_hand(client, server, boosters):
    """generate_request_body and parse_response_body: for those who bring their own transport."""
    rows = rows_of(3)
    body, json_bytes = client.generate_request_body([tensor(rows)], outputs=[output("margin")])
    answer = server.post("/v2/models/binary/infer", bytes(body),
                         [f"Inference-Header-Content-Length: {json_bytes}"])
    result = client.parse_response_body(
        answer.body, header_length=int(answer.headers["inference-header-content-length"]))
    assert np.array_equal(result.as_numpy("margin"),
                          boosters["binary"].predict(rows, margin=True)[:, 0])


def test_asynchronous(server, boosters):
    rows = [rows_of(i + 1, seed=i) for i in range(12)]
    with tritonclient.http.InferenceServerClient(server.url, concurrency=4) as one:
        waiting = [one.async_infer("binary", [tensor(r)], outputs=[output("margin")]) for r in rows]
        for r, w in zip(rows, waiting):
            assert np.array_equal(w.get_result().as_numpy("margin"),
                                  boosters["binary"].predict(r, margin=True)[:, 0])


# ---- refusals ----

def test_errors(client):
    with pytest.raises(InferenceServerException, match="unexpected shape") as caught:
        client.infer("binary", [tensor(np.zeros((1, 1), np.float32))])
    assert caught.value.status() == "400"
    unknown = "Request for unknown model: 'nothing' is not found"
    for call in (lambda: client.infer("nothing", [tensor(rows_of(1))]),
                 lambda: client.get_model_metadata("nothing"),
                 lambda: client.get_model_config("nothing"),
                 lambda: client.get_inference_statistics("nothing")):
        with pytest.raises(InferenceServerException, match=unknown):
            call()
    # And then it goes on with the same client.
    assert client.is_server_live()

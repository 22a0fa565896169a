# SPDX-License-Identifier: Apache-2.0
"""Goal: KServe's InferenceRESTClient works unmodified, with protocol v1 and with v2, in JSON and in
binary form.

Method: its calls, one after the other, against the program; scores are compared with the library's
own. Its module is loaded without the front door of its package (see conftest.py).
"""

import asyncio

import httpx
import numpy as np
import pytest

from conftest import rows_of, serving, without_front

without_front("kserve")

from kserve.inference_client import InferenceRESTClient, RESTConfig  # noqa: E402
from kserve.protocol.infer_type import InferInput, InferRequest, RequestedOutput  # noqa: E402


class Client:
    """InferenceRESTClient, each call run to its end."""

    def __init__(self, protocol, server):
        self.protocol, self.url = protocol, f"http://{server.url}"

    def __getattr__(self, name):
        def call(*args, **kwargs):
            async def run():
                async with InferenceRESTClient(RESTConfig(protocol=self.protocol)) as one:
                    return await getattr(one, name)(self.url, *args, **kwargs)
            return asyncio.run(run())
        return call


@pytest.fixture
def v1(server):
    return Client("v1", server)


@pytest.fixture
def v2(server):
    return Client("v2", server)


def request_of(model, rows, binary, outputs=(), name="input", **more):
    one = InferInput(name, list(rows.shape), "FP32")
    one.set_data_from_numpy(rows, binary_data=binary)
    wanted = [RequestedOutput(n, parameters={"binary_data": binary}) for n in outputs] or None
    return InferRequest(model, [one], request_outputs=wanted, **more)


# ---- v1 ----

def test_v1_live_and_ready(v1):
    assert v1.is_server_live() is True
    assert v1.is_model_ready("binary") is True
    with pytest.raises(httpx.HTTPStatusError, match="'no' is not found"):
        v1.is_model_ready("no")


@pytest.mark.parametrize("form", ["positions", "names"])
def test_v1_predict(v1, boosters, form):
    rows = rows_of(6, missing=False)
    instances = rows.tolist() if form == "positions" else [
        dict(zip(serving.NAMES, row.tolist())) for row in rows]
    answer = v1.infer({"instances": instances}, model_name="binary")
    assert np.allclose(answer["predictions"], boosters["binary"].predict(rows)[:, 0], rtol=1e-6)


def test_v1_texts(v1, boosters, carrier_rows):
    texts, delays, coded = carrier_rows
    answer = v1.infer({"instances": [{"carrier": t, "dep_delay": float(d[0])}
                                     for t, d in zip(texts, delays)]}, model_name="carriers")
    assert np.allclose(answer["predictions"], boosters["carriers"].predict(coded)[:, 0], rtol=1e-6)


def test_v1_errors(v1):
    with pytest.raises(httpx.HTTPStatusError, match="'nothing' is not found.*404"):
        v1.infer({"instances": [[1]]}, model_name="nothing")
    with pytest.raises(httpx.HTTPStatusError, match="instances.*400 Bad Request"):
        v1.infer({"rows": []}, model_name="binary")
    with pytest.raises(httpx.HTTPStatusError, match="not allowed.*405"):
        v1.explain("binary", {"instances": [[1]]})


# ---- v2 ----

def test_v2_live_and_ready(v2):
    assert v2.is_server_live() is True and v2.is_server_ready() is True
    assert v2.is_model_ready("binary") is True and v2.is_model_ready("no") is False


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["input", "input-0"])
def test_v2_infer(v2, boosters, binary, name):
    rows = rows_of(9, missing=binary)
    headers = {}
    response = v2.infer(request_of("binary", rows, binary, ["margin", "prediction"], name,
                                   request_id="7"),
                        model_name="binary", response_headers=headers)
    assert response.model_name == "binary" and response.id == "7"
    assert ("inference-header-content-length" in headers) is binary
    margin, prediction = response.outputs
    booster = boosters["binary"]
    assert np.array_equal(margin.as_numpy(), booster.predict(rows, margin=True)[:, 0])
    assert np.allclose(prediction.as_numpy(), booster.predict(rows)[:, 0], rtol=1e-6)


def test_v2_infer_of_a_plain_dict(v2, boosters):
    # The body of KServe's examples: nested data, no outputs.
    rows = rows_of(2, missing=False)
    response = v2.infer({"inputs": [{"name": "input-0", "shape": list(rows.shape),
                                     "datatype": "FP32", "data": rows.tolist()}]},
                        model_name="classes")
    found = response.outputs[0].as_numpy()
    assert np.allclose(found, boosters["classes"].predict(rows), rtol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_v2_texts(v2, boosters, carrier_rows, binary):
    texts, delays, coded = carrier_rows
    carrier = InferInput("carrier", [len(texts), 1], "BYTES")
    carrier.set_data_from_numpy(texts.reshape(-1, 1), binary_data=binary)
    delay = InferInput("dep_delay", list(delays.shape), "FP32")
    delay.set_data_from_numpy(delays, binary_data=binary)
    response = v2.infer(InferRequest("carriers", [carrier, delay]), model_name="carriers")
    right = boosters["carriers"].predict(coded)[:, 0]
    assert np.allclose(response.outputs[0].as_numpy(), right, rtol=1e-6)


def test_v2_errors(v2):
    with pytest.raises(httpx.HTTPStatusError, match="unexpected shape, expected.*400 Bad Request"):
        v2.infer(request_of("binary", np.zeros((1, 3), np.float32), True), model_name="binary")
    with pytest.raises(httpx.HTTPStatusError, match="Request for unknown model: 'nothing'.*404"):
        v2.infer(request_of("nothing", rows_of(1), True), model_name="nothing")

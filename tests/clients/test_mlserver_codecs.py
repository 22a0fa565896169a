# SPDX-License-Identifier: Apache-2.0
"""Goal: requests that MLServer's codecs make from arrays and tables are understood as they are, and
they read the answers.

Method: encode with the codec, send as its own JSON, decode with the codec; scores are compared with
the library's own. The codecs are loaded without the front door of their package (see conftest.py).
"""

import numpy as np
import pandas as pd
import pytest

from conftest import rows_of, serving, without_front

without_front("mlserver")

from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec  # noqa: E402
from mlserver.types import (  # noqa: E402
    InferenceErrorResponse, InferenceRequest, InferenceResponse, MetadataModelResponse,
    MetadataServerResponse, RepositoryIndexResponse, RequestOutput)


def infer(server, model, request):
    answer = server.post(f"/v2/models/{model}/infer", request.model_dump_json().encode(),
                         ["Content-Type: application/json"])
    assert answer.status == 200, answer.body
    return InferenceResponse.model_validate_json(answer.body)


def table_of(rows):
    return pd.DataFrame(rows, columns=serving.NAMES)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numpy_request(server, boosters, kind):
    rows = rows_of(7).astype(kind)
    response = infer(server, "binary", NumpyRequestCodec.encode_request(rows))
    found = NumpyRequestCodec.decode_response(response)
    assert np.allclose(found, boosters["binary"].predict(rows.astype(np.float32))[:, 0], rtol=1e-6)


def test_numpy_request_of_whole_numbers(server, boosters):
    rows = np.arange(24).reshape(3, 8) % 5
    response = infer(server, "value", NumpyRequestCodec.encode_request(rows))
    right = boosters["value"].predict(rows.astype(np.float32))[:, 0]
    assert np.allclose(NumpyRequestCodec.decode_response(response), right, rtol=1e-6)


def test_numpy_input_and_outputs(server, boosters):
    rows = rows_of(5)
    request = InferenceRequest(id="x", inputs=[NumpyCodec.encode_input("input", rows)],
                               outputs=[RequestOutput(name="margin"), RequestOutput(name="label")])
    response = infer(server, "classes", request)
    margin, label = response.outputs
    assert response.id == "x"
    margins = boosters["classes"].predict(rows, margin=True)
    assert np.array_equal(NumpyCodec.decode_output(margin), margins)
    assert StringCodec.decode_output(label) == [["early", "fine", "late"][i]
                                                for i in margins.argmax(axis=1)]


@pytest.mark.parametrize("turned", [False, True])
def test_pandas_request(server, boosters, turned):
    rows = rows_of(7)
    table = table_of(rows)
    if turned:
        table = table[table.columns[::-1]]
    response = infer(server, "binary", PandasCodec.encode_request(table))
    found = PandasCodec.decode_response(response)["prediction"].to_numpy()
    assert np.allclose(found, boosters["binary"].predict(rows)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("use_bytes", [True, False])
def test_pandas_request_of_texts(server, boosters, carrier_rows, use_bytes):
    texts, delays, coded = carrier_rows
    table = pd.DataFrame({"carrier": texts, "dep_delay": delays[:, 0]})
    request = PandasCodec.encode_request(table, use_bytes=use_bytes)
    response = infer(server, "carriers", request)
    found = PandasCodec.decode_response(response)["prediction"].to_numpy()
    assert np.allclose(found, boosters["carriers"].predict(coded)[:, 0], rtol=1e-6)


def test_other_answers(server):
    """What else MLServer's types describe can be read by them."""
    metadata = MetadataModelResponse.model_validate_json(server.get("/v2/models/binary").body)
    assert (metadata.name, metadata.versions) == ("binary", ["1", "2"])
    assert MetadataServerResponse.model_validate_json(server.get("/v2").body).name
    index = RepositoryIndexResponse.model_validate_json(
        server.post("/v2/repository/index", {}).body)
    assert {e.name for e in index.root} >= {"binary", "classes"}
    error = InferenceErrorResponse.model_validate_json(
        server.post("/v2/models/nothing/infer", {"inputs": []}).body)
    assert "'nothing' is not found" in error.error

# SPDX-License-Identifier: Apache-2.0
"""Goal: values that are odd but allowed survive: NaN and the infinities in inputs and outputs, NUL
inside of texts, tensors without elements, many rows of one request and few of another.

Method: as Triton's L0_nan_inf, L0_nullchar_string, L0_infer_zero, L0_infer_variable and
L0_string_io ask, in JSON and as blobs, against rules whose scores are such values.
"""

import json
import math

import numpy as np
import pytest
import tritonclient.http

from conftest import FEATURES, Server, column, tensor

ODD = """\
rules: 1
inputs:
  x: FP64
  text: {datatype: BYTES, default: none}
outputs: {prediction: FP64}
cases:
  - {when: text = 'a', then: 7}
  - {when: x > 1e300, then: .inf}
  - {when: x < -1e300, then: -.inf}
  - {when: x >= 0 or x < 0, then: 1}
  - {otherwise: .nan}
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd/1").mkdir(parents=True)
    (folder / "odd/1/rules.yaml").write_text(ODD, encoding="utf-8")
    one = Server(folder, "--threads", "1")
    yield one
    assert one.stop() == 0


VALUES = np.array([math.inf, -math.inf, math.nan, 0.0, -0.0, 5e-324, 1.7e308])
SCORES = np.array([math.inf, -math.inf, math.nan, 1, 1, 1, math.inf])


def test_tokens_in_json(odd):
    answer = odd.infer("odd", column("x", "FP64", VALUES.tolist()))
    assert answer.status == 200, answer.body
    assert b"Infinity" in answer.body and b"-Infinity" in answer.body and b"NaN" in answer.body
    assert np.array_equal(answer.json["outputs"][0]["data"], SCORES, equal_nan=True)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("back", [False, True])
def test_tritonclient(odd, there, back):
    one = tritonclient.http.InferInput("x", [len(VALUES), 1], "FP64")
    one.set_data_from_numpy(VALUES.reshape(-1, 1), binary_data=there)
    wanted = [tritonclient.http.InferRequestedOutput("prediction", binary_data=back)]
    with tritonclient.http.InferenceServerClient(odd.url) as client:
        result = client.infer("odd", [one], outputs=wanted)
    assert np.array_equal(result.as_numpy("prediction"), SCORES, equal_nan=True)


def test_nul_in_texts(odd):
    """A text does not end at its NUL."""
    texts = ["a", "a\0", "\0a", "\0", "", "a\0a"]
    body = {"inputs": [column("text", "BYTES", texts), column("x", "FP64", [0] * len(texts))],
            "id": "x\0y"}
    answer = odd.post("/v2/models/odd/infer", json.dumps(body).encode())
    assert answer.json["outputs"][0]["data"] == [7, 1, 1, 1, 1, 1]
    assert answer.json["id"] == "x\0y"
    one = tritonclient.http.InferInput("text", [len(texts), 1], "BYTES")
    one.set_data_from_numpy(np.array(texts, object).reshape(-1, 1), binary_data=True)
    other = tritonclient.http.InferInput("x", [len(texts), 1], "FP64")
    other.set_data_from_numpy(np.zeros((len(texts), 1)), binary_data=True)
    with tritonclient.http.InferenceServerClient(odd.url) as client:
        result = client.infer("odd", [one, other])
    assert result.as_numpy("prediction").tolist() == [7, 1, 1, 1, 1, 1]


def test_no_elements(server):
    """Shapes with a 0, in JSON, in columns and as a blob."""
    for inputs in ([tensor([], shape=[0, FEATURES])], [column("temp", "FP32", [], [0, 1])],
                   [column("temp", "FP32", [], [0])]):
        answer = server.infer("classes", *inputs)
        assert answer.json["outputs"] == [{"name": "prediction", "datatype": "FP32",
                                           "shape": [0, 3], "data": []}]
    one = tritonclient.http.InferInput("input", [0, FEATURES], "FP32")
    one.set_data_from_numpy(np.zeros((0, FEATURES), np.float32), binary_data=True)
    with tritonclient.http.InferenceServerClient(server.url) as client:
        assert client.infer("classes", [one]).as_numpy("prediction").shape == (0, 3)


def test_variable_sizes(server):
    """One connection, other sizes each time: nothing of one request is left in the next."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((3000, FEATURES)).astype(np.float32)
    with tritonclient.http.InferenceServerClient(server.url) as client:
        right = None
        for count in (3000, 1, 700, 0, 2, 2999, 8):
            one = tritonclient.http.InferInput("input", [count, FEATURES], "FP32")
            one.set_data_from_numpy(rows[:count], binary_data=count % 2 == 0)
            got = client.infer("classes", [one]).as_numpy("prediction")
            right = got if right is None else right
            assert got.shape == (count, 3) and np.array_equal(got, right[:count])

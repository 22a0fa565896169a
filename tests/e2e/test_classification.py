# SPDX-License-Identifier: Apache-2.0
"""Goal: outputs can be asked for by their best classes, in JSON and in binary form, and a request's
parameters do what they say or are refused.

Method: tritonclient and bodies built by hand; classes are ranked here from the plain outputs.
"""

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from conftest import FEATURES, request, tensor

LABELS = ["early", "fine", "late"]
ROWS = np.random.default_rng(5).standard_normal((40, FEATURES)).astype(np.float32)


def plain(server, model, name, rows):
    answer = server.infer(model, tensor(rows), outputs=[{"name": name}])
    assert answer.status == 200, answer.body
    values = np.array(answer.json["outputs"][0]["data"], dtype=np.float32)
    return values.reshape(len(rows), -1)


def ranked(values, count):
    """As the extension has it, without labels: [(value, index)] a row, best first."""
    return [[(row[i], i) for i in np.argsort(-row, kind="stable")[:count]] for row in values]


def taken_apart(texts, labels):
    found = []
    for text in texts:
        value, index, *label = text.split(":")
        assert label == ([LABELS[int(index)]] if labels else [])
        found.append((np.float32(value), int(index)))
    return found


def classified(server, model, name, rows, count, **parameters):
    answer = server.infer(model, tensor(rows), outputs=[
        {"name": name, "parameters": {"classification": count, **parameters}}])
    assert answer.status == 200, answer.body
    return answer.json["outputs"][0]


@pytest.mark.parametrize("model, name, width, labels", [
    ("classes", "prediction", 3, True), ("classes", "margin", 3, True),
    ("classes", "probability", 3, True), ("interval", "prediction", 3, False),
    ("binary", "prediction", 1, False), ("value", "prediction", 1, False)])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 1 << 40])
def test_best_classes(server, model, name, width, labels, count):
    output = classified(server, model, name, ROWS, count)
    best = min(count, width)
    assert output["datatype"] == "BYTES" and output["shape"] == [len(ROWS), best]
    wanted = ranked(plain(server, model, name, ROWS), count)
    got = [taken_apart(output["data"][i * best:(i + 1) * best], labels)
           for i in range(len(ROWS))]
    assert got == wanted


def test_none_of_it(server):
    """0 is not to ask; no rows have no classes."""
    output = classified(server, "classes", "probability", ROWS, 0)
    assert output["datatype"] == "FP32"
    answer = server.infer("classes", tensor([], shape=[0, FEATURES]), outputs=[
        {"name": "probability", "parameters": {"classification": 2}}])
    assert answer.json["outputs"] == [
        {"name": "probability", "datatype": "BYTES", "shape": [0, 2], "data": []}]


def test_beside_other_outputs(server):
    """The parameter may stand in front of the name, and counts for its own output only."""
    answer = server.infer("classes", tensor(ROWS[:2]), outputs=[
        {"parameters": {"classification": 1}, "name": "margin"}, {"name": "probability"},
        {"name": "label"}])
    margin, probability, label = answer.json["outputs"]
    assert (margin["datatype"], probability["datatype"]) == ("BYTES", "FP32")
    assert margin["shape"] == [2, 1] and probability["shape"] == [2, 3]
    assert [t.split(":")[2] for t in margin["data"]] == label["data"]


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient(server, binary):
    one = tritonclient.http.InferInput("input", ROWS.shape, "FP32")
    one.set_data_from_numpy(ROWS, binary_data=binary)
    wanted = tritonclient.http.InferRequestedOutput("probability", binary_data=binary,
                                                    class_count=2)
    with tritonclient.http.InferenceServerClient(server.url) as client:
        result = client.infer("classes", [one], outputs=[wanted])
    texts = result.as_numpy("probability")
    assert texts.shape == (len(ROWS), 2)
    right = ranked(plain(server, "classes", "probability", ROWS), 2)
    for row, of in zip(texts, right):
        texts_of = [t.decode() if isinstance(t, bytes) else t for t in row]
        assert taken_apart(texts_of, True) == of


@pytest.mark.parametrize("binary", [True, False])
def test_large_answers_go_in_slices(server, binary):
    rows = np.tile(ROWS, (1000, 1))
    one = tritonclient.http.InferInput("input", rows.shape, "FP32")
    one.set_data_from_numpy(rows)
    wanted = tritonclient.http.InferRequestedOutput("prediction", binary_data=binary,
                                                    class_count=3)
    with tritonclient.http.InferenceServerClient(server.url) as client:
        texts = client.infer("classes", [one], outputs=[wanted]).as_numpy("prediction")
    first = texts[:len(ROWS)]
    assert texts.shape == (len(rows), 3) and (texts.reshape(1000, -1) == first.flatten()).all()


@pytest.mark.parametrize("value", ["1", -1, 1.5, True, None, [1], 1 << 64])
def test_refused_counts(server, value):
    answer = server.infer("classes", tensor(ROWS), outputs=[
        {"name": "margin", "parameters": {"classification": value}}])
    assert answer.status == 400 and "'classification' must be a whole number" in answer.error


def test_texts_cannot_be_ranked(server):
    answer = server.infer("classes", tensor(ROWS), outputs=[
        {"name": "label", "parameters": {"classification": 1}}])
    assert answer.status == 400 and "output 'label' holds texts" in answer.error


# ---- parameters ----

@pytest.mark.parametrize("parameters", [
    {}, {"priority": 0}, {"priority": 18446744073709551615}, {"timeout": 0},
    {"timeout": 60000000}, {"timeout": 18446744073709551615},
    {"sequence_id": 0, "sequence_start": False, "sequence_end": False}, {"sequence_id": ""},
    {"headers": "x"}, {"mine": 1, "yours": "x", "ours": True, "triton": 1, "Triton_x": 1}])
def test_parameters_that_are_taken(server, parameters):
    answer = server.infer("binary", tensor(ROWS[:1]), parameters=parameters, id="7")
    assert answer.status == 200, answer.body
    # They are not sent back.
    assert set(answer.json) == {"model_name", "model_version", "id", "outputs"}
    assert answer.json["id"] == "7"


def test_timeout(single):
    """A request that is too late is not scored: its time runs from its first byte."""
    answer = single.infer("binary", tensor(ROWS), parameters={"timeout": 1})
    assert answer.status == 503 and answer.error == "Request timeout expired"
    assert answer.headers["retry-after"]
    # Beside others of the same wake-up, of which none is held up.
    late = request("POST", "/v2/models/binary/infer",
                   {"inputs": [tensor(ROWS)], "parameters": {"timeout": 1}})
    good = request("POST", "/v2/models/binary/infer",
                   {"inputs": [tensor(ROWS)], "parameters": {"timeout": 60000000}})
    with single.wire() as wire:
        wire.send((late + good) * 10)
        assert [wire.answer().status for _ in range(20)] == [503, 200] * 10
    metrics = single.metrics()
    where = {"model": "binary", "version": "2"}
    assert metrics.get("ax_requests_total", **where, code="TIMEOUT") == 11
    assert metrics.get("ax_requests_total", **where, code="OK") == 10
    assert metrics.get("ax_rows_total", **where) == 10 * len(ROWS)
    # A large one meets its end between two slices.
    rows = np.tile(ROWS, (2500, 1))
    answer = single.infer("binary", tensor(rows), parameters={"timeout": 3000})
    assert answer.status == 503 and answer.error == "Request timeout expired"


def test_tritonclient_parameters(server):
    one = tritonclient.http.InferInput("input", ROWS.shape, "FP32")
    one.set_data_from_numpy(ROWS)
    with tritonclient.http.InferenceServerClient(server.url) as client:
        result = client.infer("binary", [one], priority=1, timeout=60000000,
                              parameters={"mine": "x"})
        assert result.as_numpy("prediction").shape == (len(ROWS),)
        with pytest.raises(InferenceServerException, match="sequences are not supported"):
            client.infer("binary", [one], sequence_id=4, sequence_start=True)

# SPDX-License-Identifier: Apache-2.0
"""Goal: a CatBoost model as its library saved it is served with the library's own answers, and its
categories are what its users call them: texts and whole numbers, known or not.

Method: models of the pinned library with one-hot categories, names of classes and a threshold of
their own, asked over the Open Inference Protocol, in the friendly form and as a file, beside the
library's predictions as f64.
"""

import csv
import json
import struct

import catboost_oracle as oracle
import history
import numpy as np
import pytest
from conftest import Server, column, tensor

AIRLINES = ["UA", "AA", "Zoë \"Air\"", "", "a name that is a good deal longer than the others"]
ROWS = 300


def make_rows(count, rng):
    """delay, airline, stops (whole numbers as a category), seats."""
    return [[None if rng.random() < 0.1 else float(np.float32(rng.standard_normal() * 3)),
             AIRLINES[rng.integers(len(AIRLINES))], int(rng.integers(-2, 4)),
             float(rng.integers(50, 300))] for _ in range(count)]


NAMES = ["delay", "airline", "stops", "seats"]


def pool(rows, labels=None):
    table = [[np.nan if row[0] is None else row[0], *row[1:]] for row in rows]
    return oracle.catboost().Pool(table, labels, cat_features=[1, 2], feature_names=NAMES)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(3)
    rows = make_rows(1500, rng)
    score = np.array([(row[0] or 0) + 2 * AIRLINES.index(row[1]) + row[2] * row[2] for row in rows])
    score = score + rng.standard_normal(len(score))
    settings = dict(iterations=12, depth=5, one_hot_max_size=20)
    trained = {
        "late": oracle.train(pool(rows, np.where(score > 6, "late", "fine")), "Logloss",
                             **settings),
        "class": oracle.train(pool(rows, np.digitize(score, [3, 7])), "MultiClass", **settings),
        "minutes": oracle.train(pool(rows, score), "RMSE", **settings),
    }
    trained["late"].get_metadata()["binclass_probability_threshold"] = "0.3"
    for name, model in trained.items():
        (folder / name / "1").mkdir(parents=True)
        form = "json" if name == "minutes" else "cbm"
        model.save_model(str(folder / name / "1" / f"model.{form}"), format=form)
    return folder, trained


@pytest.fixture(scope="module")
def server(models):
    one = Server(models[0], "--threads", "2")
    yield one
    assert one.stop() == 0


def inputs(rows):
    return [column("delay", "FP32", [row[0] for row in rows]),
            column("airline", "BYTES", [row[1] for row in rows]),
            column("stops", "INT64", [row[2] for row in rows]),
            column("seats", "FP32", [row[3] for row in rows])]


def edge_rows():
    rows = make_rows(ROWS, np.random.default_rng(4))
    for i, other in enumerate(["nobody", "ua", "UA ", "5", "None", "nan", "x" * 300]):
        rows[i][1] = other
    for i, number in enumerate([2 ** 62, -2 ** 63, 77]):
        rows[20 + i][2] = number
    return rows


def asked(server, model, rows, *outputs):
    answer = server.infer(model, *inputs(rows), outputs=[{"name": name} for name in outputs])
    assert answer.status == 200, answer.body
    return [np.array(o["data"]).reshape(o["shape"]) for o in answer.json["outputs"]]


def test_metadata(server):
    metadata = server.get("/v2/models/late").json
    assert metadata["inputs"] == [
        {"name": "delay", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "airline", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "stops", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "seats", "datatype": "FP32", "shape": [-1, 1]}]
    assert [(o["name"], o["datatype"]) for o in metadata["outputs"]] == [
        ("prediction", "FP64"), ("margin", "FP64"), ("probability", "FP64"), ("label", "BYTES")]
    assert metadata["parameters"]["format"] == "catboost_cbm"
    assert metadata["parameters"]["iterations"] == "all (12)"
    assert server.get("/v2/models/minutes").json["parameters"]["format"] == "catboost_json"


def test_two_classes(server, models):
    rows, model = edge_rows(), models[1]["late"]
    prediction, probability, label = asked(server, "late", rows, "prediction", "probability",
                                           "label")
    assert (prediction == oracle.predict(model, pool(rows))[:, 0]).all()
    assert (probability == oracle.predict(model, pool(rows), "Probability")[:, 1]).all()
    right = model.predict(pool(rows), prediction_type="Class")
    assert list(label) == list(right) and set(label) == {"fine", "late"}
    assert ((label == "late") != (probability > 0.5)).any()  # the threshold is the model's own


def test_three_classes(server, models):
    rows, model = edge_rows(), models[1]["class"]
    prediction, probability, label = asked(server, "class", rows, "prediction", "probability",
                                           "label")
    assert (prediction == oracle.predict(model, pool(rows))).all()
    assert np.allclose(probability, oracle.predict(model, pool(rows), "Probability"),
                       rtol=16 * np.finfo(float).eps, atol=0)
    right = model.predict(pool(rows), prediction_type="Class")[:, 0]
    assert list(label) == [str(one) for one in right] and len(set(label)) == 3


def test_json_export(server, models):
    rows = edge_rows()
    prediction, = asked(server, "minutes", rows, "prediction")
    assert (prediction == oracle.predict(models[1]["minutes"], pool(rows))[:, 0]).all()


def test_a_number_is_its_text(server, models):
    """The same rows with the categories' numbers as texts, and as whole floats."""
    rows = edge_rows()
    theirs = oracle.predict(models[1]["minutes"], pool(rows))[:, 0]
    for datatype, data in (("BYTES", [str(row[2]) for row in rows]),
                           ("FP64", [float(row[2]) for row in rows[30:]])):
        few = rows[-len(data):]
        given = inputs(few)
        given[2] = column("stops", datatype, data)
        answer = server.infer("minutes", *given)
        assert answer.status == 200, answer.body
        assert answer.json["outputs"][0]["data"] == list(theirs[-len(data):])


def test_one_tensor_does_not_pass_by_the_hash(server, models):
    """A matrix of floats: its categories are hashed like any other number."""
    rows = [[float(row[0] or 0), 7, row[2], row[3]] for row in edge_rows()[30:]]
    texts = [[row[0], "7", row[2], row[3]] for row in rows]
    theirs = oracle.predict(models[1]["minutes"], pool(texts))[:, 0]
    flat = np.array(rows, dtype=np.float32)
    answer = server.infer("minutes", tensor(flat))
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == list(theirs)
    head = json.dumps({"inputs": [{"name": "input", "shape": list(flat.shape), "datatype": "FP32",
                                   "parameters": {"binary_data_size": flat.nbytes}}]}).encode()
    answer = server.post("/v2/models/minutes/infer", head + flat.tobytes(),
                         [f"inference-header-content-length: {len(head)}"])
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == list(theirs)


def test_binary_columns_do_not_pass_by_the_hash(server, models):
    rows = edge_rows()[30:]
    theirs = oracle.predict(models[1]["minutes"], pool(rows))[:, 0]
    stops = np.array([row[2] for row in rows], np.float32)
    given = inputs(rows)
    given[2] = {"name": "stops", "shape": [len(rows)], "datatype": "FP32",
                "parameters": {"binary_data_size": stops.nbytes}}
    head = json.dumps({"inputs": given}).encode()
    answer = server.post("/v2/models/minutes/infer", head + stops.tobytes(),
                         [f"inference-header-content-length: {len(head)}"])
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == list(theirs)


def test_refusals(server):
    rows = edge_rows()[:2]
    for name, datatype, data, words in (
            ("airline", "BYTES", ["UA", None], "input 'airline', row 1"),
            ("stops", "FP64", [1.5, 1], "found a number with a fraction where a category"),
            ("stops", "FP64", [1e30, 1], "no 64-bit integer where a category")):
        given = [one for one in inputs(rows) if one["name"] != name]
        answer = server.infer("late", *given, column(name, datatype, data))
        assert answer.status == 400 and words in answer.error, answer.body


def test_friendly_form(server, models):
    rows = edge_rows()
    named = [dict(zip(NAMES, row)) for row in rows]
    answer = server.predict("late", *named)
    assert answer.status == 200, answer.body
    found = [p["prediction"] for p in answer.json["predictions"]]
    assert found == list(oracle.predict(models[1]["late"], pool(rows))[:, 0])
    del named[5]["airline"]
    answer = server.predict("late", *named)
    assert answer.status == 400 and "airline" in answer.error and "5" in answer.error


def test_a_file(models, tmp_path):
    """A field of CSV is a text of the category, whatever it looks like; an empty text is quoted."""
    rows = edge_rows()
    with open(tmp_path / "in.csv", "w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(NAMES)
        writer.writerows(["" if value is None else value for value in row] for row in rows)
    done = history.run("predict", "--model", models[0] / "late/1", tmp_path / "in.csv",
                       tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as f:
        found = [float(row["prediction"]) for row in csv.DictReader(f)]
    theirs = oracle.predict(models[1]["late"], pool(rows))[:, 0]
    assert [struct.pack("<d", x) for x in found] == [struct.pack("<d", x) for x in theirs]


def test_a_default_for_a_missing_category(models, tmp_path):
    model = models[1]["late"]
    (tmp_path / "late/1").mkdir(parents=True)
    model.save_model(str(tmp_path / "late/1/model.cbm"))
    (tmp_path / "late/1/model.yaml").write_text(
        "signature: {inputs: [{name: airline, default: UA}, {name: stops, default: 'none'}]}\n",
        encoding="utf-8")
    server = Server(tmp_path, "--threads", "1")
    try:
        rows = [[1.0, "UA", "none", 100.0]]
        answer = server.predict("late", {"delay": 1.0, "seats": 100.0})
        assert answer.status == 200, answer.body
        assert answer.json["predictions"][0]["prediction"] == \
            oracle.predict(model, pool(rows))[0, 0]
    finally:
        assert server.stop() == 0

# SPDX-License-Identifier: Apache-2.0
"""Goal: a LightGBM model as its library saved it is served with the library's own answers, in f64
from the request's text to the answer's.

Method: models of the pinned library, one of numbers alone, one with the dictionaries that its
Python package writes, asked in every form of tensor, in the friendly form, as a file and by
`auspex bench`, beside LGBM_BoosterPredictForMat. Numbers lie where f32 would not do.
"""

import csv
import json

import history
import lightgbm_models
import lightgbm_oracle as oracle
import numpy as np
import pytest
from conftest import Server, column

CARRIERS = ["AA", "B6", "Zoë \"Air\""]
SIZES = [10, 20, 40, 80]
NAMES = ["delay", "carrier", "size", "seats"]
ROWS = 300


def coded_rows(count, rng):
    rows = np.stack([rng.standard_normal(count) * 3, rng.integers(0, len(CARRIERS), count),
                     rng.integers(0, len(SIZES), count), rng.integers(50, 300, count)], axis=1)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    files = {name: folder / name / "1/model.txt" for name in ("late", "class", "forest")}
    for path in files.values():
        path.parent.mkdir(parents=True)
    lightgbm_models.make_model("holes", "binary").save(files["late"])
    lightgbm_models.make_model("numbers", "binary, rf").save(files["forest"])
    (files["forest"].parent / "model.yaml").write_text("signature: {labels: [fine, late]}\n",
                                                       encoding="utf-8")
    rng = np.random.default_rng(5)
    rows = coded_rows(1500, rng)
    score = np.nan_to_num(rows) @ [1, 2, -1, 0.01] + rng.standard_normal(1500)
    oracle.train(rows, np.digitize(score, [0, 3]),
                 {"objective": "multiclassova", "num_class": 3, "num_leaves": 12,
                  "categorical_feature": "1,2", "min_data_per_group": 5, "cat_smooth": 1}, 12,
                 names=NAMES).save(files["class"])
    with open(files["class"], "a", encoding="utf-8") as f:
        f.write(f"\npandas_categorical:{json.dumps([CARRIERS, SIZES])}\n")
    return folder, {name: oracle.load(path) for name, path in files.items()}, files


@pytest.fixture(scope="module")
def server(models):
    one = Server(models[0], "--threads", "2")
    yield one
    assert one.stop() == 0


def answers(answer, *names):
    """Each output as a matrix of a row each."""
    assert answer.status == 200, answer.body
    outputs = {o["name"]: o for o in answer.json["outputs"]}
    found = [np.array(outputs[name]["data"]).reshape(outputs[name]["shape"][0], -1)
             for name in names]
    return found[0] if len(found) == 1 else found


def as_json(rows):
    """Missing is null."""
    return [None if np.isnan(x) else float(x) for x in rows.flatten()]


def edge_rows(models, name, count=ROWS):
    rows = lightgbm_models.edge_rows(models[2][name], count, 7)
    return np.where(np.isinf(rows), 7.0, rows)


def test_metadata(server):
    metadata = server.get("/v2/models/late").json
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 20]}]
    assert [(o["name"], o["datatype"], o["shape"]) for o in metadata["outputs"]] == [
        ("prediction", "FP64", [-1]), ("margin", "FP64", [-1]),
        ("probability", "FP64", [-1])]
    assert metadata["parameters"]["format"] == "lightgbm_text"
    assert metadata["parameters"]["iterations"] == "all (20)"
    assert [(i["name"], i["datatype"]) for i in server.get("/v2/models/class").json["inputs"]] == [
        ("delay", "FP64"), ("carrier", "BYTES"), ("size", "BYTES"), ("seats", "FP64")]


def test_every_form_of_tensor(server, models):
    rows, booster = edge_rows(models, "late"), models[1]["late"]
    wanted = booster.predict(rows, margin=True)
    assert len(np.unique(wanted)) > 50
    outputs = {"outputs": [{"name": "margin"}]}
    flat = {"name": "input", "shape": list(rows.shape), "datatype": "FP64", "data": as_json(rows)}
    nested = {**flat, "data": [as_json(row) for row in rows]}
    apart = [{"name": f"Column_{i}", "shape": [len(rows), 1], "datatype": "FP64",
              "data": as_json(rows[:, i])} for i in range(rows.shape[1])]
    for given in ([flat], [nested], apart):
        assert (answers(server.infer("late", *given, **outputs), "margin") == wanted).all()
    head = json.dumps({"inputs": [{"name": "input", "shape": list(rows.shape), "datatype": "FP64",
                                   "parameters": {"binary_data_size": rows.nbytes}}],
                       **outputs}).encode()
    answer = server.post("/v2/models/late/infer", head + rows.tobytes(),
                         [f"inference-header-content-length: {len(head)}"])
    assert (answers(answer, "margin") == wanted).all()


def test_what_is_called_fp32_is_f32(server, models):
    rows, booster = edge_rows(models, "late"), models[1]["late"]
    with np.errstate(over="ignore"):
        narrow = rows.astype(np.float32).astype(np.float64)
    keep = np.isfinite(narrow) | np.isnan(narrow)
    rows, narrow = np.where(keep, rows, 1.0), np.where(keep, narrow, 1.0)
    wanted = booster.predict(narrow, margin=True)
    assert (booster.predict(rows, margin=True) != wanted).any()
    given = {"name": "input", "shape": list(rows.shape), "datatype": "FP32", "data": as_json(rows)}
    found = answers(server.infer("late", given, outputs=[{"name": "margin"}]), "margin")
    assert (found == wanted).all()


def test_a_random_forest_and_its_labels(server, models):
    """The prediction is the average, the margin LightGBM's raw score, which is the sum."""
    rows, booster = edge_rows(models, "forest"), models[1]["forest"]
    prediction, margin, label = answers(
        server.infer("forest", {"name": "input", "shape": list(rows.shape), "datatype": "FP64",
                                "data": as_json(rows)},
                     outputs=[{"name": name} for name in ("prediction", "margin", "label")]),
        "prediction", "margin", "label")
    assert (prediction == booster.predict(rows)).all()
    assert (margin == booster.predict(rows, margin=True)).all()
    assert (label == np.where(booster.predict(rows) > 0.5, "late", "fine")).all()


def test_dictionaries_of_the_file(server, models):
    rows = coded_rows(ROWS, np.random.default_rng(6))

    def names(values, of):
        return [None if np.isnan(x) else str(of[int(x)]) for x in values]
    given = [column("delay", "FP64", as_json(rows[:, 0])),
             column("carrier", "BYTES", names(rows[:, 1], CARRIERS)),
             column("size", "BYTES", names(rows[:, 2], SIZES)),
             column("seats", "FP64", as_json(rows[:, 3]))]
    prediction, probability = answers(
        server.infer("class", *given, outputs=[{"name": "prediction"}, {"name": "probability"}]),
        "prediction", "probability")
    wanted = models[1]["class"].predict(rows)
    assert (prediction == wanted).all() and (probability == wanted).all()
    given[1] = column("carrier", "BYTES", ["ZZ"] * ROWS)
    answer = server.infer("class", *given)
    assert answer.status == 400 and "unknown category 'ZZ'" in answer.error


def test_friendly_form(server, models):
    rows = coded_rows(50, np.random.default_rng(8))
    named = [{"delay": as_json(row[:1])[0], "seats": as_json(row[3:])[0],
              "carrier": None if np.isnan(row[1]) else CARRIERS[int(row[1])],
              "size": None if np.isnan(row[2]) else str(SIZES[int(row[2])])} for row in rows]
    answer = server.predict("class", *named)
    assert answer.status == 200, answer.body
    found = np.array([p["prediction"] for p in answer.json["predictions"]])
    assert (found == models[1]["class"].predict(rows)).all()


def test_a_file(models, tmp_path):
    rows = edge_rows(models, "late", 3000)
    with open(tmp_path / "in.csv", "w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(f"Column_{i}" for i in range(rows.shape[1]))
        writer.writerows([["" if np.isnan(x) else repr(float(x)) for x in row] for row in rows])
    done = history.run("predict", "--model", models[0] / "late", tmp_path / "in.csv",
                       tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as f:
        found = np.array([float(row["prediction"]) for row in csv.DictReader(f)])
    assert (found == models[1]["late"].predict(rows)[:, 0]).all()


def test_what_cannot_be_served_is_told(models, tmp_path):
    content = models[2]["late"].read_text(encoding="utf-8").replace("is_linear=0", "is_linear=1")
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/1/model.txt").write_text(content, encoding="utf-8")
    (tmp_path / "in.csv").write_text("Column_0\n1\n", encoding="utf-8")
    done = history.run("predict", "--model", tmp_path / "m", tmp_path / "in.csv",
                       tmp_path / "out.csv")
    assert done.returncode != 0 and "Tree=0: linear trees" in done.stderr

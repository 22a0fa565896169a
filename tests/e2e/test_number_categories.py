# SPDX-License-Identifier: Apache-2.0
"""Goal: where a model's categories are called by numbers, a number by the input's name is such a
category in every form a value can come in, and never silently the category's place.

Method: LightGBM and XGBoost models whose categories are 10, 20, 30 (as pandas has them for a column
of integers), asked as CSV, JSON rows, tensors by column and files, beside the library's answer for
the codes that its Python package makes of the data frame. The places 0, 1, 2 are the answer only in
the library's own matrix.
"""

import json
import struct

import history
import lightgbm_oracle
import numpy as np
import pytest

from conftest import Server, column, tensor, train

SIZES = [10, 20, 30]
CODES = [0, 1, 2, 1]
ASKED = [SIZES[code] for code in CODES]
EXTRA = 0.5
JSON = ["content-type: application/json"]
CSV = ["content-type: text/csv"]


def train_lightgbm(rows, labels, path):
    booster = lightgbm_oracle.train(
        rows, labels, {"objective": "regression", "categorical_feature": "0", "min_data_in_leaf": 5,
                       "min_data_per_group": 1, "cat_smooth": 0, "max_cat_to_onehot": 1}, 10,
        names=["size", "extra"])
    booster.save(path / "model.txt")
    with open(path / "model.txt", "a", encoding="utf-8") as f:
        f.write(f"\npandas_categorical:{json.dumps([SIZES])}\n")
    return booster


def train_xgboost(rows, labels, path):
    booster = train(rows.astype(np.float32), labels.astype(np.float32),
                    {"objective": "reg:squarederror", "tree_method": "hist"}, 10,
                    ["size", "extra"], types=["c", "q"], dictionaries={0: SIZES})
    booster.save(path / "model.ubj")
    return booster


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(9)
    codes = rng.integers(0, len(SIZES), 900)
    rows = np.stack([codes.astype(float), rng.standard_normal(900)], axis=1)
    labels = np.array([0, 100, -50])[codes] + rows[:, 1]
    boosters = {}
    for name, make in ("lightgbm", train_lightgbm), ("xgboost", train_xgboost):
        for model, settings in (name, None), (f"{name}-lenient", "unknown_category: missing"):
            path = folder / model / "1"
            path.mkdir(parents=True)
            boosters[model] = make(rows, labels, path)
            if settings:
                (path / "model.yaml").write_text(
                    f"signature:\n  {settings}\n  inputs:\n    - {{name: size, default: 20}}\n",
                    encoding="utf-8")
    return folder, boosters


@pytest.fixture(scope="module")
def server(models):
    one = Server(models[0])
    yield one
    assert one.stop() == 0


def predictions(answer):
    assert answer.status == 200, answer.body
    if "outputs" in answer.json:
        (output,) = [o for o in answer.json["outputs"] if o["name"] == "prediction"]
        return np.array(output["data"], float)
    return np.array([p["prediction"] if isinstance(p, dict) else p
                     for p in answer.json["predictions"]], float)


def blobs(model, *columns):
    """A request of binary columns, each (name, datatype, array)."""
    head = json.dumps({"inputs": [
        {"name": name, "datatype": datatype, "shape": [len(array)],
         "parameters": {"binary_data_size": array.nbytes}} for name, datatype, array in columns],
        "parameters": {"binary_data_output": False}}).encode()
    return (f"/v2/models/{model}/infer", head + b"".join(a.tobytes() for _, _, a in columns),
            [f"inference-header-content-length: {len(head)}"])


def ask(server, model, form, asked):
    """The answer to rows whose size is one of `asked`, in one form."""
    rows = [{"size": size, "extra": EXTRA} for size in asked]
    extra = np.full(len(asked), EXTRA)
    invocations = f"/v1/models/{model}/invocations"
    if form == "rows":
        return server.predict(model, *rows)
    if form == "rows as floats":
        return server.predict(model, *[{**row, "size": float(row["size"])} for row in rows])
    if form == "instances":
        return server.post(f"/v1/models/{model}:predict", {"instances": rows}, JSON)
    if form == "records":
        return server.post(invocations, {"dataframe_records": rows}, JSON)
    if form == "split":
        return server.post(invocations, {"dataframe_split": {
            "columns": ["extra", "size"], "data": [[EXTRA, size] for size in asked]}}, JSON)
    if form.startswith("CSV"):
        body = "size,extra\n" + "".join(
            f"{float(size) if 'floats' in form else size},{EXTRA}\n" for size in asked)
        return server.post(invocations, body.encode(), CSV)
    kind, datatype = form.split()
    values = {"BYTES": [str(size) for size in asked], "FP32": np.array(asked, "f4"),
              "FP64": np.array(asked, "f8"), "INT64": np.array(asked, "i8"),
              "UINT8": np.array(asked, "u1")}[datatype]
    if kind == "binary":
        return server.post(*blobs(model, ("size", datatype, values), ("extra", "FP64", extra)))
    return server.infer(model, column("size", datatype, list(values) if datatype == "BYTES"
                                      else values.tolist()),
                        column("extra", "FP64", extra.tolist()))


FORMS = ["rows", "rows as floats", "instances", "records", "split", "CSV", "CSV as floats",
         "columns BYTES", "columns FP32", "columns FP64", "columns INT64", "columns UINT8",
         "binary FP32", "binary FP64", "binary INT64", "binary UINT8"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_a_number_is_the_name(server, models, model, form):
    right = models[1][model].predict(np.array([[code, EXTRA] for code in CODES]))[:, 0]
    assert len({float(x) for x in right}) == len(SIZES)
    assert (predictions(ask(server, model, form, ASKED)).astype(right.dtype) == right).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_a_place_is_no_name(server, models, model, form):
    shown = "1.0" if form == "CSV as floats" else "1"
    answer = ask(server, model, form, [10, 1])
    assert answer.status == 400
    assert f"input 'size', row 1: unknown category '{shown.removesuffix('.0')}'" in \
        answer.body.decode()
    lenient = ask(server, f"{model}-lenient", form, [10, 1])
    right = models[1][model].predict(np.array([[0, EXTRA], [1, EXTRA]]))[:, 0]
    assert (predictions(lenient).astype(right.dtype) == right).all()  # its default, 20, is place 1


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_the_library_s_own_matrix_holds_places(server, models, model):
    rows = [[code, EXTRA] for code in CODES]
    right = models[1][model].predict(np.array(rows))[:, 0]
    flat = np.array(rows).flatten().tolist()
    for answer in (
            server.infer(model, tensor(flat, "FP64", [len(rows), 2])),
            server.infer(model, tensor(flat, "FP32", [len(rows), 2])),
            server.post(f"/v1/models/{model}:predict", {"instances": rows}, JSON),
            server.post(f"/v1/models/{model}/invocations", {"dataframe_split": {"data": rows}},
                        JSON)):
        assert (predictions(answer).astype(right.dtype) == right).all()
    for datatype, form in ("FP32", "f"), ("FP64", "d"):
        head = json.dumps({"inputs": [{
            "name": "input", "datatype": datatype, "shape": [len(rows), 2],
            "parameters": {"binary_data_size": len(flat) * struct.calcsize(form)}}],
            "parameters": {"binary_data_output": False}}).encode()
        answer = server.post(f"/v2/models/{model}/infer",
                             head + struct.pack(f"<{len(flat)}{form}", *flat),
                             [f"inference-header-content-length: {len(head)}"])
        assert (predictions(answer).astype(right.dtype) == right).all()


FILES = {
    "rows.csv": lambda size: f"{size},{EXTRA}\n",
    "floats.csv": lambda size: f"{float(size)},{EXTRA}\n",
    "rows.jsonl": lambda size: json.dumps({"size": size, "extra": EXTRA}) + "\n",
    "floats.jsonl": lambda size: json.dumps({"size": float(size), "extra": EXTRA}) + "\n",
}


def predict_file(models, model, name, asked, folder):
    text = "size,extra\n" if name.endswith(".csv") else ""
    (folder / name).write_text(text + "".join(FILES[name](size) for size in asked),
                               encoding="utf-8")
    done = history.run("predict", "--model", models[0] / model, folder / name,
                       folder / "out.jsonl")
    return done, folder / "out.jsonl"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_files(models, tmp_path, model, name):
    done, out = predict_file(models, model, name, ASKED, tmp_path)
    assert done.returncode == 0, done.stderr
    right = models[1][model].predict(np.array([[code, EXTRA] for code in CODES]))[:, 0]
    found = [json.loads(line)["prediction"] for line in out.read_text("utf-8").splitlines()]
    assert (np.array(found, right.dtype) == right).all()
    done, _ = predict_file(models, model, name, [10, 1], tmp_path)
    assert done.returncode != 0 and "unknown category '1'" in done.stderr


HUGE = [2**53, 2**53 + 1, 7]  # the first two are one as floats


def test_all_digits_of_a_name_count(tmp_path):
    rng = np.random.default_rng(4)
    codes = rng.integers(0, len(HUGE), 600).astype(np.float32)
    booster = train(codes[:, None], np.array([0, 100, -50], np.float32)[codes.astype(int)],
                    {"objective": "reg:squarederror", "tree_method": "hist"}, 10, ["size"],
                    types=["c"], dictionaries={0: HUGE})
    path = tmp_path / "models" / "huge" / "1"
    path.mkdir(parents=True)
    booster.save(path / "model.ubj")
    right = booster.predict(np.arange(len(HUGE), dtype=np.float32)[:, None])[:, 0]
    assert len({float(x) for x in right}) == len(HUGE)
    server = Server(tmp_path / "models")
    invocations = "/v1/models/huge/invocations"
    csv = "size\n" + "".join(f" {size}\n" for size in HUGE)  # the space is no part of the name
    answers = [predictions(server.post(invocations, csv.encode(), CSV)),
               predictions(server.predict("huge", *[{"size": size} for size in HUGE]))]
    assert server.stop() == 0
    for name, text in (("rows.jsonl", "".join(json.dumps({"size": s}) + "\n" for s in HUGE)),
                       ("rows.csv", csv)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        done = history.run("predict", "--model", path.parent, tmp_path / name,
                           tmp_path / "out.jsonl")
        assert done.returncode == 0, done.stderr
        answers.append([json.loads(line)["prediction"] for line in
                        (tmp_path / "out.jsonl").read_text("utf-8").splitlines()])
        (tmp_path / "out.jsonl").unlink()
    for found in answers:
        assert (np.array(found, right.dtype) == right).all()

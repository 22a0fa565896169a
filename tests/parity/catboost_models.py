# SPDX-License-Identifier: Apache-2.0
"""CatBoost's models of many shapes, and rows that meet their edges; compare.py says what for.

Rows are what our engine reads: f32, a category as its place among the model's hashes, and the place
behind the last for any other text. The library gets the texts.
"""

import json

import numpy as np

import catboost_oracle as oracle
import compare

NAME = "CatBoost"
version = oracle.version

# name: number of numeric and categorical features, share of missing values, how trees grow.
SHAPES = {
    "numbers": dict(numeric=8, categorical=[], missing=0.0, rounds=25, grow=dict(depth=4)),
    "holes": dict(numeric=20, categorical=[], missing=0.2, rounds=20,
                  grow=dict(depth=6, nan_mode="Min", rsm=0.5)),
    "holes, max": dict(numeric=6, categorical=[], missing=0.2, rounds=20,
                       grow=dict(depth=6, nan_mode="Max")),
    "deep": dict(numeric=6, categorical=[], missing=0.1, rounds=8, grow=dict(depth=11)),
    "depthwise": dict(numeric=8, categorical=[], missing=0.1, rounds=15,
                      grow=dict(grow_policy="Depthwise", depth=6, nan_mode="Max")),
    "lossguide": dict(numeric=8, categorical=[], missing=0.1, rounds=15,
                      grow=dict(grow_policy="Lossguide", max_leaves=40, depth=12)),
    "onehot": dict(numeric=3, categorical=[3, 12, 70], missing=0.1, rounds=20,
                   grow=dict(depth=6, one_hot_max_size=100)),
    "onehot, lossguide": dict(numeric=2, categorical=[5, 40], missing=0.0, rounds=20,
                              grow=dict(grow_policy="Lossguide", one_hot_max_size=100)),
}

CLASSES = 4

# name: family, what the labels are.
OBJECTIVES = {
    "Logloss": ("binary", "binary"),
    "CrossEntropy": ("binary", "share"),
    "Focal:focal_alpha=0.5;focal_gamma=2": ("binary", "binary"),
    "RMSE": ("regression", "value"),
    "MAE": ("regression", "value"),
    "Quantile:alpha=0.3": ("regression", "value"),
    "LogLinQuantile:alpha=0.5": ("regression", "positive"),
    "Huber:delta=2": ("regression", "value"),
    "Poisson": ("count", "count"),
    "Tweedie:variance_power=1.5": ("count", "positive"),
    "MultiClass": ("classes", "class"),
    "MultiClassOneVsAll": ("classes", "class"),
    "MultiRMSE": ("several", "values"),
    "MultiLogloss": ("several", "flags"),
    "MultiQuantile:alpha=0.1,0.5,0.9": ("several", "value"),
    "RMSEWithUncertainty": ("several", "value"),
    "YetiRank": ("ranking", "grade"),
    "QueryRMSE": ("ranking", "grade"),
    "Cox": ("survival", "survival"),
}

# How far our probabilities may be: softmax takes the library's own fast exp, ours the C library's.
SOFTMAX_ULPS = 16

# The library grows stumps here, which say nothing.
UNSPLIT = [("MultiClassOneVsAll", shape) for shape in ("depthwise", "lossguide",
                                                       "onehot, lossguide")]

LIVE = [(objective, shape) for objective, shapes in {
    "Logloss": ("numbers", "lossguide", "onehot"),
    "CrossEntropy": ("depthwise",),
    "RMSE": ("holes", "deep"),
    "Quantile:alpha=0.3": ("onehot, lossguide",),
    "Poisson": ("numbers", "depthwise"),
    "Tweedie:variance_power=1.5": ("holes, max",),
    "MultiClass": ("holes", "depthwise", "onehot"),
    "MultiClassOneVsAll": ("numbers",),
    "MultiRMSE": ("numbers", "onehot"),
    "MultiLogloss": ("lossguide",),
    "YetiRank": ("numbers", "holes, max", "onehot"),
    "Cox": ("numbers", "holes", "deep"),
}.items() for shape in shapes]


def grid():
    """All models: (family, objective, shape)."""
    return [(family, objective, shape) for objective, (family, _) in OBJECTIVES.items()
            for shape in SHAPES if (objective, shape) not in UNSPLIT]


# ---- training ----

def text(feature, code):
    """Category `code` of a feature: short, long, numbers, with what CSV and JSON would escape."""
    forms = ["c{}", "{}", "-{}", "Zoë \"{}\", é", "a long name of a category, over 32 bytes: {}",
             "a name of over 64 bytes, which is hashed in blocks of 64: {} " + "x" * 40]
    return forms[(feature + code) % len(forms)].format(code)


def make_rows(shape, count, rng):
    """Numbers, and the codes of categories."""
    numbers = (rng.standard_normal((count, shape["numeric"])) * 3).astype(np.float32)
    numbers[rng.random(numbers.shape) < shape["missing"]] = np.nan
    codes = np.array([rng.integers(0, n, count) for n in shape["categorical"]],
                     dtype=int).reshape(-1, count).T
    return numbers, codes


def make_labels(kind, numbers, codes, rng):
    x = np.nan_to_num(numbers, nan=0.7)
    score = np.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.4 * rng.standard_normal(len(x))
    for column in codes.T:
        score += (1.5 * rng.standard_normal(column.max() + 1))[column]
    return {
        "value": lambda: 10 * score + 100,
        "positive": lambda: np.exp(score / 2),
        "count": lambda: np.floor(np.exp(score / 2)),
        "share": lambda: 1 / (1 + np.exp(-score)),
        "binary": lambda: (score > 0.2).astype(int),
        "class": lambda: np.clip(np.floor(score + CLASSES / 2), 0, CLASSES - 1).astype(int),
        "grade": lambda: np.clip(np.floor(score + 2), 0, 4),
        "values": lambda: np.stack([score, score * x[:, 0], x[:, 1] - 2], axis=1),
        "flags": lambda: np.stack([score > 0.2, x[:, 1] > 0], axis=1).astype(int),
        "survival": lambda: np.exp(score) * np.where(rng.random(len(x)) < 0.3, -1, 1),
    }[kind]()


def table(numbers, texts):
    """Rows as the library takes them, when there are texts."""
    if not texts.shape[1]:
        return numbers
    return np.concatenate([numbers.astype(object), texts], axis=1)


class Model:
    """A trained model, and what its rows mean."""

    def __init__(self, model, data, shape, folder, name="model", has_json=True):
        self.model, self.shape, self.texts = model, shape, []
        self.files = (folder / f"{name}.cbm",)
        self.model.save_model(str(self.files[0]))
        if not has_json:
            borders = model.get_borders()
            self.borders = [np.array(borders[i], np.float32) for i in range(shape["numeric"])]
            return
        self.files += (folder / f"{name}.json",)
        self.model.save_model(str(self.files[1]), format="json", pool=data)
        info = json.loads(self.files[1].read_text())["features_info"]
        known = {entry["hash"]: entry["value"] for entry in info.get("cat_features_hash") or []}
        self.borders = [np.array(f["borders"], dtype=np.float32)
                        for f in info.get("float_features", [])]
        self.texts = [[known[value & 0xFFFFFFFF] for value in f.get("values", [])]
                      for f in info.get("categorical_features", [])]

    def data(self, rows):
        """Our rows for the library."""
        numeric = self.shape["numeric"]
        texts = np.empty((len(rows), len(self.texts)), dtype=object)
        for i, known in enumerate(self.texts):
            names = known + ["never seen"]
            texts[:, i] = [names[min(int(code), len(known))] for code in rows[:, numeric + i]]
        return oracle.pool(table(rows[:, :numeric], texts),
                           categorical=range(numeric, numeric + len(self.texts)))

    def predict(self, rows, kind="RawFormulaVal", end=0):
        return oracle.predict(self.model, self.data(rows), kind, end)

    def edge_rows(self, count, seed):
        """Rows of values at the edges, every third one otherwise ordinary."""
        rng = np.random.default_rng(seed)
        rows = np.empty((count, len(self.borders) + len(self.texts)), dtype=np.float32)
        for i, borders in enumerate(self.borders):
            with np.errstate(over="ignore"):
                pool = np.concatenate([SPECIAL, borders, np.nextafter(borders, np.float32(-np.inf)),
                                       np.nextafter(borders, np.float32(np.inf))])
            rows[:, i] = rng.choice(pool, count)
            keep = rng.random(count) < (np.arange(count) % 3) / 2.2
            rows[keep, i] = rng.standard_normal(keep.sum()) * 3
        for i, known in enumerate(self.texts):
            rows[:, len(self.borders) + i] = rng.integers(0, len(known) + 1, count)
        return rows


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, -1e-40,
                    3.4028235e38, -3.4028235e38, 1.0, -1.0], dtype=np.float32)


def make_model(objective, shape_name, folder, name="model", **more):
    shape = SHAPES[shape_name]
    _, kind = OBJECTIVES[objective]
    rng = np.random.default_rng([len(shape_name), len(objective), 7])
    numbers, codes = make_rows(shape, 1500, rng)
    labels = make_labels(kind, numbers, codes, rng)
    texts = np.empty(codes.shape, dtype=object)
    for i in range(codes.shape[1]):
        texts[:, i] = [text(i, code) for code in codes[:, i]]
    numeric = shape["numeric"]
    data = oracle.pool(table(numbers, texts), labels, range(numeric, numeric + texts.shape[1]),
                       np.repeat(np.arange(150), 10) if kind == "grade" else None)
    settings = {"iterations": shape["rounds"], **shape["grow"], **more}
    return Model(oracle.train(data, objective, **settings), data, shape, folder, name)


def probabilities(model, objective, rows):
    """The library's own, one a class; ours has that of class 1 alone where there are two."""
    if OBJECTIVES[objective][0] not in ("binary", "classes") and objective != "MultiLogloss":
        return None
    answers = model.predict(rows, "Probability")
    return answers[:, 1:].copy() if OBJECTIVES[objective][0] == "binary" else answers


def make_case(objective, shape, folder, row_count, seed=1):
    """One model as its files, rows of edges, and what the library makes of them."""
    model = make_model(objective, shape, folder)
    if SHAPES[shape]["categorical"] and not all(model.texts):
        raise compare.Difference("no split on a category: the shape does not test what it should")
    rows = model.edge_rows(row_count, seed)
    answers = {"margin": model.predict(rows)}
    answers["prediction"] = answers["margin"]
    ulps = {}
    probability = probabilities(model, objective, rows)
    if probability is not None:
        answers["probability"] = probability
        ulps["probability"] = SOFTMAX_ULPS if objective == "MultiClass" else 0
    return compare.Case(model.files, rows, answers, again=model.predict, ulps=ulps)


# ---- what does not fit the grid of shapes and objectives ----

def compare_model(program, model, rows, folder, end=0):
    """Both files against the library's margins."""
    theirs = model.predict(rows, end=end)
    if len(np.unique(theirs)) < 20:
        raise compare.Difference("hardly any different answers: the model tests nothing")
    values = 0
    for path in model.files:
        for batch in (1, 64):
            ours = compare.score(program, path, rows, folder, batch, iterations=str(end or "all"))
            values += compare.same(f"{path.name}: margin", ours["margin"], theirs)
    return values


def compare_iterations(program, folder, row_count=2000):
    values = 0
    for objective, shape in (("Logloss", "numbers"), ("MultiClass", "onehot"),
                             ("RMSE", "lossguide")):
        model = make_model(objective, shape, folder)
        values += compare_model(program, model, model.edge_rows(row_count, 3), folder, end=5)
    return values


def compare_scale_and_bias(program, folder, row_count=2000):
    values = 0
    for objective, scale, biases in (("RMSE", 0.3, [1.5]), ("RMSE", -2.0, [0.0]),
                                     ("RMSE", 1.0, [-0.1]), ("MultiRMSE", 1e-3, [1.0, 0.0, -7.7])):
        model = make_model(objective, "holes", folder)
        model.model.set_scale_and_bias(scale, biases)
        for path, form in zip(model.files, ("cbm", "json")):
            model.model.save_model(str(path), format=form)
        values += compare_model(program, model, model.edge_rows(row_count, 4), folder)
    return values


def compare_unseen_classes(program, folder, row_count=2000):
    """Classes that training was told of and never saw: -inf."""
    values = 0
    for more in ({"classes_count": 7}, {"class_names": [0, 1, 2, 3, 4]}):
        model = make_model("MultiClass", "depthwise", folder, **more)
        values += compare_model(program, model, model.edge_rows(row_count, 5), folder)
    return values


def compare_many_borders(program, folder, row_count=5000):
    """More than 254 borders of one feature, which the library counts in blocks."""
    rng = np.random.default_rng(12)
    numbers = (rng.standard_normal((4000, 1)) * 3).astype(np.float32)
    data = oracle.pool(numbers, np.sin(9 * numbers[:, 0]))
    shape = dict(numeric=1, categorical=[])
    model = Model(oracle.train(data, "RMSE", iterations=150, depth=6, border_count=2000), data,
                  shape, folder)
    if len(model.borders[0]) < 300:
        raise compare.Difference(f"only {len(model.borders[0])} borders")
    return compare_model(program, model, model.edge_rows(row_count, 6), folder)


def compare_infinite_borders(program, folder, row_count=3000):
    """Training values that are infinite; so are borders between them, which JSON cannot hold."""
    rng = np.random.default_rng(13)
    numbers = (rng.standard_normal((1500, 4)) * 3).astype(np.float32)
    numbers[:, :2][rng.random((1500, 2)) < 0.3] = np.inf
    numbers[:, 1:3][rng.random((1500, 2)) < 0.2] = -np.inf
    labels = np.isinf(numbers) @ [3, 5, 7, 0] + rng.standard_normal(1500)
    data = oracle.pool(numbers, labels)
    values = 0
    for policy in ("SymmetricTree", "Lossguide"):
        model = Model(oracle.train(data, "RMSE", iterations=20, grow_policy=policy), data,
                      dict(numeric=4, categorical=[]), folder, has_json=False)
        if not any(np.isinf(b).any() for b in model.borders):
            raise compare.Difference("no border is infinite")
        values += compare_model(program, model, model.edge_rows(row_count, 7), folder)
    return values


def compare_sums(program, folder, row_count=2000):
    """What the library's sum_models makes of two."""
    one = make_model("RMSE", "numbers", folder, "one")
    other = make_model("MAE", "numbers", folder, "other")
    both = oracle.catboost().sum_models([one.model, other.model], weights=[0.3, 1.7])
    model = Model(both, None, one.shape, folder)
    return compare_model(program, model, model.edge_rows(row_count, 8), folder)


EXTRAS = {
    "iterations: N": compare_iterations,
    "scale and bias": compare_scale_and_bias,
    "classes that training never saw": compare_unseen_classes,
    "more than 254 borders": compare_many_borders,
    "infinite training values": compare_infinite_borders,
    "a weighted sum of models": compare_sums,
}


def seeds(folder):
    """As small as models get, for fuzzing: {name of the file: bytes}."""
    files = {}
    for name, (objective, shape, more) in {
            "binary": ("Logloss", "numbers", {"depth": 2}),
            "steps": ("RMSE", "lossguide", {"max_leaves": 3}),
            "classes": ("MultiClass", "onehot", {"depth": 2, "classes_count": 5}),
            "values": ("MultiRMSE", "depthwise", {"depth": 2})}.items():
        model = make_model(objective, shape, folder, iterations=2, border_count=4, **more).model
        metadata = model.get_metadata()
        loss = json.dumps({"loss_function": {"type": objective, "params": {}}})
        for key in [key for key in metadata.keys() if key not in ("params", "class_params")]:
            del metadata[key]
        metadata["params"] = loss
        for form in ("cbm", "json"):
            model.save_model(str(folder / f"seed.{form}"), format=form)
            files[f"{name}.{form}"] = (folder / f"seed.{form}").read_bytes()
    return files

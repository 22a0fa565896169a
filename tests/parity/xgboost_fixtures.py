# SPDX-License-Identifier: Apache-2.0
"""Fixtures of XGBoost: every objective and every kind of forest, as each release wrote them.

The answers are those of the release that wrote the file, since it is that release's user who
compares. They come from XGBoosterPredictFromDense, but for DART before 3.4 from
XGBoosterPredictFromDMatrix: in place, older releases add (base + leaf - base) * weight for each
tree, and so differ from their own other answer in the last bits.
"""

import json
import os

import numpy as np

from fixture_pack import Fixture

# The folder of each release's package below build/deps/.
VERSIONS = {
    "1.7.6": "xgboost-1.7.6-wheel",
    "2.1.4": "xgboost-cpu-2.1.4-wheel",
    "3.0.5": "xgboost-cpu-3.0.5-wheel",
    "3.2.0": "xgboost-cpu-3.2.0-wheel",
    "3.4.1": "xgboost-cpu-wheel",
}

SEED_RELEASES = [(2, 1), (3, 4)]  # the old and the new way to lay out DART and leaf rows

ROWS = 20
CLASSES = 3

# What is trained: parameters, what the labels are ("y", below), which columns, since which release.
MODELS = {
    "reg:squarederror": dict(rounds=3),
    "reg:squaredlogerror": dict(y="positive"),
    "reg:logistic": dict(y="share", columns="holes"),
    "reg:pseudohubererror": dict(y="share", columns="holes"),
    "reg:absoluteerror": dict(columns="categories"),
    "reg:quantileerror": dict(since=(2, 0), columns="holes", crossed=True,
                              rounds=2, more={"quantile_alpha": "[0.47,0.49,0.5,0.52]"}),
    "reg:expectileerror": dict(since=(3, 3), seed=True, more={"expectile_alpha": "[0.2,0.5,0.9]"}),
    "reg:gamma": dict(y="positive"),
    "reg:tweedie": dict(y="positive", columns="holes", more={"tweedie_variance_power": 1.3}),
    "count:poisson": dict(y="count"),
    "binary:logistic": dict(y="binary", columns="categories", rounds=2),
    "binary:logitraw": dict(y="binary"),
    "binary:hinge": dict(y="binary", columns="holes", rounds=3),
    "multi:softprob": dict(y="class", more={"num_class": CLASSES}),
    "multi:softmax": dict(y="class", columns="categories", more={"num_class": CLASSES}),
    "rank:ndcg": dict(y="grade"),
    "rank:map": dict(y="binary", columns="holes"),
    "rank:pairwise": dict(y="grade"),
    "survival:cox": dict(y="survival"),
    "survival:aft": dict(y="bounds", columns="holes"),
    # ---- not an objective, but a kind of forest
    "base score given": dict(objective="binary:logistic", y="binary", more={"base_score": 0.2}),
    "no trees": dict(objective="binary:logistic", y="binary", rounds=0, more={"base_score": 0.2}),
    "no trees, none given": dict(objective="binary:logistic", y="binary", rounds=0),
    "no trees, counts": dict(objective="count:poisson", y="count", rounds=0,
                             more={"base_score": 3}),
    "dart": dict(booster="dart", columns="holes", rounds=5, seed=True,
                 more={"rate_drop": 0.5, "one_drop": 1}),
    "dart, classes": dict(booster="dart", objective="multi:softprob", y="class", rounds=2,
                          more={"rate_drop": 0.5, "one_drop": 1, "normalize_type": "forest",
                                "num_class": CLASSES}),
    "dart, parallel": dict(booster="dart", rounds=3, iterations=2,
                           more={"rate_drop": 0.5, "one_drop": 1, "num_parallel_tree": 2,
                                 "subsample": 0.6}),
    "parallel, iterations": dict(objective="multi:softprob", y="class", rounds=2, iterations=1,
                                 more={"num_class": 3, "num_parallel_tree": 2, "max_depth": 1,
                                       "subsample": 0.6}),
    "best": dict(objective="binary:logistic", y="binary", rounds=3, best=1),
    "lossguide": dict(columns="categories", more={"grow_policy": "lossguide", "max_leaves": 7,
                                                  "max_depth": 0}),
    "exact, pruned": dict(y="class", columns="holes", more={"tree_method": "exact", "gamma": 5.0,
                                                 "max_depth": 4}),
    "onehot": dict(columns="categories", more={"max_cat_to_onehot": 20}),
    "targets": dict(y="values", rounds=2, more={"max_depth": 2}),
    "targets, binary:logistic": dict(objective="binary:logistic", y="flags"),
    "vector leaves": dict(y="values", since=(2, 0), rounds=2, seed=True,
                          more={"multi_strategy": "multi_output_tree"}),
    "vector leaves, classes": dict(objective="multi:softprob", y="class", since=(2, 0),
                                   columns="holes",
                                   more={"multi_strategy": "multi_output_tree",
                                         "num_class": CLASSES}),
    "dictionaries": dict(objective="binary:logistic", y="binary", columns="categories",
                         since=(3, 1), names=["AA", "B6", "Zoë \"Air\"", "DL", "UA", ""]),
    "gblinear": dict(booster="gblinear",
                     refused=("UNSUPPORTED", "gradient_booster.name: booster 'gblinear'")),
}


def labels_of(kind, x, rng):
    """Labels, and what else is said of the rows."""
    count = len(x)
    score = np.sin(x[:, 0]) + 0.5 * x[:, 1] + (x[:, -1] % 3) + 0.2 * rng.standard_normal(count)
    groups = {"group": np.full(count // 20, 20, np.uint32)}
    if kind == "value":
        return 10 * score + 100, None
    if kind == "positive":
        return np.exp(score / 2), None
    if kind == "share":
        return 1 / (1 + np.exp(-score)), None
    if kind == "count":
        return rng.poisson(np.exp(score / 2)), None
    if kind == "class":
        return np.clip(np.floor(score + 1), 0, CLASSES - 1), None
    if kind == "grade":
        return np.clip(np.floor(score + 1), 0, 4), groups
    if kind == "values":
        return np.stack([score, score * x[:, 0], x[:, 1] - 2], axis=1), None
    if kind == "flags":
        return np.stack([score > 0.5, x[:, 1] > 0], axis=1), None
    if kind == "survival":
        return np.exp(score) * np.where(rng.random(count) < 0.3, -1, 1), None
    if kind == "bounds":
        lower = np.exp(score)
        upper = np.where(rng.random(count) < 0.3, np.inf, lower)
        return None, {"label_lower_bound": lower, "label_upper_bound": upper}
    assert kind == "binary"
    return score > 0.7, groups


def train(oracle, name, version):
    described = MODELS[name]
    rng = np.random.default_rng([len(name), 1 + list(MODELS).index(name)])
    columns = described.get("columns", "numbers")
    rows = rng.standard_normal((400, 3)).astype(np.float32) * 3
    types = None
    if columns == "categories":
        rows[:, 2] = rng.integers(0, 6, len(rows))
        types = ["q", "q", "c"]
    elif columns == "holes":
        rows[rng.random(rows.shape) < 0.2] = np.nan
    labels, infos = labels_of(described.get("y", "value"), np.nan_to_num(rows, nan=0.7), rng)
    objective = described.get("objective", name if ":" in name else "reg:squarederror")
    if not objective.startswith("rank:"):
        infos = {k: v for k, v in (infos or {}).items() if k != "group"}
    names = described.get("names")
    more = {} if names is None else {"dictionaries": {2: names},
                                     "names": ["delay", "weight \u2192", "carrier"]}
    settings = {"objective": objective, "booster": described.get("booster", "gbtree"), "seed": 3,
                "max_depth": 2, "tree_method": "hist", "eta": 0.4, **described.get("more", {})}
    if version >= (3, 4) and settings["booster"] == "dart":
        del settings["booster"]  # since 3.4 a tree booster with dropout
    if settings["booster" if "booster" in settings else "seed"] == "gblinear":
        settings = {"objective": objective, "booster": "gblinear"}
    matrix = oracle.Matrix(rows, labels, types=types, infos=infos, **more)
    booster = oracle.Booster(matrix)
    booster.set(**settings)
    booster.train(described.get("rounds", 1))
    if "best" in described:
        booster.set_attribute("best_iteration", str(described["best"]))
    return booster


def weights_of(path):
    booster = json.loads(path.read_text())["learner"]["gradient_booster"]
    return booster["weight_drop"] if "weight_drop" in booster else booster["model"]["weight_drop"]


def make_one(oracle, shapes, name, version, folder):
    described = MODELS[name]
    booster = train(oracle, name, version)
    # One in four; UBJSON is the larger one for models as small as these.
    form = "json" if list(MODELS).index(name) % 4 else "ubj"
    path = folder / f"model.{form}"
    booster.save(path)
    if "refused" in described:
        return Fixture(name, path.read_bytes(), refused=described["refused"])
    booster.save(folder / "splits.json")
    rows = shapes.edge_rows(folder / "splits.json", ROWS, seed=len(name))
    in_place = not (name.startswith("dart") and version < (3, 4))
    if not in_place:
        rows = np.nan_to_num(rows, nan=np.nan, posinf=3e38, neginf=-3e38)
    again = oracle.load(path)
    if described.get("crossed"):
        # Half of the rows shall be ones whose quantiles are out of order.
        many = shapes.edge_rows(folder / "splits.json", 100 * ROWS, seed=1)
        crossed = (np.diff(again.predict(many, margin=True)) < 0).any(axis=1)
        rows[::2] = many[crossed][:ROWS // 2]
    iterations, end = described.get("iterations"), described.get("iterations", 0)
    if "best" in described:
        iterations, end = "best", described["best"] + 1
    outputs = {output: again.predict(rows, margin=output == "margin", iteration_end=end,
                                     in_place=in_place)
               for output in ("margin", "prediction")}
    if described.get("rounds", 1) and len(np.unique(outputs["margin"])) < 3:
        raise AssertionError(f"{name}: hardly any different answers, so it tests nothing")
    if name.startswith("dart") and len(set(weights_of(folder / "splits.json"))) < 2:
        raise AssertionError(f"{name}: all trees weigh the same, so it tests nothing")
    texts = {}
    if "names" in described:
        texts[2] = described["names"]
        rows[:, 2] = np.arange(len(rows)) % len(texts[2])
        for output in outputs:
            outputs[output] = again.predict(rows, margin=output == "margin")
    # The wheel of 1.7 was built by CUDA's compiler, for which exp is expf there; see transform.c.
    ulps = {"prediction": 1} if name == "survival:aft" and version < (2, 0) else {}
    seeds = {}
    if "seed" in described and version[:2] in SEED_RELEASES:
        stem = f"{name.replace(':', '-').replace(' ', '-')}-{version[0]}.{version[1]}"
        for form, corpus in (("json", "xgboost_json"), ("ubj", "xgboost_ubjson")):
            booster.save(folder / f"seed.{form}")
            seeds[f"{corpus}/{stem}.{form}"] = (folder / f"seed.{form}").read_bytes()
    return Fixture(name, path.read_bytes(), rows, outputs, ulps=ulps, texts=texts, seeds=seeds,
                   iterations=str(iterations or "all"))


def make(version, package, folder):
    """Yield the fixtures of one release; the process must not have used another one."""
    os.environ["AX_XGBOOST_LIBRARY"] = str(package / "xgboost/lib/libxgboost.so")
    import xgboost_oracle as oracle  # pylint: disable=import-outside-toplevel
    import xgboost_models as shapes  # pylint: disable=import-outside-toplevel
    assert oracle.version() == version
    numbers = tuple(int(n) for n in version.split("."))
    for name, described in MODELS.items():
        if described.get("since", (1, 0)) <= numbers:
            yield make_one(oracle, shapes, name, numbers, folder)

# SPDX-License-Identifier: Apache-2.0
"""Models of many shapes, and rows that meet their edges.

A shape is data (numbers, holes, categories) and how trees are grown on it; an objective decides the
labels. Everything is seeded, so a name always means the same model.
"""

import json

import numpy as np

import oracle

# name: number of numeric and categorical features, share of missing values, how trees grow.
SHAPES = {
    "numbers": dict(numeric=8, categorical=[], missing=0.0, rounds=30,
                    grow=dict(max_depth=4)),
    "holes": dict(numeric=30, categorical=[], missing=0.2, rounds=25,
                  grow=dict(max_depth=6, num_parallel_tree=2, subsample=0.8,
                            colsample_bynode=0.6)),
    "leafwise": dict(numeric=12, categorical=[], missing=0.05, rounds=15,
                     grow=dict(grow_policy="lossguide", max_leaves=48, max_depth=0)),
    "pruned": dict(numeric=6, categorical=[], missing=0.1, rounds=12,
                   grow=dict(tree_method="exact", max_depth=5, gamma=0.3)),
    "categories": dict(numeric=4, categorical=[3, 12, 70], missing=0.1, rounds=20,
                       grow=dict(max_depth=5, max_cat_to_onehot=4)),
    "onehot": dict(numeric=2, categorical=[5, 40], missing=0.0, rounds=20,
                   grow=dict(max_depth=6, max_cat_to_onehot=64)),
}

CLASSES = 4

# name: family, parameters, what the labels are.
OBJECTIVES = {
    "binary:logistic": ("binary", {}, "binary"),
    "binary:logitraw": ("binary", {}, "binary"),
    "binary:hinge": ("binary", {}, "binary"),
    "reg:squarederror": ("regression", {}, "value"),
    "reg:absoluteerror": ("regression", {}, "value"),
    "reg:pseudohubererror": ("regression", {"huber_slope": 2}, "score"),
    "reg:logistic": ("regression", {}, "share"),
    "reg:squarederror, 3 targets": ("regression", {}, "values"),
    "reg:quantileerror": ("quantiles", {"quantile_alpha": "[0.1,0.5,0.9]"}, "value"),
    "reg:quantileerror, 1 level": ("quantiles", {"quantile_alpha": "0.25"}, "value"),
    "multi:softprob": ("classes", {"num_class": CLASSES}, "class"),
    "multi:softmax": ("classes", {"num_class": CLASSES}, "class"),
}


def make_rows(shape, count, rng):
    columns = [rng.standard_normal(count) * 3 for _ in range(shape["numeric"])]
    columns += [rng.integers(0, n, count).astype(float) for n in shape["categorical"]]
    rows = np.array(columns, dtype=np.float32).T.copy()
    rows[rng.random(rows.shape) < shape["missing"]] = np.nan
    return rows


def make_labels(shape, rows, kind, rng):
    x = np.nan_to_num(rows, nan=0.7)
    score = np.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.4 * rng.standard_normal(len(x))
    for i, count in enumerate(shape["categorical"]):
        effects = 1.5 * rng.standard_normal(count)
        score += effects[x[:, shape["numeric"] + i].astype(int)]
    if kind == "binary":
        return (score > 0.2).astype(np.float32)
    if kind == "score":
        return score.astype(np.float32)
    if kind == "share":
        return (1 / (1 + np.exp(-score))).astype(np.float32)
    if kind == "class":
        return np.clip(np.floor(score + CLASSES / 2), 0, CLASSES - 1).astype(np.float32)
    if kind == "values":
        return np.stack([score, score * x[:, 0], x[:, 1] - 2], axis=1).astype(np.float32)
    return (10 * score + 100).astype(np.float32)


def make_model(shape_name, objective, rounds=None, **more):
    shape = SHAPES[shape_name]
    _, parameters, kind = OBJECTIVES[objective]
    rng = np.random.default_rng([len(shape_name), len(objective), 7])
    rows = make_rows(shape, 2000, rng)
    types = ["q"] * shape["numeric"] + ["c"] * len(shape["categorical"])
    settings = {"objective": objective.split(",")[0], "seed": 3, **shape["grow"], **parameters,
                **more}
    return oracle.train(rows, make_labels(shape, rows, kind, rng), settings,
                        rounds or shape["rounds"], types=types)


CARRIERS = ["AA", "B6", "DL", "UA", "Zoë \"Air\""]
TERMINALS = [1, 2, 4, 8, -3]


def dictionary_model(objective="multi:softprob", rounds=4, **more):
    """A model with feature names and with dictionaries of both kinds inside the file."""
    _, parameters, kind = OBJECTIVES[objective]
    rng = np.random.default_rng(11)
    shape = dict(numeric=2, categorical=[len(CARRIERS), len(TERMINALS)], missing=0.0)
    rows = make_rows(shape, 1500, rng)
    # Without its holes the column of a dictionary is integers, as the library wants it.
    rows[:, :2][rng.random((1500, 2)) < 0.1] = np.nan
    settings = {"objective": objective, "max_depth": 4, "max_cat_to_onehot": 2, **parameters,
                **more}
    return oracle.train(rows, make_labels(shape, rows, kind, rng), settings, rounds,
                        types=["q", "q", "c", "c"], names=["delay", "distance \u2192", "carrier",
                                                           "terminal"],
                        dictionaries={2: CARRIERS, 3: TERMINALS})


def fixtures():
    best = make_model("numbers", "binary:logistic", rounds=6, max_depth=3)
    best.set_attribute("best_iteration", "3")
    return {
        "binary": best,
        "regression": make_model("holes", "reg:squarederror", rounds=2, max_depth=3),
        "quantiles": make_model("pruned", "reg:quantileerror", rounds=3, max_depth=3),
        "classes": dictionary_model(),
        "onehot": make_model("onehot", "binary:hinge", rounds=3, max_depth=3),
        "softmax": make_model("leafwise", "multi:softmax", rounds=2, max_leaves=6),
    }


def seeds():
    """As small as models get, for fuzzing."""
    small = dict(max_depth=2, max_leaves=4)
    return {
        "binary": make_model("numbers", "binary:logistic", rounds=1, **small),
        "holes": make_model("holes", "reg:squarederror", rounds=1, num_parallel_tree=1, **small),
        "quantiles": make_model("pruned", "reg:quantileerror", rounds=1, **small),
        "classes": dictionary_model(rounds=1, **small),
        "onehot": make_model("onehot", "binary:hinge", rounds=2, **small),
    }


def model_splits(path):
    """From a saved JSON model: the thresholds of each feature and the set of categorical ones."""
    with open(path, encoding="utf-8") as f:
        learner = json.load(f)["learner"]
    count = int(learner["learner_model_param"]["num_feature"])
    thresholds = [set() for _ in range(count)]
    categorical = {}
    booster = learner["gradient_booster"]
    booster = booster.get("gbtree", booster)  # DART before 3.4
    for tree in booster["model"]["trees"]:
        sets = dict(zip(tree.get("categories_nodes", []),
                        zip(tree.get("categories_segments", []),
                            tree.get("categories_sizes", []))))
        for node, left in enumerate(tree["left_children"]):
            if left == -1 or tree["split_indices"][node] >= count:
                continue
            feature = tree["split_indices"][node]
            if node in sets:
                begin, size = sets[node]
                categorical.setdefault(feature, set()).update(
                    tree["categories"][begin:begin + size])
            else:
                thresholds[feature].add(float(tree["split_conditions"][node]))
    return thresholds, categorical


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, -1e-40,
           3.4028235e38, -3.4028235e38, 1.0, -1.0]


def edge_values(thresholds, categories, rng):
    values = list(SPECIAL)
    exact = np.array(sorted(thresholds), dtype=np.float32)
    if len(exact) > 200:
        exact = rng.choice(exact, 200, replace=False)
    values += list(exact)
    values += list(np.nextafter(exact, np.float32(-np.inf)))
    values += list(np.nextafter(exact, np.float32(np.inf)))
    if categories is not None:
        most = max(categories)
        values += list(range(min(most + 3, 140)))
        values += [most + 1, most + 2, 31, 32, 33, 63, 64, 65, 0.5, 1.999, 2.7, most + 0.5, -0.25,
                   -0.999, -1.5, -7, 16777215, 16777216, 16777218, 1e9, 4294967296.0, 1e20]
    return np.array(values, dtype=np.float32)


def edge_rows(path, count, seed):
    """Rows of values at the edges, every third one otherwise ordinary."""
    rng = np.random.default_rng(seed)
    thresholds, categorical = model_splits(path)
    rows = np.empty((count, len(thresholds)), dtype=np.float32)
    for feature, exact in enumerate(thresholds):
        pool = edge_values(exact, categorical.get(feature), rng)
        rows[:, feature] = rng.choice(pool, count)
        most = max(categorical.get(feature, {2}))
        ordinary = rng.integers(0, most + 1, count) if feature in categorical else \
            rng.standard_normal(count) * 3
        keep = rng.random(count) < (np.arange(count) % 3) / 2.2
        rows[keep, feature] = ordinary[keep]
    return rows

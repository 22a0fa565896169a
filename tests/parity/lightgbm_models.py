# SPDX-License-Identifier: Apache-2.0
"""LightGBM models of many shapes, and rows that meet their edges.

A shape is data (numbers, holes, zeros, categories) and how trees are grown on it; an objective
decides the labels. Everything is seeded, so a name always means the same model.
"""

import re

import numpy as np

import compare
import lightgbm_oracle as oracle

NAME = "LightGBM"
version = oracle.version

# name: number of numeric and categorical features, shares of missing values and of zeros, how trees
# grow.
SHAPES = {
    "numbers": dict(numeric=8, categorical=[], missing=0.0, zeros=0.0, rounds=25,
                    grow=dict(num_leaves=15)),
    "holes": dict(numeric=20, categorical=[], missing=0.2, zeros=0.1, rounds=20,
                  grow=dict(num_leaves=31, feature_fraction=0.6)),
    "zeros": dict(numeric=8, categorical=[], missing=0.1, zeros=0.3, rounds=15,
                  grow=dict(num_leaves=24, zero_as_missing=True)),
    "no missing": dict(numeric=6, categorical=[], missing=0.1, zeros=0.1, rounds=12,
                       grow=dict(max_depth=5, use_missing=False)),
    "categories": dict(numeric=4, categorical=[3, 12, 70], missing=0.1, zeros=0.0, rounds=15,
                       grow=dict(num_leaves=24, max_cat_to_onehot=4, min_data_per_group=5,
                                 cat_smooth=1, min_data_in_leaf=5)),
    "stumps": dict(numeric=5, categorical=[9], missing=0.05, zeros=0.1, rounds=40,
                   grow=dict(num_leaves=3, min_data_per_group=5, feature_fraction=0.5)),
}

CLASSES = 4

# name: family, parameters, what the labels are.
OBJECTIVES = {
    "regression": ("regression", {}, "value"),
    "regression, sqrt": ("regression", {"reg_sqrt": True}, "value"),
    "regression, dart": ("regression", {"boosting": "dart", "drop_rate": 0.4}, "value"),
    "regression, rf": ("regression", {"boosting": "rf", "bagging_freq": 1,
                                      "bagging_fraction": 0.7}, "value"),
    "regression_l1": ("regression", {}, "value"),
    "huber": ("regression", {}, "value"),
    "fair": ("regression", {}, "score"),
    "quantile": ("regression", {"alpha": 0.8}, "value"),
    "mape": ("regression", {}, "value"),
    "cross_entropy": ("regression", {}, "share"),
    "cross_entropy_lambda": ("regression", {}, "share"),
    "poisson": ("counts", {}, "count"),
    "gamma": ("counts", {}, "positive"),
    "tweedie": ("counts", {"tweedie_variance_power": 1.3}, "count"),
    "binary": ("binary", {}, "binary"),
    "binary, sigmoid 0.7": ("binary", {"sigmoid": 0.7}, "binary"),
    "binary, goss": ("binary", {"data_sample_strategy": "goss", "learning_rate": 0.3}, "binary"),
    "binary, rf": ("binary", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
                   "binary"),
    "multiclass": ("classes", {"num_class": CLASSES}, "class"),
    "multiclassova": ("classes", {"num_class": CLASSES, "sigmoid": 1.3}, "class"),
    "lambdarank": ("ranking", {}, "grade"),
    "rank_xendcg": ("ranking", {}, "grade"),
}

LIVE = [
    ("regression", "numbers"), ("regression, sqrt", "holes"), ("regression, dart", "zeros"),
    ("regression, rf", "no missing"), ("regression_l1", "categories"), ("huber", "stumps"),
    ("fair", "numbers"), ("quantile", "holes"), ("mape", "zeros"), ("cross_entropy", "categories"),
    ("cross_entropy_lambda", "no missing"),
    ("poisson", "categories"), ("gamma", "holes"), ("tweedie", "zeros"),
    ("binary", "holes"), ("binary", "categories"), ("binary, sigmoid 0.7", "zeros"),
    ("binary, goss", "numbers"), ("binary, rf", "stumps"),
    ("multiclass", "categories"), ("multiclassova", "holes"), ("multiclass", "zeros"),
    ("lambdarank", "numbers"), ("rank_xendcg", "categories"), ("lambdarank", "no missing"),
]


def grid():
    """All models: (family, objective, shape)."""
    return [(family, objective, shape) for objective, (family, _, _) in OBJECTIVES.items()
            for shape in SHAPES]


def make_rows(shape, count, rng):
    columns = [rng.standard_normal(count) * 3 for _ in range(shape["numeric"])]
    columns += [rng.integers(0, n, count).astype(float) for n in shape["categorical"]]
    rows = np.array(columns).T.copy()
    rows[:, :shape["numeric"]][rng.random((count, shape["numeric"])) < shape["zeros"]] = 0
    rows[rng.random(rows.shape) < shape["missing"]] = np.nan
    return rows


def make_labels(shape, rows, kind, rng):
    x = np.nan_to_num(rows, nan=0.7)
    score = np.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.4 * rng.standard_normal(len(x))
    for i, count in enumerate(shape["categorical"]):
        effects = 1.5 * rng.standard_normal(count)
        score += effects[x[:, shape["numeric"] + i].astype(int)]
    return {
        "binary": score > 0.2,
        "score": score,
        "share": 1 / (1 + np.exp(-score)),
        "class": np.clip(np.floor(score + CLASSES / 2), 0, CLASSES - 1),
        "count": np.floor(np.exp(np.clip(score, -3, 3))),
        "positive": np.exp(np.clip(score, -3, 3)),
        "grade": np.clip(np.floor(score + 2), 0, 4),
        "value": 10 * score + 100,
    }[kind].astype(np.float32)


def make_model(shape_name, objective, rounds=None, names=None, **more):
    shape = SHAPES[shape_name]
    _, parameters, kind = OBJECTIVES[objective]
    rng = np.random.default_rng([len(shape_name), len(objective), 7])
    rows = make_rows(shape, 2000, rng)
    settings = {"objective": objective.split(",")[0], "seed": 3, **shape["grow"], **parameters,
                **more}
    if shape["categorical"]:
        first = shape["numeric"]
        settings["categorical_feature"] = ",".join(
            str(first + i) for i in range(len(shape["categorical"])))
    return oracle.train(rows, make_labels(shape, rows, kind, rng), settings,
                        rounds or shape["rounds"], names=names,
                        groups=[20] * 100 if kind == "grade" else None)


def model_splits(path):
    """From a saved model: the thresholds of each feature, and the categories of its sets."""
    content = path.read_text(encoding="utf-8")
    count = int(re.search(r"max_feature_idx=(\d+)", content)[1]) + 1
    thresholds = [set() for _ in range(count)]
    categorical = {}
    for block in content.split("Tree=")[1:]:
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if int(fields["num_leaves"]) < 2:
            continue
        bounds = [int(x) for x in fields.get("cat_boundaries", "").split()]
        words = [int(x) for x in fields.get("cat_threshold", "").split()]
        for feature, threshold, decision in zip(fields["split_feature"].split(),
                                                fields["threshold"].split(),
                                                fields["decision_type"].split()):
            if not int(decision) & 1:
                thresholds[int(feature)].add(float(threshold))
                continue
            at = int(threshold)
            categorical.setdefault(int(feature), set()).update(
                32 * i + bit for i, word in enumerate(words[bounds[at]:bounds[at + 1]])
                for bit in range(32) if word >> bit & 1)
    return thresholds, categorical


ZERO = 1.0000000180025095e-35  # 1e-35f: what is not above it is 0
SPECIAL = [np.nan, np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-300, ZERO, -ZERO,
           np.nextafter(ZERO, 1), -np.nextafter(ZERO, 1), 1e-35, 2e-35, -2e-35, 1e-45, -1e-36,
           1.7976931348623157e308, -1.7976931348623157e308, 1.0, -1.0]


def edge_values(thresholds, categories, rng):
    values = list(SPECIAL)
    exact = np.array(sorted(thresholds))
    if len(exact) > 200:
        exact = rng.choice(exact, 200, replace=False)
    values += list(exact)
    values += list(np.nextafter(exact, -np.inf)) + list(np.nextafter(exact, np.inf))
    values += list(exact.astype(np.float32).astype(np.float64))
    if categories is not None:
        most = max(categories, default=0)
        values += list(range(min(most + 3, 140)))
        values += [most + 1, most + 2, 31, 32, 33, 63, 64, 65, 0.5, 1.999, 2.7, most + 0.5, -0.25,
                   -0.999, -1.0, -1.5, -7, 16777215, 16777216, 1e9, 2147483647.0, 2147483648.0,
                   2147483647.5, 4294967296.0, 4294967297.0, -2147483648.0, -2147483649.0, 1e20,
                   -1e20]
    return np.array(values)


def edge_rows(path, count, seed):
    """Rows of values at the edges, every third one otherwise ordinary."""
    rng = np.random.default_rng(seed)
    thresholds, categorical = model_splits(path)
    rows = np.empty((count, len(thresholds)))
    for feature, exact in enumerate(thresholds):
        rows[:, feature] = rng.choice(edge_values(exact, categorical.get(feature), rng), count)
        most = max(categorical.get(feature, {2}), default=0)
        ordinary = rng.integers(0, most + 1, count) if feature in categorical else \
            rng.standard_normal(count) * 3
        keep = rng.random(count) < (np.arange(count) % 3) / 2.2
        rows[keep, feature] = ordinary[keep]
    return rows


# ---- for compare.py and tools/parity ----

def make_case(objective, shape, folder, row_count, seed=1):
    path = folder / "model.txt"
    make_model(shape, objective).save(path)
    if SHAPES[shape]["categorical"] and not model_splits(path)[1]:
        raise compare.Difference("no split on a category: the shape does not test what it should")
    booster = oracle.load(path)
    rows = edge_rows(path, row_count, seed)
    answers = {"margin": booster.predict(rows, margin=True), "prediction": booster.predict(rows)}
    if OBJECTIVES[objective][0] in ("binary", "classes"):
        answers["probability"] = answers["prediction"]
    return compare.Case((path,), rows, answers,
                        again=lambda few: booster.predict(few, margin=True))


def both(program, path, rows, folder, batch=64, iterations="all", rounds=-1):
    """Margins and predictions of one file against the library's."""
    booster = oracle.load(path)
    ours = compare.score(program, path, rows, folder, batch, "matrix", iterations)
    return (compare.same(f"{path.name}: margin", ours["margin"],
                         booster.predict(rows, margin=True, rounds=rounds)) +
            compare.same(f"{path.name}: prediction", ours["prediction"],
                         booster.predict(rows, rounds=rounds)))


def compare_iterations(program, folder, row_count=2000):
    """A number of rounds, which is also what a random forest divides by."""
    values = 0
    for shape, objective in (("holes", "binary"), ("categories", "multiclass"),
                             ("numbers", "regression, rf")):
        path = folder / "rounds.txt"
        make_model(shape, objective).save(path)
        rows = edge_rows(path, row_count, 3)
        for rounds in (1, 4):
            values += both(program, path, rows, folder, iterations=str(rounds), rounds=rounds)
    return values


def compare_rewritten(program, folder, row_count=2000):
    """Without an objective, and of the versions before, as far as they differ in words."""
    values = 0
    path = folder / "rewritten.txt"
    for shape, objective, changes in (
            ("categories", "multiclass", [("objective=multiclass num_class:4\n", "")]),
            ("holes", "binary", [("objective=binary sigmoid:1\n", "objective=custom\n")]),
            ("zeros", "binary", [("sigmoid:1\n", "sigmoid:1.23457\n"),
                                 ("version=v4", "version=v3")]),
            ("zeros", "binary", [("sigmoid:1\n", "sigmoid:7.65432e-05\n")]),
            ("numbers", "cross_entropy", [("=cross_entropy\n", "=xentropy\n"),
                                          ("version=v4", "version=v2")])):
        make_model(shape, objective).save(path)
        content = path.read_text()
        for old, new in changes:
            assert old in content
            content = content.replace(old, new)
        path.write_text(content)
        values += both(program, path, edge_rows(path, row_count, 4), folder)
    return values


def made_tree(number, leaves, features, is_chain, rng):
    """A tree that nobody trained: as balanced as can be, or one long chain."""
    splits = leaves - 1
    left, right, free = [], [], 0  # leaves are numbered as they come
    for i in range(splits):
        pair = []
        for child in ([i + 1] if is_chain else [2 * i + 1, 2 * i + 2]):
            if child < splits:
                pair.append(child)
        while len(pair) < 2:
            free += 1
            pair.append(-free)
        left.append(pair[i % 2])
        right.append(pair[1 - i % 2])

    def listed(name, values):
        return f"{name}={' '.join(str(v) for v in values)}"
    return "\n".join([
        f"Tree={number}", f"num_leaves={leaves}", "num_cat=0",
        listed("split_feature", rng.integers(0, features, splits)),
        listed("threshold", (f"{x:.17g}" for x in rng.standard_normal(splits))),
        listed("decision_type", rng.choice([0, 2, 4, 6, 8, 10], splits)),
        listed("left_child", left), listed("right_child", right),
        listed("leaf_value", (f"{x:.17g}" for x in rng.standard_normal(leaves))),
        "is_linear=0", "shrinkage=1", "", "", ""])


def compare_large_trees(program, folder, row_count=5000):
    """Trees beyond 32,767 nodes, which need the larger form of a node, a chain, and small ones."""
    rng = np.random.default_rng(9)
    path = folder / "large.txt"
    make_model("numbers", "regression", rounds=1).save(path)
    head, _, rest = path.read_text().partition("tree_sizes=")
    trees = [made_tree(i, leaves, 8, chain, rng) for i, (leaves, chain) in enumerate(
        [(16, False), (32768, False), (20001, False), (2001, True), (1, False), (8, False)])]
    sizes = " ".join(str(len(tree)) for tree in trees)
    path.write_text(f"{head}tree_sizes={sizes}\n\n{''.join(trees)}end of trees\n")
    assert rest
    return both(program, path, edge_rows(path, row_count, 5), folder)


EXTRAS = {
    "iterations: N": compare_iterations,
    "other words in the file": compare_rewritten,
    "trees beyond 32,767 nodes": compare_large_trees,
}

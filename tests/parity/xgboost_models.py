# SPDX-License-Identifier: Apache-2.0
"""Models of many shapes, and rows that meet their edges.

A shape is data (numbers, holes, categories) and how trees are grown on it; an objective decides the
labels. Everything is seeded, so a name always means the same model.
"""

import copy
import json

import numpy as np

import compare
import xgboost_oracle as oracle

NAME = "XGBoost"
version = oracle.version

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
    "reg:squaredlogerror": ("regression", {}, "positive"),
    "reg:squarederror, 3 targets": ("regression", {}, "values"),
    "reg:quantileerror": ("quantiles", {"quantile_alpha": "[0.1,0.5,0.9]"}, "value"),
    "reg:quantileerror, 1 level": ("quantiles", {"quantile_alpha": "0.25"}, "value"),
    "reg:expectileerror": ("quantiles", {"expectile_alpha": "[0.1,0.5,0.9]"}, "value"),
    "multi:softprob": ("classes", {"num_class": CLASSES}, "class"),
    "multi:softmax": ("classes", {"num_class": CLASSES}, "class"),
    "count:poisson": ("counts", {}, "count"),
    "reg:gamma": ("counts", {}, "positive"),
    "reg:tweedie": ("counts", {"tweedie_variance_power": 1.3}, "positive"),
    "rank:ndcg": ("ranking", {}, "grade"),
    "rank:map": ("ranking", {}, "binary"),
    "rank:pairwise": ("ranking", {}, "grade"),
    "survival:cox": ("survival", {}, "survival"),
    "survival:aft": ("survival", {}, "bounds"),
    "reg:squarederror, dropout": ("dart", {"rate_drop": 0.3, "one_drop": 1}, "value"),
    "multi:softprob, dropout": ("dart", {"rate_drop": 0.3, "num_class": CLASSES}, "class"),
    "reg:squarederror, 3 targets a tree": (
        "leaf rows", {"multi_strategy": "multi_output_tree"}, "values"),
    "multi:softprob, all classes a tree": (
        "leaf rows", {"multi_strategy": "multi_output_tree", "num_class": CLASSES}, "class"),
}

GROUP = 20  # rows of one query, for ranking


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
    if kind == "grade":
        return np.clip(np.floor(score + 2), 0, 4)
    if kind in ("positive", "bounds"):
        return np.exp(score / 2)
    if kind == "count":
        return rng.poisson(np.exp(np.minimum(score, 3) / 2))
    if kind == "survival":  # below 0: censored
        return np.exp(score / 2) * np.where(rng.random(len(x)) < 0.3, -1, 1)
    assert kind == "value"
    return (10 * score + 100).astype(np.float32)


def describe_rows(objective, labels, kind, rng):
    """Labels as the objective takes them, and what else is said of the rows."""
    if objective.startswith("rank:"):
        return labels, {"group": np.full(len(labels) // GROUP, GROUP, dtype=np.uint32)}
    if kind == "bounds":
        censored = rng.random(len(labels)) < 0.3
        return None, {"label_lower_bound": labels,
                      "label_upper_bound": np.where(censored, np.inf, labels)}
    return labels, None


def make_model(shape_name, objective, rounds=None, **more):
    shape = SHAPES[shape_name]
    _, parameters, kind = OBJECTIVES[objective]
    rng = np.random.default_rng([len(shape_name), len(objective), 7])
    rows = make_rows(shape, 2000, rng)
    types = ["q"] * shape["numeric"] + ["c"] * len(shape["categorical"])
    settings = {"objective": objective.split(",")[0], "seed": 3, **shape["grow"], **parameters,
                **more}
    labels, infos = describe_rows(objective, make_labels(shape, rows, kind, rng), kind, rng)
    return oracle.train(rows, labels, settings, rounds or shape["rounds"], types=types,
                        infos=infos)


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


# ---- for compare.py and tools/parity ----

# Models of `make test`: each family on at least three shapes, each shape and each objective at
# least once.
LIVE = [
    ("binary:logistic", "numbers"), ("binary:logistic", "holes"), ("binary:logistic", "categories"),
    ("binary:logitraw", "onehot"), ("binary:hinge", "pruned"),
    ("reg:squarederror", "leafwise"), ("reg:squarederror", "categories"),
    ("reg:absoluteerror", "holes"), ("reg:pseudohubererror", "numbers"),
    ("reg:logistic", "onehot"), ("reg:squarederror, 3 targets", "leafwise"),
    ("reg:quantileerror", "numbers"), ("reg:quantileerror", "categories"),
    ("reg:quantileerror, 1 level", "pruned"),
    ("multi:softprob", "holes"), ("multi:softprob", "categories"), ("multi:softmax", "leafwise"),
    ("reg:squaredlogerror", "numbers"), ("reg:expectileerror", "onehot"),
    ("count:poisson", "numbers"), ("reg:gamma", "pruned"), ("reg:tweedie", "onehot"),
    ("rank:ndcg", "numbers"), ("rank:map", "pruned"), ("rank:pairwise", "onehot"),
    ("survival:cox", "numbers"), ("survival:aft", "pruned"), ("survival:aft", "categories"),
    ("reg:squarederror, dropout", "numbers"), ("multi:softprob, dropout", "pruned"),
    ("reg:squarederror, dropout", "categories"),
    ("reg:squarederror, 3 targets a tree", "numbers"),
    ("multi:softprob, all classes a tree", "onehot"),
    ("reg:squarederror, 3 targets a tree", "categories"),
]


def grid():
    """All models: (family, objective, shape). The method "exact" grows no trees of several
    outputs."""
    return [(family, objective, shape) for objective, (family, _, _) in OBJECTIVES.items()
            for shape, described in SHAPES.items()
            if family != "leaf rows" or "tree_method" not in described["grow"]]


def save(booster, folder, name="model"):
    paths = folder / f"{name}.json", folder / f"{name}.ubj"
    for path in paths:
        booster.save(path)
    return paths


def make_case(objective, shape, folder, row_count, seed=1):
    """One model as its files, rows of edges, and what the library makes of them."""
    paths = save(make_model(shape, objective), folder)
    if SHAPES[shape]["categorical"] and not model_splits(paths[0])[1]:
        raise compare.Difference("no split on a category: the shape does not test what it should")
    booster = oracle.load(paths[0])
    rows = edge_rows(paths[0], row_count, seed)
    answers = {"margin": booster.predict(rows, margin=True), "prediction": booster.predict(rows)}
    if objective in ("binary:logistic", "multi:softprob"):
        answers["probability"] = answers["prediction"]
    return compare.Case(paths, rows, answers,
                        again=lambda few: booster.predict(few, margin=True))


def both(program, path, rows, folder, batch=64, iterations="all", iteration_end=0):
    """One file, one batch size: margins and predictions against the library's."""
    booster = oracle.load(path)
    ours = compare.score(program, path, rows, folder, batch, "matrix", iterations)
    return (compare.same(f"{path.name}: margin", ours["margin"],
                         booster.predict(rows, margin=True, iteration_end=iteration_end)) +
            compare.same(f"{path.name}: prediction", ours["prediction"],
                         booster.predict(rows, iteration_end=iteration_end)))


# ---- what does not fit the grid of shapes and objectives ----

def old_formats(model):
    """A model of today rewritten as older versions wrote it. What the pinned library makes of such
    a file is what counts; that older libraries wrote exactly this is not shown."""
    for version, bare in (([2, 1, 4], False), ([1, 7, 6], True), ([1, 4, 2], True)):
        old = copy.deepcopy(model)
        learner = old["learner"]
        old["version"] = version
        base = json.loads(learner["learner_model_param"]["base_score"])
        if len(set(base)) > 1:
            base = base[:1]
        learner["learner_model_param"]["base_score"] = f"{base[0]:.9E}"
        booster = learner["gradient_booster"]["model"]
        booster.pop("cats", None)
        if bare:
            booster.pop("iteration_indptr")
            del learner["learner_model_param"]["boost_from_average"]
            del learner["learner_model_param"]["num_target"]
            for tree in booster["trees"]:
                tree["default_left"] = [bool(x) for x in tree["default_left"]]
        yield ".".join(map(str, version)), old


def compare_old_formats(program, folder, row_count=3000):
    values = 0
    for shape, objective in (("numbers", "binary:logistic"), ("categories", "reg:squarederror"),
                             ("leafwise", "multi:softprob"), ("onehot", "binary:logistic"),
                             ("numbers", "reg:absoluteerror")):
        json_path, _ = save(make_model(shape, objective), folder, "new")
        rows = edge_rows(json_path, row_count, 2)
        for name, old in old_formats(json.loads(json_path.read_text())):
            path = folder / f"old-{name}.json"
            path.write_text(json.dumps(old))
            values += both(program, path, rows, folder)
    return values


def compare_iterations(program, folder, row_count=2000):
    values = 0
    for shape, objective in (("holes", "binary:logistic"), ("numbers", "multi:softprob"),
                             ("categories", "reg:quantileerror")):
        booster = make_model(shape, objective)
        booster.set_attribute("best_iteration", "6")
        for path in save(booster, folder):
            rows = edge_rows(folder / "model.json", row_count, 3)
            values += both(program, path, rows, folder, iterations="4", iteration_end=4)
            values += both(program, path, rows, folder, iterations="best", iteration_end=7)
    return values


def compare_dictionaries(program, folder, row_count=5000):
    """Files with dictionaries: a row holds indexes, and dense arrays are not recoded."""
    values = 0
    for objective in ("binary:logistic", "multi:softprob", "reg:squarederror"):
        for path in save(dictionary_model(objective, rounds=8), folder):
            rows = edge_rows(folder / "model.json", row_count, 4)
            values += both(program, path, rows, folder)
    return values


def made_tree(number, count, features, is_chain, rng):
    """A tree that nobody trained: as balanced as can be, or one long chain."""
    splits = (count - 1) // 2
    left = np.full(count, -1)
    right = np.full(count, -1)
    parents = np.full(count, 2147483647)
    for i in range(splits):
        at = 0 if i == 0 else (2 * i if is_chain else i)
        left[at], right[at] = 2 * i + 1, 2 * i + 2
        parents[2 * i + 1] = parents[2 * i + 2] = at
    values = rng.standard_normal(count)
    return {
        "base_weights": [0.0] * count, "categories": [], "categories_nodes": [],
        "categories_segments": [], "categories_sizes": [],
        "default_left": rng.integers(0, 2, count).tolist(), "id": number,
        "left_children": left.tolist(), "right_children": right.tolist(),
        "parents": parents.tolist(), "loss_changes": [0.0] * count, "sum_hessian": [0.0] * count,
        "split_conditions": [float(f"{v:.7g}") for v in values],
        "split_indices": rng.integers(0, features, count).tolist(), "split_type": [0] * count,
        "tree_param": {"num_deleted": "0", "num_feature": str(features), "num_nodes": str(count),
                       "size_leaf_vector": "1"}}


def compare_large_trees(program, folder, row_count=5000):
    """Trees beyond 32,767 nodes, which need the larger form of a node, a chain, and small ones."""
    rng = np.random.default_rng(9)
    booster = make_model("numbers", "reg:squarederror", rounds=1)
    json_path, ubjson_path = save(booster, folder)
    file = json.loads(json_path.read_text())
    model = file["learner"]["gradient_booster"]["model"]
    sizes = [(31, False), (65535, False), (40001, False), (4001, True), (1, False), (15, False)]
    model["trees"] = [made_tree(i, count, 8, chain, rng) for i, (count, chain) in enumerate(sizes)]
    model["gbtree_model_param"]["num_trees"] = str(len(sizes))
    model["tree_info"] = [0] * len(sizes)
    model["iteration_indptr"] = list(range(len(sizes) + 1))
    json_path.write_text(json.dumps(file))
    oracle.load(json_path).save(ubjson_path)
    edge = edge_rows(json_path, row_count, 5)
    return (both(program, json_path, edge, folder) +
            both(program, ubjson_path, edge, folder, batch=1))


EXTRAS = {
    "rewritten as older versions wrote it": compare_old_formats,
    "iterations: N and best": compare_iterations,
    "dictionaries inside the file": compare_dictionaries,
    "trees beyond 32,767 nodes": compare_large_trees,
}

# SPDX-License-Identifier: Apache-2.0
"""Our answers beside the library's, as bits."""

import copy
import json
import subprocess

import numpy as np

import oracle
import shapes

BATCHES = [1, 2, 7, 64, 1000]


class Difference(Exception):
    """An answer that is not the library's."""


def score(program, model, rows, folder, batch, layout="matrix", iterations="all"):
    """Our answers: {output: array}."""
    rows_path, out_path = folder / "rows.f32", folder / "out.f32"
    np.ascontiguousarray(rows, dtype=np.float32).tofile(rows_path)
    done = subprocess.run([program, model, rows_path, out_path, str(batch), layout, iterations],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Difference(f"{model.name}: {done.stderr.strip()}")
    widths = [line.split() for line in done.stdout.splitlines()]
    columns = sum(int(width) for _, width in widths)
    values = np.fromfile(out_path, dtype=np.float32).reshape(len(rows), columns)
    answers, at = {}, 0
    for name, width in widths:
        answers[name] = values[:, at:at + int(width)]
        at += int(width)
    return answers


def ulps(a, b):
    """The largest distance in units of the last place; NaN equals NaN."""
    def ordered(x):
        bits = x.view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    distance = np.abs(ordered(a) - ordered(b))
    distance[np.isnan(a) & np.isnan(b)] = 0
    return int(distance.max()) if distance.size else 0


def same(what, ours, theirs):
    """Raise unless equal as bits. Returns the number of values compared."""
    a, b = np.ascontiguousarray(ours), np.ascontiguousarray(theirs)
    if a.shape != b.shape:
        raise Difference(f"{what}: shape {a.shape}, the library has {b.shape}")
    differs = a.view(np.uint32) != b.view(np.uint32)
    if differs.any():
        row, column = np.argwhere(differs)[0]
        raise Difference(f"{what}: {differs.sum()} of {a.size} differ, at most {ulps(a, b)} ulp; "
                         f"first at row {row}: {a[row, column]!r}, library {b[row, column]!r}")
    return a.size


def save(booster, folder, name="model"):
    paths = folder / f"{name}.json", folder / f"{name}.ubj"
    for path in paths:
        booster.save(path)
    return paths


def both(program, path, rows, folder, batch=64, iterations="all", iteration_end=0):
    """One file, one batch size: margins and predictions against the library's."""
    booster = oracle.load(path)
    ours = score(program, path, rows, folder, batch, "matrix", iterations)
    return (same(f"{path.name}: margin", ours["margin"],
                 booster.predict(rows, margin=True, iteration_end=iteration_end)) +
            same(f"{path.name}: prediction", ours["prediction"],
                 booster.predict(rows, iteration_end=iteration_end)))


def compare_model(program, json_path, ubjson_path, row_count, folder, has_categories=False,
                  seed=1):
    """All comparisons of one model. Returns (rows, values compared)."""
    booster = oracle.load(json_path)
    if has_categories and not shapes.model_splits(json_path)[1]:
        raise Difference("no split on a category: the shape does not test what it should")
    rows = shapes.edge_rows(json_path, row_count, seed)
    margins = booster.predict(rows, margin=True)
    predictions = booster.predict(rows)
    if len(np.unique(margins)) < 20:
        raise Difference("hardly any different answers: the model tests nothing")
    values = 0

    def check(path, count, batch, layout):
        nonlocal values
        ours = score(program, path, rows[:count], folder, batch, layout)
        what = f"{path.name}, batch {batch}, {layout}"
        values += same(f"{what}: margin", ours["margin"], margins[:count])
        values += same(f"{what}: prediction", ours["prediction"], predictions[:count])
        return ours

    ours = check(json_path, row_count, 64, "matrix")
    check(ubjson_path, row_count, 1, "matrix")
    for batch in BATCHES:
        check(ubjson_path, min(row_count, 3000), batch, "matrix")
    check(json_path, min(row_count, 1000), 7, "columns")
    check(json_path, 0, 7, "matrix")
    # The library's own answers must not depend on where a row stands.
    few = min(row_count, 100)
    alone = np.concatenate([booster.predict(rows[i:i + 1], margin=True) for i in range(few)])
    same("the library, row by row", alone, margins[:few])
    objective = json.loads(json_path.read_text())["learner"]["objective"]["name"]
    if objective in ("binary:logistic", "multi:softprob"):
        values += same("probability", ours["probability"], predictions)
    return len(rows), values


# ---- what does not fit the grid of shapes and objectives: each yields (what, path, …) ----

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
        json_path, _ = save(shapes.make_model(shape, objective), folder, "new")
        rows = shapes.edge_rows(json_path, row_count, 2)
        for name, old in old_formats(json.loads(json_path.read_text())):
            path = folder / f"old-{name}.json"
            path.write_text(json.dumps(old))
            values += both(program, path, rows, folder)
    return values


def compare_iterations(program, folder, row_count=2000):
    values = 0
    for shape, objective in (("holes", "binary:logistic"), ("numbers", "multi:softprob"),
                             ("categories", "reg:quantileerror")):
        booster = shapes.make_model(shape, objective)
        booster.set_attribute("best_iteration", "6")
        for path in save(booster, folder):
            rows = shapes.edge_rows(folder / "model.json", row_count, 3)
            values += both(program, path, rows, folder, iterations="4", iteration_end=4)
            values += both(program, path, rows, folder, iterations="best", iteration_end=7)
    return values


def compare_dictionaries(program, folder, row_count=5000):
    """Files with dictionaries: a row holds indexes, and dense arrays are not recoded."""
    values = 0
    for objective in ("binary:logistic", "multi:softprob", "reg:squarederror"):
        for path in save(shapes.dictionary_model(objective, rounds=8), folder):
            rows = shapes.edge_rows(folder / "model.json", row_count, 4)
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
    booster = shapes.make_model("numbers", "reg:squarederror", rounds=1)
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
    edge = shapes.edge_rows(json_path, row_count, 5)
    return (both(program, json_path, edge, folder) +
            both(program, ubjson_path, edge, folder, batch=1))


EXTRAS = {
    "rewritten as older versions wrote it": compare_old_formats,
    "iterations: N and best": compare_iterations,
    "dictionaries inside the file": compare_dictionaries,
    "trees beyond 32,767 nodes": compare_large_trees,
}

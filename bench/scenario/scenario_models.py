# SPDX-License-Identifier: Apache-2.0
"""Models of scenarios, made from a few that are trained here, and what is asked of them.

A model of a given number of trees is the first ones of a larger one, and a model of its own by its
intercept: other answers, another digest, another image. All is seeded: a name always means the same
bytes. Trained ones are kept in build/bench/scenario until this file changes; fleets are made of them
where they are used and go with the run.
"""

import hashlib
import json
import pathlib

import numpy as np

import xgboost_oracle

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = ROOT / "build/bench/scenario/models"
FEATURES = 50
TRAINING_ROWS = 12000
LARGE = (680, 8)  # trees and depth: 10 MB


def rows(count, features=FEATURES, seed=2):
    return np.random.default_rng(seed).standard_normal((count, features)).astype(np.float32)


def train(trees, depth, features):
    x = rows(TRAINING_ROWS, features, 1)
    score = np.sin(x[:, 1]) + np.tanh(x[:, 2] * x[:, 3]) + 0.3 * x[:, 4:features].sum(axis=1)
    labels = (score + rows(TRAINING_ROWS, 1, 3)[:, 0] > 0).astype(np.float32)
    return xgboost_oracle.train(x, labels, {"objective": "binary:logistic", "eta": 0.05, "seed": 3,
                                            "nthread": 1, "max_depth": depth}, trees)


class Source:
    """A trained model, to be cut and told apart."""

    def __init__(self, trees, depth, features=FEATURES):
        stamp = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()[:16]
        path = KEPT / f"{trees}x{depth}-{features}-{stamp}.json"
        if not path.exists():
            KEPT.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new.json")
            train(trees, depth, features).save(new)
            new.rename(path)
        self.trees, self.features = trees, features
        self.document = json.loads(path.read_text(encoding="utf-8"))
        forest = self.document["learner"]["gradient_booster"]["model"]
        self.tree_texts = [json.dumps(tree, separators=(",", ":")) for tree in forest["trees"]]

    def text(self, intercept, trees=None):
        """The model file of its first `trees` trees."""
        count = trees or self.trees
        learner = self.document["learner"]
        learner["learner_model_param"]["base_score"] = f"{intercept:.6g}"
        forest = learner["gradient_booster"]["model"]
        forest["gbtree_model_param"]["num_trees"] = str(count)
        forest["tree_info"] = [0] * count
        forest["iteration_indptr"] = list(range(count + 1))
        forest["trees"] = "TREES"
        text = json.dumps(self.document, separators=(",", ":"))
        return text.replace('"TREES"', "[" + ",".join(self.tree_texts[:count]) + "]")

    def write(self, folder, intercept, trees=None):
        """A version folder."""
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / ".model.json.new"
        new.write_text(self.text(intercept, trees), encoding="utf-8")
        new.rename(folder / "model.json")


def intercept(number):
    """Of model `number` of a fleet: another answer for each."""
    return 0.2 + 0.6 * ((number * 0.6180339887) % 1)


def fleet(source, folder, count, trees=None):
    """`count` models m0, m1, … of version 1; `trees` tells how many each has (None: all)."""
    names = [f"m{i}" for i in range(count)]
    for i, name in enumerate(names):
        source.write(folder / name / "1", intercept(i), trees[i] if trees is not None else None)
    return names


def log_sizes(count, low, high, seed=5):
    """How many trees each model of a fleet has: as many small ones as large ones, by order of
    magnitude."""
    drawn = np.random.default_rng(seed).uniform(np.log(low), np.log(high), count)
    return np.exp(drawn).astype(int).clip(low, high).tolist()


# ---- what is asked ----

def body(values, name=None, **parameters):
    """A request; with a name of its own where the server would make one up, which the answer has."""
    text = {"id": name} if name is not None else {}
    text |= {"inputs": [{"name": "input", "datatype": "FP32", "shape": list(values.shape),
                        "data": [float(str(v)) for v in values.ravel()]}]}
    if parameters:
        text["parameters"] = parameters
    return json.dumps(text, separators=(",", ":"))


def write_mix(path, lines):
    """Lines of (weight or None, path, body)."""
    path.write_text("".join(f"{'' if w is None else f'{w:.9g} '}POST {where} {what}\n"
                            for w, where, what in lines), encoding="utf-8")
    return path


def infer(model):
    return f"/v2/models/{model}/infer"


def mix(path, weights, distinct, a_call=1, features=FEATURES):
    """Requests for models by their weights, {name: weight}: `distinct` bodies for each. Returns the
    file and which model each line is for, as a number."""
    values = rows(distinct * a_call, features, 7).reshape(distinct, a_call, features)
    bodies = [body(each) for each in values]
    lines = [(weight / distinct, infer(name), bodies[k])
             for name, weight in weights.items() for k in range(distinct)]
    return write_mix(path, lines), np.repeat(np.arange(len(weights)), distinct)


def zipf(names, exponent=1.0):
    """{name: weight}: the n-th one's is 1 / n^exponent."""
    return {name: 1 / (i + 1) ** exponent for i, name in enumerate(names)}

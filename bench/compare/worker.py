# SPDX-License-Identifier: Apache-2.0
"""A peer that is called from Python, in a process of its own; worker.c tells the lines it speaks.

    worker.py KIND MODEL ROWS FEATURES

What is timed is the library's own prediction of rows that are in the library's own form already,
and one call of a Python function: that call is the price of having no C interface.
"""

import itertools
import pathlib
import sys
import time
import types

import numpy as np

POOLS_MAX = 2048


class CatBoost:
    """Pools are made before time is taken; one thread."""

    width = "f64"

    def __init__(self, path, rows):
        import catboost_oracle as oracle  # pylint: disable=import-outside-toplevel
        self.oracle = oracle
        self.model = oracle.catboost().CatBoost()
        self.model.load_model(path)
        self.rows = rows

    def prepare(self, rows):
        return self.oracle.pool(rows)

    def predict(self, prepared):
        return self.model.predict(prepared, prediction_type="RawFormulaVal", thread_count=1)


class Ydf:
    """Its columns are made before time is taken; one thread; the engine is the one that it picks."""

    width = "f32"

    def __init__(self, path, rows):
        import ydf  # pylint: disable=import-outside-toplevel
        from ydf.dataset import dataset  # pylint: disable=import-outside-toplevel
        ydf.verbose(0)
        self.make = dataset.create_vertical_dataset
        self.model = ydf.load_model(path)._model
        self.names = [f"x{i:02}" for i in range(rows.shape[1])]
        self.prepare(rows[:1])

    def prepare(self, rows):
        return self.make({name: rows[:, i] for i, name in enumerate(self.names)},
                         data_spec=self.model.data_spec(), required_columns=self.names)._dataset

    def predict(self, prepared):
        return self.model.Predict(prepared, False, 1)


class OneDal:
    """The model is built split by split, as its own converters do; those, and the package around
    them, would want scikit-learn, so only the module with the library in it is imported. It has
    x <= t alone: x < t of f32 is x <= the number below t."""

    width = "f32"

    def __init__(self, path, rows):
        import onnx_file  # pylint: disable=import-outside-toplevel
        folder = next(path for path in map(pathlib.Path, sys.path) if (path / "daal4py").is_dir())
        package = types.ModuleType("daal4py")
        package.__path__ = [str(folder / "daal4py")]
        sys.modules["daal4py"] = package
        from daal4py import _daal4py as library  # pylint: disable=import-outside-toplevel
        library.daalinit(1)
        self.library = library
        path = pathlib.Path(path)
        forest = onnx_file.from_lightgbm(path) if path.suffix == ".txt" else \
            onnx_file.from_xgboost(path)
        self.model = self.build(library, forest, rows.shape[1])

    @staticmethod
    def build(library, forest, features):
        trees = {}
        for tree, node, *split in forest.nodes:
            trees.setdefault(tree, {})[node] = split
        weights = {(tree, node): weight for tree, node, weight in forest.leaves}
        builder = library.gbt_reg_model_builder(n_features=features, n_iterations=len(trees))
        for tree, nodes in trees.items():
            number = builder.create_tree(len(nodes))
            waiting = [(0, {})]
            for node, place in waiting:
                mode, feature, value, true, false, missing = nodes[node]
                if mode == "LEAF":
                    builder.add_leaf(tree_id=number, response=weights[tree, node], cover=0.0,
                                     **place)
                    continue
                value = np.float32(value)
                if mode == "BRANCH_LT":
                    value = np.nextafter(value, np.float32(-np.inf))
                parent = builder.add_split(tree_id=number, feature_index=feature,
                                           feature_value=value, default_left=missing, cover=0.0,
                                           **place)
                waiting += [(true, {"parent_id": parent, "position": 0}),
                            (false, {"parent_id": parent, "position": 1})]
        return builder.model(base_score=float(forest.base))

    def prepare(self, rows):
        return np.ascontiguousarray(rows)

    def predict(self, prepared):
        """An algorithm keeps its result, so each call has a new one, as in its own package."""
        algorithm = self.library.gbt_regression_prediction(fptype="float")
        return algorithm.compute(prepared, self.model).prediction


KINDS = {"catboost": CatBoost, "onedal": OneDal, "ydf": Ydf}


class Worker:
    def __init__(self, peer, rows):
        self.peer, self.rows = peer, rows
        self.batch, self.turns = 0, None

    def prepare(self, batch):
        """An endless rotation over prepared batches."""
        count = min(len(self.rows) // batch, POOLS_MAX)
        prepared = [self.peer.prepare(self.rows[i * batch:(i + 1) * batch]) for i in range(count)]
        self.batch, self.turns = batch, itertools.cycle(prepared)

    def slice(self, batch, nanoseconds):
        if batch != self.batch:
            self.prepare(batch)
        calls, start = 0, time.process_time_ns()
        while True:
            self.peer.predict(next(self.turns))
            calls += 1
            took = time.process_time_ns() - start
            if took >= nanoseconds:
                return f"{calls * batch} {took}"

    def margins(self, count, batch, path):
        answers = [self.peer.predict(self.peer.prepare(self.rows[at:min(at + batch, count)]))
                   for at in range(0, count, batch)]
        kind = np.float64 if self.peer.width == "f64" else np.float32
        np.concatenate([np.asarray(a, kind).reshape(-1) for a in answers]).tofile(path)
        return "done"


def main():
    kind, model, rows_path, features = sys.argv[1:]
    rows = np.fromfile(rows_path, np.float32).reshape(-1, int(features))
    worker = Worker(KINDS[kind](model, rows), rows)
    print(f"ready {worker.peer.width}", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "slice":
            answer = worker.slice(int(words[1]), int(words[2]))
        else:
            answer = worker.margins(int(words[1]), int(words[2]), words[3])
        print(answer, flush=True)


if __name__ == "__main__":
    main()

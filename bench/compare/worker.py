# SPDX-License-Identifier: Apache-2.0
"""A peer that is called from Python, in a process of its own; worker.c tells the lines it speaks.

    worker.py KIND MODEL ROWS FEATURES

What is timed is the library's own prediction of rows that are in the library's own form already,
and one call of a Python function: that call is the price of having no C interface.
"""

import itertools
import sys
import time

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


KINDS = {"catboost": CatBoost}


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

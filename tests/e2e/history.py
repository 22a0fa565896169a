# SPDX-License-Identifier: Apache-2.0
"""A made-up history to train on, and ways to run the commands over it."""

import json
import os
import pathlib
import resource
import subprocess
import time

import numpy as np

CARRIERS = ["AA", "B6", "UA", "ZZ"]
ROWS = 1200  # one an hour, from 2013-01-01
STOP_FROM, TEST_FROM = "2013-01-31", "2013-02-10"
STOP_ROW, TEST_ROW = 30 * 24, 40 * 24
COLUMNS = ["carrier", "x", "y"]


class History:
    """Rows in order of time: text carrier (or None), numbers x and y (y sometimes missing)."""

    def __init__(self, rows=ROWS, seed=1):
        rng = np.random.default_rng(seed)
        self.rows = rows
        self.carrier = [None if rng.random() < 0.05 else CARRIERS[rng.integers(0, 3)]
                        for _ in range(rows)]
        # Seen in the test only: no category.
        for i in range(TEST_ROW, min(rows, TEST_ROW + 5)):
            self.carrier[i] = "ZZ"
        self.x = rng.standard_normal(rows).round(3)
        self.y = rng.standard_normal(rows).round(3)
        self.y[rng.random(rows) < 0.1] = np.nan
        push = np.array([{None: 0.0, "AA": -4.0, "B6": 0.0, "UA": 5.0, "ZZ": 0.0}[c]
                         for c in self.carrier])
        self.minutes = (10 * self.x + push + rng.standard_normal(rows) * 2).round(3)
        self.late = self.minutes > 3
        self.kind = np.where(self.minutes < -5, "early", np.where(self.late, "late", "fine"))

    def write(self, path, order=None):
        lines = ["id,moment,known,carrier,x,y,w,late,minutes,kind"]
        for i in range(self.rows) if order is None else order:
            day, hour = divmod(int(i), 24)
            at = np.datetime64("2013-01-01") + np.timedelta64(day, "D")
            carrier = self.carrier[i] or ""
            y = "" if np.isnan(self.y[i]) else repr(float(self.y[i]))
            lines.append(f"{i},{at} {hour:02}:00:00,{at} {hour:02}:30:00,{carrier},"
                         f"{float(self.x[i])!r},{y},{1 + i % 3},{int(self.late[i])},"
                         f"{float(self.minutes[i])!r},{self.kind[i]}")
        pathlib.Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def matrix(self, first=0, last=None):
        """What the library sees: categories of the training part, in order, as indexes."""
        known = sorted({c for c in self.carrier[:STOP_ROW] if c})
        codes = [known.index(c) if c in known else np.nan for c in self.carrier]
        return np.array([codes, self.x, self.y], dtype=np.float64).T[first:last].astype(np.float32)


def query(extra="", order="ORDER BY id"):
    return f"SELECT *{extra} FROM 'rows.csv' {order}"


def spec(objective="binary:logistic", label="late = 1", name="m", params=None, **changes):
    """A train file as JSON, which is YAML; None takes a key away."""
    train = {"rows": {"sql": query()}, "at": "moment", "label": label,
             "split": {"stop_from": STOP_FROM, "test_from": TEST_FROM},
             "params": {"objective": objective, "max_depth": 3, **(params or {})},
             "rounds": 20, "early_stopping": 5, "threads": 1}
    model = {"columns": COLUMNS, "unknown_category": "missing", "train": train}
    for key, value in changes.items():
        place = model if key in ("columns", "unknown_category", "decision") else train
        if value is None:
            place.pop(key)
        else:
            place[key] = value
    return {"auspex": 1, "models": {name: model}}


def write_spec(folder, content, name="t.yaml"):
    path = pathlib.Path(folder) / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def command(*args):
    return [os.environ["AX_BINARY"], *(str(a) for a in args)]


def run(*args, **more):
    return subprocess.run(command(*args), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, **more)


def train(folder, content, *options):
    """Train into folder/models; the summary."""
    done = run("train", write_spec(folder, content), "--models", folder / "models", "--json",
               *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def start(*args, **more):
    return subprocess.Popen(command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **more)


def children(pid):
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in path.read_text().split()]
        except OSError:
            pass
    return found


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def is_alive(pid):
    """Running; a zombie that nobody collected is not."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def limit_files(size):
    """For preexec_fn, with restore_signals=False: writing further fails, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

# SPDX-License-Identifier: Apache-2.0
"""Our answers beside a library's, as bits; nothing here knows a library.

A library is a file LIBRARY_models.py beside this one, with
    NAME, version()          for the table
    grid()                   all its models: (family, objective, shape)
    LIVE                     (objective, shape) of those that `make test` makes
    make_case(objective, shape, folder, row_count)   train one: a Case
    EXTRAS                   {what: function(program, folder)}, which compares what is no such
                             model and returns how many values were equal
"""

import dataclasses
import functools
import importlib
import os
import pathlib
import subprocess
import typing

import numpy as np

BATCHES = [1, 2, 7, 64, 1000]


def libraries():
    """The modules of all libraries, by name."""
    names = sorted(p.stem for p in pathlib.Path(__file__).parent.glob("*_models.py"))
    return {name.removesuffix("_models"): importlib.import_module(name) for name in names}


@dataclasses.dataclass
class Case:
    """One model."""
    files: tuple  # the same model in each format of the library
    rows: np.ndarray  # of edges, in the type of the model's inputs
    answers: dict  # output: the library's array, a row each
    again: typing.Callable  # rows: the library's margins, asked anew
    ulps: dict = dataclasses.field(default_factory=dict)  # output: how far ours may be; else 0


@dataclasses.dataclass
class Result:
    rows: int = 0
    values: int = 0  # compared
    differing: int = 0  # of them not equal as bits
    ulps: int = 0  # the farthest of those


class Difference(Exception):
    """An answer that is not the library's."""


@functools.cache
def kernels(program):
    """The kernels that are compared: the one of AUSPEX_KERNEL, or all that run on this CPU."""
    forced = os.environ.get("AUSPEX_KERNEL")
    done = subprocess.run([program, "--kernels"], capture_output=True, text=True, check=True)
    return [forced] if forced else done.stdout.split()


def score(program, model, rows, folder, batch, layout="matrix", iterations="all", kernel=None):
    """Our answers: {output: array}. Rows must be of the model's input type."""
    rows_path, out_path = folder / "rows.bin", folder / "out.bin"
    np.ascontiguousarray(rows).tofile(rows_path)
    done = subprocess.run([program, model, rows_path, out_path, str(batch), layout, iterations],
                          capture_output=True, text=True, check=False,
                          env=os.environ | ({"AUSPEX_KERNEL": kernel} if kernel else {}))
    if done.returncode != 0:
        raise Difference(f"{model.name}: {done.stderr.strip()}")
    outputs = [line.split() for line in done.stdout.splitlines()]
    types = {"FP32": np.dtype("f4"), "FP64": np.dtype("f8")}
    pitch = sum(int(width) * types[datatype].itemsize for _, width, datatype in outputs)
    values = np.fromfile(out_path, dtype=np.uint8).reshape(len(rows), pitch)
    answers, at = {}, 0
    for name, width, datatype in outputs:
        size = int(width) * types[datatype].itemsize
        answers[name] = np.ascontiguousarray(values[:, at:at + size]).view(types[datatype])
        at += size
    return answers


def integers(array):
    """Its bits as integers."""
    return array.view({4: np.int32, 8: np.int64}[array.dtype.itemsize])


def ulps(a, b):
    """The largest distance in units of the last place; NaN equals NaN."""
    def ordered(x):
        bits = integers(x).astype(object if x.dtype.itemsize == 8 else np.int64)
        mask = (1 << (8 * x.dtype.itemsize - 1)) - 1
        return np.where(bits < 0, -(bits & mask), bits)
    distance = np.abs(ordered(a) - ordered(b))
    distance[np.isnan(a) & np.isnan(b)] = 0
    return int(distance.max()) if distance.size else 0


def distance(what, ours, theirs):
    """(values compared, how many differ, by how many ulps at most)."""
    a, b = np.ascontiguousarray(ours), np.ascontiguousarray(theirs)
    if a.shape != b.shape or a.dtype != b.dtype:
        raise Difference(f"{what}: {a.dtype}{a.shape}, the library has {b.dtype}{b.shape}")
    differs = integers(a) != integers(b)
    return a.size, int(differs.sum()), ulps(a[differs], b[differs]) if differs.any() else 0


def same(what, ours, theirs):
    """Raise unless equal as bits. Returns the number of values compared."""
    size, differing, farthest = distance(what, ours, theirs)
    if differing:
        row, column = np.argwhere(integers(np.ascontiguousarray(ours)) !=
                                  integers(np.ascontiguousarray(theirs)))[0]
        raise Difference(f"{what}: {differing} of {size} differ, at most {farthest} ulp; first at "
                         f"row {row}: {ours[row, column]!r}, library {theirs[row, column]!r}")
    return size


def compare_case(program, case, folder):
    """All comparisons of one model."""
    result = Result(rows=len(case.rows))
    if len(np.unique(case.answers["margin"])) < 20:
        raise Difference("hardly any different answers: the model tests nothing")

    def check(path, count, batch, layout):
        ours = score(program, path, case.rows[:count], folder, batch, layout, kernel=kernel)
        for output, theirs in case.answers.items():
            what = f"{path.name}, kernel {kernel}, batch {batch}, {layout}: {output}"
            size, differing, farthest = distance(what, ours[output], theirs[:count])
            if differing and farthest > case.ulps.get(output, 0):
                same(what, ours[output], theirs[:count])
            result.values += size
            result.differing += differing
            result.ulps = max(result.ulps, farthest)

    first, last = case.files[0], case.files[-1]
    for kernel in kernels(program):
        check(first, len(case.rows), 64, "matrix")
        check(last, len(case.rows), 1, "matrix")
        for batch in BATCHES:
            check(last, min(len(case.rows), 3000), batch, "matrix")
        check(first, min(len(case.rows), 1000), 7, "columns")
        check(first, min(len(case.rows), 1000), 100, "columns")
        check(first, 0, 7, "matrix")
    # The library's own answers must not depend on where a row stands.
    few = min(len(case.rows), 100)
    alone = np.concatenate([case.again(case.rows[i:i + 1]) for i in range(few)])
    same("the library, row by row", alone, case.answers["margin"][:few])
    return result

# SPDX-License-Identifier: Apache-2.0
"""Goal: the engine `forest` gives the pinned library's own bits.

Method: as tools/parity, with every objective family on several shapes of model and 10,000 rows of
edges each, live: the library trains, saves and answers. The whole grid is run by tools/parity,
which also writes the table in docs/internals/forest.md.
"""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/parity"))

import compare  # noqa: E402
import oracle  # noqa: E402
import shapes  # noqa: E402

PROGRAM = str(pathlib.Path(os.environ.get("AX_BUILD") or ROOT / "build/release") /
              "tests/parity_score")

# Each family on at least three shapes; each shape and each objective at least once.
GRID = [
    ("binary:logistic", "numbers"), ("binary:logistic", "holes"), ("binary:logistic", "categories"),
    ("binary:logitraw", "onehot"), ("binary:hinge", "pruned"),
    ("reg:squarederror", "leafwise"), ("reg:squarederror", "categories"),
    ("reg:absoluteerror", "holes"), ("reg:pseudohubererror", "numbers"),
    ("reg:logistic", "onehot"), ("reg:squarederror, 3 targets", "leafwise"),
    ("reg:quantileerror", "numbers"), ("reg:quantileerror", "categories"),
    ("reg:quantileerror, 1 level", "pruned"),
    ("multi:softprob", "holes"), ("multi:softprob", "categories"), ("multi:softmax", "leafwise"),
]


@pytest.mark.parametrize("objective,shape", GRID)
def test_answers_are_the_librarys(objective, shape, tmp_path):
    paths = compare.save(shapes.make_model(shape, objective), tmp_path)
    rows, values = compare.compare_model(PROGRAM, *paths, 10000, tmp_path,
                                         bool(shapes.SHAPES[shape]["categorical"]))
    assert rows == 10000 and values >= 4 * rows


@pytest.mark.parametrize("name", compare.EXTRAS)
def test_what_does_not_fit_the_grid(name, tmp_path):
    assert compare.EXTRAS[name](PROGRAM, tmp_path) > 0


def test_a_wrong_answer_would_be_seen(tmp_path):
    """One leaf changed by the last bit, in our file only."""
    json_path, _ = compare.save(shapes.make_model("numbers", "reg:squarederror"), tmp_path)
    rows = shapes.edge_rows(json_path, 2000, 1)
    theirs = oracle.load(json_path).predict(rows, margin=True)
    booster = oracle.load(json_path)
    booster.save(tmp_path / "other.ubj")
    data = bytearray((tmp_path / "other.ubj").read_bytes())
    at = data.find(b"split_conditions[$d#L")
    assert at > 0
    count = int.from_bytes(data[at + 21:at + 29], "big")
    data[at + 29 + 4 * (count - 1) + 3] ^= 1
    changed = tmp_path / "changed.ubj"
    changed.write_bytes(bytes(data))
    ours = compare.score(PROGRAM, changed, rows, tmp_path, 64)
    with pytest.raises(compare.Difference):
        compare.same("margin", ours["margin"], theirs)


def test_the_library_is_the_pinned_one():
    assert oracle.version() == "3.4.1"

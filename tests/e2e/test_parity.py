# SPDX-License-Identifier: Apache-2.0
"""Goal: the engine `forest` gives the pinned libraries' own bits.

Method: as tools/parity, with every objective family of every library on several shapes of model and
10,000 rows of edges each, live: the library trains, saves and answers. The whole grid is run by
tools/parity, which also writes the table in docs/internals/forest.md.
"""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/parity"))

import compare  # noqa: E402
import xgboost_models  # noqa: E402
import xgboost_oracle  # noqa: E402

PROGRAM = str(pathlib.Path(os.environ.get("AX_BUILD") or ROOT / "build/release") /
              "tests/parity_score")
LIBRARIES = compare.libraries()
PINNED = {"catboost": "1.2.10", "lightgbm": "4.7.0", "xgboost": "3.4.1"}


@pytest.mark.parametrize("library,objective,shape", [
    (library, *live) for library, module in LIBRARIES.items() for live in module.LIVE])
def test_answers_are_the_librarys(library, objective, shape, tmp_path):
    case = LIBRARIES[library].make_case(objective, shape, tmp_path, 10000)
    result = compare.compare_case(PROGRAM, case, tmp_path)
    assert result.rows == 10000 and result.values >= 4 * result.rows


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_family_is_there_on_three_shapes(library):
    """So that a new objective is not forgotten here."""
    module = LIBRARIES[library]
    shapes = {}
    for family, objective, shape in module.grid():
        shapes.setdefault(family, set()).update(
            [shape] if (objective, shape) in module.LIVE else [])
    assert all(len(live) >= 3 for live in shapes.values()), shapes


@pytest.mark.parametrize("library,name", [
    (library, name) for library, module in LIBRARIES.items() for name in module.EXTRAS])
def test_what_does_not_fit_the_grid(library, name, tmp_path):
    assert LIBRARIES[library].EXTRAS[name](PROGRAM, tmp_path) > 0


def test_a_wrong_answer_would_be_seen(tmp_path):
    """One leaf changed by the last bit, in our file only."""
    json_path, _ = xgboost_models.save(xgboost_models.make_model("numbers", "reg:squarederror"),
                                       tmp_path)
    rows = xgboost_models.edge_rows(json_path, 2000, 1)
    theirs = xgboost_oracle.load(json_path).predict(rows, margin=True)
    booster = xgboost_oracle.load(json_path)
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


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_library_is_the_pinned_one(library):
    assert LIBRARIES[library].version() == PINNED[library]

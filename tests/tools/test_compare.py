# SPDX-License-Identifier: Apache-2.0
"""Goal: what bench/compare tells is what was measured: ratios, intervals, parity, and the models
that peers are given.

Method: slices whose ratio is known, with rounds that something else disturbed; the driver itself on
a small model, ours beside XGBoost's; and an ONNX file read back by a reader of protocol buffers
that is written here.
"""

import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "bench/compare"), str(ROOT / "tests/parity")]

import bench_report  # noqa: E402
import onnx_file  # noqa: E402
import xgboost_oracle  # noqa: E402

DRIVER = pathlib.Path(os.environ.get("AX_BUILD", ROOT / "build/release")) / "bench/compare"


def slices(ratio, rounds=101, noise=0.05, disturbed=0.2):
    """A peer `ratio` times as slow as ours; in some rounds one slice takes ten times as long."""
    rng = np.random.default_rng(1)
    times = np.array([100, 100 * ratio, 100 * ratio, 100]) * rng.normal(1, noise, (rounds, 4))
    for r in np.flatnonzero(rng.random(rounds) < disturbed):
        times[r, rng.integers(4)] *= 10
    return times


@pytest.mark.parametrize("ratio", [0.25, 0.9, 1.0, 3.0, 20.0])
def test_the_median_ratio_survives_disturbed_rounds(ratio):
    result = bench_report.digest(slices(ratio))
    assert result["ratio"] == pytest.approx(ratio, rel=0.05)
    low, high = result["ratio_interval"]
    assert low <= result["ratio"] <= high
    assert low > 0.9 * ratio and high < 1.1 * ratio
    assert result["ours_ns"]["median"] == pytest.approx(100, rel=0.05)
    assert result["theirs_ns"]["median"] == pytest.approx(100 * ratio, rel=0.05)


def test_the_interval_narrows_with_rounds():
    few, many = (bench_report.digest(slices(2, rounds))["ratio_interval"] for rounds in (15, 1500))
    assert many[1] - many[0] < (few[1] - few[0]) / 3


def test_a_peer_that_is_ahead_is_shown_ahead():
    text = bench_report.ratio_text(bench_report.digest(slices(0.5)))
    assert text.startswith("0.5") or text.startswith("0.4")


EQUAL = {"rows": 1000, "differing": 0, "worst_ulps": 0, "worst_difference": 0.0}
OFF = {"rows": 1000, "differing": 70, "worst_ulps": 2, "worst_difference": 1.5e-7}


@pytest.mark.parametrize("ordinary, edges, text", [
    (EQUAL, EQUAL, "all 2,000 rows equal as bits"),
    (EQUAL, OFF, "ordinary: equal; edges: 7.00 % differ, by 1.5e-07 at most (2 ulp)"),
    (OFF, EQUAL, "ordinary: 7.00 % differ, by 1.5e-07 at most (2 ulp); edges: equal"),
])
def test_parity_is_told(ordinary, edges, text):
    assert bench_report.parity_text({"ordinary": ordinary, "edges": edges}) == text


def test_page_and_pictures_say_what_was_measured():
    done = subprocess.run([ROOT / "bench/compare/report", "--check"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(name="made", scope="module")
def small_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((3000, 6)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    labels = (np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 1]) > 0).astype(np.float32)
    booster = xgboost_oracle.train(rows, labels, {"objective": "binary:logistic", "max_depth": 4},
                                   12)
    booster.save(folder / "model.json")
    rows.tofile(folder / "rows.f32")
    return folder, rows, booster


def drive(*words):
    return subprocess.run([str(w) for w in (DRIVER, *words)], capture_output=True, text=True,
                          check=False)


def contestants(folder):
    return (["auspex", folder / "model.json"],
            ["xgboost", xgboost_oracle.LIBRARY, folder / "model.json"])


@pytest.mark.plain
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("batch", [1, 1000])
def test_the_driver_writes_the_models_margins(made, which, batch):
    folder, rows, booster = made
    done = drive("margins", folder / "rows.f32", 6, 2500, batch, folder / "out", "--",
                 *contestants(folder)[which])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "f32"
    got = np.fromfile(folder / "out", np.float32)
    assert np.array_equal(got, booster.predict(rows[:2500], margin=True).ravel())


@pytest.mark.plain
def test_the_driver_times_each_peer_and_ours_again(made):
    folder = made[0]
    ours, theirs = contestants(folder)
    done = drive("time", folder / "rows.f32", 6, "1,64", 0.01, 100, "--", *ours, "--", *theirs)
    assert done.returncode == 0, done.stderr
    seen = {}
    for line in done.stdout.splitlines():
        what, batch, peer, *times = line.split()
        assert what == "slice" and len(times) == 4 and all(float(t) > 0 for t in times)
        seen[batch, peer] = seen.get((batch, peer), 0) + 1
    assert set(seen) == {(b, p) for b in ("1", "64") for p in ("1", "2")}
    assert min(seen.values()) >= 8


@pytest.mark.plain
@pytest.mark.parametrize("words, complaint", [
    (["time"], "head of driver.c"),
    (["margins", "{rows}", "6", "10", "1", "out", "--", "nobody"], "no kind of contestant"),
    (["margins", "{rows}", "6", "10", "1", "out", "--", "auspex", "/nowhere"], "/nowhere"),
    (["margins", "{rows}", "5", "10", "1", "out", "--", "auspex", "{model}"], "6 features"),
    (["time", "{rows}", "6", "99999", "1", "100", "--", "auspex", "{model}"], "batch of 99999"),
])
def test_the_driver_says_what_is_wrong(made, words, complaint):
    names = {"rows": made[0] / "rows.f32", "model": made[0] / "model.json"}
    done = drive(*(word.format(**names) for word in words))
    assert done.returncode == 1
    assert complaint in done.stderr and len(done.stderr.splitlines()) == 1


# ---- ONNX ----

def fields(data):
    """A protocol buffer as [(field, value)]: numbers, or the bytes of a chunk."""
    at, out = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            out.append((key >> 3, number()))
        else:
            assert key & 7 == 2
            size = number()
            out.append((key >> 3, data[at:at + size]))
            at += size
    return out


def attributes(data):
    """The attributes of the file's only node."""
    graph = dict(fields(data))[7]
    (node,) = [value for field, value in fields(graph) if field == 1]
    found = {}
    for field, value in fields(node):
        if field != 5:
            continue
        parts = fields(value)
        name, kind = dict(parts)[1].decode(), dict(parts)[20]
        if kind == 6:
            packed = dict(parts)[7]
            found[name] = struct.unpack(f"<{len(packed) // 4}f", packed)
        elif kind == 7:
            found[name] = dict(parts)[8]
        elif kind == 8:
            found[name] = [v.decode() for f, v in parts if f == 9]
        else:
            found[name] = dict(parts)[{1: 2, 2: 3, 3: 4}[kind]]
    return found


def test_an_xgboost_model_becomes_one_node_of_onnx(made, tmp_path):
    onnx_file.from_xgboost(made[0] / "model.json").write(tmp_path / "m.onnx", 6)
    found = attributes((tmp_path / "m.onnx").read_bytes())
    assert found["n_targets"] == 1 and found["post_transform"] == b"NONE"
    assert set(found["nodes_modes"]) == {"BRANCH_LT", "LEAF"}
    count = len(found["nodes_modes"])
    assert len(found["nodes_values"]) == count
    leaves = found["nodes_modes"].count("LEAF")
    assert len(found["target_weights"]) == leaves and count - leaves == leaves - 12


@pytest.mark.parametrize("value", [0.1, -0.1, 1.0, 3.0000001, -1e-300, 1e-300])
def test_thresholds_are_rounded_down(value):
    narrow = onnx_file.rounded_down(value)
    assert float(narrow) <= value < float(np.nextafter(narrow, np.float32(np.inf)))

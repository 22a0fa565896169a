# SPDX-License-Identifier: Apache-2.0
"""Goal: perf_analyzer of Triton measures this server over HTTP unmodified, in binary form and in
JSON, and its numbers agree with the server's own.

Method: short measurements of few requests. perf_analyzer is a program that wants libraries of its
time; where it does not start the tests are skipped and say why.
"""

import csv
import os
import pathlib
import subprocess

import pytest

DEPS = pathlib.Path(os.environ["AX_DEPS"])
PROGRAM = next(DEPS.glob("tritonclient-wheel/*/*/bin/perf_analyzer"), None)
LIBRARIES = DEPS / "nvidia-cuda-runtime-cu12-wheel/nvidia/cuda_runtime/lib"


def run(*arguments):
    return subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, check=False,
                          timeout=100, env={**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)})


def reason():
    """Why it cannot run here, or None."""
    if PROGRAM is None:
        return "perf_analyzer was not fetched: tools/fetch-deps --group clients"
    PROGRAM.chmod(0o755)  # wheels do not say that it is a program
    done = run("--version")
    return None if done.returncode == 0 else f"perf_analyzer does not start here: {done.stderr}"


WHY_NOT = reason()
pytestmark = [pytest.mark.plain, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


@pytest.mark.parametrize("model, batch, more", [
    ("binary", 1, []),
    ("binary", 8, ["--concurrency-range", "2"]),
    ("binary", 4, ["--input-tensor-format", "json", "--output-tensor-format", "json"]),
    ("classes", 1, ["--request-rate-range", "200"]),
])
def test_measures(server, tmp_path, model, batch, more):
    table = tmp_path / "report.csv"
    before = statistics(server, model)
    done = run("-m", model, "-u", server.url, "-i", "http", "-b", str(batch),
               "--request-count", "200", "-f", str(table), "--percentile", "95", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failed" not in done.stderr and "error" not in done.stderr.lower(), done.stderr
    with open(table, encoding="utf-8", newline="") as f:
        row, = csv.DictReader(f)
    assert float(row["Inferences/Second"]) > 0 and float(row["p95 latency"]) > 0
    after = statistics(server, model)
    requests, rows = (a - b for a, b in zip(after, before))
    assert requests >= 200 and rows == requests * batch


def statistics(server, model):
    """(requests that succeeded, rows) of all versions."""
    found = server.get(f"/v2/models/{model}/stats").json["model_stats"]
    return (sum(s["inference_stats"]["success"]["count"] for s in found),
            sum(s["inference_count"] for s in found))


def test_an_unknown_model_is_told(server):
    done = run("-m", "nothing", "-u", server.url, "-i", "http")
    assert done.returncode != 0
    assert "Request for unknown model: 'nothing' is not found" in done.stdout + done.stderr

# SPDX-License-Identifier: Apache-2.0
"""Goal: what `make scenarios` does to a fleet at length leaves all counts right in seconds, too:
errors, answers per version, accounts, descriptors, memory, late starts.

Method: the short form of each scenario, which asserts no time. That its books can fail is seen by
adding to them what the server never saw.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ["restart1000", "overload", "hot", "idle10k", "deadlines",
             "reload100", "churn", "zipf1000"]

pytestmark = pytest.mark.plain


@pytest.mark.parametrize("name", SCENARIOS)
def test_short_form(name, tmp_path):
    # Ended by SIGTERM, it ends its servers, too.
    command = ["timeout", "--kill-after=10", "100", sys.executable, ROOT / "bench/scenario/run",
               "--short", "--out", tmp_path, "--binary", os.environ["AX_BINARY"], name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "short.json").read_text(encoding="utf-8"))["scenarios"][name][0]
    assert report["holds"] and len(report["checks"]) >= 8


def test_books_that_are_false(tmp_path, monkeypatch):
    """An answer that the client made up, and one that the server's log does not know."""
    monkeypatch.syspath_prepend(str(ROOT / "bench/scenario"))
    monkeypatch.syspath_prepend(str(ROOT / "bench/servers"))
    import bench_servers
    import scenario_models as models
    import scenario_report
    import scenario_server as servers
    monkeypatch.setattr(bench_servers, "BINARY", pathlib.Path(os.environ["AX_BINARY"]))
    models.Source(20, 3).write(tmp_path / "models/m/1", 0.5)
    asked, _ = models.mix(tmp_path / "mix", {"m": 1, "none": 1}, 4)
    report = scenario_report.Report("books", "", "auspex", True)
    with servers.Fleet(tmp_path / "models", tmp_path / "state") as server:
        books = servers.Books(server)
        books.add(servers.run(server, asked, "--requests", 100, folder=tmp_path).result)
        assert books.good + books.other == 100 and books.good and books.other
        books.compare(report)
        assert report.holds and len(report.checks) == 5
        books.good += 1
        books.compare(report)
        assert [c["what"] for c in report.checks if not c["holds"]] == [
            "answered well: client, /metrics"]
        ok = next(key for key in books.metrics if ("code", "OK") in key[1])
        books.metrics[ok] += 1
        books.close(report)
    assert [c["what"] for c in report.checks if not c["holds"]][1:] == [
        "the log's last lines beside /metrics"]

# SPDX-License-Identifier: Apache-2.0
"""Goal: the benchmark of features tells answers that are not what was stored, and its ratios are
the other one's over ours, for predictions those of ready-made values over those by entity.

Method: a stand-in that answers; made-up slices whose ratios are known. No time is measured, and no
peer is needed.
"""

import argparse
import importlib.machinery
import importlib.util
import json
import pathlib

import pytest

PATH = pathlib.Path(__file__).resolve().parents[2] / "bench/features/run"
LOADER = importlib.machinery.SourceFileLoader("bench_features", str(PATH))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader(LOADER.name, LOADER))
LOADER.exec_module(run)


class Side:
    """Answers as Feast does; `wrong` may change the third answer."""

    def __init__(self, name, wrong=lambda answer: None):
        self.name, self.wrong, self.count = name, wrong, 0

    def ask(self, body):
        keys = json.loads(body)["entities"]["driver_id"]
        values = {"driver_id": keys,
                  **{f"f{f}": [run.sides.value(k, f) for k in keys] for f in reversed(range(50))}}
        answer = {"metadata": {"feature_names": list(values)}, "results": [
            {"values": v, "statuses": ["PRESENT"] * len(keys)} for v in values.values()]}
        self.count += 1
        if self.count == 3:
            self.wrong(answer)
        return 200, json.dumps(answer).encode()


def other_value(answer):
    answer["results"][7]["values"][9] += 1


def no_feature(answer):
    answer["metadata"]["feature_names"][-1] = "g"


def no_status(answer):
    answer["results"][7]["statuses"][9] = "NOT_FOUND"


def test_answers_are_compared(tmp_path):
    case = run.Case(tmp_path, 1000, 10, 50)
    case.compare(Side("right"))
    case.compare(Side("value", other_value))
    case.compare(Side("feature", no_feature))
    assert case.differing == {"right": 0, "value": 1, "feature": 1}
    with pytest.raises(run.servers.Failed, match="NOT_FOUND"):
        case.compare(Side("status", no_status))


def slices(cpu_us):
    return [{load: [{"requests": 5, "requests_per_s": 2e6 / cpu_us, "cpu_us": cpu_us * times,
                     "p50_us": cpu_us, "p99_us": cpu_us * 3 + (times == 9)}]
             for load in ("alone", "full", "half")} for times in (0.5, 1, 9)]


def test_report(tmp_path):
    case = run.Case(tmp_path, 1000, 10, 50)
    for name, cpu_us in (("auspex", 20), ("Feast's server, sqlite", 8000)):
        case.compare(Side(name))
        case.slices[name] = slices(cpu_us)
    case.slices["floor"] = [{"half": turn["half"] * 2} for turn in slices(6)]
    part = {"machine": {"cpu": "C", "cores": 2, "features": "F"}, "commit": "c", "date": "d",
            "rounds": 3, "stolen_percent": 0, "load": 1, "has_priority": True}
    text = run.features_report.markdown({
        "feast": {**part, "cases": [case.result()], "keys": 1000, "versions": [],
                  "absent": {"Feast, redis": "no Redis"}},
        "predict": {**part, "features": 40, "trees": 100, "depth": 6, "rows": 2048,
                    "differing": {"by entity": 0, "a tensor": 0},
                    "forms": {"by entity": run.middle(slices(10)),
                              "a tensor": run.middle(slices(8))}},
        "push": {**part, "keys": 9, "batch_rows": 8, "durabilities": {"disk": {
            "seen": {"pushes": 7, "unseen": 1, "p50_us": 2, "p99_us": 3},
            **{name: {"rows_per_s": 5, "cpu_ns": 4, "p50_us": 6, "p99_us": 8}
               for name in ("one", "states", "events")}}}}})
    assert "| auspex | 100,000 | 20 | 20, 60 | 60, 60, 61 |  | 15, 15, 15 | 0 of 32 |" in text
    assert "| 250 | 8,000 | 8,000, 24,000 | 24,000, 24,000, 24,001 | 400×, 400× | " in text
    assert "| 10 × 50 | floor |  |  |  | 18, 18, 19 |  | 30 |  |" in text
    assert "| disk | 2, 3 | 1 of 7 | 6, 8 | 5, 4 | 5, 4 |" in text
    assert "- Absent: Feast, redis: no Redis" in text
    assert "| a tensor | 250,000 | 8.0 | 8, 24 | 24, 24, 25 | 80%, 1.25×, 1.25× | 0 |" in text


def test_without_feast(tmp_path, monkeypatch):
    """Its sides are absent, with the reason; ours is asked all the same."""
    monkeypatch.setattr(run.sides, "FEAST", tmp_path / "none")
    monkeypatch.setattr(run.sides, "Redis", Side)
    absent, versions = {}, []
    assert not run.start_feast(argparse.Namespace(enter_context=lambda each: argparse.Namespace(
        name="Redis 7", port=1)), tmp_path, 10, versions, absent)
    assert list(absent) == ["Feast, sqlite", "Feast, redis"]
    assert all("tools/fetch-deps --group feast" in why for why in absent.values())

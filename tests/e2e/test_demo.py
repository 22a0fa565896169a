# SPDX-License-Identifier: Apache-2.0
"""Goal: the demo's own judgement can be trusted: its comparison with XGBoost
finds a difference of one bit, its metrics are right, it leaves nothing running.

Method: the parts of tools/demo, loaded as a module, on the small models of
these tests. The whole demo takes minutes and is run by `make demo`.
"""

import array
import importlib.machinery
import importlib.util
import json
import math
import pathlib
import types

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARRIERS = ["AA", "B6", "DL", "UA", "WN"]


@pytest.fixture(scope="module")
def demo():
    loader = importlib.machinery.SourceFileLoader("demo", str(ROOT / "tools/demo"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("demo", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def asked(demo, models):
    """A server of the demo's own kind, rows with holes and categories, and its answers."""
    rng = np.random.default_rng(8)
    rows = [{"carrier": CARRIERS[i % 5] if i % 7 else None,
             "dep_delay": float(rng.standard_normal()) if i % 11 else None, "more": i}
            for i in range(1203)]
    server = demo.Server(models)
    inputs = demo.model_inputs(server, "carriers")
    answers = demo.served(server, "carriers", rows, inputs)
    server.stop()
    assert server.process.returncode == 0
    return types.SimpleNamespace(rows=rows, inputs=inputs, answers=answers)


def test_answers_equal_the_library(demo, models, asked):
    assert asked.inputs == ["carrier", "dep_delay"]
    known = {"carrier": {name: index for index, name in enumerate(CARRIERS)}}
    count, differ, worst = demo.compare(models / "carriers/1", asked.rows, asked.answers,
                                        asked.inputs, known)
    assert (count, differ, worst) == (1203, 0, 0.0)


def test_one_bit_is_a_difference(demo, models, asked):
    known = {"carrier": {name: index for index, name in enumerate(CARRIERS)}}
    changed = [dict(answer) for answer in asked.answers]
    changed[77]["prediction"] = float(np.nextafter(np.float32(changed[77]["prediction"]),
                                                   np.float32(2)))
    _, differ, worst = demo.compare(models / "carriers/1", asked.rows, changed, asked.inputs,
                                    known)
    assert differ == 1 and worst > 0
    # And so is another order of the categories.
    mixed = {"carrier": {name: index for index, name in enumerate(CARRIERS[1:] + CARRIERS[:1])}}
    _, differ, _ = demo.compare(models / "carriers/1", asked.rows, asked.answers, asked.inputs,
                                mixed)
    assert differ > 100


def test_missing_is_nan(demo):
    values = demo.matrix([{"a": 1.5, "c": "x"}, {"a": None, "c": None}, {"a": 0, "c": "new"}],
                         ["a", "c"], {"c": {"x": 3}})
    assert isinstance(values, array.array) and values.typecode == "f"
    assert [None if math.isnan(v) else v for v in values] == [1.5, 3, None, None, 0, None]


@pytest.mark.parametrize("scores, labels, wanted", [
    ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
    ([0.5, 0.5, 0.5], [0, 1, 1], 0.5),
    ([0.9, 0.1], [0, 1], 0.0),
    ([0.1, 0.2, 0.2, 0.3], [0, 0, 1, 1], 0.875),
])
def test_auc(demo, scores, labels, wanted):
    assert demo.auc(scores, labels) == wanted


def test_auc_by_pairs(demo):
    rng = np.random.default_rng(2)
    scores = np.round(rng.random(400), 2).tolist()
    labels = (rng.random(400) < 0.3).tolist()
    pairs = [(a > b) + (a == b) / 2 for a, p in zip(scores, labels) if p
             for b, n in zip(scores, labels) if not n]
    assert math.isclose(demo.auc(scores, labels), sum(pairs) / len(pairs))


def test_log_loss(demo):
    assert math.isclose(demo.log_loss([0.25, 0.5], [0, 1]), -(math.log(0.75) + math.log(0.5)) / 2)
    assert demo.log_loss([1.0], [0]) > 30


def test_database(demo, tmp_path):
    database = demo.Database(tmp_path)
    rows = database.rows("SELECT carrier, name FROM read_csv('airlines.csv') ORDER BY 1 LIMIT 2")
    assert rows == [{"carrier": "9E", "name": "Endeavor Air Inc."},
                    {"carrier": "AA", "name": "American Airlines Inc."}]
    with pytest.raises(demo.Failure, match="nothing_of_that_name"):
        database.run("SELECT nothing_of_that_name")
    database.close()


def test_late_definitions_are_the_same_but_for_two_queries(demo, tmp_path):
    demo.make_late(tmp_path / "late")
    differ = sorted(path.name for path in demo.EXAMPLE.rglob("*") if path.is_file()
                    and path.read_text(encoding="utf-8") != (
                        tmp_path / "late" / path.relative_to(demo.EXAMPLE)
                    ).read_text(encoding="utf-8"))
    assert differ == ["arrived.sql", "departed.sql"]
    late = (tmp_path / "late/sql/departed.sql").read_text(encoding="utf-8")
    database = demo.Database(tmp_path)
    for name, query in (("late", late),
                        ("told", (demo.EXAMPLE / "sql/departed.sql").read_text(encoding="utf-8"))):
        database.run(f"CREATE TABLE {name} AS SELECT * FROM ({query}) LIMIT 1000")
    assert database.rows("SELECT DISTINCT date_diff('minute', told.departed_at, late.departed_at) "
                         "AS minutes FROM late JOIN told USING (flight_id)") == [{"minutes": 1440}]
    database.close()


def test_what_history_is_asked_about_is_made(demo):
    """Each moment has a training set that is made for it, of a service that is defined."""
    text = (demo.EXAMPLE / "features.yaml").read_text(encoding="utf-8")
    models = (demo.EXAMPLE / "history.yaml").read_text(encoding="utf-8")
    for name, service, _ in demo.SETS:
        assert f"\n  {service}:\n" in text and f"'{name}.parquet'" in models
    assert f"\n  {demo.WITH_SERVICE}:\n" in text and demo.WITH_SERVICE == demo.HISTORY[-1][3]
    for _, without, _, with_it, _ in demo.HISTORY:
        assert f"\n  {with_it}:\n" in models + text
        assert f"\n  {without}:\n" in models or without in [name for name, *_ in demo.BASELINES]


def test_refusals_stop_the_demo(demo, models, tmp_path):
    server = demo.Server(models)
    try:
        with pytest.raises(demo.Failure, match="400.*dep_dely"):
            server.ask("/v1/models/carriers/predict", {"rows": [{"dep_dely": 1}]})
        bodies = tmp_path / "bodies.jsonl"
        bodies.write_text(json.dumps({"rows": [{"dep_delay": 1}]}), encoding="utf-8")
        with pytest.raises(demo.Failure, match="requests failed"):
            demo.bench(server, "no_such_model", bodies, "--requests", "10", "--warmup", "0")
    finally:
        server.stop()


def test_a_server_that_cannot_start_is_told(demo, tmp_path):
    with pytest.raises(demo.Failure, match="did not become ready"):
        demo.Server(tmp_path / "no/such/folder")

# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex train` writes the version that it says, the same one every time, or nothing.

Method: the real binary over a made-up history; what was trained is loaded by the pinned library
and its answers and metrics are compared; the process and its child are killed at work.
"""

import filecmp
import json
import os
import signal

import history
import numpy as np
import xgboost_oracle as oracle
import pytest
import yaml



@pytest.fixture(name="past")
def make_past(tmp_path):
    past = history.History()
    past.write(tmp_path / "rows.csv")
    return past


def version_yaml(done):
    with open(f"{done['path']}/model.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)


def leftovers(folder):
    return [p for p in (folder / "models").rglob("*")] if (folder / "models").exists() else []


def auc(labels, scores):
    positive, negative = scores[labels], scores[~labels]
    won = (positive[:, None] > negative).sum() + 0.5 * (positive[:, None] == negative).sum()
    return won / (len(positive) * len(negative))


def test_version_and_its_metrics(past, tmp_path):
    done = history.train(tmp_path, history.spec(
        decision={"thresholds": [{"at_least": 0.5, "action": "call"}], "otherwise": "wait"},
        columns=["carrier", {"name": "x", "required": True}, "y"]))
    assert done["version"] == 1 and done["path"] == f"{tmp_path}/models/m/1"
    assert sorted(os.listdir(done["path"])) == ["model.ubj", "model.yaml", "timings.json"]
    assert sorted(os.listdir(tmp_path / "models/m")) == ["1"]
    written = version_yaml(done)
    inputs = written["signature"]["inputs"]
    assert inputs == [{"name": "carrier", "categories": ["AA", "B6", "UA"]},
                      {"name": "x", "required": True}, {"name": "y"}]
    told = written["training"]
    assert told["query"] == history.query() and told["threads"] == 1
    assert told["library"] == f"xgboost {oracle.version()}"
    assert [told["parts"][p]["rows"] for p in ("train", "stop", "test")] == [720, 240, 240]
    assert done["rows"] == {"read": 1200, "unlabelled": 0, "train": 720, "stop": 240, "test": 240}
    assert told["rounds"]["kept"] <= told["rounds"]["run"] <= 20
    assert set(told["gain"]) == set(history.COLUMNS) and told["gain"]["x"] > told["gain"]["y"]

    scores = oracle.load(f"{done['path']}/model.ubj").predict(past.matrix(history.TEST_ROW))[:, 0]
    labels = past.late[history.TEST_ROW:]
    metrics = done["metrics"]
    assert metrics == told["metrics"] and metrics["rows"] == 240
    assert metrics["auc"] == pytest.approx(auc(labels, scores), abs=1e-9)
    wide = scores.astype(np.float64)
    assert metrics["log_loss"] == pytest.approx(
        -np.mean(np.where(labels, np.log(wide), np.log(1 - wide))), abs=1e-9)
    assert metrics["brier"] == pytest.approx(np.mean((wide - labels) ** 2), abs=1e-9)
    assert metrics["auc"] > 0.9
    assert sum(b["rows"] for b in metrics["calibration"]) == 240


def test_rows_of_a_file(past, tmp_path):
    """The same model as by a query, of rows with the digest that their snapshot has."""
    first = history.train(tmp_path, history.spec())
    second = history.train(tmp_path, history.spec(rows={"file": "rows.csv"}))
    kept = history.run("data", "snapshot", tmp_path / "rows.csv", "--state", tmp_path / "state",
                       "--json")
    content = json.loads(kept.stdout)["content"]
    assert first["content"] == second["content"] == content
    assert version_yaml(second)["training"]["content"] == content
    assert version_yaml(second)["training"]["file"] == "rows.csv"
    assert second["rows"]["read"] == past.rows
    models = [f"{done['path']}/model.ubj" for done in (first, second)]
    assert filecmp.cmp(*models, shallow=False)


def test_model_is_what_the_library_trains(past, tmp_path):
    done = history.train(tmp_path, history.spec(
        "reg:squarederror", "minutes", early_stopping=None, rounds=7,
        split={"test_from": history.TEST_FROM}))
    ours = oracle.load(f"{done['path']}/model.ubj")
    theirs = oracle.train(past.matrix(0, history.TEST_ROW),
                          past.minutes[:history.TEST_ROW].astype(np.float32),
                          {"objective": "reg:squarederror", "max_depth": 3, "seed": 0}, 7,
                          types=["c", "q", "q"], names=history.COLUMNS)
    rows = past.matrix()
    assert ours.predict(rows).tobytes() == theirs.predict(rows).tobytes()
    errors = ours.predict(rows)[history.TEST_ROW:, 0].astype(float) - \
        past.minutes[history.TEST_ROW:].astype(np.float32)
    assert done["metrics"]["mae"] == pytest.approx(np.abs(errors).mean(), abs=1e-6)
    assert done["metrics"]["rmse"] == pytest.approx(np.sqrt((errors ** 2).mean()), abs=1e-6)


def test_same_data_same_digest(past, tmp_path):
    content = history.spec(params={"subsample": 0.7}, seed=3)
    first = history.train(tmp_path, content)
    # The rows lie in another order in the file; the query puts them in its own.
    past.write(tmp_path / "rows.csv", np.random.default_rng(2).permutation(past.rows))
    second = history.train(tmp_path, content)
    assert second["version"] == 2 and second["digest"] == first["digest"]
    for name in ("model.ubj", "model.yaml"):
        with open(f"{first['path']}/{name}", "rb") as a, \
                open(f"{second['path']}/{name}", "rb") as b:
            assert a.read() == b.read()
    other = history.train(tmp_path, history.spec(params={"subsample": 0.7}, seed=4))
    assert other["digest"] != first["digest"]
    past.x[5] += 1
    past.write(tmp_path / "rows.csv")
    assert history.train(tmp_path, content)["digest"] != first["digest"]


def test_paths_start_in_the_data_folder_alone(past, tmp_path):
    """A file of the same name in the working folder is another file."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    past.write(tmp_path / "here/rows.csv")
    (tmp_path / "rows.csv").unlink()
    content = history.spec(rounds=2)
    file = history.write_spec(tmp_path, content)
    for more in ([], ["--data", "../there"]):
        done = history.run("train", file, "--models", "models", *more, cwd=tmp_path / "here")
        assert done.returncode == 4 and "rows.csv" in done.stderr
    done = history.run("train", file, "--models", "models", "--data", "no", cwd=tmp_path / "here")
    assert done.returncode == 4 and "'no'" in done.stderr
    past.write(tmp_path / "there/rows.csv")
    done = history.run("train", file, "--models", "models", "--data", "../there",
                       cwd=tmp_path / "here")
    assert done.returncode == 0 and "models/m/1" in done.stdout
    assert (tmp_path / "here/models/m/1/model.ubj").exists()


def test_version_numbers(past, tmp_path):
    content = history.spec(rounds=2)
    assert history.train(tmp_path, content, "--version", "7")["version"] == 7
    assert history.train(tmp_path, content)["version"] == 8
    done = history.run("train", tmp_path / "t.yaml", "--models", tmp_path / "models", "--version",
                       7)
    assert done.returncode == 1 and "already there" in done.stderr
    assert "training" not in done.stderr.replace("auspex train", "")
    assert sorted(os.listdir(tmp_path / "models/m")) == ["7", "8"]


def test_classes_with_text_labels(past, tmp_path):
    done = history.train(tmp_path, history.spec("multi:softprob", "kind"))
    assert version_yaml(done)["signature"]["labels"] == ["early", "fine", "late"]
    scores = oracle.load(f"{done['path']}/model.ubj").predict(past.matrix(history.TEST_ROW))
    labels = past.kind[history.TEST_ROW:]
    right = np.array(["early", "fine", "late"])[scores.argmax(axis=1)] == labels
    assert done["metrics"]["accuracy"] == pytest.approx(right.mean(), abs=1e-12)


def test_two_classes_with_text_labels(past, tmp_path):
    label = "CASE WHEN late = 1 THEN 'yes' ELSE 'no' END"
    done = history.train(tmp_path, history.spec(label=label))
    assert version_yaml(done)["signature"]["labels"] == ["no", "yes"]
    plain = history.train(tmp_path, history.spec())
    assert done["metrics"]["auc"] == plain["metrics"]["auc"]
    assert past.rows == done["rows"]["read"]


@pytest.mark.parametrize("objective,params", [
    ("count:poisson", {}), ("reg:tweedie", {"tweedie_variance_power": 1.2}),
    ("reg:squarederror", {"rate_drop": 0.3, "one_drop": 1})])
def test_objectives_of_other_links_and_dropout(objective, params, past, tmp_path):
    """What training measures is what the library answers for the rows that it did not see."""
    done = history.train(tmp_path, history.spec(
        objective, "greatest(minutes, 0)", early_stopping=None, rounds=8, params=params,
        split={"test_from": history.TEST_FROM}))
    scores = oracle.load(f"{done['path']}/model.ubj").predict(past.matrix(history.TEST_ROW))[:, 0]
    labels = np.maximum(past.minutes[history.TEST_ROW:], 0).astype(np.float32)
    errors = scores.astype(float) - labels
    assert done["metrics"]["mae"] == pytest.approx(np.abs(errors).mean(), abs=1e-6)
    assert len(np.unique(scores)) > 20


@pytest.mark.usefixtures("past")
def test_quantiles(tmp_path):
    done = history.train(tmp_path, history.spec(
        "reg:quantileerror", "minutes", params={"quantile_alpha": [0.1, 0.5, 0.9]}))
    metrics = done["metrics"]
    assert list(metrics["pinball_loss"]) == ["0.1", "0.5", "0.9"]
    assert metrics["interval"] == pytest.approx(0.8) and 0.3 < metrics["interval_coverage"] <= 1
    assert metrics["interval_width"] > 0


@pytest.mark.usefixtures("past")
def test_weights_count(tmp_path):
    plain = history.train(tmp_path, history.spec())
    heavy = history.train(tmp_path, history.spec(weight="CASE WHEN late = 1 THEN w * 5 ELSE 1 END"))
    mean = [sum(b["predicted"] for b in d["metrics"]["calibration"]) for d in (plain, heavy)]
    assert mean[1] > mean[0] * 1.05
    assert version_yaml(heavy)["training"]["weight"].startswith("CASE")


@pytest.mark.usefixtures("past")
def test_split_by_hash(tmp_path):
    done = history.train(tmp_path, history.spec(
        at=None, split={"hash": "id", "stop": 0.2, "test": 0.2}))
    rows = done["rows"]
    assert rows["train"] + rows["stop"] + rows["test"] == 1200
    assert 180 < rows["stop"] < 300 and 180 < rows["test"] < 300


@pytest.mark.usefixtures("past")
def test_parts_without_rows(tmp_path):
    done = history.train(tmp_path, history.spec(split={"test_from": "2030-01-01"}))
    assert done["metrics"] == {"rows": 0} and done["rows"]["stop"] == 0
    assert done["rounds"] == {"run": 20, "kept": 20}


@pytest.mark.usefixtures("past")
def test_rows_without_label_are_left_out(tmp_path):
    done = history.train(tmp_path, history.spec(label="CASE WHEN id % 4 > 0 THEN late = 1 END"))
    assert done["rows"]["unlabelled"] == 300 and done["rows"]["train"] == 540


REFUSED = {
    "no order": (dict(rows={"sql": history.query(order="")}), 3, "no ORDER BY"),
    "ties": (dict(rows={"sql": history.query(order="ORDER BY carrier")}), 3,
             "the order of the query is not total"),
    "misspelt column": (dict(columns=["carier", "x"]), 3,
                        "the rows have no column 'carier'; nearest is 'carrier'"),
    "label known early": (dict(label_known_at="moment"), 3, "was known at or before 'moment'"),
    "no file": (dict(rows={"sql": "SELECT * FROM 'nix.csv' ORDER BY id"}), 4, "nix.csv"),
    "no such column": (dict(label="lat = 1"), 3, "label: "),
    "bad SQL": (dict(rows={"sql": "SELECT FROM"}), 3, "t.yaml:1:"),
    "three classes for two": (dict(label="kind"), 3, "the label is a text of 3 values"),
    "halves for classes": (dict(objective="multi:softprob", label="late + 0.5"), 3,
                           "whole numbers from 0"),
    "labels of no class": (dict(label="late + 1"), 3, "XGBoost: "),
    "unknown objective": (dict(objective="reg:nix"), 3, "XGBoost: "),
    "no metric for it": (dict(objective="survival:cox"), 3, "no metric here for 'survival:cox'"),
    "unknown metric": (dict(params={"eval_metric": "nix"}), 3, "XGBoost: "),
    "mistyped parameter": (dict(params={"max_depht": 2}), 3,
                           ': params: XGBoost has no use for "max_depht"'),
    "bad parameter": (dict(params={"max_depth": "deep"}), 3, "XGBoost: "),
    "no rows": (dict(split={"test_from": "2000-01-01"}), 3, "no row with a label is left"),
    "bad moment": (dict(split={"test_from": "2013-02-30"}), 3, "test_from: "),
    "column of nulls": (dict(rows={"sql": "SELECT * REPLACE (NULL::VARCHAR AS carrier) FROM "
                                          "'rows.csv' ORDER BY id"}), 3,
                        "column 'carrier' is null in every row to train on"),
}


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    changes, status, message = REFUSED[case]
    done = history.run("train", history.write_spec(tmp_path, history.spec(**changes)), "--models",
                       tmp_path / "models", "--quiet")
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("auspex train: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not [p for p in leftovers(tmp_path) if p.name != "models"]


def test_refused_files(tmp_path):
    done = history.run("train", tmp_path / "nix.yaml")
    assert done.returncode == 4 and "nix.yaml" in done.stderr
    content = history.spec()
    content["models"]["other"] = content["models"]["m"]
    path = history.write_spec(tmp_path, content)
    assert history.run("train", path).returncode == 3
    done = history.run("train", path, "--model", "nix")
    assert done.returncode == 4 and "there are m, other" in done.stderr
    path.write_text("auspex: 1\nmodels:\n  m: {colums: [a]}\n", encoding="utf-8")
    done = history.run("train", path)
    assert done.returncode == 3 and f"{path}:3:7: unknown key 'colums'" in done.stderr
    assert history.run("train").returncode == 2
    assert history.run("train", path, "--rounds", 3).returncode == 2


def start_long(tmp_path, **more):
    """A training that goes on for a long time, seen at work, and its child."""
    content = history.spec(rounds=100000, early_stopping=None)
    process = history.start("train", history.write_spec(tmp_path, content), "--models",
                            tmp_path / "models", **more)
    child = history.wait_for(lambda: history.children(process.pid))[0]
    # It reports rounds: the library is at work.
    history.wait_for(lambda: any((tmp_path / "models/m").glob(".train-*/worker.log")))
    history.wait_for(lambda: history.is_alive(child) and cpu_ticks(child) > 10)
    return process, child


def cpu_ticks(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return int(file.read().rsplit(")", 1)[1].split()[11])
    except OSError:
        return 0


@pytest.mark.usefixtures("past")
def test_killed_child_is_an_error(tmp_path):
    process, child = start_long(tmp_path)
    os.kill(child, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == ""
    assert "the training process was ended by signal 9 (Killed)" in err
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number, tmp_path):
    process, child = start_long(tmp_path)
    process.send_signal(number)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "interrupted" in err
    assert not history.is_alive(child)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("past")
def test_interrupted_with_its_child(tmp_path):
    """As Ctrl-C does: the whole group gets the signal."""
    process, child = start_long(tmp_path, start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130 and not history.is_alive(child)
    assert leftovers(tmp_path) == []


def test_interrupted_in_the_query(tmp_path):
    content = history.spec(rows={"sql": "SELECT sum(hash(a.i + b.j)) AS id FROM range(1000000) "
                                        "a(i), range(1000000) b(j) ORDER BY id"})
    process = history.start("train", history.write_spec(tmp_path, content), "--models",
                            tmp_path / "models")
    history.wait_for(lambda: cpu_ticks(process.pid) > 30)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("past")
def test_killed_parent_ends_the_child(tmp_path):
    process, child = start_long(tmp_path)
    process.kill()
    process.communicate(timeout=60)
    history.wait_for(lambda: not history.is_alive(child))
    hidden = list((tmp_path / "models/m").iterdir())
    assert len(hidden) == 1 and hidden[0].name.startswith(".train-")
    # The next training of the model tidies up.
    assert history.train(tmp_path, history.spec(rounds=2))["version"] == 1
    assert [p.name for p in (tmp_path / "models/m").iterdir()] == ["1"]


@pytest.mark.usefixtures("past")
def test_two_at_once_do_not_disturb_each_other(tmp_path):
    process, _ = start_long(tmp_path)
    assert history.train(tmp_path, history.spec(rounds=2))["version"] == 1
    assert len(list((tmp_path / "models/m").glob(".train-*"))) == 1
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert [p.name for p in (tmp_path / "models/m").iterdir()] == ["1"]


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("size", [100, 4000])
def test_full_disk(size, tmp_path):
    done = history.run("train", history.write_spec(tmp_path, history.spec()), "--models",
                       tmp_path / "models", "--quiet", restore_signals=False,
                       preexec_fn=history.limit_files(size))
    assert done.returncode in (1, 5) and "is the disk full" in done.stderr
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("past")
def test_progress_and_summary(tmp_path):
    path = history.write_spec(tmp_path, history.spec())
    done = history.run("train", path, "--models", tmp_path / "models")
    assert "train: reading the rows" in done.stderr and "train: round 2 of 20, " in done.stderr
    assert done.stdout.startswith(f"{tmp_path}/models/m/1\n") and "digest" in done.stdout
    done = history.run("train", path, "--models", tmp_path / "models", "--quiet", "--json")
    assert done.stderr == "" and json.loads(done.stdout)["version"] == 2

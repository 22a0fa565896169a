# SPDX-License-Identifier: Apache-2.0
"""Goal: the README's five minutes with one's own model work as they are written.

Method: its blocks of commands are cut out and run by bash, on a model with the
features that it speaks of, in a folder of their own; only the address of the
server is changed. The answers are compared with the library's.
"""

import json
import os
import pathlib
import re
import subprocess

import numpy as np
import pytest

from conftest import Server, train

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ["tenure", "calls", "late"]


def blocks():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Five minutes"):text.index("## Where to read on")]
    return [text for language, text in
            re.findall(r"^```(\w*)\n(.*?)^```", section, re.M | re.S) if not language]


def block_with(word):
    found = [b for b in blocks() if word in b]
    assert len(found) == 1, f"{len(found)} blocks with {word}"
    return found[0]


@pytest.fixture(scope="module")
def booster():
    rng = np.random.default_rng(3)
    rows = rng.random((2000, 3)).astype(np.float32) * np.array([1, 24, 2], dtype=np.float32)
    label = (rows[:, 1] / 24 - rows[:, 0] + 0.3 * rows[:, 2] > 0.4).astype(np.float32)
    return train(rows, label, {"objective": "binary:logistic", "seed": 1}, 10, NAMES)


@pytest.fixture(scope="module")
def answers(booster, tmp_path_factory):
    """What each of the README's three questions was answered."""
    folder = tmp_path_factory.mktemp("readme")
    booster.save(folder / "model.json")
    setup = block_with("mkdir")
    serve = [line for line in setup.splitlines() if " serve " in line]
    assert serve == ["build/auspex serve --models models"]
    subprocess.run(["bash", "-euc", setup.replace(serve[0], "")], cwd=folder, check=True)
    server = Server(folder / "models")
    questions = block_with("/infer").replace("127.0.0.1:8000", server.url)
    assert questions.count("curl ") == 3
    script = questions.replace("curl ", "echo; curl --silent --show-error --fail-with-body ")
    done = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True,
                          check=False)
    assert server.stop() == 0
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def test_metadata(answers):
    assert answers[0]["name"] == "churn" and answers[0]["versions"] == ["1"]
    assert answers[0]["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}]


def test_infer(answers, booster):
    rows = np.array([[0.5, 12, 1], [0.1, np.nan, 0]], dtype=np.float32)
    data = np.array(answers[1]["outputs"][0]["data"], dtype=np.float32)
    assert data.tobytes() == booster.predict(rows).tobytes()


def test_predict(answers, booster):
    rows = np.array([[0.5, 12, 1], [0.1, np.nan, 0]], dtype=np.float32)
    data = np.array([p["prediction"] for p in answers[2]["predictions"]], dtype=np.float32)
    assert data.tobytes() == booster.predict(rows).tobytes()


def test_train_and_predict(tmp_path):
    """What is said about one's own data, on made-up customers."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    file = re.search(r"^```yaml\n(auspex: 1\n.*?)^```", text, re.M | re.S)[1]
    (tmp_path / "churn.yaml").write_text(file, encoding="utf-8")
    rng = np.random.default_rng(4)
    with open(tmp_path / "customers.csv", "w", encoding="utf-8") as out:
        out.write("customer,tenure,calls,late,has_left\n")
        for customer in range(2000):
            tenure, calls, late = rng.random(), rng.integers(0, 24), rng.integers(0, 3)
            out.write(f"{customer},{tenure:.3f},{calls},{late},{calls / 24 > tenure}\n")
    commands = block_with(" train ").replace("build/auspex", os.environ["AX_BINARY"])
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("models/churn/1\n")
    lines = (tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "customer,prediction,probability" and len(lines) == 2001
    assert [line.split(",")[0] for line in lines[1:]] == [str(i) for i in range(2000)]

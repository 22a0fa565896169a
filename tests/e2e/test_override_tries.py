# SPDX-License-Identifier: Apache-2.0
"""Goal: what a load brings is seen whole or not at all: while its versions are loaded, when one of
them fails, and when it cannot be kept, the versions of before answer, and nothing else ever does.

Method: versions that are loaded at once beside one whose file takes a while to be read and is good
or broken at its very end, so that the first ones are ready long before; clients that ask without a
pause meanwhile, and note every answer.
"""

import base64
import collections
import json
import threading
import time

import pytest

from conftest import ROOT, Server

RULES = """\
rules: 1
inputs: {{x: {{datatype: FP32, default: 0}}}}
outputs: {{prediction: BYTES}}
cases: [{{otherwise: {word}}}]
"""
TREES = 4000


def text_of(word):
    return base64.b64encode(RULES.format(word=word).encode()).decode()


@pytest.fixture(scope="module")
def large():
    """A forest that takes a while to be read."""
    document = json.loads((ROOT / "tests/data/forest/regression.json").read_text("utf-8"))
    model = document["learner"]["gradient_booster"]["model"]
    trees = [dict(model["trees"][i % len(model["trees"])], id=i) for i in range(TREES)]
    model["trees"], model["tree_info"] = trees, [0] * TREES
    model["iteration_indptr"] = list(range(TREES + 1))
    model["gbtree_model_param"]["num_trees"] = str(TREES)
    return json.dumps(document).encode()


@pytest.fixture
def server(tmp_path):
    for name in ("a", "b"):
        place = tmp_path / "models" / name / "1"
        place.mkdir(parents=True)
        (place / "rules.yaml").write_text(RULES.format(word="first"), encoding="utf-8")
    one = Server(tmp_path / "models", "--model-control", "explicit", "--load-threads", "1",
                 "--state", str(tmp_path / "state"))
    yield one
    assert one.stop() == 0


def load(server, model, files, config="{}"):
    parameters = {"config": config, **{f"file:{path}": text for path, text in files.items()}}
    return server.post(f"/v2/repository/models/{model}/load", {"parameters": parameters})


def says(server, model, version):
    answer = server.post(f"/v2/models/{model}/versions/{version}/infer", {"inputs": [
        {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}]})
    return answer.json["outputs"][0]["data"][0] if answer.status == 200 else answer.status


class Asking:
    """Ask versions of a model in turn until the block ends, and count what each one answered."""

    def __init__(self, server, model, *versions):
        self.server, self.model, self.versions = server, model, versions
        self.counts = {version: collections.Counter() for version in versions}
        self.rounds = []
        self.is_over = False
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        while not self.is_over:
            answers = tuple(says(self.server, self.model, v) for v in self.versions)
            self.rounds.append(answers)
            for version, answer in zip(self.versions, answers):
                self.counts[version][answer] += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        time.sleep(0.1)
        self.is_over = True
        self.thread.join()


def test_a_try_that_fails_was_never_seen(server, large):
    good = {"1/rules.yaml": text_of("one"), "2/rules.yaml": text_of("two")}
    assert load(server, "a", good).status == 200
    broken = {"1/rules.yaml": text_of("candidate"),
              "2/model.json": base64.b64encode(large[:-1]).decode()}
    with Asking(server, "a", 1, 2) as asking:
        answer = load(server, "a", broken)
    assert answer.status == 400 and answer.error.startswith("failed to load 'a', ")
    assert set(asking.counts[1]) == {"one"} and set(asking.counts[2]) == {"two"}
    # The other way round, and from the folder's own files.
    for order in ((1, 2), (2, 1)):
        wrong = {f"{order[0]}/rules.yaml": text_of("candidate"),
                 f"{order[1]}/model.json": base64.b64encode(large[:-1]).decode()}
        with Asking(server, "b", 1) as asking:
            assert load(server, "b", wrong).status == 400
        assert set(asking.counts[1]) == {"first"}


def test_who_comes_during_a_try_that_fails(tmp_path, large):
    """A model that is not in memory comes all the same: while the try is on, and as soon as its
    failure is told."""
    models = [f"m{i}" for i in range(8)]
    for name in models:
        place = tmp_path / "models" / name / "1"
        place.mkdir(parents=True)
        (place / "rules.yaml").write_text(RULES.format(word="first"), encoding="utf-8")
    server = Server(tmp_path / "models", "--model-control", "explicit", "--preload", "none",
                    "--state", str(tmp_path / "state"), "--version-policy", "latest:1")

    def ask(model):
        answer = server.infer(model, {"name": "x", "shape": [1, 1], "datatype": "FP32",
                                      "data": [1]})
        assert answer.status == 200, answer.body
        return answer.json["outputs"][0]["data"][0]

    broken = {"2/model.json": base64.b64encode(large[:-1]).decode()}
    for name in models[:4]:
        statuses = []
        loading = threading.Thread(
            target=lambda name=name, to=statuses: to.append(load(server, name, broken).status))
        loading.start()
        while loading.is_alive() and not any(
                e["name"] == name and e["version"] == "2"
                for e in server.post("/v2/repository/index").json):
            time.sleep(0.002)
        assert ask(name) == "first"
        loading.join()
        assert statuses == [400] and ask(name) == "first"
    small = {"2/rules.yaml": base64.b64encode(b"rules: [").decode()}
    for name in models[4:]:
        assert load(server, name, small).status == 400
        # Whoever is told that it failed sees what is in force again.
        found = {e["version"] for e in server.post("/v2/repository/index").json
                 if e["name"] == name}
        assert found == {"1"}
        assert ask(name) == "first"
    assert server.stop() == 0


def test_a_try_is_shown_whole(server, large):
    """The second version takes long, and is new: who sees the first one anew finds it."""
    files = {"1/rules.yaml": text_of("one"),
             "2/model.json": base64.b64encode(large).decode()}
    with Asking(server, "a", 1) as asking, Asking(server, "a", 1, 2) as both:
        assert load(server, "a", files).status == 200
    assert set(asking.counts[1]) == {"first", "one"}
    # Another datatype is what the second one refuses, so 400 is its answer; 404 is that of before.
    assert {r for r in both.rounds if r[0] == "one"} == {("one", 400)}


def test_what_cannot_be_kept_was_never_seen(server, tmp_path):
    assert load(server, "a", {"1/rules.yaml": text_of("one")}).status == 200
    # Where the entry of `b` would be is a folder.
    (tmp_path / "state/overrides/models/b/x").mkdir(parents=True)
    with Asking(server, "b", 1) as asking:
        for _ in range(5):
            answer = load(server, "b", {"1/rules.yaml": text_of("candidate")})
            assert answer.status >= 400, answer.body
    assert set(asking.counts[1]) == {"first"}
    assert len(list((tmp_path / "state/overrides/files").iterdir())) == 1
    (tmp_path / "state/overrides/models/b/x").rmdir()
    (tmp_path / "state/overrides/models/b").rmdir()
    assert load(server, "b", {"1/rules.yaml": text_of("two")}).status == 200
    assert says(server, "b", 1) == "two"


def test_a_configuration_that_fails_is_never_in_force(server):
    """The same files with other settings, and a version beside them that fails."""
    assert load(server, "a", {"1/rules.yaml": text_of("one"),
                              "2/rules.yaml": text_of("two")}).status == 200
    files = {"1/rules.yaml": text_of("one"), "2/rules.yaml":
             base64.b64encode(b"rules: [").decode()}
    with Asking(server, "a", 1, 2) as asking:
        assert load(server, "a", files, config='{"max_batch_size": 1}').status == 400
        assert server.get("/v2/models/a/versions/1/config").json["max_batch_size"] != 1
    assert set(asking.counts[1]) == {"one"} and set(asking.counts[2]) == {"two"}


def test_loads_that_overtake_each_other(server, large):
    """One that another one overtakes is refused and leaves nothing, though its first version was
    ready."""
    slow = {"1/rules.yaml": text_of("overtaken"), "2/model.json": base64.b64encode(large).decode()}
    answers = []
    with Asking(server, "a", 1) as asking:
        client = threading.Thread(target=lambda: answers.append(load(server, "a", slow)))
        client.start()
        while not any(e["name"] == "a" and e["version"] == "2" for e in
                      server.post("/v2/repository/index").json):
            time.sleep(0.005)
        assert load(server, "a", {"1/rules.yaml": text_of("one")}).status == 200
        client.join()
    assert answers[0].status == 409, answers[0].body
    assert set(asking.counts[1]) == {"first", "one"}
    assert says(server, "a", 2) == 404

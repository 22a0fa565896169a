# SPDX-License-Identifier: Apache-2.0
"""Goal: models that are not in memory answer as if they were, after a wait that is bounded.

Method: many small models, each with an answer of its own, on a server that loads none before it is
asked; requests of every protocol, many at one time, clients that leave, waits that are too short.
The log says how often a version was loaded.
"""

import collections
import json
import re
import shutil
import socket
import threading
import time

import pytest

from conftest import ANSWER_RULES, ROOT, Server, request

pytestmark = pytest.mark.threads

MODELS = 30
ROW = {"x": 1.0}


def name(index):
    return f"m{index:02}"


def make(folder, index, version=1):
    place = folder / name(index) / str(version)
    place.mkdir(parents=True)
    rules = ANSWER_RULES.format(answer=100 * version + index)
    (place / "rules.yaml").write_text(rules, encoding="utf-8")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    for index in range(MODELS):
        make(folder, index)
    make(folder, 0, version=2)
    return folder


def loads(server):
    """How often each model was loaded, as the log of a server that was stopped has it."""
    assert server.stop() == 0
    found = (re.search(r'event="model version loaded" model=(\S+)', line) for line in server.lines)
    return collections.Counter(f[1] for f in found if f)


def states(server):
    entries = server.post("/v2/repository/index").json
    return {(e["name"], e["version"]): e["state"] for e in entries}


def answer_of(server, index, version=1):
    answer = server.predict(name(index), ROW)
    assert answer.status == 200, answer.body
    assert answer.json["predictions"][0]["prediction"] == 100 * version + index
    return answer


def received(server):
    """All prediction requests that ended, by code; and those that have not."""
    metrics = server.metrics()
    codes = collections.Counter()
    for (family, labels), value in metrics.samples.items():
        if family == "ax_requests_total":
            codes[dict(labels)["code"]] += int(value)
    in_progress = sum(v for (f, _), v in metrics.samples.items() if f == "ax_requests_in_progress")
    return +codes, in_progress


def test_models_are_loaded_when_they_are_asked(many):
    server = Server(many, "--preload", "none", "--version-policy", "latest:1")
    assert server.get("/v2/health/ready").status == 200
    assert set(states(server).values()) == {"UNAVAILABLE"}
    # To be ready is to answer when asked. Asking whether it would does not load.
    assert server.get("/v2/models/m03/ready").json["ready"]
    assert server.get("/v1/models/m03").json["ready"]
    assert set(states(server).values()) == {"UNAVAILABLE"}
    for index in range(1, MODELS):
        answer_of(server, index)
    answer_of(server, 0, version=2)
    for index in range(1, MODELS):
        answer_of(server, index)
    assert set(states(server).values()) == {"READY", "UNAVAILABLE"}
    assert received(server) == ({"OK": 2 * MODELS - 1}, 0)
    assert loads(server) == {name(i): 1 for i in range(MODELS)}


@pytest.mark.parametrize("method, path, body, found", [
    ("GET", "/v2/models/m07", None, b'"name":"m07","versions":["1"]'),
    ("GET", "/v2/models/m07/versions/1", None, b'"name":"m07","versions":["1"]'),
    ("GET", "/v2/models/m07/config", None, b'"backend":"rules"'),
    ("POST", "/v2/models/m07/infer",
     {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1]}]},
     b'"data":[107'),
    ("POST", "/v1/models/m07/predict", {"rows": [ROW]}, b":107"),
    ("POST", "/v1/models/m07/predict", {"rows": [ROW], "version": 1}, b":107"),
    ("POST", "/v1/models/m07:predict", {"instances": [ROW]}, b"[107"),
    ("POST", "/v1/models/m07/invocations", {"dataframe_records": [ROW]}, b"[107"),
    ("POST", "/invocations", {"dataframe_records": [ROW]}, b"[107"),
])
def test_every_protocol_waits(many, method, path, body, found):
    server = Server(many, "--preload", "none", "--default-model", "m07")
    answer = server.request(method, path, body)
    assert answer.status == 200 and found in answer.body, answer.body
    assert loads(server) == {"m07": 1}


def test_the_only_model_is_waited_for(tmp_path):
    make(tmp_path, 4)
    server = Server(tmp_path, "--preload", "none")
    answer = server.post("/invocations", {"dataframe_records": [ROW]})
    assert answer.json == {"predictions": [104]}
    assert server.stop() == 0


def test_a_version_that_the_body_names_is_waited_for(many):
    server = Server(many, "--preload", "none", "--version-policy", "all")
    for version in (2, 1, 2, 1):
        answer = server.predict("m00", ROW, version=version)
        assert answer.json["predictions"][0]["prediction"] == 100 * version
        assert answer.json["version"] == str(version)
    assert server.predict("m00", ROW, version=3).status == 404
    assert received(server) == ({"OK": 4, "NOT_FOUND": 1}, 0)
    assert loads(server) == {"m00": 2}


def test_parts_wait(many):
    server = Server(many, "--preload", "none")
    models = [name(i) for i in range(1, 20)] + ["nothing", "m05"]
    answer = server.post("/v1/predict", {"models": models, "rows": [ROW, ROW]})
    assert answer.status == 200, answer.body
    for model, part in zip(models, answer.json["parts"]):
        if model == "nothing":
            assert part["status"] == 404
        else:
            assert [p["prediction"] for p in part["predictions"]] == 2 * [100 + int(model[1:])]
    assert received(server) == ({"OK": 20, "NOT_FOUND": 1}, 0)
    assert loads(server) == {name(i): 1 for i in range(1, 20)}


def test_one_loads_however_many_ask(many):
    server = Server(many, "--preload", "none", "--threads", "2")
    body = request("POST", "/v1/models/m11/predict", {"rows": [ROW]})
    wires = [server.wire() for _ in range(50)]
    for wire in wires:
        wire.send(body)
    for wire in wires:
        answer = wire.answer()
        assert answer.status == 200
        assert answer.json["predictions"][0]["prediction"] == 111
        wire.socket.close()
    assert received(server) == ({"OK": 50}, 0)
    assert loads(server) == {"m11": 1}


def test_a_wait_is_bounded(many):
    server = Server(many, "--preload", "none", "--load-wait", "0")
    refused = server.predict("m01", ROW)
    assert refused.status == 503 and refused.headers["retry-after"]
    assert "not loaded in time" in refused.error
    # It was asked for, so it comes.
    end = time.monotonic() + 30
    while states(server)["m01", "1"] != "READY" and time.monotonic() < end:
        time.sleep(0.02)
    answer_of(server, 1)
    assert received(server) == ({"OK": 1, "UNAVAILABLE": 1}, 0)
    assert server.stop() == 0


def test_waiters_are_bounded(many):
    server = Server(many, "--preload", "none", "--load-waiters-max", "1", "--threads", "1")
    body = b"".join(request("POST", f"/v1/models/{name(i)}/predict", {"rows": [ROW]})
                    for i in range(1, 20))
    with server.wire() as wire:
        wire.send(body)
        answers = [wire.answer() for _ in range(1, 20)]
    refused = [a for a in answers if a.status == 503]
    assert refused and all("requests wait for models" in a.error for a in refused)
    assert all(a.headers["retry-after"] for a in refused)
    assert {a.status for a in answers} == {200, 503}
    codes, in_progress = received(server)
    assert codes == {"OK": 19 - len(refused), "LIMIT": len(refused)} and in_progress == 0
    assert server.stop() == 0


def test_clients_that_leave_while_they_wait(many):
    server = Server(many, "--preload", "none", "--threads", "2")
    for index in range(MODELS):
        with server.wire() as wire:
            wire.send(request("POST", f"/v1/models/{name(index)}/predict", {"rows": [ROW]}))
            wire.socket.shutdown(socket.SHUT_RDWR)
    end = time.monotonic() + 30
    while sum(received(server)[0].values()) < MODELS and time.monotonic() < end:
        time.sleep(0.02)
    codes, in_progress = received(server)
    assert sum(codes.values()) == MODELS and set(codes) <= {"OK", "CANCELLED"} and in_progress == 0
    answer_of(server, 3)
    assert server.stop() == 0


def test_what_waits_at_the_end_is_answered(many):
    server = Server(many, "--preload", "none", "--threads", "2")
    wires = [server.wire() for _ in range(MODELS)]
    for index, wire in enumerate(wires[1:], 1):
        wire.send(request("POST", f"/v1/models/{name(index)}/predict", {"rows": [ROW]}))
    # Those that came before the end are answered, the others find nobody.
    statuses = []
    asks = threading.Thread(target=lambda: statuses.append(server.stop()))
    asks.start()
    for index, wire in enumerate(wires[1:], 1):
        try:
            answer = wire.answer()
        except (EOFError, ConnectionResetError):
            continue
        assert answer.status in (200, 503), answer.body
        if answer.status == 200:
            assert answer.json["predictions"][0]["prediction"] == 100 + index
    asks.join()
    assert statuses == [0]


def test_a_model_that_fails_says_why(many, tmp_path):
    make(tmp_path, 1)
    (tmp_path / "m01/1/rules.yaml").write_text("rules: 9\n", encoding="utf-8")
    server = Server(tmp_path, "--preload", "none")
    for _ in range(3):
        answer = server.predict("m01", ROW)
        assert answer.status == 503 and "rules" in answer.error
    assert received(server) == ({"UNAVAILABLE": 3}, 0)
    assert server.stop() == 0


def memory(server):
    metrics = server.metrics()
    return metrics["ax_model_memory_bytes"]


@pytest.fixture(scope="module")
def memory_of_one(many):
    server = Server(many, "--preload", "none")
    answer_of(server, 1)
    one = memory(server)
    assert server.stop() == 0 and one > 0
    return int(one)


def evictions(server):
    metrics = server.metrics()
    return sum(v for (family, _), v in metrics.samples.items()
               if family == "ax_model_evictions_total")


def test_more_models_than_memory(many, memory_of_one):
    limit = 5 * memory_of_one + memory_of_one // 2
    server = Server(many, "--version-policy", "latest:1", "--model-memory-max", str(limit),
                    "--pinned", "m07")
    assert 3 <= list(states(server).values()).count("READY") <= 5
    for _ in range(2):
        for index in range(1, MODELS):
            answer_of(server, index)
            assert memory(server) <= limit
            assert states(server)["m07", "1"] == "READY"
    # The one that was used last is there, and stays while others come and go.
    before = evictions(server)
    assert before > MODELS
    for index in range(8, 20):
        answer_of(server, 3)
        answer_of(server, index)
    assert states(server)["m03", "1"] == "READY"
    codes, in_progress = received(server)
    assert codes == {"OK": 2 * (MODELS - 1) + 24} and in_progress == 0
    counts = loads(server)
    assert counts["m07"] == 1 and counts["m05"] >= 2


def test_all_at_one_time_with_memory_for_few(many, memory_of_one):
    server = Server(many, "--version-policy", "latest:1", "--threads", "2", "--load-wait", "60",
                    "--model-memory-max", str(5 * memory_of_one + memory_of_one // 2))
    problems = []

    def client(seed):
        with server.wire() as wire:
            for step in range(25):
                index = 1 + (seed * 7 + step * (1 + seed % 3)) % (MODELS - 1)
                answer = wire.request("POST", f"/v1/models/{name(index)}/predict", {"rows": [ROW]})
                if (answer.status != 200 or
                        answer.json["predictions"][0]["prediction"] != 100 + index):
                    problems.append((index, answer.status, answer.body))

    clients = [threading.Thread(target=client, args=(seed,)) for seed in range(12)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert not problems, problems[:3]
    assert received(server) == ({"OK": 12 * 25}, 0)
    assert server.stop() == 0


def test_what_was_asked_is_there_after_a_restart(many, memory_of_one, tmp_path):
    options = ("--version-policy", "latest:1", "--state", str(tmp_path), "--preload", "popular",
               "--model-memory-max", str(5 * memory_of_one + memory_of_one // 2))
    server = Server(many, *options)
    # Nobody was asked yet.
    assert set(states(server).values()) == {"UNAVAILABLE"}
    for index in (21, 22, 23, 24, 25):
        for _ in range(30 if index < 24 else 3):
            answer_of(server, index)
    answer_of(server, 9)
    assert server.stop() == 0
    server = Server(many, *options)
    assert {m for (m, _), s in states(server).items() if s == "READY"} >= {"m21", "m22", "m23"}
    assert server.stop() == 0
    # What is damaged is told of and begun anew.
    kept = tmp_path / "popularity"
    kept.write_bytes(kept.read_bytes()[:-1])
    server = Server(many, *options)
    assert set(states(server).values()) == {"UNAVAILABLE"}
    assert server.stop() == 0
    assert any("popularity of models begun anew" in line for line in server.lines)


def test_what_can_never_fit_says_so(many, memory_of_one):
    server = Server(many, "--preload", "none", "--model-memory-max", str(memory_of_one // 2))
    for _ in range(2):
        answer = server.predict("m04", ROW)
        assert answer.status == 503 and "--model-memory-max" in answer.error, answer.body
    assert received(server)[1] == 0
    assert server.stop() == 0


@pytest.mark.parametrize("places", [1, 2])
@pytest.mark.parametrize("in_place", [False, True])
def test_what_answers_is_not_driven_out_by_what_fails(tmp_path, memory_of_one, places, in_place):
    """With memory for both beside each other, if the other model goes, and with memory for one."""
    for index in (1, 2):
        make(tmp_path, index)
    server = Server(tmp_path, "--model-control", "explicit", "--preload", "none",
                    "--version-policy", "latest:1",
                    "--model-memory-max", str(places * memory_of_one + memory_of_one // 2))
    if places > 1:
        answer_of(server, 1)
        answer_of(server, 2)
    # The least recently used one is replaced.
    answer_of(server, 1)
    if places > 1:
        answer_of(server, 2)
    if not in_place:
        (tmp_path / "m01/2").mkdir()
    place = tmp_path / "m01" / ("1" if in_place else "2") / "rules.yaml"
    place.with_name("new").write_text("rules: 1\nbad: [\n", encoding="utf-8")
    place.with_name("new").rename(place)
    before = server.metrics().get("ax_model_evictions_total", model="m01", version="1")
    answer = server.post("/v2/repository/models/m01/load", {})
    assert answer.status in (400, 503), answer.body
    answer_of(server, 1)
    place.write_text(ANSWER_RULES.format(answer=777), encoding="utf-8")
    answer = server.post("/v2/repository/models/m01/load", {})
    if places > 1:
        assert answer.status == 200, answer.body
        assert server.predict("m01", ROW).json["predictions"][0]["prediction"] == 777
    else:
        assert answer.status == 503 and "--model-memory-max" in answer.error, answer.body
        answer_of(server, 1)
    metrics = server.metrics()
    assert metrics.get("ax_model_evictions_total", model="m01", version="1") == before
    assert server.stop() == 0


@pytest.mark.parametrize("policy", ["latest:1", "specific:2"])
def test_what_was_driven_out_stands_in_for_what_fails(tmp_path, memory_of_one, policy):
    """A new version that fails takes away neither the one in memory nor the one that is not."""
    for index in (1, 2):
        make(tmp_path, index)
    (tmp_path / "m01/serving.yaml").write_text("versions: [1]\n", encoding="utf-8")
    options = ("--model-control", "explicit", "--preload", "none", "--version-policy", policy,
               "--state", str(tmp_path / ".state"),
               "--model-memory-max", str(memory_of_one + memory_of_one // 2))
    server = Server(tmp_path, *options)
    (tmp_path / "m02/serving.yaml").write_text("versions: [1]\n", encoding="utf-8")
    assert server.post("/v2/repository/models/m02/load", {}).status == 200
    answer_of(server, 1)
    answer_of(server, 2)
    (tmp_path / "m01/2").mkdir()
    (tmp_path / "m01/2/rules.yaml").write_text("rules: 1\nbad: [\n", encoding="utf-8")
    (tmp_path / "m01/serving.yaml").unlink()
    answer = server.post("/v2/repository/models/m01/load", {})
    assert answer.status == 400 and "rules.yaml" in answer.error, answer.body
    for _ in range(3):
        assert answer_of(server, 1).json["version"] == "1"
        assert states(server)["m01", "1"] == "READY"
        assert states(server)["m01", "2"] == "UNAVAILABLE"
        answer_of(server, 2)
        assert states(server)["m01", "1"] == "UNAVAILABLE"
        assert server.get("/v2/health/ready").status == 200
        assert server.get("/v2/models/m01/ready").status == 200
    # So does a load of other files that fails, which is told and changes nothing.
    files = {"config": "{}", "file:2/rules.yaml": "cnVsZXM6IFs="}
    answer = server.post("/v2/repository/models/m01/load", {"parameters": files})
    assert answer.status == 400, answer.body
    answer_of(server, 1)
    # The one that failed is asked by its number; it says why it does not answer.
    answer = server.predict("m01", ROW, version=2)
    assert answer.status == 503 and "rules.yaml" in answer.error, answer.body
    codes, in_progress = received(server)
    assert codes == {"OK": 9, "UNAVAILABLE": 1} and in_progress == 0
    assert server.metrics().get("ax_model_load_failures_total", model="m01", version="2") >= 1
    assert server.stop() == 0
    assert any('event="model version stands in" model=m01 version=1' in s for s in server.lines)
    # After a restart nothing is in force. The newest that loads answers, where that is the policy.
    server = Server(tmp_path, *options)
    answer = server.predict("m01", ROW)
    if policy == "latest:1":
        assert answer.json["predictions"][0]["prediction"] == 101
    else:
        assert answer.status == 503 and "rules.yaml" in answer.error, answer.body
    text = ANSWER_RULES.format(answer=201)
    (tmp_path / "m01/2/rules.yaml").write_text(text, encoding="utf-8")
    assert server.post("/v2/repository/models/m01/unload").status == 200
    assert server.post("/v2/repository/models/m01/load").status == 200
    answer_of(server, 1, version=2)
    assert server.predict("m01", ROW, version=1).status == 404
    assert server.stop() == 0


def test_what_does_not_fit_beside_the_old_one_fails_once(tmp_path, memory_of_one):
    """And not at each eviction of another one: what it replaces stays in its way."""
    for index in (1, 2, 3):
        make(tmp_path, index)
    # About as large as two of the others.
    case = "  - when: x > 0\n    then: 101\n"
    large = ANSWER_RULES.format(answer=101).replace(case, case * 100)
    (tmp_path / "m01/1/rules.yaml").write_text(large, encoding="utf-8")
    server = Server(tmp_path, "--model-control", "explicit", "--preload", "none",
                    "--version-policy", "latest:1",
                    "--model-memory-max", str(3 * memory_of_one + memory_of_one // 2))
    answer_of(server, 1)
    (tmp_path / "m01/2").mkdir()
    (tmp_path / "m01/2/rules.yaml").write_text(large, encoding="utf-8")
    answer = server.post("/v2/repository/models/m01/load", {})
    assert answer.status == 503 and "--model-memory-max" in answer.error, answer.body

    def failures():
        return server.metrics().get("ax_model_load_failures_total", model="m01", version="2")

    before = failures()
    assert before >= 1
    for _ in range(5):
        for index in (2, 1, 3, 1):
            time.sleep(0.005)  # Who was used last is told by the millisecond.
            answer_of(server, index)
    assert evictions(server) >= 5
    assert failures() == before
    assert server.stop() == 0


def put_large(folder, index, version, cases=200):
    """Takes more than twice what the others take."""
    place = folder / name(index) / str(version)
    place.mkdir(parents=True)
    case = "  - when: x > 1000\n    then: 0\n"
    text = ANSWER_RULES.format(answer=100 * version + index)
    (place / "rules.yaml").write_text(text.replace("cases:\n", "cases:\n" + case * cases),
                                      encoding="utf-8")


def order(server, what, model="m01"):
    return server.post(f"/v2/repository/models/{model}/{what}", {})


@pytest.mark.parametrize("is_evicted", [False, True])
def test_what_is_too_large_harms_no_other_version(tmp_path, memory_of_one, is_evicted):
    """What one version takes is no fact about another: not now, not behind a restart."""
    for index in (1, 2):
        make(tmp_path, index)
    limit = memory_of_one + memory_of_one // 2
    options = ("--model-control", "explicit", "--preload", "none", "--version-policy", "latest:1",
               "--state", str(tmp_path / ".state"), "--model-memory-max", str(limit))
    server = Server(tmp_path, *options)
    answer_of(server, 1)
    if is_evicted:
        answer_of(server, 2)
    put_large(tmp_path, 1, 2)
    answer = order(server, "load")
    assert answer.status == 503 and "--model-memory-max" in answer.error, answer.body
    assert int(re.search(r"it takes (\d+) bytes", answer.error)[1]) > limit
    for _ in range(3):
        answer_of(server, 2)
        assert answer_of(server, 1).json["version"] == "1"
    assert server.metrics().get("ax_model_load_failures_total", model="m01", version="2") == 1
    # Neither does it harm what comes in its place.
    answer_of(server, 2)
    shutil.rmtree(tmp_path / "m01/2")
    assert order(server, "load").status == 200
    answer_of(server, 1)
    put_large(tmp_path, 1, 3)
    assert order(server, "load").status == 503
    make(tmp_path, 1, version=4)
    answer_of(server, 2)  # Both do not fit beside each other.
    assert order(server, "load").status == 200
    answer_of(server, 1, version=4)
    shutil.rmtree(tmp_path / "m01/4")
    assert server.stop() == 0
    # The newest that fits answers behind a restart.
    server = Server(tmp_path, *options)
    answer_of(server, 2)
    assert answer_of(server, 1).json["version"] == "1"
    assert received(server) == ({"OK": 2}, 0)
    assert server.stop() == 0


@pytest.mark.parametrize("preload", ["none", "all"])
def test_a_figure_of_other_files_on_disk_heals(tmp_path, preload):
    """What a large version took without a limit was kept; with a limit, a small one is there."""
    put_large(tmp_path, 1, 1)
    options = ("--state", str(tmp_path / ".state"), "--preload", preload)
    server = Server(tmp_path, *options)
    answer_of(server, 1)
    large = int(memory(server))
    assert server.stop() == 0
    shutil.rmtree(tmp_path / "m01/1")
    make(tmp_path, 1, version=2)
    limited = (*options, "--model-memory-max", str(large * 2 // 3))
    for _ in range(2):
        server = Server(tmp_path, *limited)
        answer_of(server, 1, version=2)
        assert memory(server) < large * 2 // 3
        assert server.stop() == 0
        assert not any("does not fit" in line for line in server.lines)


def test_a_guess_by_large_files_refuses_nobody(tmp_path, memory_of_one):
    """A version's folder may hold other things, far larger than its model."""
    make(tmp_path, 1)
    limit = memory_of_one + memory_of_one // 2
    (tmp_path / "m01/1/README.txt").write_bytes(b"x" * 100 * limit)
    server = Server(tmp_path, "--state", str(tmp_path / ".state"), "--preload", "none",
                    "--model-memory-max", str(limit))
    answer_of(server, 1)
    assert server.stop() == 0


def slow_text(cut):
    """A forest that takes a while to be read, and is broken at its end where something is cut."""
    document = json.loads((ROOT / "tests/data/forest/regression.json").read_text("utf-8"))
    model = document["learner"]["gradient_booster"]["model"]
    trees = [dict(tree) for _ in range(4000) for tree in model["trees"]]
    for index, tree in enumerate(trees):
        tree["id"] = index
    model["trees"], model["tree_info"] = trees, [0] * len(trees)
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    return json.dumps(document)[:-cut]


@pytest.mark.parametrize("is_evicted", [False, True])
def test_the_old_one_answers_while_the_new_one_loads(tmp_path, memory_of_one, is_evicted):
    """In memory or not, by its number or without; and it keeps its account."""
    for index in (1, 2):
        make(tmp_path, index)
    limit = memory_of_one + memory_of_one // 2 if is_evicted else 0
    server = Server(tmp_path, "--model-control", "explicit", "--preload", "none",
                    "--version-policy", "latest:1", "--model-memory-max", str(limit))
    answer_of(server, 1)
    answer_of(server, 2)
    (tmp_path / "m01/2").mkdir()
    (tmp_path / "m01/2/model.json").write_text(slow_text(1), encoding="utf-8")
    orders = []
    ordered = threading.Thread(target=lambda: orders.append(order(server, "load")))
    ordered.start()
    asked, problems = 0, []
    while ordered.is_alive():
        answers = [server.predict("m01", ROW), server.predict("m01", ROW, version=1)]
        problems += [a.body for a in answers if a.status != 200 or a.json["version"] != "1"]
        asked += len(answers)
        if server.get("/v2/models/m01/versions/1/ready").status != 200:
            problems.append("not ready")
    ordered.join()
    assert orders[0].status == 400, orders[0].body
    assert asked > 0 and not problems, problems[:3]
    answer_of(server, 1)
    metrics = server.metrics()
    assert metrics.get("ax_requests_total", model="m01", version="1", code="OK") == asked + 2
    assert received(server) == ({"OK": asked + 3}, 0)
    assert server.stop() == 0


def test_a_broken_version_takes_none_of_several_away(tmp_path, memory_of_one):
    """Under latest:2, resident or not."""
    for version in (1, 2):
        make(tmp_path, 1, version=version)
    make(tmp_path, 2)
    for limit in (0, memory_of_one + memory_of_one // 2):
        server = Server(tmp_path, "--model-control", "explicit", "--preload", "none",
                        "--version-policy", "latest:2", "--model-memory-max", str(limit))
        for version in (1, 2):
            assert server.predict("m01", ROW, version=version).status == 200
        answer_of(server, 2)
        (tmp_path / "m01/3").mkdir()
        (tmp_path / "m01/3/rules.yaml").write_text("rules: [", encoding="utf-8")
        assert order(server, "load").status in (400, 503)
        for version in (1, 2, 1):
            assert server.predict("m01", ROW, version=version).json["version"] == str(version)
            answer_of(server, 2)
        for version in (1, 2, 1, 2):
            assert server.predict("m01", ROW, version=version).json["version"] == str(version)
        assert server.predict("m01", ROW).json["version"] == "2"
        assert server.predict("m01", ROW, version=3).status == 503
        shutil.rmtree(tmp_path / "m01/3")
        assert order(server, "load").status == 200
        assert server.stop() == 0

# SPDX-License-Identifier: Apache-2.0
"""Goal: a request for a version that is not in memory waits for it, and for nothing else: not
longer than its deadline, not when its client is gone, and not for memory that it holds itself.

Method: a library that is preloaded keeps loads of some models as long as the test wants, so that
"meanwhile" is a fact and no matter of time. Where memory is short, a server has room for one model.
What must not happen would take longer than a client here waits. Answers and counts are asserted.
"""

import os
import threading
import time

import pytest

from accounts import assert_accounts_equal, in_progress
from conftest import ANSWER_RULES, Server, request

ROW = {"x": 1.0}
EXPIRED = "Request timeout expired"
LONG = ("--load-wait", "3600")  # a client gives up before


def put(folder, name, answer, version=1, settings=None):
    place = folder / name / str(version)
    place.mkdir(parents=True)
    (place / "rules.yaml").write_text(ANSWER_RULES.format(answer=answer), encoding="utf-8")
    if settings:
        (folder / name / "serving.yaml").write_text(settings, encoding="utf-8")


def eventually(claim, seconds=20):
    end = time.monotonic() + seconds
    while not (found := claim()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def waiting(server):
    return server.metrics()["ax_model_waiting_requests"]


def infer_body(**parameters):
    body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1]}]}
    return {**body, "parameters": parameters} if parameters else body


def predict(model, *headers):
    return request("POST", f"/v1/models/{model}/predict", {"rows": [ROW]}, headers)


@pytest.fixture
def held(tmp_path, monkeypatch):
    """A folder of models, and a function that starts a server that loads none of those called held…
    until the function's `free` is called."""
    mark = tmp_path / "held"
    mark.touch()
    monkeypatch.setenv("AX_TEST_HELD", str(mark))
    folder = tmp_path / "models"

    def start(*options):
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", os.environ["AX_BUILD"] + "/tests/held_files.so")
            return Server(folder, "--preload", "none", *LONG, *options)

    start.free = lambda: mark.unlink(missing_ok=True)
    yield folder, start
    start.free()


@pytest.fixture(scope="module")
def memory_of_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    put(folder, "one", 1)
    server = Server(folder)
    one = int(server.metrics()["ax_model_memory_bytes"])
    assert server.stop() == 0 and one > 0
    return one


def room_for_one(folder, memory_of_one, *options):
    return Server(folder, "--preload", "none", *LONG, "--model-memory-max",
                  str(memory_of_one + memory_of_one // 2), *options)


# ---- deadlines ----


@pytest.mark.plain
def test_deadlines_count_while_cold(held):
    """The header's, the body's, the model's: each ends a wait that would not end."""
    folder, start = held
    put(folder, "held", 1)
    put(folder, "held_timed", 2, settings="timeout_ms: 50\n")
    server = start()
    path = "/v2/models/held/infer"
    filler = {"id": "x" * 1000, "other": [[1.5, "timeout", {"timeout": 1}]] * 50}
    cases = [
        (path, infer_body(), ["x-request-timeout-ms: 50"]),
        (path, infer_body(timeout=50000), []),
        (path, {**filler, **infer_body(other="y", timeout=50000)}, []),
        (path, infer_body(timeout=60000000), ["x-request-timeout-ms: 50"]),
        (path, infer_body(timeout=50000), ["x-request-timeout-ms: 60000"]),
        ("/v2/models/held_timed/infer", infer_body(), []),
        ("/v1/models/held_timed/predict", {"rows": [ROW]}, []),
        # It may be asked for a shorter one only.
        ("/v2/models/held_timed/infer", infer_body(timeout=60000000), []),
        ("/v1/models/held/predict", {"rows": [ROW], "version": 1}, ["x-request-timeout-ms: 50"]),
        ("/v1/models/held:predict", {"instances": [ROW]}, ["x-request-timeout-ms: 50"]),
    ]
    for target, body, headers in cases:
        answer = server.post(target, body, headers)
        assert (answer.status, answer.error) == (503, EXPIRED), (target, headers)
        assert answer.headers["retry-after"]
    parts = server.post("/v1/predict", {"models": ["held", "held_timed"], "rows": [ROW],
                                        "timeout_us": 50000}).json["parts"]
    assert [(p["status"], p["error"]) for p in parts] == [(503, EXPIRED)] * 2
    parts = server.post("/v1/predict", {"models": ["held_timed"], "rows": [ROW]}).json["parts"]
    assert [(p["status"], p["error"]) for p in parts] == [(503, EXPIRED)]
    metrics = server.metrics()
    assert metrics.get("ax_refused_total", reason="late") == len(cases) + 3
    start.free()
    assert_accounts_equal(server, {"rejected": len(cases) + 3})


@pytest.mark.plain
def test_the_default_deadline_counts_while_cold(held):
    folder, start = held
    put(folder, "held", 1)
    server = start("--request-timeout-ms", "50")
    with server.wire() as patient:
        patient.send(request("POST", "/v2/models/held/infer", infer_body(timeout=3600000000)))
        for _ in range(3):
            answer = server.post("/v2/models/held/infer", infer_body())
            assert (answer.status, answer.error) == (503, EXPIRED)
        answer = server.predict("held", ROW)
        assert (answer.status, answer.error) == (503, EXPIRED)
        # Who names a longer one waits on.
        start.free()
        assert patient.answer().json["outputs"][0]["data"] == [1.0]
    assert_accounts_equal(server, {"success": 1, "rejected": 4})


@pytest.mark.plain
def test_a_request_is_late_before_it_waits(held):
    """Nothing is asked for in its name."""
    folder, start = held
    put(folder, "held", 1)
    server = start()
    with server.wire() as wire:
        late = predict("held", "x-request-timeout-ms: 1")
        wire.send(late[:30])
        time.sleep(0.05)
        wire.send(late[30:])
        answer = wire.answer()
    assert (answer.status, answer.error) == (503, EXPIRED)
    states = {e["name"]: e["state"] for e in server.post("/v2/repository/index").json}
    assert states == {"held": "UNAVAILABLE"} and waiting(server) == 0
    assert_accounts_equal(server, {"rejected": 1})


@pytest.mark.parametrize("path, begin, row, end", [
    ("/v2/models/m/infer", '{"inputs":[{"name":"x","datatype":"FP64","shape":[9000,1],"data":[',
     "1.25,", "1.25]}]"),
    ("/v1/models/m/predict", '{"rows":[', '{"x":1.5},', '{"x":1.5}]'),
    ("/v1/models/m:predict", '{"instances":[', '{"x":1.5},', '{"x":1.5}]'),
    ("/v1/predict", '{"models":["m"],"rows":[', '{"x":1.5},', '{"x":1.5}]'),
])
def test_reading_ends_with_the_deadline(tmp_path, path, begin, row, end):
    """What is wrong at the end of a body is not found when its time is over before."""
    put(tmp_path, "m", 1)
    server = Server(tmp_path, "--threads", "1")
    body = (begin + row * 8999 + end + "nonsense").encode()
    assert server.post(path, body).status == 400
    # In time when its head is here, and late when its body is.
    late = request("POST", path, body, ["x-request-timeout-ms: 400"])
    with server.wire() as wire:
        wire.send(late[:-5])
        time.sleep(0.5)
        wire.send(late[-5:])
        answer = wire.answer()
        assert (answer.status, answer.error) == (503, EXPIRED)
        # The connection is as good as before.
        assert wire.request("GET", "/v2/health/live").status == 200
    # A server that is stopped for so long finds it late in front of the body.
    metrics = server.metrics()
    assert sum(metrics.get("ax_refused_total", reason=r) for r in ("late", "deadline")) == 1
    assert_accounts_equal(server, {"failed": 1, "rejected": 1})


# ---- clients that leave ----


@pytest.mark.plain
def test_who_leaves_gives_its_place_back(held):
    """Predictions, several at one time, metadata: nothing of them waits when they are gone."""
    folder, start = held
    for name in ("held0", "held1", "free"):
        put(folder, name, 7)
    server = start("--load-waiters-max", "20", "--threads", "2", "--load-threads", "4")
    sent = [predict("held0"), request("GET", "/v2/models/held0"), predict("held1"),
            request("POST", "/v1/predict", {"models": ["held0", "held1"], "rows": [ROW]}),
            request("GET", "/v2/models/held1/config")]
    for _ in range(10):
        for bytes_of in sent:
            before = waiting(server)
            with server.wire() as wire:
                wire.send(bytes_of)
                assert eventually(lambda: waiting(server) > before)  # pylint: disable=W0640
            assert eventually(lambda: waiting(server) <= before), \
                (bytes_of, waiting(server))  # pylint: disable=W0640
    assert eventually(lambda: waiting(server) == 0)
    assert eventually(lambda: in_progress(server.metrics()) == 0)
    assert server.predict("free", ROW).status == 200
    start.free()
    assert_accounts_equal(server, {"success": 1, "cancelled": 40})


@pytest.mark.plain
def test_all_that_wait_are_in_progress(held):
    """Also those that came before their version had an account; and each part."""
    folder, start = held
    put(folder, "held0", 1)
    put(folder, "held1", 2)
    server = start("--threads", "1")
    wires = [server.wire() for _ in range(6)]
    for wire in wires[:5]:
        wire.send(predict("held0"))
    wires[5].send(request("POST", "/v1/predict", {"models": ["held0", "held1"], "rows": [ROW]}))
    assert eventually(lambda: in_progress(server.metrics()) == 7)
    assert eventually(lambda: waiting(server) == 7)  # told by another thread
    start.free()
    assert [wire.answer().status for wire in wires] == [200] * 6
    assert_accounts_equal(server, {"success": 7})


@pytest.mark.plain
def test_the_end_does_not_wait_for_loads(held):
    """All that wait when the server's end begins are answered, though what they wait for never
    comes."""
    folder, start = held
    put(folder, "held0", 1)
    put(folder, "held1", 2)
    server = start("--threads", "2")
    sent = [predict("held0"), predict("held1"), request("GET", "/v2/models/held0"),
            request("POST", "/v1/predict", {"models": ["held0", "held1"], "rows": [ROW]})]
    wires = [server.wire() for _ in sent]
    for wire, bytes_of in zip(wires, sent):
        wire.send(bytes_of)
    assert eventually(lambda: waiting(server) == 5)
    statuses = []
    end = threading.Thread(target=lambda: statuses.append(server.stop()))
    end.start()
    answers = [wire.answer() for wire in wires]
    assert [a.status for a in answers] == [503, 503, 503, 200]
    assert "before the server's end" in answers[0].error
    assert [p["status"] for p in answers[3].json["parts"]] == [503, 503]
    start.free()
    end.join()
    assert statuses == [0]
    assert any("all requests were answered" in line for line in server.lines)


# ---- memory that is held ----


def test_several_models_with_room_for_one(tmp_path, memory_of_one):
    """A request for two of which one fits: nobody waits for the memory of the other part."""
    for i in range(5):
        put(tmp_path, f"m{i}", 10 + i)
    server = room_for_one(tmp_path, memory_of_one)
    assert server.predict("m0", ROW).status == 200
    bodies = [{"models": models, "rows": [ROW, ROW]} for models in
              (["m0", "m1"], ["m1", "m0"], ["m4", "m3", "m2", "m1", "m0"], ["m2", "m2", "none"])]
    with server.wire() as wire:
        for body in bodies:
            for _ in range(5):
                wire.send(request("POST", "/v1/predict", body))
                for i in (2, 3):
                    answer = server.predict(f"m{i}", ROW)
                    assert answer.json["predictions"][0]["prediction"] == 10 + i
                for model, part in zip(body["models"], wire.answer().json["parts"]):
                    assert part["model"] == model
                    if model == "none":
                        assert part["status"] == 404
                        continue
                    assert part["version"] == "1"
                    assert [p["prediction"] for p in part["predictions"]] == \
                        [10 + int(model[1:])] * 2
    assert server.metrics()["ax_model_memory_bytes"] <= 1.5 * memory_of_one
    assert_accounts_equal(server, {"success": 1 + 5 * (2 * 4 + 2 + 2 + 5 + 2), "failed": 5})


def test_several_models_by_many_clients(tmp_path, memory_of_one):
    """Each wants all, in an order of its own, with room for two."""
    names = [f"m{i}" for i in range(5)]
    for i, name in enumerate(names):
        put(tmp_path, name, 10 + i)
    server = Server(tmp_path, "--preload", "none", *LONG, "--threads", "2", "--model-memory-max",
                    str(2 * memory_of_one + memory_of_one // 2))
    problems = []

    def client(seed):
        with server.wire() as wire:
            for step in range(6):
                turn = (seed + step) % 5
                models = names[turn:] + names[:turn]
                answer = wire.request("POST", "/v1/predict", {"models": models, "rows": [ROW]})
                found = [p.get("predictions", [p])[0].get("prediction")
                         for p in answer.json["parts"]]
                if found != [10 + int(m[1:]) for m in models]:
                    problems.append(answer.body)

    clients = [threading.Thread(target=client, args=(seed,)) for seed in range(6)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert not problems, problems[:2]
    assert_accounts_equal(server, {"success": 6 * 6 * 5})


def test_another_version_with_room_for_one(tmp_path, memory_of_one):
    """The version that the path means is not held while the one that the body means is waited
    for."""
    for version in (1, 2):
        put(tmp_path, "m", 10 * version, version)
    server = room_for_one(tmp_path, memory_of_one, "--version-policy", "all")
    with server.wire() as wire:
        for version in (2, 1, 2, 1, 1, 2):
            answer = wire.request("POST", "/v1/models/m/predict",
                                  {"rows": [ROW] * 3000, "version": version})
            assert answer.json["version"] == str(version)
            assert {p["prediction"] for p in answer.json["predictions"]} == {10 * version}
        assert wire.request("POST", "/v1/models/m/predict",
                            {"rows": [ROW], "version": 3}).status == 404
    assert_accounts_equal(server, {"success": 6, "failed": 1})


@pytest.mark.plain
def test_printed_while_others_load(held):
    """Parts that are scored are printed before a later one is waited for, however long they are."""
    folder, start = held
    put(folder, "a", 1)
    put(folder, "held", 2)
    put(folder, "z", 3)
    server = start("--threads", "1")
    assert server.predict("a", ROW).status == server.predict("z", ROW).status == 200
    rows = 20000
    with server.wire() as wire:
        wire.send(request("POST", "/v1/predict", {"models": ["a", "held", "z", "a"],
                                                  "rows": [ROW] * rows}))
        assert eventually(lambda: server.metrics().get("ax_rows_total", model="a",
                                                       version="1") == 1 + rows)
        start.free()
        parts = wire.answer().json["parts"]
    assert [p["model"] for p in parts] == ["a", "held", "z", "a"]
    for part, right in zip(parts, (1, 2, 3, 1)):
        assert [p["row"] for p in part["predictions"]] == list(range(rows))
        assert {p["prediction"] for p in part["predictions"]} == {right}
    assert_accounts_equal(server, {"success": 6})

# SPDX-License-Identifier: Apache-2.0
"""Goal: models are loaded, replaced and unloaded by orders, by what happens to their folder, and by
SIGHUP, as the mode of the server allows and no other way; what a load brought holds over a crash,
and what fails changes nothing.
Method: rules whose answer is a word, so that an answer tells which files it is from; real servers;
files that are written, moved and removed under them; servers that are killed and started again over
the same folder of state. Waiting is for a state, with an end.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from conftest import Server

UNTIL_SECONDS = 20

MODEL = """rules: 1
inputs: {{x: {{datatype: FP32, default: 0}}}}
outputs: {{prediction: BYTES}}
cases:
  - otherwise: {word}
"""


def put(models, name, version, word):
    folder = models / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yaml").write_text(MODEL.format(word=word), "utf-8")


@pytest.fixture
def folder(tmp_path):
    models = tmp_path / "models"
    put(models, "a", 1, "one")
    put(models, "b", 1, "other")
    return models


@pytest.fixture
def serve(folder, tmp_path):
    """Start servers over the folder; those that are left are ended."""
    servers = []

    def start(*options):
        one = Server(folder, "--state", str(tmp_path / "state"), "--threads", "1",
                     "--version-policy", "latest:1", *options)
        servers.append(one)
        return one

    yield start
    for one in servers:
        if one.process.poll() is None:
            assert one.stop() == 0


def ask(server, model, rows=1):
    return server.infer(model, {"name": "x", "shape": [rows, 1], "datatype": "FP32",
                                "data": [1] * rows})


def says(server, model="a"):
    answer = ask(server, model)
    return answer.json["outputs"][0]["data"][0] if answer.status == 200 else answer.status


def until(question, wanted):
    end = time.monotonic() + UNTIL_SECONDS
    while (found := question()) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.01)


def order(server, what, model, **parameters):
    body = {"parameters": parameters} if parameters else None
    return server.post(f"/v2/repository/models/{model}/{what}", body)


def index(server):
    return {(e["name"], e["version"]): (e["state"], e["reason"])
            for e in server.post("/v2/repository/index").json}


def encoded(word):
    return base64.b64encode(MODEL.format(word=word).encode()).decode()


# ---- orders ----


def test_load_and_unload(serve, folder):
    server = serve("--model-control", "explicit")
    assert says(server) == "one"
    answer = order(server, "unload", "a", unload_dependents=True)
    assert (answer.status, answer.json) == (200, {"name": "a", "unload": True})
    assert says(server) in (404, 503) and says(server, "b") == "other"
    until(lambda: index(server)["a", "1"], ("UNAVAILABLE", "unloaded"))
    assert server.get("/v2/models/a/ready").status == 503
    # The reason is the state, and stands there once.
    assert server.get("/v2/models/a/versions/1").error.endswith("is not ready: unloaded")
    answer = order(server, "load", "a")
    assert (answer.status, answer.json) == (200, {"name": "a", "load": True})
    assert says(server) == "one" and index(server)["a", "1"] == ("READY", "")
    # A new version is found by an order alone; so is a new model.
    put(folder, "a", 2, "two")
    put(folder, "c", 1, "new")
    assert says(server) == "one" and says(server, "c") == 404
    assert order(server, "load", "a").status == 200 and says(server) == "two"
    assert server.post("/v2/repository/any/models/c/load").status == 200
    assert says(server, "c") == "new"
    assert server.post("/v2/repository/any/index", {"ready": True}).status == 200


def test_failed_load_keeps_the_old(serve, folder):
    server = serve("--model-control", "explicit")
    (folder / "a/1/rules.yaml").write_text("rules: [", "utf-8")
    answer = order(server, "load", "a")
    assert answer.status == 400 and answer.error.startswith("failed to load 'a', ")
    assert says(server) == "one"
    state, reason = index(server)["a", "1"]
    assert state == "READY" and reason
    put(folder, "a", 1, "mended")
    assert order(server, "load", "a").status == 200
    assert says(server) == "mended" and index(server)["a", "1"] == ("READY", "")


def test_the_log_has_each_state(serve, folder):
    """What lasts at info, what is passed through at debug."""
    server = serve("--model-control", "explicit", "--log-level", "debug")
    put(folder, "a", 1, "second")
    assert order(server, "load", "a").status == 200
    assert order(server, "unload", "a").status == 200
    until(lambda: index(server)["a", "1"], ("UNAVAILABLE", "unloaded"))
    assert server.stop() == 0
    lines = [s for s in server.lines if " model=a version=1" in s and 'event="model version' in s]
    events = [(re.search(r"level=(\w+)", s)[1], re.search(r'event="model version (\w+)"', s)[1])
              for s in lines]
    load = [("debug", "loading"), ("debug", "warming"), ("info", "loaded")]
    assert [e for e in events if e[1] in ("loading", "warming", "loaded")] == load * 2
    assert [e for e in events if e[1] in ("draining", "unloaded")] == \
        [("debug", "draining"), ("info", "unloaded")] * 2


@pytest.mark.parametrize("model, status, text", [
    ("unknown", 404, "failed to load 'unknown', failed to poll from model repository"),
    ("..", 400, "model name must not contain path traversal characters"),
    ("a%5Cb", 400, "model name must not contain path traversal characters"),
    ("%20", 400, "Model name cannot be empty. Please enter a valid name to deploy."),
    ("a%E2%80%AEb", 400, "model name holds a control or format character"),
    ("n" * 300, 400, f"failed to load '{'n' * 64}', model name is longer than 128 bytes"),
    ("stats", 400, "reserved"),
    ("a%2Fb", 404, "no such path"),
    ("", 400, "Model name cannot be empty. Please enter a valid name to deploy."),
])
def test_names_that_are_refused(serve, model, status, text):
    server = serve("--model-control", "explicit")
    answer = order(server, "load", model)
    assert answer.status == status and text in answer.error
    assert order(server, "unload", "unknown").status == 404
    answer = order(server, "unload", model)
    assert answer.status == status
    assert set(index(server)) == {("a", "1"), ("b", "1")}


@pytest.mark.parametrize("mode", ["none", "watch"])
def test_orders_are_taken_in_one_mode_alone(serve, mode):
    server = serve("--model-control", mode)
    for what in ("load", "unload"):
        answer = order(server, what, "a")
        assert answer.status == 400
        assert "explicit model load / unload is not allowed if polling is enabled" in answer.error
    assert says(server) == "one"


def test_orders_are_no_predictions(serve):
    server = serve("--model-control", "explicit")
    for _ in range(5):
        assert order(server, "load", "a").status == 200
        assert order(server, "unload", "unknown").status == 404
    assert says(server) == "one"
    assert server.stop() == 0
    total = next(s for s in server.lines if "requests in all" in s)
    assert "received=1 success=1" in total


def test_a_client_that_leaves_does_not_stop_a_load(serve, folder):
    server = serve("--model-control", "explicit")
    for i in range(20):
        put(folder, "a", i + 2, f"v{i}")
        with server.wire() as wire:
            wire.send(b"POST /v2/repository/models/a/load HTTP/1.1\r\nhost: x\r\n"
                      b"content-length: 0\r\n\r\n")
    until(lambda: says(server), "v19")


# ---- what a load brings ----


def test_config_of_a_load(serve):
    server = serve("--model-control", "explicit")
    assert order(server, "load", "a", config='{"max_batch_size": 2}').status == 200
    assert server.get("/v2/models/a/config").json["max_batch_size"] == 2
    assert ask(server, "a", 2).status == 200
    answer = ask(server, "a", 3)
    assert answer.status == 400
    assert "inference request batch-size must be <= 2" in answer.error
    # What is wrong is refused, and what was in force stays.
    for wrong in ("{", "[]", '{"max_batch_size": "x"}', '{"name": "b"}'):
        answer = order(server, "load", "a", config=wrong)
        assert answer.status == 400, wrong
        assert answer.error.startswith("failed to load 'a', ")
        assert server.get("/v2/models/a/config").json["max_batch_size"] == 2
    # Without parameters the folder says it all again.
    assert order(server, "load", "a").status == 200
    assert server.get("/v2/models/a/config").json["max_batch_size"] > 2


def test_files_of_a_load(serve, folder):
    server = serve("--model-control", "explicit")
    files = {"config": "{}", "file:7/rules.yaml": encoded("seven")}
    assert order(server, "load", "a", **files).status == 200
    assert says(server) == "seven"
    assert ("a", "7") in index(server)
    assert order(server, "load", "brought", **files).status == 200
    assert says(server, "brought") == "seven"
    # A folder that changes meanwhile is not asked.
    put(folder, "a", 9, "nine")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: sum("looking through" in s for s in server.lines), 1)
    assert says(server) == "seven"
    # One that fails leaves the one in force.
    bad = dict(files, **{"file:7/rules.yaml": base64.b64encode(b"rules: [").decode()})
    assert order(server, "load", "a", **bad).status == 400
    assert says(server) == "seven"
    assert order(server, "load", "a", config="{}", **{
        "file:7/rules.yaml": encoded("again")}).status == 200
    assert says(server) == "again"
    assert order(server, "load", "a").status == 200
    assert says(server) == "nine"
    # Nothing to go back to: what holds stays.
    assert order(server, "load", "brought").status == 404
    assert says(server, "brought") == "seven"


@pytest.mark.parametrize("path", [
    "file:../rules.yaml", "file:/1/rules.yaml", "file:1/../../rules.yaml", "file:1//rules.yaml",
    "file:1/./rules.yaml", "file:rules.yaml", "file:0/rules.yaml", "file:1/.rules.yaml", "file:",
    "file:1/a\\..\\b", "file:1/a\x00b", "fil:1/rules.yaml", "Config"])
def test_no_path_escapes(serve, tmp_path, path):
    server = serve("--model-control", "explicit")
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    answer = order(server, "load", "a", config="{}", **{path: encoded("evil")})
    assert answer.status == 400 and answer.error.startswith("failed to load 'a', ")
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before
    assert says(server) == "one"


@pytest.mark.parametrize("body", [
    b"x", b"[]", b'{"parameters":[]}', b'{"parameters":{"config":1}}', b'{"parameters":{}} x',
    b'{"parameters":{"config":""}}', b'{"parameters":{"config":"{}","config":"{}"}}',
    b'{"parameters":{"file:1/rules.yaml":"AAAA"}}',
    b'{"parameters":{"config":"{}","file:1/rules.yaml":"no base64"}}',
    b'{"parameters":{"config":"{}","file:1/rules.yaml":"AAA"}}',
    b'{"parameters":{"config":"{}","file:1/a":"AAAA","file:1/a":"AAAA"}}',
    b'{"parameters":{"config":"{}","file:1/a":"AAAA","file:1/a/b":"AAAA"}}'])
def test_bodies_that_are_refused(serve, body):
    server = serve("--model-control", "explicit")
    answer = server.post("/v2/repository/models/a/load", body)
    assert answer.status == 400 and answer.error
    assert says(server) == "one"


def test_a_large_file_holds_nobody_up(serve):
    """40 MB of base64 are copied in slices, and decoded and written by another thread."""
    server = serve("--model-control", "explicit")
    body = json.dumps({"parameters": {
        "config": "{}", "file:1/rules.yaml": encoded("large"),
        "file:1/more.bin": base64.b64encode(os.urandom(30 << 20)).decode()}}).encode()
    answers = []
    sender = threading.Thread(target=lambda: answers.append(
        server.post("/v2/repository/models/a/load", body)))
    sender.start()
    count = 0
    while sender.is_alive():
        assert says(server, "b") == "other"
        count += 1
    sender.join()
    assert answers[0].status == 200 and count > 3
    assert says(server) == "large"


def test_overrides_hold_over_a_crash(serve, tmp_path):
    server = serve("--model-control", "explicit")
    files = {"config": '{"max_batch_size": 8}', "file:3/rules.yaml": encoded("kept")}
    assert order(server, "load", "a", **files).status == 200
    assert order(server, "load", "b", config='{"max_batch_size": 4}').status == 200
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    # What a killed server had not finished is removed.
    left = tmp_path / "state/overrides/files/01920000-0000-7000-8000-000000000000/a/1"
    left.mkdir(parents=True)
    server = serve("--model-control", "explicit")
    assert sum("override in force" in s for s in server.lines) == 2
    assert says(server) == "kept" and says(server, "b") == "other"
    assert server.get("/v2/models/a/config").json["max_batch_size"] == 8
    assert server.get("/v2/models/b/config").json["max_batch_size"] == 4
    assert not left.exists()
    assert server.stop() == 0
    # In another mode they are there, unused, and it says so.
    server = serve()
    assert says(server) == "one"
    assert any("overrides are not in force" in s for s in server.lines)
    assert server.stop() == 0
    server = serve("--model-control", "explicit")
    assert says(server) == "kept"
    assert order(server, "load", "a").status == 200
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    server = serve("--model-control", "explicit")
    assert says(server) == "one"
    assert len(list((tmp_path / "state/overrides/files").iterdir())) == 0


def test_orders_at_the_same_time(serve):
    """Loads with and without parameters and unloads of one model, by eight clients: each is
    answered, and the model is what the last ones say."""
    server = serve("--model-control", "explicit")
    statuses = []

    def client(number):
        for i in range(15):
            if (number + i) % 3 == 0:
                answer = order(server, "load", "a", config="{}", **{
                    "file:1/rules.yaml": encoded(f"n{number}")})
            else:
                answer = order(server, "unload" if (number + i) % 3 == 1 else "load", "a")
            statuses.append(answer.status)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 409: another load came meanwhile; 503: an unload did, or too many wait.
    assert len(statuses) == 120 and set(statuses) <= {200, 409, 503}
    assert 200 in statuses
    assert order(server, "load", "a").status == 200
    assert says(server) == "one" and says(server, "b") == "other"


# ---- auspex models list ----


def listed(*options):
    done = subprocess.run([os.environ["AX_BINARY"], "models", "list", *options],
                          capture_output=True, text=True, timeout=60, check=False)
    return done


def test_models_list_asks_a_server(serve, folder):
    server = serve("--model-control", "explicit", "--version-policy", "all")
    put(folder, "a", 2, "two")
    (folder / "b/1/rules.yaml").write_text("rules: [", "utf-8")
    assert order(server, "load", "a").status == 200
    assert order(server, "load", "b").status == 400
    assert says(server) == "two" and says(server) == "two"
    done = listed("--json", "--url", f"http://{server.url}")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(x["model"], x["version"], x["state"]) for x in lines] == [
        ("a", "1", "READY"), ("a", "2", "READY"), ("b", "1", "READY")]
    assert [x["requests"] for x in lines] == [0, 2, 0]
    assert [bool(x["reason"]) for x in lines] == [False, False, True]
    done = listed("--url", f"http://{server.url}/")
    assert done.returncode == 0 and done.stdout.splitlines()[0].split() == [
        "MODEL", "VERSION", "STATE", "REQUESTS", "REASON"]
    assert done.stdout.splitlines()[2].split() == ["a", "2", "READY", "2"]


def test_models_list_of_a_folder(folder):
    put(folder, "a", 12, "x")
    (folder / "empty").mkdir()
    done = listed("--json", str(folder))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(x["model"], x["version"], x["state"]) for x in lines] == [
        ("a", "1", "ON_DISK"), ("a", "12", "ON_DISK"), ("b", "1", "ON_DISK"),
        ("empty", "", "ON_DISK")]
    assert lines[3]["reason"]


@pytest.mark.parametrize("options, status", [
    (["--url", "http://127.0.0.1:1"], 5), (["--url", "no url"], 3), (["/no/such/folder"], 4),
    (["one", "two"], 2), (["--nonsense"], 2)])
def test_models_list_that_fails(options, status):
    done = listed(*options)
    assert done.returncode == status and done.stderr.startswith("auspex models: ")
    assert done.stdout == ""


# ---- the folder ----


def test_watched_folder(serve, folder, tmp_path):
    server = serve("--model-control", "watch", "--watch-settle-ms", "50")
    put(folder, "a", 2, "two")
    until(lambda: says(server), "two")
    put(folder, "a", 2, "in place")
    until(lambda: says(server), "in place")
    # Beside it, then renamed, as it should be done.
    put(tmp_path, "beside", 3, "three")
    os.rename(tmp_path / "beside/3", folder / "a/3")
    until(lambda: says(server), "three")
    shutil.rmtree(folder / "a/3")
    until(lambda: says(server), "in place")
    put(folder, "new", 1, "new")
    until(lambda: says(server, "new"), "new")
    shutil.rmtree(folder / "new")
    until(lambda: says(server, "new"), 404)
    (folder / "a/serving.yaml").write_text("max_batch_size: 7\n", "utf-8")
    until(lambda: server.get("/v2/models/a/config").json["max_batch_size"], 7)
    assert says(server, "b") == "other"


def test_half_written_file_is_never_served(serve, folder):
    server = serve("--model-control", "watch", "--watch-settle-ms", "50")
    text = MODEL.format(word="whole")
    with open(folder / "a/1/rules.yaml", "w", encoding="utf-8") as file:
        # Up to here it would be a model of its own.
        cut = text.index("whole") + len("who")
        for part in (text[:40], text[40:cut], text[cut:]):
            file.write(part)
            file.flush()
            # Another model settles meanwhile, twice.
            for word in ("x", "y"):
                put(folder, "b", 1, word)
                until(lambda: says(server, "b"), word)
            assert says(server) == "one"
    until(lambda: says(server), "whole")
    assert not [s for s in server.lines if "level=error" in s]


def test_half_written_file_that_came_with_its_folder_is_never_served(serve, folder):
    server = serve("--model-control", "watch", "--watch-settle-ms", "50")
    text = MODEL.format(word="whole")
    cut = text.index("whole") + len("who")
    # A new model, then a new version; the folder comes with an open file in it, so that no event
    # tells of that.
    for index, place in enumerate(("new", "a/2")):
        aside = folder.parent / "aside"
        inner = aside / "1" if place == "new" else aside
        inner.mkdir(parents=True)
        with open(inner / "rules.yaml", "w", encoding="utf-8") as file:
            file.write(text[:cut])
            file.flush()
            aside.rename(folder / place)
            for word in ("x", "y"):
                put(folder, "b", 1, f"{word}{index}")
                until(lambda: says(server, "b"), f"{word}{index}")
            assert says(server, "new") == ("whole" if index else 404)
            assert says(server) == "one"
            file.write(text[cut:])
        until(lambda: says(server, place.partition("/")[0]), "whole")
    assert not [s for s in server.lines if "level=error" in s]


def test_sighup_is_a_rescan(serve, folder):
    server = serve()
    put(folder, "a", 2, "two")
    shutil.rmtree(folder / "b")
    assert says(server) == "one" and says(server, "b") == "other"
    server.process.send_signal(signal.SIGHUP)
    until(lambda: says(server), "two")
    until(lambda: says(server, "b"), 404)
    assert any("looking through the folder" in s for s in server.lines)
    server.process.send_signal(signal.SIGHUP)
    assert server.stop() == 0

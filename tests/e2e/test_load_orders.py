# SPDX-License-Identifier: Apache-2.0
"""Goal: orders to load are answered, though memory is short, their clients leave, and the server
ends.

Method: models that drive each other out, ordered by several clients at one time; a model whose file
takes seconds to be read, ordered by clients that leave at once. How many requests the server holds
shows whether their orders were taken back.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import ROOT, Server, request

RULES = """\
rules: 1
inputs: {{x: FP64}}
outputs: {{prediction: FP64}}
cases: [{{otherwise: {answer}}}]
"""
ROW = {"x": 1.0}
ENDED = "event=stopped"


def put(folder, name, version, answer):
    place = folder / name / str(version)
    place.mkdir(parents=True)
    (place / "rules.yaml").write_text(RULES.format(answer=answer), encoding="utf-8")


def order(server, what, model, parameters=None):
    body = {"parameters": parameters} if parameters else None
    return server.post(f"/v2/repository/models/{model}/{what}", body)


def states(server):
    return {(e["name"], e["version"]): e for e in server.post("/v2/repository/index").json}


def until(question):
    end = time.monotonic() + 30
    while not question():
        assert time.monotonic() < end
        time.sleep(0.01)


def memory_of_one(folder):
    server = Server(folder, "--preload", "none")
    assert server.predict("m0", ROW).status == 200
    bytes_used = int(server.metrics()["ax_model_memory_bytes"])
    assert server.stop() == 0
    return bytes_used


@pytest.fixture
def short(tmp_path):
    """A server with memory for one model, and one of three versions."""
    folder = tmp_path / "models"
    for index in range(4):
        put(folder, f"m{index}", 1, index)
    for version in (1, 2, 3):
        put(folder, "all", version, 10 * version)
    limit = memory_of_one(folder) * 3 // 2
    server = Server(folder, "--model-control", "explicit", "--preload", "none", "--load-wait", "60",
                    "--model-memory-max", str(limit), "--state", str(tmp_path / "state"))
    yield server
    assert server.stop() == 0


def test_loads_that_drive_each_other_out_are_answered(short):
    statuses = []
    for _ in range(5):
        clients = [threading.Thread(target=lambda m=m: statuses.append(
            order(short, "load", m).status)) for m in ("m0", "m1", "m2", "m3", "all")]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert statuses == 25 * [200]
    assert short.predict("m2", ROW).status == 200


@pytest.fixture(scope="module")
def large_forest(tmp_path_factory):
    """The text of a model that takes seconds to be read."""
    document = json.loads((ROOT / "tests/data/forest/regression.json").read_text("utf-8"))
    model = document["learner"]["gradient_booster"]["model"]
    trees = [dict(t) for _ in range(6000) for t in model["trees"]]
    for index, tree in enumerate(trees):
        tree["id"] = index
    model["trees"], model["tree_info"] = trees, [0] * len(trees)
    model["iteration_indptr"] = list(range(len(trees) + 1))
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    path = tmp_path_factory.mktemp("large") / "model.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def put_large(folder, name, source):
    place = folder / name / "1"
    place.mkdir(parents=True)
    os.link(source, place / "model.json")


def test_clients_that_leave_take_their_orders_back(tmp_path, large_forest):
    folder = tmp_path / "models"
    folder.mkdir()
    put(folder, "small", 1, 1)
    server = Server(folder, "--model-control", "explicit", "--requests-max", "5", "--threads", "1",
                    "--state", str(tmp_path / "state"))
    put_large(folder, "large", large_forest)
    for _ in range(12):
        with server.wire() as wire:
            # One that has closed its side alone may still read.
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.send(request("POST", "/v2/repository/models/large/load"))
        assert server.get("/v2/health/live").status == 200
    # Its loading has not ended, and nobody waits for it any more; what was begun goes on.
    until(lambda: ("large", "1") in states(server))
    assert states(server)["large", "1"]["state"] == "LOADING"
    until(lambda: states(server)["large", "1"]["state"] == "READY")
    assert server.stop() == 0
    assert sum('event="model version loaded" model=large' in s for s in server.lines) == 1


def test_a_load_has_its_time(tmp_path, large_forest):
    folder = tmp_path / "models"
    folder.mkdir()
    put(folder, "small", 1, 1)
    server = Server(folder, "--model-control", "explicit", "--load-timeout", "1", "--threads", "1",
                    "--state", str(tmp_path / "state"))
    put_large(folder, "large", large_forest)
    cores = os.sched_getaffinity(0)
    answer = starved(server, lambda: order(server, "load", "large"))
    assert answer.status == 503 and "not loaded in time" in answer.error
    assert os.sched_getaffinity(0) == cores
    until(lambda: states(server)["large", "1"]["state"] == "READY")
    assert server.stop() == 0


@contextlib.contextmanager
def busy(core):
    """Somebody else has all of a core's time."""
    burners = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"],
                                preexec_fn=lambda: os.sched_setaffinity(0, {core}))
               for _ in range(2)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def tasks(server):
    return pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()


def keep_on_one_core(server):
    core = min(os.sched_getaffinity(0))
    for thread in tasks(server):
        os.sched_setaffinity(int(thread.name), {core})
    return core


def starved(server, action):
    """Do something while the server has one core, and somebody else all of its time."""
    with busy(keep_on_one_core(server)):
        return action()


def is_loading_idly(server):
    """A loader had time at idle priority: it is past the one look it takes before it reads."""
    for thread in tasks(server):
        name, fields = (thread / "stat").read_text("ascii").rsplit(")", 1)
        fields = fields.split()
        ticks, policy = int(fields[11]) + int(fields[12]), int(fields[38])
        if name.endswith("(load-0") and policy == os.SCHED_IDLE and ticks > 1:
            return True
    return False


@pytest.fixture
def unprivileged(tmp_path, monkeypatch):
    """Servers may not leave idle priority, whoever runs the tests."""
    if os.getuid() != 0:
        return
    path = tmp_path / "auspex"
    path.write_text(f"#!/bin/sh\nexec setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice "
                    f"'{os.environ['AX_BINARY']}' \"$@\"\n", encoding="utf-8")
    path.chmod(0o700)
    monkeypatch.setenv("AX_BINARY", str(path))


@pytest.mark.usefixtures("unprivileged")
def test_the_end_does_not_wait_for_a_load_without_time(tmp_path, large_forest):
    """A load at idle priority beside a busy core gets next to no time, and looks at nothing."""
    folder = tmp_path / "models"
    folder.mkdir()
    put(folder, "small", 1, 1)
    server = Server(folder, "--load-threads", "1", "--images=false", "--threads", "1",
                    "--drain-timeout-s", "5", "--state", str(tmp_path / "state"))
    put_large(folder, "large", large_forest)
    core = keep_on_one_core(server)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: is_loading_idly(server))
    # It stands still until the others have come, so that it cannot have ended before.
    server.process.send_signal(signal.SIGSTOP)
    with busy(core):
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        until(lambda: any(ENDED in s for s in server.lines))
    assert server.stop(None) == 0
    assert any(ENDED in s and 'work="given up"' in s for s in server.lines), server.lines
    assert not any('event="model version loaded" model=large' in s for s in server.lines)

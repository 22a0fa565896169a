# SPDX-License-Identifier: Apache-2.0
"""Goal: a model is replaced again and again under requests: each is answered, by exactly one of the
two files; a file that is broken leaves the one before; what is loaded and unloaded from many
threads ends as it was ordered; and neither memory nor descriptors grow.
Method: two files that answer differently take turns in one version's folder, while threads ask and
compare. Memory is what the server tells of itself, and is compared after many rounds with what it
was after some; nothing here looks at how long anything took.
"""

import os
import shutil
import threading

import numpy as np
import pytest

from conftest import Server, holey_rows, is_sanitized, named_rows

RELOADS = 80
SETTLED = 30  # so many until memory is compared
LOADERS = 16
ORDERS = 12


def put(boosters, name, folder):
    """Replace the model file, whole."""
    boosters[name].save(folder.parent / "new.json")
    os.replace(folder.parent / "new.json", folder / "model.json")


def load(server, model="swap"):
    return server.post(f"/v2/repository/models/{model}/load")


def unload(server, model):
    return server.post(f"/v2/repository/models/{model}/unload")


@pytest.fixture
def swap(tmp_path, repository):
    folder = tmp_path / "models/swap/1"
    folder.mkdir(parents=True)
    put(repository[1], "binary", folder)
    one = Server(tmp_path / "models", "--threads", "1", "--model-control", "explicit",
                 "--state", str(tmp_path / "state"))
    yield one, folder, repository[1]
    one.stop()


ROWS = named_rows(holey_rows(np.random.default_rng(3), 3))


def answer(wire):
    got = wire.request("POST", "/v1/models/swap/predict", {"rows": ROWS})
    if got.status != 200:
        return got.status, got.body
    return got.status, [p["prediction"] for p in got.json["predictions"]]


class Traffic(threading.Thread):
    """Asks until it is told to end; what it got is kept, each answer once."""

    def __init__(self, server):
        super().__init__()
        self.server, self.over, self.count, self.seen = server, threading.Event(), 0, []
        self.start()

    def run(self):
        with self.server.wire() as wire:
            while not self.over.wait(0.002):
                got = answer(wire)
                self.count += 1
                if got not in self.seen:
                    self.seen.append(got)

    def end(self):
        self.over.set()
        self.join()


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def settled_bytes(server):
    """What it takes when nothing drains any more."""
    return min(server.resident_bytes() for _ in range(5))


def test_many_reloads_under_requests(swap):
    server, folder, boosters = swap
    right = {}
    for name in ("value", "binary"):
        put(boosters, name, folder)
        assert load(server).status == 200
        with server.wire() as wire:
            right[name] = answer(wire)
    assert right["value"] != right["binary"] and {r[0] for r in right.values()} == {200}
    traffic = [Traffic(server), Traffic(server)]
    for i in range(RELOADS):
        name = ("value", "binary")[i % 2]
        put(boosters, name, folder)
        assert load(server).status == 200
        # Whoever was told that it is loaded gets no answer of the one before.
        with server.wire() as wire:
            assert answer(wire) == right[name]
        if i == SETTLED:
            before, open_before = settled_bytes(server), descriptors(server)
    for one in traffic:
        one.end()
        assert one.count > 0 and all(got in right.values() for got in one.seen)
    if not is_sanitized():
        assert settled_bytes(server) <= before * 1.05
    assert descriptors(server) <= open_before
    loaded = [s for s in server.lines if 'event="model version loaded"' in s]
    assert len(loaded) == RELOADS + 3


def test_a_broken_file_leaves_the_one_before(swap):
    server, folder, boosters = swap
    with server.wire() as wire:
        right = answer(wire)
        (folder / "model.json").write_text('{"learner": {', encoding="utf-8")
        failed = load(server)
        assert failed.status >= 400 and "model.json" in failed.json["error"]
        assert answer(wire) == right
        index = server.post("/v2/repository/index").json
        assert [(e["state"], "model.json" in e["reason"]) for e in index] == [("READY", True)]
        # Nor when its folder goes and another version does not come.
        shutil.rmtree(folder)
        (folder.parent / "2").mkdir()
        (folder.parent / "2/model.json").write_text("{", encoding="utf-8")
        assert load(server).status >= 400
        assert answer(wire) == right
        shutil.rmtree(folder.parent / "2")
        folder.mkdir()
        put(boosters, "value", folder)
        assert load(server).status == 200
        assert answer(wire) not in (right, ()) and answer(wire)[0] == 200


def test_many_threads_load_and_unload(swap):
    server, folder, _ = swap
    models = ["swap", "other"]
    shutil.copytree(folder.parent, folder.parent.parent / "other")
    statuses = []

    def churn(model):
        for i in range(ORDERS):
            got = unload(server, model) if i % 2 else load(server, model)
            statuses.append(got.status)

    assert load(server, "other").status == 200
    threads = [threading.Thread(target=churn, args=(models[i % 2],)) for i in range(LOADERS)]
    traffic = Traffic(server)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traffic.end()
    # A load that an unload overtakes is told so; nothing else may fail.
    assert len(statuses) == LOADERS * ORDERS and set(statuses) <= {200, 503}
    assert {status for status, _ in traffic.seen} <= {200, 503}
    for model in models:
        assert load(server, model).status == 200
        assert server.get(f"/v2/models/{model}/ready").status == 200
        assert unload(server, model).status == 200
    assert server.get("/v2/health/ready").status == 200
    assert server.infer("swap").status == 503

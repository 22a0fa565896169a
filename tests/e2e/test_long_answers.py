# SPDX-License-Identifier: Apache-2.0
"""Goal: metrics, statistics and lists of a large fleet are printed in slices, between which others
are served, and are whole and exact all the same.

Method: a server with one I/O thread and a few hundred models. It is stopped while two requests
arrive, so that one wake-up has both, the long one first: what it shows of the model that it prints
last has the other one in it, if that was scored in between. No time is measured.
"""

import gzip
import json
import pathlib
import re
import signal
import socket
import struct
import time

import pytest

from conftest import Server, request

pytestmark = pytest.mark.threads

MODELS = 400
CONTENT = "rules: 1\ninputs: {x: FP64}\noutputs: {prediction: FP64}\ncases:\n  - otherwise: 1\n"
NAMES = {f"m{i:03}" for i in range(MODELS)}
BODY = {"rows": [{"x": 1}]}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        path = folder / name / "1"
        path.mkdir(parents=True)
        (path / "rules.yaml").write_text(CONTENT, encoding="utf-8")
    one = Server(folder, "--threads", "1")
    yield one
    assert one.stop() == 0


class Stopped:
    """What is sent inside arrives in one wake-up."""

    def __init__(self, server):
        self.process = server.process

    def __enter__(self):
        self.process.send_signal(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{self.process.pid}/task")
        while not all(re.search(r"\) [tT]", (t / "stat").read_text()) for t in stat.iterdir()):
            time.sleep(0.01)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)


def received_in_metrics(text):
    """A model's requests in the order in which they are printed."""
    counts = {}
    for model, count in re.findall(r'^ax_requests_total\{model="(m\d+)",.*\} (\d+)$', text, re.M):
        counts[model] = counts.get(model, 0) + int(count)
    return counts


def received_in_stats(text):
    return {s["name"]: s["requests"]["received"] for s in json.loads(text)["model_stats"]}


@pytest.mark.parametrize("path, received_in", [("/metrics", received_in_metrics),
                                               ("/v2/models/stats", received_in_stats)])
def test_others_are_served_in_between(fleet, path, received_in):
    before = received_in(fleet.get(path).body.decode())
    assert set(before) == NAMES
    last = list(before)[-1]
    with fleet.wire() as long, fleet.wire() as short:
        assert short.request("GET", "/v2/health/live").status == 200
        assert long.request("GET", "/v2/health/live").status == 200
        with Stopped(fleet):
            long.send(request("GET", path))
            short.send(request("POST", f"/v1/models/{last}/predict", BODY))
        assert short.answer().status == 200
        after = received_in(long.answer().body.decode())
    assert list(after) == list(before)
    assert after == {**before, last: before[last] + 1}


def test_many_at_once_are_all_whole(fleet):
    """Each of a pipeline, and compressed ones."""
    with fleet.wire() as wire:
        wire.send(request("GET", "/metrics") * 4 + request("GET", "/v2/models/stats") * 2 +
                  request("POST", "/v2/repository/index") * 2 + request("GET", "/v2/models") +
                  request("GET", "/metrics", headers=["accept-encoding: gzip"]))
        texts = [wire.answer().body for _ in range(4)]
        stats = [wire.answer().json for _ in range(2)]
        indexes = [wire.answer().json for _ in range(2)]
        models = wire.answer().json["models"]
        texts.append(gzip.decompress(wire.answer().body))
    for text in texts:
        lines = text.decode().splitlines()
        heads = [line.split(" ", 3)[:3] for line in lines if line.startswith("#")]
        names = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
        assert len(heads) == len({tuple(head) for head in heads}) > 80
        assert len(names) == len(set(names)) > 40 * MODELS
        assert lines[-1].startswith("ax_build_info{") and text.endswith(b"\n")
        assert set(re.findall(r'nv_inference_count\{model="(m\d+)"', text.decode())) == NAMES
    for one in stats:
        assert [s["name"] for s in one["model_stats"]] == \
            [s["name"] for s in stats[0]["model_stats"]]
        assert {s["name"] for s in one["model_stats"]} == NAMES and "no_model" in one
    for index in indexes:
        assert [e["name"] for e in index] == sorted(NAMES)
        assert {(e["version"], e["state"], e["reason"]) for e in index} == {("1", "READY", "")}
    assert models == sorted(NAMES)


@pytest.mark.parametrize("method, path", [("GET", "/metrics"), ("GET", "/v2/models/stats"),
                                          ("POST", "/v2/repository/index")])
def test_clients_that_leave(fleet, method, path):
    """What was held for them is given back: under a sanitizer the end would find it."""
    for _ in range(3):
        wire = fleet.wire()
        with Stopped(fleet):
            wire.send(request(method, path))
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.socket.close()
    assert fleet.get("/v2/health/live").status == 200

# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex serve` starts, refuses to start, and ends as docs say; a bad model never takes
the others down.

Method: the binary with good and bad folders, options and signals; exit statuses of
docs/exit-codes.md.
"""

import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import FEATURES, Server, Wire, request, tensor

GOOD = {"inputs": [tensor([[0.5] * FEATURES])]}


def run(*arguments, **more):
    return subprocess.run([os.environ["AX_BINARY"], "serve", *arguments], capture_output=True,
                          text=True, timeout=60, check=False, stdin=subprocess.DEVNULL, **more)


# ---- start ----

def test_help():
    done = run("--help")
    assert done.returncode == 0
    for flag in ("--models", "--listen", "--threads", "--config", "--body-bytes-max"):
        assert flag in done.stdout


@pytest.mark.parametrize("arguments, text", [
    (["--modles", "x"], "--models"), (["--threads", "many"], "threads"), (["x"], "usage"),
    (["--log-level", "loud"], "log"), (["--config", "/nonexistent.yaml"], "/nonexistent.yaml")])
def test_wrong_arguments(arguments, text):
    done = run(*arguments)
    assert done.returncode == 2 and text in done.stderr and done.stdout == ""


def test_no_folder(tmp_path):
    done = run("--models", str(tmp_path / "none"), "--listen", "127.0.0.1:0")
    assert done.returncode == 4 and str(tmp_path / "none") in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:65536", "nowhere", "unix:"])
def test_bad_address(models, address):
    done = run("--models", str(models), "--listen", address)
    assert done.returncode in (2, 3) and "listen" in done.stderr


def test_unknown_kernel(models):
    done = run("--models", str(models), "--listen", "127.0.0.1:0",
               env=os.environ | {"AUSPEX_KERNEL": "fastest"})
    assert done.returncode == 3
    assert "AUSPEX_KERNEL" in done.stderr and "fastest" in done.stderr
    assert "portable" in done.stderr and done.stdout == ""


def test_port_in_use(server, models):
    done = run("--models", str(models), "--listen", server.url)
    assert done.returncode == 5 and server.url in done.stderr
    assert server.get("/v2/health/ready").status == 200


def test_configuration_file(tmp_path, models):
    file = tmp_path / "auspex.yaml"
    file.write_text(f"models: {models}\nthreads: 1\nbody_bytes_max: 1k\n", encoding="utf-8")
    one = Server(models, "--config", str(file))
    try:
        assert one.post("/v2/models/binary/infer", b" " * 1025).status == 413
        assert one.infer("binary", GOOD["inputs"][0]).status == 200
    finally:
        assert one.stop() == 0


def test_unix_socket(tmp_path, models):
    path = tmp_path / "ax.sock"
    one = Server(models, "--listen", f"unix:{path}")
    try:
        wire = Wire.__new__(Wire)
        wire.socket = socket.socket(socket.AF_UNIX)
        wire.socket.connect(str(path))
        wire.buffer = b""
        with wire:
            assert wire.request("POST", "/v2/models/binary/infer", GOOD).status == 200
    finally:
        assert one.stop() == 0


def test_one_line_when_ready(server):
    lines = [s for s in server.lines if "event=ready" in s]
    assert len(lines) == 1 and server.url in lines[0] and "models=6" in lines[0]


def test_requests_are_not_logged(server):
    count = len(server.lines)
    for _ in range(20):
        server.infer("binary", GOOD["inputs"][0])
        server.infer("nothing", GOOD["inputs"][0])
    assert len(server.lines) == count


# ---- models ----

@pytest.fixture
def mixed(tmp_path, models):
    """A good model, and every kind of bad one beside it."""
    folder = tmp_path / "mixed"
    good = (models / "binary/1/model.json").read_bytes()
    for name, content in {
            "good/1/model.json": good, "good/2/model.json": good[:len(good) // 2],
            "good/01/model.json": good, "good/-1/model.json": good, "good/abc/model.json": good,
            "good/0/model.json": good,
            "truncated/1/model.json": good[:-100], "text/1/model.json": b"{}",
            "learner/1/model.json": b'{"learner":{}}',
            "cyclic/1/model.json": good.replace(b'"left_children":[1,', b'"left_children":[0,', 1),
            "huge/1/model.json": good.replace(b'"left_children":[1,',
                                              b'"left_children":[2147483647,', 1),
            "two/1/a.json": good, "two/1/b.json": good,
            "yaml/1/model.json": good, "yaml/1/model.yaml": b"signature: {labels: [a, b, c]}\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "empty/1").mkdir(parents=True)
    # Not by its mode, which root is above: reading this one fails for everybody.
    (folder / "unreadable/1").mkdir(parents=True)
    (folder / "unreadable/1/model.json").symlink_to("/proc/self/mem")
    return folder


def test_bad_models_beside_a_good_one(mixed):
    one = Server(mixed, "--threads", "1")
    try:
        index = {(e["name"], e["version"]): e for e in
                 one.post("/v2/repository/index").json}
        assert index["good", "1"]["state"] == "READY"
        bad = {key for key, e in index.items() if e["state"] == "UNAVAILABLE"}
        assert {("good", "2"), ("truncated", "1"), ("text", "1"), ("learner", "1"),
                ("cyclic", "1"), ("huge", "1"), ("two", "1"), ("yaml", "1"),
                ("empty", "1"), ("unreadable", "1")} <= bad
        assert all(index[key]["reason"] for key in bad)
        assert "unreadable/1/model.json': Input/output error" in index["unreadable", "1"]["reason"]
        assert not any(v in ("01", "-1", "abc", "0") for _, v in index)
        ready = one.post("/v2/repository/index", {"ready": True}).json
        assert [(e["name"], e["version"]) for e in ready] == [("good", "1")]
        # The highest version that is ready answers.
        assert one.infer("good", GOOD["inputs"][0]).json["model_version"] == "1"
        assert one.get("/v2/models/good").json["versions"] == ["1"]
        # A model without any version is known, but not ready; so is the server.
        answer = one.get("/v2/models/cyclic/ready")
        assert (answer.status, answer.json) == (503, {"name": "cyclic", "ready": False})
        answer = one.get("/v2/models/good/versions/2/ready")
        assert (answer.status, answer.json) == (503, {"name": "good", "ready": False})
        assert one.infer("cyclic", GOOD["inputs"][0]).status == 503
        answer = one.get("/v2/health/ready")
        assert (answer.status, answer.json) == (503, {"ready": False})
        assert one.get("/v2/health/live").status == 200
        assert one.get("/v2/models/nothing/ready").status == 404
        # The strange ones are warned of once each, and bad models are errors.
        for name in ("01", "-1", "abc", "0"):
            assert sum("level=warn" in s and f" folder={name} " in s for s in one.lines) == 1
        for name in ("cyclic", "huge", "two", "yaml", "empty", "unreadable"):
            assert sum("level=error" in s and f"model={name} " in s for s in one.lines) == 1
    finally:
        assert one.stop() == 0


def test_empty_folder(tmp_path):
    one = Server(tmp_path)
    try:
        assert one.get("/v2/health/ready").status == 200
        assert one.get("/v2/models").json == {"models": []}
        assert one.post("/v2/repository/index").json == []
        assert one.infer("binary", GOOD["inputs"][0]).status == 404
    finally:
        assert one.stop() == 0


# ---- end ----

def test_interrupt(models):
    assert Server(models).stop(signal.SIGINT) == 0


def test_drain_answers_what_was_received(models):
    one = Server(models, "--threads", "1")
    body = request("POST", "/v2/models/binary/infer",
                   {"inputs": [tensor([[0.5] * FEATURES] * 50000)]})
    with one.wire() as long, one.wire() as half, one.wire() as idle:
        assert idle.request("GET", "/v2/health/live").status == 200
        half.send(body[:1000])
        long.send(body[:-1000])
        # However late this process is: the signal comes with the last piece.
        one.process.send_signal(signal.SIGSTOP)
        long.send(body[-1000:])
        one.process.send_signal(signal.SIGTERM)
        one.process.send_signal(signal.SIGCONT)
        half.send(body[1000:])
        for wire in (long, half):
            answer = wire.answer()
            assert answer.status == 200 and answer.headers["connection"] == "close"
            assert len(answer.json["outputs"][0]["data"]) == 50000
        assert one.stop(None) == 0
        assert idle.socket.recv(1) == b""
    assert 'reason="all requests were answered"' in one.lines[-1]
    with pytest.raises(ConnectionError):
        Wire(one.address)


def test_second_signal_ends_at_once(models):
    one = Server(models, "--threads", "1", "--drain-timeout-s", "60")
    with one.wire() as wire:
        wire.send(b"POST /v2/models/binary/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        time.sleep(0.3)
        one.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert one.process.poll() is None
        began = time.monotonic()
        assert one.stop() == -signal.SIGTERM
        assert time.monotonic() - began < 5


def test_signal_sent_twice_at_once_is_one(models):
    one = Server(models, "--threads", "1")
    one.process.send_signal(signal.SIGTERM)
    assert one.stop(signal.SIGTERM) == 0

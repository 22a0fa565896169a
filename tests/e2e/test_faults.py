# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever happens to the folder of models, to the disk, to memory or to the clock, what
answers goes on answering, rightly; what is broken is told with its reason; nothing is lost in the
accounts, and nothing leaks.

Method: real servers over folders of the test's own, which are harmed while clients ask without a
pause and count what they are answered. Each test ends with the accounts, the descriptors, the
memory and a clean stop.
"""

import collections
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time

import pytest

from accounts import assert_accounts_equal, counted
from conftest import Server, is_sanitized, request

# One answer a content: the rules say the number.
CONTENT = """\
rules: 1
inputs: {{x: {{datatype: FP64, default: 0}}}}
outputs: {{prediction: FP64}}
cases:
  - otherwise: {}
"""
MB = 1 << 20


def put_rules(folder, model, version, value):
    """A whole version, by rename."""
    made = folder / f".{model}-{version}"
    made.mkdir(parents=True)
    (made / "rules.yaml").write_text(CONTENT.format(value), encoding="utf-8")
    (folder / model).mkdir(exist_ok=True)
    made.rename(folder / model / str(version))


def states_of(server):
    return {(e["name"], e.get("version", "")): (e["state"], e.get("reason", ""))
            for e in server.post("/v2/repository/index", {}).json}


def failures_of(server, model, version):
    return counted(server.metrics(), "ax_model_load_failures_total").get((model, version), 0)


def eventually(claim, seconds=30):
    """Until it holds; what it is at last."""
    end = time.monotonic() + seconds
    while not (found := claim()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def rescan(server):
    server.process.send_signal(signal.SIGHUP)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


class Clients:
    """They ask one after the other until told to stop; what they were answered, counted."""

    def __init__(self, server, models, count=2):
        self.server, self.models = server, models
        self.answers = collections.Counter()  # (model, status, prediction)
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.failures, self.failures[0]

    def run(self, seed):
        choose = random.Random(seed)
        try:
            with self.server.wire() as wire:
                while not self.over.is_set():
                    model = choose.choice(self.models)
                    answer = wire.request("POST", f"/v1/models/{model}/predict", {"rows": [{}]})
                    value = answer.json["predictions"][0]["prediction"] \
                        if answer.status == 200 else None
                    with self.lock:
                        self.answers[model, answer.status, value] += 1
                    time.sleep(0.001)
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(failure)

    def wait_for(self, model, status, value=None, more=20):
        """Until so many more were answered so."""
        key = (model, status, value)
        before = self.answers[key]
        assert eventually(lambda: self.failures or self.answers[key] >= before + more), key
        assert not self.failures, self.failures[0]

    def of(self, model):
        return {k[1:]: n for k, n in self.answers.items() if k[0] == model}

    @property
    def sent(self):
        return sum(self.answers.values())


Rest = collections.namedtuple("Rest", "descriptors resident_bytes")


def rest_of(server):
    """What it has open and in memory, with one connection."""
    return Rest(descriptors(server) + 1, server.resident_bytes())


def finish(server, sent, at_rest):
    """The accounts agree and are what was sent, nothing has leaked, and it stops cleanly."""
    assert eventually(lambda: descriptors(server) <= at_rest.descriptors, 10), descriptors(server)
    if not is_sanitized():
        assert server.resident_bytes() < at_rest.resident_bytes + 24 * MB
    return assert_accounts_equal(server, sent)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "models"
    path.mkdir()
    return path


@pytest.fixture
def start(folder, tmp_path):
    """Servers over the folder, with a folder of state of their own."""
    started = []

    def run(*options):
        one = Server(folder, "--threads", "1", "--state", str(tmp_path / "state"), *options)
        started.append(one)
        return one, rest_of(one)
    yield run
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGKILL)


# ---- files ----


def test_a_truncated_file_is_no_version(folder, start, models):
    """It is being copied: the old one answers until the new one is whole."""
    whole = (models / "binary/1/model.json").read_bytes()
    (folder / "m/1").mkdir(parents=True)
    (folder / "m/1/model.json").write_bytes(whole)
    put_rules(folder, "other", 1, 0.5)
    one, at_rest = start()
    with Clients(one, ["m", "other"]) as clients:
        clients.wait_for("other", 200, 0.5)
        value = next(v for status, v in clients.of("m") if status == 200)
        for i, part in enumerate([0, 1, len(whole) // 3, len(whole) - 1], 1):
            (folder / "m/2").mkdir(exist_ok=True)
            (folder / "m/2/model.json").write_bytes(whole[:part])
            rescan(one)
            assert eventually(lambda: failures_of(one, "m", "2") == i)  # pylint: disable=W0640
            assert eventually(lambda: states_of(one)["m", "2"][0] == "UNAVAILABLE")
            assert states_of(one)["m", "2"][1]
            clients.wait_for("m", 200, value)
        # Cut while it may be read: what comes is what is there at last.
        for part in (len(whole) // 2, len(whole)) * 5:
            with open(folder / "m/2/model.json", "r+b") as file:
                file.truncate(part)
                file.seek(0)
                file.write(whole[:part])
            rescan(one)
        assert eventually(lambda: states_of(one)["m", "2"][0] == "READY")
        clients.wait_for("m", 200, value)
    assert set(clients.of("m")) == {(200, value)}
    finish(one, clients.sent, at_rest)


def test_replaced_in_place(folder, start):
    """The same file, written over or replaced, under load: each answer is one content's."""
    put_rules(folder, "m", 1, 0.0)
    one, at_rest = start()
    path = folder / "m/1/rules.yaml"
    with Clients(one, ["m"]) as clients:
        for i in range(1, 21):
            text = CONTENT.format(i / 100)
            if i % 2:
                path.write_text(text, encoding="utf-8")
            else:
                beside = folder / "m/.next"
                beside.write_text(text, encoding="utf-8")
                beside.replace(path)
            rescan(one)
            if i % 5 == 0:
                clients.wait_for("m", 200, i / 100)
    assert {status for status, _ in clients.of("m")} == {200}
    assert {v for _, v in clients.of("m")} <= {i / 100 for i in range(21)}
    finish(one, clients.sent, at_rest)


def test_a_folder_that_goes_under_load(folder, start):
    put_rules(folder, "goes", 1, 0.1)
    put_rules(folder, "stays", 1, 0.2)
    one, at_rest = start()
    sent = 0
    for _ in range(3):
        with Clients(one, ["goes", "stays"]) as clients:
            clients.wait_for("goes", 200, 0.1)
            shutil.rmtree(folder / "goes")
            rescan(one)
            clients.wait_for("goes", 404)
            put_rules(folder, "goes", 1, 0.1)
            rescan(one)
            clients.wait_for("goes", 200, 0.1)
        assert set(clients.of("stays")) == {(200, 0.2)}
        assert {status for status, _ in clients.of("goes")} <= {200, 404, 503}
        sent += clients.sent
    accounts = finish(one, sent, at_rest)
    # It left three times, and what it had counted is there.
    assert accounts["_gone", ""]["success"] > 0


@pytest.mark.parametrize("kind", ["dangling", "loop", "folder", "fifo", "denied", "device"])
def test_what_cannot_be_read(folder, start, kind, tmp_path, monkeypatch):
    put_rules(folder, "good", 1, 0.5)
    bad = folder / "bad/1"
    bad.mkdir(parents=True)
    path = bad / "model.json"
    if kind in ("dangling", "loop"):
        path.symlink_to("nowhere" if kind == "dangling" else "model.json")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_text("{}", encoding="utf-8")
        path.chmod(0)
        if os.getuid() == 0:  # which may read everything, unless it is taken from it
            program = tmp_path / "auspex"
            program.write_text(
                "#!/bin/sh\nexec setpriv --bounding-set=-dac_override,-dac_read_search "
                "--inh-caps=-dac_override,-dac_read_search "
                f"'{os.environ['AX_BINARY']}' \"$@\"\n", encoding="utf-8")
            program.chmod(0o700)
            monkeypatch.setenv("AX_BINARY", str(program))
    one, at_rest = start()
    with Clients(one, ["good", "bad"], count=1) as clients:
        clients.wait_for("good", 200, 0.5)
        clients.wait_for("bad", 503)
        state, reason = states_of(one)["bad", "1"]
        assert state == "UNAVAILABLE" and reason
        assert kind != "denied" or "Permission denied" in reason
        # What is put right is found.
        shutil.rmtree(bad)
        put_rules(folder, "bad", 2, 0.7)
        rescan(one)
        clients.wait_for("bad", 200, 0.7)
    finish(one, clients.sent, at_rest)


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 64 KiB, where that can be had."""
    path = tmp_path / "state"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(path)],
                          capture_output=True, check=False)
    if done.returncode:
        yield None
        return
    (path / "filler").write_bytes(bytes(48 << 10))
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk(folder, start, models, full_disk):
    """No image can be written: the model is served from memory, and the log tells so."""
    shutil.copytree(models / "binary", folder / "binary")
    shutil.copytree(models / "classes", folder / "classes")
    one, at_rest = start()
    if full_disk is None:
        # The same for one process, whose files may not grow any more.
        shutil.rmtree(folder / "classes")
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
        shutil.copytree(models / "interval", folder / "interval")
        rescan(one)
    name = "binary" if full_disk else "interval"
    assert eventually(lambda: states_of(one).get((name, "1" if name != "binary" else "2"),
                                                 ("",))[0] == "READY")
    statuses = [one.predict(name, {}).status for _ in range(5)]
    assert statuses == [200] * 5
    assert eventually(lambda: any("image" in s and "level=warn" in s for s in one.lines)), one.lines
    finish(one, 5, at_rest)


def test_versions_of_one_digest(folder, start, models):
    """Several versions of the same bytes share an image, and each lives its own life."""
    for name in ("a/1", "a/2", "b/1"):
        shutil.copytree(models / "binary/1", folder / name)
    one, at_rest = start("--version-policy", "all")
    with Clients(one, ["a", "b"]) as clients:
        clients.wait_for("a", 200, one.predict("a", {}).json["predictions"][0]["prediction"])
        shutil.rmtree(folder / "a/2")
        rescan(one)
        assert eventually(lambda: ("a", "2") not in states_of(one))
        shutil.rmtree(folder / "b")
        rescan(one)
        clients.wait_for("b", 404)
    values = {v for (status, v) in [*clients.of("a"), *clients.of("b")] if status == 200}
    assert len(values) == 1
    assert {status for status, _ in clients.of("a")} == {200}
    finish(one, clients.sent + 1, at_rest)


@pytest.fixture
def quick_folder(folder):
    """The folder of models in memory, if there is a place, where ten thousand folders are made and
    removed quickly."""
    if not os.access("/dev/shm", os.W_OK):
        yield folder
        return
    path = tempfile.mkdtemp(prefix="auspex-test-", dir="/dev/shm")
    folder.rmdir()
    folder.symlink_to(path)
    yield pathlib.Path(path)
    shutil.rmtree(path)


@pytest.mark.plain
def test_ten_thousand_versions(quick_folder, start):
    """A model with a history, of which one version is served."""
    folder = quick_folder
    count = 9990
    text = CONTENT.format(0.3)
    for i in range(count):
        path = folder / "long" / str(i + 1)
        path.mkdir(parents=True)
        (path / "rules.yaml").write_text(text, encoding="utf-8")
    put_rules(folder, "short", 1, 0.5)
    one, at_rest = start("--version-policy", "latest:1")
    states = states_of(one)
    assert len(states) == count + 1
    assert [k for k, v in states.items() if v[0] == "READY"] == [("long", str(count)),
                                                                 ("short", "1")]
    before = one.resident_bytes()
    with Clients(one, ["long", "short"]) as clients:
        for i in range(3):
            put_rules(folder, "long", count + 1 + i, 0.4 + i)
            rescan(one)
            clients.wait_for("long", 200, 0.4 + i)
    assert one.resident_bytes() < before + 16 * MB < 128 * MB
    assert len(one.get("/metrics").body) < MB
    accounts = finish(one, clients.sent, at_rest)
    assert sum(sum(of.values()) for of in accounts.values()) == clients.sent


@pytest.mark.plain
def test_a_load_over_the_limit_of_memory(folder, start, models):
    """The load fails, not the server; with memory again it works."""
    put_rules(folder, "small", 1, 0.5)
    one, at_rest = start()
    with Clients(one, ["small"]) as clients:
        clients.wait_for("small", 200, 0.5)
        (folder / "big/1").mkdir(parents=True)
        with open(folder / "big/1/model.json", "wb") as file:
            file.write((models / "binary/1/model.json").read_bytes() + b" " * (300 * MB))
        status = pathlib.Path(f"/proc/{one.process.pid}/status").read_text(encoding="utf-8")
        size = int(status.split("VmSize:")[1].split()[0]) << 10
        resource.prlimit(one.process.pid, resource.RLIMIT_AS, (size + 64 * MB,) * 2)
        rescan(one)
        assert eventually(lambda: states_of(one).get(("big", "1"), ("", ""))[1])
        state, reason = states_of(one)["big", "1"]
        assert state == "UNAVAILABLE" and "memory" in reason, reason
        clients.wait_for("small", 200, 0.5)
        put_rules(folder, "small", 2, 0.6)
        rescan(one)
        clients.wait_for("small", 200, 0.6)
    assert {status for status, _ in clients.of("small")} == {200}
    finish(one, clients.sent, at_rest)


# ---- the clock ----


@pytest.mark.plain
def test_the_clock_jumps(folder, start, tmp_path, monkeypatch):
    """The wall clock alone: deadlines and waits are measured with another."""
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("qq", 0, 0))
    monkeypatch.setenv("AX_TEST_CLOCK", str(clock))
    monkeypatch.setenv("LD_PRELOAD", os.environ["AX_BUILD"] + "/tests/jumping_clock.so")
    put_rules(folder, "m", 1, 0.0)
    one, at_rest = start()
    monkeypatch.delenv("LD_PRELOAD")
    day = 24 * 3600
    with Clients(one, ["m"]) as clients:
        for i, jump in enumerate([day, -2 * day, 3600, -3600, 400 * day, -20 * 365 * day, 0], 1):
            with open(clock, "r+b") as file:
                file.write(struct.pack("q", jump))
            put_rules(folder, "m", i + 1, i / 10)
            rescan(one)
            clients.wait_for("m", 200, i / 10)
            told = one.get("/v2/models/m/stats").json["model_stats"]
            last = max(s["last_inference"] for s in told) / 1000
            assert abs(last - time.time() - jump) < 60
    assert {status for status, _ in clients.of("m")} == {200}
    finish(one, clients.sent, at_rest)


# ---- kill -9 ----


def leftovers(state):
    """Files of writers that were killed, of which a clean start has removed what is dead. An image
    that was being written goes when it is an hour old: another process might still write it."""
    return [p for p in state.rglob("*") if p.suffix != ".new" and (
        p.name.startswith(".") or "tmp" in p.suffix
        or (p.parent.name == "images" and p.is_file() and p.suffix not in (".img", ".tune")))]


def rows_max(server, model):
    return server.get(f"/v2/models/{model}/config").json["max_batch_size"]


def end_amid_an_unload(server, choose):
    """Killed between an unload and the end of an ordinary end, which writes popularity."""
    server.wait_ready()
    assert server.predict("forest", {}).status == 200
    with server.wire() as wire:
        wire.send(request("POST", "/v2/repository/models/forest/unload", {}))
        if choose.random() < 0.5:
            server.process.terminate()
        time.sleep(choose.random() * 0.02)
        server.process.kill()
    assert server.stop(signal.SIGKILL) in (-signal.SIGKILL, 0)


def kill_runs(folder, state, models, count):
    """Kill servers, one after the other, while they load, make images, take orders, unload, and
    write what was popular: each one must have started, on what the one before left behind. The
    settings that may be in force."""
    whole = (models / "binary/1/model.json").read_bytes()
    choose = random.Random(7)
    allowed = {1 << 20}
    options = ("--threads", "1", "--state", str(state), "--model-control", "explicit",
               "--model-memory-max", str(1 << 30))
    for i in range(1, count + 1):
        # Other bytes, of which another image is made.
        (folder / "forest/1/model.json").write_bytes(whole + b" " * i)
        one = Server(folder, *options, wait=False)
        wait_s = choose.random() * 0.3
        if i % 4 == 1:
            time.sleep(wait_s)
            assert one.process.poll() is None, one.lines
        elif i % 4 == 3:
            end_amid_an_unload(one, choose)
            continue
        else:
            one.wait_ready()
            assert rows_max(one, "ordered") in allowed
            assert one.predict("forest", {}).status == 200
            assert order(one, i).status == 200
            # And one more, which nobody waits for.
            allowed = {i, i + 1}
            with one.wire() as wire:
                wire.send(order_bytes(i + 1))
                time.sleep(wait_s / 10)
                one.process.kill()
        assert one.stop(signal.SIGKILL) == -signal.SIGKILL
    return allowed, options


def order_bytes(value):
    config = json.dumps({"max_batch_size": value})
    return request("POST", "/v2/repository/models/ordered/load",
                   {"parameters": {"config": config}})


def order(server, value):
    with server.wire() as wire:
        wire.send(order_bytes(value))
        return wire.answer()


@pytest.mark.plain
def test_killed_at_any_moment(folder, tmp_path, models):
    state = tmp_path / "state"
    put_rules(folder, "ordered", 1, 0.5)
    (folder / "forest/1").mkdir(parents=True)
    allowed, options = kill_runs(folder, state, models, 50)
    one = Server(folder, *options)
    at_rest = rest_of(one)
    assert {k: v[0] for k, v in states_of(one).items()} == dict.fromkeys(
        [("forest", "1"), ("ordered", "1")], "READY")
    assert rows_max(one, "ordered") in allowed
    assert [one.predict(m, {}).status for m in ("forest", "ordered")] == [200, 200]
    finish(one, 2, at_rest)
    assert (state / "popularity").stat().st_size > 0
    assert not leftovers(state)

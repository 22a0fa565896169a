# SPDX-License-Identifier: Apache-2.0
"""Goal: a command that changes what a running server owns has the server do it, and nobody can tell
the difference by its output, its exit status or by what is in force after; whoever is killed,
something is done whole or not at all.

Method: `auspex apply` beside servers and without one, on small definitions. What takes long is made
so by another writer of the registry, for whose end the server waits; requests that no command
sends go through a socket of the test's own.
"""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys

import history
import pytest

from conftest import Server

FLIGHTS = """\
auspex: 1
entities: {user: {keys: {id: int64}}}
sources:
  clicks: {files: clicks.csv, time: at, columns: {id: int64, at: timestamp, price: float64}}
views:
  last: {entity: user, source: clicks, ttl: 3h, fields: {price: price * 2}}
services:
  buy: {features: [{view: last}]}
models:
  shop:
    service: buy
    train: {rows: {sql: rows.sql}, at: at, label: "bought", label_known_at: later,
            split: {stop_from: "2024-02-01", test_from: "2024-03-01"},
            params: {objective: "binary:logistic"}}
"""


class Folder:
    """Definitions, and a state directory below whatever is asked for."""

    def __init__(self, path, state="state"):
        self.path, self.state = path, path / state
        (path / "d").mkdir()
        (path / "models").mkdir()
        (path / "d/rows.sql").write_text("select 1 as a order by a", encoding="utf-8")
        (path / "d/clicks.csv").write_text("id,at,price\n1,2024-01-01 00:00:00Z,2.5\n",
                                           encoding="utf-8")
        self.define()

    def define(self, *change):
        text = FLIGHTS.replace(*change) if change else FLIGHTS
        assert not change or text != FLIGHTS
        (self.path / "d/f.yaml").write_text(text, encoding="utf-8")

    def command(self, *options, state=None):
        return [os.environ["AX_BINARY"], "apply", *options, "--state", state or self.state, "d"]

    def apply(self, *options, state=None):
        done = subprocess.run(self.command(*options, state=state), cwd=self.path, check=False,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def begin_apply(self, *options):
        return subprocess.Popen(self.command(*options), cwd=self.path, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def serve(self, *options):
        return Server(self.path / "models", "--threads", "1", "--state", str(self.state), *options)

    def applies(self):
        shown = history.run("features", "list", "--kind", "apply", "--json", "--state", self.state)
        return [json.loads(line) for line in shown.stdout.splitlines()]

    @contextlib.contextmanager
    def writing(self):
        """Another writer of the registry: who applies waits meanwhile, for seconds."""
        with contextlib.closing(sqlite3.connect(self.state / "registry.db", isolation_level=None,
                                                timeout=60)) as database:
            database.execute("begin immediate")
            yield

    def connect(self, *arguments, **changes):
        """A client of the test's own, that has sent a request of these members, or the bytes."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(str(self.state / "control.sock"))
        members = {"command": "apply", "who": "t@h", "typed": "auspex apply", "arguments":
                   list(arguments), "folder": str(self.path / "d"), **changes}
        client.sendall(json.dumps(members).encode() + b"\n")
        return client


def answer(client):
    with client, client.makefile("rb") as file:
        return [json.loads(line) for line in file]


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def in_force(server):
    return server.get("/v1/features").json["apply"]


def test_apply_is_the_same_beside_a_server(folder, tmp_path):
    (tmp_path / "alone").mkdir()
    alone = Folder(tmp_path / "alone")
    server = folder.serve()
    plain = "--check=false"
    steps = [((), ()), ((), (plain, "--json")), ((), (plain,)),
             (("price: price * 2", "price: price * 3"), (plain,)),
             (("price: price * 2", "cost: price * 3"), (plain,)),
             (("price: price * 2", "cost: price * 3"), (plain, "--json",)),
             (("price: price * 2", "cost: price * 3"), (plain, "--force",)),
             (("files: clicks.csv", "files: none.csv"), ("--force",)),
             (("auspex: 1", "auspex: 1\nproject: other"), (plain,)),
             (("auspex: 1", "auspex: 1\nproject: other"), (plain, "--force", "--json")),
             (("fields:", "feilds:"), ())]
    statuses = []
    for change, options in steps:
        folder.define(*change)
        alone.define(*change)
        status, told, error = folder.apply(*options)
        expected = alone.apply(*options)
        assert (status, told, error.replace(f"{tmp_path}/", f"{alone.path}/")) == expected
        statuses.append(status)
        last = re.search(r'"applied":(\d+)|applied: (\d+)', told)
        if last:
            assert in_force(server) == int(last[1] or last[2])
    assert statuses == [0, 0, 0, 0, 1, 1, 0, 4, 1, 0, 3]
    assert server.stop() == 0
    kept = ("apply", "command", "who", "folder", "forced", "added", "changed", "dropped", "project")
    both = [[{k: one.get(k) for k in kept} for one in of.applies()] for of in (folder, alone)]
    assert both[0] == json.loads(json.dumps(both[1]).replace(f"{alone.path}/", f"{tmp_path}/"))
    assert len(both[0]) == 4
    assert sum("event=\"a command's request has ended\"" in line for line in server.lines) == 10


def test_two_at_once(folder):
    folder.apply()
    server = folder.serve()
    with folder.writing():
        folder.define("3h", "4h")
        first = folder.begin_apply()
        assert first.stdout.readline().startswith("~ view last")
        waiting = folder.connect("--json")
        with waiting.makefile("rb") as file:
            note = json.loads(file.readline())["note"]
        assert note == f"waiting behind apply of process {first.pid}"
        # Whoever goes while it waits is not heard.
        folder.connect("--force", "--", "../d").close()
    assert "applied: 2\n" in first.communicate(timeout=60)[0] and first.returncode == 0
    assert answer(waiting)[-1] == {"end": "OK"}
    assert answer(folder.connect())[-1] == {"end": "OK"} and in_force(server) == 2
    assert server.metrics().get("ax_control_jobs_total", code="OK") == 3
    assert server.metrics().get("ax_control_jobs_total", code="CANCELLED") == 1
    assert server.stop() == 0


def test_a_server_that_is_killed(folder):
    folder.apply()
    server = folder.serve()
    with folder.writing():
        folder.define("3h", "4h")
        client = folder.begin_apply()
        assert client.stdout.readline().startswith("~ view last")
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        _, told = client.communicate(timeout=60)
        assert client.returncode == 5 and "the server has ended before it answered" in told
    assert len(folder.applies()) == 1 and (folder.state / "control.sock").exists()
    # Without a server, beside the socket that one has left; and by the next one, in its place.
    assert folder.apply()[0] == 0 and len(folder.applies()) == 2
    server = folder.serve()
    folder.define("3h", "5h")
    assert folder.apply()[0] == 0 and in_force(server) == 3
    assert server.stop() == 0 and not (folder.state / "control.sock").exists()


def test_a_server_that_is_stopped(folder):
    """What it does is done whole or not at all, and its client learns which."""
    folder.apply()
    server = folder.serve()
    with folder.writing():
        folder.define("3h", "4h")
        first = folder.begin_apply()
        assert first.stdout.readline().startswith("~ view last")
        waiting = folder.connect()
        with waiting.makefile("rb") as file:
            assert "waiting behind apply" in json.loads(file.readline())["note"]
        server.process.send_signal(signal.SIGTERM)
    assert server.stop() == 0
    last = answer(waiting)[-1]
    # Its turn may come before the server ends those that wait.
    assert last["end"] == "UNAVAILABLE"
    assert last["error"].startswith(("the server stops", "the server is starting or ending"))
    _, told = first.communicate(timeout=60)
    assert first.returncode in (0, 5), told
    assert len(folder.applies()) == 1 + (first.returncode == 0)


def test_one_owner(folder):
    server = folder.serve()
    for options in ((), ("--model-control", "explicit")):
        with pytest.raises(RuntimeError, match=f"in use by process {server.process.pid} "
                                               r"\(auspex serve\): give each its own --state"):
            folder.serve(*options)
    assert folder.apply()[0] == 0 and in_force(server) == 1
    assert server.stop() == 0
    # Whoever has it is told, when nobody listens there.
    with open(folder.state / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()} auspex materialize\n".encode())
        lock.flush()
        status, _, error = folder.apply()
        assert status == 5 and f"process {os.getpid()} (auspex materialize)" in error
        with pytest.raises(RuntimeError, match="auspex materialize"):
            folder.serve()
    # What is no socket stays, and there is no server to be asked.
    (folder.state / "control.sock").write_text("mine", encoding="utf-8")
    server = folder.serve()
    assert any("commands are not taken" in line for line in server.lines)
    status, _, error = folder.apply()
    assert status == 5 and "(auspex serve)" in error
    assert server.stop() == 0 and (folder.state / "control.sock").read_text("utf-8") == "mine"


def test_what_is_refused(folder):
    server = folder.serve()
    for changes, code, says in [
            ({"command": "drop"}, "UNSUPPORTED", "the server knows no command 'drop'"),
            ({"arguments": ["--farce"]}, "NOT_FOUND", "no option '--farce'"),
            ({"arguments": ["--", "nowhere"]}, "NOT_FOUND", "d/nowhere"),
            ({"arguments": [1]}, "INVALID", "the request: 'arguments' is not a text"),
            ({"folder": "d"}, "INVALID", "the request: 'folder' is no absolute path"),
            ({"more": 1}, "INVALID", "the request: a request has no member 'more'"),
            ({"who": "x" * 70000}, "TOO_LARGE", "more than 65536 bytes")]:
        last = answer(folder.connect(**changes))[-1]
        assert last["end"] == code and says in last["error"], last
    assert answer(folder.connect("--json"))[-1] == {"end": "OK"}
    assert server.stop() == 0


def test_who_may(folder):
    server = folder.serve()
    path = folder.state / "control.sock"
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    if os.geteuid() == 0:
        # Another user: where the modes let one in, the server does not.
        folder.state.chmod(0o711)
        program = ("import os, socket, sys; os.chdir(sys.argv[1]); os.setuid(65534)\n"
                   "client = socket.socket(socket.AF_UNIX)\n"
                   "try: client.connect('control.sock'); print(client.recv(999))\n"
                   "except PermissionError: print('no')")
        told = []
        for mode in (0o600, 0o666):
            path.chmod(mode)
            told.append(subprocess.run([sys.executable, "-c", program, folder.state], check=True,
                                       capture_output=True, text=True).stdout)
        assert told[0] == "no\n" and '"end":"DENIED"' in told[1], told
    assert server.stop() == 0


def test_a_long_path(tmp_path):
    """Longer than the address of a socket may be."""
    folder = Folder(tmp_path, "/".join(["a" * 60] * 3))
    folder.state.parent.mkdir(parents=True)
    server = folder.serve()
    assert folder.apply()[0] == 0 and in_force(server) == 1
    assert server.stop() == 0 and not (folder.state / "control.sock").exists()

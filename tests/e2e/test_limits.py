# SPDX-License-Identifier: Apache-2.0
"""Goal: limits of connections hold for the whole process, are told and counted; without descriptors
accepting pauses and recovers; idle and slow clients by the thousand cost little and leave nothing.

Method: the real binary under real limits (prlimit), clients from several loopback addresses, and a
good prediction after each. Only counts are asserted: answers, metrics, descriptors, memory.
"""

import contextlib
import os
import resource
import selectors
import socket
import struct
import time

import pytest

from conftest import Server, is_sanitized, request
from hostile import GOOD, GOOD_REQUEST, INFER, head

PATIENCE_S = 30


def raise_descriptors():
    """As many descriptors as this process may have; how many that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def until(condition):
    """Wait until it holds; False when it does not for long."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def connect(server, source="127.0.0.1"):
    return socket.create_connection(server.address, timeout=PATIENCE_S, source_address=(source, 0))


def ask(one):
    """The status of a good prediction, 0 at the end, -1 after a reset."""
    try:
        one.sendall(GOOD_REQUEST)
        data = b""
        while b"\r\n\r\n" not in data:
            more = one.recv(1 << 16)
            if not more:
                return 0
            data += more
    except (ConnectionResetError, BrokenPipeError):
        return -1
    return int(data.split()[1])


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


@contextlib.contextmanager
def serving(models, *options):
    one = Server(models, *options)
    yield one
    assert one.post(INFER, GOOD).status == 200
    assert one.stop() == 0


@contextlib.contextmanager
def closing(sockets):
    yield sockets
    for one in sockets:
        one.close()


def open_connections(server):
    """But for the one that asks."""
    return server.metrics()["ax_http_connections"] - 1


def test_connections_of_all_threads(models):
    with serving(models, "--threads", "2", "--connections-max", "20") as one:
        # Whichever thread the kernel gives them to.
        with closing([connect(one) for _ in range(20)]) as kept:
            assert [ask(s) for s in kept] == [200] * 20
            for _ in range(30):
                with connect(one) as late:
                    assert ask(late) in (503, 0, -1)
            # One that says nothing gets to read why.
            with connect(one) as late:
                answer = late.recv(4096)
                assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1\r\n" in answer
                assert b"connections_max" in answer and late.recv(1) == b""
            assert [ask(s) for s in kept] == [200] * 20
        assert until(lambda: one.get("/v2/health/live").status == 200)
        assert one.metrics().get("ax_http_refused_total", reason="connections_max") >= 31


def test_connections_of_a_peer(models):
    with serving(models, "--threads", "2", "--connections-per-peer-max", "5") as one:
        for source in ("127.0.0.2", "127.0.0.3"):
            with closing([connect(one, source) for _ in range(5)]) as kept:
                assert [ask(s) for s in kept] == [200] * 5
                with connect(one, source) as late:
                    assert b"connections_per_peer_max" in late.recv(4096)
                with connect(one, "127.0.0.4") as other:
                    assert ask(other) == 200
                assert [ask(s) for s in kept] == [200] * 5
            # When they have left, there is room again.
            assert until(lambda: open_connections(one) == 0)
            with connect(one, source) as again:
                assert ask(again) == 200
        refused = one.metrics().get("ax_http_refused_total", reason="connections_per_peer_max")
        assert refused == 2


def test_connections_max_fits_the_descriptors(models, tmp_path, monkeypatch):
    """More was configured than the process may open: it is told, and the rest is refused."""
    script = tmp_path / "auspex"
    script.write_text(f"#!/bin/bash\nulimit -n 300\nexec {os.environ['AX_BINARY']} \"$@\"\n",
                      encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("AX_BINARY", str(script))
    with serving(models, "--threads", "1") as one:
        warned = [line for line in one.lines if "connections_max is lowered" in line]
        assert len(warned) == 1
        assert "lowered_to=150" in warned[0] and "descriptors=300" in warned[0]
        with closing([connect(one) for _ in range(150)]) as kept:
            assert [ask(s) for s in kept] == [200] * 150
            with connect(one) as late:
                assert b"connections_max" in late.recv(4096)
        assert until(lambda: one.get("/v2/health/live").status == 200)


def test_descriptors_run_out(models):
    """Who is connected is served, who connects waits, nobody is lost, and nothing spins."""
    with serving(models, "--threads", "2") as one, contextlib.ExitStack() as stack:
        kept = stack.enter_context(closing([connect(one) for _ in range(20)]))
        assert [ask(s) for s in kept] == [200] * 20
        before = resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (descriptors(one), before[1]))
        waiting = stack.enter_context(closing([connect(one) for _ in range(50)]))
        for late in waiting:
            late.sendall(GOOD_REQUEST)
        ticks, began = processor_ticks(one), time.monotonic()
        for _ in range(20):
            assert [ask(s) for s in kept] == [200] * 20
        while time.monotonic() < began + 1:
            time.sleep(0.1)
        assert not readable(waiting)
        metrics = read_metrics(kept[0])
        pauses = metrics_value(metrics, "ax_http_accept_pauses_total")
        # One a tenth of a second and thread at most; a loop that spins has thousands.
        elapsed = time.monotonic() - began
        assert 2 <= pauses <= 2 * (elapsed + 1) * 10 + 10
        assert processor_ticks(one) - ticks <= elapsed * 60 or is_sanitized()
        # Room for ten: they are taken, the others go on waiting.
        room = (descriptors(one) + 10, before[1])
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, room)
        assert until(lambda: len(readable(waiting)) == 10)
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, before)
        assert until(lambda: len(readable(waiting)) == 50)
        for late in waiting:
            assert late.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        assert [ask(s) for s in kept] == [200] * 20
        assert one.metrics().get("ax_http_refused_total", reason="descriptors") == 0


def processor_ticks(server):
    """Processor time so far, in hundredths of a second."""
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def readable(sockets):
    with selectors.PollSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(0)]


def read_metrics(one):
    """By a connection that there is, since no other could be made."""
    one.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data:
        data += one.recv(1 << 16)
    start, _, body = data.partition(b"\r\n\r\n")
    length = int(start.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += one.recv(1 << 16)
    return body.decode()


def metrics_value(text, name):
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


IDLE_BYTES_MAX = 2 << 10


def test_ten_thousand_idle_connections(models):
    """Each has asked and been answered, and then costs next to nothing; active ones go on."""
    count = 500 if is_sanitized() else min(10000, raise_descriptors() - 500)
    if count < 500:
        pytest.skip("this process may open too few descriptors")
    with serving(models, "--threads", "2") as one:
        with connect(one) as active:
            assert [ask(active) for _ in range(300)] == [200] * 300
            before = one.resident_bytes()
            with closing([connect(one) for _ in range(count)]) as idle:
                for some in range(0, count, 500):
                    assert [ask(s) for s in idle[some:some + 500]] == [200] * len(
                        idle[some:some + 500])
                assert one.metrics()["ax_http_connections"] == count + 2
                growth = one.resident_bytes() - before
                assert is_sanitized() or growth <= count * IDLE_BYTES_MAX, growth / count
                assert [ask(active) for _ in range(100)] == [200] * 100
            assert until(lambda: open_connections(one) == 1)
            assert one.metrics().get("ax_http_refused_total", reason="connections_max") == 0


# ---- a thousand clients that are slow, and a hundred that vanish ----

def slow_clients(server, count, start):
    found = []
    for _ in range(count):
        one = connect(server)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(start)
        one.setblocking(False)
        found.append(one)
    return found


SLOW_HEAD = b"POST " + INFER.encode() + b" HTTP/1.1\r\nhost: x\r\na: "
SLOW_BODY = head("content-length: 100000") + b"{"
UNREAD = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 1000


def test_a_thousand_slow_clients(models):
    """Heads and bodies that are trickled, and answers that are not read: others are served
    meanwhile, memory is bounded, and all end by the timeouts."""
    raise_descriptors()
    count, unread = (50, 5) if is_sanitized() else (480, 40)
    with serving(models, "--threads", "2", "--header-timeout-s", "2", "--body-timeout-s", "2",
                 "--write-timeout-s", "2") as one:
        before, files = one.resident_bytes(), descriptors(one)
        with contextlib.ExitStack() as stack:
            active = stack.enter_context(connect(one))
            slow = stack.enter_context(closing(slow_clients(one, count, SLOW_HEAD) +
                                               slow_clients(one, count, SLOW_BODY)))
            stack.enter_context(closing(slow_clients(one, unread, UNREAD)))
            growth = served = 0
            end = time.monotonic() + PATIENCE_S
            while open_connections(one) > 1 and time.monotonic() < end:
                for client in slow:
                    with contextlib.suppress(OSError):
                        client.send(b"b")
                assert ask(active) == 200
                growth = max(growth, one.resident_bytes() - before)
                served += 1
            assert served
            # A head's buffers, a body's beginning; and a megabyte of answers, with those at work.
            most = 2 * count * (48 << 10) + unread * (5 << 20)
            assert is_sanitized() or growth <= most, growth
            metrics = one.metrics()
            assert metrics.get("ax_http_timeouts_total", kind="header") == count
            assert metrics.get("ax_http_timeouts_total", kind="body") == count
            assert metrics.get("ax_http_timeouts_total", kind="write") == unread
            assert metrics.get("ax_http_holds_total", reason="output") + metrics.get(
                "ax_http_holds_total", reason="pipeline_requests_max") >= unread
        assert until(lambda: open_connections(one) == 0)
        assert descriptors(one) == files


def vanish(client, how):
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "half":
        client.shutdown(socket.SHUT_WR)
    client.close()


def test_clients_that_vanish_everywhere(models):
    """In heads, bodies and behind requests, by a reset, a close, or a half one first."""
    with serving(models, "--threads", "2") as one:
        files = descriptors(one)
        cuts = [0, 1, 20, len(GOOD_REQUEST) // 2, len(GOOD_REQUEST) - 1, len(GOOD_REQUEST)]
        for turn in range(3 if is_sanitized() else 20):
            for cut in cuts:
                for how in ("reset", "close", "half"):
                    client = connect(one)
                    client.sendall(GOOD_REQUEST[:cut])
                    vanish(client, how)
            assert one.post(INFER, GOOD).status == 200, turn
        assert until(lambda: open_connections(one) == 0)
        assert descriptors(one) == files


# ---- clients that leave while their model is loaded ----

LONG_RULES = "rules: 1\ninputs: {x: FP64}\noutputs: {prediction: FP64}\ncases:\n" + "".join(
    f"  - {{when: x = {i}, then: {i}}}\n" for i in range(9999)) + "  - {otherwise: 0.5}\n"
COLD = 20


def count_cancelled(server):
    return sum(value for (name, labels), value in server.metrics().samples.items()
               if name == "ax_requests_total" and ("code", "CANCELLED") in labels)


def count_loaded(server):
    return sum(e["state"] == "READY" for e in server.post("/v2/repository/index").json)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_clients_that_leave_their_load(tmp_path, how):
    """What waits for a load ends when its client leaves, not when the load is done: more have ended
    than models were loaded."""
    for i in range(COLD):
        version = tmp_path / f"m{i}" / "1"
        version.mkdir(parents=True)
        (version / "rules.yaml").write_text(LONG_RULES, encoding="utf-8")
    one = Server(tmp_path, "--threads", "1", "--load-threads", "1", "--preload", "none")
    clients = [connect(one) for _ in range(COLD)]
    for i, client in enumerate(clients):
        client.sendall(request("POST", f"/v1/models/m{i}/predict", {"rows": [{"x": 1.0}]}))
    assert until(lambda: any(e["state"] == "LOADING" for e in
                             one.post("/v2/repository/index").json))
    for client in clients:
        vanish(client, how)
    seen = []

    def look():
        seen.append((count_cancelled(one), count_loaded(one)))
        return seen[-1][0] > seen[-1][1] + 2 or seen[-1][1] == COLD
    assert until(look)
    assert seen[-1][0] > seen[-1][1] + 2, seen
    assert one.stop() == 0

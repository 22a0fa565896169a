# SPDX-License-Identifier: Apache-2.0
"""Goal: the served benchmarks count what they say: the echo server answers once a request, CPU time
is a process's own, noisy rounds are left out, and ratios are ours over theirs.

Method: the echo server over sockets; a child that burns CPU; a stand-in for a server of others;
made-up rounds whose ratio is known. No time is measured here, and no peer is needed.
"""

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("bench/servers", "bench/compare", "bench")]

import bench_servers  # noqa: E402
import server_peers  # noqa: E402
import servers_picture  # noqa: E402
import servers_report  # noqa: E402

ECHO = pathlib.Path(os.environ["AX_BUILD"]) / "bench/echo"


@pytest.fixture(name="echo")
def start_echo(tmp_path):
    """Start it with words of the test's own; it says where it listens."""
    (tmp_path / "answer").write_bytes(b"<answer>")
    started = []

    def start(listen, *words):
        process = subprocess.Popen([ECHO, listen, tmp_path / "answer", *words],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        started.append(process)
        where = process.stdout.readline().strip()
        if where.startswith("unix:"):
            wire = socket.socket(socket.AF_UNIX)
            wire.connect(where.removeprefix("unix:"))
        else:
            host, port = where.split(":")
            wire = socket.create_connection((host, int(port)))
        wire.settimeout(30)
        return wire

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def receive(wire, count):
    data = b""
    while len(data) < count:
        data += wire.recv(1 << 16)
    return data


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "unix:{}/s"])
def test_echo_answers_each_read(echo, tmp_path, listen):
    with echo(listen.format(tmp_path)) as wire:
        for text in (b"a", b"b" * 1000):
            wire.sendall(text)
            assert receive(wire, 8) == b"<answer>"


def test_echo_counts_bytes(echo):
    """Requests of 100 bytes, however they are cut."""
    with echo("127.0.0.1:0", "100") as wire:
        wire.sendall(b"x" * 250)
        assert receive(wire, 16) == b"<answer>" * 2
        wire.sendall(b"x" * 49)
        wire.sendall(b"x" * 101)
        assert receive(wire, 16) == b"<answer>" * 2
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(100) == b""


@pytest.mark.parametrize("words", [[], ["127.0.0.1:0"], ["nowhere", "{}"], ["127.0.0.1:0", "/no"]])
def test_echo_refuses(tmp_path, words):
    (tmp_path / "answer").write_bytes(b"x")
    words = [w.format(tmp_path / "answer") for w in words]
    done = subprocess.run([ECHO, *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1 and done.stderr.startswith("echo: ") and done.stdout == ""


def test_cpu_time_is_that_of_the_process():
    code = ("import sys, time\nwhile time.process_time() < 0.2: pass\n"
            "print(flush=True); sys.stdin.read()")
    before = time.process_time_ns()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        used = bench_servers.cpu_ns(child.pid)
        user, system = bench_servers.cpu_ticks(child.pid)
        child.stdin.close()
    assert 200_000_000 <= used < 2_000_000_000
    assert 10 <= user + system <= 200
    assert abs(bench_servers.cpu_ns(os.getpid()) - time.process_time_ns()) < 50_000_000
    assert time.process_time_ns() > before


ORIGIN = {"commit": "abc", "date": "2026-01-01", "command": "run"}


def make_round(ours, theirs, steal=0.0, others=0.0, void=False):
    def one(cpu_us):
        return {"cpu_us": cpu_us, "user_us": cpu_us / 2, "requests_per_s": 1e6 / cpu_us,
                "rows_per_s": 1e6 / cpu_us, "rows_per_cpu_s": 1e6 / cpu_us, "server_busy": 0.9,
                "client_busy": 0.5, "p50_us": 50, "p99_us": 100, "p999_us": 200, "slip_p99_us": 1,
                "void": void}
    return {"slices": [one(ours[0]), one(theirs[0]), one(theirs[1]), one(ours[1])],
            "steal_percent": steal, "others_percent": others}


def test_ratios_are_ours_over_theirs():
    rounds = [make_round((12, 12 * f), (10, 10 * f)) for f in (1, 1.05, 0.95, 1.1, 0.9)]
    found = servers_report.digest(rounds, "cpu_us", "requests_per_s")
    assert found["kept"] == 5 and not found["is_noisy"]
    assert found["ratios"]["cpu_us"]["median"] == 1.2
    assert found["ratios"]["cpu_us"]["interval"] == [1.2, 1.2]
    low, high = found["ratios"]["cpu_us"]["band"]
    assert 0.9 <= low < 0.95 and 1.05 < high <= 1 / 0.9
    assert found["ours"]["cpu_us"] == 12 and found["theirs"]["cpu_us"] == 10
    assert 0.8 < found["ratios"]["requests_per_s"]["median"] < 0.84


@pytest.mark.parametrize("bad", [dict(steal=3.1), dict(others=5.1), dict(void=True)])
def test_noisy_rounds_do_not_count(bad):
    rounds = [make_round((12, 12), (10, 10)) for _ in range(4)]
    rounds += [make_round((30, 30), (10, 10), **bad) for _ in range(3)]
    found = servers_report.digest(rounds, "cpu_us", "requests_per_s")
    assert found["kept"] == 4 and not found["is_noisy"]
    assert found["ratios"]["cpu_us"]["interval"] == [1.2, 1.2]
    # Too few left: all count, and it is said.
    rounds += [make_round((30, 30), (10, 10), **bad) for _ in range(2)]
    found = servers_report.digest(rounds, "cpu_us", "requests_per_s")
    assert found["kept"] == 9 and found["is_noisy"]
    assert found["ratios"]["cpu_us"]["median"] == 3


def test_others_do_not_disturb_who_goes_before_them():
    rounds = [make_round((12, 12), (10, 10), others=90) for _ in range(4)]
    rounds += [make_round((30, 30), (10, 10), others=90, steal=4)]
    found = servers_report.digest(rounds, "cpu_us", "requests_per_s", has_priority=True)
    assert found["kept"] == 4 and not found["is_noisy"]


def test_a_floor_that_is_off_does_not_count():
    rounds = [make_round((12, 12), (10, 10)) for _ in range(5)] + [make_round((24, 24), (14, 14))]
    found = servers_report.digest(rounds, "cpu_us", "requests_per_s")
    assert found["kept"] == 5


def test_the_page_tells_ratios_goals_and_noise():
    quiet = servers_report.digest([make_round((12, 12), (10, 10)) for _ in range(3)], "cpu_us",
                                  "requests_per_s")
    busy = servers_report.digest([make_round((12, 12), (10, 10), others=50) for _ in range(3)],
                                 "cpu_us", "requests_per_s")
    scenario = {"title": "One", "figure": "cpu_us", "goal": "≤ 1.18×", "rows": 1, "load": 0,
                "rate": 0, "seconds": 3, "has_priority": False, **ORIGIN}
    page = servers_report.markdown({
        "machine": {"cpu": "C", "cores": 2, "features": "f", "system": "s", "kernel": "k",
                    "compiler": "g"},
        "scenarios": [{**scenario, "results": {"echo": quiet}},
                      {**scenario, "title": "Two", "results": {"echo": busy}}]})
    assert "| server CPU a request, us | 12.0 | 10.0 | **1.20×** (1.20–1.20) | ≤ 1.18× |" in page
    one, two = page.split("## Two")
    assert "| of it in user mode, us | 6.00 | 5.00 |  |  |  |" in page
    assert "3 of 3 rounds count." in one and "busy" not in one.replace("Client busy", "")
    assert "**Fewer than half of the 3 rounds had a quiet machine" in two
    assert "| of it the client's own, p99, us | 1.00 | 1.00 |" not in page


def test_a_child_counts_as_its_parents():
    code = ("import subprocess, sys\n"
            "with subprocess.Popen([sys.executable, '-c', 'import time\\n"
            "while time.process_time() < 0.2: pass\\nprint(flush=True)\\ninput()'], "
            "stdin=subprocess.PIPE) as child:\n    sys.stdin.read()\n    child.stdin.close()")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()
        pids = bench_servers.family(parent.pid)
        used = [bench_servers.cpu_ns(pid) for pid in pids]
        parent.stdin.close()
    assert pids[0] == parent.pid and len(pids) == 2
    assert used[0] < used[1] and 200_000_000 <= used[1] < 2_000_000_000


def test_bodies_are_the_same_rows(tmp_path):
    """Whatever a server's form is: as f32 the rows of one call and of many are the same bits."""
    rows = server_peers.make_rows(8, 3)
    read = []
    for body, a_call in ((server_peers.oip_body, 4), (server_peers.Peer.body, 1)):
        path = server_peers.write_bodies(tmp_path / "bodies", rows, a_call, body)
        bodies = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(bodies) == 8 // a_call
        read.append(np.float32([value for each in bodies for value in
                                (each["inputs"][0]["data"] if "inputs" in each
                                 else sum(each["rows"], []))]))
    assert (read[0] == read[1]).all()
    assert (read[0] == np.float32(rows).ravel()).all()
    assert all(str(np.float32(value)) == repr(value) for value in rows[0])


class Answering(http.server.BaseHTTPRequestHandler):
    """Adds up each row; to 100 rows and more it is too busy."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["rows"]
        status = 200 if len(rows) < 100 else 503
        text = json.dumps({"scores": [sum(row) for row in rows]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def test_answers_are_those_of_all_rows(tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        peer = server_peers.Peer(tmp_path, None)
        peer.port = server.server_port
        rows = [[float(i), 0.5] for i in range(150)]
        bodies = server_peers.write_bodies(tmp_path / "b", rows, 64, peer.body)
        assert (server_peers.answers(peer, bodies) == np.arange(150) + 0.5).all()
        bodies = server_peers.write_bodies(tmp_path / "b", rows, 128, peer.body)
        with pytest.raises(server_peers.Absent, match="status 503"):
            server_peers.answers(peer, bodies)
        server.shutdown()


def test_a_peer_that_ends_is_absent(tmp_path):
    peer = server_peers.Peer(tmp_path, None)
    peer.name = "ends"
    with peer.launch([sys.executable, "-c", "print('no such model'); raise SystemExit(1)"]):
        with pytest.raises(server_peers.Absent, match="no such model"):
            peer.wait_until_ready("{}")


def make_pair(figure, ours, theirs):
    """Rounds of a peer in which a figure of ours is `ours`, and the others follow."""
    rounds = [make_round((ours, ours), (theirs, theirs)) for _ in range(3)]
    return {"rate": 100, **servers_report.digest(rounds, figure, "requests_per_s")}


@pytest.mark.parametrize("parity, told", [
    ({"rows": 2112, "differing": 0, "worst_difference": 0}, "all 2,112 equal"),
    ({"rows": 2112, "differing": 3, "worst_difference": 2e-7},
     "3 of 2,112 differ, by 2.0e-07 at most")])
def test_a_peer_has_a_row_with_what_it_answered(parity, told):
    peer = {"name": "Other 1.0", "note": "as it is", "parity": parity, **ORIGIN, "scenarios": {
        "peer-json": make_pair("requests_per_s", 10, 1000),
        "peer-json64": make_pair("rows_per_s", 10, 200),
        "peer-p99": make_pair("p99_us", 10, 20)}}
    text = servers_report.peers_text({"peers": [peer], "absent": {"Gone": "no package"}}, "##")
    assert f"| Other 1.0 | {told} | 1,000 · 100,000<br>**100×** (100–100) | " \
        "1,000 · 10.0<br>**100×** (100–100) | 5,000 · 100,000<br>**20.0×** (20.0–20.0) | " in text
    assert "9 of 9 rounds were quiet; 0 of 36 slices void" in text
    assert "Other 1.0: as it is." in text and "Absent: Gone: no package." in text


def test_pictures_have_a_bar_of_each_server():
    pair = make_pair("cpu_us", 10, 20)
    results = {"scenarios": [
        {"name": "json", "rate": 0, "results": {"echo": pair, "nginx 1": pair}},
        {"name": "p99-tcp", "rate": 100, "results": {"echo": pair}}],
        "peers": [{"name": "Other <1.0>",
                   "scenarios": {"peer-json": make_pair("cpu_us", 10, 2000)}}]}
    cpu, p99 = (xml.etree.ElementTree.fromstring(draw(results))
                for _, draw in servers_picture.PICTURES.values())
    texts = [each.text for each in cpu.iter() if each.tag.endswith("text")]
    assert [t for t in texts if t in ("auspex", "echo", "nginx 1", "Other <1.0>")] == \
        ["auspex", "echo", "nginx 1", "Other <1.0>"]
    assert "2,000 µs" in texts and "10.0 µs" in texts
    # The page, then a bar a server, or two a server.
    assert sum(each.tag.endswith("rect") for each in cpu.iter()) == 1 + 4
    assert sum(each.tag.endswith("rect") for each in p99.iter()) == 1 + 4

# SPDX-License-Identifier: Apache-2.0
"""Goal: the served benchmarks count what they say: the echo server answers once a request, CPU time
is a process's own, noisy rounds are left out, and ratios are ours over theirs.

Method: the echo server over sockets; a child that burns CPU; made-up rounds whose ratio is known.
No time is measured here.
"""

import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("bench/servers", "bench/compare", "bench")]

import bench_servers  # noqa: E402
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
                "rate": 0, "connections": 16}
    page = servers_report.markdown({
        "machine": {"cpu": "C", "cores": 2, "features": "f", "system": "s", "kernel": "k",
                    "compiler": "g"},
        "commit": "abc", "date": "2026-01-01", "command": "run", "rounds": 3, "seconds": 3,
        "scenarios": [{**scenario, "results": {"echo": quiet}},
                      {**scenario, "title": "Two", "results": {"echo": busy}}]})
    assert "| server CPU a request, us | 12.0 | 10.0 | **1.20×** (1.20–1.20) | ≤ 1.18× |" in page
    one, two = page.split("## Two")
    assert "| of it in user mode, us | 6.00 | 5.00 |  |  |  |" in page
    assert "3 of 3 rounds count." in one and "busy" not in one.replace("Client busy", "")
    assert "**The machine was busy: all 3 rounds count" in two

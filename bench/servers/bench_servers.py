# SPDX-License-Identifier: Apache-2.0
"""Ours and the floor as servers, started and stopped, and how much CPU time each has used.

A Server has a `name`, starts in __init__, and its words() tell `auspex bench` where it is. Those of
others are in server_peers.py.
"""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/auspex"
ECHO = ROOT / "build/release/bench/echo"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
MODEL = "m"


class Failed(Exception):
    """A server or the client did not do what was asked."""


PRIORITY = {"is_taken": False}


def take_priority(is_taken):
    """Whether what is started from here on goes before all other processes of its core."""
    PRIORITY["is_taken"] = is_taken


def has_priority():
    return PRIORITY["is_taken"]


def pin(core):
    """For a child: one core of those that this process may use, where there are several."""
    cores = sorted(os.sched_getaffinity(0))

    def place():
        os.sched_setaffinity(0, {cores[core % len(cores)]})
        if has_priority():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return place


def cpu_ns(pid):
    """CPU time of all threads of a process, to the nanosecond: its CPU clock, as
    clock_getcpuclockid(3) makes the number of it."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def cpu_ticks(pid):
    """(user, system) ticks of all threads of a process, as the kernel divides its time."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rsplit(") ", 1)[1].split()
    return int(fields[11]), int(fields[12])


def family(pid):
    """A process and all that it started, as far as they live."""
    found = [pid]
    for each in found:
        for tasks in pathlib.Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += map(int, tasks.read_text(encoding="utf-8").split())
            except OSError:
                pass  # ended meanwhile
    return found


def wait_for_port(port):
    until = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS_MAX).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise Failed(f"nobody listens on port {port}: {error}") from None
            time.sleep(0.02)


class Server:
    """A process on core 0, and those that it starts."""

    def __init__(self):
        self.process = None

    def start(self, words):
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, preexec_fn=pin(0), start_new_session=True)

    def wait_for(self, pattern):
        """Its output up to the line that matches; the rest is read and thrown away."""
        seen = []
        watchdog = threading.Timer(START_SECONDS_MAX, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            seen.append(line)
            match = re.search(pattern, line)
            if match:
                watchdog.cancel()
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return match
        watchdog.cancel()
        raise Failed(f"{self.name} did not start:\n" + "".join(seen[-5:]))

    def cpu_ns(self):
        return sum(cpu_ns(pid) for pid in family(self.process.pid))

    def cpu_ticks(self):
        all_ticks = [cpu_ticks(pid) for pid in family(self.process.pid)]
        return sum(user for user, _ in all_ticks), sum(system for _, system in all_ticks)

    def set_priority(self, is_taken):
        """Whether all its threads, and those of what it started, go before all other processes."""
        policy = os.SCHED_FIFO if is_taken else os.SCHED_OTHER
        for pid in family(self.process.pid):
            for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(int(is_taken)))

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # what it started and left behind, too
        except ProcessLookupError:
            pass
        self.process.wait()

    def ask(self, body):
        """(status, text) of a connection of its own."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            wire.request("POST", self.path, body, {"Content-Type": "application/json"})
            answer = wire.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from None
        finally:
            wire.close()

    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Auspex(Server):
    """Ours, with one I/O thread."""
    name = "auspex"
    path = f"/v2/models/{MODEL}/infer"

    @staticmethod
    def scores(answer):
        """Of an answer of the Open Inference Protocol."""
        return answer["outputs"][0]["data"]

    def __init__(self, folder, models, *options):
        super().__init__()
        self.socket = folder / f"ours{len(options)}.sock"
        self.start([BINARY, "serve", "--models", models, "--state", folder / "state", "--threads", 1,
                    "--load-threads", 1, "--listen", "127.0.0.1:0", "--listen", f"unix:{self.socket}",
                    *options])
        self.port = int(self.wait_for(r"event=ready.*127\.0\.0\.1:(\d+)")[1])

    def words(self, transport):
        """What `auspex bench` is told besides the request."""
        return [f"http://127.0.0.1:{self.port}" if transport == "tcp" else f"unix:{self.socket}:/"]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS_MAX)


class Echo(Server):
    """The floor: answers whatever comes with the same bytes (echo.c)."""
    name = "echo"

    def __init__(self, folder, transport, answer, metadata, request_bytes):
        super().__init__()
        file = folder / "answer"
        file.write_bytes(answer)
        self.metadata = folder / "metadata.json"
        self.metadata.write_bytes(metadata)
        path = folder / "echo.sock"
        path.unlink(missing_ok=True)
        self.start([ECHO, "127.0.0.1:0" if transport == "tcp" else f"unix:{path}", file,
                    request_bytes])
        self.address = self.wait_for(r"^(127\.0\.0\.1:\d+|unix:.*)$")[1]

    def words(self, transport):
        """It knows no metadata."""
        address = f"http://{self.address}" if transport == "tcp" else f"{self.address}:/"
        return ["--metadata", str(self.metadata), address]


def load(server, connections, *words):
    """A run of the client on core 1: what it printed, as JSON."""
    command = [BINARY, "bench", "--json", "--connections", connections, "--warmup", 0, *words]
    done = subprocess.run([str(w) for w in command], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, preexec_fn=pin(1))
    result = json.loads(done.stdout) if done.stdout else {"errors": 1}
    if result["errors"]:
        raise Failed(f"{server.name}: {done.stderr or done.stdout}")
    return result

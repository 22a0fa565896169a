# SPDX-License-Identifier: Apache-2.0
"""The servers that are compared, started and stopped, and how much CPU time each has used.

A peer is a Server with a `name`, which starts in __init__(folder, scenario) and whose words() tell
`auspex bench` where it is, and a line in PEERS.
"""

import os
import pathlib
import re
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


def pin(core):
    """For a child: one core of those that this process may use, where there are several."""
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[core % len(cores)]})


def cpu_ns(pid):
    """CPU time of all threads of a process, to the nanosecond: its CPU clock, as
    clock_getcpuclockid(3) makes the number of it."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def cpu_ticks(pid):
    """(user, system) ticks of all threads of a process, as the kernel divides its time."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rsplit(") ", 1)[1].split()
    return int(fields[11]), int(fields[12])


class Server:
    """A process on core 0."""

    def __init__(self):
        self.process = None

    def start(self, words):
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, preexec_fn=pin(0))

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
        return cpu_ns(self.process.pid)

    def cpu_ticks(self):
        return cpu_ticks(self.process.pid)

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Auspex(Server):
    """Ours, with one I/O thread."""
    name = "auspex"

    def __init__(self, folder, models):
        super().__init__()
        self.path = folder / "ours.sock"
        self.start([BINARY, "serve", "--models", models, "--state", folder / "state", "--threads", 1, "--load-threads", 1,
                    "--listen", "127.0.0.1:0", "--listen", f"unix:{self.path}"])
        self.port = int(self.wait_for(r"event=ready.*127\.0\.0\.1:(\d+)")[1])

    def words(self, transport):
        """What `auspex bench` is told besides the request."""
        return [f"http://127.0.0.1:{self.port}" if transport == "tcp" else f"unix:{self.path}:/"]

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


# Servers of others; each is measured against ours in rounds of its own, as the floor is.
PEERS = []

# SPDX-License-Identifier: Apache-2.0
"""A server of many models under test, the client that loads it, and the books that must agree: what
the client counted, /metrics, /v2/models/stats and the log at the end."""

import http.client
import json
import math
import os
import pathlib
import re
import socket
import subprocess
import threading
import time

import numpy as np

import bench_servers as servers

RECORD = np.dtype("<u8,<u8,<u8,<u4,<u2,<u2")
RECORD.names = ("began_ns", "latency_ns", "body_hash", "line", "status", "part")
START_SECONDS_MAX = 600  # with a thousand models of which there is no image yet
REJECTED = ("LIMIT", "TIMEOUT", "UNAVAILABLE")
SAMPLE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? (\S+)$', re.M)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Failed(Exception):
    """The scenario could not be run to its end."""


class Absent(Failed):
    """What the scenario needs is not offered by this server."""


class Fleet(servers.Server):
    """Ours, with one I/O thread on core 0, and its log kept."""
    name = "auspex"

    def __init__(self, models, state, *options, wait=True, threads=1):
        super().__init__()
        self.log = []
        self.port = None
        self.started = time.monotonic()
        self.ready = threading.Event()
        self.start([servers.BINARY, "serve", "--models", models, "--state", state, "--threads",
                    threads, "--listen", "127.0.0.1:0", *options])
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        if wait:
            self.wait_ready()

    def read_log(self):
        for line in self.process.stdout:
            self.log.append(line)
            match = re.search(r"127\.0\.0\.1:(\d+)", line)
            if match and self.port is None:
                self.port = int(match[1])
            if "event=ready" in line:
                self.ready.set()

    def wait_ready(self):
        until = time.monotonic() + START_SECONDS_MAX
        while not self.ready.wait(0.02):
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed("the server is not ready: " + "".join(self.log[-3:]))
        self.at_rest = self.descriptors()

    def stop(self):
        """Ended as an operator ends it, so that the log has its last lines; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.process.terminate()
        try:
            self.process.wait(servers.STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        return self.process.returncode

    # ---- what it says of itself ----

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, method, path, body=None):
        """(status, body) of a connection of its own."""
        return call(self.port, method, path, body)

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def metrics(self):
        status, text = self.call("GET", "/metrics")
        if status != 200:
            raise Failed(f"/metrics: status {status}")
        return {(name, tuple(sorted(LABEL.findall(labels or "")))): float(value)
                for name, labels, value in SAMPLE.findall(text.decode())}

    def rss(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024

    def own_rss(self):
        """Without the pages of files, which the kernel may take back."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def settled_descriptors(self):
        """Those that are open beyond what a server without connections has, once it has noticed that
        clients have gone."""
        until = time.monotonic() + 10
        while self.descriptors() > self.at_rest and time.monotonic() < until:
            time.sleep(0.02)
        return self.descriptors() - self.at_rest

    def index(self):
        status, text = self.call("POST", "/v2/repository/index", "{}")
        if status != 200:
            raise Failed(f"the repository's index: status {status}")
        return json.loads(text)

    def load(self, model):
        return self.call("POST", f"/v2/repository/models/{model}/load", "{}")

    def unload(self, model):
        return self.call("POST", f"/v2/repository/models/{model}/unload", "{}")


def call(port, method, path, body=None):
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        wire.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = wire.getresponse()
        return answer.status, answer.read()
    finally:
        wire.close()


def value(metrics, name, **labels):
    """The sum of a family's samples that have these labels."""
    wanted = set(labels.items())
    return sum(v for (n, has), v in metrics.items() if n == name and wanted <= set(has))


def by_label(metrics, name, label):
    """{value of the label: sum of the family's samples}"""
    found = {}
    for (n, has), v in metrics.items():
        if n == name and label in dict(has):
            key = dict(has)[label]
            found[key] = found.get(key, 0) + v
    return found


# ---- the client ----

class Client:
    """Runs `auspex bench` on core 1; what it printed is `result`, each request's end `records`. `mix` is
    a file of requests, or words that tell how they are made."""

    def __init__(self, url, mix, *words, folder, records=False, connections=16, core=1):
        self.file = pathlib.Path(folder) / f"records-{time.monotonic_ns()}" if records else None
        command = [servers.BINARY, "bench", "--json", "--warmup", 0, "--connections", connections,
                   *(["--records", self.file] if records else []),
                   *(mix if isinstance(mix, list) else ["--mix", mix]), *words, url]
        self.process = subprocess.Popen(
            [str(w) for w in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=servers.pin(core))

    def wait(self):
        out, err = self.process.communicate()
        if not out:
            raise Failed(f"the client: {err.strip()}")
        self.result = json.loads(out)
        self.records = None
        if self.file:
            self.records = np.fromfile(self.file, RECORD)
            self.file.unlink()
        return self


def run(server, mix, *words, **options):
    return Client(server.url(), mix, *words, **options).wait()


def closed(server, mix, seconds, **options):
    """What it takes: requests a second of a closed loop."""
    result = run(server, mix, "--duration", f"{round(seconds * 1000)}ms", **options).result
    if result["errors"]:
        raise Failed(f"in a closed loop: {result['statuses']} {result['refusal']}")
    return result["requests_per_s"]


def opened(rate, seconds, seed=1):
    """Words of an open loop."""
    return ["--rate", max(round(rate), 1), "--schedule", "poisson", "--seed", seed, "--duration",
            f"{round(seconds * 1000)}ms"]


def quantile_us(latencies_ns, q):
    """NaN of none."""
    return round(float(np.quantile(latencies_ns, q)) / 1e3, 1) if len(latencies_ns) else math.nan


def median(values):
    return float(np.median(values)) if len(values) else math.nan


# ---- the books ----

class Books:
    """What clients counted of a server, by status, and whether the server's own books agree."""

    def __init__(self, server):
        self.server = server
        self.good = self.refused = self.other = 0

    def add(self, result):
        """A run of the client without warm-up."""
        for status, count in result["statuses"].items():
            if status[0] == "2":
                self.good += count
            elif status == "503":
                self.refused += count
            else:
                self.other += count
        return result

    def settled(self):
        """The metrics, when no request is in progress any more."""
        until = time.monotonic() + 10
        while True:
            metrics = self.server.metrics()
            if value(metrics, "ax_requests_in_progress") == 0 or time.monotonic() > until:
                return metrics
            time.sleep(0.05)

    def compare(self, report):
        """Client beside /metrics, /metrics beside the statistics and Triton's names."""
        metrics = self.settled()
        codes = by_label(metrics, "ax_requests_total", "code")
        report.check("requests in progress at the end", value(metrics, "ax_requests_in_progress"), 0)
        report.check("answered well: client, /metrics", codes.get("OK", 0), self.good)
        report.check("refused: client, /metrics", sum(codes.get(c, 0) for c in REJECTED),
                     self.refused)
        report.check("others: client, /metrics", sum(
            n for c, n in codes.items() if c not in ("OK", "CANCELLED", *REJECTED)), self.other)
        self.compare_statistics(report, metrics)
        return metrics

    def compare_statistics(self, report, metrics):
        status, text = self.server.call("GET", "/v2/models/stats")
        stats = json.loads(text)["model_stats"] if status == 200 else []
        told = {(s["name"], s["version"]): s["inference_stats"]["success"]["count"] for s in stats}
        good = {}
        for (name, labels), count in metrics.items():
            labels = dict(labels)
            if name == "ax_requests_total" and labels["code"] == "OK" and labels["model"]:
                good[labels["model"], labels["version"]] = int(count)
        differ = [k for k in good if k in told and told[k] != good[k]]
        report.check("versions whose statistics differ from /metrics", len(differ), 0)
        self.metrics = metrics

    def close(self, report):
        """Stop the server and read the log's last lines."""
        in_metrics = {}
        for (name, labels), count in self.metrics.items():
            labels = dict(labels)
            if name == "ax_requests_total" and count:
                of = in_metrics.setdefault(labels["code"], 0)
                in_metrics[labels["code"]] = of + int(count)
        status = self.server.stop()
        report.check("exit status", status, 0)
        logged = {"success": 0, "failed": 0, "rejected": 0, "cancelled": 0, "received": 0}
        for line in self.server.log:
            if "event=requests " in line:
                fields = dict(re.findall(r"(\w+)=(\d+)", line))
                for key in logged:
                    logged[key] += int(fields.get(key, 0))
        counted = {"success": in_metrics.get("OK", 0), "cancelled": in_metrics.get("CANCELLED", 0),
                   "rejected": sum(in_metrics.get(c, 0) for c in REJECTED)}
        counted["failed"] = sum(in_metrics.values()) - sum(counted.values())
        counted["received"] = sum(in_metrics.values())
        report.check("the log's last lines beside /metrics", logged, counted)


# ---- what must not change ----

def hold(count, port):
    """So many connections, each of which has asked once and is now idle."""
    held = []
    question = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(count):
        wire = socket.create_connection(("127.0.0.1", port), timeout=30)
        wire.sendall(question)
        if b" 200 " not in wire.recv(4096):
            raise Failed(f"connection {len(held) + 1} of {count} was not answered")
        held.append(wire)
    return held

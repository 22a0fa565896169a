# SPDX-License-Identifier: Apache-2.0
"""The real binary with real models on a port of the kernel's choice, and ways to talk to it."""

import atexit
import ctypes
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/parity"))

import openapi  # noqa: E402  (what these two lines name lies beside this and the parity tests)
import xgboost_oracle as oracle  # noqa: E402

# What commands keep, and below it what servers do, each in a folder of its own.
os.environ["AUSPEX_STATE"] = tempfile.mkdtemp(prefix="auspex-test-state-")
atexit.register(shutil.rmtree, os.environ["AUSPEX_STATE"], ignore_errors=True)

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


class Answer:
    """One HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Wire:
    """A socket of our own: whatever bytes we like go out, answers come back in order."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def answer(self, head_only=False):
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                raise EOFError(f"closed in front of an answer, behind {self.buffer!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if head_only else int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            if not self.more():
                raise EOFError("closed inside a body")
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(lines[0].split()[1]), headers, body)

    def request(self, method, path, body=None, headers=()):
        self.send(request(method, path, body, headers))
        answer = self.answer(head_only=method == "HEAD")
        openapi.check(method, path, answer)
        return answer


def request(method, path, body=None, headers=()):
    """The bytes of a request; a body that is no bytes is sent as JSON."""
    if body is None:
        body = b""
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: test", *headers]
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def environment():
    """Under AddressSanitizer, freed memory is held back; memory that is measured must come back."""
    options = [os.environ.get("ASAN_OPTIONS", ""), "quarantine_size_mb=1"]
    return {**os.environ, "ASAN_OPTIONS": ":".join(o for o in options if o)}


@functools.cache
def is_sanitized():
    """Is the binary under test one of a sanitizer, with memory and times of its own?"""
    path = pathlib.Path(os.environ["AX_BUILD"]) / "meson-info/intro-buildoptions.json"
    options = {o["name"]: o["value"] for o in json.loads(path.read_text("utf-8"))}
    return options["b_sanitize"] not in ("none", [])


class Server:
    """One `auspex serve`."""

    running = []  # of all tests, until they are stopped
    # State directories that servers have had: the next one finds the images of models there.
    states = []

    def __init__(self, models, *options, wait=True):
        self.lines = []
        self.state = None
        if "--state" not in options:
            self.state = (Server.states.pop() if Server.states
                          else tempfile.mkdtemp(dir=os.environ["AUSPEX_STATE"]))
            options = ("--state", self.state, *options)
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            [os.environ["AX_BINARY"], "serve", "--models", str(models),
             # The models here have several versions, and most tests want to see all of them.
             "--listen", "127.0.0.1:0", "--version-policy", "all", *options],
            env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        Server.running.append(self)
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        self.address = None
        if wait:
            self.wait_ready()

    def read_log(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if 'event=ready' in line:
                self.ready.set()

    def wait_ready(self):
        end = time.monotonic() + START_SECONDS_MAX
        while not self.ready.wait(0.02):
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                self.reader.join(5)  # What it said last may be what the test is about.
                raise RuntimeError("not ready:\n" + "".join(self.lines))
        line = next(s for s in self.lines if "event=ready" in s)
        host, port = re.search(r"127\.0\.0\.1:\d+", line)[0].split(":")
        self.address = (host, int(port))

    @property
    def url(self):
        return f"{self.address[0]}:{self.address[1]}"

    def wire(self):
        return Wire(self.address)

    def request(self, method, path, body=None, headers=()):
        with self.wire() as wire:
            return wire.request(method, path, body, headers)

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=None, headers=()):
        return self.request("POST", path, body, headers)

    def infer(self, model, *inputs, **members):
        return self.post(f"/v2/models/{model}/infer", {"inputs": list(inputs), **members})

    def predict(self, model, *rows, **members):
        return self.post(f"/v1/models/{model}/predict", {"rows": list(rows), **members})

    def metrics(self):
        return Metrics(self.get("/metrics").body.decode())

    def resident_bytes(self):
        return int(self.metrics()["process_resident_memory_bytes"])

    def stop(self, number=signal.SIGTERM):
        """End it, or wait until it ends by itself; the exit status."""
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self in Server.running:
                Server.running.remove(self)
                Server.states += [self.state] if self.state else []
            self.reader.join(5)
            self.process.stderr.close()
        return status


class Metrics:
    """A reading of /metrics."""

    def __init__(self, text):
        families = list(text_string_to_metric_families(text))
        self.families = {f.name: f for f in families}
        # Of all: to the parser, x and x_total are families of the same name.
        self.samples = {(s.name, frozenset(s.labels.items())): s.value
                        for f in families for s in f.samples}

    def get(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())), 0)

    def __getitem__(self, name):
        return self.samples[(name, frozenset())]


def tensor(data, datatype="FP32", shape=None, name="input"):
    array = np.asarray(data)
    return {"name": name, "shape": list(shape if shape is not None else array.shape),
            "datatype": datatype, "data": array.flatten().tolist()}


def column(name, datatype, data, shape=None):
    return {"name": name, "shape": shape or [len(data), 1], "datatype": datatype, "data": data}


FEATURES = 8
CARRIERS = ["AA", "B6", "DL", "UA", "WN"]

# An answer of its own for each model, of rows whose x is above 0.
ANSWER_RULES = """\
rules: 1
inputs:
  x: FP64
outputs: {{prediction: FP64}}
cases:
  - when: x > 0
    then: {answer}
  - otherwise: 0.5
"""

RULES = """\
rules: 1
inputs:
  dep_delay: FP64
  carrier: {datatype: BYTES, default: UA}
  stops: INT64
  night: BOOL
outputs: {prediction: FP64}
cases:
  - when: dep_delay > 30 and carrier in ('UA', 'AA')
    then: 0.9
  - when: stops >= 2
    then: 0.5
  - when: night = true
    then: 0.4
  - otherwise: 0.2
"""

DECISION = """\
decision:
  thresholds:
    - {at_least: 0.7, action: rebook}
    - {at_least: 0.3, action: warn}
  otherwise: nothing
"""


NAMES = ["dep_delay", "arr_delay", "distance", "air_time", "temp", "wind", "precip", "seats"]


def holey_rows(rng, count):
    """Random rows of the models with NAMES, with a value missing in the first."""
    rows = np.round(rng.standard_normal((count, len(NAMES))), 3).astype(np.float32)
    rows[0, 1] = np.nan
    return rows


def plain_rows(rows):
    """Rows as JSON: lists of numbers, null for NaN."""
    return [[None if np.isnan(v) else float(v) for v in row] for row in rows]


def named_rows(rows):
    return [dict(zip(NAMES, row)) for row in plain_rows(rows)]


def train(rows, labels, parameters, rounds, names, **described):
    """A booster that knows the names of its features, as the library's Python package makes it."""
    booster = oracle.train(rows, labels, parameters, rounds, **described)
    array = (ctypes.c_char_p * len(names))(*(n.encode() for n in names))
    oracle.check(oracle.library().XGBoosterSetStrFeatureInfo(
        booster.handle, b"feature_name", array, ctypes.c_uint64(len(names))))
    return booster


def make_models(folder):
    """Models of every task, and the boosters that say what is right."""
    rng = np.random.default_rng(11)
    rows = rng.standard_normal((1500, FEATURES)).astype(np.float32)
    score = np.sin(rows[:, 0]) + rows[:, 1] - 0.5 * rows[:, 7]
    boosters = {
        "binary": train(rows, (score > 0).astype(np.float32),
                        {"objective": "binary:logistic", "seed": 1, "max_depth": 4}, 12, NAMES),
        "value": train(rows, score, {"objective": "reg:squarederror", "seed": 1}, 8, NAMES),
        "interval": train(rows, score, {"objective": "reg:quantileerror", "seed": 1,
                                        "quantile_alpha": "[0.1,0.5,0.9]"}, 8, NAMES),
        "classes": train(rows, np.clip(np.floor(score + 1.5), 0, 2),
                         {"objective": "multi:softprob", "num_class": 3, "seed": 1}, 6, NAMES),
    }
    coded = np.stack([rng.integers(0, len(CARRIERS), 1500).astype(np.float32), rows[:, 0]], axis=1)
    label = (coded[:, 0] % 2 + coded[:, 1] > 0.7).astype(np.float32)
    boosters["carriers"] = train(coded, label, {"objective": "binary:logistic", "seed": 1,
                                                "max_depth": 3}, 10, ["carrier", "dep_delay"],
                                 types=["c", "q"], dictionaries={0: CARRIERS})
    for name, booster in boosters.items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        booster.save(version / "model.json")
    (folder / "binary/2").mkdir()
    boosters["binary"].save(folder / "binary/2/model.ubj")
    (folder / "binary/2/model.yaml").write_text(DECISION, encoding="utf-8")
    (folder / "classes/1/model.yaml").write_text(
        "signature:\n  labels: [early, fine, late]\n", encoding="utf-8")
    (folder / "rules/1").mkdir(parents=True)
    (folder / "rules/1/rules.yaml").write_text(RULES, encoding="utf-8")
    return boosters


@pytest.fixture(autouse=True)
def stopped_servers():
    """What a test that failed left running is ended with it. Servers of a module came before."""
    before = list(Server.running)
    yield
    for one in [s for s in Server.running if s not in before]:
        one.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return folder, make_models(folder)


@pytest.fixture(scope="session")
def models(repository):
    return repository[0]


@pytest.fixture(scope="session")
def boosters(repository):
    return repository[1]


@pytest.fixture(scope="module")
def server(models):
    one = Server(models, "--threads", "2")
    yield one
    assert one.stop() == 0


@pytest.fixture
def single(models):
    """A server with one I/O thread and fresh counters."""
    one = Server(models, "--threads", "1")
    yield one
    assert one.stop() == 0

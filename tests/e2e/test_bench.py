# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex bench` sends what it was told to, reports what came of it, and
its exit status says whether the run was good.

Method: the real binary against a small server on loopback, which records what
it was sent and answers as the path tells. What the client printed is compared
with what the server saw.
"""

import collections
import http.server
import json
import os
import socketserver
import subprocess
import threading

import pytest

BINARY = os.environ["AX_BINARY"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet, else delayed acknowledgements cost 40 ms each.
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.seen[(self.command, self.path, body)] += 1
            self.server.headers = dict(self.headers)
            number = sum(self.server.seen.values())
        status = 503 if self.path == "/busy" and number % 5 == 0 else 200
        text = b'{"outputs":[]}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass

    def address_string(self):
        return "test"


class UnixHandler(Handler):
    disable_nagle_algorithm = False


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def serve(server):
    server.seen = collections.Counter()
    server.headers = {}
    server.lock = threading.Lock()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as one:
        one.url = f"http://127.0.0.1:{one.server_address[1]}"
        yield serve(one)
        one.shutdown()


def bench(*args, status=0):
    done = subprocess.run([BINARY, "bench", *args], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def bench_json(*args, status=0):
    return json.loads(bench(*args, "--json", status=status).stdout)


def bench_verdict(*args):
    """On a busy machine the client may have been too late; then it must say so."""
    done = subprocess.run([BINARY, "bench", *args, "--json"], capture_output=True, text=True,
                          timeout=60, check=False)
    result = json.loads(done.stdout)
    late = result["slip_ns"]["p99"] > result["latency_ns"]["p99"] // 10
    assert result["void"] == late
    assert done.returncode == (1 if late or result["errors"] else 0)
    return result


def test_get(server):
    result = bench_json("--requests", "200", "--warmup", "0", "--connections", "4",
                        server.url + "/v2/health/ready?x=1")
    assert result["answers"] == result["sent"] == result["latency_ns"]["count"] == 200
    assert result["statuses"] == {"200": 200} and result["errors"] == 0 and not result["void"]
    assert server.seen == {("GET", "/v2/health/ready?x=1", b""): 200}
    assert server.headers["Host"] == server.url.removeprefix("http://")
    times = result["latency_ns"]
    assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["p999"] <= times["max"]
    rate = result["answers"] / (result["elapsed_ns"] / 1e9)
    assert abs(result["requests_per_s"] - rate) < 0.1


def test_bodies_are_sent_in_turn(server, tmp_path):
    bodies = tmp_path / "bodies.jsonl"
    bodies.write_bytes(b'{"a":1}\n\n{"b":"\xc3\xa9"}\n{"c":3}')
    result = bench_json("--requests", "300", "--warmup", "0", "--pipeline", "3",
                        "--header", "X-Test: yes", "--header", "X-Other: no",
                        "--bodies", str(bodies), server.url + "/infer")
    assert server.seen == {("POST", "/infer", b'{"a":1}'): 100,
                           ("POST", "/infer", b'{"b":"\xc3\xa9"}'): 100,
                           ("POST", "/infer", b'{"c":3}'): 100}
    assert server.headers["X-Test"] == "yes" and server.headers["X-Other"] == "no"
    assert server.headers["Content-Type"] == "application/json"
    assert result["bytes_out"] > 300 * 7


def test_open_loop(server):
    result = bench_verdict("--rate", "200", "--duration", "1", "--warmup", "0", "--body", "{}",
                           "--connections", "8", server.url + "/infer")
    assert result["loop"] == "open" and result["sent"] == 200 and result["unsent"] == 0
    assert sum(server.seen.values()) == 200
    assert result["slip_ns"]["count"] + result["waited"] == 200
    assert 0.9 < result["elapsed_ns"] / 1e9 < 4


def test_errors_fail_the_run(server):
    done = bench("--requests", "100", "--warmup", "0", "--connections", "1", server.url + "/busy",
                 status=1)
    assert "errors      20, status 503: 20\n" in done.stdout
    result = bench_json("--requests", "100", "--warmup", "0", "--connections", "1",
                        server.url + "/busy", status=1)
    assert result["statuses"] == {"200": 80, "503": 20} and result["latency_ns"]["count"] == 80


def test_text(server):
    lines = bench("--requests", "50", "--warmup", "0", server.url).stdout.splitlines()
    assert lines[0].startswith("closed loop, 16 connections of 1 in flight, ")
    assert [line.split()[0] for line in lines[1:]] == ["requests/s", "latency", "bytes", "errors"]
    assert "(50 answers)" in lines[1]


def test_unix_socket(tmp_path):
    path = str(tmp_path / "ax.sock")
    with UnixServer(path, UnixHandler) as server:
        serve(server)
        result = bench_json("--requests", "20", "--warmup", "0", "--connections", "2",
                            f"unix:{path}:/ready")
        server.shutdown()
    assert result["answers"] == 20
    assert server.seen == {("GET", "/ready", b""): 20}


def test_counts_agree_with_those_of_the_server(single, tmp_path):
    """single: an `auspex serve` of its own, whose counters began at zero."""
    bodies = tmp_path / "bodies.jsonl"
    names = ["dep_delay", "arr_delay", "distance"]
    asked = [{"rows": [{name: n * 0.1 for name in names}] * (1 + n % 3)} for n in range(30)]
    bodies.write_text("".join(json.dumps(a) + "\n" for a in asked), encoding="utf-8")
    result = bench_json("--requests", "600", "--warmup", "0", "--connections", "4", "--pipeline",
                        "4", "--bodies", str(bodies),
                        f"http://{single.url}/v1/models/value/predict")
    assert result["statuses"] == {"200": 600}
    metrics = single.metrics()
    of = {"model": "value", "version": "1"}
    assert metrics.get("ax_requests_total", code="OK", **of) == 600
    assert metrics.get("ax_rows_total", **of) == 600 * 2
    assert metrics.get("ax_request_duration_seconds_count", **of) == 600
    # The clock of the client began no later and ended no earlier than that of the server.
    served = metrics.get("ax_request_duration_seconds_sum", **of)
    assert served / 600 <= result["latency_ns"]["mean"] / 1e9

    result = bench_json("--requests", "50", "--warmup", "0", "--body", '{"rows":[{"dep_dely":1}]}',
                        f"http://{single.url}/v1/models/value/predict", status=1)
    assert result["statuses"] == {"400": 50} and result["errors"] == 50
    assert single.metrics().get("ax_requests_total", code="INVALID", **of) == 50


@pytest.mark.parametrize("args, status, says", [
    (["http://127.0.0.1:1/"], 5, "Connection refused"),
    (["http://192.0.2.1/"], 2, "--allow-remote"),
    (["https://127.0.0.1/"], 2, "neither"),
    (["--bodies", "/no/such/file", "http://127.0.0.1:1/"], 4, "/no/such/file"),
    (["--bodies", "/dev/null", "http://127.0.0.1:1/"], 2, "/dev/null"),
    (["--body", "a", "--bodies", "b", "http://127.0.0.1:1/"], 2, "one of them"),
    (["--header", "nonsense", "http://127.0.0.1:1/"], 2, "number 1"),
    (["--header", "A: b\r\nC: d", "http://127.0.0.1:1/"], 2, "--header"),
    (["--pipeline", "0", "http://127.0.0.1:1/"], 2, "--pipeline"),
    ([], 2, "usage"),
    (["a", "b"], 2, "usage"),
])
def test_bad_arguments(args, status, says):
    done = bench(*args, status=status)
    assert done.stdout == ""
    assert done.stderr.startswith("auspex bench: ") and done.stderr.count("\n") == 1
    assert says in done.stderr

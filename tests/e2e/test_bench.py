# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex bench` sends what it was told to, reports what came of it, and
its exit status says whether the run was good.

Method: the real binary against a small server on loopback, which records what
it was sent and answers as the path tells. What the client printed is compared
with what the server saw.
"""

import collections
import contextlib
import http.server
import json
import os
import pty
import re
import socketserver
import struct
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
        if self.path == "/limited" and number > self.server.limit:
            status = 503
        if self.path == "/broken" and number > self.server.limit:
            self.close_connection = True
            return
        text = b'{"outputs":[]}'
        if self.command == "GET" and self.path in self.server.pages:
            status, text = self.server.pages[self.path]
        if self.path == "/refused":
            status, text = 400, self.server.refusal
        self.send_response(status)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            text = b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text)
        else:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    do_GET = do_POST = do_DELETE = answer

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
    server.pages = {}
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


def test_a_mix_in_turn(server, tmp_path):
    mix = tmp_path / "mix"
    mix.write_bytes(b'POST /a {"a": 1}\nGET /b\n\nPOST /c\nDELETE /d?x=1 \xc3\xa9')
    result = bench_json("--requests", "400", "--warmup", "0", "--mix", str(mix), "--connections",
                        "4", "--threads", "4", server.url + "/ignored")
    assert result["statuses"] == {"200": 400}
    assert server.seen == {("POST", "/a", b'{"a": 1}'): 100, ("GET", "/b", b""): 100,
                           ("POST", "/c", b""): 100, ("DELETE", "/d?x=1", b"\xc3\xa9"): 100}


def test_a_mix_by_weight(server, tmp_path):
    """Drawn by the seed: the same one, the same requests."""
    mix = tmp_path / "mix"
    mix.write_bytes(b"1 POST /a\n98.5 POST /b\n0.5 GET /c\n")
    options = ["--requests", "2000", "--warmup", "0", "--mix", str(mix), server.url]
    seen = []
    for seed in ("1", "1", "2"):
        server.seen.clear()
        bench_json(*options, "--seed", seed)
        seen.append(dict(server.seen))
    assert seen[0] == seen[1] != seen[2]
    for each in seen:
        assert sum(each.values()) == 2000 and each["POST", "/b", b""] > 1920
        assert 1 <= each["POST", "/a", b""] <= 60


RECORD = struct.Struct("<QQQIHH")


def test_records(server, tmp_path):
    mix, records = tmp_path / "mix", tmp_path / "records"
    mix.write_bytes(b"GET /good\nGET /busy\nGET /refused\n")
    server.refusal = b"no"
    result = bench_json("--requests", "300", "--warmup", "0", "--mix", str(mix), "--records",
                        str(records), "--connections", "1", server.url, status=1)
    found = list(RECORD.iter_unpack(records.read_bytes()))
    assert len(found) == 300 and [line for *_, line, _, _ in found] == [0, 1, 2] * 100
    by_status = collections.Counter(str(status) for *_, status, _ in found)
    assert by_status == result["statuses"] and set(by_status) == {"200", "400", "503"}
    bodies = collections.defaultdict(set)
    for began_ns, latency_ns, body_hash, line, _, part in found:
        assert began_ns + latency_ns <= result["elapsed_ns"] and latency_ns > 0 and part == 0
        bodies[line].add(body_hash)
    assert len(bodies[2]) == 1 and bodies[2].isdisjoint(bodies[0] | bodies[1])
    good = [latency for _, latency, *_, status, _ in found if status == 200]
    assert max(good) == result["latency_ns"]["max"] and len(good) == result["latency_ns"]["count"]
    refused = [latency for _, latency, *_, status, _ in found if status != 200]
    assert max(refused) == result["refusal_ns"]["max"] and len(refused) == result["errors"]


@pytest.mark.parametrize("text, says", [
    (b"", "holds no line"),
    (b"GET\n", "line 1: this is no [WEIGHT] METHOD PATH"),
    (b"GET /a\nGET b\n", "line 2: this is no [WEIGHT] METHOD PATH"),
    (b"GET /a\n\n1 GET /b\n", "line 3: either all lines have a weight"),
    (b"1 GET /a\nGET /b\n", "line 2: either all lines have a weight"),
    (b"0 GET /a\n", "line 1: '0' is no weight over 0"),
    (b"1x GET /a\n", "line 1: '1x' is no weight over 0"),
    (b"1e999 GET /a\n", "is no weight over 0"),
    (b"GET /a\rb\n", "line 1: this is no"),
])
def test_bad_mixes(text, says, tmp_path):
    mix = tmp_path / "mix"
    mix.write_bytes(text)
    done = bench("--mix", str(mix), "http://127.0.0.1:1/", status=2)
    assert done.stderr.count("\n") == 1 and "--mix: " in done.stderr and says in done.stderr


def test_chunked_answers(server):
    result = bench_json("--requests", "50", "--connections", "2", "--pipeline", "3",
                        "--warmup", "0", server.url + "/chunked")
    assert result["statuses"] == {"200": 50} and not result["errors"]


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


@pytest.mark.parametrize("refusal, text, member", [
    (b'{"error":"why\n"}', '{"error":"why "}', '{"error":"why\n"}'),
    ("ä".encode() * 101, "ä" * 100, "ä" * 100),
    (b"\xff\x1b", "(no text)", "\ufffd\x1b"),
    (b"\x1b[31mred", " [31mred", "\x1b[31mred"),
    (b"", None, ""),
])
def test_one_refusal_is_shown(server, refusal, text, member):
    server.refusal = refusal
    options = ["--requests", "20", "--warmup", "0", "--threads", "2", server.url + "/refused"]
    lines = [line for line in bench(*options, status=1).stdout.splitlines() if "one says" in line]
    assert lines == ([f"one says    {text}"] if text else [])
    assert bench_json(*options, status=1)["refusal"] == member


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


def test_threads_share_the_work(server, tmp_path):
    bodies = tmp_path / "bodies"
    bodies.write_text("".join(f"{n}\n" for n in range(8)), encoding="utf-8")
    result = bench_json("--requests", "401", "--warmup", "0", "--threads", "4", "--connections",
                        "6", "--bodies", str(bodies), server.url + "/infer")
    assert result["answers"] == 401 and result["threads"] == 4
    assert sum(server.seen.values()) == 401 and len(server.seen) == 8
    # More threads than connections is one a connection.
    result = bench_json("--requests", "10", "--warmup", "0", "--threads", "4", "--connections", "2",
                        server.url)
    assert result["threads"] == 2 and result["answers"] == 10


def test_rows_per_second(server):
    result = bench_json("--requests", "100", "--warmup", "0", "--body", "x", "--rows", "7",
                        server.url + "/infer")
    assert result["rows"] == 7
    assert abs(result["rows_per_s"] / result["requests_per_s"] - 7) < 0.01
    # What was refused has no rows.
    result = bench_json("--requests", "100", "--warmup", "0", "--body", "x", "--rows", "7",
                        server.url + "/busy", status=1)
    assert abs(result["rows_per_s"] / result["requests_per_s"] - 5.6) < 0.01
    text = bench("--requests", "10", "--warmup", "0", "--rows", "7", server.url).stdout
    assert re.search(r"^rows/s +\d+ \(7 a request\)$", text, re.M)
    assert "rows_per_s" not in bench_json("--requests", "10", "--warmup", "0", server.url)


METADATA = {"name": "m/ä", "versions": ["3"], "platform": "any",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]},
                       {"name": "carrier", "datatype": "BYTES", "shape": [-1, 1]}],
            "outputs": []}


def test_requests_are_made_for_a_model(server):
    """Of any server: this one is none of ours."""
    path = "/base/v2/models/m%2F%C3%A4/versions/3"
    server.pages[path] = (200, json.dumps(METADATA).encode())
    options = ["--model", "m/ä", "--model-version", "3", "--rows", "2", "--distinct", "5",
               "--values", "carrier=AA,B6", "--requests", "50", "--warmup", "0", "--header",
               "X-Key: 1", server.url + "/base/"]
    result = bench_json(*options)
    assert result["rows"] == 2
    assert server.seen.pop(("GET", path, b"")) == 1
    assert [method for method, _, _ in server.seen] == ["POST"] * 5
    assert set(server.seen.values()) == {10} and server.headers["X-Key"] == "1"
    assert server.headers["Content-Type"] == "application/json"
    for _, where, body in server.seen:
        assert where == path + "/infer"
        x, carrier = json.loads(body)["inputs"]
        assert x["shape"] == [2, 4] and len(x["data"]) == 8 and x["datatype"] == "FP32"
        assert carrier["shape"] == [2, 1] and set(carrier["data"]) <= {"AA", "B6"}
    # The same seed makes the same requests, another one others.
    before = set(server.seen)
    server.seen.clear()
    bench_json(*options)
    assert before == {seen for seen in server.seen if seen[0] == "POST"}
    bench_json(*options, "--seed", "2")
    assert len(server.seen) == 1 + 5 + 5


def test_binary_requests_are_made_for_a_model(server):
    server.pages["/v2/models/m"] = (200, json.dumps(METADATA).encode())
    bench_json("--model", "m", "--rows", "3", "--format", "binary", "--distinct", "1",
               "--values", "carrier=UA", "--requests", "4", "--warmup", "0", server.url)
    (_, where, body), = [seen for seen in server.seen if seen[0] == "POST"]
    assert where == "/v2/models/m/infer"
    assert server.headers["Content-Type"] == "application/octet-stream"
    length = int(server.headers["Inference-Header-Content-Length"])
    head, tensors = json.loads(body[:length]), body[length:]
    assert [i["parameters"]["binary_data_size"] for i in head["inputs"]] == [48, 18]
    assert len(tensors) == 66 and tensors[48:] == b"\2\0\0\0UA" * 3
    assert head["parameters"] == {"binary_data_output": True}


def test_metadata_from_a_file(server, tmp_path):
    """Then the server is not asked."""
    file = tmp_path / "metadata.json"
    file.write_text(json.dumps(METADATA), encoding="utf-8")
    bench_json("--model", "m", "--metadata", str(file), "--values", "carrier=AA", "--distinct", "2",
               "--requests", "10", "--warmup", "0", server.url)
    asked = [(method, path) for method, path, _ in server.seen]
    assert asked == [("POST", "/v2/models/m/infer")] * 2


@pytest.mark.parametrize("page, status, says", [
    (None, 3, "'shape'|tell no inputs"),
    ((404, b'{"error":"no such model"}'), 4, "status 404: {\"error\":\"no such model\"}"),
    ((503, b"busy"), 5, "status 503: busy"),
    ((400, b"no"), 3, "status 400: no"),
    ((200, b"<html>"), 3, "metadata: "),
    ((200, json.dumps(METADATA).encode()), 2, "--values 'carrier=A,B,C'"),
])
def test_models_that_cannot_be_asked_for(server, page, status, says):
    if page:
        server.pages["/v2/models/m"] = page
    done = bench("--model", "m", server.url, status=status)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert re.search(says, done.stderr)
    assert not [seen for seen in server.seen if seen[0] == "POST"]


def test_requests_for_our_own_models(single):
    """Every datatype of the fixture's models is accepted by the server, in both formats."""
    values = {"rules": ["--values", "carrier=AA,UA"], "carriers": ["--values", "carrier=AA,B6,DL"],
              "binary": ["--model-version", "2"]}
    total = 0
    for model in ["binary", "classes", "rules", "carriers"]:
        for kind in ["json", "binary"]:
            result = bench_json("--model", model, "--rows", "3", "--format", kind, "--requests",
                                "60", "--warmup", "0", *values.get(model, []),
                                f"http://{single.url}")
            assert result["statuses"] == {"200": 60}
            total += 180
    metrics = single.metrics()
    of = {"model": "rules", "version": "1"}
    assert metrics.get("ax_rows_total", **of) == 360
    assert sum(v for (name, _), v in metrics.samples.items() if name == "ax_rows_total") == total


def test_a_ramp_without_result(server):
    """Nothing answers within a microsecond."""
    result = bench_json("--ramp", "--p99", "1us", "--rate", "8", "--duration", "250ms", "--warmup",
                        "0", server.url, status=1)
    assert [step["rate"] for step in result["ramp"]["steps"]] == [8, 8, 4, 4, 2, 2, 1, 1]
    assert result["ramp"]["highest"] == result["rate"] == 0 and "latency_ns" not in result
    assert all(step["verdict"] in ("slow", "client late") and step["p99_ns"] > 1000
               for step in result["ramp"]["steps"])
    assert sum(server.seen.values()) == 2 * (2 + 1 + 1 + 1)


def test_a_ramp_finds_a_rate(server):
    """A server that refuses everything from the 61st request on takes the first two steps."""
    server.limit = 60
    done = bench("--ramp", "--p99", "10s", "--rate", "64", "--duration", "250ms", "--warmup", "0",
                 server.url + "/limited")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"ramp +64 requests/s, p99 [\d.]+ \w+: passed", lines[0])
    assert re.fullmatch(r" +128 requests/s, p99 [\d.]+ \w+: passed", lines[1])
    assert [line.split(": ")[1] for line in lines[2:4]] == ["failed", "failed"]
    highest = next(line for line in lines if line.startswith("highest"))
    assert re.fullmatch(r"highest +128 requests/s with a p99 within 10.0 s", highest)
    assert "open loop, 128 requests/s, constant" in done.stdout
    assert "errors      0\n" in done.stdout


def test_a_server_that_breaks_has_failed_the_rate(server):
    server.limit = 40
    result = bench_json("--ramp", "--p99", "10s", "--rate", "64", "--duration", "250ms", "--warmup",
                        "0", "--connections", "2", server.url + "/broken")
    assert result["ramp"]["highest"] == 64
    verdicts = [step["verdict"] for step in result["ramp"]["steps"]]
    assert verdicts[:3] == ["passed", "failed", "failed"]
    # One that was never there is another matter.
    done = bench("--ramp", "--duration", "250ms", server.url + "/broken", status=5)
    assert "every connection was closed before it answered" in done.stderr


def read_terminal(leader):
    """All that was written to a terminal that nobody has open any more: it comes in parts."""
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(leader, 1 << 16):
            shown += part
    return shown.decode()


def test_progress_goes_to_a_terminal(server):
    try:
        leader, follower = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal to be had: {error}")
    try:
        done = subprocess.run([BINARY, "bench", "--duration", "1", "--warmup", "0", server.url],
                              stdout=subprocess.PIPE, stderr=follower, text=True, timeout=60,
                              check=False)
        os.close(follower)
        shown = read_terminal(leader)
    finally:
        os.close(leader)
    assert done.returncode == 0 and done.stdout.startswith("closed loop")
    lines = shown.split("\r")
    assert re.fullmatch(r"\d of 1 s, \d+ requests/s, 0 errors\x1b\[K", lines[1])
    assert len(lines) >= 4 and lines[-1] == "\x1b[K"


@pytest.mark.parametrize("args, status, says", [
    (["http://127.0.0.1:1/"], 5, "Connection refused"),
    (["http://192.0.2.1/"], 2, "--allow-remote"),
    (["https://127.0.0.1/"], 2, "neither"),
    (["--bodies", "/no/such/file", "http://127.0.0.1:1/"], 4, "--bodies: open '/no/such/file'"),
    (["--bodies", "/dev/null", "http://127.0.0.1:1/"], 2, "/dev/null"),
    (["--body", "a", "--bodies", "b", "http://127.0.0.1:1/"], 2, "one of them"),
    (["--body", "a", "--model", "b", "http://127.0.0.1:1/"], 2, "one of them"),
    (["--mix", "a", "--model", "b", "http://127.0.0.1:1/"], 2, "one of them"),
    (["--mix", "/no/such/file", "http://127.0.0.1:1/"], 4, "--mix: open '/no/such/file'"),
    (["--records", "/no/such/folder/x", "http://127.0.0.1:1/"], 4, "--records: open '/no"),
    (["--records", "x", "--ramp", "http://127.0.0.1:1/"], 2, "--records: a ramp"),
    (["--model-version", "1", "http://127.0.0.1:1/"], 2, "--model, too"),
    (["--values", "a=1", "http://127.0.0.1:1/"], 2, "--model, too"),
    (["--metadata", "a", "http://127.0.0.1:1/"], 2, "--model, too"),
    (["--metadata", "/no/file", "--model", "m", "http://127.0.0.1:1/"], 4, "--metadata: open '/no"),
    (["--model", "m", "http://127.0.0.1:1/?x"], 2, "'?'"),
    (["--model", "m", "http://127.0.0.1:1/"], 5, "GET /v2/models/m: connect"),
    (["--ramp", "--requests", "1", "http://127.0.0.1:1/"], 2, "--requests"),
    (["--threads", "0", "http://127.0.0.1:1/"], 2, "--threads"),
    (["--duration", "0", "http://127.0.0.1:1/"], 2, "--duration"),
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

# SPDX-License-Identifier: Apache-2.0
"""What a push costs, over HTTP: one row, until a read sees it; and rows in batches."""

import http.client
import json
import statistics
import time

import bench_servers as servers
import feature_servers as sides
import server_peers as peers

KEYS, BATCH_ROWS = 10_000, 10_000
BEGIN_US = 1_767_225_600_000_000  # 2026-01-01
DEFINITIONS = """auspex: 1
entities: {driver: {keys: {driver_id: int64}}}
sources:
  positions:
    files: positions.csv
    time: t
    columns: {driver_id: int64, t: timestamp, x: float64, y: float64}
    push: true
  rides:
    files: rides.csv
    time: t
    event_id: [id]
    columns: {id: int64, driver_id: int64, t: timestamp, fare: float64}
    push: true
views:
  place: {entity: driver, source: positions, fields: {x: x, y: y}}
  income:
    entity: driver
    source: rides
    fields: {total: sum(fare) over 1h, rides: count(*) over 1h, best: max(fare) over 24h}
services: {all: {features: [{view: place}, {view: income}]}}
"""


def state(number):
    return {"driver_id": number * 7919 % KEYS, "t": BEGIN_US + number, "x": number % 1000 / 8, "y": number}


def event(number):
    return {"id": number, "driver_id": number * 7919 % KEYS, "t": BEGIN_US + number * 1000,
            "fare": number % 100 / 4}


ROWS = {"positions": state, "rides": event}


class Numbers:
    """Of rows, each one once, so that none is known already."""

    def __init__(self):
        self.next = 0

    def take(self, count):
        self.next += count
        return range(self.next - count, self.next)


def make_server(folder, durability):
    folder.mkdir()
    definitions = folder / "definitions"
    definitions.mkdir()
    (folder / "models").mkdir()
    (definitions / "features.yaml").write_text(DEFINITIONS, encoding="utf-8")
    for source, row in ROWS.items():  # all that there is comes by pushes
        (definitions / f"{source}.csv").write_text(",".join(row(0)) + "\n", encoding="utf-8")
    sides.run(servers.BINARY, "apply", "--state", folder / "state", definitions)
    server = servers.Auspex(folder, folder / "models", "--journal-durability", durability)
    server.path = "/push"
    return server


def answered(wire, path, body):
    wire.request("POST", path, body, {"Content-Type": "application/json"})
    answer = wire.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise servers.Failed(f"{path}: {answer.status}: {text[:200]!r}")
    return json.loads(text)


def seen(server, numbers, count):
    """Push a row, then read its key by another connection: how many reads did not see it, and how long
    both took together."""
    pushing, reading = (http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in "ab")
    unseen, took_us = 0, []
    for number in numbers.take(count):
        row = state(number)
        push = json.dumps({"source": "positions", "row": row})
        read = json.dumps({"feature_service": "all", "entities": {"driver_id": [row["driver_id"]]}})
        before = time.perf_counter_ns()
        answered(pushing, "/push", push)
        answer = answered(reading, sides.PATH, read)
        took_us.append((time.perf_counter_ns() - before) / 1e3)
        at = answer["metadata"]["feature_names"].index("y")
        unseen += answer["results"][at]["values"] != [row["y"]]
    took_us.sort()
    return {"pushes": count, "unseen": unseen, "p50_us": statistics.median(took_us),
            "p99_us": took_us[count * 99 // 100]}


def take(server, folder, source, numbers, requests, rows, connections):
    """Requests of so many rows, each sent once."""
    bodies = [json.dumps({"source": source, "rows": [ROWS[source](n) for n in numbers.take(rows)]})
              for _ in range(requests)]
    file = peers.keep_lines(folder / "bodies", bodies)
    before = server.cpu_ns()
    done = servers.load(server, connections, "--bodies", file, "--timeout", 30, "--requests", requests,
                        server.url())
    return {"rows": requests * rows, "cpu_ns": (server.cpu_ns() - before) / (requests * rows),
            "rows_per_s": done["requests_per_s"] * rows,
            "p50_us": done["latency_ns"]["p50"] / 1e3, "p99_us": done["latency_ns"]["p99"] / 1e3}


def push(folder, args):
    found = {}
    for durability in ("process", "disk"):
        numbers = Numbers()
        base = folder / durability
        with make_server(base, durability) as server:
            found[durability] = {
                "seen": seen(server, numbers, 200 if args.quick else 2000),
                "one": take(server, base, "positions", numbers, 500 if args.quick else 5000, 1, 1),
                "states": take(server, base, "positions", numbers, 5 if args.quick else 50,
                               BATCH_ROWS, 2),
                "events": take(server, base, "rides", numbers, 5 if args.quick else 50, BATCH_ROWS, 2)}
        print(f"  {durability}: {found[durability]}", flush=True)
    return {"durabilities": found, "batch_rows": BATCH_ROWS, "keys": KEYS}

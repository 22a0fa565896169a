# SPDX-License-Identifier: Apache-2.0
"""Who takes part in bench/features: ours, Feast's server and Feast in process, over SQLite and Redis.

A side that this machine cannot have is absent, and the reason stands in the results.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import bench_servers as servers
import server_peers as peers
from feature_data import MOMENT, VIEW_FEATURES, features_of, value

FEAST = servers.ROOT / "build/deps/python-feast"
SIDE = pathlib.Path(__file__).resolve().parent / "feast_side.py"
REDIS = servers.ROOT / "build/bench/features"
PATH = "/get-online-features"
SETTINGS = """project: bench
provider: local
registry: {{path: {folder}/registry.db, cache_ttl_seconds: 0}}
online_store: {store}
entity_key_serialization_version: 3
"""


def run(*words, **options):
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, **options)
    if done.returncode:
        raise peers.Absent((done.stderr.strip().splitlines() or [f"{words[0]} failed"])[-1][:300])
    return done.stdout


# ---- ours ----

def write_definitions(folder, keys, widths):
    names = [f"f{f}" for f in range(max(widths))]
    rows = [",".join(["driver_id", "t", *names])]
    rows += [",".join([str(k), MOMENT, *(str(value(k, f)) for f in range(len(names)))])
             for k in range(keys)]
    (folder / "source.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    lines = ["auspex: 1", "entities: {driver: {keys: {driver_id: int64}}}",
             "sources: {source: {files: source.csv, time: t, columns: {driver_id: int64, t: timestamp, "
             + ", ".join(f"{n}: int64" for n in names) + "}}}", "views:"]
    lines += [f"  v{view}: {{entity: driver, source: source, fields: {{"
              + ", ".join(f"f{f}: f{f}" for f in features_of(view)) + "}}"
              for view in range(len(names) // VIEW_FEATURES)]
    lines.append("services:")
    lines += [f"  s{w}: {{features: [" + ", ".join(
        f"{{view: v{view}}}" for view in range(w // VIEW_FEATURES)) + "]}" for w in widths]
    (folder / "features.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def ours(folder, keys, widths):
    definitions = folder / "definitions"
    definitions.mkdir()
    (folder / "models").mkdir()
    write_definitions(definitions, keys, widths)
    run(servers.BINARY, "apply", "--state", folder / "state", definitions)
    run(servers.BINARY, "materialize", "--state", folder / "state", cwd=definitions)
    server = servers.Auspex(folder, folder / "models")
    server.path = PATH
    return server


# ---- Redis ----

def fetch_redis():
    """Out of Debian's packages, whose installation would start a server; apt checks signatures."""
    found = shutil.which("redis-server")
    if found:
        return found
    server = REDIS / "usr/bin/redis-check-rdb"  # the same program, by another name
    if not server.exists():
        REDIS.mkdir(parents=True, exist_ok=True)
        packages = "redis-tools libjemalloc2 liblzf1 libatomic1"
        run("/bin/bash", "-ec", f"apt-get -q download {packages} && for p in *.deb; do "
            "dpkg-deb -x $p . && rm $p; done", cwd=REDIS)
    link = REDIS / "redis-server"
    if not link.exists():
        link.symlink_to(server)
    return link


class Redis(servers.Server):

    def __init__(self, folder):
        super().__init__()
        library = REDIS / "usr/lib/x86_64-linux-gnu"
        program = ["/usr/bin/env", f"LD_LIBRARY_PATH={library}", fetch_redis()]
        self.name = "Redis " + run(*program, "--version").split(" v=")[1].split()[0]
        (self.port,) = peers.free_ports(1)
        self.start([*program, "--port", self.port,
                    "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"])
        self.wait_for("Ready to accept connections")


# ---- Feast ----

def environment():
    if not FEAST.is_dir():
        raise peers.Absent("Feast is not in build/deps: tools/fetch-deps --group feast")
    return {**os.environ, "PYTHONPATH": str(FEAST), "FEAST_USAGE": "False"}


class Repository:
    """One of Feast's, with all values in the online store `kind`."""

    def __init__(self, folder, kind, store, keys, widths):
        self.kind, self.folder = kind, folder / f"feast-{kind}"
        self.folder.mkdir()
        (self.folder / "feature_store.yaml").write_text(
            SETTINGS.format(folder=self.folder, store=store), encoding="utf-8")
        run(sys.executable, SIDE, "make", self.folder, keys, *widths, env=environment())


class FeastServer(peers.Peer):
    path = PATH
    note = "gunicorn with one uvicorn worker, no access log, the registry read once"

    def __init__(self, repository):
        servers.Server.__init__(self)
        self.name = f"Feast's server, {repository.kind}"
        self.folder = repository.folder
        self.log, self.model = self.folder / "log", ""
        (self.port,) = peers.free_ports(1)
        self.launch([sys.executable, SIDE, "serve", self.folder, self.port], **environment())


class FeastProcess(servers.Server):
    """get_online_features() in a process of its own, which is asked by lines."""

    def __init__(self, repository):
        super().__init__()
        self.name = f"Feast in process, {repository.kind}"
        self.process = subprocess.Popen(
            [sys.executable, SIDE, "sdk", str(repository.folder)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(),
            preexec_fn=servers.pin(0), start_new_session=True)

    def call(self, width, keys, seconds):
        line = {"width": width, "keys": keys, "seconds": seconds}
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise peers.Absent(f"{self.name} ended")
        return json.loads(answer)

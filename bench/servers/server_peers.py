# SPDX-License-Identifier: Apache-2.0
"""Servers of others around the same model: how each is started, asked and understood.

They come from the group `servers` of deps.lock, nginx out of Debian's package. All run on core 0, as
ours does, with one worker and one thread of XGBoost, and the settings that cost them least: no access
logs, no metrics, the fastest loop and parser they take. A server that this machine does not have, or
that does not start, is absent, and the reason stands in the results.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import venv

import numpy as np

import bench_servers as servers

APPS = pathlib.Path(__file__).resolve().parent / "apps"
DEPS = servers.ROOT / "build/deps"
PACKAGES = DEPS / "python-servers"
TRITON = DEPS / "nvidia-pytriton-wheel"
NGINX = servers.ROOT / "build/bench/servers/nginx"
READY_SECONDS_MAX = 180  # the first time Python compiles what it imports


class Absent(Exception):
    """Why a server does not take part."""


def version(package, folder=PACKAGES):
    found = sorted(folder.glob(f"{package}-*.dist-info"))
    if not found:
        raise Absent(f"{package} is not in build/deps: tools/fetch-deps --group servers")
    return found[0].name.removeprefix(f"{package}-").removesuffix(".dist-info")


def free_ports(count):
    """Ports that nobody listens on now. Peers have to be told one."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def oip_body(rows):
    return {"inputs": [{"name": "input", "datatype": "FP32", "shape": [len(rows), len(rows[0])],
                        "data": [value for row in rows for value in row]}]}


def oip_scores(answer):
    return answer["outputs"][0]["data"]


class Peer(servers.Server):
    """One that answers POST `path` with JSON: `body` makes what is asked of rows, `scores` reads it."""

    path = "/predict"
    note = ""
    takes_binary = False  # and tells metadata, as the Open Inference Protocol has it

    def __init__(self, folder, model):
        super().__init__()
        self.folder = folder / type(self).__name__.lower()
        self.folder.mkdir(exist_ok=True)
        self.model = model
        self.log = self.folder / "log"
        (self.port,) = free_ports(1)

    @staticmethod
    def body(rows):
        return {"rows": rows}

    @staticmethod
    def scores(answer):
        return answer["scores"]

    def words(self, transport):
        assert transport == "tcp"
        return [f"http://127.0.0.1:{self.port}"]

    def launch(self, words, **environment):
        """Start it in a session of its own, with all that it starts, and wait until it answers."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), str(APPS)]),
                       "MODEL": str(self.model), "OMP_NUM_THREADS": "1", "HOME": str(self.folder),
                       **environment}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.folder, env=environment,
                preexec_fn=servers.pin(0), start_new_session=True)
        return self

    def wait_until_ready(self, example):
        """An answer of status 200 to `example`."""
        last = ""
        until = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < until and self.process.poll() is None:
            try:
                status, text = self.ask(example)
                if status == 200:
                    return
                last = f"{status} {text[:100]!r}"
            except OSError as error:
                last = str(error)
            time.sleep(0.1)
        lines = self.log.read_text(errors="replace").strip().splitlines()[-1:] or [""]
        raise Absent(f"it did not start: {last}; {lines[0][:200]}")


class FastApi(Peer):
    note = "uvicorn with uvloop and httptools, orjson, no validation, prediction in place"

    def __init__(self, folder, model):
        self.name = f"FastAPI {version('fastapi')} + XGBoost {version('xgboost_cpu')}"
        super().__init__(folder, model)
        self.launch([sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", self.port,
                     "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level",
                     "warning", "fastapi_app:app"])


class LitServe(Peer):
    note = "one process for HTTP, one that scores"

    def __init__(self, folder, model):
        self.name = f"LitServe {version('litserve')}"
        super().__init__(folder, model)
        self.launch([sys.executable, APPS / "litserve_app.py", model, self.port])


class BentoMl(Peer):
    note = "one worker, no access log"

    @staticmethod
    def scores(answer):
        return answer

    def __init__(self, folder, model):
        self.name = f"BentoML {version('bentoml')}"
        super().__init__(folder, model)
        self.launch([sys.executable, "-m", "bentoml", "serve", "bentoml_app:Forest", "--host",
                     "127.0.0.1", "--port", self.port, "--working-dir", APPS],
                    BENTOML_HOME=str(self.folder), BENTOML_DO_NOT_TRACK="true")


class MlServer(Peer):
    path = f"/v2/models/{servers.MODEL}/infer"
    note = "Open Inference Protocol, its XGBoost runtime in the process of the server"

    body = staticmethod(oip_body)
    scores = staticmethod(oip_scores)

    def __init__(self, folder, model):
        self.name = f"MLServer {version('mlserver')}"
        super().__init__(folder, model)
        grpc, metrics = free_ports(2)
        (self.folder / "settings.json").write_text(json.dumps({
            "debug": False, "host": "127.0.0.1", "http_port": self.port, "grpc_port": grpc,
            "metrics_port": metrics, "parallel_workers": 0}), encoding="utf-8")
        (self.folder / "model-settings.json").write_text(json.dumps({
            "name": servers.MODEL, "implementation": "mlserver_xgboost.XGBoostModel",
            "parameters": {"uri": str(model), "version": "1"}}), encoding="utf-8")
        self.launch([sys.executable, "-c", "from mlserver.cli import main; main()", "start",
                     self.folder])


class Mlflow(Peer):
    path = "/invocations"
    note = "`mlflow models serve`, one worker of uvicorn"

    @staticmethod
    def body(rows):
        return {"inputs": rows}

    @staticmethod
    def scores(answer):
        return answer["predictions"]

    def __init__(self, folder, model):
        self.name = f"MLflow {version('mlflow')}"
        super().__init__(folder, model)
        kept = self.folder / "model"
        environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "HOME": str(self.folder)}
        made = subprocess.run([sys.executable, APPS / "mlflow_model.py", model, kept],
                              capture_output=True, text=True, check=False, env=environment)
        if made.returncode:
            raise Absent(f"its model could not be written: {made.stderr.strip()[-200:]}")
        # It starts `uvicorn`, which only a virtual environment would have put there.
        uvicorn = self.folder / "uvicorn"
        uvicorn.write_text(f'#!/bin/sh\nexec {sys.executable} -m uvicorn --no-access-log "$@"\n',
                           encoding="utf-8")
        uvicorn.chmod(0o755)
        self.launch([sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", kept,
                     "--env-manager", "local", "--host", "127.0.0.1", "--port", self.port,
                     "--workers", "1"], PATH=f"{self.folder}:{os.environ['PATH']}")


TRITON_CONFIG = """name: "m"
backend: "python"
max_batch_size: 1024
input [ { name: "input" data_type: TYPE_FP32 dims: [ 50 ] } ]
output [ { name: "score" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
"""


class Triton(Peer):
    path = f"/v2/models/{servers.MODEL}/infer"
    note = "the tritonserver of PyTriton's wheel; XGBoost in its Python backend, since that is the " \
        "one backend there is in it"
    takes_binary = True

    body = staticmethod(oip_body)
    scores = staticmethod(oip_scores)

    def __init__(self, folder, model):
        self.name = f"Triton (nvidia-pytriton {version('nvidia_pytriton', TRITON)})"
        super().__init__(folder, model)
        home = TRITON / "pytriton/tritonserver"
        backend = self.folder / "backends/python"
        shutil.copytree(home / "backends/python", backend)
        stub = home / f"python_backend_stubs/{sys.version_info[0]}.{sys.version_info[1]}"
        shutil.copy(stub / "triton_python_backend_stub", backend)
        code = self.folder / f"models/{servers.MODEL}/1"
        code.mkdir(parents=True)
        shutil.copy(APPS / "triton_model.py", code / "model.py")
        (code.parent / "config.pbtxt").write_text(TRITON_CONFIG, encoding="utf-8")
        # Its Python looks at no variable, but at the environment of the `python3` that it finds.
        environment = self.folder / "environment"
        venv.create(environment, with_pip=False)
        (site,) = environment.glob("lib/python*/site-packages")
        (site / "peers.pth").write_text(f"{DEPS / 'numpy-wheel'}\n{PACKAGES}\n", encoding="utf-8")
        self.launch([home / "bin/tritonserver", "--model-repository", code.parents[1],
                     "--backend-directory", backend.parent, "--http-address", "127.0.0.1",
                     "--http-port", self.port, "--http-thread-count", "2", "--allow-grpc", "false",
                     "--allow-metrics", "false"],
                    LD_LIBRARY_PATH=str(TRITON / "nvidia_pytriton.libs"), PYTHONPATH="",
                    PATH=f"{environment / 'bin'}:{os.environ['PATH']}")


PEERS = [Triton, FastApi, MlServer, LitServe, BentoMl, Mlflow]


# ---- what is asked of them ----

def make_rows(count, features):
    """f32, and the shortest decimal numbers that are these f32."""
    values = np.random.default_rng(2).standard_normal((count, features)).astype(np.float32)
    return [[float(str(value)) for value in row] for row in values]


def write_bodies(path, rows, a_call, body):
    """One body a line, of `a_call` rows each."""
    lines = [json.dumps(body(rows[at:at + a_call]), separators=(",", ":"))
             for at in range(0, len(rows), a_call)]
    return keep_lines(path, lines)


def keep_lines(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def answers(peer, bodies):
    """Its scores of all the rows of a file of bodies, as f32."""
    found = []
    for line in bodies.read_text(encoding="utf-8").splitlines():
        status, text = peer.ask(line)
        if status != 200:
            raise Absent(f"status {status}: {text[:200]!r}")
        found += np.asarray(peer.scores(json.loads(text)), np.float32).ravel().tolist()
    return np.array(found, np.float32)


# ---- the floor of a real server ----

def fetch_nginx():
    """Out of Debian's package, whose installation would start a server; apt checks its signature."""
    if NGINX.exists():
        return
    NGINX.parent.mkdir(parents=True, exist_ok=True)
    command = "apt-get -q download nginx && dpkg-deb --fsys-tarfile nginx_*.deb | " \
        "tar -x --strip-components=3 ./usr/sbin/nginx && rm nginx_*.deb"
    done = subprocess.run(["/bin/bash", "-ec", command], cwd=NGINX.parent, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(f"nginx: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}")


NGINX_CONFIG = """daemon off; master_process off; worker_processes 1; pid {folder}/pid;
error_log {folder}/log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{
    listen 127.0.0.1:{port}; default_type application/json;
    location / {{ return 200 '{answer}'; }}
  }}
}}
"""


class Nginx(servers.Server):
    """It answers everything with the body of one of our answers."""

    def __init__(self, folder, answer, metadata):
        super().__init__()
        fetch_nginx()
        told = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=False)
        self.name = told.stderr.strip().removeprefix("nginx version: ").replace("/", " ") or "nginx"
        (self.port,) = free_ports(1)
        self.metadata = folder / "metadata.json"
        self.metadata.write_bytes(metadata)
        mine = folder / "nginx"
        mine.mkdir(exist_ok=True)
        text = answer.split(b"\r\n\r\n", 1)[1].decode()
        assert "'" not in text and "$" not in text
        config = mine / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(folder=mine, port=self.port, answer=text),
                          encoding="utf-8")
        self.start([NGINX, "-p", mine, "-c", config])
        servers.wait_for_port(self.port)

    def words(self, transport):
        assert transport == "tcp"
        return ["--metadata", str(self.metadata), f"http://127.0.0.1:{self.port}"]

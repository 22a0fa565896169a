# SPDX-License-Identifier: Apache-2.0
"""MLServer and Triton under the scenarios whose operations they offer: reload under load, load and
unload, overload, restart with models. Theirs are shorter, since theirs take longer; how much was done
is told."""

import shutil
import sys
import time
import venv

import numpy as np

import scenario_fleet
import scenario_load
import scenario_models as models
import scenario_server as servers
import server_peers as peers
from scenario_report import Report


class FleetOf(peers.Peer):
    """Of others, with the models of a folder as ours has it."""
    reloads, restart_models, churners = 20, 20, 8

    def call(self, method, path, body=None):
        return servers.call(self.port, method, path, body)

    def load(self, model):
        return self.call("POST", f"/v2/repository/models/{model}/load", "{}")

    def start_and_wait(self, names):
        self.begin()
        self.wait_for_models(names)
        return self

    def wait_for_models(self, names):
        question = models.body(models.rows(1, seed=12))
        for name in names:
            self.path = models.infer(name)
            self.wait_until_ready(question)


class MlServerFleet(FleetOf):
    """One worker, as it is beside the empty server."""

    def __init__(self, folder, repository):
        self.name = f"MLServer {peers.version('mlserver')}"
        super().__init__(folder, None)
        self.repository = repository
        grpc, metrics = peers.free_ports(2)
        self.write(self.folder / "settings.json", {
            "debug": False, "host": "127.0.0.1", "http_port": self.port, "grpc_port": grpc,
            "metrics_port": metrics, "parallel_workers": 0})
        for model in repository.iterdir():
            place = self.folder / model.name
            place.mkdir()
            self.write(place / "model-settings.json", {
                "name": model.name, "implementation": "mlserver_xgboost.XGBoostModel",
                "parameters": {"uri": str(model / "1/model.json"), "version": "1"}})

    @staticmethod
    def write(path, what):
        path.write_text(peers.json.dumps(what), encoding="utf-8")

    def begin(self):
        self.launch([sys.executable, "-c", "from mlserver.cli import main; main()", "start",
                     self.folder], MODEL="")


class TritonFleet(FleetOf):
    """A process of its Python backend a model, so there are fewer."""
    reloads, restart_models, churners = 5, 8, 4

    def __init__(self, folder, repository):
        self.name = f"Triton (nvidia-pytriton {peers.version('nvidia_pytriton', peers.TRITON)})"
        super().__init__(folder, None)
        self.home = peers.TRITON / "pytriton/tritonserver"
        self.backend = self.folder / "backends/python"
        shutil.copytree(self.home / "backends/python", self.backend)
        stub = self.home / f"python_backend_stubs/{sys.version_info[0]}.{sys.version_info[1]}"
        shutil.copy(stub / "triton_python_backend_stub", self.backend)
        self.repository = repository
        for model in repository.iterdir():
            shutil.copy(peers.APPS / "triton_model.py", model / "1/model.py")
            (model / "config.pbtxt").write_text(
                peers.TRITON_CONFIG.replace('"m"', f'"{model.name}"'), encoding="utf-8")
        self.environment = self.folder / "environment"
        venv.create(self.environment, with_pip=False)
        (site,) = self.environment.glob("lib/python*/site-packages")
        (site / "peers.pth").write_text(f"{peers.DEPS / 'numpy-wheel'}\n{peers.PACKAGES}\n",
                                        encoding="utf-8")

    def begin(self):
        self.launch([self.home / "bin/tritonserver", "--model-repository", self.repository,
                     "--model-control-mode", "explicit", "--load-model", "*",
                     "--backend-directory", self.backend.parent, "--http-address", "127.0.0.1",
                     "--http-port", self.port, "--http-thread-count", "2", "--allow-grpc", "false",
                     "--allow-metrics", "false"], MODEL="",
                    LD_LIBRARY_PATH=str(peers.TRITON / "nvidia_pytriton.libs"), PYTHONPATH="",
                    PATH=f"{self.environment / 'bin'}:{peers.os.environ['PATH']}")


KINDS = [MlServerFleet, TritonFleet]


def each(name, title, measure):
    """What a scenario does to others: a function of a Run that yields reports."""
    def run_all(run):
        for kind in KINDS:
            report = Report(name, title, kind.__name__.removesuffix("Fleet"), run.short)
            try:
                measure(run, kind, report)
            except (peers.Absent, servers.Failed, OSError) as why:
                report.note(f"Absent: {why}.")
            yield report
    return run_all


def prepare(run, kind, name, count, source=None):
    """(its folder, names of models, a server that is not started)."""
    folder = run.new(f"{name}-{kind.__name__}")
    names = models.fleet(source or models.Source(100, 6), folder / "models", count)
    return folder, names, kind(folder, folder / "models")


def measure_reload(run, kind, report):
    source = models.Source(100, 6)
    folder, (name,), peer = prepare(run, kind, "reload", 1, source)
    report.server = peer.name
    place = folder / f"models/{name}/1"
    texts = [source.text(intercept) for intercept in (0.3, 0.6)]
    asked = models.write_mix(folder / "in-turn", [
        (None, models.infer(name), models.body(models.rows(1, seed=100 + i), name=str(i)))
        for i in range(64)])
    with peer:
        peer.start_and_wait([name])
        known = []
        for text in texts:
            scenario_fleet.replace_model(place, text)
            scenario_fleet.ordered(peer, "load", name)
            client = servers.run(peer, asked, "--requests", 64, records=True, connections=1,
                                 folder=folder)
            known.append(dict(zip(client.records["line"].tolist(),
                                  client.records["body_hash"].tolist())))
        rate = servers.closed(peer, asked, 2, folder=folder) / 2
        seconds, options = 10, {"connections": 64, "folder": folder, "records": True}
        calm = servers.run(peer, asked, *servers.opened(rate, seconds), **options)
        client = servers.Client(peer.url(), asked, *servers.opened(rate, seconds), **options)
        reloader = scenario_fleet.Reloader(peer, place, texts, kind.reloads, seconds * 0.95, name)
        reloader.gives_up = True
        reloader.start()
        client.wait()
        reloader.join()
    of = scenario_fleet.count_contents(client.records, known)
    report.figure("reloads", len(reloader.took))
    report.figure("reloads that failed", len(reloader.failed))
    report.figure("requests that were not answered with 200", client.result["errors"], "0")
    report.figure("statuses", str(client.result["statuses"]))
    report.figure("answers of the first content, of the second, of neither",
                  ", ".join(map(str, of)), "none of neither")
    report.figure("p99 beside that without reloads",
                  client.result["latency_ns"]["p99"] / max(calm.result["latency_ns"]["p99"], 1))
    report.figure("p99 with and without, us", f"{client.result['latency_ns']['p99'] / 1e3:,.0f}, "
                  f"{calm.result['latency_ns']['p99'] / 1e3:,.0f}")
    report.figure("requests/s", round(rate))
    report.figure("a reload, from the order to its answer, median, ms",
                  servers.median(reloader.took) * 1e3)


def measure_churn(run, kind, report):
    folder, names, peer = prepare(run, kind, "churn", kind.churners + 1, models.Source(20, 3))
    report.server = peer.name
    steady = names.pop()
    mix, _ = models.mix(folder / "mix", {steady: 1}, 16)
    orders = folder / "orders"
    orders.write_text(scenario_fleet.churn_lines(names, 64), encoding="utf-8")
    with peer:
        peer.start_and_wait([*names, steady])
        seconds = 10
        churner = servers.Client(peer.url(), orders, "--threads", len(names), "--duration",
                                 f"{seconds}s", "--timeout", "60s", connections=len(names),
                                 folder=folder)
        traffic = servers.run(peer, mix, *servers.opened(100, seconds), "--timeout", "30s",
                              connections=16, folder=folder)
        result = churner.wait().result
        time.sleep(1)
        alive = peer.process.poll() is None
    report.figure("clients, each with a model of its own", len(names))
    report.figure("orders/s", result["requests_per_s"])
    report.figure("statuses of the orders", str(result["statuses"]))
    report.figure("requests for a steady model meanwhile that were not answered with 200",
                  traffic.result["errors"], "0")
    report.figure("their p99, ms", traffic.result["latency_ns"]["p99"] / 1e6)
    report.figure("the server lives", str(alive), "True")


def measure_overload(run, kind, report):
    folder, (name,), peer = prepare(run, kind, "overload", 1)
    report.server = peer.name
    asked, _ = models.mix(folder / "mix", {name: 1}, 256)
    with peer:
        peer.start_and_wait([name])
        servers.closed(peer, asked, 1, folder=folder)
        peak = servers.closed(peer, asked, 3, folder=folder)
        client = servers.run(peer, asked, *servers.opened(2 * peak, 10), "--timeout", "10s",
                             records=True, folder=folder,
                             connections=scenario_load.OVERLOAD_CONNECTIONS)
        after = servers.run(peer, asked, *servers.opened(peak / 4, 3), records=True, folder=folder,
                            connections=scenario_load.OVERLOAD_CONNECTIONS)
    late = after.records[after.records["began_ns"] >= scenario_load.SECOND_NS]
    scenario_load.overload_figures(report, "1 row, 100 trees of depth 6", peak, client.result,
                                   client.records, (after.records, late))
    report.figure("statuses", str(client.result["statuses"]))
    report.figure("seconds of overload", 10)


def measure_restart(run, kind, report):
    count = kind.restart_models
    _, names, peer = prepare(run, kind, "restart", count)
    report.server = peer.name
    with peer:
        began = time.monotonic()
        peer.start_and_wait(names)
        took = time.monotonic() - began
    report.figure("models", count)
    report.figure("all of them answer, s", took)
    report.figure("a model, s", took / count)


reload = each("reload100", "reloads under an open loop at half of its capacity", measure_reload)
churn = each("churn", "load and unload, with traffic", measure_churn)
overload = each("overload", "an open loop at twice its capacity", measure_overload)
restart = each("restart1000", "start with models in the folder", measure_restart)

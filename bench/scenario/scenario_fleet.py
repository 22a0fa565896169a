# SPDX-License-Identifier: Apache-2.0
"""Scenarios of a fleet that changes: reloads under load, churn, more models than memory, restart."""

import http.client
import socket
import subprocess
import sys
import threading
import time

import numpy as np

import bench_servers
import scenario_models as models
import scenario_server as servers
import server_peers as peers
from scenario_report import Report

MEMORY_METRIC = "ax_model_memory_bytes"
RESIDENT_METRIC = "ax_model_resident_bytes"  # of each version
LOADS_METRIC = "ax_model_loads_total"
MISSES_METRIC = "ax_model_misses_total"
EVICTIONS_METRIC = "ax_model_evictions_total"


def ordered(server, order, model):
    """A load or an unload that must succeed."""
    status, text = getattr(server, order)(model)
    if status == 404 or status == 405 or b"not allowed" in text:
        raise servers.Absent(f"{order}: status {status} {text[:100]!r}")
    if status != 200:
        raise servers.Failed(f"{order} of '{model}': status {status} {text[:200]!r}")


# ---- reloads under load ----

class Burner:
    """Burns core 0 at idle priority, as loaders may."""

    CODE = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE],
                                        stdin=subprocess.DEVNULL, preexec_fn=bench_servers.pin(0))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def replace_model(folder, text):
    new = folder / ".new"
    new.write_text(text, encoding="utf-8")
    new.rename(folder / "model.json")


class Reloader(threading.Thread):
    """Loads a model `count` times within `seconds`, each time from the other content."""

    def __init__(self, server, folder, texts, count, seconds, model="m"):
        super().__init__(daemon=True)
        self.server, self.folder, self.texts, self.model = server, folder, texts, model
        self.count, self.seconds = count, seconds
        self.gives_up = False  # when the time is over
        self.took, self.failed = [], []

    def run(self):
        began = time.monotonic()
        for number in range(self.count):
            if self.gives_up and time.monotonic() > began + self.seconds:
                break
            time.sleep(max(0, began + self.seconds * number / self.count - time.monotonic()))
            replace_model(self.folder, self.texts[number % 2])
            started = time.monotonic()
            try:
                status, text = self.server.load(self.model)
            except OSError as error:
                status, text = 0, str(error)
            self.took.append(time.monotonic() - started)
            if status != 200:
                self.failed.append((status, text[:200]))


def answers(server, asked, lines, books, folder):
    """{line: hash of its answer} of the model as it is now."""
    client = servers.run(server, asked, "--requests", lines, records=True, connections=1,
                         folder=folder)
    books.add(client.result)
    return dict(zip(client.records["line"].tolist(), client.records["body_hash"].tolist()))


def count_contents(records, known):
    """Answers with 200 of the first content, of the second, and of neither."""
    counts = [0, 0, 0]
    for line, body, status in zip(records["line"].tolist(), records["body_hash"].tolist(),
                                  records["status"].tolist()):
        if status == 200:
            counts[0 if body == known[0][line] else 1 if body == known[1][line] else 2] += 1
    return counts


def reload(run):
    report = Report("reload100", "100 reloads under an open loop at half of the capacity", "auspex",
                    run.short)
    folder = run.new("reload")
    source = models.Source(*run.pick((100, 6), (20, 3)))
    texts = [source.text(intercept) for intercept in (0.3, 0.6)]
    place = folder / "models/m/1"
    place.mkdir(parents=True)
    (place / "model.json").write_text(texts[1], encoding="utf-8")
    lines = 64
    asked = models.write_mix(folder / "in-turn", [
        (None, models.infer("m"), models.body(models.rows(1, source.features, 100 + i),
                                                 name=str(i)))
        for i in range(lines)])
    with servers.Fleet(folder / "models", folder / "state", "--model-control", "explicit") as server:
        books = servers.Books(server)
        ordered(server, "load", "m")
        known = [None, answers(server, asked, lines, books, folder)]
        (place / "model.json").write_text(texts[0], encoding="utf-8")
        ordered(server, "load", "m")
        known[0] = answers(server, asked, lines, books, folder)
        report.check("requests to which the two contents answer alike",
                     sum(known[0][i] == known[1][i] for i in range(lines)), 0)
        reload_rounds(run, report, server, asked, (place, texts, known), books, folder)
        books.compare(report)
        books.close(report)
    return report


def reload_rounds(run, report, server, asked, content, books, folder):
    place, texts, known = content
    options = {"connections": 64, "folder": folder}
    capacity = books.add(servers.run(server, asked, "--duration", f"{run.pick(2, 1)}s", folder=folder,
                                     connections=16).result)["requests_per_s"]
    rate = run.pick(capacity / 2, 300)
    rounds, reloads, seconds = run.pick((10, 5, 2), (1, 5, 2))
    loads = servers.value(server.metrics(), LOADS_METRIC)
    ratios, p99, took, errors, slips = [], {True: [], False: []}, [], 0, []
    counts = np.zeros(3, int)
    done = failed = 0
    for number in range(rounds):
        found = {True: [], False: []}
        for is_reloading in (True, False, False, True):
            words = servers.opened(rate, seconds, run.seed + number)
            if is_reloading:
                client = servers.Client(server.url(), asked, *words, records=True, **options)
                reloader = Reloader(server, place, texts, reloads, seconds * 0.95)
                reloader.start()
                client.wait()
                reloader.join()
                took += reloader.took
                done += len(reloader.took)
                failed += len(reloader.failed)
                if reloader.failed:
                    report.note(f"a load failed: {reloader.failed[0]}")
                counts += count_contents(client.records, known)
            else:
                with Burner():
                    client = servers.run(server, asked, *words, records=True, **options)
            books.add(client.result)
            errors += client.result["errors"]
            slips.append(client.result["slip_ns"]["p99"] / 1e3)
            found[is_reloading].append(client.result["latency_ns"]["p99"] / 1e3)
        ratios.append(sum(found[True]) / sum(found[False]))
        for kind, values in found.items():
            p99[kind] += values
    report.check("reloads", done, rounds * 2 * reloads)
    report.check("reloads that failed", failed, 0)
    report.check("loads that the server counted",
                 servers.value(server.metrics(), LOADS_METRIC) - loads, done)
    report.check("requests that were not answered with 200", errors, 0)
    report.check("answers of neither content", int(counts[2]), 0)
    report.at_least("answers of the first content", int(counts[0]), 1)
    report.at_least("answers of the second content", int(counts[1]), 1)
    report.figure("p99 beside that with an idle-priority burner", servers.median(ratios), "≤ 1.5")
    report.figure("the ratios of the rounds", ", ".join(f"{r:.2f}" for r in ratios))
    report.figure("p99 with reloads and with the burner, us",
                  f"{servers.median(p99[True]):,.0f}, {servers.median(p99[False]):,.0f}")
    report.figure("requests/s", round(rate))
    report.figure("a reload, from the order to its answer, median, ms",
                  servers.median(took) * 1e3)
    report.figure("the client's own lateness, p99, us", servers.median(slips))


# ---- churn ----

CHURNERS = 32


def churn_lines(names, times):
    """A block of lines for each client: load and unload, `times` times."""
    return "".join(f"POST /v2/repository/models/{name}/{order} {{}}\n" for name in names
                   for _ in range(times) for order in ("load", "unload"))


def churn(run):
    report = Report("churn", f"{CHURNERS} clients load and unload, with traffic", "auspex", run.short)
    folder = run.new("churn")
    source = models.Source(20, 3)
    names = models.fleet(source, folder / "models", CHURNERS + 1)
    steady = names.pop()
    times = run.pick(1024, 4)
    mix, group = models.mix(folder / "mix", {steady: 1, names[0]: 0.05, names[1]: 0.05}, 16)
    with servers.Fleet(folder / "models", folder / "state", "--model-control", "explicit") as server:
        books = servers.Books(server)
        for name in [steady, *names]:
            ordered(server, "load", name)
        for kind, who in (("of models of their own", names), ("of one model", names[:1] * CHURNERS)):
            churn_once(run, report, server, kind, churn_lines(who, times), (mix, group), books,
                       folder)
        for name in names:
            ordered(server, "load", name)
        states = {m["name"]: m["state"] for m in server.index()}
        report.check("models that are ready when each was loaded again",
                     sum(states.get(name) == "READY" for name in [steady, *names]), len(names) + 1)
        texts = [source.text(intercept) for intercept in (0.35, 0.65)]
        churn_memory(run, report, server, folder / f"models/{names[0]}/1", texts)
        report.at_most("descriptors more than at rest", server.settled_descriptors(), 0)
        books.compare(report)
        books.close(report)
    return report


def churn_once(run, report, server, kind, lines, traffic, books, folder):
    mix, group = traffic
    orders = folder / f"orders-{len(kind)}"
    orders.write_text(lines, encoding="utf-8")
    count = lines.count("\n")
    churner = servers.Client(server.url(), orders, "--requests", count, "--threads", CHURNERS,
                             "--duration", "3600s", "--timeout", "60s", connections=CHURNERS,
                             folder=folder)
    statuses, bad_steady, sent = {}, 0, 0
    while churner.process.poll() is None:
        client = servers.run(server, mix, *servers.opened(200, 1, run.seed), connections=16,
                             records=True, folder=folder)
        books.add(client.result)
        of_steady = group[client.records["line"]] == 0
        bad_steady += int((client.records["status"][of_steady] != 200).sum())
        sent += client.result["sent"]
        for status, n in client.result["statuses"].items():
            statuses[status] = statuses.get(status, 0) + n
    result = churner.wait().result
    report.check(f"orders {kind} that were answered", result["answers"], count)
    wanted = {"200": count}
    if kind == "of one model":
        # An order may find that another one's came between.
        report.check(f"orders {kind}: statuses besides 200, 400 and 503",
                     sorted(set(result["statuses"]) - {"200", "400", "503"}), [])
        report.figure(f"orders {kind}: statuses", str(result["statuses"]))
    else:
        report.check(f"orders {kind}: statuses", result["statuses"], wanted)
    report.check(f"requests for a steady model meanwhile that were not answered with 200 ({kind})",
                 bad_steady, 0)
    report.check(f"statuses of all traffic besides 200, 400, 404 and 503 ({kind})",
                 sorted(set(statuses) - {"200", "400", "404", "503"}), [])
    report.figure(f"orders/s {kind}", round(result["requests_per_s"]))
    report.figure(f"statuses of the traffic meanwhile ({kind})", str(statuses))


def churn_memory(run, report, server, place, texts):
    """Memory after some reloads, from one content and the other in turn, and after a thousand more."""
    found = []
    for count in run.pick((200, 1000), (20, 30)):
        before = servers.value(server.metrics(), LOADS_METRIC)
        reloader = Reloader(server, place, texts, count, 0, place.parent.name)
        reloader.run()
        report.check(f"reloads, of {count}, that failed", reloader.failed, [])
        report.check("loads that the server counted meanwhile",
                     servers.value(server.metrics(), LOADS_METRIC) - before, count)
        found.append(server.rss())
    grown = 100 * (found[1] - found[0]) / found[0]
    report.at_most("resident memory more after the reloads, percent", round(grown, 2),
                   run.pick(5, 20))
    report.figure("resident memory before and after, MiB",
                  f"{found[0] / 2**20:.1f}, {found[1] / 2**20:.1f}")


# ---- more models than memory ----

def zipf(run):
    report = Report("zipf1000", "1,000 models, Zipf(1.0), memory for a tenth", "auspex", run.short)
    count = run.pick(1000, 30)
    folder = run.new("zipf")
    source = models.Source(*run.pick(models.LARGE, (40, 3)))
    sizes = models.log_sizes(count, 2, source.trees)
    names = models.fleet(source, folder / "models", count, sizes)
    bytes_of = [(folder / "models" / n / "1/model.json").stat().st_size for n in names]
    report.figure("sources, smallest, median, largest, MB", ", ".join(
        f"{q / 1e6:.2f}" for q in (min(bytes_of), np.median(bytes_of), max(bytes_of))))
    asked, group = models.mix(folder / "mix", models.zipf(names), 2)
    with servers.Fleet(folder / "models", folder / "all", "--preload", "all") as whole:
        metrics = whole.metrics()
        memory = servers.value(metrics, MEMORY_METRIC) or servers.value(metrics, RESIDENT_METRIC)
        if memory <= 0:
            raise servers.Failed(f"the server does not tell {MEMORY_METRIC}")
        limit = int(memory / run.pick(10, 1.5))
        with servers.Fleet(folder / "models", folder / "tenth", "--preload", "none",
                           "--model-memory-max", limit) as tenth:
            zipf_cold(run, report, tenth, names, folder)
            zipf_traffic(run, report, whole, tenth, asked, group, folder)
            metrics = tenth.books.compare(report)
            report.at_least("evictions", servers.value(metrics, EVICTIONS_METRIC), 1)
            report.at_most("memory of loaded versions by the server's own account, share of its "
                           "limit", servers.value(metrics, MEMORY_METRIC) / limit, 1)
            report.figure("limit, MiB", limit / 2**20)
            report.figure("resident memory of the process, MiB", tenth.rss() / 2**20)
            tenth.books.close(report)
    return report


def zipf_cold(run, report, server, names, folder):
    """Each model once, when nothing of it is there but its source; and again, when it was evicted."""
    server.books = servers.Books(server)
    lines = [(None, models.infer(name), models.body(models.rows(1, seed=11))) for name in names]
    each = models.write_mix(folder / "each", lines)
    for kind, goal in (("source", 50), ("image", 5)):
        misses = servers.value(server.metrics(), MISSES_METRIC)
        client = servers.run(server, each, "--requests", len(names), "--duration", "3600s",
                             "--timeout", "60s", connections=1, records=True, folder=folder)
        server.books.add(client.result)
        report.check(f"first answers from the {kind}", client.result["statuses"],
                     {"200": len(names)})
        report.at_least(f"of them, those whose model was not loaded ({kind})",
                        servers.value(server.metrics(), MISSES_METRIC) - misses,
                        len(names) * 9 // 10)
        good = client.records[client.records["status"] == 200]
        for q in (0.5, 0.99, 1):
            report.figure(f"first answer from the {kind}, p{q * 100:g}, ms",
                          servers.quantile_us(good["latency_ns"], q) / 1e3,
                          f"≤ {goal} ms" if q == 0.99 else "")


def zipf_traffic(run, report, whole, tenth, asked, group, folder):
    """Models that stayed are those that were ready before a slice and were not loaded in it."""
    rate, seconds = run.pick((200, 15), (100, 2))
    options = {"connections": 256, "folder": folder, "records": True}
    # What a memory of a tenth holds after a while.
    tenth.books.add(servers.run(tenth, asked, *servers.opened(rate, seconds, 99), **options).result)
    servers.run(whole, asked, *servers.opened(rate, run.pick(2, 1), 99), **options)
    kept, p99, errors, stayed_share, loaded = ([], []), [], 0, [], 0
    rounds = run.pick(4, 1)
    for number in range(rounds):
        words = servers.opened(rate, seconds, run.seed + number)
        loads = servers.by_label(tenth.metrics(), LOADS_METRIC, "model")
        ready = {m["name"] for m in tenth.index() if m["state"] == "READY"}
        few = servers.run(tenth, asked, *words, **options)
        tenth.books.add(few.result)
        after = servers.by_label(tenth.metrics(), LOADS_METRIC, "model")
        many = servers.run(whole, asked, *words, **options)
        errors += few.result["errors"] + many.result["errors"]
        loaded += sum(after.values()) - sum(loads.values())
        stayed = np.array([name in ready and loads.get(name) == after.get(name)
                           for name in (f"m{i}" for i in range(group.max() + 1))])
        for client, into in zip((few, many), kept):
            records = client.records
            into.append(records["latency_ns"][stayed[group[records["line"]]]
                                              & (records["status"] == 200)])
        stayed_share.append(float(stayed[group[few.records["line"]]].mean()))
        p99.append([servers.quantile_us(into[-1], 0.99) for into in kept])
    few, many = (servers.quantile_us(np.concatenate(into), 0.99) for into in kept)
    report.check("requests that were not answered with 200", errors, 0)
    report.at_least("answers of models that stayed", sum(map(len, kept[0])), 1)
    report.figure("p99 of models that stayed resident beside theirs where all are, all rounds",
                  few / many, "0.9 … 1.1")
    report.figure("p99 of these, memory for a tenth and for all, us", f"{few:,.0f}, {many:,.0f}")
    report.figure("the ratios of the rounds", ", ".join(f"{a / b:.2f}" for a, b in p99))
    report.figure("requests to models that stayed, share", servers.median(stayed_share))
    report.figure("loads a second meanwhile", loaded / seconds / rounds)
    report.figure("requests/s", rate)


# ---- restart ----

def restart(run):
    report = Report("restart1000", "restart with 1,000 models in the folder", "auspex", run.short)
    count, hot = run.pick((1000, 100), (30, 5))
    folder = run.new("restart")
    source = models.Source(*run.pick((100, 6), (20, 3)))
    names = models.fleet(source, folder / "models", count,
                         models.log_sizes(count, *run.pick((2, 100), (2, 20))))
    # The popular ones are not the first of the folder.
    order = np.random.default_rng(3).permutation(count)
    popular = [names[i] for i in order]
    asked, _ = models.mix(folder / "mix", models.zipf(popular), 1)
    state = folder / "state"
    with servers.Fleet(folder / "models", state) as server:
        books = servers.Books(server)
        books.add(servers.run(server, asked, *servers.opened(run.pick(5000, 500), run.pick(6, 2)),
                              connections=64, folder=folder).result)
        report.check("errors of the traffic before", books.refused + books.other, 0)
        books.compare(report)
        books.close(report)
    seen = watch_restart(folder / "models", state, popular[:hot])
    report.at_most("answers before all hot ones were ready besides 200 and 503",
                   seen["others"], 0)
    report.check("answers 503 without Retry-After", seen["without_retry"], 0)
    report.check("hot models that answered at last", seen["hot"], hot)
    report.check("all models ready at last", seen["all"], count)
    report.check("exit status", seen["status"], 0)
    report.figure("the port is open, s", seen["port_s"])
    report.figure(f"the {hot} hot ones are ready, s", seen["hot_s"], "< 1 s")
    report.figure("all are ready, s", seen["all_s"])
    report.figure("answers 503 before, counted", seen["refused"])
    return report


def watch_restart(folder, state, hot):
    """Start the server and ask each hot model until it answers with 200."""
    (port,) = peers.free_ports(1)
    server = servers.Fleet(folder, state, "--listen", f"127.0.0.1:{port}", wait=False)
    seen = {"others": 0, "without_retry": 0, "refused": 0, "hot": 0}
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if server.process.poll() is not None:
                    raise servers.Failed("the server ended: " + "".join(server.log[-2:])) from None
                time.sleep(0.001)
        seen["port_s"] = time.monotonic() - server.started
        server.port = port
        question = models.body(models.rows(1, seed=12))
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        waiting = list(hot)
        while waiting and time.monotonic() < server.started + 60:
            left = []
            for name in waiting:
                wire.request("POST", models.infer(name), question)
                answer = wire.getresponse()
                answer.read()
                if answer.status != 200:
                    left.append(name)
                    seen["refused"] += answer.status == 503
                    seen["others"] += answer.status != 503
                    seen["without_retry"] += answer.status == 503 and \
                        not answer.headers.get("Retry-After")
            waiting = left
        seen["hot_s"] = time.monotonic() - server.started
        seen["hot"] = len(hot) - len(waiting)
        wire.close()
        server.wait_ready()
        seen["all_s"] = time.monotonic() - server.started
        seen["all"] = sum(m["state"] == "READY" for m in server.index())
    finally:
        seen["status"] = server.stop()
    return seen

# SPDX-License-Identifier: Apache-2.0
"""Scenarios of one server under load: overload, a hot model among quiet ones, deadlines, and idle
connections. Each takes a Run and returns its Report."""

import dataclasses
import pathlib

import numpy as np

import scenario_models as models
import scenario_server as servers
from scenario_report import Report


@dataclasses.dataclass
class Run:
    """How long and where."""
    folder: pathlib.Path
    short: bool
    seed: int = 1

    def pick(self, full, short):
        return short if self.short else full

    def new(self, name):
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


# ---- overload ----

OVERLOAD_CONNECTIONS = 512
# For a goal of 5: from the first byte on, without what the client adds, to when a call begins.
DEADLINE = ["--header", "X-Request-Timeout-Ms: 4"]
SECOND_NS = 10**9


def overload(run):
    """Cheap requests and dear ones, since to refuse one costs a fixed part of a cheap one; with a
    deadline, and as a client asks that names none, which waits for up to queue_time_max_ms."""
    report = Report("overload", "an open loop at twice the capacity", "auspex", run.short)
    few = models.Source(*run.pick((100, 6), (20, 3)))
    many = models.Source(*models.LARGE) if not run.short else few
    made = ["--model", "m", "--rows", 64, "--format", "binary", "--distinct", 64]
    for title, source, a_call in (("1 row as JSON, 100 trees of depth 6", few, 1),
                                  ("64 rows as binary, 500 trees of depth 8", many, 64)):
        folder = run.new(f"overload-{a_call}")
        source.write(folder / "models/m/1", 0.5, run.pick(500, None) if a_call > 1 else None)
        asked, _ = models.mix(folder / "mix", {"m": 1}, run.pick(256, 16))
        for deadline, seconds in ((DEADLINE, run.pick(60, 1)), ([], run.pick(15, 1))):
            with servers.Fleet(folder / "models", folder / "state") as server:
                overload_of(run, report, server, title + (", deadline 4 ms" if deadline else ", no deadline"),
                            made if a_call > 1 else asked, (deadline, seconds), folder)
    return report


def overload_of(run, report, server, title, asked, load, folder):
    books = servers.Books(server)
    deadline, seconds = load
    options = {"connections": OVERLOAD_CONNECTIONS, "folder": folder}
    # More connections bring more at a time, which costs less each, until some are refused.
    peaks = [books.add(servers.run(server, asked, "--duration", f"{run.pick(3000, 300)}ms",
                                   connections=connections, folder=folder).result)
             for connections in run.pick((16, 16, 64, 256, 256), (16, 64))][run.pick(1, 0):]
    peak = max(r["statuses"].get("200", 0) * SECOND_NS / r["elapsed_ns"] for r in peaks)
    # Buffers grow to what an overload needs, and then no more.
    books.add(servers.run(server, asked, *servers.opened(2 * peak, run.pick(3, 0.5), 99), *deadline,
                          **options).result)
    server.settled_descriptors()
    rss = server.own_rss()
    client = servers.run(server, asked, *servers.opened(2 * peak, seconds, run.seed), *deadline,
                         records=True, **options)
    result, records = books.add(client.result), client.records
    # At once behind it, without a deadline, which a machine that stops for a moment would miss. A
    # server that had not recovered would refuse some.
    after = servers.run(server, asked, *servers.opened(run.pick(peak / 4, 200), run.pick(3, 1.5),
                                                       run.seed),
                        records=True, **options)
    books.add(after.result)
    later = after.records[after.records["began_ns"] >= SECOND_NS]
    descriptors = server.settled_descriptors()
    grown = server.own_rss() - rss
    report.check(f"{title}: sent requests that were neither answered nor refused with 503",
                 result["sent"] - sum(result["statuses"].get(s, 0) for s in ("200", "503")), 0)
    report.check(f"{title}: not answered with 200 at a quarter of the capacity, from a second behind "
                 "the overload on", int((later["status"] != 200).sum()), 0)
    refused = books.compare(report)
    if not deadline:
        report.check(f"{title}: refused for a deadline", sum(
            servers.value(refused, "ax_refused_total", reason=r) for r in ("deadline", "late")), 0)
    report.at_most(f"{title}: descriptors more than at rest", descriptors, 0)
    report.at_most(f"{title}: memory of its own more than before, MiB", grown >> 20,
                   run.pick(16, 32))
    report.check(f"{title}: starts after the deadline",
                 servers.value(books.metrics, "ax_late_starts_total"), 0)
    overload_figures(report, title, peak, result, records, (after.records, later),
                     "< 5 ms" if deadline else "about 100 ms")
    books.close(report)


def overload_figures(report, title, peak, result, records, after, admitted="< 5 ms"):
    good, refused = records[records["status"] == 200], records[records["status"] == 503]
    goodput = len(good) * SECOND_NS / result["elapsed_ns"]
    report.figure(f"{title}: peak of closed loops, requests/s", round(peak))
    report.figure(f"{title}: admitted p99, ms",
                  servers.quantile_us(good["latency_ns"], 0.99) / 1e3, admitted)
    report.figure(f"{title}: admitted p50, ms",
                  (servers.quantile_us(good["latency_ns"], 0.5)) / 1e3)
    report.figure(f"{title}: goodput, share of the peak", goodput / peak, "≥ 0.90")
    report.figure(f"{title}: refused, share", len(refused) / max(len(records), 1))
    report.figure(f"{title}: refusal p50, ms",
                  (servers.quantile_us(refused["latency_ns"], 0.5)) / 1e3)
    report.figure(f"{title}: refusal p99, ms",
                  (servers.quantile_us(refused["latency_ns"], 0.99)) / 1e3, "< 1 ms")
    first, later = (servers.quantile_us(part["latency_ns"], 0.99) / 1e3 for part in after)
    report.figure(f"{title}: p99 behind it at a quarter of the capacity, whole and without the first "
                  "one, ms", f"{first:.2f}, {later:.2f}", "as ever within 1 s")
    late = result["slip_ns"]["p99"] / 1e6
    report.figure(f"{title}: of all these the client's own lateness, p99, ms", late)
    report.figure(f"{title}: sent while it lasted, beside the peak",
                  len(records) * SECOND_NS / result["elapsed_ns"] / peak, "2")
    report.figure(f"{title}: found no connection free, share",
                  result["waited"] / max(result["sent"], 1))
    report.figure(f"{title}: never sent, since none became free", result["unsent"])


# ---- one hot model ----

HOT_TIMEOUT_MS = 20


def hot(run):
    """All models at half of the capacity, one of them at five times the share of the others; and one
    that asks for more than all of the capacity, by requests of which scoring is the most."""
    report = Report("hot", "one hot model beside 99 quiet ones", "auspex", run.short)
    few = models.Source(*run.pick((100, 6), (20, 3)))
    many = models.Source(*models.LARGE) if not run.short else few
    hot_of(run, report, "at 5 times its share", (few, None, 16), lambda capacity, share: 5 * share)
    hot_of(run, report, "at 1.5 times the capacity", (many, run.pick(200, None), 64),
           lambda capacity, share: 1.5 * capacity, HOT_TIMEOUT_MS)
    return report


def hot_of(run, report, kind, models_of, hot_rate_of, timeout_ms=None):
    """`models_of`: source, trees of it, rows of a request. `timeout_ms` is the hot one's deadline, as
    its settings have it."""
    source, trees, a_call = models_of
    count = run.pick(100, 8)
    folder = run.new("hot-" + kind.replace(" ", "-"))
    names = models.fleet(source, folder / "models", count, trees and [trees] * count)
    quiet, hot_one = names[1:], names[0]
    if timeout_ms:
        (folder / "models" / hot_one / "serving.yaml").write_text(f"timeout_ms: {timeout_ms}\n",
                                                                  encoding="utf-8")
    alone, _ = models.mix(folder / "alone", dict.fromkeys(quiet, 1), 4, a_call)
    with servers.Fleet(folder / "models", folder / "state") as server:
        books = servers.Books(server)
        warm = books.add(servers.run(server, alone, "--duration", f"{run.pick(3, 1)}s",
                                     connections=16, folder=folder).result)
        # The short form asks for little, so that a machine that stops for a while refuses nothing.
        capacity = run.pick(warm["requests_per_s"], 200)
        share = 0.5 * capacity / count
        hot_rate = hot_rate_of(capacity, share)
        together = models.mix(folder / "together",
                              {hot_one: hot_rate, **dict.fromkeys(quiet, share)}, 4, a_call)
        hot_rounds(run, report, server, kind, books, (alone, share * len(quiet)),
                   (together, share * len(quiet) + hot_rate), folder)
        report.figure(f"{kind}: capacity, requests/s", round(capacity))
        books.compare(report)
        report.check("starts after the deadline",
                     servers.value(books.metrics, "ax_late_starts_total"), 0)
        books.close(report)


def hot_rounds(run, report, server, kind, books, calm_load, hard_load, folder):
    options = {"connections": 256, "folder": folder, "records": True}
    (alone, calm_rate), ((together, group), hard_rate) = calm_load, hard_load
    ratios, both, alones, lost, errors = [], [], [], 0, 0
    for number in range(run.pick(5, 1)):
        seconds, seed = run.pick(4, 1), run.seed + number
        calm = servers.run(server, alone, *servers.opened(calm_rate, seconds, seed), **options)
        hard = servers.run(server, together, *servers.opened(hard_rate, seconds, seed), **options)
        books.add(calm.result), books.add(hard.result)
        errors += calm.result["errors"]
        quiet_ones = hard.records[group[hard.records["line"]] != 0]
        lost += int((quiet_ones["status"] != 200).sum())
        alones.append(servers.quantile_us(calm.records["latency_ns"], 0.99))
        both.append(servers.quantile_us(quiet_ones["latency_ns"][quiet_ones["status"] == 200], 0.99))
        ratios.append(both[-1] / alones[-1])
    report.check(f"{kind}: quiet ones that were not answered with 200, alone and with it",
                 (errors, lost), (0, 0))
    refused = hard.result["statuses"].get("503", 0) / max(hard.result["sent"], 1)
    report.figure(f"{kind}: quiet p99 beside their p99 alone", servers.median(ratios), "≤ 2")
    report.figure(f"{kind}: quiet p99 alone and with it, us",
                  f"{servers.median(alones):,.0f}, {servers.median(both):,.0f}")
    report.figure(f"{kind}: the ratios of the rounds", ", ".join(f"{r:.2f}" for r in ratios))
    report.figure(f"{kind}: refused, of all", refused)
    report.figure(f"{kind}: found no connection free, share",
                  hard.result["waited"] / max(hard.result["sent"], 1))
    report.figure(f"{kind}: the client's own lateness, p99, us", hard.result["slip_ns"]["p99"] / 1e3)


# ---- deadlines ----

def deadlines(run):
    """Requests with deadlines from 20 us to 20 ms at 1.5 times the capacity, so that many expire while
    they wait."""
    report = Report("deadlines", "requests with random deadlines, above the capacity", "auspex",
                    run.short)
    count = run.pick(1_000_000, 4000)
    source = models.Source(*run.pick((100, 6), (20, 3)))
    folder = run.new("deadlines")
    models.fleet(source, folder / "models", 2)
    values = models.rows(512 * 4, models.FEATURES, 7).reshape(512, 4, models.FEATURES)
    drawn = np.exp(np.random.default_rng(run.seed).uniform(np.log(20), np.log(20000), 512))
    asked = models.write_mix(folder / "mix", [
        (1, models.infer(f"m{i % 2}"), models.body(values[i], timeout=int(drawn[i])))
        for i in range(512)])
    plain, _ = models.mix(folder / "plain", {"m0": 1, "m1": 1}, 64, 4)
    with servers.Fleet(folder / "models", folder / "state") as server:
        books = servers.Books(server)
        options = {"connections": 256, "folder": folder}
        capacity = books.add(servers.run(server, plain, "--duration", f"{run.pick(2, 1)}s",
                                         connections=16, folder=folder).result)["requests_per_s"]
        client = servers.run(server, asked, *servers.opened(1.5 * capacity, run.pick(600, 60)),
                             "--requests", count, records=True, **options)
        result = books.add(client.result)
        report.check("requests that were answered or refused with 503",
                     sum(result["statuses"].get(s, 0) for s in ("200", "503")), count)
        metrics = books.compare(report)
        if not any(name == "ax_late_starts_total" for name, _ in metrics):
            report.check("the server counts starts after the deadline", False, True)
        report.check("starts after the deadline", servers.value(metrics, "ax_late_starts_total"), 0)
        report.at_least("refused, of them", result["statuses"].get("503", 0), 1)
        report.at_least("answered, of them", result["statuses"].get("200", 0), 1)
        of_line = drawn[client.records["line"] % 512] * 1e3
        answered = client.records["status"] == 200
        late = client.records["latency_ns"][answered] > of_line[answered]
        report.figure("answered", int(answered.sum()))
        report.figure("refused or expired", int((client.records["status"] == 503).sum()))
        report.figure("answered, but at the client behind the deadline (from the intended time)",
                      int(late.sum()))
        books.close(report)
    return report


# ---- idle connections ----

def idle(run):
    """Connections that have asked once and keep quiet, beside a few that go on asking."""
    report = Report("idle10k", "10,000 idle keep-alive connections", "auspex", run.short)
    count = run.pick(10_000, 500)
    source = models.Source(*run.pick((100, 6), (20, 3)))
    folder = run.new("idle")
    source.write(folder / "models/m/1", 0.5)
    asked, _ = models.mix(folder / "mix", {"m": 1}, 64)
    with servers.Fleet(folder / "models", folder / "state", "--connections-max", 16384,
                       "--idle-timeout-s", 3600) as server:
        books = servers.Books(server)
        options = {"connections": 16, "folder": folder}
        seconds, rounds = run.pick(1.5, 1), run.pick(9, 1)
        capacity = books.add(servers.run(server, asked, "--duration", f"{run.pick(2, 1)}s",
                                         **options).result)["requests_per_s"]
        rate = run.pick(capacity / 2, 200)
        ratios, p99, rss, memory = [], {0: [], count: []}, [], []
        for number in range(rounds):
            found = {}
            server.settled_descriptors()
            before = server.rss()
            for idle_ones in (0, count, count, 0):
                held = servers.hold(idle_ones, server.port)
                if idle_ones:
                    rss.append(server.rss() - before)
                    memory.append(server.rss())
                    report.check("descriptors of the idle ones",
                                 server.descriptors() - server.at_rest, idle_ones)
                result = books.add(servers.run(server, asked, *servers.opened(
                    rate, seconds, run.seed + number), **options).result)
                report.check("errors", result["errors"], 0)
                for wire in held:
                    wire.close()
                left = server.settled_descriptors()
                found.setdefault(idle_ones, []).append(result["latency_ns"]["p99"] / 1e3)
            ratios.append(sum(found[count]) / sum(found[0]))
            for idle_ones, values in found.items():
                p99[idle_ones] += values
            report.at_most("descriptors more than at rest when they have gone", left, 0)
        report.at_most(f"resident memory for {count:,} idle connections, MiB", max(rss) >> 20,
                       100 if not run.short else 20)
        report.figure("resident memory of the whole server with them, MiB", max(memory) / 2**20,
                      "≤ 100 MB")
        report.figure("memory an idle connection, KiB", max(rss) / count / 1024)
        report.figure("p99 of active ones with them beside without", servers.median(ratios),
                      "0.9 … 1.1")
        report.figure("the ratios of the rounds", ", ".join(f"{r:.2f}" for r in ratios))
        report.figure("p99 without and with, us",
                      f"{servers.median(p99[0]):,.0f}, {servers.median(p99[count]):,.0f}")
        report.figure("requests/s of the active ones", round(rate))
        books.compare(report)
        books.close(report)
    return report

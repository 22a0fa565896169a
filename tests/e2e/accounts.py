# SPDX-License-Identifier: Apache-2.0
"""What a server says of the requests that it received, in three places that must agree: /metrics,
the statistics of the Open Inference Protocol, and the lines of the log at its end.

Accounts are told as {(model, version): {outcome: count}}, without those that received nothing.
Three are no version's: ("", ""), ("_gone", "") and ("_other", "").
"""

import re
import time

OUTCOMES = ("success", "failed", "rejected", "cancelled")
OF_CODES = {"OK": "success", "CANCELLED": "cancelled", "LIMIT": "rejected", "TIMEOUT": "rejected",
            "UNAVAILABLE": "rejected"}
OF_REASONS = {"REJECTED": "rejected", "CANCELED": "cancelled", "BACKEND": "failed",
              "OTHER": "failed"}
NAMES = {"no_model": ("", ""), "gone": ("_gone", ""), "other": ("_other", "")}


def codes_of(metrics):
    return {(s.labels["model"], s.labels["version"], s.labels["code"]): int(s.value)
            for s in metrics.families["ax_requests"].samples if s.value}


def outcomes_of(codes):
    """{(model, version): {outcome: count}}"""
    found = {}
    for (model, version, code), count in codes.items():
        of = found.setdefault((model, version), {})
        outcome = OF_CODES.get(code, "failed")
        of[outcome] = of.get(outcome, 0) + count
    return found


def counted(metrics, name):
    """{(model, version): value} of a family, without zeros."""
    return {(dict(labels)["model"], dict(labels)["version"]): int(value)
            for (family, labels), value in metrics.samples.items() if family == name and value}


def of_statistics(answer):
    """The same from the JSON of /v2/models/stats; each of its sums is right."""
    found = {}
    parts = [((s["name"], s["version"]), s["requests"]) for s in answer["model_stats"]]
    parts += [(NAMES[k], v["requests"]) for k, v in answer.items() if k in NAMES]
    for names, requests in parts:
        counts = {k: requests[k] for k in OUTCOMES}
        assert sum(counts.values()) == requests["received"], (names, requests)
        assert names not in found, names
        found[names] = {k: v for k, v in counts.items() if v}
    return {names: of for names, of in found.items() if of}


def logged(lines):
    """The same, as the lines at the end say."""
    found = {}
    for line in lines:
        if re.search(r"event=requests |event=\"requests in all\"", line):
            fields = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line))
            counts = {k: int(fields[k]) for k in OUTCOMES}
            assert sum(counts.values()) == int(fields["received"])
            found[fields["model"].strip('"'), fields["version"].strip('"')] = {
                k: v for k, v in counts.items() if v}
    return found


def of_triton(metrics):
    """Under Triton's names, which versions alone have."""
    found = {}
    for (name, labels), value in metrics.samples.items():
        labels = dict(labels)
        if name == "nv_inference_request_success_total":
            outcome = "success"
        elif name == "nv_inference_request_failure_total":
            outcome = OF_REASONS[labels["reason"]]
        else:
            continue
        of = found.setdefault((labels["model"], labels["version"]), {})
        of[outcome] = of.get(outcome, 0) + int(value)
    return {names: {k: v for k, v in of.items() if v} for names, of in found.items()
            if any(of.values())}


def totals(accounts):
    return {k: sum(of.get(k, 0) for of in accounts.values()) for k in OUTCOMES}


def in_progress(metrics):
    return sum(counted(metrics, "ax_requests_in_progress").values())


def wait_until_idle(server, seconds=20):
    """The metrics, when no request is in progress any more."""
    end = time.monotonic() + seconds
    metrics = server.metrics()
    while in_progress(metrics) and time.monotonic() < end:
        time.sleep(0.05)
        metrics = server.metrics()
    assert in_progress(metrics) == 0
    return metrics


def assert_accounts_agree(server):
    """All that a running server says agrees; nobody asks for predictions now. Its accounts."""
    metrics = wait_until_idle(server)
    accounts = outcomes_of(codes_of(metrics))
    assert of_statistics(server.get("/v2/models/stats").json) == accounts
    versions = {k: v for k, v in accounts.items() if k[1]}
    assert of_triton(metrics) == versions
    hits, misses = (counted(metrics, f"ax_model_{k}_total") for k in ("hits", "misses"))
    # What named no version of ours found nothing to hit or to miss.
    for names, of in accounts.items():
        received = sum(of.values()) if names[0] else 0
        assert hits.get(names, 0) + misses.get(names, 0) == received, names
    assert (hits.keys() | misses.keys()) <= accounts.keys()
    histogram = counted(metrics, "ax_request_duration_seconds_count")
    assert histogram == {k: sum(of.values()) for k, of in accounts.items()}
    return accounts


def assert_accounts_equal(server, received=None, status=0):
    """The same, and then the server is stopped and its log agrees, too, and the sum of all is what
    was sent, if that is told: a number, or {outcome: count}. The accounts."""
    accounts = assert_accounts_agree(server)
    assert server.stop() == status, "".join(server.lines[-20:])
    lines = logged(server.lines)
    everything = lines.pop(("*", "*"))
    assert sum(everything.values()) == sum(totals(accounts).values())
    if isinstance(received, dict):
        assert totals(accounts) == {**dict.fromkeys(OUTCOMES, 0), **received}
    elif received is not None:
        assert sum(totals(accounts).values()) == received
    # What drained at the end is gone in the log, and was not before.
    for names, of in lines.items():
        if names != ("_gone", ""):
            assert of == accounts[names], names
    assert totals(lines) == totals(accounts)
    return accounts

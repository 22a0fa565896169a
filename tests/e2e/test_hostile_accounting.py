# SPDX-License-Identifier: Apache-2.0
"""Goal: behind everything hostile and everything good, in all protocols, the sums are exact:
success + failed + rejected + cancelled is what was received, for each model and version, in
/metrics, in the statistics and in the log.

Method: a server with fresh counters gets all rows of hostile.py and good requests of every protocol
in an order of chance (the seed is fixed), behind each other while the connection lasts; what each
counts as is known before. tests/e2e/test_accounting.py has the clients that leave, and the limits.
"""

import random

import hostile
from accounts import codes_of, logged, outcomes_of
from conftest import NAMES, Server
from hostile import GOOD, ROW, infer, request
from test_accounting import add, wait_for

ROWS = [dict(zip(NAMES, ROW))]
TABLE = {"columns": NAMES, "data": [ROW, ROW]}
BINARY, FIRST, VALUE = ("binary", "2", "OK"), ("binary", "1", "OK"), ("value", "1", "OK")
NONE = ("", "", "NOT_FOUND")


def post(path, body, *headers):
    return request("POST", path, body, *headers)


# What is sent, its status, and what it counts as.
OTHERS = [
    (infer(GOOD), 200, [BINARY]), (infer(GOOD, model="binary/versions/1"), 200, [FIRST]),
    (infer(GOOD, model="value"), 200, [VALUE]),
    (hostile.binary([hostile.blob()], hostile.BLOB), 200, [BINARY]),
    (infer(hostile.BLOB * 3, "inference-header-content-length: 0"), 200, [BINARY]),
    (post("/v1/models/binary/predict", {"rows": ROWS}), 200, [BINARY]),
    (post("/v1/models/binary/predict", {"rows": ROWS, "version": 1}), 200, [FIRST]),
    (post("/v1/models/binary/predict", {"rows": [{"x": 1}]}), 400, [("binary", "2", "INVALID")]),
    (post("/v1/models/none/predict", {"rows": ROWS}), 404, [NONE]),
    (post("/v1/models/binary:predict", {"instances": [ROW]}), 200, [BINARY]),
    (post("/v1/models/binary/versions/1:predict", {"instances": [ROW]}), 200, [FIRST]),
    (post("/v1/models/binary:predict", {"instances": [1]}), 400, [("binary", "2", "INVALID")]),
    (post("/v1/models/none:predict", {"instances": [ROW]}), 404, [NONE]),
    (post("/invocations", {"dataframe_split": TABLE}, "content-type: application/json"), 200,
     [VALUE]),
    (post("/v1/models/value/invocations", (",".join(NAMES) + "\n" + ",".join("1" * 8)).encode(),
          "content-type: text/csv"), 200, [VALUE]),
    (post("/v1/models/value/invocations", b"x\n1\n", "content-type: text/csv"), 400,
     [("value", "1", "INVALID")]),
    (post("/v1/models/value/invocations", b"<x/>", "content-type: text/xml"), 415,
     [("value", "1", "UNSUPPORTED")]),
    (post("/v1/models/none/invocations", {"instances": [ROW]}, "content-type: application/json"),
     404, [NONE]),
    (post("/v1/predict", {"models": ["binary", "none", "value", "binary/1"], "rows": ROWS}), 200,
     [BINARY, NONE, VALUE, FIRST]),
    (post("/v1/predict", {"models": ["binary"]}), 400, [("", "", "INVALID")]),
    (request("GET", "/v2/models/binary"), 200, []), (request("GET", "/v2/models/stats"), 200, []),
    (post("/v2/logging", b"{"), 400, []), (post("/v2/nothing", b"{}"), 404, []),
]


def statistics(server):
    """{(model, version): counts} as the statistics say, those that are not 0."""
    answer = server.get("/v2/models/stats").json
    found = {(s["name"], s["version"]): s["requests"] for s in answer["model_stats"]}
    found["", ""] = answer["no_model"]["requests"]
    return {key: {k: v for k, v in of.items() if v} for key, of in found.items() if of["received"]}


def test_exact(models):
    one = Server(models, "--threads", "2", "--default-model", "value")
    mixer = random.Random(16)
    sent = [(c.data, c.status, [c.key] if c.key else [], c.ends) for c in hostile.CASES]
    sent += [(*of, False) for of in OTHERS] * 10
    mixer.shuffle(sent)
    wanted, unreadable = {}, sum(c.section == "Heads" for c in hostile.CASES)
    while sent:
        # As much as one connection can take: up to the first that ends it.
        end = next((i + 1 for i, of in enumerate(sent) if of[3]), len(sent))
        part, sent = sent[:min(end, 20)], sent[min(end, 20):]
        with one.wire() as wire:
            for data, status, counts, _ in part:
                wire.send(data)
                wanted = add(wanted, *({key: 1} for key in counts))
            statuses = [wire.answer().status for _ in part]
        assert statuses == [of[1] for of in part]
    assert wait_for(one, wanted) == wanted
    metrics = one.metrics()
    assert metrics["ax_http_unreadable_total"] == unreadable
    outcomes = outcomes_of(wanted)
    for key, of in outcomes.items():
        told = statistics(one)[key]
        assert told.pop("received") == sum(of.values()) and told == of, key
    assert set(statistics(one)) == set(outcomes)
    assert codes_of(one.metrics()) == wanted
    assert one.stop() == 0
    lines = logged(one.lines)
    everything = lines.pop(("*", "*"))
    assert lines == outcomes
    assert everything == {k: sum(of.get(k, 0) for of in outcomes.values()) for k in everything}

# SPDX-License-Identifier: Apache-2.0
"""Goal: the prediction path does not allocate, lock, log or hop threads, and costs one call to the
kernel for what comes and one for what goes.

Method: the real server with a library preloaded that counts such calls (tests/count_calls.c). Once
buffers have their size, thousands of requests of every form must not move a count. The library
under the sanitizers is theirs, so this is about the release alone.
"""

import json
import os
import pathlib
import shutil
import struct

import numpy as np
import pytest

from conftest import ROOT, Server, request, train

COUNTS = ["allocations", "mappings", "locks", "writes", "waits", "receives", "sends"]
FORBIDDEN = COUNTS[:4]
ASKED = 300
WARM = 100  # what is known of a version, such as the time a row takes, settles first
JSON = ["content-type: application/json"]
CARRIERS = ["AA", "B6", "UA"]

pytestmark = pytest.mark.plain


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """The server, and a function that reads the counts."""
    folder = tmp_path_factory.mktemp("counted")
    numbers = folder / "models" / "numbers" / "1"
    numbers.mkdir(parents=True)
    shutil.copy(ROOT / "tests/data/forest/binary.json", numbers)
    texts = folder / "models" / "texts" / "1"
    texts.mkdir(parents=True)
    rng = np.random.default_rng(2)
    rows = np.stack([rng.integers(0, 3, 500), rng.standard_normal(500)], axis=1).astype(np.float32)
    train(rows, (rows[:, 0] == 1).astype(np.float32), {"objective": "binary:logistic"}, 10,
          ["carrier", "delay"], types=["c", "q"], dictionaries={0: CARRIERS}).save(
              texts / "model.ubj")
    library = pathlib.Path(os.environ["AX_BUILD"]) / "tests/count_calls.so"
    assert library.exists()
    os.environ.update(LD_PRELOAD=str(library), COUNT_CALLS_FILE=str(folder / "counts"))
    try:
        server = Server(folder / "models", "--threads", "1")
    finally:
        del os.environ["LD_PRELOAD"], os.environ["COUNT_CALLS_FILE"]

    def read():
        values = struct.unpack(f"<{len(COUNTS)}Q", (folder / "counts").read_bytes())
        return dict(zip(COUNTS, values))

    yield server, read
    assert server.stop() == 0


def width(server):
    return server.get("/v2/models/numbers").json["inputs"][0]["shape"][-1]


def binary(rows, features):
    values = np.linspace(-2, 2, rows * features, dtype="<f4")
    head = json.dumps({
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [rows, features],
                    "parameters": {"binary_data_size": values.nbytes}}],
        "parameters": {"binary_data_output": True}}).encode()
    return request("POST", "/v2/models/numbers/infer", head + values.tobytes(),
                   [f"inference-header-content-length: {len(head)}"])


def flat(rows, features, **members):
    data = np.linspace(-2, 2, rows * features).tolist()
    return request("POST", "/v2/models/numbers/infer", {"inputs": [
        {"name": "input", "datatype": "FP32", "shape": [rows, features], "data": data}], **members},
        JSON)


FORMS = {
    "infer, JSON": lambda n: flat(1, n),
    "infer, JSON, 20 rows": lambda n: flat(20, n),
    "infer, an id and all outputs": lambda n: flat(
        3, n, id="mine", outputs=[{"name": "margin"}, {"name": "probability"}]),
    "infer, classes": lambda n: flat(
        2, n, outputs=[{"name": "probability", "parameters": {"classification": 1}}]),
    "infer, binary": lambda n: binary(1, n),
    "infer, binary, 64 rows": lambda n: binary(64, n),
    "infer, columns of text": lambda _: request("POST", "/v2/models/texts/infer", {"inputs": [
        {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["UA", "B6"]},
        {"name": "delay", "datatype": "FP32", "shape": [2], "data": [1.5, -2]}]}, JSON),
    "rows": lambda _: request("POST", "/v1/models/texts/predict", {"rows": [
        {"carrier": "UA", "delay": 12.5}, {"carrier": "AA", "delay": None}]}, JSON),
    "instances": lambda n: request("POST", "/v1/models/numbers:predict",
                                   {"instances": [[0.5] * n, [1.5] * n]}, JSON),
    "records": lambda _: request("POST", "/v1/models/texts/invocations", {"dataframe_records": [
        {"carrier": "UA", "delay": 12.5}]}, JSON),
    "CSV": lambda _: request("POST", "/v1/models/texts/invocations",
                             b"carrier,delay\nUA,12.5\nB6,-3\n", ["content-type: text/csv"]),
    "several models": lambda _: request("POST", "/v1/predict", {
        "models": ["texts", "texts"], "rows": [{"carrier": "UA", "delay": 12.5}]}, JSON),
    "a wrong name": lambda _: request("POST", "/v1/models/texts/predict", {
        "rows": [{"carier": "UA"}]}, JSON),
    "no such model": lambda _: request("POST", "/v2/models/none/infer", {"inputs": []}, JSON),
    "ready": lambda _: request("GET", "/v2/health/ready"),
}


def grown(before, after):
    return {name: after[name] - before[name] for name in COUNTS}


@pytest.mark.parametrize("form", FORMS)
def test_a_request_does_nothing_it_need_not(counted, form):
    server, read = counted
    text = FORMS[form](width(server))
    wrong = {"a wrong name": 400, "no such model": 404}.get(form, 200)
    with server.wire() as wire:
        for _ in range(WARM):
            wire.send(text)
            assert wire.answer().status == wrong
        before = read()
        for _ in range(ASKED):
            wire.send(text)
            assert wire.answer().status == wrong
        found = grown(before, read())
    assert {name: found[name] for name in FORBIDDEN} == dict.fromkeys(FORBIDDEN, 0)
    assert found["sends"] == ASKED


def test_answers_of_a_round_leave_together(counted):
    server, read = counted
    text = FORMS["infer, binary"](width(server))
    each = 16
    with server.wire() as wire:
        for _ in range(2):  # the first warms
            before = read()
            for _ in range(ASKED // each):
                wire.send(text * each)
                assert [wire.answer().status for _ in range(each)] == [200] * each
            found = grown(before, read())
    assert {name: found[name] for name in FORBIDDEN} == dict.fromkeys(FORBIDDEN, 0)
    # A round that ends for want of time sends what it has: some more than one for all 16.
    assert found["sends"] < ASKED // each * 4


def test_the_counts_count(counted):
    """A large answer takes memory, another connection is accepted, so the counts do move."""
    server, read = counted
    before = read()
    assert server.get("/metrics").status == 200
    found = grown(before, read())
    assert found["allocations"] and found["receives"] and found["sends"] and found["waits"]

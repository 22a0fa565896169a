# SPDX-License-Identifier: Apache-2.0
"""Goal: a library that has denormals flushed to zero before the program even begins changes no
answer, and is told about once.

Method: the real server with such a library preloaded (tests/flush_to_zero.c) and rules that a
denormal decides.
"""

import os
import pathlib

import pytest

from conftest import Server, column

RULES = """\
rules: 1
inputs:
  x: FP64
outputs: {prediction: FP64}
cases:
  - {when: x > 0, then: 1}
  - {otherwise: 0}
"""


@pytest.mark.plain
def test_a_preloaded_library_changes_nothing(tmp_path):
    (tmp_path / "tiny/1").mkdir(parents=True)
    (tmp_path / "tiny/1/rules.yaml").write_text(RULES, encoding="utf-8")
    library = pathlib.Path(os.environ["AX_BUILD"]) / "tests/flush_to_zero.so"
    assert library.exists()
    os.environ["LD_PRELOAD"] = str(library)
    try:
        server = Server(tmp_path, "--threads", "1")
    finally:
        del os.environ["LD_PRELOAD"]
    answer = server.infer("tiny", column("x", "FP64", [5e-324, 1e-310, 0.0, -5e-324]))
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == [1, 1, 0, 0]
    assert server.stop() == 0
    told = [line for line in server.lines if "floating-point mode put back" in line]
    assert len(told) == 1 and "level=warn" in told[0]

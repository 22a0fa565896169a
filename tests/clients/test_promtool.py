# SPDX-License-Identifier: Apache-2.0
"""Goal: Prometheus' own checker finds nothing wrong with /metrics but the names that are Triton's.

Method: promtool check metrics on a server that has answered and refused requests. Where there is no
promtool the test is skipped.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import rows_of, serving

CACHE = pathlib.Path(os.environ.get("AX_DEPS_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "auspex")


def promtool():
    own = CACHE / "promtool/usr/bin/promtool"
    return shutil.which("promtool") or (str(own) if own.exists() else None)


NEEDS_PROMTOOL = pytest.mark.skipif(
    promtool() is None, reason="no promtool here: tools/setup --developer brings it")


@NEEDS_PROMTOOL
def test_metrics(server):
    assert server.infer("binary", serving.tensor(rows_of(3, missing=False))).status == 200
    assert server.infer("nothing", serving.tensor(rows_of(3, missing=False))).status == 404
    assert server.predict("rules", {"stops": 2}).status == 200
    text = server.get("/metrics").body
    assert text.count(b"# TYPE") > 20
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True,
                          check=False, timeout=60)
    # Triton's names, which its clients read, are not as Prometheus would have them; ours are.
    complaints = done.stderr.decode().splitlines()
    assert done.returncode in (0, 3) and not done.stdout
    triton = re.compile(r"nv_\w+ (counter|metric|non-)")
    assert [line for line in complaints if not triton.match(line)] == []


@NEEDS_PROMTOOL
def test_the_checker_finds_something():
    text = b"# TYPE a_total gauge\na_total 1\n"
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True,
                          check=False, timeout=60)
    assert done.returncode != 0 and b"a_total" in done.stderr

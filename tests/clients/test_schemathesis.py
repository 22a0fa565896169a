# SPDX-License-Identifier: Apache-2.0
"""Goal: requests that a tool makes from the OpenAPI document, right ones and wrong ones, are
answered as the document says, and what it forbids is refused.

Method: schemathesis with a fixed seed against the program, for models of two kinds; of statuses
from 500 only 501, which refuses what is not there, may come. All its checks but two: a request that
fits the document may still be refused (positive_data_acceptance), since a schema cannot say that a
tensor has as many elements as its shape; and GET of /v1/models/m:predict is allowed
(allow_header_conformance), being about a model called "m:predict".
"""

import subprocess
import sys

import pytest

from conftest import serving

SEED = 20
CASES = 15  # of random ones an operation, behind the systematic ones


# A body behind "Inference-Header-Content-Length: 0" is raw data, and so may be any JSON. A deadline
# of few milliseconds is missed, rightly with a 503, by a machine that is busy.
HOOKS = """\
import schemathesis

@schemathesis.hook
def filter_case(context, case):
    headers = case.headers or {}
    timeout = str(headers.get("X-Request-Timeout-Ms"))
    return (str(headers.get("Inference-Header-Content-Length")) != "0"
            and not (timeout.isdigit() and int(timeout) < 10000))
"""


@pytest.mark.plain
@pytest.mark.timeout(400)
@pytest.mark.parametrize("model, only", [
    ("binary", []),
    ("carriers", ["--include-method", "POST"]),
])
def test_answers_are_as_described(server, tmp_path, model, only):
    config = tmp_path / "schemathesis.toml"
    (tmp_path / "hooks.py").write_text(HOOKS)
    config.write_text('hooks = "hooks.py"\n'
                      f'[parameters]\n"path.model" = "{model}"\n"path.version" = "1"\n'
                      "[checks.not_a_server_error]\n"
                      'expected-statuses = ["2xx", "3xx", "4xx", "501"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run",
         f"http://{server.url}/openapi.json", "--phases", "coverage,fuzzing", "--checks", "all",
         "--exclude-checks", "positive_data_acceptance,allow_header_conformance",
         "--seed", str(SEED), "--max-examples", str(CASES), "--no-shrink", "--continue-on-failure",
         "--warnings", "off", *only],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=380)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    # All but the one that the document came from.
    paths = serving.openapi.document()["paths"]
    count = sum(method == "post" or (method == "get" and not only)
                for path, item in paths.items() if path != "/openapi.json" for method in item)
    assert f"Tested: {count}" in done.stdout, done.stdout[-3000:]
    assert server.get("/v2/health/ready").status == 200

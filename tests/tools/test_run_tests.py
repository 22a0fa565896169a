# SPDX-License-Identifier: Apache-2.0
"""Goal: tools/run-tests does not call it a success when nothing was tested.

Method: the suite of the documents, once with a filter that matches none of its tests, and once with
one that matches some.
"""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run_docs(words):
    return subprocess.run([ROOT / "tools/run-tests", "--build", os.environ["AX_BUILD"],
                           f"--pytest=-k={words}", "docs"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)


def test_a_filter_that_matches_nothing_fails():
    done = run_docs("no_test_has_this_name")
    assert done.returncode == 1
    assert "docs: no test was run" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed"


def test_one_that_matches_does_not():
    done = run_docs("link")
    assert done.returncode == 0, done.stdout
    assert " 0 failed" in done.stdout.splitlines()[-1]

# SPDX-License-Identifier: Apache-2.0
"""Goal: tools/pytest-each runs files apart from each other and tells how each of them ended, though
they share the imports of one process.

Method: files that leave something behind, fail, end their process, or have no test, one after the
other.
"""

import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]

FILES = {
    "first": "import json, os\ndef test_a():\n    json.left = os.environ['LEFT'] = 'x'\n",
    "second": "import json, os\ndef test_a():\n"
              "    assert not hasattr(json, 'left') and 'LEFT' not in os.environ\n",
    "wrong": "def test_a():\n    print('said')\n    assert 1 + 1 == 3\n",
    "dies": "import os, signal\ndef test_a():\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    "empty": "",
    "last": "import atexit\natexit.register(print, 'at exit')\ndef test_a():\n    pass\n",
}


def test_files_are_apart_and_told(tmp_path):
    paths = []
    for name, text in FILES.items():
        paths.append(tmp_path / f"test_{name}.py")
        paths[-1].write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, ROOT / "tools/pytest-each", "--jobs=1",
                           f"--results={tmp_path}", *paths], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, cwd=tmp_path,
                          env={**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{path} {status}" for path, status in zip(paths, [0, 0, 1, -9, 5, 0])]

    def results(name, suffix):
        return tmp_path / f"results-{tmp_path.name}-test_{name}.{suffix}"

    log = results("wrong", "log").read_text("utf-8")
    assert "assert (1 + 1) == 3" in log and "said" in log
    assert "at exit" in results("last", "log").read_text("utf-8")
    cases = xml.etree.ElementTree.parse(results("wrong", "xml")).iter("testcase")
    assert [[child.tag for child in case] for case in cases] == [["failure"]]
    assert not results("dies", "xml").exists()

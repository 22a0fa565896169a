# SPDX-License-Identifier: Apache-2.0
"""Goal: every subcommand of the table in main.c is in `auspex --help`.

Method: read the table's lines from the source, and the binary's own help.
"""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def test_help_lists_each_subcommand():
    source = (ROOT / "src/main.c").read_text(encoding="utf-8")
    table = re.search(r"commands\[\] = \{(.*?)\n\};", source, re.DOTALL)[1]
    names = re.findall(r'\{ "([a-z]+)", ax_cmd_', table)
    assert names and names == sorted(names)
    text = subprocess.run([os.environ["AX_BINARY"], "--help"], capture_output=True, text=True,
                          check=True).stdout
    for name in names:
        assert re.search(rf"^  {name}\b", text, re.MULTILINE)

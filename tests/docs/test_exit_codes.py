# SPDX-License-Identifier: Apache-2.0
"""Goal: docs/exit-codes.md lists exactly the exit statuses of src/cmd/exit_code.h, in order.

Method: read the X list of the header and the table of the page, and compare.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def test_page_repeats_the_list():
    header = (ROOT / "src/cmd/exit_code.h").read_text(encoding="utf-8")
    listed = re.findall(r'X\((\w+), (\d+),\s*\\?\s*"([^"]+)"\)', header)
    page = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert len(listed) >= 5
    assert [(number, name, text) for name, number, text in listed] == rows

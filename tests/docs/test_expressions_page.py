# SPDX-License-Identifier: Apache-2.0
"""Goal: what docs/expressions.md shows of `auspex eval` is what it prints.

Method: each command of the page's blocks is run, and its output, errors too, compared with the
lines below it.
"""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/expressions.md"


def shown():
    """The commands of the page, and what is shown below each."""
    for block in re.findall(r"^```\n(\$ .*?)^```", PAGE.read_text(encoding="utf-8"),
                            re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, output = re.match(r"((?:[^\n]*\\\n)*[^\n]*\n)(.*)", part, re.DOTALL).groups()
            yield command.replace("\\\n", " "), output


def test_page_has_commands():
    assert len(list(shown())) >= 4


@pytest.mark.parametrize("command, output", list(shown()))
def test_command(command, output):
    program, *args = shlex.split(command)
    assert program == "auspex"
    done = subprocess.run([os.environ["AX_BINARY"], *args], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.stdout + done.stderr == output

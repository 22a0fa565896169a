# SPDX-License-Identifier: Apache-2.0
"""Goal: whoever follows docs/features-tutorial.md sees what it shows.

Method: the page's blocks that begin with `$ ` are typed into a shell, one after the other, in an
empty folder; what they print is what stands below. `…` in a line stands for anything. The server
that the page starts is one of these tests, on a port of its own.
"""

import os
import pathlib
import re
import subprocess

from conftest import Server

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/features-tutorial.md"


def sessions():
    """(command, lines below it) of all blocks of the page."""
    blocks = re.findall(r"^```\n(\$ .*?)^```$", PAGE.read_text(encoding="utf-8"),
                        re.MULTILINE | re.DOTALL)
    found = []
    for line in "".join(blocks).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def is_shown(line, shown):
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), line)


def test_the_page_shows_what_is_printed(tmp_path):
    folder = pathlib.Path(os.environ["AX_BINARY"]).resolve().parent
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "auspex").symlink_to(folder / pathlib.Path(os.environ["AX_BINARY"]).name)
    work = tmp_path / "work"
    work.mkdir()
    env = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}",
           "AUSPEX_STATE": str(work / "auspex-data")}
    assert len(sessions()) >= 8
    server = None
    for command, shown in sessions():
        if command.startswith("auspex serve "):
            options = command.removeprefix("auspex serve ").removesuffix(" 2>serve.log &").split()
            server = Server(work / "models", "--state", str(work / "auspex-data"), *options)
            continue
        if server:
            command = command.replace("localhost:8000", f"localhost:{server.address[1]}")
        done = subprocess.run(["sh", "-c", command], cwd=work, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, check=False)
        lines = done.stdout.splitlines()
        assert len(lines) == len(shown), f"{command}: {done.stdout}"
        for line, expected in zip(lines, shown):
            assert is_shown(line, expected), f"{command}: {line!r} is not {expected!r}"
    assert server.stop() == 0

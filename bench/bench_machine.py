# SPDX-License-Identifier: Apache-2.0
"""Where and of what a result was measured: the machine, the commit, the time that others took."""

import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]


def stolen():
    """(stolen, all) ticks of all cores."""
    ticks = [int(n) for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[7], sum(ticks)


def stolen_percent(before, after):
    return 100 * (after[0] - before[0]) / max(after[1] - before[1], 1)


def busy_ns():
    """CPU time of everything on all cores, to a tick: user, nice, system, interrupts."""
    ticks = [int(n) for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks[i] for i in (0, 1, 2, 5, 6)) * 10**9 // os.sysconf("SC_CLK_TCK")


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    flags = re.search(r"^flags\s*: (.*)$", info, re.MULTILINE)[1].split()
    wanted = [f for f in ("avx2", "avx512bw", "avx512_vbmi") if f in flags]
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())[1]
    return {"cpu": re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)[1],
            "cores": os.cpu_count(), "features": ", ".join(wanted) or "no AVX2", "system": system,
            "kernel": platform.release(), "compiler": gcc.splitlines()[0]}


def commit():
    def git(*words):
        return subprocess.run(["git", "-c", "safe.directory=*", *words], cwd=ROOT, check=True,
                              capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "--short=12", "HEAD") + (
        " with changes" if git("status", "--porcelain", "--", "src", "bench", ":!bench/results")
        else "")

# SPDX-License-Identifier: Apache-2.0
"""Goal: where the disk is full, each command that writes ends with an error that names the path,
leaves nothing half-written, and works when it is given again and there is room.

Method: each command on a file system of 2 MiB that a file fills up to some KiB, then without that
file; and where no file may grow beyond 4 KiB. What a mount of one's own needs may be refused: then
only the second way is taken. And a server that takes in pushes on such a disk.
"""

import os
import pathlib
import resource
import signal
import subprocess

import pytest

from conftest import Server

ROWS = 3000  # what is made of them is larger than what the disk has left
DEFINITIONS = """
auspex: 1
project: test
entities: {thing: {keys: {k: int64}}}
sources:
  w:
    files: w.csv
    time: t
    columns: {k: int64, t: timestamp, x: float64}
    expect: [{check: between, column: x, max: 1}]
views:
  w: {entity: thing, source: w, fields: {FIELDS}}
services:
  s: {features: [{view: w}]}
models:
  m:
    service: s
    train:
      rows: {sql: "SELECT * FROM 'rows.csv' ORDER BY k"}
      at: at
      label: y
      split: {stop_from: "2024-01-02", test_from: "2024-01-03"}
      params: {objective: "binary:logistic"}
      rounds: 2
"""
HISTORY = ["--definitions", "d", "--service", "s", "--rows", "d/rows.csv", "--quiet"]
# What is called, the path that the error names, and how many KiB are left.
CASES = {
    "apply": (["apply", "d", "--state", "disk/state"], "disk/state/registry.db'", (0, 24, 64)),
    "history": (["features", "history", *HISTORY, "--out", "disk/out.csv"], "disk/out.csv'", (8,)),
    "snapshot": (["data", "snapshot", *HISTORY, "--state", "disk/state"], "disk/state/snapshots/",
                 (8,)),
    "check": (["features", "check", "d", "--failed", "disk/failed"],
              "disk/failed/w.failed.parquet'", (8,)),
    "train": (["train", "d", "--model", "m", "--models", "disk/models", "--state", "disk/state"],
              "disk/models/", (8,)),
}
# A result of before, in whose place a new one comes.
REPLACED = {"history": "disk/out.csv", "check": "disk/failed/w.failed.parquet"}
# What an apply works with, whole or not; and folders that are empty are no result.
OF_THE_REGISTRY = {"registry.db", "registry.db-wal", "registry.db-shm", "lock", "opened-sources"}


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "disk").mkdir()
    define(tmp_path, "x: x")
    (tmp_path / "d/w.csv").write_text("k,t,x\n" + "".join(
        f"{i * 7919 % 10007},2024-01-01,{i * 31 % 1009}\n" for i in range(ROWS)), encoding="utf-8")
    (tmp_path / "d/rows.csv").write_text("k,at,y\n" + "".join(
        f"{i * 7919 % 10007},2024-01-0{1 + i % 3}T12:00:00Z,{i % 2}\n" for i in range(ROWS)),
        encoding="utf-8")
    return tmp_path


def define(folder, fields):
    (folder / "d/all.yaml").write_text(DEFINITIONS.replace("FIELDS", fields), encoding="utf-8")


def run(folder, *arguments, **process):
    return subprocess.run([os.environ["AX_BINARY"], *arguments], cwd=folder, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=120, check=False, **process)


def results(folder):
    return {path: path.read_bytes() for path in (folder / "disk").rglob("*")
            if path.is_file() and path.name not in OF_THE_REGISTRY}


def in_force(folder):
    return run(folder, "features", "list", "--state", "disk/state").stdout


def fails_and_works(folder, name, fill, **process):
    """Fill up, run, make room, run again."""
    arguments, path, kibs = CASES[name]
    if name == "apply":  # onto what is in force
        assert run(folder, *arguments).returncode == 0
        define(folder, "x: x, " + ", ".join(f"x{i}: x + {i}" for i in range(200)))
    if name in REPLACED:
        (folder / REPLACED[name]).parent.mkdir(exist_ok=True)
        (folder / REPLACED[name]).write_text("what was there", encoding="utf-8")
    before = results(folder), in_force(folder)
    for kib in kibs if fill else (0,):
        if fill:
            fill(kib)
        done = run(folder, *arguments, **process)
        assert done.returncode == 5 and path in done.stderr, (name, kib, done.stderr)
        if fill:
            (folder / "disk/fill").unlink()
        assert (results(folder), in_force(folder)) == before
    done = run(folder, *arguments)
    assert done.returncode == 0, (name, done.stderr)
    assert (results(folder), in_force(folder)) != before


@pytest.fixture(name="fill")
def mount_disk(folder):
    """Fills up a disk of 2 MiB, but for so many KiB."""
    disk = folder / "disk"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk],
                             capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system of one's own is refused: {mounted.stderr.strip()}")

    def fill(kib):
        free = os.statvfs(disk)
        pathlib.Path(disk / "fill").write_bytes(
            b"x" * (free.f_bavail * free.f_frsize - kib * 1024))

    yield fill
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.plain
@pytest.mark.parametrize("name", CASES)
def test_small_file_system(folder, fill, name):
    fails_and_works(folder, name, fill)


@pytest.mark.plain
def test_pushes(folder, fill):
    """What there is no room for is refused and taken in when there is; nothing else is lost, and
    who starts meanwhile serves what there is."""
    text = DEFINITIONS.replace("FIELDS", "x: x").replace("time: t\n", "time: t\n    push: true\n")
    (folder / "d/all.yaml").write_text(text, encoding="utf-8")
    (folder / "models").mkdir()
    options = ("--state", str(folder / "disk/state"), "--threads", "1", "--images=false")
    assert run(folder, "apply", "d", "--check=false", "--state", "disk/state").returncode == 0
    taken = 0

    def push(server, number):
        rows = [{"k": k, "t": number * 1000000, "x": number} for k in range(20)]
        return server.post("/push", {"source": "w", "rows": rows}).status

    def check(server):
        for k in (0, 19):
            told = server.get(f"/v1/features/s?k={k}").json
            assert told["features"]["x"]["value"] == taken

    server = Server(folder / "models", *options)
    for kib, ended_by in ((4, signal.SIGKILL), (0, signal.SIGTERM)):
        fill(kib)
        while (status := push(server, taken + 1)) == 200:
            taken += 1
        assert status == 503
        check(server)
        assert server.metrics()["ax_journal_failures_total"] == 1
        server.stop(ended_by)
        server = Server(folder / "models", *options)
        check(server)
        assert "w" in in_force(folder)
        (folder / "disk/fill").unlink()
        assert push(server, taken + 1) == 200
        taken += 1
    server.stop(signal.SIGKILL)
    server = Server(folder / "models", *options)
    check(server)
    assert push(server, taken) == 200
    server.stop()


@pytest.mark.parametrize("name", CASES)
def test_files_that_may_not_grow(folder, name):
    fails_and_works(folder, name, None, restore_signals=False, preexec_fn=lambda: (
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))))

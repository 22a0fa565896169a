# SPDX-License-Identifier: Apache-2.0
"""Goal: what was asked at this hour of the other days is in memory ten minutes before the hour;
what was asked is kept each ten minutes, so that a kill loses no more.

Method: a server whose clocks jump (tests/jumping_clock.c), with room for one of two models; days of
24 jumps, in which each model has an hour of its own. After each jump SIGHUP has the server look at
its clock, and the file of popularity, which is written then, says when it has. Nothing is measured
in seconds.
"""

import os
import signal
import struct
import time

import pytest

from conftest import Server

pytestmark = pytest.mark.plain  # The sanitizers want to be preloaded first themselves.

HOUR = 3600
PATIENCE_S = 60
RULES = """\
rules: 1
inputs: {x: FP64}
outputs: {prediction: FP64}
cases: [{otherwise: 0.5}]
"""


class Timed:
    """A server over the models a and b, and its clocks."""

    def __init__(self, tmp_path, monkeypatch, *options):
        self.folder, self.state, self.clock = tmp_path / "models", tmp_path / "state", \
            tmp_path / "clock"
        for name in ("a", "b"):
            (self.folder / name / "1").mkdir(parents=True, exist_ok=True)
            (self.folder / name / "1/rules.yaml").write_text(RULES, encoding="utf-8")
        # A minute behind midnight, UTC.
        self.wall, self.monotonic = 24 * HOUR - int(time.time()) % (24 * HOUR) + 60, 0
        self.write_clock()
        monkeypatch.setenv("AX_TEST_CLOCK", str(self.clock))
        monkeypatch.setenv("LD_PRELOAD", os.environ["AX_BUILD"] + "/tests/jumping_clock.so")
        self.server = self.start(*options)

    def start(self, *options):
        return Server(self.folder, "--state", str(self.state), "--threads", "1", "--preload",
                      "none", *options)

    def write_clock(self):
        with open(self.clock, "r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("qq", self.wall, self.monotonic))

    def kept(self):
        path = self.state / "popularity"
        return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None

    def jump(self, seconds):
        """So much later, when the server has seen it."""
        before = self.kept()
        self.wall += seconds
        self.monotonic += seconds
        self.write_clock()
        self.server.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.kept() != before)

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.002)

    def ask(self, model, count):
        with self.server.wire() as wire:
            for _ in range(count):
                answer = wire.request("POST", f"/v1/models/{model}/predict", {"rows": [{"x": 1}]})
                assert answer.status == 200

    def of(self, family, model):
        return self.server.metrics().get(family, model=model, version="1")

    def states(self):
        return {e["name"]: e["state"] for e in self.server.post("/v2/repository/index").json}

    def resident_bytes(self):
        """Of one of the models, which are alike."""
        self.ask("a", 1)
        return int(self.of("ax_model_resident_bytes", "a"))


def live_a_day(timed):
    """The hour from 5 is that of a, the one from 8 that of b; it ends where it began."""
    for hour in range(24):
        if hour in (5, 8):
            timed.ask("a" if hour == 5 else "b", 60)
        timed.jump(HOUR)


@pytest.mark.parametrize("ahead", ["true", "false"])
def test_ten_minutes_before_its_hour(tmp_path, monkeypatch, ahead):
    first = Timed(tmp_path, monkeypatch)
    room = first.resident_bytes() * 3 // 2
    assert first.server.stop() == 0
    (first.state / "popularity").unlink()
    timed = Timed(tmp_path, monkeypatch, "--model-memory-max", str(room),
                  f"--preload-hourly={ahead}")
    for _ in range(3):
        live_a_day(timed)
    # The fourth day: b, which was asked last, is there, until ten minutes before the hour of a.
    for _ in range(4):
        timed.jump(HOUR)
    assert timed.states() == {"a": "UNAVAILABLE", "b": "READY"}
    loads, misses = timed.of("ax_model_loads_total", "a"), timed.of("ax_model_misses_total", "a")
    evictions = timed.of("ax_model_evictions_total", "b")
    timed.jump(50 * 60)
    if ahead == "true":
        timed.until(lambda: timed.states()["a"] == "READY")
        assert timed.states()["b"] == "UNAVAILABLE"
        assert timed.of("ax_model_loads_total", "a") == loads + 1
        assert timed.of("ax_model_evictions_total", "b") == evictions + 1
        timed.jump(10 * 60)
        timed.ask("a", 10)
        assert timed.of("ax_model_misses_total", "a") == misses
    else:
        timed.jump(10 * 60)
        assert timed.states() == {"a": "UNAVAILABLE", "b": "READY"}
        timed.ask("a", 10)
        assert timed.of("ax_model_misses_total", "a") > misses
    assert timed.server.stop() == 0


def test_a_kill_loses_ten_minutes(tmp_path, monkeypatch):
    """What was asked before the file was written last is known to the next server, which loads it
    first; what was asked behind it is not."""
    timed = Timed(tmp_path, monkeypatch)
    timed.jump(10 * 60)
    timed.ask("b", 30)
    timed.jump(10 * 60)
    timed.ask("a", 500)
    assert timed.server.stop(signal.SIGKILL) == -signal.SIGKILL
    timed.server = timed.start("--preload", "popular")
    timed.until(lambda: timed.states()["b"] == "READY")
    assert timed.states()["a"] == "UNAVAILABLE"
    assert timed.server.stop() == 0

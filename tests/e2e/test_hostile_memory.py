# SPDX-License-Identifier: Apache-2.0
"""Goal: refusing costs no memory, however often it is done.

Method: each row of hostile.py 10,000 times, all of them mixed; the resident memory of the process
is read behind a warm-up and at the end. Rows that leave the connection open go down one pipeline,
the others have connections of a unix socket, where no ports run out; there, rows that have the same
answer take turns, and together are sent 10,000 times, a bomb against a small limit among them. Rows
of 64 KiB and more, like the flood of chunks, are sent 100 times. Every answer is looked at.
"""

import socket
import threading

import pytest

import hostile
from conftest import Server, is_sanitized

ROUNDS = 200 if is_sanitized() else 10000
WARM_UP = ROUNDS // 50
GROWTH_BYTES_MAX = 1 << 20


class Flat:
    """Resident memory must be at the end what it was at the beginning."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.before = self.server.resident_bytes()

    def __exit__(self, kind, *_):
        growth = self.server.resident_bytes() - self.before
        if kind is None and not is_sanitized():
            assert growth <= GROWTH_BYTES_MAX, f"{growth} bytes more"


def receive(wire, count):
    data = bytearray()
    while len(data) < count:
        more = wire.recv(count - len(data))
        assert more, "closed"
        data += more
    return bytes(data)


def pipeline(server, cases, rounds):
    """All cases in one write, rounds times; the answers are always the same bytes."""
    data = b"".join(c.data for c in cases)
    with server.wire() as wire:
        answers = []
        for case in cases:
            wire.send(case.data)
            while b"\r\n\r\n" not in wire.buffer:
                assert wire.more()
            head = wire.buffer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            answers.append(head + wire.answer().body)
            assert answers[-1].startswith(b"HTTP/1.1 %d " % case.status)
        right = b"".join(answers)

        def send():
            for _ in range(rounds):
                wire.send(data)
        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(rounds):
            assert receive(wire.socket, len(right)) == right
        sender.join()


def test_rows_that_leave_the_connection(single):
    cases = [c for c in hostile.CASES if not c.ends and not c.is_large]
    assert len(cases) > 100
    pipeline(single, cases, WARM_UP)
    with Flat(single):
        pipeline(single, cases, ROUNDS)


def kinds():
    """Rows with the same answer are one kind."""
    found = {}
    for case in hostile.CASES:
        if case.ends and not case.is_large:
            found.setdefault((case.section, case.status, case.text), []).append(case)
    bomb = hostile.Case("Compressed bodies", "a bomb", hostile.coded(hostile.bomb(1 << 20)), 413,
                        "larger than body_bytes_max")
    return [*found.values(), [bomb]]


def connections(path, cases):
    """All cases at once, each on its own connection."""
    opened = []
    for case in cases:
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        one.sendall(case.data)
        opened.append(one)
    for one, case in zip(opened, cases):
        answer = one.recv(4096)
        assert answer.startswith(b"HTTP/1.1 %d " % case.status), (str(case), answer)
        assert case.text.encode() in answer and one.recv(1) == b"", str(case)
        one.close()


def test_rows_that_end_the_connection(models, tmp_path):
    path = str(tmp_path / "s")
    one = Server(models, "--threads", "1", "--body-bytes-max", "64k", "--listen", f"unix:{path}")
    of = kinds()
    assert len(of) > 20

    def rounds(count):
        for i in range(count):
            connections(path, [cases[i % len(cases)] for cases in of])
    rounds(WARM_UP)
    with Flat(one):
        rounds(ROUNDS)
    assert one.stop() == 0


@pytest.mark.parametrize("case", [c for c in hostile.CASES if c.is_large and "bomb" not in c.name],
                         ids=str)
def test_large_rows(single, case):
    def rounds(count):
        for _ in range(count):
            with single.wire() as wire:
                wire.send(case.data)
                assert wire.answer().status == case.status
    rounds(3)
    with Flat(single):
        rounds(10 if is_sanitized() else 100)

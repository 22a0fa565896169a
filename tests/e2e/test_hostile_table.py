# SPDX-License-Identifier: Apache-2.0
"""Goal: every row of the table of hostile requests has its documented answer, and the server goes
on serving.

Method: hostile.py holds the rows, each is a test here; behind each, a good request, on the same
connection unless the row ends it. Then all of them mixed in pipelines.
"""

import json
import random

import pytest

import hostile
import openapi


def check(case, answer):
    assert answer.status == case.status, answer.body
    assert case.text in answer.error
    assert len(answer.error) < 240 and b"\n" not in answer.body
    assert (answer.headers.get("connection") == "close") == case.ends
    if not case.ends:
        method, path = case.data.split(b" ", 2)[:2]
        openapi.check(method.decode(), path.decode(), answer)


@pytest.mark.parametrize("case", hostile.CASES, ids=str)
def test_answer(server, case):
    with server.wire() as wire:
        wire.send(case.data)
        check(case, wire.answer())
        if not case.ends:
            wire.send(hostile.GOOD_REQUEST)
            assert wire.answer().status == 200
            return
        assert not wire.more()
    with server.wire() as wire:
        wire.send(hostile.GOOD_REQUEST)
        assert wire.answer().status == 200


def turned(case):
    """The same request with the members of its JSON the other way round; None: it has none."""
    start, _, body = case.data.partition(b"\r\n\r\n")
    try:
        value = json.loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict) or len(value) < 2 or json.dumps(value).encode() != body:
        return None
    return start + b"\r\n\r\n" + json.dumps(dict(reversed(value.items()))).encode()


def test_the_order_of_members_is_free(server):
    """What comes last may be what decides how the rest is read."""
    count = 0
    with server.wire() as wire:
        for case in hostile.CASES:
            if case.section in ("The request", "Outputs") and turned(case):
                wire.send(turned(case))
                check(case, wire.answer())
                count += 1
    assert count > 20


def test_names_are_unique():
    assert len({str(c) for c in hostile.CASES}) == len(hostile.CASES)


def test_pipelined_mixture(server):
    """Good and bad behind each other, in any order: each gets its own answer. Then a row that ends
    the connection: what came before it is answered, what comes behind it never is."""
    mixer = random.Random(4)
    lasting = [c for c in hostile.CASES if not c.ends and not c.is_large]
    ends = [c for c in hostile.CASES if c.ends and not c.is_large and "TLS" not in c.name]
    for last in ends:
        some = mixer.sample(lasting, 8)
        with server.wire() as wire:
            wire.send(b"".join(c.data + hostile.GOOD_REQUEST for c in some) + last.data)
            for case in some:
                check(case, wire.answer())
                assert wire.answer().status == 200
            check(last, wire.answer())
            try:
                wire.send(hostile.GOOD_REQUEST)
            except OSError:
                pass
            assert not wire.more() and not wire.buffer

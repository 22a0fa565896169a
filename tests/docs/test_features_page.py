# SPDX-License-Identifier: Apache-2.0
"""Goal: what docs/features.md names as showing a promise is there, and its requests are those of
the example that is in the repository.

Method: the rows of its last table: files, functions in them (`file::name`), targets of make, names
of tools/bench. Rows that are pushed have the columns of their source in examples/flights, calls of
`pushback` the value that it requires. Models that are asked by entity are the example's.
"""

import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def rows():
    """(promise, [what shows it]) of each row."""
    page = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    section = page.partition("\n## What shows it\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (.*) \| (.*) \|$", section, re.MULTILINE)[2:]
    return [(promise, re.findall(r"`([^`]+)`", shown)) for promise, shown in found]


def is_there(name):
    command, _, argument = name.partition(" ")
    if command == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        return re.search(rf"^{argument}: .*## ", makefile, re.MULTILINE)
    if command == "tools/bench":
        return f"\n    {argument})" in (ROOT / command).read_text(encoding="utf-8")
    path, _, function = name.partition("::")
    if not (ROOT / path).is_file():
        return False
    return re.search(rf"^(def|static void) {function}\(", (ROOT / path).read_text(encoding="utf-8"),
                     re.MULTILINE) if function else True


def test_each_promise_is_shown():
    assert len(rows()) >= 20
    assert [promise for promise, shown in rows() if not shown] == []


@pytest.mark.parametrize("name", sorted({name for _, shown in rows() for name in shown}))
def test_what_shows_it_is_there(name):
    assert is_there(name)


@pytest.mark.parametrize("name", ["tests/e2e/test_nothing.py", "make nothing",
                                  "tools/bench nothing",
                                  "tests/unit/feature/test_window.c::nothing"])
def test_what_is_not_there_is_missed(name):
    assert not is_there(name)


@pytest.mark.parametrize("page", ["docs/features.md", "docs/protocols/push.md"])
def test_rows_that_are_pushed_are_whole(page):
    definitions = (ROOT / "examples/flights/features.yaml").read_text(encoding="utf-8")
    text = (ROOT / page).read_text(encoding="utf-8")
    bodies = re.findall(r"^curl \S+ localhost:8000/push -d '\n(\{.*?\})'$", text, re.M | re.S)
    assert bodies
    for body in map(json.loads, bodies):
        pattern = rf"^  {body['source']}:\n.*?columns: \{{(.*?)\}}"
        source = re.search(pattern, definitions, re.M | re.S)
        for row in body["rows"]:
            assert list(row) == re.findall(r"(\w+): ", source[1])


@pytest.mark.parametrize("page", ["docs/features.md", "docs/protocols/features.md",
                                  "docs/protocols/predict.md"])
def test_calls_give_what_is_required(page):
    definitions = (ROOT / "examples/flights/features.yaml").read_text(encoding="utf-8")
    assert re.findall(r"(\w+): \{type: \w+, required: true\}", definitions) == ["dep_delay"]
    text = (ROOT / page).read_text(encoding="utf-8")
    asked = re.findall(r"/v1/features/pushback\?\S*|^\{.*?\"entities\":.*?'$", text, re.M | re.S)
    assert asked and [call for call in asked if "dep_delay" not in call] == []


def test_models_that_are_asked_by_entity_are_trained_with_a_service():
    definitions = (ROOT / "examples/flights/features.yaml").read_text(encoding="utf-8")
    text = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    trained = re.findall(r"^  (\w+):\n(?:    .*\n)*?    service: ",
                         definitions.partition("\nmodels:\n")[2], re.M)
    asked = re.findall(r"/v1/models/(\w+)/predict -d '\n\{\"entities\"", text)
    assert asked and set(asked) <= set(trained)
    assert set(asked) <= set(re.findall(r"^auspex train \S+ --model (\w+)", text, re.M))

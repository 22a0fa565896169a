# SPDX-License-Identifier: Apache-2.0
"""Goal: the examples of aggregates in docs/functions.md are what `auspex features history` gives.

Method: the events of the page are a CSV file, its examples the fields of one view, and one row asks
at the page's moment. Each kind of aggregate has an example.
"""

import csv
import json
import os
import pathlib
import re
import subprocess

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
SECTION = (DOCS / "functions.md").read_text(encoding="utf-8").partition("\n## Aggregates")[2]
EXAMPLES = re.findall(r"^  - `(.+)` is `(.+)`$", SECTION, re.MULTILINE)
COLUMNS = ["flight", "time", "delay", "dest"]
KINDS = {"count", "sum", "avg", "min", "max", "stddev", "var", "first", "last", "last_n",
         "count_distinct", "approx_quantile", "top_k"}


def events():
    rows = re.findall(r"^\| (\d+) \| (\S+) \| (\S+) \| (\S+) \|$", SECTION, re.MULTILINE)
    return [["" if word == "null" else word for word in row] for row in rows]


def definitions():
    # As JSON, which is YAML.
    return {
        "auspex": 1, "project": "examples",
        "entities": {"city": {"keys": {"city": "string"}}},
        "sources": {"arrivals": {
            "files": "arrivals.csv", "time": "time", "event_id": ["flight"],
            "columns": {"city": "string", "flight": "int64", "time": "timestamp",
                        "delay": "float64", "dest": "string"}}},
        "views": {"city": {"entity": "city", "source": "arrivals", "fields": {
            f"f{i}": text for i, (text, _) in enumerate(EXAMPLES)}}},
        "services": {"all": {"features": [{"view": "city"}]}},
    }


def as_csv(value):
    """A value as the page has it, as history writes it to CSV."""
    if value == "null":
        return ""
    if value.startswith("["):
        return [as_csv(item) for item in value[1:-1].split(", ")]
    return value.strip("'")


def found(text, wanted):
    if isinstance(wanted, list):
        return [item.strip(" '\"") for item in text.strip("[]").split(",")]
    return text


def test_examples(tmp_path):
    at = re.search(r"asked at (\S+):", SECTION).group(1)
    with open(tmp_path / "arrivals.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["city", *COLUMNS])
        writer.writerows([["New York", *event] for event in events()])
    (tmp_path / "rows.csv").write_text(f"city,at\nNew York,{at}\n", encoding="utf-8")
    (tmp_path / "features.yaml").write_text(json.dumps(definitions()), encoding="utf-8")
    done = subprocess.run(
        [os.environ["AX_BINARY"], "features", "history", "--definitions", ".", "--service", "all",
         "--rows", "rows.csv", "--out", "out.csv"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    wanted = {text: as_csv(value) for text, value in EXAMPLES}
    assert {text: found(row[f"f{i}"], wanted[text])
            for i, (text, _) in enumerate(EXAMPLES)} == wanted


def test_each_kind_has_an_example():
    headings = set(re.findall(r"^### `(\w+)`$", SECTION, re.MULTILINE))
    used = {re.search(r"(\w+)\(.* over ", text).group(1) for text, _ in EXAMPLES}
    assert headings == KINDS
    assert KINDS <= used | {"approx_quantile"}
    assert any("approx_quantile(" in text for text, _ in EXAMPLES)
    assert len(events()) == 5


def test_page_of_expressions_leads_here():
    text = (DOCS / "expressions.md").read_text(encoding="utf-8")
    assert "(functions.md#aggregates-over-events)" in text

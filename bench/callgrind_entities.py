# SPDX-License-Identifier: Apache-2.0
"""Definitions whose service gives all inputs of bench/callgrind's model: five plain views of two
entities, applied and materialised, so that the model can be asked by entity."""

import json
import pathlib
import subprocess

AUSPEX = str(pathlib.Path("build/auspex").resolve())
VIEWS, KEYS, REQUESTS = 5, 64, 16


def value(row, view, field):
    return (row * 7 + view * 5 + field * 3) % 11 / 4 - 1


def made_up(inputs):
    """Of few values, always the same: a row an entity, all views' fields."""
    fields = inputs // VIEWS
    return [[value(row, view, f) for view in range(VIEWS) for f in range(fields)]
            for row in range(KEYS)]


def write_definitions(folder, table):
    fields = len(table[0]) // VIEWS
    columns = "".join(f", c{f}: float32" for f in range(fields))
    lines = ["auspex: 1", "entities: {a: {keys: {k: string}}, b: {keys: {n: int64}}}", "sources:"]
    keys = [("a", "k", "string")] * 3 + [("b", "n", "int64")] * 2
    for view, (_, key, kind) in enumerate(keys):
        lines.append(f"  s{view}: {{files: s{view}.csv, time: t, columns: "
                     f"{{{key}: {kind}, t: timestamp{columns}}}}}")
        rows = [",".join([key, "t", *(f"c{f}" for f in range(fields))])]
        for number, row in enumerate(table):
            values = map(str, row[view * fields:(view + 1) * fields])
            rows.append(",".join([f"key{number}" if key == "k" else str(number),
                                  "2024-01-01T00:00:00Z", *values]))
        (folder / f"s{view}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    lines.append("views:")
    for view, (entity, _, _) in enumerate(keys):
        made = ", ".join(f"x{view * fields + f}: {{expr: c{f}, type: float32}}"
                         for f in range(fields))
        lines.append(f"  v{view}: {{entity: {entity}, source: s{view}, fields: {{{made}}}}}")
    views = ", ".join(f"{{view: v{view}}}" for view in range(VIEWS))
    lines.append(f"services: {{s: {{features: [{views}]}}}}")
    (folder / "features.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(*command, **options):
    return subprocess.run([AUSPEX, *map(str, command)], check=True, capture_output=True,
                          text=True, **options).stdout


def make(folder, version, table, requests=REQUESTS):
    """Applied in `folder`/state; the version of a model was trained with the service. Bodies."""
    definitions, state = folder / "definitions", folder / "state"
    definitions.mkdir(parents=True)
    write_definitions(definitions, table)
    run("apply", "--state", state, definitions)
    run("materialize", "--state", state, cwd=definitions)
    digest = json.loads(run("features", "show", "s", "--json", "--state", state))["digest_with_all"]
    (version / "model.yaml").write_text(f"service: {{name: s, version: 1, digest: {digest}}}\n",
                                        encoding="utf-8")
    return [json.dumps({"entities": [{"k": f"key{i * 5 % len(table)}", "n": i}]}).encode()
            for i in range(requests)]


def rows(table, requests=REQUESTS):
    """What the model is given for each of those bodies."""
    inputs = len(table[0])
    return [{f"x{x}": table[i * 5 % len(table) if x < inputs // VIEWS * 3 else i][x]
             for x in range(inputs)} for i in range(requests)]

# SPDX-License-Identifier: Apache-2.0
"""Goal: what `auspex init` writes is a set of definitions that this program takes, and nobody's
files are written over unasked.

Method: the command into folders that are empty, missing, not empty and not writable; every file
that the example names is there; the schema that `auspex features schema` prints takes the example;
so do plan and apply.
"""

import copy
import json
import os
import subprocess

import yaml

BINARY = os.environ["AX_BINARY"]


def run(*arguments, cwd=None):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60,
                          check=False)


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def test_an_empty_or_missing_folder_is_filled(tmp_path):
    done = run("init", str(tmp_path / "a/b"))
    assert (done.returncode, done.stderr) == (0, "")
    written = files_of(tmp_path / "a/b")
    assert set(written) == {"features.yaml", "data/customers.csv", "data/orders.csv",
                            "data/checkouts.csv"}
    assert [line for line in done.stdout.splitlines() if line.startswith("wrote ")] == \
        [f"wrote {tmp_path}/a/b/{name}" for name in
         ("features.yaml", "data/customers.csv", "data/orders.csv", "data/checkouts.csv")]
    (tmp_path / "here").mkdir()
    assert run("init", cwd=tmp_path / "here").returncode == 0
    assert files_of(tmp_path / "here") == written


def test_files_that_are_there_are_left_alone(tmp_path):
    (tmp_path / "features.yaml").write_text("mine")
    (tmp_path / "other").write_text("mine")
    done = run("init", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (f"auspex init: '{tmp_path}' is not empty; name an empty folder, or "
                           "write into it with --force\n")
    assert set(files_of(tmp_path)) == {"features.yaml", "other"}
    assert run("init", "--force", str(tmp_path)).returncode == 0
    written = files_of(tmp_path)
    assert len(written) == 5 and written["other"] == b"mine"
    assert written["features.yaml"] != b"mine"


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("init", str(tmp_path / "file"))
    assert done.returncode not in (0, 2) and str(tmp_path / "file") in done.stderr
    assert run("init", "a", "b").returncode == 2


def columns_of(text):
    return text.splitlines()[0].decode().split(",")


def test_the_data_has_the_columns_that_are_declared(tmp_path):
    assert run("init", str(tmp_path)).returncode == 0
    written = files_of(tmp_path)
    definitions = yaml.safe_load(written["features.yaml"])
    for source in definitions["sources"].values():
        assert set(source["columns"]) <= set(columns_of(written[source["files"]]))
    service = definitions["services"]["checkout"]
    rows = columns_of(written["data/checkouts.csv"])
    assert set(service["request"]) | {"customer_id", "at"} <= set(rows)


def resolve(schema, form):
    name = form.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else form


KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "number": (int, float), "null": type(None)}


def fits(schema, form, value):
    """As much of JSON Schema as the schema uses, but for patterns."""
    form = resolve(schema, form)
    if "anyOf" in form:
        return any(fits(schema, one, value) for one in form["anyOf"])
    if "enum" in form:
        return value in form["enum"]
    if "const" in form:
        return value == form["const"]
    kinds = form["type"] if isinstance(form["type"], list) else [form["type"]]
    if not any(isinstance(value, KINDS[kind]) for kind in kinds):
        return False
    if isinstance(value, dict) and "oneOf" in form and \
            sum(set(one["required"]) <= set(value) for one in form["oneOf"]) != 1:
        return False
    if isinstance(value, dict) and "properties" in form:
        return set(form["required"]) <= set(value) <= set(form["properties"]) and \
            all(fits(schema, form["properties"][key], part) for key, part in value.items())
    if isinstance(value, dict) and "additionalProperties" in form:
        return all(fits(schema, form["additionalProperties"], part) for part in value.values())
    if isinstance(value, list) and "items" in form:
        return all(fits(schema, form["items"], part) for part in value)
    return True


def test_the_schema_takes_the_example_and_refuses_what_is_misspelt(tmp_path):
    assert run("init", str(tmp_path)).returncode == 0
    schema = json.loads(run("features", "schema").stdout)
    definitions = yaml.safe_load((tmp_path / "features.yaml").read_text())
    assert fits(schema, schema, definitions)
    for broken in (
            lambda all: all["views"]["customer"].update(entty="customer"),
            lambda all: all.update(auspex=2),
            lambda all: all["sources"]["orders"].update(sql="select 1"),
            lambda all: all["sources"]["orders"].pop("files"),
            lambda all: all["services"]["checkout"]["features"].append({"name": "a", "view": "b"})):
        changed = copy.deepcopy(definitions)
        broken(changed)
        assert not fits(schema, schema, changed)


def test_the_example_is_planned_and_applied(tmp_path):
    folder = str(tmp_path / "shop")
    state = str(tmp_path / "state")
    assert run("init", folder).returncode == 0
    planned = run("plan", "--state", state, folder)
    assert planned.returncode == 2 and planned.stderr == ""
    assert "8 to add, 0 to change" in planned.stdout and "?" not in planned.stdout
    assert run("apply", "--state", state, folder).returncode == 0
    assert run("plan", "--state", state, folder).returncode == 0

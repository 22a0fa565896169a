# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex compile` makes the images that a server then uses, tells what it could not, and
`auspex models inspect` tells what is inside a version without writing anything.
Method: the commands on the models of the e2e tests and on folders that are none; what they print,
their exit status, and what lies in the state folder afterwards.
"""

import json
import os
import subprocess

import pytest

from conftest import Server


def auspex(*arguments):
    return subprocess.run([os.environ["AX_BINARY"], *map(str, arguments)], capture_output=True,
                          text=True, check=False, stdin=subprocess.DEVNULL)


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_server_uses_what_was_compiled(models, tmp_path):
    state = tmp_path / "state"
    done = auspex("compile", "--json", "--state", state, models)
    found = {(v["model"], v["version"]): v["image"] for v in lines(done)}
    assert done.returncode == 0 and not done.stderr
    assert found.pop(("rules", 1)) == "none"
    assert len(found) == 6 and set(found.values()) == {"made"}
    again = auspex("compile", "--json", "--state", state, models)
    assert {v["image"] for v in lines(again)} == {"none", "there"}
    server = Server(models, "--state", str(state))
    assert server.stop() == 0
    assert sum("image=used" in s for s in server.lines) == 6
    assert not any("image=made" in s for s in server.lines)


def test_one_that_fails_costs_the_others_nothing(models, tmp_path):
    broken = tmp_path / "models/broken/1"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text('{"learner": 3}', encoding="utf-8")
    done = auspex("compile", "--state", tmp_path / "state", broken.parent.parent, models / "value")
    assert done.returncode == 3 and not done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("broken version 1: failed: 'model.json'")
    assert second.startswith("value version 1: image made, ")
    quiet = auspex("compile", "--quiet", "--state", tmp_path / "state", models / "value" / "1")
    assert quiet.returncode == 0 and not quiet.stdout and not quiet.stderr


@pytest.mark.parametrize("arguments, status, says", [
    ([], 2, "usage: auspex compile"),
    (["--images=false", "."], 2, "--images=false leaves nothing to do"),
    (["/nowhere/at/all"], 4, "/nowhere/at/all"),
    (["--state", "/dev/null", "."], 3, "/dev/null"),
])
def test_compile_refuses(arguments, status, says):
    done = auspex("compile", *arguments)
    assert done.returncode == status and says in done.stderr, done.stderr


def test_inspect_tells_the_inside(models, boosters, tmp_path):
    state = tmp_path / "state"
    done = auspex("models", "inspect", "--json", "--state", state, models)
    assert done.returncode == 0 and not done.stderr
    assert not state.exists()
    found = {(v["model"], v["version"]): v for v in lines(done)}
    assert found["rules", 1]["inside"] == {}
    inside = found["classes", 1]["inside"]
    trees = json.loads((models / "classes/1/model.json").read_text("utf-8"))
    trees = trees["learner"]["gradient_booster"]["model"]["trees"]
    assert inside["trees"] == len(trees) == 18
    assert inside["leaves"] == sum(t["left_children"].count(-1) for t in trees)
    used = {i for t in trees for i, left in zip(t["split_indices"], t["left_children"])
            if left != -1}
    assert inside["features_used"] == len(used) and inside["features"] == 8
    assert inside["thresholds"] == len({
        (i, c) for t in trees for i, c, left in
        zip(t["split_indices"], t["split_conditions"], t["left_children"]) if left != -1})
    assert inside["outputs"] == 3 and inside["transform"] == "softmax"
    assert inside["objective"] == "multi:softprob"
    assert [c["rows"] for c in inside["kernels"]] == [1, 2, 12, 32]
    assert found["carriers", 1]["inside"]["features_categorical"] == 1


def test_inspect_takes_images_and_writes_none(models, tmp_path):
    state = tmp_path / "state"
    auspex("compile", "--state", state, models / "binary")
    before = {p.name: p.read_bytes() for p in (state / "images").iterdir()}
    done = auspex("models", "inspect", "--json", "--state", state, models / "binary",
                  models / "value")
    assert [v["image"] for v in lines(done)] == ["used", "used", "none"]
    assert before == {p.name: p.read_bytes() for p in (state / "images").iterdir()}


def test_inspect_says_why_there_is_no_image(models, tmp_path):
    state = tmp_path / "state"
    model = models / "binary/1"
    inspect = ["models", "inspect", "--json", "--state", state]
    assert "No such file" in lines(auspex(*inspect, model))[0]["why_no_image"]
    off = lines(auspex(*inspect, "--images=false", model))[0]
    assert off["why_no_image"] == "images are switched off"
    auspex("compile", "--state", state, models / "value")
    assert "none was made" in lines(auspex(*inspect, model))[0]["why_no_image"]
    assert "engine keeps none" in lines(auspex(*inspect, models / "rules"))[0]["why_no_image"]
    auspex("compile", "--state", state, model)
    used = lines(auspex(*inspect, model))[0]
    assert used["image"] == "used" and "why_no_image" not in used
    for image in (state / "images").glob("*.img"):
        image.write_bytes(image.read_bytes()[:-1])
    assert " bytes of " in lines(auspex(*inspect, model))[0]["why_no_image"]
    for image in (state / "images").glob("*.img"):
        image.chmod(0o666)
    assert "others may write it" in lines(auspex(*inspect, model))[0]["why_no_image"]


def test_a_limit_of_file_sizes_is_a_failure_to_write(models, tmp_path):
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 4 && exec "$@"', "bash", os.environ["AX_BINARY"], "compile",
         "--json", "--state", tmp_path / "state", models / "binary/1"],
        capture_output=True, text=True, check=False)
    assert done.returncode > 0, done.returncode  # no signal ended it
    assert "File too large" in done.stdout + done.stderr
    assert {p.suffix for p in (tmp_path / "state/images").iterdir()} <= {".tune"}


def test_inspect_for_people(models, tmp_path):
    done = auspex("models", "inspect", "--state", tmp_path / "none", models / "binary/1")
    assert done.returncode == 0
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["trees", "12"] in words and ["depth_max", "4"] in words
    assert sum(w[0] == "from" for w in words) == 4
    assert auspex("models", "inspect").returncode == 2
    assert auspex("models", "lost", ".").returncode == 2
    assert auspex("models", "inspect", "/nowhere").returncode == 4

# SPDX-License-Identifier: Apache-2.0
"""Goal: a server that starts again has its models from their images and answers the same; an image
that is damaged, or cannot be kept, costs a line in the log and nothing else; `auspex predict` uses
the images that are there and makes no folder.
Method: servers one after the other over one state folder, whose files are changed between them.
The answers of all are compared as text.
"""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess

import numpy as np
import pytest

from conftest import NAMES, Server, holey_rows, named_rows


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def rows():
    return named_rows(holey_rows(np.random.default_rng(5), 40))


def run(models, state, *options):
    """Of each version what became of its image; the answers of the model `binary`; the log."""
    server = Server(models, "--state", str(state), *options)
    answers = [server.predict("binary", *rows()[:n]).json["predictions"] for n in (1, 7, 20, 40)]
    assert server.stop() == 0
    loaded = [s for s in server.lines if 'event="model version loaded"' in s]
    images = {re.search(r"model=(\S+) version=(\S+)", s).groups(): re.search(r"image=(\S+)", s)[1]
              for s in loaded}
    return images, answers, "".join(server.lines)


def images_of(state):
    """The images, largest first."""
    return sorted((state / "images").glob("*.img"), key=lambda p: p.stat().st_size, reverse=True)


def test_second_start_uses_images(models, state):
    first, answers, log = run(models, state)
    assert first["rules", "1"] == "none"
    made = {k for k, v in first.items() if v == "made"}
    assert made == {k for k in first if k[0] != "rules"}
    assert "passed over" not in log
    second, again, log = run(models, state)
    assert {k: v for k, v in second.items() if k[0] != "rules"} == dict.fromkeys(made, "used")
    assert again == answers and "level=warn" not in log
    folder = state / "images"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    assert not [p for p in folder.iterdir() if p.suffix not in (".img", ".tune")]


def test_without_images(models, state):
    images, answers, _ = run(models, state, "--images=false")
    assert set(images.values()) == {"none"} and not (state / "images").exists()
    assert answers == run(models, state)[1]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "writable"])
def test_a_damaged_image_is_made_anew(models, state, damage):
    _, answers, _ = run(models, state)
    path = images_of(state)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    if damage == "writable":
        path.chmod(0o666)
    else:
        path.write_bytes({"flip": data, "cut": data[:1000], "empty": b""}[damage])
    images, again, log = run(models, state)
    assert again == answers
    assert list(images.values()).count("made") == 1
    assert log.count('event="model image passed over"') == 1
    images, again, log = run(models, state)
    assert again == answers and "made" not in images.values() and "passed over" not in log


def test_a_folder_of_no_use_is_told_once(models, state, tmp_path):
    _, answers, _ = run(models, state)
    state.parent.joinpath("file").write_text("no folder", encoding="utf-8")
    images, again, log = run(models, tmp_path / "file", "--model-control", "explicit")
    assert again == answers and set(images.values()) == {"none"}
    assert log.count("served without images") == 1
    assert log.count("level=warn") == 2 and "definitions of features cannot be read" in log
    (state / "images").chmod(0o777)
    images, again, log = run(models, state)
    assert again == answers and set(images.values()) == {"none"}
    assert log.count("level=warn") == 1 and "others may write" in log


def test_what_was_used_least_recently_goes(models, tmp_path):
    """A model that is replaced all day leaves no more images than the limit has room for, and those
    that are in memory stay, however old."""
    folder = tmp_path / "models"
    for name in ("still", "swap"):
        shutil.copytree(models / "binary/1", folder / name / "1")
    whole = json.loads((folder / "swap/1/model.json").read_bytes())
    images = tmp_path / "state/images"
    limit = 200_000
    server = Server(folder, "--state", str(tmp_path / "state"), "--model-control", "explicit",
                    "--images-bytes-max", str(limit))
    kept = {p.name for p in images.iterdir()}
    assert len(kept) == 2  # of both models, which have one file: an image, and tuning
    (images / "notes.txt").write_text("not ours", encoding="utf-8")
    for path in images.iterdir():
        os.utime(path, (0, 0))
    for i in range(40):
        # Other bytes, of which another image is made.
        new = folder / "new.json"
        new.write_bytes(json.dumps(whole).encode() + b" " * (i + 1))
        os.replace(new, folder / "swap/1/model.json")
        assert server.post("/v2/repository/models/swap/load").status == 200
        files = [p for p in images.iterdir() if p.name != "notes.txt"]
        assert sum(-(-p.stat().st_size // 4096) * 4096 for p in files) <= limit
        assert kept <= {p.name for p in files}
    metrics = server.metrics()
    assert metrics["ax_image_files"] == len(files) < 82
    assert metrics["ax_images_removed_total"] == 82 - len(files)
    assert 0 < metrics["ax_image_bytes"] <= metrics["ax_image_limit_bytes"] == limit
    assert (images / "notes.txt").exists()
    assert server.predict("still", *rows()[:2]).status == 200
    assert server.stop() == 0
    assert any("images removed" in line for line in server.lines)


def test_the_limit_is_told_while_there_is_nothing(tmp_path):
    (tmp_path / "models").mkdir()
    server = Server(tmp_path / "models", "--state", str(tmp_path / "state"))
    metrics = server.metrics()
    assert metrics["ax_image_limit_bytes"] == 10 << 30
    assert metrics["ax_image_bytes"] == metrics["ax_image_files"] == 0
    assert server.stop() == 0


def test_tuning_is_kept(models, state):
    run(models, state)
    kept = {p.name: p.read_bytes() for p in (state / "images").glob("*.tune")}
    run(models, state)
    assert kept == {p.name: p.read_bytes() for p in (state / "images").glob("*.tune")}


def test_tuning_that_cannot_be_followed_is_forgotten_whole(models, state):
    run(models, state)
    for path in (state / "images").glob("*.tune"):
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for entry in entries:
            for one in entry["classes"]:
                one["row_ns"] = dict.fromkeys(one["row_ns"], 0.5)
            entry["classes"][-1]["kernel"] = "gone"
        path.write_text("".join(json.dumps(e) + "\n" for e in entries), encoding="utf-8")
    run(models, state)
    for path in (state / "images").glob("*.tune"):
        for line in path.read_text(encoding="utf-8").splitlines():
            classes = json.loads(line)["classes"]
            assert all(ns != 0.5 for one in classes for ns in one["row_ns"].values())
            assert all(one["kernel"] != "gone" for one in classes)


def predict(models, folder, *options):
    """The rows that `auspex predict`, started in `folder`, writes."""
    table = pathlib.Path(folder) / "rows.csv"
    lines = [",".join(NAMES)] + [",".join("" if v is None else str(v) for v in r.values())
                                 for r in rows()]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "AUSPEX_STATE"}
    done = subprocess.run(
        [os.environ["AX_BINARY"], "predict", "--model", str(models / "binary"), "rows.csv", "-",
         *options], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_predict_uses_what_is_there(models, tmp_path):
    plain = predict(models, tmp_path)
    assert not (tmp_path / "auspex-data").exists()
    run(models, tmp_path / "auspex-data")
    assert predict(models, tmp_path) == plain
    for path in images_of(tmp_path / "auspex-data"):
        path.unlink()
    assert predict(models, tmp_path) == plain
    assert len(images_of(tmp_path / "auspex-data")) == 1  # made by the command itself
    assert predict(models, tmp_path) == plain


def test_state_among_the_models_is_no_model(models, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    names = []
    for _ in range(2):
        server = Server(folder, "--state", str(folder / "auspex-data"))
        assert server.get("/v2/health/ready").status == 200
        names.append(server.get("/v2/models").body)
        assert server.stop() == 0
    assert names[0] == names[1] and (folder / "auspex-data").is_dir()

# SPDX-License-Identifier: Apache-2.0
"""Goal: `auspex predict` gives every row of a file the library's own answer, whatever the size.

Method: the answers are compared bit by bit with the pinned library's, and with the server's;
memory is that of the ended process; runs are broken off, and what is left is looked at.
"""

import csv
import json
import os
import signal

import history
import numpy as np
import xgboost_oracle as oracle
import pytest
from conftest import FEATURES, NAMES

MEGABYTE = 1 << 20


def predict(model, source, output, *options, **more):
    return history.run("predict", "--model", model, *options, source, output, **more)


def must_predict(model, source, output, *options, **more):
    done = predict(model, source, output, *options, **more)
    assert done.returncode == 0, done.stderr
    return done


def columns(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}


def floats(table, *names):
    return np.array([[np.float32(v) for v in table[name]] for name in names]).T


def edge_rows(count=6000):
    """Numbers in every size, as f64: what cannot be held by f32 is narrowed on the way."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((count, FEATURES)) * 10.0 ** rng.integers(-3, 3, (count, FEATURES))
    odd = [np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4028235e38, 16777217.0, 0.1, 1e300, -1e-300]
    rows[rng.random((count, FEATURES)) < 0.2] = np.nan
    mask = rng.random((count, FEATURES)) < 0.1
    rows[mask] = rng.choice(odd, mask.sum())
    return rows


def text_of(value):
    return "" if np.isnan(value) else repr(float(value))


def write_csv(path, rows, names):
    lines = [",".join(names)] + [",".join(text_of(v) for v in row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_jsonl(path, rows, names):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            members = {n: float(v) for n, v in zip(names, row) if not np.isnan(v)}
            file.write(json.dumps(members) + "\n")


OUTPUTS = {
    "binary": ["prediction"],
    "value": ["prediction"],
    "interval": ["q10", "q50", "q90"],
    "classes": ["prediction_0", "prediction_1", "prediction_2"],
}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_answers_are_the_library_s(name, ending, models, boosters, tmp_path):
    rows = edge_rows()
    source, output = tmp_path / f"rows.{ending}", tmp_path / "out.csv"
    (write_csv if ending == "csv" else write_jsonl)(source, rows, NAMES)
    must_predict(models / name, source, output)
    with np.errstate(over="ignore"):
        wanted = boosters[name].predict(rows.astype(np.float32))
    assert floats(columns(output), *OUTPUTS[name]).tobytes() == wanted.tobytes()


def test_columns_of_each_task(models, tmp_path):
    write_csv(tmp_path / "rows.csv", edge_rows(3), NAMES)
    found = {}
    for name in (*OUTPUTS, "binary/1"):
        must_predict(models / name, tmp_path / "rows.csv", tmp_path / "out.csv")
        found[name] = list(columns(tmp_path / "out.csv"))
    assert found == {
        "binary": ["prediction", "probability", "decision"],
        "binary/1": ["prediction", "probability"],
        "value": ["prediction"],
        "interval": ["q10", "q50", "q90"],
        "classes": ["prediction_0", "prediction_1", "prediction_2", "probability_early",
                    "probability_fine", "probability_late", "label"],
    }


def test_categories(models, boosters, tmp_path):
    carriers = ["AA", "B6", "DL", "UA", "WN"]
    rng = np.random.default_rng(3)
    codes = rng.integers(-1, 5, 3000)
    delays = rng.standard_normal(3000).round(2)
    lines = [f"{'' if c < 0 else carriers[c]},{d}" for c, d in zip(codes, delays)]
    source = tmp_path / "rows.csv"
    source.write_text("\n".join(["carrier,dep_delay", *lines]) + "\n", encoding="utf-8")
    must_predict(models / "carriers", source, tmp_path / "out.csv")
    rows = np.stack([np.where(codes < 0, np.nan, codes), delays], axis=1)
    wanted = boosters["carriers"].predict(rows)
    assert floats(columns(tmp_path / "out.csv"), "prediction").tobytes() == wanted.tobytes()
    # A category of nobody's is an error with the row, and leaves what was there.
    source.write_text("\n".join(["carrier,dep_delay", *lines, "UU,1"]) + "\n", encoding="utf-8")
    before = (tmp_path / "out.csv").read_bytes()
    done = predict(models / "carriers", source, tmp_path / "out.csv")
    assert done.returncode == 3
    assert "input 'carrier', row 3001: unknown category 'UU'; nearest is 'UA'" in done.stderr
    assert (tmp_path / "out.csv").read_bytes() == before


def test_what_training_wrote(tmp_path):
    past = history.History()
    past.write(tmp_path / "rows.csv")
    done = history.train(tmp_path, history.spec(columns=["carrier", {"name": "x",
                                                                     "required": True}, "y"]))
    must_predict(tmp_path / "models/m", tmp_path / "rows.csv", tmp_path / "out.csv", "--keep", "id",
                 "--keep", "carrier")
    table = columns(tmp_path / "out.csv")
    assert table["id"] == [str(i) for i in range(past.rows)]
    assert table["carrier"] == [c or "" for c in past.carrier]
    wanted = oracle.load(f"{done['path']}/model.ubj").predict(past.matrix())
    assert floats(table, "prediction").tobytes() == wanted.tobytes()
    # Parquet out, and in again, says the same; the types are those of the model.
    must_predict(tmp_path / "models/m", tmp_path / "rows.csv", tmp_path / "out.parquet", "--keep",
                 "all")
    source = tmp_path / "rows.jsonl"
    must_predict(tmp_path / "models/m", tmp_path / "rows.csv", source, "--keep", "all")
    first = json.loads(source.read_text(encoding="utf-8").splitlines()[0])
    assert first["carrier"] == (past.carrier[0] or None) and isinstance(first["prediction"], float)
    done = predict(tmp_path / "models/m", tmp_path / "out.parquet", tmp_path / "b.csv")
    assert done.returncode == 3, "texts of CSV are texts in Parquet, and no numbers"
    assert "input 'x', row 1: found the text" in done.stderr


def test_answers_are_the_server_s(server, models, tmp_path):
    rows = edge_rows(64)
    rows[~np.isfinite(rows)] = np.nan
    write_jsonl(tmp_path / "rows.jsonl", rows, NAMES)
    must_predict(models / "binary", tmp_path / "rows.jsonl", tmp_path / "out.jsonl")
    ours = [json.loads(s) for s in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    lines = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    answer = server.predict("binary", *(json.loads(line) for line in lines)).json
    for mine, other in zip(ours, answer["predictions"], strict=True):
        assert mine == {k: other[k] for k in ("prediction", "probability", "decision")}


@pytest.fixture(name="block", scope="module")
def make_block(tmp_path_factory, boosters):
    """Ten thousand rows of CSV as text, and their predictions."""
    rng = np.random.default_rng(8)
    rows = rng.standard_normal((10000, FEATURES)).round(3)
    path = tmp_path_factory.mktemp("block") / "rows.csv"
    write_csv(path, rows, NAMES)
    head, _, body = path.read_text(encoding="utf-8").partition("\n")
    return head + "\n", body, boosters["binary"].predict(rows)


def write_blocks(path, block, count):
    with open(path, "w", encoding="utf-8") as file:
        file.write(block[0])
        for _ in range(count):
            file.write(block[1])


@pytest.mark.plain
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_million_rows_in_bounded_memory(ending, block, models, tmp_path):
    source, output = tmp_path / "rows.csv", tmp_path / f"out.{ending}"
    write_blocks(source, block, 100)
    process = history.start("predict", "--model", models / "binary/1", "--json", source, output)
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, err
    assert json.loads(out)["rows"] == 1000000
    assert usage.ru_maxrss * 1024 < 700 * MEGABYTE
    if ending == "csv":
        lines = output.read_text(encoding="utf-8").splitlines()
        assert len(lines) == 1000001
        first = lines[1:10001]
        found = np.array([np.float32(s.split(",")[0]) for s in first])
        assert found.tobytes() == block[2].tobytes()
        assert all(lines[1 + i * 10000:10001 + i * 10000] == first for i in range(100))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, output.name])


def test_row_number_far_into_a_file(block, models, tmp_path):
    source, output = tmp_path / "rows.csv", tmp_path / "out.csv"
    write_blocks(source, block, 5)
    with open(source, "a", encoding="utf-8") as file:
        file.write("1,2,3,4,oops,6,7,8\n" + block[1])
    done = predict(models / "binary/1", source, output)
    assert done.returncode == 3 and done.stdout == ""
    assert done.stderr == ("auspex predict: input 'temp', row 50001: found the text 'oops' where a "
                           "number is wanted\n")
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]


def start_predict(block, models, tmp_path):
    """A run over many rows that is seen to be writing."""
    write_blocks(tmp_path / "rows.csv", block, 60)
    process = history.start("predict", "--model", models / "binary/1", tmp_path / "rows.csv",
                            tmp_path / "out.csv")
    history.wait_for(lambda: any(p.stat().st_size > 0 for p in tmp_path.glob(".out.csv.*")))
    return process


def test_never_half_an_output(block, models, tmp_path):
    process = start_predict(block, models, tmp_path)
    seen = set()
    while process.poll() is None:
        if (tmp_path / "out.csv").exists():
            seen.add((tmp_path / "out.csv").stat().st_size)
    process.communicate()
    assert process.returncode == 0
    assert seen <= {(tmp_path / "out.csv").stat().st_size}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number, block, models, tmp_path):
    process = start_predict(block, models, tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "" and "interrupted" in err
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]


def test_killed(block, models, tmp_path):
    process = start_predict(block, models, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    assert not (tmp_path / "out.csv").exists()


def test_standard_output(models, tmp_path):
    write_csv(tmp_path / "rows.csv", edge_rows(3), NAMES)
    done = must_predict(models / "binary", tmp_path / "rows.csv", "-")
    assert done.stdout.startswith("prediction,probability,decision\n")
    assert done.stdout.count("\n") == 4 and "3 rows by binary version 2 in " in done.stderr
    done = must_predict(models / "binary", tmp_path / "rows.csv", "-", "--format", "jsonl",
                        "--quiet")
    assert len([json.loads(s) for s in done.stdout.splitlines()]) == 3 and done.stderr == ""
    done = must_predict(models / "binary", tmp_path / "rows.csv", "-", "--quiet", "--json")
    assert json.loads(done.stderr)["rows"] == 3


def test_a_reader_that_leaves(block, models, tmp_path):
    write_blocks(tmp_path / "rows.csv", block, 5)
    process = history.start("predict", "--model", models / "binary/1", tmp_path / "rows.csv", "-")
    assert process.stdout.readline() == "prediction,probability\n"
    process.stdout.close()
    assert process.wait(60) == 1
    assert "write standard output: its reader went away" in process.stderr.read()
    process.stderr.close()


def test_full_disk(block, models, tmp_path):
    write_blocks(tmp_path / "rows.csv", block, 5)
    for name in ("out.csv", "out.parquet"):
        done = predict(models / "binary/1", tmp_path / "rows.csv", tmp_path / name,
                       restore_signals=False,
                       preexec_fn=history.limit_files(500000))
        assert done.returncode == 3 and f"write {tmp_path}/{name}: File too large" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]
    done = predict(models / "binary/1", tmp_path / "rows.csv", "/dev/full", "--format", "csv")
    assert done.returncode == 5 and "No space left" in done.stderr


def test_exit_statuses(models, tmp_path):
    source, output = tmp_path / "rows.csv", tmp_path / "out.csv"
    write_csv(source, edge_rows(3), NAMES)
    model = models / "binary"
    assert history.run("predict", source, output).returncode == 2
    assert history.run("predict", "--model", model, source).returncode == 2
    assert predict(model, source, tmp_path / "out.txt").returncode == 2
    assert predict(model, tmp_path / "rows.txt", output).returncode == 2
    assert predict(model, tmp_path / "nix.csv", output).returncode == 4
    assert predict(tmp_path / "nix", source, output).returncode == 4
    assert predict(model, source, tmp_path / "nix/out.csv").returncode == 4
    assert predict(model, source, source).returncode == 3
    assert predict(model, source, output, "--keep", "nix").returncode == 3
    with open(source, "a", encoding="utf-8") as file:
        file.write("1" * 20000000)  # DuckDB would leave such a last line out without a word
    done = predict(model, source, output)
    assert done.returncode == 3 and "the last line is longer than 4194304 bytes" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]


def test_notes_and_missing_inputs(models, boosters, tmp_path):
    rows = np.full((2, FEATURES), np.nan)
    rows[:, 0] = [1.5, -2.5]
    source = tmp_path / "rows.csv"
    source.write_text("id,dep_delay,Seats\n1,1.5,3\n2,-2.5,4\n", encoding="utf-8")
    done = must_predict(models / "binary/1", source, tmp_path / "out.csv")
    assert ("not in the input, taken as missing: 'arr_delay', 'distance', 'air_time', 'temp', "
            "'wind', 'precip', 'seats'\n") in done.stderr
    assert "not known to the model, ignored: 'id', 'Seats'\n" in done.stderr
    wanted = boosters["binary"].predict(rows)
    assert floats(columns(tmp_path / "out.csv"), "prediction").tobytes() == wanted.tobytes()

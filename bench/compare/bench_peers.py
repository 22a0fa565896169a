# SPDX-License-Identifier: Apache-2.0
"""The peers, and how each is made ready to score a model: found, converted, compiled.

What a machine does not have is no error: the peer is absent, and the reason stands in the results.
Versions are those of deps.lock; generated code is compiled by gcc -O3.
"""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys

import bench_models
import catboost_oracle
import lightgbm_oracle
import onnx_file
import xgboost_oracle

HERE = pathlib.Path(__file__).resolve().parent
DEPS = HERE.parents[1] / "build/deps"
COMPILE_SECONDS_MAX = int(os.environ.get("COMPILE_SECONDS") or 240)  # of one file
GCC_FLAGS = ["-O3", "-fPIC", "-w"]
JOBS = int(os.environ.get("JOBS") or os.cpu_count() or 1)


class Absent(Exception):
    """Why a peer does not take part."""


@dataclasses.dataclass
class Contestant:
    """What the driver is told, and what the tables say."""
    name: str
    words: list
    is_source: bool = False  # the library that the model is of: what it answers is right
    note: str = ""
    family: str = ""  # of a peer that cannot take the model and trained its own of that shape


def version(folder, package):
    """From the folder of a wheel."""
    found = sorted((DEPS / folder).glob(f"{package}-*.dist-info"))
    if not found:
        raise Absent(f"{package} is not in build/deps: tools/fetch-deps --group bench")
    return found[0].name.removeprefix(f"{package}-").removesuffix(".dist-info")


def run(command, what, **kwargs):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", check=False, **kwargs)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"{done.returncode}"]
        raise Absent(f"{what} failed: {lines[-1].strip()[:200]}")


def environment(folders):
    """To find the packages of these folders first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(
        [*(str(DEPS / folder) for folder in folders), os.environ["PYTHONPATH"]])}


def convert(kind, model, target, folders):
    """By convert.py, with the packages of `folders`."""
    run([sys.executable, HERE / "convert.py", kind, model.library, model.file, target], kind,
        env=environment(folders))


def compile_all(sources, target, flags):
    """Sources to a shared object, some at a time; those that are objects already are only linked."""
    objects, running = [], []
    for source in sources:
        compiler = "g++" if source.suffix == ".cpp" else "gcc"
        if source.suffix == ".o":
            objects.append(source)
            continue
        objects.append(target.parent / f"{target.stem}-{source.stem}.o")
        running.append(subprocess.Popen(
            [compiler, *GCC_FLAGS, *flags, "-c", source, "-o", objects[-1]],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True))
        if len(running) >= JOBS:
            finish(running.pop(0))
    for each in running:
        finish(each)
    run(["g++", "-shared", "-Wl,-z,notext", *objects, "-o", target, "-lm"], "linking")


def finish(compiler):
    try:
        _, text = compiler.communicate(timeout=COMPILE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(compiler.pid, signal.SIGKILL)  # with what it started
        compiler.wait()
        raise Absent(f"{compiler.args[0]} did not compile it in {COMPILE_SECONDS_MAX} s") from None
    if compiler.returncode != 0:
        lines = text.decode(errors="replace").strip().splitlines() or ["no message"]
        raise Absent(f"compiling failed: {lines[-1][:200]}")


# ---- one function a peer: model -> Contestants, or Absent ----

def auspex(model):
    return [Contestant("auspex", ["auspex", model.file])]


def xgboost(model):
    return [Contestant(f"XGBoost {xgboost_oracle.version()}",
                       ["xgboost", xgboost_oracle.LIBRARY, model.file], is_source=True,
                       note="C interface, in place")]


def xgboost_1(model):
    """The last XGBoost before 2.0, whose calls cost less to set up; it reads no models of today's, so
    it trains one of the same shape."""
    name = f"XGBoost {version('xgboost-wheel', 'xgboost')}"
    if model.name == "flights":
        return []
    library = DEPS / "xgboost-wheel/xgboost/lib/libxgboost.so"
    folder = model.folder / "xgboost-1"
    folder.mkdir(exist_ok=True)
    run([sys.executable, HERE / "convert.py", "xgboost", model.name, folder], name,
        env={**os.environ, "AX_XGBOOST_LIBRARY": str(library)})
    return [Contestant(f"{name}, own model", ["xgboost", library, folder / "model.json"],
                       is_source=True, note="C interface, in place", family="XGBoost 1")]


def lightgbm(model):
    library = next(path for path in lightgbm_oracle.LIBRARIES if path.exists())
    return [Contestant(f"LightGBM {lightgbm_oracle.version()}", ["lightgbm", library, model.file],
                       is_source=True, note="C interface; one row: the prepared call")]


def worker(kind, file, model, folders=(), libraries=()):
    """Python in a process of its own; `env` brings the paths of packages and libraries there."""
    return ["worker", "env", f"PYTHONPATH={environment(folders)['PYTHONPATH']}",
            "LD_LIBRARY_PATH=" + os.pathsep.join(map(str, libraries)), sys.executable,
            HERE / "worker.py", kind, file, model.rows, model.features]


def catboost(model):
    return [Contestant(f"CatBoost {catboost_oracle.version()}",
                       worker("catboost", model.folder / "catboost.cbm", model), is_source=True,
                       note="evaluator, from Python, which has no C interface: one row is the call")]


def catboost_code(model):
    target = model.folder / "catboost.so"
    compile_all([HERE / "glue/catboost.cpp"], target,
                [f'-DMODEL="{model.folder / "catboost.cpp"}"'])
    return [Contestant(f"CatBoost {catboost_oracle.version()}, exported C++", ["compiled", target],
                       note="g++ -O3")]


OWN_SHAPE = {"xgboost-100x6": "100x6", "lightgbm-1000x31": "1000x31"}


def catboost_own(model):
    """CatBoost takes no model of others, so it trains one of as many levels."""
    if OWN_SHAPE.get(model.name) != "100x6":
        return []
    folder = model.folder / "catboost"
    folder.mkdir(exist_ok=True)
    file, _ = bench_models.train_catboost(folder, dict(iterations=100, depth=6))
    own = dataclasses.replace(model, folder=folder, file=file)
    made = catboost(own) + catboost_code(own)
    for contestant in made:
        contestant.name += ", own model"
        contestant.family = "CatBoost"
        contestant.words = [model.rows if word == own.rows else word for word in contestant.words]
    return made


def ydf(model):
    """YDF takes no model of others, so it trains one of that shape."""
    shape = OWN_SHAPE.get(model.name)
    if not shape:
        return []
    name = f"YDF {version('ydf-wheel', 'ydf')}"
    folders = ["ydf-wheel", "absl-py-wheel", "protobuf-wheel"]
    own, header = model.folder / "ydf-model", model.folder / "ydf.h"
    run([sys.executable, HERE / "convert.py", "ydf", shape, header, own], "ydf",
        env=environment(folders))
    return [Contestant(f"{name}, own model", worker("ydf", own, model, folders), is_source=True,
                       note="its fastest engine, from Python: one row is the call", family="YDF")]


def ydf_code(model):
    """What ydf() exported."""
    if not OWN_SHAPE.get(model.name):
        return []
    target = model.folder / "ydf.so"
    compile_all([HERE / "glue/ydf.cpp"], target, [f'-DMODEL="{model.folder / "ydf.h"}"'])
    return [Contestant(f"YDF {version('ydf-wheel', 'ydf')}, exported C++, own model",
                       ["compiled", target], note="g++ -O3", family="YDF")]


def onedal(model):
    name = f"oneDAL {version('daal-wheel', 'daal')}"
    version("scikit-learn-intelex-wheel", "scikit_learn_intelex")
    packages = sorted((DEPS / "scikit-learn-intelex-wheel").glob("*.data/data/lib/*/site-packages"))
    libraries = [folder for name in ("daal-wheel", "tbb-wheel")
                 for folder in (DEPS / name).glob("*.data/data/lib")]
    return [Contestant(name, worker("onedal", model.file, model, packages, libraries),
                       note="from Python: one row is the call")]


def onnx(model):
    folder = DEPS / "onnxruntime-wheel"
    name = f"ONNX Runtime {version('onnxruntime-wheel', 'onnxruntime')}"
    libraries = sorted(folder.glob("onnxruntime/capi/libonnxruntime.so.*"))
    try:
        forest = getattr(onnx_file, f"from_{model.library}")(model.file)
    except ValueError as error:
        raise Absent(f"cannot be converted: {error}") from None
    file = model.folder / "model.onnx"
    forest.write(file, model.features)
    return [Contestant(name, ["onnx", libraries[-1], file], note="C interface")]


def tl2cgen(model):
    name = f"tl2cgen {version('tl2cgen-wheel', 'tl2cgen')}"
    note = f"Treelite {version('treelite-wheel', 'treelite')}, gcc -O3"
    folder = model.folder / "tl2cgen"
    convert("tl2cgen", model, folder, ["tl2cgen-wheel", "treelite-wheel"])
    target = model.folder / "tl2cgen.so"
    wide = int(model.library == "lightgbm")
    compile_all([*sorted(folder.glob("*.c")), HERE / "glue/tl2cgen.c"], target,
                [f"-DWIDE={wide}", f"-DFEATURES_MAX={model.features}", f"-I{folder}"])
    return [Contestant(name, ["compiled", target], note=note)]


def lleaves(model):
    name = f"lleaves {version('lleaves-wheel', 'lleaves')}"
    note = f"llvmlite {version('llvmlite-wheel', 'llvmlite')}"
    objects = model.folder / "lleaves-model.o"
    convert("lleaves", model, objects, ["lleaves-wheel", "llvmlite-wheel"])
    target = model.folder / "lleaves.so"
    compile_all([objects, HERE / "glue/lleaves.c"], target, [])
    return [Contestant(name, ["compiled", target], note=note)]


# library: its peers; the source first.
PEERS = {
    "xgboost": [xgboost, xgboost_1, onnx, tl2cgen, onedal, ydf, ydf_code, catboost_own],
    "lightgbm": [lightgbm, onnx, tl2cgen, lleaves, onedal, ydf, ydf_code],
    "catboost": [catboost, catboost_code],
}

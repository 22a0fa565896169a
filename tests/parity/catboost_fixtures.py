# SPDX-License-Identifier: Apache-2.0
"""Fixtures of CatBoost: every objective's family and every kind of forest, as a release wrote them.

The answers are those of the release that wrote the file, from the model in memory. Every fourth
model is kept as JSON, which is larger, the others as `.cbm`; parity shows that the two agree. What
a file says of the training's course, its time among that, is taken out.
"""

import os

import numpy as np

from fixture_pack import Fixture

# The folder of each release's package below build/deps/.
VERSIONS = {"1.2.10": "catboost-wheel"}

ROWS = 20
KEPT = {"params", "class_params", "binclass_probability_threshold", "loss_function"}

# What is trained: objective, shape, and what is added to the shape's settings.
MODELS = {
    "Logloss": dict(shape="numbers"),
    "CrossEntropy, holes": dict(objective="CrossEntropy", shape="holes, max"),
    "RMSE, holes": dict(objective="RMSE", shape="holes"),
    "Quantile, lossguide": dict(objective="Quantile:alpha=0.3", shape="lossguide",
                                more=dict(max_leaves=5)),
    "Poisson": dict(shape="depthwise"),
    "MultiClass, one-hot": dict(objective="MultiClass", shape="onehot"),
    "MultiClassOneVsAll": dict(shape="deep", more=dict(depth=2)),
    "MultiRMSE, one-hot": dict(objective="MultiRMSE", shape="onehot, lossguide",
                               more=dict(max_leaves=5)),
    "MultiLogloss": dict(shape="numbers"),
    "unseen classes": dict(objective="MultiClass", shape="numbers", more=dict(classes_count=6)),
    "iterations": dict(objective="RMSE", shape="numbers", iterations=1),
    "scale and bias": dict(objective="RMSE", shape="lossguide", scale=0.3, more=dict(max_leaves=4)),
    "CTRs": dict(objective="Logloss", shape="onehot", more=dict(one_hot_max_size=2),
                 refused=("UNSUPPORTED", "needs CTRs")),
}


def make_one(models, name, folder):
    described = MODELS[name]
    more = {"iterations": 3, "depth": 3, **described.get("more", {})}
    model = models.make_model(described.get("objective", name), described["shape"], folder, **more)
    if "scale" in described:
        model.model.set_scale_and_bias(described["scale"], [-1.25])
    metadata = model.model.get_metadata()
    for key in [key for key in metadata.keys() if key not in KEPT]:
        del metadata[key]
    form = "json" if list(MODELS).index(name) % 4 == 3 else "cbm"
    path = folder / f"kept.{form}"
    model.model.save_model(str(path), format=form)
    if "refused" in described:
        return Fixture(name, path.read_bytes(), refused=described["refused"])
    rows = model.edge_rows(ROWS, seed=len(name))
    end = described.get("iterations", 0)
    outputs = {"prediction": model.predict(rows, end=end)}
    if len(np.unique(outputs["prediction"])) < 3:
        raise AssertionError(f"{name}: hardly any different answers, so it tests nothing")
    ulps = {}
    probability = None if end else models.probabilities(
        model, described.get("objective", name), rows)
    if probability is not None:
        outputs["probability"] = probability
        if described.get("objective", name) == "MultiClass":
            ulps["probability"] = models.SOFTMAX_ULPS
    numeric = len(model.borders)
    texts = {numeric + i: known + ["never seen"] for i, known in enumerate(model.texts)}
    return Fixture(name, path.read_bytes(), rows, outputs, ulps=ulps, texts=texts,
                   iterations=str(end or "all"))


def make(version, package, folder):
    """Yield the fixtures of one release; the process must not have used another one."""
    os.environ["AX_CATBOOST_PACKAGE"] = str(package)
    import catboost_models as models  # pylint: disable=import-outside-toplevel
    assert models.version() == version
    for name in MODELS:
        fixture = make_one(models, name, folder)
        if name == next(iter(MODELS)):
            fixture.seeds = seeds(models, folder)
        yield fixture


def seeds(models, folder):
    """For fuzzing. Those of the target flatbuffer are messages alone, behind the byte that says
    which way down is taken."""
    files = models.seeds(folder)
    found = {f"catboost_reader/{name}": data for name, data in files.items()}
    for name in ("classes", "steps"):
        found[f"flatbuffer/{name}"] = b"\x21" + files[f"{name}.cbm"][8:]
    return found

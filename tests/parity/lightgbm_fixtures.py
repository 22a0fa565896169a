# SPDX-License-Identifier: Apache-2.0
"""Fixtures of LightGBM: every objective and every kind of split, as each release wrote them.

The answers are those of the release that wrote the file, by LGBM_BoosterPredictForMat from the file
loaded again. What changes no answer (gains, counts, importances, most parameters) is left out of
the file that is kept. Before 3.0, cross_entropy_lambda was ln(1 + e^x) where it is log1p(e^x)
since; the files cannot be told apart, so ours is the later one, and the fixture allows the
difference.
"""

import os
import re

import numpy as np

from fixture_pack import Fixture

# The folder of each release's package below build/deps/.
VERSIONS = {
    "2.3.1": "lightgbm-2.3.1-wheel",
    "3.3.5": "lightgbm-3.3.5-wheel",
    "4.3.0": "lightgbm-4.3.0-wheel",
    "4.7.0": "lightgbm-wheel",
}

ROWS = 14
SINCE = {"binary, goss": (4, 0), "rank_xendcg": (3, 0)}
LEFT_OUT = ["split_gain", "leaf_weight", "leaf_count", "internal_value", "internal_weight",
            "internal_count", "shrinkage"]

# Beside every objective of the parity tests: objective, shape, what is added to the settings.
SHAPES = ["numbers", "holes", "zeros", "no missing", "categories", "stumps"]
MORE = {
    "iterations": dict(objective="binary", shape="holes", iterations=2),
    "iterations of a random forest": dict(objective="regression, rf", shape="zeros", iterations=2),
    "dictionaries": dict(objective="binary", shape="categories", dictionaries=True),
    "one leaf": dict(objective="regression", shape="numbers",
                     more=dict(min_gain_to_split=1e9)),
    "linear trees": dict(objective="regression", shape="numbers", more=dict(linear_tree=True),
                         since=(3, 2), refused=("UNSUPPORTED", "linear trees")),
}


def shortened(content, categorical):
    """The file without what changes no answer."""
    head, _, _ = content.partition("\nfeature_importances")
    head, _, _ = head.partition("\nfeature importances")
    for field in LEFT_OUT:
        head = re.sub(rf"^{field}=.*\n", "", head, flags=re.MULTILINE)
    head = re.sub(r"^tree_sizes=.*\n", "", head, flags=re.MULTILINE)
    listed = ",".join(str(feature) for feature in categorical)
    return f"{head}\nparameters:\n[categorical_feature: {listed}]\nend of parameters\n"


def make_one(models, oracle, name, described, folder):
    shape = models.SHAPES[described["shape"]]
    booster = models.make_model(described["shape"], described["objective"], rounds=3,
                                **{"num_leaves": 4, **described.get("more", {})})
    path = folder / "fixture.txt"
    booster.save(path)
    if "refused" in described:
        content = path.read_text(encoding="utf-8")
        return Fixture(name, content.partition("\nfeature_importances")[0].encode(),
                       refused=described["refused"])
    first = shape["numeric"]
    categorical = range(first, first + len(shape["categorical"]))
    content = shortened(path.read_text(encoding="utf-8"), categorical)
    texts = {}
    if "dictionaries" in described:
        texts = {first + i: [f"{chr(97 + i)}{code}" for code in range(count)]
                 for i, count in enumerate(shape["categorical"])}
        lists = ", ".join("[" + ", ".join(f'"{text}"' for text in of) + "]"
                          for of in texts.values())
        content += f"\npandas_categorical:[{lists}]\n"
    path.write_text(content, encoding="utf-8")
    rows = models.edge_rows(path, ROWS, seed=len(name))
    for feature, of in texts.items():
        rows[:, feature] = np.arange(ROWS) % len(of)
    rounds = described.get("iterations", -1)
    again = oracle.load(path)
    outputs = {output: again.predict(rows, margin=output == "margin", rounds=rounds)
               for output in ("margin", "prediction")}
    if name != "one leaf" and len(np.unique(outputs["margin"])) < 3:
        raise AssertionError(f"{name}: hardly any different answers, so it tests nothing")
    ulps = {"prediction": 4} if name == "cross_entropy_lambda" and oracle.is_before_3() else {}
    return Fixture(name, content.encode(), rows, outputs, ulps=ulps, texts=texts,
                   iterations=str(described.get("iterations", "all")))


def make(version, package, folder):
    """Yield the fixtures of one release; the process must not have used another one."""
    os.environ["AX_LIGHTGBM_PACKAGE"] = str(package)
    import lightgbm_models as models  # pylint: disable=import-outside-toplevel
    import lightgbm_oracle as oracle  # pylint: disable=import-outside-toplevel
    assert oracle.version() == version
    numbers = tuple(int(n) for n in version.split("."))
    for i, objective in enumerate(models.OBJECTIVES):
        if numbers >= SINCE.get(objective, (1, 0)):
            yield make_one(models, oracle, objective,
                           dict(objective=objective, shape=SHAPES[i % len(SHAPES)]), folder)
    for name, described in MORE.items():
        if described.get("since", (1, 0)) <= numbers:
            yield make_one(models, oracle, name, described, folder)

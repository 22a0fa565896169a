# SPDX-License-Identifier: Apache-2.0
"""The pinned catboost: trains models and says what is right.

CatBoost has no C library among the wheels, only this Python package. It imports pandas, scipy and
six for kinds of data that are not used here; empty stand-ins for them spare us 150 MB. What is
right comes from the model in memory, never from one loaded from JSON: the library's reader of that
format rounds leaves differently in the last bits.
"""

import os
import pathlib
import sys
import types

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("AX_DEPS") or ROOT / "build/deps")
PACKAGE = pathlib.Path(os.environ.get("AX_CATBOOST_PACKAGE") or DEPS / "catboost-wheel")

_catboost = None


def stand_in(name, classes, **more):
    """A module of empty classes, of which nothing is an instance."""
    module = types.ModuleType(name)
    for each in classes:
        setattr(module, each, type(each, (), {}))
    for key, value in more.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def catboost():
    """The package; imported once, with the stand-ins in place only meanwhile."""
    global _catboost
    if _catboost is None:
        kept = {name: sys.modules.get(name) for name in ("pandas", "scipy", "scipy.sparse", "six")}
        stand_in("pandas", ["DataFrame", "Series", "Index", "Categorical", "SparseDtype",
                            "CategoricalDtype"])
        sparse = stand_in("scipy.sparse", ["spmatrix", "csr_matrix", "csc_matrix", "coo_matrix",
                                           "bsr_matrix", "dia_matrix", "dok_matrix", "lil_matrix"],
                          issparse=lambda _: False)
        stand_in("scipy", [], sparse=sparse)
        stand_in("six", [], iteritems=lambda d: iter(d.items()), string_types=(str,),
                 integer_types=(int,))
        sys.path.insert(0, str(PACKAGE))
        try:
            import catboost as package  # pylint: disable=import-outside-toplevel
        finally:
            sys.path.remove(str(PACKAGE))
            for name, module in kept.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module
        _catboost = package
    return _catboost


def version():
    return catboost().__version__


def pool(rows, labels=None, categorical=(), groups=None):
    """Rows as the library takes them; categorical ones are lists with texts in them."""
    return catboost().Pool(rows, labels, cat_features=list(categorical) or None, group_id=groups)


def train(data, objective, **settings):
    """The result depends neither on the machine nor on the number of its cores."""
    model = catboost().CatBoost({"loss_function": objective, "thread_count": 1, "random_seed": 3,
                                 "verbose": False, "allow_writing_files": False, **settings})
    model.fit(data)
    return model


def predict(model, data, kind="RawFormulaVal", end=0):
    """f64, a row each."""
    answers = model.predict(data, prediction_type=kind, ntree_end=end, thread_count=1)
    return np.asarray(answers, dtype=np.float64).reshape(len(answers), -1)

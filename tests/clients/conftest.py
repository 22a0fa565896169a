# SPDX-License-Identifier: Apache-2.0
"""The server and the models of the e2e tests, and how packages of clients are imported here."""

import importlib.util
import pathlib
import sys
import types

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load_serving():
    """The helpers of e2e under a name of their own: both folders have a conftest."""
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    spec = importlib.util.spec_from_file_location("serving", ROOT / "tests/e2e/conftest.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["serving"] = module
    spec.loader.exec_module(module)
    return module


serving = load_serving()
repository, models, boosters, server = (serving.repository, serving.models, serving.boosters,
                                        serving.server)


def without_front(package):
    """Make `package` importable by its modules alone.

    The __init__.py of kserve and mlserver import what a server of models needs, Kubernetes
    included. The modules of their clients do not, and are loaded as they are."""
    paths = [pathlib.Path(p) / package for p in sys.path]
    folder = next(p for p in paths if p.is_dir())
    module = types.ModuleType(package)
    module.__path__ = [str(folder)]
    sys.modules[package] = module


def without(package):
    """Let `package`, which is not there, be one without modules.

    mlflow asks for scipy.sparse by importlib.util.find_spec(), which fails where there is no scipy
    to look into; 35 MB to hear "no" would be many."""
    module = types.ModuleType(package)
    module.__path__ = []
    sys.modules[package] = module


def rows_of(count, seed=5, missing=True):
    """Rows for the models of eight features."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, serving.FEATURES)).astype(np.float32)
    if missing:
        rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.fixture(scope="session")
def carrier_rows():
    """Texts, numbers, and both as the booster reads them."""
    count = len(serving.CARRIERS)
    delays = rows_of(count, missing=False)[:, :1]
    coded = np.concatenate([np.arange(count).reshape(-1, 1), delays], axis=1).astype(np.float32)
    return np.array(serving.CARRIERS, dtype=object), delays, coded

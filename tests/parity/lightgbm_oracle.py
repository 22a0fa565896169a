# SPDX-License-Identifier: Apache-2.0
"""The pinned lib_lightgbm through its C API: trains models and says what is right.

Only ctypes and numpy: the Python package would also want scipy.
"""

import ctypes
import os
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("AX_DEPS") or ROOT / "build/deps")
PACKAGE = pathlib.Path(os.environ.get("AX_LIGHTGBM_PACKAGE") or DEPS / "lightgbm-wheel")
LIBRARIES = [PACKAGE / "lightgbm/lib/lib_lightgbm.so", PACKAGE / "lightgbm/lib_lightgbm.so"]

FLOAT32, FLOAT64, INT32 = 0, 1, 2  # C_API_DTYPE_*
NORMAL, RAW_SCORE = 0, 1  # C_API_PREDICT_*

_library = None


def library():
    global _library
    if _library is None:
        _library = ctypes.CDLL(str(next(path for path in LIBRARIES if path.exists())))
        _library.LGBM_GetLastError.restype = ctypes.c_char_p
    return _library


def check(status):
    if status != 0:
        raise RuntimeError(library().LGBM_GetLastError().decode().splitlines()[0])


def version():
    """The library cannot tell; its package can."""
    (folder,) = PACKAGE.glob("lightgbm-*.dist-info")
    return folder.name.removeprefix("lightgbm-").removesuffix(".dist-info")


def is_before_3():
    """Without some of the parameters of functions."""
    return int(version().split(".", maxsplit=1)[0]) < 3


def text(parameters):
    described = {"verbosity": -1, "num_threads": 1, "deterministic": True, **parameters}
    return " ".join(f"{name}={value}" for name, value in described.items()).encode()


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


class Data:
    def __init__(self, rows, labels, parameters, names=None, groups=None):
        self.handle = ctypes.c_void_p()
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        check(library().LGBM_DatasetCreateFromMat(
            pointer(rows), FLOAT64, ctypes.c_int32(rows.shape[0]), ctypes.c_int32(rows.shape[1]),
            1, text(parameters), None, ctypes.byref(self.handle)))
        self.set(b"label", np.ascontiguousarray(labels, dtype=np.float32), FLOAT32)
        if groups is not None:
            self.set(b"group", np.ascontiguousarray(groups, dtype=np.int32), INT32)
        if names:
            array = (ctypes.c_char_p * len(names))(*(name.encode() for name in names))
            check(library().LGBM_DatasetSetFeatureNames(self.handle, array, len(names)))

    def set(self, field, values, datatype):
        check(library().LGBM_DatasetSetField(self.handle, field, pointer(values), len(values),
                                             datatype))

    def __del__(self):
        if self.handle:
            library().LGBM_DatasetFree(self.handle)


class Booster:
    def __init__(self):
        self.handle = ctypes.c_void_p()
        self.data = None

    def __del__(self):
        if self.handle:
            library().LGBM_BoosterFree(self.handle)

    def save(self, path, rounds=-1):
        importance = [] if is_before_3() else [0]
        check(library().LGBM_BoosterSaveModel(self.handle, 0, rounds, *importance,
                                              str(path).encode()))

    def predict(self, rows, margin=False, rounds=-1):
        """LGBM_BoosterPredictForMat, f64 row by row."""
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        count, length = ctypes.c_int(), ctypes.c_int64()
        check(library().LGBM_BoosterGetNumClasses(self.handle, ctypes.byref(count)))
        out = np.empty((len(rows), count.value))
        rounds_from = [] if is_before_3() else [0]
        if len(rows) > 0:
            check(library().LGBM_BoosterPredictForMat(
                self.handle, pointer(rows), FLOAT64, ctypes.c_int32(rows.shape[0]),
                ctypes.c_int32(rows.shape[1]), 1, RAW_SCORE if margin else NORMAL, *rounds_from,
                rounds, b"num_threads=1", ctypes.byref(length), pointer(out)))
            assert length.value == out.size
        return out


def train(rows, labels, parameters, rounds, names=None, groups=None):
    booster = Booster()
    booster.data = Data(rows, labels, parameters, names, groups)
    check(library().LGBM_BoosterCreate(booster.data.handle, text(parameters),
                                       ctypes.byref(booster.handle)))
    finished = ctypes.c_int()
    for _ in range(rounds):
        check(library().LGBM_BoosterUpdateOneIter(booster.handle, ctypes.byref(finished)))
    return booster


def load(path):
    booster, rounds = Booster(), ctypes.c_int()
    check(library().LGBM_BoosterCreateFromModelfile(str(path).encode(), ctypes.byref(rounds),
                                                    ctypes.byref(booster.handle)))
    return booster

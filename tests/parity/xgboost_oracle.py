# SPDX-License-Identifier: Apache-2.0
"""The pinned libxgboost through its C API: trains models and says what is right.

Only ctypes and numpy; the wheel keeps its own folders because the library finds its OpenMP by a
path relative to itself.
"""

import ctypes
import json
import os
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("AX_DEPS") or ROOT / "build/deps")
# Another release than the pinned one, for what only its own files can show (tools/fixtures).
LIBRARY = os.environ.get("AX_XGBOOST_LIBRARY") or (
    DEPS / "xgboost-cpu-wheel/xgboost/lib/libxgboost.so")

_library = None


def library():
    global _library
    if _library is None:
        _library = ctypes.CDLL(str(LIBRARY))
        _library.XGBGetLastError.restype = ctypes.c_char_p
        check(_library.XGBSetGlobalConfig(b'{"verbosity":0}'))
    return _library


def check(status):
    if status != 0:
        raise RuntimeError(library().XGBGetLastError().decode().splitlines()[0])


def version():
    numbers = [ctypes.c_int() for _ in range(3)]
    library().XGBoostVersion(*(ctypes.byref(n) for n in numbers))
    return ".".join(str(n.value) for n in numbers)


def interface(array):
    return {"data": [array.ctypes.data, True], "shape": list(array.shape),
            "typestr": array.dtype.str, "version": 3}


def texts_interface(texts):
    """Category names as the library takes them; the arrays must be kept alive."""
    encoded = [t.encode() for t in texts]
    values = np.frombuffer(b"".join(encoded), dtype=np.int8).copy()
    offsets = np.cumsum([0] + [len(t) for t in encoded]).astype(np.int32)
    return {"offsets": interface(offsets), "values": interface(values)}, (values, offsets)


def set_strings(function, handle, field, texts):
    if texts is not None:
        array = (ctypes.c_char_p * len(texts))(*(t.encode() for t in texts))
        check(function(handle, field, array, ctypes.c_uint64(len(texts))))


class Matrix:
    """Training data: a dense f32 array and labels, or columns with dictionaries. `infos` are more
    arrays about the rows: "group" (sizes, for ranking), "label_lower_bound", … Without labels it
    is data to predict."""

    def __init__(self, rows, labels=None, types=None, names=None, dictionaries=None, infos=None):
        self.handle = ctypes.c_void_p()
        config = json.dumps({"missing": float("nan"), "nthread": 1}).encode()
        if dictionaries is None:
            rows = np.ascontiguousarray(rows, dtype=np.float32)
            check(library().XGDMatrixCreateFromDense(
                json.dumps(interface(rows)).encode(), config, ctypes.byref(self.handle)))
        else:
            columns, alive = [], []
            for i in range(rows.shape[1]):
                if dictionaries.get(i) is None:
                    column = np.ascontiguousarray(rows[:, i], dtype=np.float32)
                    columns.append(interface(column))
                else:
                    column = np.ascontiguousarray(rows[:, i], dtype=np.int16)
                    names_of = dictionaries[i]
                    if isinstance(names_of[0], str):
                        described, arrays = texts_interface(names_of)
                        alive.append(arrays)
                    else:
                        array = np.array(names_of)
                        described = interface(array)
                        alive.append(array)
                    columns.append([described, interface(column)])
                alive.append(column)
            check(library().XGDMatrixCreateFromColumnar(
                json.dumps(columns).encode(), config, ctypes.byref(self.handle)))
            del alive
        for name, array in {"label": labels, **(infos or {})}.items():
            if array is not None:
                array = np.ascontiguousarray(array, dtype=None if name == "group" else np.float32)
                check(library().XGDMatrixSetInfoFromInterface(
                    self.handle, name.encode(), json.dumps(interface(array)).encode()))
        self.types, self.names = types, names
        self.set_strings(b"feature_type", types)

    def set_strings(self, field, texts):
        set_strings(library().XGDMatrixSetStrFeatureInfo, self.handle, field, texts)

    def __del__(self):
        if self.handle:
            library().XGDMatrixFree(self.handle)


class Booster:
    def __init__(self, matrix=None):
        self.handle = ctypes.c_void_p()
        self.matrix = matrix
        matrices = (ctypes.c_void_p * 1)(matrix.handle) if matrix else None
        check(library().XGBoosterCreate(matrices, ctypes.c_uint64(1 if matrix else 0),
                                        ctypes.byref(self.handle)))
        self.set(nthread=1)
        if matrix:
            # A booster does not take these over from its data.
            set_strings(library().XGBoosterSetStrFeatureInfo, self.handle, b"feature_name",
                        matrix.names)
            set_strings(library().XGBoosterSetStrFeatureInfo, self.handle, b"feature_type",
                        matrix.types)

    def __del__(self):
        if self.handle:
            library().XGBoosterFree(self.handle)

    def set(self, **parameters):
        for name, value in parameters.items():
            check(library().XGBoosterSetParam(self.handle, name.encode(), str(value).encode()))

    def set_attribute(self, name, value):
        check(library().XGBoosterSetAttr(self.handle, name.encode(), value.encode()))

    def train(self, rounds):
        for i in range(rounds):
            check(library().XGBoosterUpdateOneIter(self.handle, i, self.matrix.handle))

    def save(self, path):
        check(library().XGBoosterSaveModel(self.handle, str(path).encode()))

    def load(self, path):
        check(library().XGBoosterLoadModel(self.handle, str(path).encode()))
        self.set(nthread=1)

    def predict(self, rows, margin=False, iteration_end=0, in_place=True):
        """XGBoosterPredictFromDense with missing = NaN; or, not in place,
        XGBoosterPredictFromDMatrix, which takes no infinities."""
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        config = {"type": 1 if margin else 0, "training": False, "iteration_begin": 0,
                  "iteration_end": iteration_end, "missing": float("nan"),
                  "strict_shape": True, "cache_id": 0}
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dim = ctypes.c_uint64()
        result = ctypes.POINTER(ctypes.c_float)()
        outputs = ctypes.byref(shape), ctypes.byref(dim), ctypes.byref(result)
        if in_place:
            check(library().XGBoosterPredictFromDense(
                self.handle, json.dumps(interface(rows)).encode(), json.dumps(config).encode(),
                None, *outputs))
        else:
            data = Matrix(rows)
            check(library().XGBoosterPredictFromDMatrix(
                self.handle, data.handle, json.dumps(config).encode(), *outputs))
        sizes = [shape[i] for i in range(dim.value)]
        count = int(np.prod(sizes))
        if count == 0:
            return np.zeros((rows.shape[0], 1), np.float32)
        return np.ctypeslib.as_array(result, shape=(count,)).copy().reshape(rows.shape[0], -1)


def train(rows, labels, parameters, rounds, **described):
    booster = Booster(Matrix(rows, labels, **described))
    booster.set(**parameters)
    booster.train(rounds)
    return booster


def load(path):
    booster = Booster()
    booster.load(path)
    return booster

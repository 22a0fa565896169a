# SPDX-License-Identifier: Apache-2.0
"""Have a peer turn a model into its own form, in a process of its own (PYTHONPATH names its packages).

    convert.py tl2cgen LIBRARY MODEL FOLDER     C files
    convert.py lleaves LIBRARY MODEL FILE       an object file
"""

import pathlib
import sys
import types

C_FILES = 16  # of the trees, so that a compiler can take them one by one


def stand_in_for_scipy():
    """The packages ask what is a sparse matrix; nothing is."""
    scipy, sparse = types.ModuleType("scipy"), types.ModuleType("scipy.sparse")
    sparse.csr_matrix = type("csr_matrix", (), {})
    scipy.sparse = sparse
    sys.modules.update({"scipy": scipy, "scipy.sparse": sparse})


def tl2cgen(library, model, folder):
    stand_in_for_scipy()
    import tl2cgen as compiler  # pylint: disable=import-outside-toplevel
    import treelite  # pylint: disable=import-outside-toplevel
    load = {"xgboost": treelite.frontend.load_xgboost_model,
            "lightgbm": treelite.frontend.load_lightgbm_model}[library]
    compiler.generate_c_code(load(model), dirpath=folder, params={"parallel_comp": C_FILES})


def lleaves(_, model, file):
    import lleaves as compiler  # pylint: disable=import-outside-toplevel
    compiler.Model(model_file=model).compile(cache=file, raw_score=True)
    pathlib.Path(file).stat()


def main():
    {"tl2cgen": tl2cgen, "lleaves": lleaves}[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Have a peer turn a model into its own form, in a process of its own (PYTHONPATH names its packages).

    convert.py tl2cgen LIBRARY MODEL FOLDER     C files
    convert.py lleaves LIBRARY MODEL FILE       an object file
    convert.py xgboost NAME FOLDER              the XGBoost of AX_XGBOOST_LIBRARY trains that model
    convert.py ydf SHAPE HEADER FOLDER          YDF trains a model of its own: C++, and its own form
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
    """It looks for the line that the library's Python package adds and its C interface does not."""
    import lleaves as compiler  # pylint: disable=import-outside-toplevel
    copy = pathlib.Path(file).with_suffix(".txt")
    copy.write_text(pathlib.Path(model).read_text() + "\npandas_categorical:null\n")
    compiler.Model(model_file=str(copy)).compile(cache=file, raw_score=True)
    pathlib.Path(file).stat()


def xgboost(name, folder):
    """By histograms, which older releases have to be told."""
    import bench_models  # pylint: disable=import-outside-toplevel
    bench_models.train_xgboost(pathlib.Path(folder),
                               {**bench_models.MODELS[name][2], "tree_method": "hist"})


YDF_SHAPES = {  # depth counts the root
    "100x6": dict(num_trees=100, max_depth=7),
    "1000x31": dict(num_trees=1000, growing_strategy="BEST_FIRST_GLOBAL", max_num_nodes=31,
                    max_depth=-1),
}


def ydf(shape, header, folder):
    import ydf as library  # pylint: disable=import-outside-toplevel
    import bench_models  # pylint: disable=import-outside-toplevel
    library.verbose(0)
    rows, labels = bench_models.training_data()
    columns = {f"x{i:02}": rows[:, i] for i in range(rows.shape[1])}
    model = library.GradientBoostedTreesLearner(
        label="y", validation_ratio=0.0, early_stopping="NONE", shrinkage=0.05, num_threads=1,
        apply_link_function=False, random_seed=3, **YDF_SHAPES[shape]).train(
            {**columns, "y": labels.astype(int)})
    model.save(folder)
    pathlib.Path(header).write_text(model.to_standalone_cc(
        "forest", algorithm="IF_ELSE", classification_output="SCORE"))


def main():
    kinds = {"tl2cgen": tl2cgen, "lleaves": lleaves, "xgboost": xgboost, "ydf": ydf}
    kinds[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()

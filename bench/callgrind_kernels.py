# SPDX-License-Identifier: Apache-2.0
"""Instructions a row costs in each kernel of the engine `forest`, for bench/callgrind.

Three shapes of forests, random but always the same: complete trees of depth 6 and of depth 8 (as
XGBoost writes them, f32), and trees grown leaf by leaf (as LightGBM writes them, f64); one row a
call, and whole blocks. Only what happens inside of a prediction is counted, so one run is enough.
"""

import json
import random
import re
import struct
import subprocess

PROGRAM = "build/release/bench/forest_kernels"
KERNELS = ("portable", "ranks", "avx2")
INPUTS, ROWS = 50, 4096
# Rows a call, and calls.
BATCHES = {"one row": (1, 200), "256 rows": (256, 4)}


def complete_tree(rng, number, depth, inputs):
    inner, count = 2 ** depth - 1, 2 ** (depth + 1) - 1
    return {
        "base_weights": [0.0] * count, "categories": [], "categories_nodes": [],
        "categories_segments": [], "categories_sizes": [],
        "default_left": [rng.randint(0, 1) for _ in range(count)], "id": number,
        "left_children": [2 * i + 1 if i < inner else -1 for i in range(count)],
        "loss_changes": [0.0] * count,
        "parents": [2147483647] + [(i - 1) // 2 for i in range(1, count)],
        "right_children": [2 * i + 2 if i < inner else -1 for i in range(count)],
        "split_conditions": [round(rng.gauss(0, 1 if i < inner else 0.1), 6) for i in range(count)],
        "split_indices": [rng.randrange(inputs) if i < inner else 0 for i in range(count)],
        "split_type": [0] * count, "sum_hessian": [1.0] * count,
        "tree_param": {"num_deleted": "0", "num_feature": str(inputs), "num_nodes": str(count),
                       "size_leaf_vector": "1"},
    }


def write_complete(path, tree_count, depth, inputs=INPUTS):
    """An XGBoost model of complete trees."""
    rng = random.Random(1)
    trees = [complete_tree(rng, t, depth, inputs) for t in range(tree_count)]
    path.write_text(json.dumps({
        "learner": {
            "attributes": {}, "feature_names": [f"x{i}" for i in range(inputs)],
            "feature_types": ["float"] * inputs,
            "gradient_booster": {"model": {
                "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(tree_count)},
                "iteration_indptr": list(range(tree_count + 1)), "tree_info": [0] * tree_count,
                "trees": trees}, "name": "gbtree"},
            "learner_model_param": {"base_score": "5E-1", "boost_from_average": "1",
                                    "num_class": "0", "num_feature": str(inputs),
                                    "num_target": "1"},
            "objective": {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
        "version": [3, 0, 0],
    }), encoding="utf-8")


def leafwise_tree(rng, number, leaves):
    """Again and again one of the newest leaves becomes a split, so that some go deep."""
    left, right, open_leaves = [], [], [(None, None)]
    for split in range(leaves - 1):
        side, parent = open_leaves.pop(rng.randrange(max(len(open_leaves) - 6, 0),
                                                     len(open_leaves)))
        if side is not None:
            side[parent] = split
        left.append(None)
        right.append(None)
        open_leaves += [(left, split), (right, split)]
    for leaf, (side, parent) in enumerate(open_leaves):
        side[parent] = -leaf - 1
    splits = leaves - 1
    lines = {
        "Tree": [number], "num_leaves": [leaves], "num_cat": [0],
        "split_feature": [rng.randrange(INPUTS) for _ in range(splits)],
        "threshold": [f"{rng.gauss(0, 1):.17g}" for _ in range(splits)],
        "decision_type": [rng.choice((2, 8, 10)) for _ in range(splits)],
        "left_child": left, "right_child": right,
        "leaf_value": [f"{rng.gauss(0, 0.1):.17g}" for _ in range(leaves)],
        "is_linear": [0], "shrinkage": [1],
    }
    return "\n".join(f"{name}={' '.join(map(str, values))}"
                     for name, values in lines.items()) + "\n\n\n"


def write_leafwise(path, tree_count, leaves):
    """A LightGBM model of trees of so many leaves."""
    rng = random.Random(3)
    trees = [leafwise_tree(rng, t, leaves) for t in range(tree_count)]
    path.write_text("\n".join([
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0",
        f"max_feature_idx={INPUTS - 1}", "objective=binary sigmoid:1",
        f"feature_names={' '.join(f'x{i}' for i in range(INPUTS))}",
        f"feature_infos={' '.join(['[-9:9]'] * INPUTS)}",
        f"tree_sizes={' '.join(str(len(t)) for t in trees)}", "", "".join(trees) + "end of trees",
        ""]), encoding="utf-8")


SHAPES = {
    "100 trees of depth 6": (write_complete, 100, 6, "f"),
    "40 trees of depth 8": (write_complete, 40, 8, "f"),
    "200 trees of 31 leaves": (write_leafwise, 200, 31, "d"),
}


def write_rows(path, number):
    rng = random.Random(4)
    values = [rng.gauss(0, 1) if rng.random() < 0.95 else float("nan")
              for _ in range(ROWS * INPUTS)]
    path.write_bytes(struct.pack(f"<{len(values)}{number}", *values))


def count(folder, model, rows, batch, kernel):
    """Instructions a row."""
    out = folder / "kernel.out"
    size, calls = BATCHES[batch]
    subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no",
                    "--toggle-collect=forest_predict", f"--callgrind-out-file={out}", PROGRAM,
                    str(model), str(rows), f"={size}", kernel, str(calls)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(encoding="utf-8"), re.M)
    instructions = int(total[1])
    assert instructions, "nothing was counted: where has forest_predict gone?"
    return round(instructions / (size * calls))


def measure(folder, has_avx2):
    """Counts by their names; without AVX2 those of one kernel alone."""
    counts = {}
    for shape, (write, trees, size, number) in SHAPES.items():
        model, rows = folder / "model", folder / "rows"
        write(model, trees, size)
        write_rows(rows, number)
        for batch in BATCHES:
            for kernel in KERNELS:
                if kernel == "portable" or has_avx2:
                    counts[f"{kernel}, {shape}, {batch}"] = count(folder, model, rows, batch,
                                                                  kernel)
    return counts

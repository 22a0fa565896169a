# SPDX-License-Identifier: Apache-2.0
"""Write a forest as an ONNX model: one TreeEnsembleRegressor from "rows" to "margin".

The same node as the usual converters make; written by hand, since those bring half a dozen packages
along, and a protocol buffer of this shape is short. Thresholds of f64 are rounded down to f32, so
that a row of f32 goes the way it would have gone: x <= t.
"""

import json
import re
import struct

import numpy as np

ATTRIBUTE_TYPES = {"f": 1, "i": 2, "s": 3, "floats": 6, "ints": 7, "strings": 8}
FLOAT = 1  # TensorProto.DataType
IR_VERSION, ML_OPSET = 8, 3


# ---- protocol buffers ----

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def chunk(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def attribute(name, kind, value):
    body = chunk(1, name) + number(20, ATTRIBUTE_TYPES[kind])
    if kind == "i":
        body += number(3, value)
    elif kind == "s":
        body += chunk(4, value)
    elif kind == "floats":
        body += chunk(7, struct.pack(f"<{len(value)}f", *value))
    elif kind == "ints":
        body += chunk(8, b"".join(varint(n) for n in value))
    else:
        body += b"".join(chunk(9, text) for text in value)
    return body


def tensor(name, width):
    """A matrix of f32 with any number of rows."""
    shape = chunk(1, chunk(2, "n")) + chunk(1, number(1, width))
    return chunk(1, name) + chunk(2, chunk(1, number(1, FLOAT) + chunk(2, shape)))


# ---- forests ----

class Forest:
    """The node's attributes as they grow."""

    def __init__(self, mode):
        self.mode = mode  # of the splits: BRANCH_LT or BRANCH_LEQ
        self.base = 0.0
        self.nodes = []  # (tree, node, mode, feature, value, true, false, missing goes to true)
        self.leaves = []  # (tree, node, weight)

    def split(self, tree, node, feature, value, true, false, missing_true):
        self.nodes.append((tree, node, self.mode, feature, value, true, false, int(missing_true)))

    def leaf(self, tree, node, weight):
        self.nodes.append((tree, node, "LEAF", 0, 0.0, 0, 0, 0))
        self.leaves.append((tree, node, weight))

    def attributes(self):
        tree, node, mode, feature, value, true, false, missing = zip(*self.nodes)
        target_tree, target_node, weight = zip(*self.leaves)
        return [("n_targets", "i", 1), ("post_transform", "s", "NONE"),
                ("aggregate_function", "s", "SUM"), ("base_values", "floats", [self.base]),
                ("nodes_treeids", "ints", tree), ("nodes_nodeids", "ints", node),
                ("nodes_modes", "strings", mode), ("nodes_featureids", "ints", feature),
                ("nodes_values", "floats", value), ("nodes_truenodeids", "ints", true),
                ("nodes_falsenodeids", "ints", false),
                ("nodes_missing_value_tracks_true", "ints", missing),
                ("target_treeids", "ints", target_tree), ("target_nodeids", "ints", target_node),
                ("target_ids", "ints", [0] * len(weight)), ("target_weights", "floats", weight)]

    def write(self, path, features):
        node = chunk(1, "rows") + chunk(2, "margin") + chunk(4, "TreeEnsembleRegressor") \
            + chunk(7, "ai.onnx.ml") \
            + b"".join(chunk(5, attribute(*each)) for each in self.attributes())
        graph = chunk(1, node) + chunk(2, "forest") + chunk(11, tensor("rows", features)) \
            + chunk(12, tensor("margin", 1))
        opset = chunk(1, "ai.onnx.ml") + number(2, ML_OPSET)
        path.write_bytes(number(1, IR_VERSION) + chunk(7, graph) + chunk(8, opset))


def from_xgboost(path):
    """A model of one margin without categories, saved as JSON."""
    learner = json.loads(path.read_text())["learner"]
    forest = Forest("BRANCH_LT")
    score = json.loads(learner["learner_model_param"]["base_score"])
    score = np.float32(score[0] if isinstance(score, list) else score)
    if learner["objective"]["name"] == "binary:logistic":
        forest.base = -np.log(np.float32(1) / score - np.float32(1))
    for tree, each in enumerate(learner["gradient_booster"]["model"]["trees"]):
        if each["categories_nodes"]:
            raise ValueError("splits on sets of categories, which the node does not have")
        for node, left in enumerate(each["left_children"]):
            if left == -1:
                forest.leaf(tree, node, each["split_conditions"][node])
            else:
                forest.split(tree, node, each["split_indices"][node],
                             each["split_conditions"][node], left, each["right_children"][node],
                             each["default_left"][node])
    return forest


def rounded_down(value):
    narrow = np.float32(value)
    return narrow if float(narrow) <= value else np.nextafter(narrow, np.float32(-np.inf))


def from_lightgbm(path):
    """A model of one margin without categories whose missing values are NaN."""
    forest = Forest("BRANCH_LEQ")
    for tree, block in enumerate(re.split(r"^Tree=", path.read_text(), flags=re.MULTILINE)[1:]):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        splits = int(fields["num_leaves"]) - 1
        lists = {name: fields[name].split() for name in
                 ("split_feature", "threshold", "decision_type", "left_child", "right_child")}

        def place(child, splits=splits):
            return child if child >= 0 else splits + ~child

        for node in range(splits):
            decision = int(lists["decision_type"][node])
            if decision & 1 or decision >> 2 != 2:
                raise ValueError("a split on categories, or one for which NaN is not missing")
            forest.split(tree, node, int(lists["split_feature"][node]),
                         rounded_down(float(lists["threshold"][node])),
                         place(int(lists["left_child"][node])),
                         place(int(lists["right_child"][node])), bool(decision & 2))
        for leaf, value in enumerate(fields["leaf_value"].split()):
            forest.leaf(tree, splits + leaf, float(value))
    return forest

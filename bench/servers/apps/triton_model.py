# SPDX-License-Identifier: Apache-2.0
"""XGBoost in Triton's Python backend. MODEL names the model file; empty: model.json beside this."""

import os
import pathlib

import triton_python_backend_utils as backend
import xgboost


class TritonPythonModel:
    """What the backend looks for."""

    def initialize(self, args):
        beside = pathlib.Path(args["model_repository"], args["model_version"], "model.json")
        self.booster = xgboost.Booster(model_file=os.environ["MODEL"] or str(beside))

    def execute(self, requests):
        answers = []
        for request in requests:
            rows = backend.get_input_tensor_by_name(request, "input").as_numpy()
            scores = backend.Tensor("score", self.booster.inplace_predict(rows).reshape(-1, 1))
            answers.append(backend.InferenceResponse(output_tensors=[scores]))
        return answers

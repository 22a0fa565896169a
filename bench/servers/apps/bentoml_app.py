# SPDX-License-Identifier: Apache-2.0
"""BentoML around XGBoost, one worker. MODEL names the model file."""

import os

import bentoml
import numpy as np
import xgboost


@bentoml.service(workers=1, metrics={"enabled": False},
                 logging={"access": {"enabled": False}})
class Forest:
    """The service."""

    def __init__(self):
        self.booster = xgboost.Booster(model_file=os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.booster.inplace_predict(rows.astype(np.float32))

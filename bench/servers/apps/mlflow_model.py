# SPDX-License-Identifier: Apache-2.0
"""Write a model file of XGBoost's as MLflow keeps one.

    mlflow_model.py MODEL FOLDER
"""

import sys

import mlflow.xgboost
import xgboost

mlflow.xgboost.save_model(xgboost.Booster(model_file=sys.argv[1]), sys.argv[2],
                          pip_requirements=[])

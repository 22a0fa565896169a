# SPDX-License-Identifier: Apache-2.0
"""FastAPI around XGBoost, as small as it can be: no validation, orjson, prediction in place.

uvicorn runs it; MODEL names the model file.
"""

import os

import numpy as np
import orjson
import xgboost
from fastapi import FastAPI, Request, Response

booster = xgboost.Booster(model_file=os.environ["MODEL"])
app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    rows = np.asarray(orjson.loads(await request.body())["rows"], np.float32)
    scores = booster.inplace_predict(rows)
    return Response(orjson.dumps({"scores": scores.tolist()}), media_type="application/json")

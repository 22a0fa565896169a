# SPDX-License-Identifier: Apache-2.0
"""LitServe around XGBoost: one process for HTTP and one that scores, as it is by itself.

    litserve_app.py MODEL PORT
"""

import sys

import litserve
import numpy as np
import xgboost


class Api(litserve.LitAPI):
    """Its four steps."""

    def setup(self, device):
        self.booster = xgboost.Booster(model_file=sys.argv[1])

    def decode_request(self, request):
        return np.asarray(request["rows"], np.float32)

    def predict(self, x):
        return self.booster.inplace_predict(x)

    def encode_response(self, output):
        return {"scores": output.tolist()}


if __name__ == "__main__":
    litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False,
        log_level="warning", access_log=False)

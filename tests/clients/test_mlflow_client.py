# SPDX-License-Identifier: Apache-2.0
"""Goal: MLflow's client of its scoring server works unmodified.

Method: ScoringServerClient with what it takes: tables, arrays, lists and texts (its own way with
dictionaries fails in itself, in the version tested here); scores are compared with the library's
own.
"""

import numpy as np
import pandas as pd
import pytest
import requests

from conftest import rows_of, serving, without

without("scipy")

from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # noqa: E402


@pytest.fixture(scope="module")
def scoring(models):
    """A server that answers /invocations with the model `binary`."""
    one = serving.Server(models, "--threads", "1", "--default-model", "binary")
    yield one
    assert one.stop() == 0


@pytest.fixture
def client(scoring):
    return ScoringServerClient(*scoring.address)


def right(boosters, rows):
    return boosters["binary"].predict(rows)[:, 0]


def test_ready_and_version(client, scoring):
    client.ping()
    client.wait_server_ready(timeout=10, scoring_server_proc=scoring.process)
    assert client.get_version()


@pytest.mark.parametrize("missing", [False, True])
def test_table(client, boosters, missing):
    rows = rows_of(9, missing=missing)
    table = pd.DataFrame(rows, columns=serving.NAMES)
    answer = client.invoke(table[table.columns[::-1]])
    assert np.allclose(answer.get_predictions("ndarray", np.float64), right(boosters, rows),
                       rtol=1e-6)
    assert answer.get_predictions().shape == (9, 1)


def test_array(client, boosters):
    rows = rows_of(4, missing=False)
    answer = client.invoke(rows)
    assert np.allclose(answer["predictions"], right(boosters, rows), rtol=1e-6)


def test_list_and_text(client, boosters):
    rows = rows_of(4, missing=False)
    answer = client.invoke(rows.tolist(), params={"threshold": 0.5})
    assert np.allclose(answer["predictions"], right(boosters, rows), rtol=1e-6)
    # The client passes a text on as it is.
    text = pd.DataFrame(rows, columns=serving.NAMES).to_json(orient="records")
    answer = client.invoke('{"dataframe_records":' + text + "}")
    assert np.allclose(answer["predictions"], right(boosters, rows), rtol=1e-6)


def test_csv(scoring, boosters):
    # As `mlflow models predict` and the examples of the documentation send it.
    rows = rows_of(4)
    text = pd.DataFrame(rows, columns=serving.NAMES).to_csv(index=False)
    answer = requests.post(f"http://{scoring.url}/invocations", data=text, timeout=10,
                           headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200
    assert np.allclose(answer.json()["predictions"], right(boosters, rows), rtol=1e-6)


def test_errors(client):
    with pytest.raises(Exception, match="error code 400.*BAD_REQUEST.*dep_dely"):
        client.invoke(pd.DataFrame({"dep_dely": [1.0]}))
    with pytest.raises(Exception, match="error code 400.*BAD_REQUEST"):
        client.invoke("{}")
    client.ping()

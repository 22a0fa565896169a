# SPDX-License-Identifier: Apache-2.0
"""Goal: features are read and written as with Feast's feature server; what is wrong is refused in
Feast's form, with a status that keeps the client from trying again; what was written outlives the
process.

Method: definitions that are applied, and at first an empty store, so that statuses, defaults, names
and expressions are what shows (tests/unit/server/api/test_feast_answer.c has values); then values
are written, the server is killed and started again. Each answer is held against the OpenAPI
document. Feast's own client is for tests/clients/test_feast.py.
"""

import json
import os
import signal
import subprocess
import time

import pytest

from conftest import Server

DEFINITIONS = """\
auspex: 1
project: trips
entities:
  driver: {keys: {driver_id: int64}}
  route: {keys: {origin: string, dest: int32}}
sources:
  drivers:
    files: data/drivers.parquet
    time: at
    columns: {driver_id: int64, at: timestamp, rate: float32, city: string}
  routes:
    files: data/routes.parquet
    time: none
    columns: {origin: string, dest: int32, km: float64}
  trips:
    files: data/trips.parquet
    time: at
    event_id: [trip]
    columns: {trip: string, driver_id: int64, at: timestamp}
views:
  driver: {entity: driver, source: drivers, ttl: 1h, fields: {rate: rate, city: city}}
  route: {entity: route, source: routes, fields: {km: {expr: km, default: 2}, rate: km}}
  trips: {entity: driver, source: trips, fields: {trips_1h: count(*) over 1h}}
services:
  fare:
    request: {hour: {type: int64, required: true}, note: string}
    features:
      - {view: driver, keys: {driver_id: taxi}, as: taxi, fields: [rate]}
      - {view: route, fields: [km]}
      - {name: far, expr: km * 2}
  windowed: {features: [{view: trips}]}
"""
EPOCH = "1970-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def feast(tmp_path_factory):
    folder = tmp_path_factory.mktemp("feast")
    for name in ("definitions", "models"):
        (folder / name).mkdir()
    (folder / "definitions/trips.yaml").write_text(DEFINITIONS, encoding="utf-8")
    subprocess.run([os.environ["AX_BINARY"], "apply", "--check=false", "--state", folder / "state",
                    folder / "definitions"], check=True, capture_output=True, timeout=60)
    one = Server(folder / "models", "--threads", "1", "--state", str(folder / "state"),
                 "--request-bytes-max", "32m")
    one.folder = folder
    yield one
    assert one.stop() == 0


def ask(server, entities, **members):
    return server.post("/get-online-features", {"entities": entities, **members})


def columns(answer):
    assert answer.status == 200, answer.body
    names = answer.json["metadata"]["feature_names"]
    assert len(names) == len(answer.json["results"])
    return {name: (one["values"], one["statuses"], one["event_timestamps"])
            for name, one in zip(names, answer.json["results"])}


def test_a_list_of_features(feast):
    found = columns(ask(feast, {"driver_id": [1, 2], "origin": ["a", "b"], "dest": [3, None],
                                "other": ["x", 5]},
                        features=["route:km", "driver:city", "driver:rate"]))
    assert list(found) == ["driver_id", "origin", "dest", "km", "city", "rate"]
    assert found["driver_id"] == ([1, 2], ["PRESENT"] * 2, [EPOCH] * 2)
    assert found["dest"] == ([3, None], ["PRESENT", "NULL_VALUE"], [EPOCH] * 2)
    assert found["km"] == ([2.0, 2.0], ["PRESENT"] * 2, [EPOCH] * 2)
    assert found["city"] == ([None] * 2, ["NOT_FOUND"] * 2, [EPOCH] * 2)


def test_a_service(feast):
    found = columns(ask(feast, {"hour": [3], "taxi": [1], "origin": ["a"], "dest": [1]},
                        feature_service="fare", features=["passed:over"],
                        full_feature_names=True))
    assert list(found) == ["hour", "taxi", "origin", "dest", "taxi__rate", "route__km", "far"]
    assert found["far"] == ([4.0], ["PRESENT"], [EPOCH])
    assert list(columns(ask(feast, {"hour": [3], "taxi": [1], "origin": ["a"], "dest": [1]},
                            feature_service="fare")))[4:] == ["rate", "km", "far"]


def test_many_rows(feast):
    count = 20_000
    found = columns(ask(feast, {"driver_id": list(range(count))}, features=["driver:rate"]))
    assert found["driver_id"][0] == list(range(count))
    assert found["rate"][1] == ["NOT_FOUND"] * count


def test_windows_that_were_not_materialised(feast):
    found = columns(ask(feast, {"driver_id": [1]}, feature_service="windowed"))
    assert found["trips_1h"][:2] == ([None], ["NOT_FOUND"])


@pytest.mark.parametrize("entities, members, status, kind, message", [
    ({"driver_id": [1]}, {"feature_service": "far"}, 404, "FeatureServiceNotFoundException",
     "no service 'far' is defined; nearest is 'fare'"),
    ({"driver_id": [1]}, {"features": ["drivr:rate"]}, 404, "FeatureViewNotFoundException",
     "view 'drivr' is not there; nearest is 'driver'"),
    ({"driver_id": [1]}, {"features": ["driver:rat"]}, 404, "FeatureViewNotFoundException",
     "field 'rat' is not there in view driver; nearest is 'rate'"),
    ({"driver_id": [1]}, {}, 400, "FeastError", "name 'features' or a 'feature_service'"),
    ({"driver": [1], "origin": ["a"]}, {"features": ["route:km"]}, 400, "FeastError",
     "'entities' has no 'dest', which is a join key"),
    ({"taxi": [1], "origin": ["a"], "dest": [1]}, {"feature_service": "fare"}, 400, "FeastError",
     "'entities' has no 'hour', which is required"),
    ({"driver_id": ["1"]}, {"features": ["driver:rate"]}, 400, "FeastError",
     "'driver_id', row 0: a whole number is wanted, found '1'"),
    ({"origin": ["a"], "dest": [2**31]}, {"features": ["route:km"]}, 400, "FeastError",
     "'dest', row 0: the number does not fit int32"),
    ({"driver_id": [1], "origin": [], "dest": []}, {"features": ["route:km"]}, 400, "FeastError",
     "input 'origin' does not hold 1 values"),
    ({"driver_id": [1], "origin": ["a"], "dest": [1]}, {"features": ["route:rate", "driver:rate"]},
     400, "FeastError", "two columns of the answer would be called 'rate'; ask with"),
    ({"driver_id": [1]}, {"features": ["driver@v2:rate"]}, 501, "FeastError", "names a version"),
    ({"driver": [1], "driver_id": [2]}, {"features": ["driver:rate"]}, 400, "FeastError",
     "'entities' has 'driver' and 'driver_id', which are one join key"),
    ("x", {}, 400, "FeastError", "'entities' must be an array or an object"),
])
def test_what_is_refused(feast, entities, members, status, kind, message):
    answer = ask(feast, entities, **members)
    assert answer.status == status
    error = json.loads(answer.json)  # as the client reads it
    assert (error["module"], error["class"]) == ("feast.errors", kind)
    assert message in error["message"]


def test_nothing_is_applied(tmp_path):
    """Which is not as if a view or a service were missing."""
    (tmp_path / "models").mkdir()
    server = Server(tmp_path / "models", "--threads", "1", "--state", str(tmp_path / "state"))
    for path, more in (("/get-online-features", {"entities": {}, "features": ["a:b"]}),
                       ("/write-to-online-store", {"feature_view_name": "a", "df": {}}),
                       ("/push", {"push_source_name": "a", "df": {}})):
        answer = server.post(path, more)
        error = json.loads(answer.json)
        assert (answer.status, error["class"]) == (404, "FeastError")
        assert "no definitions of features are in force" in error["message"]
    assert server.stop() == 0


def test_bodies_that_are_none(feast):
    answer = feast.post("/get-online-features", b"{")
    assert answer.status == 400 and "malformed JSON" in json.loads(answer.json)["message"]
    body = b'{"features": ["driver:rate"], "entities": {"driver_id": [' + b"7," * 2**20 + b"7]}}"
    answer = feast.post("/get-online-features", body)
    assert answer.status == 400
    assert "batch-size must be <= 1048576" in json.loads(answer.json)["message"]
    answer = ask(feast, {"driver_id": [7] * 350_000}, features=["driver:rate", "driver:city"])
    assert answer.status == 413
    assert "an answer has at most 1048576 values" in json.loads(answer.json)["message"]


def test_an_entity_by_its_name(feast):
    found = columns(ask(feast, {"driver": [7]}, features=["driver:rate"]))
    assert found["driver_id"] == ([7], ["PRESENT"], [EPOCH])


# ---- writing ----

def write(server, view, **df):
    return server.post("/write-to-online-store", {
        "feature_view_name": view, "df": df, "allow_registry_cache": False})


def test_written_values_outlive_the_process(feast):
    models, state = feast.folder / "models", feast.folder / "killed"
    subprocess.run([os.environ["AX_BINARY"], "apply", "--check=false", "--state", state,
                    feast.folder / "definitions"], check=True, capture_output=True, timeout=60)
    options = ("--threads", "1", "--state", str(state))
    first = Server(models, *options)
    # Older than the ttl of an hour; what is older than two may go at any moment.
    old = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 5400))
    # No history: the newest write is true at every moment. Fields that are not there stay.
    assert write(first, "route", origin=["a", "b"], dest=[1, 1], km=[0.5, None],
                 rate=[1, 2]).body == b"null"
    assert write(first, "route", origin=["a"], dest=[1], km=[7]).status == 200
    assert write(first, "driver", driver_id=[5], rate=[0.1], city=["x"],
                 event_timestamp=[old + ".5"], created=[None]).status == 200
    first.process.send_signal(signal.SIGKILL)
    first.stop()
    again = Server(models, *options, "--request-rows-max", "2")
    found = columns(ask(again, {"origin": ["a", "b"], "dest": [1, 1], "driver_id": [5, 6]},
                        features=["route:km", "route:rate", "driver:city"]))
    assert found["km"][:2] == ([7.0, 2.0], ["PRESENT", "PRESENT"])
    assert found["rate"][0] == [1.0, 2.0]
    assert found["city"] == ([None, None], ["OUTSIDE_MAX_AGE", "NOT_FOUND"],
                             [old + ".500Z", EPOCH])
    answer = ask(again, {"driver_id": [5, 6, 7]}, features=["driver:city"])
    assert answer.status == 400
    assert "batch-size must be <= 2 (request_rows_max)" in json.loads(answer.json)["message"]
    assert again.metrics().get("ax_refused_total", reason="request_rows") == 1
    assert again.stop() == 0


@pytest.mark.parametrize("view, df, status, message", [
    ("drivr", {"driver_id": [1]}, 404, "view 'drivr' is not there"),
    ("trips", {"driver_id": [1], "trips_1h": [2]}, 422, "has windows"),
    ("driver", {"driver_id": [1], "rte": [2]}, 422, "nearest is 'rate'"),
    ("driver", {"driver_id": [1], "rate": ["x"]}, 422, "'df' has no 'event_timestamp'"),
    ("driver", {"driver_id": [1], "rate": ["x"], "at": [0]}, 422, "a number is wanted"),
    ("driver", {"driver_id": [1], "rate": [1], "at": [2**35]}, 422, "ahead of the clock"),
    ("driver", {"driver_id": [1], "rate": [1], "at": [2**40]}, 422, "of the years 1 to 9999"),
    ("driver", {"driver_id": [1], "rate": []}, 422, "does not hold 1 values"),
    ("driver", {"driver_id": [1], "rate": [1], "at": ["x"]}, 422, "or whole seconds since 1970"),
    ("driver", {"driver_id": [1], "city": ["x" * 65537]}, 422, "more than 65536 bytes"),
    (None, {"driver_id": [1]}, 422, "'feature_view_name' is missing"),
    ("driver", [], 422, "'df' has no 'driver_id'"),
])
def test_writes_that_are_refused(feast, view, df, status, message):
    answer = feast.post("/write-to-online-store", {"feature_view_name": view, "df": df})
    assert answer.status == status
    error = json.loads(answer.json)
    assert error["class"] == ("FeatureViewNotFoundException" if status == 404 else "FeastError")
    assert message in error["message"]

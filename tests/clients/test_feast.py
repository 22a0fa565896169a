# SPDX-License-Identifier: Apache-2.0
"""Goal: Feast's own client works with a server of ours: `auspex features export` writes a
repository that `feast apply` takes, with everything in it, and the client reads, writes and pushes
by it.

Method: the real Feast, the newest of deps.lock, imported once for all tests, since that takes
seconds; what its registry holds afterwards is compared with the definitions, and what it makes of
answers with what the server was given. Without the package (tools/fetch-deps --group feast) the
tests are skipped.
"""

import datetime
import os
import pathlib
import subprocess
import sys

import pytest

FEAST = pathlib.Path(os.environ.get("AX_DEPS", "build/deps")) / "python-feast"
if not FEAST.is_dir():
    pytest.skip("Feast was not fetched: tools/fetch-deps --group feast", allow_module_level=True)
# Before the packages of the other clients, which want other versions of the same.
sys.path.insert(0, str(FEAST))
os.environ["FEAST_USAGE"] = "False"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from feast import FeatureStore, PushSource, ValueType  # noqa: E402
from feast.cli.cli import cli  # noqa: E402
from feast.errors import (  # noqa: E402
    FeastError, FeatureServiceNotFoundException, FeatureViewNotFoundException)
from feast.types import (  # noqa: E402
    Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp)

from conftest import serving  # noqa: E402

DEFINITIONS = """\
auspex: 1
project: trips
entities:
  driver: {keys: {driver_id: int64}, description: who drives}
  route: {keys: {origin: string, dest: int32, open: bool}}
  visit: {keys: {since: timestamp}}
sources:
  drivers:
    files: data/drivers.parquet
    time: at
    columns: {driver_id: int64, at: timestamp, b: bool, i: int32, l: int64, f: float32, d: float64,
              s: string, t: timestamp, floats: list<float64>, texts: list<string>}
    push: true
  events:
    files: data/events.parquet
    time: at
    event_id: [trip]
    columns: {trip: string, driver_id: int64, at: timestamp, fare: float64}
    push: true
  routes:
    files: data/routes.parquet
    time: at
    columns: {origin: string, dest: int32, open: bool, at: timestamp, km: float64, y: bytes}
views:
  driver:
    entity: driver
    source: drivers
    ttl: 2h
    fields: {b: b, i: {expr: i, type: int32}, l: l, f: {expr: f, type: float32}, d: d, s: s, t: t,
             floats: floats, texts: texts}
  trips:
    entity: driver
    source: events
    fields:
      trips_1h: count(*) over 1h
      fare_1h: {expr: sum(fare) over 1h, deprecated: use trips_1h}
  route: {entity: route, source: routes, fields: {km: {expr: km, default: 1}, y: y}}
services:
  plain: {features: [{view: driver, fields: [d, s]}]}
  asked:
    request: {hour: int64}
    features:
      - {name: hour}
      - {view: driver, keys: {driver_id: taxi}, as: taxi, fields: [f]}
      - {view: route, fields: [km]}
      - {name: far, expr: km * 2}
  nothing: {request: {x: float64}, features: [{name: x}]}
"""


def run(*args, check=True):
    return subprocess.run([os.environ["AX_BINARY"], *map(str, args)], check=check, timeout=60,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def state(tmp_path_factory):
    """A state directory in which the definitions are applied."""
    folder = tmp_path_factory.mktemp("feast")
    (folder / "definitions").mkdir()
    (folder / "definitions/trips.yaml").write_text(DEFINITIONS, encoding="utf-8")
    run("apply", "--check=false", "--state", folder / "state", folder / "definitions")
    return folder / "state"


def apply(folder):
    """What `feast apply` does there."""
    at = os.getcwd()
    try:
        cli.main(["-c", str(folder), "apply"], standalone_mode=False)
    finally:
        os.chdir(at)


@pytest.fixture(scope="session")
def feature_server(state):
    (state.parent / "models").mkdir()
    one = serving.Server(state.parent / "models", "--threads", "1", "--state", str(state))
    yield one
    assert one.stop() == 0


@pytest.fixture(scope="session")
def store(state, feature_server):
    """The client, by a repository that was exported and applied."""
    folder = state.parent / "repository"
    run("features", "export", "--state", state, "--feast", folder,
        "--server", f"http://{feature_server.url}")
    apply(folder)
    return FeatureStore(str(folder))


# ---- the export ----

def test_entities(store):
    entities = {e.name: (e.join_key, e.value_type) for e in store.list_entities()}
    assert entities == {
        "driver": ("driver_id", ValueType.INT64),
        "route__origin": ("origin", ValueType.STRING), "route__dest": ("dest", ValueType.INT32),
        "route__open": ("open", ValueType.BOOL), "visit": ("since", ValueType.UNIX_TIMESTAMP)}
    assert store.get_entity("driver").description == "who drives"


def test_sources(store):
    sources = {s.name: s for s in store.list_data_sources()}
    assert set(sources) == {"drivers", "drivers__history", "events", "events__history", "routes"}
    assert {n for n, s in sources.items() if isinstance(s, PushSource)} == {"drivers", "events"}
    assert sources["drivers"].batch_source.timestamp_field == "event_timestamp"


def test_views(store):
    views = {v.name: v for v in store.list_feature_views()}
    assert set(views) == {"driver", "trips", "route"}
    assert {f.name: f.dtype for f in views["driver"].features} == {
        "b": Bool, "i": Int32, "l": Int64, "f": Float32, "d": Float64, "s": String,
        "t": UnixTimestamp, "floats": Array(Float64), "texts": Array(String)}
    assert {f.name: f.dtype for f in views["route"].features} == {"km": Float64, "y": Bytes}
    assert views["driver"].ttl.total_seconds() == 7200
    assert views["driver"].stream_source.name == "drivers"
    assert views["trips"].stream_source is None  # its values are the server's
    assert {f.name: f.tags for f in views["trips"].features} == {
        "trips_1h": {}, "fare_1h": {"deprecated": "use trips_1h"}}
    assert {c.name: c.dtype for c in views["route"].entity_columns} == {
        "origin": String, "dest": Int32, "open": Bool}


def test_services(store):
    services = {s.name: [(p.name, p.name_alias, p.join_key_map, [f.name for f in p.features])
                         for p in s.feature_view_projections]
                for s in store.list_feature_services()}
    assert services == {
        "plain": [("driver", None, {}, ["d", "s"])],
        "asked": [("driver", "taxi", {"driver_id": "taxi"}, ["f"]), ("route", None, {}, ["km"])],
        "nothing": []}


# ---- reading ----

def test_read_a_list(store):
    rows = [{"driver_id": 1001, "origin": "EWR", "dest": 7, "open": True},
            {"driver_id": 1002, "origin": "JFK", "dest": 8, "open": False}]
    found = store.get_online_features(["driver:s", "route:km", "driver:f"], rows)
    assert found.to_dict() == {
        "driver_id": [1001, 1002], "origin": ["EWR", "JFK"], "dest": [7, 8], "open": [True, False],
        "s": [None, None], "f": [None, None], "km": [1.0, 1.0]}
    table = found.to_df()
    assert table["km"].dtype == "float64" and table["driver_id"].dtype == "int64"
    found = store.get_online_features(["route:km"], {
        "origin": ["EWR"], "dest": [7], "open": [True]}, full_feature_names=True)
    assert found.to_dict()["route__km"] == [1.0]


def test_read_a_service(store):
    rows = [{"hour": 5, "taxi": 1, "origin": "EWR", "dest": 7, "open": True}]
    service = store.get_feature_service("asked")
    assert store.get_online_features(service, rows).to_dict() == {
        **{name: [value] for name, value in rows[0].items()}, "f": [None], "km": [1.0],
        "far": [2.0]}
    assert store.get_online_features(service, rows, full_feature_names=True).to_dict() == {
        **{name: [value] for name, value in rows[0].items()}, "taxi__f": [None],
        "route__km": [1.0], "far": [2.0]}


def test_errors_are_exceptions_again(store):
    with pytest.raises(FeatureViewNotFoundException, match="nearest is 'driver'"):
        store.get_online_features(["drivers:s"], [{"driver_id": 1}])
    with pytest.raises(FeastError, match="has no 'driver_id', which is a join key"):
        store.get_online_features(["driver:s"], [{"id": 1}])
    service = store.get_feature_service("plain")
    service.name = "plane"
    with pytest.raises(FeatureServiceNotFoundException, match="nearest is 'plain'"):
        store.get_online_features(service, [{"driver_id": 1}])


# ---- writing ----

def frame(ids, at, **changed):
    """Rows of the view 'driver', with every type that the client can send."""
    count = len(ids)
    return pd.DataFrame({
        "driver_id": ids, "event_timestamp": pd.to_datetime(at, utc=True),
        "b": [True] * count, "i": [-7] * count, "l": [2**53 + 1] * count, "f": [0.7] * count,
        "d": [5.0] * count, "s": ["\u00e9\n"] * count,
        "t": pd.to_datetime(["2024-05-06T07:08:09Z"] * count), "floats": [[1.0, 0.1]] * count,
        "texts": [["a", ""]] * count, **changed})


FIELDS = ["b", "i", "l", "f", "d", "s", "t", "floats", "texts"]


def read(store, ids, fields=tuple(FIELDS)):
    found = store.get_online_features([f"driver:{f}" for f in fields],
                                      [{"driver_id": i} for i in ids]).to_dict()
    return {name: found[name] for name in fields}


def now(seconds=0):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


def test_write_and_read(store):
    store.write_to_online_store("driver", frame([1, 2], [now(-60)] * 2))
    assert read(store, [1, 9]) == {
        "b": [True, None], "i": [-7, None], "l": [2**53 + 1, None],
        "f": [float(np.float32(0.7)), None], "d": [5.0, None], "s": ["\u00e9\n", None],
        "t": [1714979289, None], "floats": [[1.0, 0.1], None], "texts": [["a", ""], None]}
    # What is older changes nothing, the same time again does, and null is a value.
    store.write_to_online_store("driver", frame([2], [now(-120)], s=["older"]))
    store.write_to_online_store("driver", frame([1], [now(-30)], s=["newer"], d=[None]))
    assert read(store, [1, 2], ("s", "d")) == {"s": ["newer", "\u00e9\n"], "d": [None, 5.0]}
    # Older than the ttl.
    store.write_to_online_store("driver", frame([3], [now(-7300)]))
    assert read(store, [3], ("s",)) == {"s": [None]}


def test_no_time_is_null(store):
    """NaT, written and pushed: of one row, and of all."""
    times = pd.to_datetime(pd.Series(["2024-05-06T07:08:09Z", None]))
    store.write_to_online_store("driver", frame([4, 5], [now(-60)] * 2, t=times))
    store.push("drivers", frame([6], [now(-5)], t=pd.to_datetime(pd.Series([None]), utc=True)))
    assert read(store, [4, 5, 6], ("t", "d")) == {
        "t": [1714979289, None, None], "d": [5.0, 5.0, 5.0]}


def test_write_with_several_join_keys(store):
    row = {"origin": "EWR", "dest": 3, "open": True, "event_timestamp": now(), "km": 2.5, "y": None}
    key = {name: row[name] for name in ("origin", "dest", "open")}
    store.write_to_online_store("route", pd.DataFrame([row]))
    found = store.get_online_features(["route:km"], [key, {**key, "dest": 4}])
    assert found.to_dict()["km"] == [2.5, 1.0]
    # The client's own: it cannot send bytes.
    with pytest.raises(TypeError, match="bytes is not JSON serializable"):
        store.write_to_online_store("route", pd.DataFrame([{**row, "y": b"x"}]))


def test_push(store):
    store.push("drivers", frame([50], [now(-5)], s=["pushed"]))
    assert read(store, [50], ("s",)) == {"s": ["pushed"]}


def test_push_to_the_source(store, feature_server):
    """The client writes what it pushes; the server's own request brings a source's rows."""
    rows = frame([51], [now()], s=["source"]).to_dict(orient="list")
    times = {"event_timestamp": [int(now(-5).timestamp())], "t": [1714979289]}
    answer = feature_server.post("/push", {
        "push_source_name": "drivers", "df": {**rows, **times}, "to": "online"})
    assert (answer.status, answer.body) == (200, b"")
    assert read(store, [51], ("s", "t", "floats")) == {
        "s": ["source"], "t": [1714979289], "floats": [[1.0, 0.1]]}


def test_what_is_refused(store):
    with pytest.raises(FeastError, match="row 0: the time lies ahead of the clock"):
        store.write_to_online_store("driver", frame([60], [now(3600)]))
    trips = pd.DataFrame({"driver_id": [1], "event_timestamp": [now()], "trips_1h": [1],
                          "fare_1h": [1.0]})
    with pytest.raises(FeastError, match="view 'trips' has windows"):
        store.write_to_online_store("trips", trips)
    assert read(store, [60], ("s",)) == {"s": [None]}


def test_materialize(store, state, feature_server):
    """Asked of the server; what it reads is below the folder of the definitions, there and not."""
    folder = state.parent / "definitions/data"
    folder.mkdir()
    frame([70], [now(-60)], s=["read"]).rename(columns={"event_timestamp": "at"}).to_parquet(
        folder / "drivers.parquet")
    store.materialize(now(-120), now(), ["driver"])
    assert read(store, [70], ("s",)) == {"s": ["read"]}
    store.materialize_incremental(now(), ["driver"])
    with pytest.raises(RuntimeError, match=r"failed \(422\).*events.parquet"):
        store.materialize_incremental(now())
    store.materialize_incremental(now(), ["driver"], run_async=True, force=True)


def test_export_again(state, store):
    folder = state.parent / "repository"
    before = (folder / "definitions.py").read_bytes()
    (folder / "feature_store.yaml").write_text("mine", encoding="utf-8")
    again = run("features", "export", "--state", state, "--feast", folder)
    assert f"kept {folder}/feature_store.yaml" in again.stdout
    assert "service asked computes, and answers besides: far\n" in again.stdout
    assert (folder / "definitions.py").read_bytes() == before
    (folder / "definitions.py").write_text("mine = 1\n", encoding="utf-8")
    refused = run("features", "export", "--state", state, "--feast", folder, check=False)
    assert refused.returncode == 1 and "was not written by this command" in refused.stderr
    assert (folder / "definitions.py").read_text(encoding="utf-8") == "mine = 1\n"


def test_nothing_applied(tmp_path):
    refused = run("features", "export", "--state", tmp_path, "--feast", tmp_path / "r", check=False)
    assert refused.returncode == 4 and "nothing was applied yet" in refused.stderr
    assert run("features", "export", check=False).returncode == 2

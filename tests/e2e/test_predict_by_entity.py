# SPDX-License-Identifier: Apache-2.0
"""Goal: a model that was trained with a service answers for entities: by keys, request values,
features that are given, defaults and expressions; what is wrong is refused by name; a version whose
service is not in force as it was answers rows alone.

Method: rules over the inputs of a small service, whose digest a running server tells; one server,
and bodies with the answers that follow by hand. tests/unit/server/api/test_service_call.c has
values of a store, and stores that answer late; tests/unit/feature/test_service_vector.c each
status.
"""

import os
import shutil
import signal
import subprocess

import pytest

import conftest
import history
from conftest import Server

DEFINITIONS = """\
auspex: 1
entities:
  aircraft: {keys: {tailnum: string}}
  airport: {keys: {faa: string}}
sources:
  planes: {files: p.csv, time: none, columns: {tailnum: string, year: int64, seats: int64}}
  weather: {files: w.csv, time: t, columns: {faa: string, t: timestamp, temp: float64}}
views:
  plane:
    entity: aircraft
    source: planes
    fields:
      built: year
      seats: {expr: seats, type: float32, default: 150}
  weather: {entity: airport, source: weather, ttl: 36500d, fields: {temp: temp}}
  recent: {entity: airport, source: weather, fields: {warmest: max(temp) over 1h}}
services:
  pushback:
    request: {sched_dep: timestamp, dep_delay: {type: int32, required: true}}
    features:
      - {name: tailnum}
      - {name: dep_delay}
      - {name: hour, expr: extract(hour from sched_dep)}
      - {view: plane}
      - {view: weather, keys: {faa: origin}, as: origin}
      - {name: age, expr: 2013 - built}
  arrival:
    request: {taxi: int64}
    features: [{name: taxi}, {view: weather, keys: {faa: dest}, as: dest}]
  windowed:
    features: [{view: recent}]
  listed:
    request: {l: list<float64>}
    features: [{name: second, expr: 'l[2]'}, {name: n, expr: len(l)}, {view: plane}]
"""

RULES = """\
rules: 1
inputs: {tailnum: BYTES, dep_delay: FP64, hour: INT64, seats: FP64, origin__temp: FP64, age: INT64}
outputs: {prediction: FP64}
cases:
  - {when: "age > 10 and origin__temp > 5", then: 0.9}
  - {when: "tailnum = 'N1' and hour = 7", then: 0.8}
  - {when: "seats = 150 and dep_delay > 30", then: 0.7}
  - {when: "seats = 150", then: 0.6}
  - {when: "seats is null", then: 0.5}
  - otherwise: 0.2
"""


def put_version(models, name, number, service=None, digest=None, rules=RULES):
    place = models / name / str(number)
    place.mkdir(parents=True)
    (place / "rules.yaml").write_text(rules, encoding="utf-8")
    if service:
        (place / "model.yaml").write_text(f"service: {{name: {service}, digest: {digest}}}\n",
                                          encoding="utf-8")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    path = tmp_path_factory.mktemp("by_entity")
    (path / "definitions").mkdir()
    (path / "definitions/f.yaml").write_text(DEFINITIONS, encoding="utf-8")
    (path / "definitions/p.csv").write_text("tailnum,year,seats\nN7,1990,20\nN8,,\n",
                                            encoding="utf-8")
    (path / "definitions/w.csv").write_text("faa,t,temp\nLGA,2013-12-01T06:00:00Z,6.5\n",
                                            encoding="utf-8")
    for command in ("apply", "materialize"):
        subprocess.run([os.environ["AX_BINARY"], command, "--state", path / "state",
                        *([path / "definitions"] if command == "apply" else [])],
                       check=True, capture_output=True, cwd=path / "definitions")
    models = path / "models"
    put_version(models, "plain", 1)
    server = Server(models, "--state", str(path / "state"), "--images=false")
    digests = {s["name"]: s["digest"] for s in server.get("/v1/features").json["services"]}
    put_version(models, "delay", 1, "pushback", digests["pushback"])
    put_version(models, "arrival", 1, "arrival", digests["arrival"],
                "rules: 1\ninputs: {taxi: INT64, dest__temp: FP64}\noutputs: {prediction: FP64}\n"
                "cases: [{when: 'dest__temp > 6 and taxi = 4', then: 0.4}, {otherwise: 0.1}]\n")
    put_version(models, "old", 1, "pushback", "0" * 64)
    put_version(models, "window", 1, "windowed", digests["windowed"],
                "rules: 1\ninputs: {warmest: FP64}\noutputs: {prediction: FP64}\n"
                "cases: [{otherwise: 1}]\n")
    put_version(models, "listed", 1, "listed", digests["listed"],
                "rules: 1\ninputs: {second: FP64, n: INT64}\noutputs: {prediction: FP64}\ncases:\n"
                "  - {when: 'second is null and n = 3', then: 0.3}\n  - otherwise: 0\n")
    server.process.send_signal(signal.SIGHUP)
    history.wait_for(lambda: all(server.predict(m, {}).status == 200
                                 for m in ("delay", "arrival", "old", "window", "listed")))
    yield server
    assert server.stop() == 0
    shutil.rmtree(path)


def ask(served, entities, model="delay", **members):
    return served.post(f"/v1/models/{model}/predict", {"entities": entities, **members})


def predicted(answer):
    assert answer.status == 200, answer.body
    assert [p["row"] for p in answer.json["predictions"]] == list(
        range(len(answer.json["predictions"])))
    return [p["prediction"] for p in answer.json["predictions"]]


KEY = {"tailnum": "N1"}
SEVEN = {"sched_dep": "2013-12-01T07:10:00Z", "dep_delay": 31}


def test_values_of_the_call(served):
    """One request for all or one an entity; defaults; expressions; what is left out is null."""
    before = served.metrics().get("ax_feature_rows_total", view="plane", status="NOT_FOUND")
    entities = [{"tailnum": "N1", "origin": "EWR"}, {"tailnum": "N2"}]
    answer = ask(served, entities, request=SEVEN)
    assert predicted(answer) == [0.8, 0.7]
    assert "features" not in answer.json["predictions"][0]
    assert answer.json["model"] == "delay" and answer.json["version"] == "1"
    assert predicted(ask(served, entities, request=[SEVEN | {"sched_dep": 0}, {"dep_delay": 1}],
                         version=1)) == [0.7, 0.6]
    assert predicted(ask(served, [], request=SEVEN)) == []
    after = served.metrics().get("ax_feature_rows_total", view="plane", status="NOT_FOUND")
    assert after - before == 4


def test_null_in_a_list(served):
    """It holds its place, as in a history, whoever sends the list."""
    lists = [[1, None, 3], [None], [], [None, 2.5, None], None]
    second, n = [None, None, None, 2.5, None], [3, 1, 0, 3, None]
    answer = ask(served, [KEY] * 5, model="listed", request=[{"l": value} for value in lists],
                 features="full")
    assert predicted(answer) == [0.3, 0, 0, 0, 0]
    told = [p["features"] for p in answer.json["predictions"]]
    assert [[t["second"]["value"], t["n"]["value"]] for t in told] == [list(p) for p in
                                                                     zip(second, n)]
    answer = served.post("/get-online-features", {"feature_service": "listed", "entities": {
        "tailnum": ["N1"] * 5, "l": lists}})
    names = answer.json["metadata"]["feature_names"]
    for name, values in (("second", second), ("n", n)):
        assert answer.json["results"][names.index(name)]["values"] == values


def test_given_features(served):
    """What is given takes the place of what would be found, and expressions see it; so does null,
    in whose place stands the field's default."""
    answer = ask(served, [{"tailnum": "N1", "origin": "EWR"}] * 3, request=SEVEN, features="status",
                 given=[{"built": 1990, "origin__temp": 5.5}, {"seats": 20.25, "hour": 3},
                        {"seats": None}])
    assert predicted(answer) == [0.9, 0.2, 0.8]
    first, second, third = (p["features"] for p in answer.json["predictions"])
    assert first["built"] == {"status": "PRESENT", "given": True}
    assert first["age"] == first["tailnum"] == {"status": "PRESENT"}
    assert second["seats"] == second["hour"] == {"status": "PRESENT", "given": True}
    assert third["seats"] == {"status": "NULL_VALUE", "defaulted": True, "given": True}
    assert third["origin__temp"] == {"status": "NOT_FOUND"}


def test_what_is_told(served):
    answer = ask(served, [{"tailnum": "N1"}], request=SEVEN, features="full", given={"built": 1990},
                 at="2013-12-01T08:00:00+01:00")
    told = answer.json["predictions"][0]
    assert told["at"] == "2013-12-01T07:00:00Z"
    assert told["features"] == {
        "tailnum": {"value": "N1", "status": "PRESENT"},
        "dep_delay": {"value": 31, "status": "PRESENT"},
        "hour": {"value": 7, "status": "PRESENT"},
        "built": {"value": 1990, "status": "PRESENT", "given": True},
        "seats": {"value": 150.0, "status": "NOT_FOUND", "defaulted": True},
        "origin__temp": {"value": None, "status": "NOT_FOUND"},
        "age": {"value": 23, "status": "PRESENT"}}
    moments = ask(served, [KEY] * 2, request=SEVEN, features="status", at=[0, 1000000])
    assert [p["at"] for p in moments.json["predictions"]] == ["1970-01-01T00:00:00Z",
                                                             "1970-01-01T00:00:01Z"]


def test_values_of_the_store(served):
    """What was materialised is found, at the moment that is asked: not what is later, and what is
    older than the ttl has its status. (That is long, since by the clock such rows are swept.)"""
    before = served.metrics()
    moments = ["2113-11-07T06:00:00Z", "2013-12-01T05:59:59.999999Z", "2113-11-07T06:00:00.000001Z",
               "2013-12-01T07:00:00Z"]
    entities = [{"tailnum": "N7", "origin": "LGA"}] * 3 + [{"tailnum": "N8", "origin": "EWR"}]
    answer = ask(served, entities, request=SEVEN, at=moments, features="full")
    assert predicted(answer) == [0.9, 0.2, 0.2, 0.7]
    told = [p["features"] for p in answer.json["predictions"]]
    assert [t["origin__temp"] for t in told] == [
        {"value": 6.5, "status": "PRESENT", "time": "2013-12-01T06:00:00Z"},
        {"value": None, "status": "NOT_FOUND"},
        {"value": None, "status": "OUTSIDE_MAX_AGE", "time": "2013-12-01T06:00:00Z"},
        {"value": None, "status": "NOT_FOUND"}]
    assert told[0]["seats"] == {"value": 20.0, "status": "PRESENT"}
    assert told[3]["seats"] == {"value": 150.0, "status": "NULL_VALUE", "defaulted": True}
    assert told[3]["built"] == {"value": None, "status": "NULL_VALUE"}
    count = ("ax_feature_age_seconds_count", "weather")
    assert served.metrics().get(count[0], view=count[1]) - before.get(count[0], view=count[1]) == 2


def test_open_inference(served):
    """Inputs of the call in place of the model's: the answers of the friendly form."""
    keys = [conftest.column("tailnum", "BYTES", ["N1", "N7", "N7"]),
            conftest.column("origin", "BYTES", ["EWR", "LGA", None])]
    request = [conftest.column("sched_dep", "INT64", [7 * 3600000000, 0, None]),
               conftest.column("dep_delay", "FP64", [31, 0, 3], [3, 1])]
    answer = served.infer("delay", *request, *keys)
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == [0.8, 0.9, 0.2]
    assert served.infer("delay", *keys).error == "'dep_delay', row 0: a value is required"
    mixed = served.infer("delay", *request, *keys, conftest.column("hour", "INT64", [1, 2, 3]))
    assert mixed.error == ("input 'hour' is the model's, which does not mix with keys and request "
                           "values of service 'pushback': send either")
    assert served.infer("delay", conftest.column("orign", "BYTES", ["EWR"])
                        ).error.startswith("no input 'orign'")
    answer = served.infer("old", *keys)
    assert answer.status == 409 and "not in force" in answer.error
    # The model's own inputs alone are a row.
    assert served.infer("delay", keys[0], conftest.column("hour", "INT64", [7, 7, 7])
                        ).json["outputs"][0]["data"] == [0.8, 0.5, 0.5]


def test_many_entities(served):
    """Several slices, of which each row has its own."""
    count = 5000
    entities = [{"tailnum": "N1" if i % 3 else "N2"} for i in range(count)]
    request = [{"dep_delay": i % 50, "sched_dep": i % 24 * 3600000000} for i in range(count)]
    answers = predicted(ask(served, entities, request=request))
    for i, answer in enumerate(answers):
        expected = 0.8 if i % 3 and i % 24 == 7 else 0.7 if i % 50 > 30 else 0.6
        assert answer == expected, i
    answer = served.post("/v1/models/delay/predict", b'{"entities":[' + b"{}," * 2**20 + b"{}]}")
    assert (answer.status, answer.error) == (400, "inference request batch-size must be <= 1048576")


REFUSED = {
    "unknown key": ({"entities": [KEY, {"tailnu": "a"}]}, 400,
                    "row 1: 'tailnu' is no key of service 'pushback'; nearest is 'tailnum'"),
    "type of a key": ({"entities": [{"tailnum": 7}]}, 400,
                      "'tailnum', row 0: a text is wanted, found a whole number"),
    "unknown request value": ({"entities": [KEY], "request": {"dep_dely": 1}}, 400,
                              "row 0: 'dep_dely' is no request value of service 'pushback'; "
                              "nearest is 'dep_delay'"),
    "required": ({"entities": [KEY], "request": {}}, 400,
                 "'dep_delay', row 0: a value is required"),
    "too large": ({"entities": [KEY], "request": {"dep_delay": 1 << 40}}, 400,
                  "'dep_delay', row 0: the number does not fit int32"),
    "unequal": ({"entities": [KEY, KEY], "request": [{}, {}, {}]}, 400,
                "'request' holds 3 values, 'entities' 2: send one for all, or one an entity"),
    "given key": ({"entities": [KEY], "given": {"tailnum": "a"}}, 400,
                  "row 0: 'tailnum' is no field or expression of service 'pushback'"),
    "no moment": ({"entities": [KEY], "request": SEVEN, "at": "soon"}, 400,
                  "'at', row 0: a time (RFC 3339, or whole microseconds since 1970) is wanted, "
                  "found 'soon'"),
    "moment of no year": ({"entities": [KEY] * 2, "request": SEVEN, "at": [0, (1 << 63) - 1]}, 400,
                          "'at', row 1: the time lies outside of the years 1 to 9999"),
    "null moment": ({"entities": [KEY], "request": SEVEN, "at": [None]}, 400,
                    "'at', row 0: a time is wanted, found null"),
    "moments": ({"entities": [KEY], "at": [[1]]}, 400,
                "'at': row 0 must be a value, found an array"),
    "no request": ({"entities": [KEY], "request": None}, 400,
                   "'request': row 0 must be an object, found null"),
    "no such word": ({"entities": [KEY], "features": "all"}, 400,
                     "'features' must be \"none\", \"status\" or \"full\""),
    "told of too many": ({"entities": [KEY] * 2049, "request": SEVEN, "features": "full"}, 400,
                         "'features' are told of at most 2048 entities a request, this one has "
                         "2049"),
    "both": ({"entities": [KEY], "rows": [KEY]}, 400,
             "'rows' comes on top of other rows; send one of 'rows' or 'entities'"),
    "rows": ({"rows": [KEY], "given": {}}, 400, "'given' goes with 'entities', not with 'rows'"),
    "a scalar": ({"entities": [3]}, 400, "row 0 must be an object, found a number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(served, name):
    body, status, text = REFUSED[name]
    answer = served.post("/v1/models/delay/predict", body)
    assert (answer.status, answer.error) == (status, text)


def test_several_models(served):
    """Each by its own service; parts with the same one look into the store once."""
    before = served.metrics().get("ax_feature_rows_total", view="plane", status="NOT_FOUND")
    body = {"models": ["delay", "plain", "delay/1", "old"], "request": SEVEN, "features": "status",
            "entities": [KEY | {"origin": None}] * 3}
    parts = served.post("/v1/predict", body).json["parts"]
    assert [part.get("status") for part in parts] == [None, 400, None, 409]
    for part in (parts[0], parts[2]):
        assert [p["prediction"] for p in part["predictions"]] == [0.8] * 3
        assert part["predictions"][2]["features"]["seats"] == {"status": "NOT_FOUND",
                                                               "defaulted": True}
    after = served.metrics().get("ax_feature_rows_total", view="plane", status="NOT_FOUND")
    assert after - before == 3
    parts = served.post("/v1/predict", body | {"request": {}}).json["parts"]
    assert [part["error"] for part in (parts[0], parts[2])] == [
        "'dep_delay', row 0: a value is required"] * 2


def test_several_services(served):
    """Each takes its own keys and values of a request that has those of all."""
    both = {"models": ["delay", "arrival"], "request": SEVEN | {"taxi": 4},
            "given": {"built": 1990, "origin__temp": 5.5},
            "entities": [{"tailnum": "N1", "origin": None, "dest": "LGA"}]}
    parts = served.post("/v1/predict", both).json["parts"]
    assert [[p["prediction"] for p in part["predictions"]] for part in parts] == [[0.9], [0.4]]
    parts = served.post("/v1/predict", both | {"features": "status"}).json["parts"]
    assert len({part["predictions"][0]["at"] for part in parts}) == 1
    for change, errors in [
            ({"entities": [KEY | {"origin": None}]},
             [None, "row 0: key 'dest' of service 'arrival' is missing; send null where there is "
              "none"]),
            ({"entities": [KEY | {"origin": "EWR", "dest": "LGA", "destn": "LGA"}]},
             ["row 0: 'destn' is no key of service 'pushback'",
              "row 0: 'destn' is no key of service 'arrival'; nearest is 'dest'"])]:
        parts = served.post("/v1/predict", both | change).json["parts"]
        assert [part.get("error") for part in parts] == errors
        assert [part.get("status") for part in parts] == [error and 400 for error in errors]


def test_several_services_slice_by_slice(served):
    """One pass through many entities gives what each model gives alone; what is wrong with a row
    for one service, far behind, fails that part alone."""
    count = 3000
    keys = [{"tailnum": f"N{i % 9}", "origin": "LGA" if i % 2 else None,
             "dest": "EWR" if i % 7 else "LGA"} for i in range(count)]
    values = [{"dep_delay": i % 50, "sched_dep": i % 24 * 3600000000, "taxi": i % 5}
              for i in range(count)]
    own = {"delay": (("tailnum", "origin"), ("dep_delay", "sched_dep")),
           "arrival": (("dest",), ("taxi",))}
    expected = [predicted(ask(served, [{k: row[k] for k in names} for row in keys], model=model,
                              request=[{v: row[v] for v in asked} for row in values]))
                for model, (names, asked) in own.items()]
    body = {"models": list(own), "entities": keys, "request": values}
    parts = served.post("/v1/predict", body).json["parts"]
    assert [[p["prediction"] for p in part["predictions"]] for part in parts] == expected
    assert all(len(set(part)) > 1 for part in expected)
    values[2500]["dep_delay"] = None
    parts = served.post("/v1/predict", body).json["parts"]
    assert parts[0]["error"] == "'dep_delay', row 2500: a value is required"
    assert [p["prediction"] for p in parts[1]["predictions"]] == expected[1]


def test_features_of_one_entity(served):
    path = "/v1/features/pushback?tailnum=N%31&dep_delay=31&at=1000000&origin="
    told = served.get(path + "EWR&sched_dep=2013-12-01T07:10:00Z").json
    assert (told["service"], told["version"], told["at"]) == ("pushback", 1, "1970-01-01T00:00:01Z")
    assert told["features"]["hour"] == {"value": 7, "status": "PRESENT"}
    assert told["features"]["tailnum"] == {"value": "N1", "status": "PRESENT"}
    assert told["features"]["seats"] == {"value": 150.0, "status": "NOT_FOUND", "defaulted": True,
                                         "view": "plane", "field": "seats", "source": "planes"}
    for query, status, text in [
            ("pushbak?a=1", 404, "nearest is 'pushback'"),
            ("windowed", 501, "has windows over rows without an event_id, which are not served"),
            ("pushback?tailnum=a", 400, "'dep_delay', row 0: a value is required"),
            ("pushback?dep_delay=x", 400, "row 0: a whole number is wanted, found 'x'"),
            ("pushback?tailnum=a&tailnum=b", 400, "input 'tailnum', row 0: is given twice"),
            ("pushback?at=1&at=2", 400, "'at' is given twice"),
            ("pushback?tailnam=a", 400, "nearest is 'tailnum'"),
            ("pushback?tailnum=%zz", 400, "")]:
        answer = served.get("/v1/features/" + query)
        assert answer.status == status and text in answer.error, answer.body


def test_versions_without_their_service(served):
    answer = ask(served, [KEY], "plain", request=SEVEN)
    assert (answer.status, answer.error) == (
        400, "model 'plain' version 1 was trained without a service of features, so that it takes "
        "'rows'")
    answer = ask(served, [KEY], "old", request=SEVEN)
    assert (answer.status, answer.error) == (
        409, "service 'pushback' is not in force as it was when model 'old' version 1 was trained: "
        "apply its definitions, or send 'rows'")
    assert predicted(served.predict("old", {"tailnum": "N1", "hour": 7})) == [0.8]
    answer = ask(served, [{"faa": "EWR"}], "window")
    assert (answer.status, answer.error) == (
        501, "service 'windowed': view 'recent' has windows over rows without an "
        "event_id, which are not served")
    assert any('event="a service is not served by entity"' in line for line in served.lines)

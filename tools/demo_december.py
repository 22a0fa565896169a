# SPDX-License-Identifier: Apache-2.0
"""The part of tools/demo that lives through December: what happened is pushed minute by
minute, and in between each flight is asked about by its entities when it leaves its gate.

The server is not told the moment that is asked about: with `--clock replay` it is the time of
what was pushed last. What it answers is held against rows that `auspex features history` makes
of the files, put through the same model by `auspex predict`.
"""

import json
import os
import shutil
import time

from demo_base import (DATA, EXAMPLE, LATE_MINUTES, ROOT, Database, Server, auc, auspex, bench,
                       check, load_text, printed, say, section)

BEGIN = "2013-12-01"
# When load is put on it: a busy evening, with a day of delays in the windows.
LOAD_AT = "2013-12-20 22:00:00"
SERVICE = "pushback"
SAMPLED = "10000"  # of a million flights, how many are logged as they were served
KEYS = ("tailnum", "origin", "dest", "carrier")
ASKED = ("flight_id", "sched_dep", "arr_hour", "distance", "dep_delay")
# What is pushed: (source, its time).
PUSHED = (("departures", "departed_at"), ("arrivals", "arrived_at"), ("weather", "time_hour"))
WEATHER = """SELECT origin, CAST(time_hour AS TIMESTAMP) AS time_hour,
    COLUMNS('temp|wind_speed|precip|pressure|visib')
    FROM read_csv('weather.csv', nullstr = 'NA')"""


def query(name):
    return (EXAMPLE / f"sql/{name}.sql").read_text(encoding="utf-8").strip().rstrip(";")


def define(folder):
    """Apply the definitions, beside the data that they name; the folder of state."""
    flights, state = folder / "flights", folder / "auspex-data"
    shutil.copytree(EXAMPLE, flights)
    for path in DATA.glob("*.csv"):
        os.symlink(path, flights / path.name)
    auspex("apply", flights, "--state", state, "--json", quiet=True)
    return flights, state


def read_december(folder):
    """By moments: the rows of each source that became true, and the flights that left."""
    database, moments = Database(folder), {}
    queries = (query("departed"), query("arrived"), WEATHER)
    wanted = [(source, time_column, f"({text})")
              for (source, time_column), text in zip(PUSHED, queries)]
    wanted.append(("asked", "departed_at", f"({query('flights')})"))
    for name, time_column, text in wanted:
        for row in database.rows(f"SELECT * FROM {text} WHERE {time_column} > '{BEGIN}'"):
            moments.setdefault(row[time_column], {}).setdefault(name, []).append(row)
    database.close()
    return moments


def call(flights):
    """The body that asks about flights by their entities."""
    return {"entities": [{name: row.get(name) for name in KEYS} for row in flights],
            "request": [{name: row.get(name) for name in ASKED} for row in flights]}


def replay(server, model, moments):
    """What was answered: the prediction of each flight by its id. How many rows were pushed."""
    answers, pushed = {}, 0
    for _, happened in sorted(moments.items()):
        for source, _ in PUSHED:
            if source in happened:
                taken = server.ask("/push", {"source": source, "rows": happened[source]})
                pushed += taken["rows"]
        flights = happened.get("asked", [])
        if flights:
            found = server.ask(f"/v1/models/{model}/predict", call(flights))["predictions"]
            check(len(found) == len(flights), "an answer is missing")
            answers.update((row["flight_id"], answer["prediction"])
                           for row, answer in zip(flights, found))
    return answers, pushed


def predict_offline(folder, flights, model):
    """The same from the files, without a server: history, then the model over its rows."""
    rows = folder / "december.sql"
    rows.write_text(f"SELECT * FROM ({query('flights')}) WHERE departed_at > '{BEGIN}'",
                    encoding="utf-8")
    auspex("features", "history", "--definitions", flights, "--service", SERVICE, "--sql", rows,
           "--at", "departed_at", "--out", folder / "december.parquet",
           "--state", folder / "offline-data", "--json", quiet=True)
    auspex("predict", "--model", folder / "baselines" / model, "--keep", "flight_id", "--json",
           folder / "december.parquet", folder / "predicted.jsonl", quiet=True)
    with open(folder / "predicted.jsonl", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return {row["flight_id"]: row["prediction"] for row in found}


def show_load(server, folder, model, asked, seconds):
    bodies = folder / "by-entity.jsonl"
    with open(bodies, "w", encoding="utf-8") as out:
        for row in asked:
            out.write(json.dumps(call([row])) + "\n")
    closed = bench(server, model, bodies, "--duration", f"{seconds}s")
    say(f"{LOAD_AT}, by entity, one a request, closed loop: {load_text(closed)}")
    rate = max(int(closed["requests_per_s"] / 2), 1)
    opened = bench(server, model, bodies, "--duration", f"{seconds}s", "--rate", str(rate),
                   "--connections", "64", "--schedule", "poisson")
    say(f"open loop, Poisson, half of that: {load_text(opened)}"
        + (" (void: the client itself was late)" if opened["void"] else ""))


def live_through(server, folder, model, moments, seconds):
    """What was answered, by the flights' ids; half-way, how fast."""
    begun = time.monotonic()
    answers, pushed = replay(server, model, {m: h for m, h in moments.items() if m <= LOAD_AT})
    took = time.monotonic() - begun
    asked = [row for moment, happened in moments.items() if moment[:10] == LOAD_AT[:10]
             for row in happened.get("asked", [])]
    show_load(server, folder, model, asked, seconds)
    begun = time.monotonic()
    rest, more = replay(server, model, {m: h for m, h in moments.items() if m > LOAD_AT})
    say(f"{pushed + more:,} rows pushed as they became true, {len(answers | rest):,} flights asked "
        f"about as they left, in {len(moments):,} moments: {took + time.monotonic() - begun:.1f} s")
    return answers | rest


def show_answers(folder, flights, model, moments, answers):
    offline = predict_offline(folder, flights, model)
    check(offline.keys() == answers.keys(), "other flights are in the history")
    late = {row["flight_id"]: row["arr_delay"] > LATE_MINUTES
            for happened in moments.values() for row in happened.get("asked", [])}
    labels = [late[name] for name in offline]
    served = auc([answers[name] for name in offline], labels)
    trained = auc(list(offline.values()), labels)
    differ = sum(answers[name] != value for name, value in offline.items())
    say(f"AUC of what was served {served:.3f}, of rows as training has them {trained:.3f}; "
        f"{differ} of {len(offline):,} predictions differ")
    check(differ == 0, "served by entity, predictions differ from those of the history")


def show_consistency(state):
    """What was logged of some of them, beside a history as known."""
    begun = time.monotonic()
    lines = printed("features", "consistency", "--service", SERVICE, "--state", state,
                    "--from", BEGIN, "--to", "2014-02-01", "--json", "--quiet", quiet=True)
    about, *features = [json.loads(line) for line in lines.splitlines()]
    differ = sum(feature["compared"] - feature["equal"] for feature in features)
    say(f"of {about['vectors']:,} vectors that were logged as served {differ} of "
        f"{sum(feature['compared'] for feature in features):,} values are not those of a history "
        f"as known: {time.monotonic() - begun:.1f} s")
    check(about["vectors"] > 0 and features and not about["other_vectors"],
          "nothing was logged, or by other definitions")
    check(differ == 0, "what was served is not what a history says")


def show_december(folder, model, seconds):
    section("Lived through: December, pushed and asked by entity")
    flights, state = define(folder)
    begun = time.monotonic()
    printed("materialize", "--state", state, "--to", BEGIN, quiet=True)
    say(f"January to November materialised: {time.monotonic() - begun:.1f} s")
    moments = read_december(folder)
    server = Server(folder / "baselines", "--clock", "replay",
                    "--served-entities-per-million", SAMPLED)
    try:
        answers = live_through(server, folder, model, moments, seconds)
    finally:
        server.stop()
    check(server.process.returncode == 0, f"the server ended with {server.process.returncode}")
    show_answers(folder, flights, model, moments, answers)
    show_consistency(state)

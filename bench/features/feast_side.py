# SPDX-License-Identifier: Apache-2.0
"""Feast's side of bench/features, in its own packages.

    feast_side.py make REPOSITORY KEYS WIDTH...    apply, and write all values
    feast_side.py serve REPOSITORY PORT            its Python server, one worker
    feast_side.py sdk REPOSITORY                   calls in this process, as lines of stdin ask

A line of `sdk` is {"width", "keys" (lists of them, one a call, in turn), "seconds"}; what comes back
is {"calls", "seconds", "cpu_seconds", "latencies_us"}. With "seconds" 0 it is the answers themselves.
REPOSITORY has its feature_store.yaml already. Value f of key k is value(k, f).
"""

import datetime
import itertools
import json
import pathlib
import sys
import time

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.cli.cli import cli
from feast.types import Int64

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from feature_data import MOMENT, VIEW_FEATURES, features_of, value  # noqa: E402

FOR_EVER = 10**9


def make(repository, keys, *widths):
    import pandas as pd
    store = FeatureStore(repository)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    keys = range(int(keys))
    widths = list(map(int, widths))
    source = FileSource(name="source", path="none.parquet", timestamp_field="t")
    views = [FeatureView(name=f"v{view}", entities=[driver], source=source,
                         ttl=datetime.timedelta(days=36500),
                         schema=[Field(name=f"f{f}", dtype=Int64) for f in features_of(view)])
             for view in range(max(widths) // VIEW_FEATURES)]
    store.apply([driver, *views, *(FeatureService(name=f"s{w}", features=views[:w // VIEW_FEATURES])
                                   for w in widths)])
    for view in range(len(views)):
        store.write_to_online_store(f"v{view}", pd.DataFrame(
            {"driver_id": keys, "t": [pd.Timestamp(MOMENT)] * len(keys),
             **{f"f{f}": [value(k, f) for k in keys] for f in features_of(view)}}))


def serve(repository, port):
    cli.main(["-c", repository, "serve", "--port", port, "--workers", "1", "--no-access-log",
              "--max-requests", str(FOR_EVER), "--keep-alive-timeout", str(FOR_EVER),
              "--registry_ttl_sec", str(FOR_EVER)])


def sdk(repository):
    store = FeatureStore(repository)
    for line in sys.stdin:
        asked = json.loads(line)
        service = store.get_feature_service(f"s{asked['width']}", allow_cache=True)

        def call(keys):
            return store.get_online_features(
                features=service, entity_rows=[{"driver_id": k} for k in keys]).to_dict()

        if not asked["seconds"]:
            print(json.dumps([call(keys) for keys in asked["keys"]]), flush=True)
            continue
        began, began_cpu, taken = time.perf_counter(), time.process_time(), []
        for keys in itertools.cycle(asked["keys"]):
            at = time.perf_counter()
            if at - began > asked["seconds"]:
                break
            call(keys)
            taken.append((time.perf_counter() - at) * 1e6)
        print(json.dumps({"calls": len(taken), "seconds": time.perf_counter() - began,
                          "cpu_seconds": time.process_time() - began_cpu,
                          "latencies_us": taken}), flush=True)


{"make": make, "serve": serve, "sdk": sdk}[sys.argv[1]](*sys.argv[2:])

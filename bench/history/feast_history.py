# SPDX-License-Identifier: Apache-2.0
"""Feast's side of bench/history: one history by one of its offline stores, told as a line of JSON.

    feast_history.py STORE FOLDER OUT COUNT TTL_SECONDS

FOLDER holds rows.parquet and source0.parquet up to source<COUNT-1>.parquet. What is timed is what the
command of ours does too: read the rows, join, write the Parquet file. Imports and the registry are not.
"""

import datetime
import json
import pathlib
import sys
import time

import pandas as pd
import pyarrow.parquet as parquet
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

SETTINGS = """\
project: bench
provider: local
registry: {folder}/feast-{name}.db
online_store: {{type: sqlite, path: {folder}/feast-online.db}}
offline_store: {{type: {name}}}
entity_key_serialization_version: 3
"""


def main():
    name, folder, out, count, ttl = sys.argv[1:]
    folder = pathlib.Path(folder)
    repository = folder / f"feast-{name}"
    repository.mkdir(exist_ok=True)
    (repository / "feature_store.yaml").write_text(SETTINGS.format(folder=folder, name=name))
    store = FeatureStore(str(repository))
    entity = Entity(name="thing", join_keys=["k"], value_type=ValueType.INT64)
    views = [FeatureView(
        name=f"v{i}", entities=[entity], ttl=datetime.timedelta(seconds=int(ttl)),
        schema=[Field(name=f"v{i}_{c}", dtype=Float64) for c in "abcd"],
        source=FileSource(name=f"s{i}", path=str(folder / f"source{i}.parquet"),
                          timestamp_field="time")) for i in range(int(count))]
    store.apply([entity, *views])
    wanted = [f"v{i}:v{i}_{c}" for i in range(int(count)) for c in "abcd"]
    began, began_cpu = time.monotonic(), time.process_time()
    rows = pd.read_parquet(folder / "rows.parquet").rename(columns={"at": "event_timestamp"})
    table = store.get_historical_features(rows, wanted).to_arrow()
    parquet.write_table(table, out)
    print(json.dumps({"seconds": time.monotonic() - began,
                      "cpu_seconds": time.process_time() - began_cpu, "rows": table.num_rows}))


main()

# SPDX-License-Identifier: Apache-2.0
"""The models that are compared, each trained by the library that it is of, and the rows they score.

Made-up models share one table of 50 features with a target that can be learned, so that trees are
as skewed as trained trees are and branches as predictable; the last one is real: the flights of
`make demo`. Everything is seeded, so a name always means the same model.
"""

import dataclasses
import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess

import numpy as np

import catboost_oracle
import lightgbm_models
import lightgbm_oracle
import xgboost_models
import xgboost_oracle

ROOT = pathlib.Path(__file__).resolve().parents[2]
FEATURES = 50
MISSING = 0.02
TRAINING_ROWS = 12000
ROWS = 65536  # that are timed; calls rotate over them
EDGES = 16384  # rows of values at the edges, for parity alone

# name: title, library, how trees grow, batch sizes.
BATCHES = [1, 64, 1024]
MODELS = {
    "xgboost-100x6": ("XGBoost, 100 trees of depth 6", "xgboost",
                      dict(rounds=100, max_depth=6), BATCHES),
    "xgboost-500x8": ("XGBoost, 500 trees of depth 8", "xgboost",
                      dict(rounds=500, max_depth=8), BATCHES),
    "lightgbm-100x31": ("LightGBM, 100 trees of 31 leaves", "lightgbm",
                        dict(rounds=100, num_leaves=31), BATCHES),
    "lightgbm-1000x31": ("LightGBM, 1,000 trees of 31 leaves", "lightgbm",
                         dict(rounds=1000, num_leaves=31), BATCHES),
    "catboost-1000x5": ("CatBoost, 1,000 oblivious trees of depth 5", "catboost",
                        dict(iterations=1000, depth=5), [*BATCHES, ROWS]),
    "flights": ("Real flights: XGBoost, numbers and categories", "flights", {}, BATCHES),
}
QUICK = ["xgboost-100x6", "lightgbm-100x31"]


@dataclasses.dataclass
class Model:
    """One model in its folder: `file` for our engine and its library, rows.f32, edges.f32."""
    name: str
    title: str
    library: str
    batches: list
    folder: pathlib.Path
    file: pathlib.Path
    features: int = FEATURES

    @property
    def rows(self):
        return self.folder / "rows.f32"

    @property
    def edges(self):
        return self.folder / "edges.f32"


def make_rows(count, seed):
    """f32, skewed and plain numbers, some missing."""
    rng = np.random.default_rng([seed, 50])
    rows = rng.standard_normal((count, FEATURES)).astype(np.float32)
    rows[:, ::5] = np.exp(rows[:, ::5])
    rows[:, 4::10] = np.round(rows[:, 4::10] * 4)
    rows[rng.random(rows.shape) < MISSING] = np.nan
    return rows


def make_labels(rows, seed):
    """0 or 1, by a rule of a dozen features, noise and what is missing."""
    rng = np.random.default_rng([seed, 51])
    x = np.nan_to_num(rows, nan=-0.5).astype(np.float64)
    score = np.sin(x[:, 1]) + np.tanh(x[:, 2] * x[:, 3]) + 0.3 * x[:, 6:12].sum(axis=1) \
        + 0.4 * np.log1p(np.abs(x[:, 0])) * x[:, 4] / 4 + 0.5 * np.isnan(rows[:, 13]) \
        + 0.5 * (x[:, 14] > x[:, 16]) + rng.standard_normal(len(x))
    return (score > np.median(score)).astype(np.float32)


def training_data():
    rows = make_rows(TRAINING_ROWS, 1)
    return rows, make_labels(rows, 1)


def train_xgboost(folder, settings):
    rows, labels = training_data()
    settings = dict(settings)
    booster = xgboost_oracle.train(rows, labels, {"objective": "binary:logistic", "eta": 0.05,
                                                  "seed": 3, "nthread": 1, **{
                                                      k: v for k, v in settings.items()
                                                      if k != "rounds"}}, settings["rounds"])
    booster.save(folder / "model.json")
    edges = xgboost_models.edge_rows(folder / "model.json", EDGES, 5)
    return folder / "model.json", edges


def train_lightgbm(folder, settings):
    rows, labels = training_data()
    settings = dict(settings)
    rounds = settings.pop("rounds")
    booster = lightgbm_oracle.train(rows, labels, {"objective": "binary", "learning_rate": 0.05,
                                                   "seed": 3, **settings}, rounds)
    booster.save(folder / "model.txt")
    # f32 all the same, so that peers that take no f64 can be asked, too.
    with np.errstate(over="ignore"):
        edges = lightgbm_models.edge_rows(folder / "model.txt", EDGES, 5).astype(np.float32)
    return folder / "model.txt", edges


def catboost_edges(model):
    rng = np.random.default_rng(5)
    rows = make_rows(EDGES, 6)
    special = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1, -1], np.float32)
    for i in range(FEATURES):
        borders = np.array(model.get_borders().get(i, []), np.float32)
        with np.errstate(over="ignore"):  # the last border may be the largest number there is
            pool = np.concatenate([special, borders, np.nextafter(borders, np.float32(-np.inf)),
                                   np.nextafter(borders, np.float32(np.inf))])
        where = rng.random(EDGES) < 0.6
        rows[where, i] = rng.choice(pool, where.sum())
    return rows


def train_catboost(folder, settings):
    """Also as the C++ that the library writes."""
    rows, labels = training_data()
    model = catboost_oracle.train(catboost_oracle.pool(rows, labels.astype(int)), "Logloss",
                                  learning_rate=0.05, **settings)
    model.save_model(str(folder / "catboost.cbm"))
    model.save_model(str(folder / "catboost.cpp"), format="cpp")
    return folder / "catboost.cbm", catboost_edges(model)


def load_demo():
    """tools/demo as a module: it knows how to ask the flights of its database."""
    loader = importlib.machinery.SourceFileLoader("demo", str(ROOT / "tools/demo"))
    spec = importlib.util.spec_from_loader("demo", loader)
    demo = importlib.util.module_from_spec(spec)
    loader.exec_module(demo)
    return demo


def make_flights(folder):
    """The demo's model of lateness, trained by `auspex train`, and its flights as XGBoost has them."""
    demo = load_demo()
    subprocess.run([ROOT / "build/auspex", "train", demo.EXAMPLE / "flights.yaml", "--model",
                    "flight_delay", "--data", demo.DATA, "--models", folder / "models", "--json"],
                   stdin=subprocess.DEVNULL, capture_output=True, check=True)
    (saved,) = (p for p in (folder / "models/flight_delay/1").glob("model.*")
                if p.suffix in (".json", ".ubj"))
    xgboost_oracle.load(saved).save(folder / "model.json")
    query = (demo.EXAMPLE / "sql/departures.sql").read_text(encoding="utf-8").strip().rstrip(";")
    database = demo.Database(folder)
    database.run(f"CREATE TABLE departures AS {query}")
    rows = database.rows(f"SELECT * FROM departures WHERE \"at\" >= '{demo.TEST_BEGIN}' "
                         "AND arr_delay IS NOT NULL ORDER BY flight_id")
    categories = {}
    for name in ("carrier", "origin", "dest"):
        known = database.rows(f"SELECT DISTINCT {name} FROM departures "
                              f"WHERE \"at\" < '{demo.TRAIN_END}' AND arr_delay IS NOT NULL "
                              f"AND {name} IS NOT NULL ORDER BY 1")
        categories[name] = {row[name]: index for index, row in enumerate(known)}
    database.close()
    inputs = json.loads((folder / "model.json").read_text())["learner"]["feature_names"]
    values = np.frombuffer(demo.matrix(rows, inputs, categories), np.float32)
    values = values.reshape(len(rows), len(inputs))
    # Missing at random, so that the edge of each default is met; categories stay as they are known.
    edges = values[:EDGES].copy()
    edges[np.random.default_rng(5).random(edges.shape) < 0.1] = np.nan
    return folder / "model.json", edges, values


def make(name, folder):
    """Train one; its folder is new and empty."""
    title, library, settings, batches = MODELS[name]
    values = None
    if library == "flights":
        file, edges, values = make_flights(folder)
    else:
        train = {"xgboost": train_xgboost, "lightgbm": train_lightgbm,
                 "catboost": train_catboost}[library]
        file, edges = train(folder, settings)
        values = make_rows(ROWS, 2)
    library = "xgboost" if library == "flights" else library
    model = Model(name, title, library, batches, folder, file, values.shape[1])
    values.tofile(model.rows)
    edges.tofile(model.edges)
    return model

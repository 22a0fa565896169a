/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of keys. Nothing is computed here; the order is that of the page and of messages.
 */
#include "feature/definition_keys.h"

#include <assert.h>

static const struct ax_definition_key file_keys[] = {
    { "auspex", AX_VALUE_FORMAT, true, .about = "The format of this text; 1 is the only one.",
      .example = "1" },
    { "project", AX_VALUE_NAME, .default_text = "default",
      .about = "What all of this belongs to; the same in all files that say it.",
      .example = "flights" },
    { "entities", AX_VALUE_MAPPINGS, .of = AX_MAPPING_ENTITY,
      .about = "What features describe: join keys with their types.",
      .example = "{aircraft: {keys: {tailnum: string}}}" },
    { "sources", AX_VALUE_MAPPINGS, .of = AX_MAPPING_SOURCE, .about = "Where rows come from." },
    { "views", AX_VALUE_MAPPINGS, .of = AX_MAPPING_VIEW,
      .about = "Features of an entity, from one source." },
    { "services", AX_VALUE_MAPPINGS, .of = AX_MAPPING_SERVICE,
      .about = "What a model is given: the list of its inputs." },
    { "models", AX_VALUE_MAPPINGS, .of = AX_MAPPING_MODEL,
      .about = "What is trained, on which rows." },
};

static const struct ax_definition_key entity_keys[] = {
    { "keys", AX_VALUE_TYPES, true,
      .about = "Join keys in their order, 1 to 16: bool, int32, int64, string or timestamp.",
      .example = "{origin: string, dest: string}" },
    { "description", AX_VALUE_TEXT, .about = "For people.", .example = "one airframe" },
};

static const struct ax_definition_key source_keys[] = {
    { "files", AX_VALUE_TEXT,
      .about = "Files, relative to the data folder: CSV, Parquet or JSON lines; `*`, `?`, `**`. "
               "One of `files`, `sql` and `table` is there.",
      .example = "\"data/*.parquet\"" },
    { "sql", AX_VALUE_TEXT,
      .about = "One SELECT of DuckDB, or the path of a file that ends in `.sql`, relative to the "
               "folder of the definitions.",
      .example = "sql/departures.sql" },
    { "table", AX_VALUE_TEXT, .about = "A table of a DuckDB file, no view: FILE/SCHEMA.TABLE.",
      .example = "store.duckdb/main.flights" },
    { "columns", AX_VALUE_TYPES, true, .about = "The columns that are used, with their types.",
      .example = "{origin: string, temp: float64}" },
    { "time", AX_VALUE_NAME, true,
      .about = "The timestamp column from which on a row is true, or `none`: no history, the same "
               "value at every moment.",
      .example = "departed_at" },
    { "created", AX_VALUE_NAME,
      .about = "The timestamp column that says when a row became known; without it, when it was "
               "pushed, else its time.",
      .example = "loaded_at" },
    { "zone", AX_VALUE_TEXT, .default_text = "UTC",
      .about = "The time zone of times that carry none.", .example = "America/New_York" },
    { "event_id", AX_VALUE_NAMES,
      .about = "The columns that identify an event: a row with the same id replaces. Without them "
               "rows are states, one value a key and time.",
      .example = "[flight_id]" },
    { "push", AX_VALUE_FLAG, .default_text = "false", .about = "Rows also come by POST /push." },
    { "keep", AX_VALUE_DURATION,
      .about = "How long pushed rows stay in the journal, 1h to 36500d, and no shorter than views "
               "look back; without it, for ever.",
      .example = "400d" },
    { "expect", AX_VALUE_LIST, .of = AX_MAPPING_EXPECTATION,
      .about = "What is expected of its rows." },
    { "description", AX_VALUE_TEXT, .about = "For people.",
      .example = "hourly, from three airports" },
};

#define CHECK_WORDS                                                              \
    "not_null|unique|between|in_set|regex|length|row_count|freshness|monotonic|" \
    "referential|expression"

static const struct ax_definition_key expectation_keys[] = {
    { "check", AX_VALUE_WORD, true, .words = CHECK_WORDS, .about = "What is checked.",
      .example = "between" },
    { "column", AX_VALUE_NAME, .about = "The column that is checked.", .example = "arr_delay" },
    { "columns", AX_VALUE_NAMES, .about = "Or several: each for itself; with `unique`, together.",
      .example = "[origin, time_hour]" },
    { "min", AX_VALUE_SCALAR,
      .about = "Least value (between: a number, a time or a duration), length or number of rows.",
      .example = "-120" },
    { "max", AX_VALUE_SCALAR, .about = "Greatest value, length or number of rows.",
      .example = "2000" },
    { "values", AX_VALUE_SCALARS, .about = "What in_set allows.", .example = "[EWR, JFK, LGA]" },
    { "pattern", AX_VALUE_TEXT,
      .about =
          "What regex looks for: a regular expression of RE2; `^` and `$` bind it to the ends.",
      .example = "\"^N[0-9]\"" },
    { "max_age", AX_VALUE_DURATION,
      .about = "How old the newest time of the source may be, for freshness.", .example = "26h" },
    { "refers_to", AX_VALUE_TEXT,
      .about = "SOURCE.COLUMN in which every value is there, for referential.",
      .example = "planes.tailnum" },
    { "by", AX_VALUE_NAMES,
      .about =
          "For monotonic: the columns within whose equal values it is; without them, all rows.",
      .example = "[sensor]" },
    { "expr", AX_VALUE_EXPRESSION,
      .about = "What is true of every row, for expression; a row of which it is null is left out.",
      .example = "arr_delay > dep_delay - 120" },
    { "mostly", AX_VALUE_NUMBER, .default_text = "1",
      .about = "The least share of rows that hold, of those that are not left out because a value "
               "is null; above 0, at most 1.",
      .example = "0.999" },
    { "do", AX_VALUE_WORD, .words = "warn|drop_row|fail", .default_text = "warn",
      .about =
          "What becomes of it: a warning, the rows that do not hold are left out, or a failure. "
          "With a `mostly` below 1, drop_row fails when fewer rows hold.",
      .example = "drop_row" },
};

static const struct ax_definition_key view_keys[] = {
    { "entity", AX_VALUE_NAME, true, .about = "Whose features these are.", .example = "airport" },
    { "source", AX_VALUE_NAME, true,
      .about = "Where they come from: a source (there are no views on views).",
      .example = "weather" },
    { "keys", AX_VALUE_NAMED,
      .about =
          "Which column of the source each join key is; those that are left out have their own "
          "name.",
      .example = "{faa: origin}" },
    { "ttl", AX_VALUE_DURATION,
      .about = "A value that is older is OUTSIDE_MAX_AGE; one that is exactly so old counts. Not "
               "together with windows.",
      .example = "3h" },
    { "fields", AX_VALUE_MAPPINGS, true, .of = AX_MAPPING_FIELD,
      .about = "The features, at most 1,024: all of them windowed, or none.",
      .example = "{temp: temp, wet: precip > 0}" },
    { "online", AX_VALUE_FLAG, .default_text = "true",
      .about = "Whether the online store holds its newest values." },
    { "every", AX_VALUE_DURATION,
      .about = "A server materialises what is new so often, 1m to 366d; without it, when it is "
               "told to.",
      .example = "1h" },
    { "exact_events", AX_VALUE_COUNT, .default_text = "1024",
      .about = "Of a windowed view: the newest so many events of a key count exactly, those before "
               "them by whole hops; 1 to 65,536.",
      .example = "4096" },
    { "description", AX_VALUE_TEXT, .about = "For people.", .example = "weather at an airport" },
    { "deprecated", AX_VALUE_FLAG_TEXT, .default_text = "false",
      .about = "Using it is warned about; a text says what to use.", .example = "use weather_v2" },
};

static const struct ax_definition_key field_keys[] = {
    { "expr", AX_VALUE_EXPRESSION, true,
      .about =
          "An expression over the source's columns, or over aggregates of them: AGG(x) [filter "
          "(where CONDITION)] over WINDOW [hop HOP].",
      .example = "avg(arr_delay) over 24h hop 1h" },
    { "type", AX_VALUE_STORAGE,
      .about = "What it is stored as; without it, what the expression is.", .example = "float32" },
    { "default", AX_VALUE_SCALAR,
      .about = "What stands for a value that is not there: of the field's type.",
      .example = "150" },
    { "description", AX_VALUE_TEXT, .about = "For people.", .example = "seats of the airframe" },
    { "deprecated", AX_VALUE_FLAG_TEXT, .default_text = "false",
      .about = "Using it is warned about; a text says what to use.", .example = "use seats_v2" },
};

static const struct ax_definition_key service_keys[] = {
    { "request", AX_VALUE_MAPPINGS, .of = AX_MAPPING_REQUEST,
      .about = "Values that the call gives beside the keys.",
      .example = "{sched_dep: timestamp, distance: float64}" },
    { "features", AX_VALUE_LIST, true, .of = AX_MAPPING_FEATURE,
      .about = "The inputs, in the order in which the model takes them." },
    { "exclude_self", AX_VALUE_FLAG_TEXT, .default_text = "false",
      .about =
          "The event whose id the call carries does not count: the source of that event, whose "
          "event_id columns are among the request values or keys. `true`: the only such source.",
      .example = "departures" },
    { "description", AX_VALUE_TEXT, .about = "For people.", .example = "asked at push-back" },
};

static const struct ax_definition_key request_keys[] = {
    { "type", AX_VALUE_STORAGE, true, .about = "Its type.", .example = "float64" },
    { "required", AX_VALUE_FLAG, .default_text = "false",
      .about = "A call without it, or with null, is refused." },
};

static const struct ax_definition_key feature_keys[] = {
    { "name", AX_VALUE_NAME,
      .about = "One input: a request value or key as it came; with `expr`, what that computes.",
      .example = "hour" },
    { "expr", AX_VALUE_EXPRESSION,
      .about = "An expression over the request values, the keys and every input above it.",
      .example = "extract(hour from sched_dep at time zone 'America/New_York')" },
    { "type", AX_VALUE_STORAGE, .about = "What `expr` is given to the model as.",
      .example = "float32" },
    { "view", AX_VALUE_NAME, .about = "Or the fields of a view.", .example = "weather" },
    { "keys", AX_VALUE_NAMED,
      .about = "Which value of the call each join key is; those that are left out have their own "
               "name.",
      .example = "{faa: origin}" },
    { "as", AX_VALUE_NAME, .about = "The role: inputs are called ROLE__FIELD; without it, FIELD.",
      .example = "origin" },
    { "fields", AX_VALUE_NAMES, .about = "Which fields, in this order; without it, all.",
      .example = "[temp, wind]" },
};

static const struct ax_definition_key model_keys[] = {
    { "service", AX_VALUE_NAME, .about = "Its inputs are those of this service.",
      .example = "pushback" },
    { "columns", AX_VALUE_OTHER,
      .about = "Or a list of columns of the rows themselves (docs/training.md).",
      .example = "[carrier, distance]" },
    { "train", AX_VALUE_MAPPING, true, .of = AX_MAPPING_TRAIN, .about = "How it is trained." },
    { "unknown_category", AX_VALUE_WORD, .words = "error|missing", .default_text = "error",
      .about = "What a text that was not there in training becomes." },
    { "decision", AX_VALUE_OTHER, .about = "Names for ranges of the score (docs/models.md)." },
    { "description", AX_VALUE_TEXT, .about = "For people." },
};

static const struct ax_definition_key train_keys[] = {
    { "rows", AX_VALUE_MAPPING, true, .of = AX_MAPPING_ROWS, .about = "The rows to learn from.",
      .example = "{sql: sql/rows.sql}" },
    { "at", AX_VALUE_TEXT,
      .about = "The moment asked about: a column of the rows, or with a service, which needs it, "
               "an expression.",
      .example = "departed_at" },
    { "label", AX_VALUE_TEXT, true, .about = "What is to be predicted, over the rows' columns.",
      .example = "arr_delay > 15" },
    { "label_known_at", AX_VALUE_TEXT, .about = "When the label became known; lies behind `at`.",
      .example = "arrived_at" },
    { "as_known", AX_VALUE_FLAG, .default_text = "false",
      .about = "With a service: events count from when they were known (`created`) on, as with "
               "`features history --as-known`." },
    { "split", AX_VALUE_OTHER, true,
      .about = "What is held back: by time, `{stop_from, test_from}`, or by hash, `{hash, stop, "
               "test}`.",
      .example = "{stop_from: \"2013-10-01\", test_from: \"2013-11-01\"}" },
    { "weight", AX_VALUE_TEXT, .about = "The weight of a row, over the rows' columns." },
    { "params", AX_VALUE_OTHER, true, .about = "Parameters of the library.",
      .example = "{objective: \"binary:logistic\"}" },
    { "rounds", AX_VALUE_COUNT, .default_text = "100", .about = "Most trees an output." },
    { "early_stopping", AX_VALUE_COUNT,
      .about = "Rounds without improvement after which training ends." },
    { "seed", AX_VALUE_COUNT, .default_text = "0", .about = "Where chance begins." },
    { "threads", AX_VALUE_COUNT, .about = "Threads of the library; without it, all cores." },
};

static const struct ax_definition_key rows_keys[] = {
    { "sql", AX_VALUE_TEXT, .about = "A SELECT, or the path of a file that ends in `.sql`.",
      .example = "sql/rows.sql" },
    { "file", AX_VALUE_TEXT, .about = "Or the path of a CSV, JSON lines or Parquet file.",
      .example = "data/rows.parquet" },
};

#define KEYS(table) .keys = (table), .key_count = AX_COUNT(table)

static const struct ax_definition_keys mappings[AX_MAPPING_COUNT] = {
    [AX_MAPPING_FILE] = { "file", "A file",
                          .about = "All `*.yaml` of the folder are read together; which object "
                                   "stands in which file does not matter. A name is there once a "
                                   "kind.",
                          KEYS(file_keys) },
    [AX_MAPPING_ENTITY] = { "entity", "entities: an entity",
                            .about = "An entity is its join keys: what features describe.",
                            KEYS(entity_keys) },
    [AX_MAPPING_SOURCE] = { "source", "sources: a source",
                            .about = "Rows of one kind: events, when they have an `event_id`, else "
                                     "states.",
                            .one_of = "files|sql|table", KEYS(source_keys) },
    [AX_MAPPING_EXPECTATION] = { "expectation", "expect: an expectation",
                                 .about = "Something that is expected of a source's rows.",
                                 KEYS(expectation_keys) },
    [AX_MAPPING_VIEW] = { "view", "views: a view",
                          .about = "Features of one entity from one source.", KEYS(view_keys) },
    [AX_MAPPING_FIELD] = { "field", "fields: a field", .about = "One feature.", .has_short = true,
                           .short_of = AX_VALUE_EXPRESSION,
                           .short_about = "`NAME: EXPRESSION` is short for `NAME: {expr: "
                                          "EXPRESSION}`.",
                           KEYS(field_keys) },
    [AX_MAPPING_SERVICE] = { "service", "services: a service",
                             .about = "The inputs of a model, and what a call gives for them.",
                             KEYS(service_keys) },
    [AX_MAPPING_REQUEST] = { "request", "request: a request value",
                             .about = "A value that the call gives.", .has_short = true,
                             .short_of = AX_VALUE_STORAGE,
                             .short_about = "`NAME: TYPE` is short for `NAME: {type: TYPE}`.",
                             KEYS(request_keys) },
    [AX_MAPPING_FEATURE] = { "feature", "features: an item",
                             .about = "Either one input (`name`), or those that a view gives "
                                      "(`view`).",
                             .one_of = "name|view", KEYS(feature_keys) },
    [AX_MAPPING_MODEL] = { "model", "models: a model",
                           .about = "What is trained. Either `service` or `columns` is there.",
                           .one_of = "service|columns", KEYS(model_keys) },
    [AX_MAPPING_TRAIN] = { "train", "train: how a model is trained",
                           .about = "The same block that `auspex train FILE` reads; "
                                    "[training.md](training.md) tells it whole.",
                           KEYS(train_keys) },
    [AX_MAPPING_ROWS] = { "rows", "rows: the rows of a model",
                          .about = "Either `sql` or `file` is there.", .one_of = "sql|file",
                          KEYS(rows_keys) },
};

const struct ax_definition_keys *ax_definition_keys(enum ax_definition_mapping mapping)
{
    assert((unsigned)mapping < AX_MAPPING_COUNT);
    return &mappings[mapping];
}

const struct ax_definition_key *ax_definition_key(enum ax_definition_mapping mapping,
                                                  const char *name)
{
    assert((unsigned)mapping < AX_MAPPING_COUNT && name);
    const struct ax_definition_keys *table = &mappings[mapping];
    size_t i = 0;
    while (i < table->key_count && strcmp(table->keys[i].name, name) != 0)
        i++;
    assert(i < table->key_count);
    return &table->keys[i];
}

const char *ax_definition_value_name(enum ax_definition_value value)
{
    static const char *const names[] = {
        [AX_VALUE_TEXT] = "a text",
        [AX_VALUE_NAME] = "a name",
        [AX_VALUE_NAMES] = "a list of names",
        [AX_VALUE_FLAG] = "true or false",
        [AX_VALUE_FLAG_TEXT] = "true, false or a text",
        [AX_VALUE_FORMAT] = "1",
        [AX_VALUE_COUNT] = "a whole number",
        [AX_VALUE_NUMBER] = "a number",
        [AX_VALUE_DURATION] = "a duration, as 90s, 15m, 24h or 7d",
        [AX_VALUE_STORAGE] = "a type",
        [AX_VALUE_EXPRESSION] = "an expression",
        [AX_VALUE_SCALAR] = "a value",
        [AX_VALUE_SCALARS] = "a list of values",
        [AX_VALUE_WORD] = "a word",
        [AX_VALUE_TYPES] = "a mapping of names to types",
        [AX_VALUE_NAMED] = "a mapping of names to names",
        [AX_VALUE_MAPPINGS] = "a mapping of names",
        [AX_VALUE_LIST] = "a list",
        [AX_VALUE_MAPPING] = "a mapping",
        [AX_VALUE_OTHER] = "a mapping or list",
    };
    assert((unsigned)value < AX_COUNT(names));
    return names[value];
}

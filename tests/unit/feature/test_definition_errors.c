/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever is wrong with definitions is told with its exact place, what was found, what is
 * expected and the nearest name.
 * Method: the reference text of the flights, in which one thing is replaced at a time, with the
 * message that this must give; whole small texts for what is wrong with all of a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "definition_fixture.h"

struct row {
    const char *old, *new, *msg;
};

static const struct row rows[] = {
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: regex, column: carrier, pattern: (}",
      "f.yaml:23:50: regular expression '(': missing ): (" },
    { "    request: {", "    exclude_self: true\n    request: {flight_id: string, ",
      "f.yaml:69:19: the call names an event of 'departures' and one of 'arrivals': say which, as "
      "exclude_self: departures" },

    { "auspex: 1 ", "auspex: 2 ", "f.yaml:1:9: this program reads format 1, not 2" },
    { "auspex: 1 ", "auspexx: 1 ",
      "f.yaml:1:1: 'auspex: 1' is missing: every *.yaml of the folder is a file of definitions" },
    { "auspex: 1 ", "auspex: one ", "f.yaml:1:9: 'auspex' must be a whole number, found 'one'" },
    { "project: flights ", "projekt: flights ",
      "f.yaml:2:1: unknown key 'projekt'; did you mean 'project'?" },
    { "project: flights ", "project: flights-2 ",
      "f.yaml:2:10: 'flights-2' is no name: letters, digits and '_', no digit in front, at most "
      "128" },
    { "entities:  ", "entity:  ", "f.yaml:3:1: unknown key 'entity'" },
    { "auspex: 1 ", "auspex: &a 1 ", "f.yaml:1:9: anchors and tags are not allowed" },
    { "online: true is the default",
      "x\n  weather: {}\nviews:", "f.yaml:35:1: 'views' was given before, in line 33" },
    { "{keys: {tailnum: string}}", "{key: {tailnum: string}}",
      "f.yaml:4:14: unknown key 'key'; did you mean 'keys'?" },
    { "{keys: {tailnum: string}}", "{keys: {tailnum: strin}}",
      "f.yaml:4:30: no type 'strin'; did you mean 'string'?" },
    { "{keys: {tailnum: string}}", "{keys: {tailnum: int}}",
      "f.yaml:4:30: no type 'int'; did you mean 'int64'?" },
    { "{expr: seats, type: float32, default: 150, ", "{expr: greatest(seats, 1), ",
      "f.yaml:39:37: unknown key '1)'; a text with a comma takes quotes in {…}" },
    { "{keys: {tailnum: string}}", "{keys: {tailnum: number}}",
      "f.yaml:4:30: no type 'number'; there are bool, int32, int64, float32, float64, string, "
      "bytes, timestamp, duration and list<…> of them" },
    { "{keys: {tailnum: string}}", "{keys: {tailnum: float64}}",
      "f.yaml:4:30: a join key is bool, int32, int64, string or timestamp, not float64" },
    { "{keys: {tailnum: string}}", "{keys: {tailnum: list<string>}}",
      "f.yaml:4:30: a join key is bool, int32, int64, string or timestamp, not list<string>" },
    { "{keys: {tailnum: string}}", "{keys: {}}", "f.yaml:4:20: 'keys' has no keys" },
    { "{keys: {tailnum: string}}", "{keys: [tailnum]}",
      "f.yaml:4:20: 'keys' must be a mapping, found a list" },
    { "{keys: {tailnum: string}}", "{description: no keys}",
      "f.yaml:4:3: the key 'keys' is missing" },
    { "{keys: {tailnum: string}}", "{keys: {tail__num: string}}",
      "f.yaml:4:21: 'tail__num' is no name: '__' stands between a role and a field" },
    { "{keys: {tailnum: string}}", "{keys: {1tail: string}}",
      "f.yaml:4:21: '1tail' is no name: letters, digits and '_', no digit in front, at most 128" },
    { "  aircraft: {keys", "  air-craft: {keys",
      "f.yaml:4:3: 'air-craft' is no name: letters, digits and '_', no digit in front, at most "
      "128" },
    { "  airport:  {keys", "  aircraft:  {keys",
      "f.yaml:5:3: 'aircraft' was given before, in line 4" },
    { "sql: sql/departures.sql ", "sqll: sql/departures.sql ",
      "f.yaml:11:5: unknown key 'sqll'; did you mean 'sql'?" },
    { "sql: sql/departures.sql ", "sql: sql/departure.sql ",
      "f.yaml:11:10: open 'FOLDER/sql/departure.sql': No such file or directory" },
    { "sql: sql/departures.sql ", "description: no rows ",
      "f.yaml:10:3: exactly one of 'files', 'sql' and 'table' says where rows come from; none is "
      "there" },
    { "files: data/weather.csv", "files: data/weather.csv\n    table: a.duckdb/main.w",
      "f.yaml:24:3: exactly one of 'files', 'sql' and 'table' says where rows come from; there are "
      "several" },
    { "files: data/weather.csv", "table: weather",
      "f.yaml:25:12: 'weather' is no FILE/SCHEMA.TABLE, as store.duckdb/main.flights" },
    { "time: departed_at  ", "time: departed  ",
      "f.yaml:12:11: source 'departures' has no column 'departed'; there are 'flight_id', "
      "'origin', 'departed_at', 'dep_delay'" },
    { "time: departed_at  ", "time: dep_delay  ",
      "f.yaml:12:11: column 'dep_delay' is float64; timestamp is expected" },
    { "time: departed_at  ", "tim: departed_at  ",
      "f.yaml:12:5: unknown key 'tim'; did you mean 'time'?" },
    { "time: departed_at  ", "time: none  ", "f.yaml:13:5: events have a time; 'time' is none" },
    { "event_id: [flight_id]     # same", "event_id: [flight]     # same",
      "f.yaml:13:16: source 'departures' has no column 'flight'; there are 'flight_id', 'origin', "
      "'departed_at', 'dep_delay'" },
    { "event_id: [flight_id]     # same", "event_id: [flight_id, flight_id]     # same",
      "f.yaml:13:27: 'flight_id' is there twice" },
    { "event_id: [flight_id]     # same", "event_id: [dep_delay]     # same",
      "f.yaml:13:15: column 'dep_delay' is float64, which identifies no event" },
    { "event_id: [flight_id]     # same", "event_id: []     # same",
      "f.yaml:13:15: 'event_id' has no names" },
    { "event_id: [flight_id]     # same", "event_id: {a: b}     # same",
      "f.yaml:13:15: 'event_id' must be a list of names, found a mapping" },
    { "departed_at: timestamp, dep_delay: float64}", "departed_at: timestmp, dep_delay: float64}",
      "f.yaml:14:63: no type 'timestmp'; did you mean 'timestamp'?" },
    { "departed_at: timestamp, dep_delay: float64}", "departed_at: timestamp, Origin: float64}",
      "f.yaml:14:74: 'origin' and 'Origin' differ in case only, which SQL does not tell apart" },
    { "departed_at: timestamp, dep_delay: float64}", "departed_at: timestamp, origin: float64}",
      "f.yaml:14:74: 'origin' was given before, in line 14" },
    { "departed_at: timestamp, dep_delay: float64}", "departed_at: timestamp, \"a\\tb\": float64}",
      "f.yaml:14:74: a column's name has 1 to 128 bytes and no control characters" },
    { "push: true                # rows", "push: maybe                # rows",
      "f.yaml:15:11: 'push' must be true or false, found 'maybe'" },
    { "push: true                # rows", "push: yes                # rows",
      "f.yaml:15:11: 'yes' means a boolean to some and a text to others: write true, false, or "
      "quotes" },
    { "push: true                # rows", "push: true\n    keep: 59m                # rows",
      "f.yaml:16:11: 'keep' is 59m, expected 1h to 36500d" },
    { "push: true                # rows", "keep: 7d                # rows",
      "f.yaml:15:5: 'keep' is for rows that are pushed; 'push' is false" },
    { "push: true                # rows", "push: true\n    keep: 4h                # rows",
      "f.yaml:50:13: the view looks back 245m, and source 'departures' does not 'keep' what was "
      "pushed for so long" },
    { "time: none ", "time: none\n    push: true ",
      "f.yaml:31:5: what is pushed has a time; 'time' is none" },
    { "time: none ", "time: none\n    created: year ",
      "f.yaml:31:5: 'created' needs a time; 'time' is none" },
    { "time: time_hour", "time: time_hour\n    zone: Europe/Berlim",
      "f.yaml:27:11: no time zone 'Europe/Berlim' in /usr/share/zoneinfo/; nearest is "
      "'Europe/Berlin'" },
    { "time: time_hour", "time: time_hour\n    zone: Amerika/NewYork",
      "f.yaml:27:11: no time zone 'Amerika/NewYork' in /usr/share/zoneinfo/; nearest is "
      "'America/New_York'" },
    { "time: time_hour", "time: time_hour\n    zone: Europe",
      "f.yaml:27:11: no time zone 'Europe' in /usr/share/zoneinfo/; names are like "
      "'Europe/Berlin'" },
    { "time: time_hour", "time: time_hour\n    created: temp",
      "f.yaml:27:14: column 'temp' is float64; timestamp is expected" },
    { "check: between,", "check: beetween,",
      "f.yaml:23:17: 'check' must be one of "
      "not_null|unique|between|in_set|regex|length|row_count|freshness|monotonic|referential|"
      "expression, found 'beetween'; did you mean 'between'?" },
    { "check: between, column: arr_delay,", "check: between, column: arr_dela,",
      "f.yaml:23:34: source 'arrivals' has no column 'arr_dela'; did you mean 'arr_delay'?" },
    { "check: between, column: arr_delay,", "check: between, column: carrier,",
      "f.yaml:23:34: column 'carrier' is string, which between does not take" },
    { "check: between, column: arr_delay,", "check: between,",
      "f.yaml:23:9: between needs 'column'" },
    { "min: -120, max: 2000,", "min: 2000, max: -120,", "f.yaml:23:50: 'min' lies above 'max'" },
    { "min: -120, max: 2000,", "min: low, max: 2000,",
      "f.yaml:23:50: 'min' must be a float64: a finite number, found 'low'" },
    { "min: -120, max: 2000, mostly", "mostly", "f.yaml:23:9: between needs 'min', 'max' or both" },
    { "mostly: 0.999", "mostly: 1.5", "f.yaml:23:75: 'mostly' is a share: above 0, at most 1" },
    { "mostly: 0.999", "pattern: x", "f.yaml:23:67: 'pattern' means nothing to between" },
    { "do: drop_row", "do: drop",
      "f.yaml:23:86: 'do' must be one of warn|drop_row|fail, found 'drop'" },
    { "do: drop_row", "do: drop_rows",
      "f.yaml:23:86: 'do' must be one of warn|drop_row|fail, found 'drop_rows'; did you mean "
      "'drop_row'?" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: row_count, min: 1, do: drop_row}",
      "f.yaml:23:40: row_count is no matter of single rows: warn or fail is expected" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: referential, column: tailnum, refers_to: planes.tail}",
      "f.yaml:23:58: source 'planes' has no column 'tail'; there are 'tailnum', 'year', 'seats'" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: referential, column: tailnum, refers_to: planes.year}",
      "f.yaml:23:58: 'tailnum' is string, which refers to no int64" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: referential, column: tailnum, refers_to: plane}",
      "f.yaml:23:58: 'refers_to' must be SOURCE.COLUMN" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: in_set, column: carrier, values: [UA, 3]}",
      "f.yaml:23:55: expected a string, in quotes when it looks like a number or a bool, "
      "found '3'" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: monotonic, column: arr_delay, by: [tailnu]}",
      "f.yaml:23:52: source 'arrivals' has no column 'tailnu'; did you mean 'tailnum'?" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: between, column: arr_delay, min: 1, by: [tailnum]}",
      "f.yaml:23:53: 'by' means nothing to between" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: expression, expr: arr_delay + 1}",
      "f.yaml:23:35: the expression is float64; bool is expected" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: expression, expr: \"arr_dela > 1\"}",
      "f.yaml:23:36: 'arr_dela' is not known here; nearest is 'arr_delay'" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: freshness, max_age: 26}",
      "f.yaml:23:37: 'max_age' must be a duration, as 90s, 15m, 24h or 7d, found '26'" },
    { "{check: between, column: arr_delay, min: -120, max: 2000, mostly: 0.999, do: drop_row}",
      "{check: not_null, columns: [dest, dest]}", "f.yaml:23:43: 'dest' is there twice" },
    { "entity: aircraft\n    source: planes", "entity: aircrafts\n    source: planes",
      "f.yaml:35:13: no entity 'aircrafts'; did you mean 'aircraft'?" },
    { "entity: aircraft\n    source: planes", "entity: aircraft\n    source: plans",
      "f.yaml:36:13: no source 'plans'; did you mean 'planes'?" },
    { "entity: aircraft\n    source: planes", "entity: aircraft\n    source: plane",
      "f.yaml:36:13: 'plane' is a view; there are no views on views: name a source" },
    { "entity: aircraft\n    source: planes", "entity: airport\n    source: planes",
      "f.yaml:34:3: source 'planes' has no column 'faa'; say which one is the key, as keys: {faa: "
      "COLUMN}" },
    { "entity: aircraft\n    source: planes", "entity: aircraft\n    sourse: planes",
      "f.yaml:36:5: unknown key 'sourse'; did you mean 'source'?" },
    { "keys: {faa: origin}       # join", "keys: {fa: origin}       # join",
      "f.yaml:42:12: entity 'airport' has no key 'fa'; did you mean 'faa'?" },
    { "keys: {faa: origin}       # join", "keys: {faa: orign}       # join",
      "f.yaml:42:17: source 'weather' has no column 'orign'; did you mean 'origin'?" },
    { "keys: {faa: origin}       # join", "keys: {faa: temp}       # join",
      "f.yaml:42:17: column 'temp' is float64; key 'faa' is string" },
    { "keys: {faa: origin}       # join", "keys: origin       # join",
      "f.yaml:42:11: 'keys' must be {join key: name}" },
    { "ttl: 3h ", "ttl: 3 hours ",
      "f.yaml:44:10: 'ttl' must be a duration, as 90s, 15m, 24h or 7d, found '3 hours'" },
    { "ttl: 3h ", "ttl: 0h ",
      "f.yaml:44:10: 'ttl' must be a duration, as 90s, 15m, 24h or 7d, found '0h'" },
    { "ttl: 3h ", "every: 59s ", "f.yaml:44:12: 'every' is 59s, expected 1m to 366d" },
    { "ttl: 3h ", "every: 367d ", "f.yaml:44:12: 'every' is 367d, expected 1m to 366d" },
    { "ttl: 3h ", "every: 1h\n    online: false ",
      "f.yaml:44:5: the view is not online, so nothing is materialised" },
    { "ttl: 3h ", "exact_events: 10 ",
      "f.yaml:44:5: 'exact_events' is for windows; no field of the view has one" },
    { "source: departures\n    fields: ", "source: departures\n    ttl: 1h\n    fields: ",
      "f.yaml:50:5: a view has 'ttl' or windows, never both: the window says how old an event may "
      "be" },
    { "source: departures\n    fields: ", "source: departures\n    exact_events: 0\n    fields: ",
      "f.yaml:50:19: 'exact_events' is 0, expected 1 to 65536" },
    { "source: planes\n", "source: planes\n    ttl: 1h\n",
      "f.yaml:37:5: source 'planes' has no time, so nothing grows old" },
    { "source: planes\n", "source: planes\n    online: maybe\n",
      "f.yaml:37:13: 'online' must be true or false, found 'maybe'" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}",
      "{temp: temp, wind: wind_sped, wet: precip > 0}",
      "f.yaml:45:32: 'wind_sped' is not known here; nearest is 'wind_speed'" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}",
      "{temp: temp, wind: wind_speed, wet: precip > }",
      "f.yaml:45:57: the text ends; expected a name, a constant, a function or '('" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}", "{temp: temp, wind: wind_speed, wet: }",
      "f.yaml:45:49: 'wet' must be an expression, found nothing" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}",
      "{temp: temp, wind: wind_speed, Temp: precip}",
      "f.yaml:45:44: 'temp' and 'Temp' differ in case only, which SQL does not tell apart" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}",
      "{temp: temp, wind: wind_speed, wet__1: precip}",
      "f.yaml:45:44: 'wet__1' is no name: '__' stands between a role and a field" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}", "{temp: temp, wind: [wind_speed]}",
      "f.yaml:45:32: 'wind' must be an expression, found a list" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}", "[temp]",
      "f.yaml:45:13: 'fields' must be a mapping, found a list" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}",
      "{temp: temp, wind: avg(wind_speed) over 1h}",
      "f.yaml:45:26: field 'wind' has a window, 'temp' is without: a view has windows in all of "
      "its fields, or in none" },
    { "{temp: temp, wind: wind_speed, wet: precip > 0}", "{temp: avg(temp) over 1h}",
      "f.yaml:44:5: a view has 'ttl' or windows, never both: the window says how old an event may "
      "be" },
    { "built: year  ", "built: avg(year) over 1h  ",
      "f.yaml:39:7: field 'seats' is without a window, 'built' has one: a view has windows in all "
      "of its fields, or in none" },
    { "avg(dep_delay) over 1h", "avg(dep_dela) over 1h",
      "f.yaml:51:25: 'dep_dela' is not known here; nearest is 'dep_delay'" },
    { "avg(dep_delay) over 1h", "avg(dep_delay) + dep_delay over 1h",
      "f.yaml:51:36: found '+'; expected filter (where …), or over and a window like 24h" },
    { "avg(dep_delay) over 1h", "dep_delay + avg(dep_delay) over 1h",
      "f.yaml:51:21: a column stands outside of the aggregates; put it into one, like last(x) over "
      "1h" },
    { "avg(dep_delay) over 1h", "avg(dep_delay) over 1h hop 2h",
      "f.yaml:51:48: a hop is 1s long or longer, and no longer than its window" },
    { "avg(dep_delay) over 1h", "avg(dep_delay) over 10y",
      "f.yaml:51:41: '10y' is no duration; write a whole number and a unit (us, ms, s, m, h, d) "
      "like 90s, 15m or 7d" },
    { "avg(dep_delay) over 1h", "avg(dep_delay)",
      "f.yaml:51:35: the text ends; expected filter (where …), or over and a window like 24h" },
    { "avg(dep_delay) over 1h", "|\n        avg(\n          dep_dela) over 1h",
      "f.yaml:53:11: 'dep_dela' is not known here; nearest is 'dep_delay'" },
    { "type: float32, default: 150", "type: flot32, default: 150",
      "f.yaml:39:34: no type 'flot32'; did you mean 'float32'?" },
    { "type: float32, default: 150", "type: string, default: 150",
      "f.yaml:39:34: the expression is int64, which is not stored as string" },
    { "type: float32, default: 150", "type: float32, default: many",
      "f.yaml:39:52: 'default' must be a float64: a finite number, found 'many'" },
    { "type: float32, default: 150", "type: float32, default: 1e39",
      "f.yaml:39:52: '1e39' is no float32" },
    { "type: float32, default: 150", "type: int32, default: 1.5",
      "f.yaml:39:50: 'default' must be an int64: a whole number, found '1.5'" },
    { "type: float32, default: 150", "type: int32, default: 3000000000",
      "f.yaml:39:50: '3000000000' is no int32" },
    { "type: float32, default: 150", "typ: float32, default: 150",
      "f.yaml:39:28: unknown key 'typ'; did you mean 'type'?" },
    { "seats: {expr: seats, type", "seats: {exp: seats, type",
      "f.yaml:39:15: unknown key 'exp'; did you mean 'expr'?" },
    { "event_id: [flight_id]     # same id = same event: a retry or correction replaces, never "
      "adds\n",
      "\n",
      "f.yaml:49:13: source 'departures' is pushed and has no event_id: a window would count an "
      "event twice that is sent again" },
    { "request: {sched_dep: timestamp,", "request: {sched_dep: timestamps,",
      "f.yaml:69:26: no type 'timestamps'; did you mean 'timestamp'?" },
    { "dep_delay: {type: float64, required: true}", "dep_delay: {type: float64, required: 1}",
      "f.yaml:69:93: 'required' must be true or false, found '1'" },
    { "dep_delay: {type: float64, required: true}", "dep_delay: {required: true}",
      "f.yaml:69:56: the key 'type' is missing" },
    { "dep_delay: {type: float64, required: true}", "origin: int64",
      "f.yaml:76:37: 'origin' is int64 in the call; key 'faa' of entity 'airport' is string" },
    { "- {name: carrier} ", "- {name: carier} ",
      "f.yaml:71:16: no request value or key 'carier'; did you mean 'carrier'?" },
    { "- {name: carrier} ", "- {name: age} ",
      "f.yaml:71:16: no request value or key 'age'; there are 'sched_dep', 'distance', "
      "'dep_delay', 'tailnum', 'origin', 'dest', 'carrier'" },
    { "- {name: carrier} ", "- carrier ", "f.yaml:71:9: expected a mapping, found 'carrier'" },
    { "- {name: carrier} ", "- {nam: carrier} ",
      "f.yaml:71:10: unknown key 'nam'; did you mean 'name'?" },
    { "- {name: carrier} ", "- {name: carrier, view: plane} ",
      "f.yaml:71:9: an item has 'name' or 'view'; this one has both" },
    { "- {name: carrier} ", "- {name: carrier, as: c} ",
      "f.yaml:71:25: 'as' goes with 'view', not with 'name'" },
    { "- {name: carrier} ", "- {expr: 1 + 1} ",
      "f.yaml:71:9: an item has 'name' or 'view'; this one has neither" },
    { "- {name: carrier} ", "- {name: carrier, type: string} ",
      "f.yaml:71:25: 'type' goes with 'expr'; a value of the call has its own" },
    { "- {name: distance}", "- {name: carrier}", "f.yaml:72:16: input 'carrier' is there twice" },
    { "- {name: distance}", "- {name: distance, expr: distance + 1}",
      "f.yaml:72:16: input 'distance' has the name of another input, or of a value of the call" },
    { "- {view: plane} ", "- {view: planes} ",
      "f.yaml:75:16: no view 'planes'; did you mean 'plane'?" },
    { "- {view: plane} ", "- {view: plane, keys: {tail: a}} ",
      "f.yaml:75:30: entity 'aircraft' has no key 'tail'; there is 'tailnum'" },
    { "- {view: plane} ", "- {view: plane, fields: [buildt]} ",
      "f.yaml:75:32: view 'plane' has no field 'buildt'; did you mean 'built'?" },
    { "- {view: plane} ", "- {view: plane, fields: [seats, seats]} ",
      "f.yaml:75:16: input 'seats' has the name of another input, or of a value of the call; give "
      "the view a role, as {as: ROLE}" },
    { "  pushback:\n",
      "  small: {features: [{view: plane, fields: [seats, seats]}]}\n  pushback:\n",
      "f.yaml:68:29: input 'seats' has the name of another input, or of a value of the call; give "
      "the view a role, as {as: ROLE}" },
    { "- {view: plane} ", "- {view: plane, keys: {tailnum: sched_dep}} ",
      "f.yaml:75:39: 'sched_dep' is timestamp in the call; key 'tailnum' of entity 'aircraft' is "
      "string" },
    { "- {view: plane} ", "- {view: plane, as: a__b} ",
      "f.yaml:75:27: 'a__b' is no name: '__' stands between a role and a field" },
    { "- {view: plane} ", "- {view: plane, expr: built} ",
      "f.yaml:75:23: 'expr' goes with 'name', not with 'view'" },
    { "keys: {faa: origin}, as: origin, fields: [temp, wind, wet]}",
      "keys: {faa: origin}, fields: [temp, wind, wet]}\n      - {view: weather, keys: {faa: dest}}",
      "f.yaml:77:16: input 'temp' has the name of another input, or of a value of the call; give "
      "the view a role, as {as: ROLE}" },
    { "expr: 2013 - built", "expr: 2013 - bilt",
      "f.yaml:81:34: 'bilt' is not known here; nearest is 'built'" },
    { "expr: 2013 - built", "expr: 2013 - age",
      "f.yaml:81:34: 'age' is not known here; an expression knows the inputs above it alone" },
    { "extract(hour from sched_dep at time zone 'America/New_York')", "distance + origin__wind",
      "f.yaml:74:40: 'origin__wind' is not known here; an expression knows the inputs above it "
      "alone" },
    { "expr: 2013 - built", "expr: 2013 - agee", "f.yaml:81:34: 'agee' is not known here" },
    { "expr: 2013 - built", "expr: count(*) over 1h",
      "f.yaml:81:27: count is an aggregate, which only a field of a view can be" },
    { "expr: 2013 - built", "expr: 2013 - built, type: bool",
      "f.yaml:81:47: the expression is int64, which is not stored as bool" },
    { "    request: {", "    exclude_self: true\n    request: {",
      "f.yaml:69:19: the call gives the event_id of no source that the views read: add it to "
      "'request'" },
    { "    request: {", "    exclude_self: planes\n    request: {",
      "f.yaml:69:19: source 'planes' has no event_id" },
    { "    request: {", "    exclude_self: departures\n    request: {",
      "f.yaml:69:19: the call does not give the event's id: add 'flight_id: string' to 'request'" },
    { "    request: {", "    exclude_self: departure\n    request: {",
      "f.yaml:69:19: no source 'departure'; did you mean 'departures'?" },
    { "service: pushback", "service: pushbak",
      "f.yaml:84:14: no service 'pushbak'; did you mean 'pushback'?" },
    { "service: pushback", "service: pushback\n    columns: [a]",
      "f.yaml:83:3: a model has 'service' or 'columns'; this one has both" },
    { "service: pushback", "description: nothing",
      "f.yaml:83:3: a model has 'service' or 'columns'; this one has neither" },
    { "rows: {sql: sql/rows.sql}  ", "rows: {sql: sql/row.sql}  ",
      "f.yaml:86:19: open 'FOLDER/sql/row.sql': No such file or directory" },
    { "rows: {sql: sql/rows.sql}  ", "rows: all  ",
      "f.yaml:86:13: 'rows' must be a mapping, found 'all'" },
    { "rows: {sql: sql/rows.sql}  ", "rows: {sql: sql/rows.sql, file: a.csv}  ",
      "f.yaml:86:13: rows are {sql: …} or {file: …}; these are both" },
    { "rows: {sql: sql/rows.sql}  ", "rows: {}  ",
      "f.yaml:86:13: rows are {sql: …} or {file: …}; these are neither" },
    { "rows: {sql: sql/rows.sql}  ", "rows: {fiel: a.csv}  ",
      "f.yaml:86:14: unknown key 'fiel'; did you mean 'file'?" },
    { "label: arr_delay > 15", "labels: arr_delay > 15",
      "f.yaml:88:7: unknown key 'labels'; did you mean 'label'?" },
    { "  flight_delay:", "  flight delay:",
      "f.yaml:83:3: 'flight delay' is no name of a model: letters, digits, '_', '-' and '.', at "
      "most 128" },
};

/* Paths of files stand in messages; the test's folder is another one each time. */
static void hide_folder(char *msg)
{
    char *at = strstr(msg, folder);
    size_t len = strlen(folder);
    if (at) {
        memcpy(at, "FOLDER", 6);
        memmove(at + 6, at + len, strlen(at + len) + 1);
    }
}

static void check(struct ax_str text, const char *shown, const char *msg)
{
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    if (!read_definitions(text, &read, &err)) {
        ax_definitions_done(&read);
        fail_msg("%s was accepted", shown);
    }
    hide_folder(err.msg);
    if (strcmp(err.msg, msg) != 0)
        fail_msg("%s:\n  %s\nis not\n  %s", shown, err.msg, msg);
}

static void one_thing_is_wrong(void **state)
{
    (void)state;
    struct ax_buf text;
    ax_buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        ax_buf_reset(&text);
        replace_text(ax_buf_str(&flights), rows[i].old, rows[i].new, &text);
        if (!text.failed)
            check(ax_buf_str(&text), rows[i].new, rows[i].msg);
    }
    ax_buf_done(&text);
}

static void the_whole_text_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *msg;
    } texts[] = {
        { "", "f.yaml:1:1: 'auspex: 1' is missing: every *.yaml of the folder is a file of "
              "definitions" },
        { "[]", "f.yaml:1:1: expected a mapping with auspex: 1, found a list" },
        { "auspex: 1\nviews: [a]\n", "f.yaml:2:8: 'views' must be a mapping of names" },
        { "auspex: 1\nviews:\n", "f.yaml:2:7: 'views' must be a mapping of names" },
        { "auspex: 1\nviews: {v: }\n", "f.yaml:2:12: 'v' must be a mapping, found nothing" },
        { "auspex: 1\nviews: {v: {entity: e, source: s, fields: {a: b}}}\n",
          "f.yaml:2:21: no entity 'e'" },
        { "auspex: 1\nservices: {s: {features: []}}\n", "f.yaml:2:26: 'features' has no features" },
        { "auspex: 1\nservices: {s: {features: [{view: v}]}}\n", "f.yaml:2:34: no view 'v'" },
        { "auspex: 1\nservices: {s: {features: [{name: v}]}}\n",
          "f.yaml:2:34: no request value or key 'v'" },
        { "auspex: 1\nmodels: {m: {service: s, train: {}}}\n", "f.yaml:2:23: no service 's'" },
        { "auspex: 1\na: &a [x, x]\nb: &b [*a, *a]\n",
          "f.yaml:2:4: anchors and tags are not allowed" },
        { "auspex: 1\nviews: {v: {<<: {}}}\n", "f.yaml:2:13: merge keys are not allowed" },
        { "auspex: 1\nviews: {\"on\": {}, off: {}}\n",
          "f.yaml:2:19: 'off' means a boolean to some and a text to others: write true, false, or "
          "quotes" },
        { "auspex: 1\nviews: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
          "f.yaml:2:39: nested over 32 deep" },
    };
    for (size_t i = 0; i < AX_COUNT(texts); i++)
        check(ax_str_from(texts[i].text), texts[i].text, texts[i].msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thing_is_wrong),
        cmocka_unit_test(the_whole_text_is_wrong),
    };
    return cmocka_run_group_tests(tests, make_definitions, remove_definitions);
}

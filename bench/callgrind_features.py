# SPDX-License-Identifier: Apache-2.0
"""Instructions of plans, expressions, rules, windows and features online, for bench/callgrind.

A plan reads definitions, and compares them with others that were applied: all of `auspex plan` is
counted. The others are counted inside of functions of small programs (bench/micro/counted.c,
bench/micro/windows.c), of which each is run once.
"""

import re
import subprocess

AUSPEX = "build/auspex"
PROGRAMS = "build/release/bench/"
VIEWS, FIELDS = 100, 20
# Of counted.c, in the order in which it calls them: name, and by how much the count is divided.
COUNTED = {
    "counted_compile": ("20 expressions, parsed and compiled", 1),
    "counted_batch": ("20 expressions, 2,048 rows", 4),
    "counted_single": ("20 expressions, one row", 20),
    "counted_rules": ("rules, 256 rows", 4),
    "counted_online_write": ("64 features of a key, written", 4096),
    "counted_online_read": ("64 features of a key, read", 4096),
    "counted_vector_single": ("40 features of 5 views to a model's row", 64),
    "counted_vector_batch": ("40 features of 5 views to 16 rows of a model, one row", 64 * 16),
    "counted_sampling": ("40 features of 5 views, sampled, one row", 64 * 16),
}
# The same of windows.c, which has so many keys and events a key; and how many late ones and reads.
WINDOWS = ("online", "10", "2000")
COUNTED_WINDOWS = {
    "counted_updates*": ("30 values of 5 windows online, an event", 10 * 2000),
    "counted_late*": ("30 values of 5 windows online, a late event", 10 * 2000 / 20),
    "counted_reads*": ("30 values of 5 windows online, read", 10 * 2000 / 20),
}


def run(folder, pattern, command, *functions, status=0):
    """What was counted inside of functions: all, or of each that is named, in the order of their ends.
    (A function that is named and is the pattern, too, would not be counted.)"""
    out = folder / "features.out"
    for old in folder.glob("features.out*"):
        old.unlink()
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={out}",
         f"--toggle-collect={pattern}", *(f"--dump-after={function}" for function in functions), *command],
        check=False, capture_output=True, timeout=300)
    assert done.returncode == status, done.stderr.decode()
    files = sorted(folder.glob("features.out*"), key=lambda path: (len(path.name), path.name))
    totals = [re.search(r"^(?:summary|totals): (\d+)", path.read_text(encoding="utf-8"), re.M)
              for path in files]
    return [int(total[1]) for total in totals if int(total[1])]


def write_definitions(folder, factor):
    """Half of the fields compute, half are windows; of another factor every tenth view is another."""
    lines = ["auspex: 1", "entities: {thing: {keys: {k: string}}}", "sources:",
             "  events:", "    files: events.csv", "    time: t", "    event_id: id",
             "    columns:", "      k: string", "      t: timestamp", "      id: string",
             *(f"      c{c}: float64" for c in range(FIELDS)), "views:"]
    for view in range(VIEWS):
        lines += [f"  v{view}:", "    entity: thing", "    source: events", "    fields:"]
        by = factor if view % 10 == 0 else 2
        for field in range(FIELDS):
            lines.append(f"      f{field}: avg(c{field}) over {1 + field}h" if view % 2 else
                         f"      f{field}: case when c{field} > {field} then c{field} * {by} end")
    lines += ["services:", "  s:", "    features:"]
    lines += [f"      - {{view: v{view}, as: r{view}}}" for view in range(40)]
    (folder / "features.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def plan(folder):
    definitions = folder / "planned"
    definitions.mkdir()
    columns = ",".join(f"c{c}" for c in range(FIELDS))
    (definitions / "events.csv").write_text(
        f"k,t,id,{columns}\na,2013-10-01T00:00:00Z,b{',0.5' * FIELDS}\n", encoding="utf-8")
    write_definitions(definitions, 2)
    state = ("--state", str(folder / "planned-state"))
    subprocess.run([AUSPEX, "apply", *state, str(definitions)], check=True, capture_output=True)
    write_definitions(definitions, 3)
    total, = run(folder, "ax_cmd_plan", [AUSPEX, "plan", *state, str(definitions)], status=2)
    return total


def count_all(folder, command, counted):
    totals = run(folder, "counted_*", command, *counted)
    assert len(totals) == len(counted), f"which function of {command[0]} was not counted?"
    return {name: round(total / by) for total, (name, by) in zip(totals, counted.values())}


def measure(folder):
    """Counts by their names."""
    counts = count_all(folder, [PROGRAMS + "counted"], COUNTED)
    counts |= count_all(folder, [PROGRAMS + "windows", *WINDOWS], COUNTED_WINDOWS)
    counts["windows over three days of flights"], = run(folder, "join_rows*",
                                                        [PROGRAMS + "windows", "counted"])
    counts[f"plan of {VIEWS} views of {FIELDS} fields"] = plan(folder)
    return counts

# SPDX-License-Identifier: Apache-2.0
"""The tables of bench/features."""

P99S = ("quarter_p99_us", "p99_us", "worst_p99_us")


def place(part):
    machine = part["machine"]
    before = " Open loops went before all other processes." if part.get("has_priority") else ""
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['features']}; commit "
            f"{part['commit']}, {part['date']}; {part['rounds']} rounds; "
            f"{part['stolen_percent']:.1f} % of the time was stolen, the load of the machine was "
            f"{part['load']:.1f}.{before}")


def microseconds(side, load, *figures):
    return ", ".join(f"{side[load][figure]:,.0f}" for figure in figures) if load in side else ""


def feast_lines(part):
    lines = ["## Features over HTTP, beside Feast", "", place(part),
             f"{', '.join(part['versions'] or ['No Feast'])}; {part['keys']:,} entities, views of ten int64; one I/O thread "
             "of ours, one worker of Feast's server.",
             "CPU is that of the server's process alone, microseconds a request. *Alone*: one request at a",
             "time; *half*: at half of what the same side takes, of its slices the lower quarter, the median and the worst. *Ours* is",
             "how many times ours answers with the same CPU time, and by how much its p99 is shorter, at half of",
             "what each takes. *floor*: an empty server that sends such bytes, at the same rate as ours.", "",
             "| entities × features | who | requests/s | CPU | p50, p99 alone | p99 at half: quarter, median, worst | "
             "ours: CPU, p99 | requests: most, alone, half | answers differing |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for case in part["cases"]:
        ours = case["sides"]["auspex"]
        for name, side in case["sides"].items():
            if name == "floor":
                lines.append(f"| {case['entities']} × {case['features']} | floor |  |  |  | "
                             f"{microseconds(side, 'half', *P99S)} |  | "
                             f"{side['half']['requests']} |  |")
                continue
            load = "full" if "full" in side else "alone"
            ratio = "" if side is ours else f"{side[load]['cpu_us'] / ours['full']['cpu_us']:,.0f}×"
            if ratio and "half" in side:
                ratio += f", {side['half']['p99_us'] / ours['half']['p99_us']:,.0f}×"
            lines.append(
                f"| {case['entities']} × {case['features']} | {name} "
                f"| {side[load]['requests_per_s']:,.0f} | {microseconds(side, load, 'cpu_us')} | "
                f"{microseconds(side, 'alone', 'p50_us', 'p99_us')} | "
                f"{microseconds(side, 'half', *P99S)} | {ratio} | "
                f"{', '.join(str(side[x]['requests']) for x in ('full', 'alone', 'half') if x in side)} | "
                f"{case['differing'][name]} of {case['compared']} |")
    lines += [f"- Absent: {name}: {why}" for name, why in part["absent"].items()]
    return lines + [""]


def predict_lines(part):
    entity = part["forms"]["by entity"]
    lines = ["## Predictions by entity, beside those of ready-made values", "", place(part),
             f"{part['features']} features of five views of two entities, {part['trees']} trees of depth "
             f"{part['depth']}, one row of {part['rows']:,} a request.", "",
             "| form | requests/s | CPU | p50, p99 alone | p99 at half: quarter, median, worst | "
             "by entity: rate of CPU, p99: quarter, median | "
             "predictions differing |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for form, side in part["forms"].items():
        if form == "floor":
            lines.append("| floor |  |  |  | "
                         f"{microseconds(side, 'half', *P99S)} |  |  |")
            continue
        ratio = "" if side is entity else (
            f"{side['full']['cpu_us'] / entity['full']['cpu_us']:.0%}, "
            f"{entity['half']['quarter_p99_us'] / side['half']['quarter_p99_us']:.2f}×, "
            f"{entity['half']['p99_us'] / side['half']['p99_us']:.2f}×")
        lines.append(f"| {form} | {side['full']['requests_per_s']:,.0f} | {side['full']['cpu_us']:.1f} | "
                     f"{microseconds(side, 'alone', 'p50_us', 'p99_us')} | "
                     f"{microseconds(side, 'half', *P99S)} | {ratio} | "
                     f"{part['differing'][form]} |")
    return lines + [""]


def push_lines(part):
    lines = ["## Pushes over HTTP", "", place(part),
             f"{part['keys']:,} keys; batches of {part['batch_rows']:,} rows as JSON, two connections. *And read*: a row is",
             "pushed, then its key is read by another connection; both together, and how many reads did not see",
             "it. CPU is that of the server's process, with journal and folding, nanoseconds a row.", "",
             "| durability | pushed and read: p50, p99 us | of these unseen | one row: p50, p99 us | "
             "states: rows/s, CPU | events of windows: rows/s, CPU |", "| --- | --- | --- | --- | --- | --- |"]
    for durability, found in part["durabilities"].items():
        seen, one, states, events = (found[name] for name in ("seen", "one", "states", "events"))
        lines.append(f"| {durability} | {seen['p50_us']:,.0f}, {seen['p99_us']:,.0f} | "
                     f"{seen['unseen']} of {seen['pushes']} | {one['p50_us']:,.0f}, {one['p99_us']:,.0f} | "
                     f"{states['rows_per_s']:,.0f}, {states['cpu_ns']:,.0f} | "
                     f"{events['rows_per_s']:,.0f}, {events['cpu_ns']:,.0f} |")
    return lines + [""]


def markdown(results):
    lines = ["# Features online", "", "Made by `bench/features/run`; docs/bench.md says how to read it.", ""]
    if "feast" in results:
        lines += feast_lines(results["feast"])
    if "predict" in results:
        lines += predict_lines(results["predict"])
    if "push" in results:
        lines += push_lines(results["push"])
    return "\n".join(lines)

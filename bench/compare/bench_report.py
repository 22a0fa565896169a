# SPDX-License-Identifier: Apache-2.0
"""From the driver's slices to tables: medians, ratios with their intervals, parity, Markdown."""

import numpy as np

RESAMPLES = 2000
AGAIN = "auspex, again"
ULPS_TOLD = 10**6  # beyond that, near zero, they only say that it was near zero


def summary(values):
    return {"least": round(float(np.min(values)), 1), "median": round(float(np.median(values)), 1)}


def interval(ratios, rng, digits=3):
    """The 95 % bootstrap interval of the median."""
    picks = rng.integers(0, len(ratios), (RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[picks], axis=1), [2.5, 97.5])
    return [round(float(low), digits), round(float(high), digits)]


def digest(slices):
    """`slices` of one peer and batch size, a row each round: ours, its own, its own, ours."""
    slices = np.asarray(slices)
    ours, theirs = slices[:, [0, 3]], slices[:, [1, 2]]
    ratios = theirs.sum(axis=1) / ours.sum(axis=1)
    low, high = np.percentile(ratios, [5, 95])
    return {"rounds": len(slices), "ours_ns": summary(ours), "theirs_ns": summary(theirs),
            "ratio": round(float(np.median(ratios)), 3),
            "ratio_interval": interval(ratios, np.random.default_rng(1)),
            "ratio_band": [round(float(low), 3), round(float(high), 3)],
            "least_ratio": round(float(theirs.min() / ours.min()), 3)}


def time_text(ns):
    """Three digits."""
    us = ns / 1000
    return f"{us:.3f}" if us < 1 else f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 \
        else f"{us:.0f}"


def ratio_text(result):
    low, high = result["ratio_interval"]
    return f"{result['ratio']:.2f}× ({low:.2f}–{high:.2f})"


def part_text(part):
    if not part["differing"]:
        return "equal"
    percent = 100 * part["differing"] / part["rows"]
    ulps = f"{part['worst_ulps']:,}" if part["worst_ulps"] <= ULPS_TOLD else f"over {ULPS_TOLD:,}"
    return f"{percent:.{0 if percent >= 10 else 2}f} % differ, by {part['worst_difference']:.1e} at " \
        f"most ({ulps} ulp)"


def parity_text(parity):
    """Ordinary rows and rows at the edges."""
    rows = sum(part["rows"] for part in parity.values())
    if not any(part["differing"] for part in parity.values()):
        return f"all {rows:,} rows equal as bits"
    return "; ".join(f"{what}: {part_text(part)}" for what, part in parity.items())


def load_cell(described):
    """Generated code is loaded by the linker; what Python loads begins with Python."""
    return {"compiled": "compiled", "worker": "–"}.get(described["kind"],
                                                      f"{described['load_ms']:.1f}")


def parity_cell(described):
    if described["is_source"]:
        return "the source" if not described["family"] else "the source of its own model"
    return parity_text(described["parity"])


def origin(model):
    """Where, when, of what, and how."""
    machine = model["machine"]
    return f"{machine['cpu']}, {machine['cores']} cores ({machine['features']}), " \
        f"{machine['system']}, {machine['compiler']}; commit {model['commit']}, {model['date']}, " \
        f"`{model['command']}`."


def model_table(model):
    """One model's results as Markdown."""
    batches = model["batches"]
    lines = [f"### {model['title']}", "",
             "| | " + " | ".join(f"{b:,} row{'s' if b > 1 else ''} a call" for b in batches)
             + " | load, ms | margins beside the source's |",
             "| --- |" + " --- |" * (len(batches) + 2)]
    cells = []
    for batch in batches:
        again = model["results"][AGAIN][str(batch)]
        cells.append(f"**{time_text(again['ours_ns']['least'])} / "
                     f"{time_text(again['ours_ns']['median'])}**")
    ours = model["contestants"]["auspex"]
    lines.append(f"| **auspex** | {' | '.join(cells)} | {ours['load_ms']:.1f} | "
                 f"{parity_text(ours['parity'])} |")
    for name, results in model["results"].items():
        if name == AGAIN:
            continue
        described = model["contestants"][name]
        cells = [f"{time_text(results[str(b)]['theirs_ns']['least'])} / "
                 f"{time_text(results[str(b)]['theirs_ns']['median'])}<br>"
                 f"{ratio_text(results[str(b)])}" for b in batches]
        lines.append(f"| {name} | {' | '.join(cells)} | {load_cell(described)} | "
                     f"{parity_cell(described)} |")
    band = ", ".join(f"{model['results'][AGAIN][str(b)]['ratio_band'][0]:.2f}–"
                     f"{model['results'][AGAIN][str(b)]['ratio_band'][1]:.2f}" for b in batches)
    lines += ["", f"Ours beside ours, 90 % of the rounds: {band}. Stolen time "
              f"{model['steal_percent']:.1f} %, load {model['load_average']:.1f}. {origin(model)}"]
    notes = [f"{name}: {c['note']}" for name, c in model["contestants"].items() if c["note"]]
    if notes:
        lines.append(" ".join(f"{note}." for note in notes))
    lines += [f"Absent: {name}: {why}." for name, why in model["absent"].items()]
    return "\n".join(lines) + "\n"


def markdown(results, title, pictures=""):
    """All tables; with `pictures`, the beginning of a link, each has its picture."""
    head = [title,
            "Microseconds a row, one thread, least / median of the slices; below them how many "
            "times ours that is: the median over the rounds, each of them ours, the peer's, the "
            "peer's, ours, and the 95 % bootstrap interval of that median. **Above 1 ours is ahead, "
            "below 1 the peer.**",
            ""]
    tables = []
    for model in results["models"]:
        tables.append(model_table(model))
        if pictures:
            tables.append(f"![{model['title']}: microseconds a row]({pictures}{model['name']}.svg)\n")
    return "\n".join(head) + "\n" + "\n".join(tables)

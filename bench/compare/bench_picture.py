# SPDX-License-Identifier: Apache-2.0
"""One model's times as a picture: a bar an engine and batch size, on a logarithmic scale, as SVG."""

import html
import math

import bench_report

WIDTH, LABEL, BAR, GAP, TOP = 860, 260, 13, 14, 34
PLOT = WIDTH - LABEL - 90
OURS, THEIRS = ["#0b5cad", "#3d8bd9", "#84b9ec", "#b8d6f3"], ["#7a5c00", "#b58900", "#d9b64a",
                                                             "#ecd896"]


def entries(model):
    """[(name, is it ours, [median ns of each batch size])], ours first."""
    batches = [str(b) for b in model["batches"]]
    ours = model["results"][bench_report.AGAIN]
    found = [("auspex", True, [ours[b]["ours_ns"]["median"] for b in batches])]
    for name, results in model["results"].items():
        if name != bench_report.AGAIN:
            found.append((name, False, [results[b]["theirs_ns"]["median"] for b in batches]))
    return found


def text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{extra}>{html.escape(words)}</text>'


def grid(low, high, bottom, label):
    """A line for each power of ten; `label` says what 10^0 of the scale is."""
    lines = []
    for power in range(low, high + 1):
        x = LABEL + PLOT * (power - low) / (high - low)
        lines.append(f'<line x1="{x:.0f}" y1="{TOP - 6}" x2="{x:.0f}" y2="{bottom}" '
                     'stroke="#999" stroke-width="0.5"/>')
        lines.append(text(x, TOP - 10, label(10.0 ** power), "middle"))
    return lines


def bars(title, found, label, shown, note):
    """The SVG: `found` is [(name, is it ours, [values])], each as many, `label` writes the scale's
    numbers and `shown` a bar's value; `note` stands below."""
    values = [value for _, _, series in found for value in series]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    block = BAR * len(found[0][2]) + GAP
    height = TOP + block * len(found) + 24
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11">',
             f"<title>{html.escape(title)}</title>",
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             *grid(low, high, height - 24, label)]
    for i, (name, is_ours, series) in enumerate(found):
        y = TOP + i * block
        weight = ' font-weight="bold"' if is_ours else ""
        lines.append(text(LABEL - 8, y + BAR * len(series) / 2 + 4, name, "end", weight))
        for at, (value, colour) in enumerate(zip(series, OURS if is_ours else THEIRS)):
            width = PLOT * (math.log10(value) - low) / (high - low)
            lines.append(f'<rect x="{LABEL}" y="{y + at * BAR}" width="{width:.1f}" '
                         f'height="{BAR - 1}" fill="{colour}"/>')
            lines.append(text(LABEL + width + 4, y + at * BAR + BAR - 3, shown(value)))
    lines.append(text(LABEL, height - 8, note))
    return "\n".join([*lines, "</svg>"]) + "\n"


def picture(model):
    """One model's."""
    sizes = ", ".join(f"{b:,}" for b in model["batches"])
    return bars(f"{model['title']}: microseconds a row", entries(model),
                lambda ns: f"{ns / 1000:g} µs", bench_report.time_text,
                f"Median, one thread, logarithmic. From dark to light: {sizes} rows a call. "
                "Shorter is faster.")

# SPDX-License-Identifier: Apache-2.0
"""What came of a scenario: checks, which are counts and must hold, and figures, which are times of this
machine at this hour and are told beside what was wanted. As text, JSON and Markdown."""

import math


class Report:
    """Of one scenario on one server."""

    def __init__(self, name, title, server, short):
        self.name, self.title, self.server, self.short = name, title, server, short
        self.checks, self.figures, self.notes = [], [], []

    def check(self, what, found, wanted):
        self.checks.append({"what": what, "found": found, "wanted": wanted,
                            "holds": bool(found == wanted)})

    def at_most(self, what, found, limit):
        self.checks.append({"what": what, "found": found, "wanted": f"≤ {limit}",
                            "holds": bool(found <= limit)})

    def at_least(self, what, found, limit):
        self.checks.append({"what": what, "found": found, "wanted": f"≥ {limit}",
                            "holds": bool(found >= limit)})

    def figure(self, what, value, goal=""):
        """`value` is a text or a number with its unit in `what`, NaN of none; `goal` a text."""
        if isinstance(value, float) and math.isnan(value):
            value = None  # NaN is no JSON
        self.figures.append({"what": what, "value": value, "goal": goal})

    def note(self, text):
        self.notes.append(text)

    @property
    def holds(self):
        return all(check["holds"] for check in self.checks)

    def json(self):
        return {**vars(self), "holds": self.holds}


def number(value):
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def text(report):
    lines = [f"== {report['name']}, {report['server']}: {report['title']}"]
    for check in report["checks"]:
        mark = "ok    " if check["holds"] else "FAILED"
        lines.append(f"  {mark} {check['what']}: {number(check['found'])} "
                     f"(wanted {number(check['wanted'])})")
    for figure in report["figures"]:
        goal = f" (wanted {figure['goal']})" if figure["goal"] else ""
        lines.append(f"         {figure['what']}: {number(figure['value'])}{goal}")
    lines += [f"         {note}" for note in report["notes"]]
    return "\n".join(lines)


def counts(report):
    """How many hold, and which do not."""
    failed = [f"**{c['what']}: {number(c['found'])}, wanted {number(c['wanted'])}**"
              for c in report["checks"] if not c["holds"]]
    text = f"{len(report['checks']) - len(failed)} of {len(report['checks'])} hold"
    return "; ".join([text, *failed])


def summary(found):
    """Of all scenarios a row for each figure that something is wanted of, and what others do."""
    out = ["| scenario | figure | wanted | measured |", "| --- | --- | --- | --- |"]
    for name, reports in found["scenarios"].items():
        for report in reports:
            who = name if report["server"] == "auspex" else f"{name}, {report['server']}"
            if report["checks"]:
                out.append(f"| {who} | counts | all | {counts(report)} |")
                out += [f"| {who} | {f['what']} | {f['goal']} | {number(f['value'])} |"
                        for f in report["figures"] if f["goal"]]
            elif report["figures"]:
                told = "; ".join(f"{f['what']}: {number(f['value'])}" for f in report["figures"])
                out.append(f"| {who} | | | {told} |")
            out += [f"| {who} | – | | {note} |" for note in report["notes"]]
    origins = sorted({r["origin"] for reports in found["scenarios"].values() for r in reports
                      if "origin" in r})
    machine = found["machine"]
    return "\n".join([*out, "", f"{machine['cpu']}, {machine['cores']} cores.",
                      *(f"- {origin}" for origin in origins)]) + "\n"


def markdown(found):
    """All that was measured, ours first."""
    out = ["# A fleet that changes, under load", "",
           "Written by `bench/scenario/run`; [scenarios.md](../../docs/scenarios.md) tells what is "
           "done and how to read it.", ""]
    for name, reports in found["scenarios"].items():
        out += [f"## {name}: {reports[0]['title']}", ""]
        for report in reports:
            out += [f"### {report['server']}", ""]
            if report["checks"]:
                out += [f"Counts: {counts(report)}.", ""]
            if report["figures"]:
                out += ["| figure | wanted | measured |", "| --- | --- | --- |"]
                out += [f"| {f['what']} | {f['goal'] or '–'} | {number(f['value'])} |"
                        for f in report["figures"]]
                out.append("")
            out += [f"{note}\n" for note in report["notes"]]
            out += [f"{report['origin']}\n"] if "origin" in report else []
    return "\n".join(out)

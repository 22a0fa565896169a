# SPDX-License-Identifier: Apache-2.0
"""From rounds to ratios: which rounds count, medians and their intervals, Markdown."""

import numpy as np

import bench_report

STEAL_PERCENT_MAX = 3
OTHERS_PERCENT_MAX = 5
FLOOR_OFF_MAX = 0.2


def worth(rounds, steady, has_priority):
    """The rounds to count: no void slice, little time stolen or (without priority over them) taken by
    other processes, the other server as fast as it usually is (by `steady`). All of them, when fewer
    than half would be left; then the machine was too busy."""
    others = np.array([[s[steady] for s in r["slices"][1:3]] for r in rounds]).mean(axis=1)
    off = np.abs(others / np.median(others) - 1)
    good = [r for r, o in zip(rounds, off) if r["steal_percent"] <= STEAL_PERCENT_MAX
            and (has_priority or r["others_percent"] <= OTHERS_PERCENT_MAX) and o <= FLOOR_OFF_MAX
            and not any(s["void"] for s in r["slices"])]
    return (good, False) if 2 * len(good) >= len(rounds) else (rounds, True)


def numbers(rounds, which, figure):
    return np.array([[r["slices"][i][figure] for i in which] for r in rounds])


def median(rounds, which, figure):
    return float(np.median(numbers(rounds, which, figure)))


OURS, THEIRS = (0, 3), (1, 2)


def side(rounds, which):
    return {figure: round(median(rounds, which, figure), 3) for figure in
            ("requests_per_s", "rows_per_s", "rows_per_cpu_s", "cpu_us", "user_us", "server_busy", "client_busy", "p50_us",
             "p99_us", "p999_us", "slip_p99_us")}


def ratio(rounds, figure):
    ours, theirs = numbers(rounds, OURS, figure), numbers(rounds, THEIRS, figure)
    ratios = ours.sum(axis=1) / theirs.sum(axis=1)
    # First slice beside last: what the same server differs by within a round.
    again = ours[:, 0] / ours[:, 1]
    low, high = np.percentile(np.concatenate([again, 1 / again]), [5, 95])
    # Digits enough for what is a thousandth of the other one's.
    return {"median": round(float(np.median(ratios)), 6),
            "interval": bench_report.interval(ratios, np.random.default_rng(1), 6),
            "band": [round(float(low), 3), round(float(high), 3)]}


def digest(rounds, figure, steady, has_priority=False):
    """Of one pair in one scenario."""
    kept, is_noisy = worth(rounds, steady, has_priority)
    return {"rounds": rounds, "kept": len(kept), "is_noisy": is_noisy,
            "ours": side(kept, OURS), "theirs": side(kept, THEIRS),
            "ratios": {name: ratio(kept, name) for name in (figure, "cpu_us", "requests_per_s")}}


# ---- Markdown ----

def three_digits(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio_text(found):
    low, high = found["interval"]
    return f"**{found['median']:.2f}×** ({low:.2f}–{high:.2f})"


FIGURES = {"cpu_us": "server CPU a request, us", "user_us": "of it in user mode, us",
           "p99_us": "p99, us", "p50_us": "p50, us", "slip_p99_us": "of it the client's own, p99, us",
           "requests_per_s": "requests/s", "rows_per_s": "rows/s",
           "rows_per_cpu_s": "rows a second of server CPU"}


def figure_row(scenario, result, figure, other):
    found = result["ratios"].get(figure)
    goal = scenario["goal"] if figure == scenario["figure"] and other == "echo" else ""
    band = f"{found['band'][0]:.2f}–{found['band'][1]:.2f}" if found else ""
    return f"| {FIGURES[figure]} | {three_digits(result['ours'][figure])} | " \
        f"{three_digits(result['theirs'][figure])} | {ratio_text(found) if found else ''} | " \
        f"{goal} | {band} |"


def pair_table(scenario, other, result):
    figures = ["p99_us", "slip_p99_us", "p50_us", "cpu_us", "user_us"] if scenario["rate"] else \
        ["cpu_us", "user_us", "requests_per_s"]
    if scenario["rows"] > 1:
        figures += ["rows_per_s", "rows_per_cpu_s"]
    lines = [f"| | auspex | {other} | auspex / {other} (95 %) | goal | auspex / auspex |",
             "| --- | --- | --- | --- | --- | --- |"]
    lines += [figure_row(scenario, result, figure, other) for figure in figures]
    rounds = result["rounds"]
    void = sum(s["void"] for r in rounds for s in r["slices"])
    steal = np.median([r["steal_percent"] for r in rounds])
    others = np.median([r["others_percent"] for r in rounds])
    told = f"{result['kept']} of {len(rounds)} rounds count"
    if result["is_noisy"]:
        told = f"**Fewer than half of the {len(rounds)} rounds had a quiet machine and a client " \
            "that was on time, so all count, for orientation only.**"
    lines += ["", f"{told}{'' if told.endswith('**') else '.'} Client busy "
              f"{100 * result['ours']['client_busy']:.0f} %, server "
              f"{100 * result['ours']['server_busy']:.0f} %; {void} of {4 * len(rounds)} slices "
              f"void; stolen {steal:.1f} %; other processes {others:.1f} %."]
    return lines


def made_by(part):
    return f"{part['commit']}, {part['date']}, `{part['command']}`."


def scenario_text(scenario, heading):
    lines = [f"{heading} {scenario['title']}", ""]
    if scenario["load"]:
        lines += [f"{scenario['rate']:,} requests/s by a Poisson schedule: half of what our closed "
                  "loop took in a probe just before.", ""]
    for other, result in scenario["results"].items():
        lines += [*pair_table(scenario, other, result), ""]
    lines += [f"Absent: {name}: {why}.\n" for name, why in scenario.get("absent", {}).items()]
    before = ", before all other processes of the machine" if scenario["has_priority"] else ""
    lines += [f"Slices of {scenario['seconds']:g} s{before}; {made_by(scenario)}", ""]
    return "\n".join(lines)


def answers_text(parity):
    if not parity["differing"]:
        return f"all {parity['rows']:,} equal"
    return f"{parity['differing']:,} of {parity['rows']:,} differ, by " \
        f"{parity['worst_difference']:.1e} at most"


def times_text(pair, figure, is_rate):
    """How many times the other one's ours is: its rate in ours, or our cost in its."""
    found = pair["ratios"][figure]
    times, ends = found["median"], found["interval"]
    if not is_rate:
        times, ends = 1 / times, [1 / end for end in reversed(ends)]
    return f"**{three_digits(times)}×** ({three_digits(ends[0])}–{three_digits(ends[1])})"


def milliseconds(side_of, figure):
    return f"{side_of[figure] / 1000:.2f}"


def peer_row(peer):
    one, many, late = (peer["scenarios"][name] for name in ("peer-json", "peer-json64", "peer-p99"))
    many_cell = f"{three_digits(many['theirs']['rows_per_s'])} · " \
        f"{three_digits(many['ours']['rows_per_s'])}<br>{times_text(many, 'rows_per_s', True)}"
    binary = peer["scenarios"].get("peer-binary64")
    if binary:
        many_cell += f"<br>binary: {three_digits(binary['theirs']['rows_per_s'])} · " \
            f"{three_digits(binary['ours']['rows_per_s'])}<br>" \
            f"{times_text(binary, 'rows_per_s', True)}"
    cells = [peer["name"], answers_text(peer["parity"]),
             f"{three_digits(one['theirs']['requests_per_s'])} · "
             f"{three_digits(one['ours']['requests_per_s'])}<br>"
             f"{times_text(one, 'requests_per_s', True)}",
             f"{three_digits(one['theirs']['cpu_us'])} · {three_digits(one['ours']['cpu_us'])}<br>"
             f"{times_text(one, 'cpu_us', False)}",
             many_cell,
             f"{milliseconds(late['theirs'], 'p50_us')}, {milliseconds(late['theirs'], 'p99_us')} · "
             f"{milliseconds(late['ours'], 'p50_us')}, {milliseconds(late['ours'], 'p99_us')}<br>"
             f"at {late['rate']:,} requests/s"]
    return f"| {' | '.join(cells)} |"


def peer_noise(peers):
    """Of all rounds beside servers of others: how many count, what was void, how busy it was."""
    pairs = [pair for peer in peers for pair in peer["scenarios"].values()]
    rounds = [r for pair in pairs for r in pair["rounds"]]
    void = sum(s["void"] for r in rounds for s in r["slices"])
    bands = [pair["ratios"]["cpu_us"]["band"] for pair in pairs]
    kept = sum(0 if pair["is_noisy"] else pair["kept"] for pair in pairs)
    text = f"{kept} of {len(rounds)} rounds were quiet; {void} of " \
        f"{4 * len(rounds)} slices void; stolen {np.median([r['steal_percent'] for r in rounds]):.1f} " \
        f"%, other processes {np.median([r['others_percent'] for r in rounds]):.1f} % (medians). Our " \
        f"CPU time beside ours within a round: {min(b[0] for b in bands):.2f}–" \
        f"{max(b[1] for b in bands):.2f}."
    noisy = sum(pair["is_noisy"] for pair in pairs)
    if noisy:
        text += f" **In {noisy} of {len(pairs)} pairs fewer than half of the rounds had a quiet " \
            "machine and a client that was on time; there all count, for orientation only.**"
    return text


def peers_text(results, heading):
    peers = results.get("peers", [])
    lines = [f"{heading} Beside servers of others", "",
             "Each cell: the other one · ours, in the same rounds; below it how many times as many "
             "requests or rows ours answers, or how many times less CPU time it takes.", "",
             "| server | its answers beside ours | requests/s, one row | server CPU a request, us | "
             "rows/s, 64 a request | p50, p99 in ms, open loop at half of its capacity |",
             "| --- | --- | --- | --- | --- | --- |", *map(peer_row, peers), ""]
    if peers:
        lines += [peer_noise(peers), ""]
    lines += [f"{peer['name']}: {peer['note']}." for peer in peers]
    lines += sorted({f"Commit {made_by(peer)}" for peer in peers})
    lines += [f"Absent: {name}: {why}." for name, why in results.get("absent", {}).items()]
    return "\n".join(lines) + "\n"


def markdown(results, title="# Beside the empty server, and beside servers of others",
             heading="##"):
    machine = results["machine"]
    head = [title, "", f"{machine['cpu']}, {machine['cores']} cores ({machine['features']}), "
            f"{machine['system']}, kernel {machine['kernel']}, {machine['compiler']}.", "",
            "XGBoost, 100 trees of depth 6, 50 features; 16 connections. The server has one core, ours "
            "one I/O thread, the client another core. A round is four slices: ours, the other's, the "
            "other's, ours. Numbers are medians of slices; ratios are medians of the rounds' ratios with their 95 % bootstrap interval, "
            "and beside them what ours differs from itself by in 90 % of the rounds. "
            "[How it is measured](../../docs/bench.md).", ""]
    parts = [scenario_text(scenario, heading) for scenario in results["scenarios"]]
    if results.get("peers"):
        parts.append(peers_text(results, heading))
    return "\n".join(head) + "\n" + "\n".join(parts)

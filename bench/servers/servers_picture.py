# SPDX-License-Identifier: Apache-2.0
"""The servers' results as two pictures: CPU time of all of them, and p99 beside the floor's, as SVG."""

import bench_picture
import servers_report


def us(value):
    return f"{servers_report.three_digits(value)} µs"


def cpu(results):
    """Beside the floors, which are in the scenario `json`, and beside servers of others."""
    found = []
    for scenario in results["scenarios"]:
        if scenario["name"] == "json":
            pairs = scenario["results"]
            found.append(("auspex", True, [pairs["echo"]["ours"]["cpu_us"]]))
            found += [(name, False, [pair["theirs"]["cpu_us"]]) for name, pair in pairs.items()]
    found += [(peer["name"], False, [peer["scenarios"]["peer-json"]["theirs"]["cpu_us"]])
              for peer in results.get("peers", [])]
    return bench_picture.bars("Server CPU time a request of one row", found, us, us,
                              "Median, closed loop, all processes of the server, logarithmic. "
                              "Shorter is faster.")


def p99(results):
    """Each open loop beside the empty server."""
    found = []
    for scenario in results["scenarios"]:
        if not scenario["rate"]:
            continue
        pair = scenario["results"]["echo"]
        what = scenario["name"].removeprefix("p99-")
        found += [(f"{who}, {what}", who == "auspex", [pair[side]["p50_us"], pair[side]["p99_us"]])
                  for who, side in (("auspex", "ours"), ("echo", "theirs"))]
    return bench_picture.bars("Open loop: p50 and p99", found, us, us,
                              "Median of the slices' p50 (dark) and p99 (light), logarithmic. "
                              "Shorter is faster.")


PICTURES = {"servers-cpu": ("server CPU time a request", cpu), "servers-p99": ("p50 and p99", p99)}

# SPDX-License-Identifier: Apache-2.0
"""What both sides of bench/features have stored."""

MOMENT = "2026-01-01T00:00:00Z"


def value(key, feature):
    return key * 7919 % 100_003 * 1_000 + feature

# SPDX-License-Identifier: Apache-2.0
"""What both sides of bench/features have stored."""

MOMENT = "2026-01-01T00:00:00Z"
# As in Feast's own benchmark: views of ten features, values of at most four digits, and a service of
# the first so many views.
VIEW_FEATURES = 10


def value(key, feature):
    return (key * 7919 + feature * 104_729) % 10_007 % 10_000


def features_of(view):
    return range(view * VIEW_FEATURES, (view + 1) * VIEW_FEATURES)

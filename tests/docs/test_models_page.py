# SPDX-License-Identifier: Apache-2.0
"""Goal: docs/models.md describes every key that model.yaml, serving.yaml and rules files may hold.

Method: take the lists of keys from the sources and look for each in the page, in
code; take the page's examples and look for each of their keys in the lists.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/models.md").read_text(encoding="utf-8")


def keys_of(source):
    text = (ROOT / source).read_text(encoding="utf-8")
    lists = re.findall(r"static const char \*const \w*keys\[\] = \{(.*?)\};", text, re.DOTALL)
    return {key for one in lists for key in re.findall(r'"(\w+)"', one)}


def options_of(source):
    """Names of the engine's options, which are keys of model.yaml too."""
    text = (ROOT / source).read_text(encoding="utf-8")
    return set(re.findall(r'\{ AX_OPTION_\w+, "(\w+)"', text))


YAML_KEYS = keys_of("src/engine/version_yaml.c") | options_of("src/engine/forest/forest.c")
WARM_UP_KEYS = keys_of("src/server/warmup_rows.c")
SERVING_KEYS = keys_of("src/server/model_settings.c")
RULES_KEYS = keys_of("src/engine/rules.c")


def test_every_key_is_described():
    assert len(YAML_KEYS) > 15 and len(RULES_KEYS) > 6 and len(SERVING_KEYS) == 7
    described = set(re.findall(r"`(\w+)(?::[^`]*)?`", PAGE))
    assert (YAML_KEYS | SERVING_KEYS | WARM_UP_KEYS) - described == set()
    code = "\n".join(re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S))
    assert {k for k in RULES_KEYS if k not in described and f"{k}:" not in code} == set()


def test_the_examples_use_real_keys():
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    known_keys = (YAML_KEYS, YAML_KEYS, SERVING_KEYS, RULES_KEYS)
    assert len(blocks) == len(known_keys)
    for block, known in zip(blocks, known_keys):
        used = set(re.findall(r"^(\w+):", block, re.M))
        assert used and used <= known


def test_every_engine_is_named():
    text = (ROOT / "src/engine/engine.c").read_text(encoding="utf-8")
    engines = re.findall(r"&ax_engine_(\w+),", text)
    assert len(engines) >= 2
    assert [e for e in engines if f"`{e}`" not in PAGE] == []

# SPDX-License-Identifier: Apache-2.0
"""Goal: the documents are in step with the code and with each other.

Method: read both and compare: options and subcommands with the binary,
metric families and routes with the sources, links with the files, commands of
the README with the Makefile.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"),
                           *ROOT.glob("examples/**/*.md")])


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S),
                              re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = 1
        while slug in found:
            number, slug = number + 1, re.sub(r"-\d+$", "", slug) + f"-{number}"
        found.add(slug)
    return found


def commands():
    table = re.search(r"commands\[\] = \{(.*?)\n\};", text_of("src/main.c"), re.DOTALL)[1]
    return re.findall(r'\{ "([a-z]+)", ax_cmd_', table)


def test_written_pages_are_what_the_code_says():
    subprocess.run([sys.executable, ROOT / "tools/docs", "--check"], check=True)


def test_each_option_is_described():
    """Each row of a table of options ends in one sentence."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text_of("docs/configuration.md"), re.M)
    assert len(rows) > 10
    for name, cells in rows:
        description = cells.rsplit(" | ", 1)[1].strip()
        assert re.fullmatch(r"[A-Z0-9'].*\.", description), name


def test_each_command_is_described():
    page = text_of("docs/commands.md")
    assert re.findall(r"^## auspex (\w+)$", page, re.M) == commands()


@pytest.mark.parametrize("name", commands())
def test_each_command_has_help(name):
    done = subprocess.run([os.environ["AX_BINARY"], name, "--help"], capture_output=True,
                          text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: auspex {name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target}: no such file"
        assert str(file).startswith(str(ROOT)), f"{target}: outside of the repository"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{target}: no heading"


def test_each_page_is_in_the_index():
    index = text_of("docs/README.md")
    for page in ROOT.glob("docs/**/*.md"):
        path = str(page.relative_to(ROOT / "docs"))
        if not path.startswith("decisions/") and path != "README.md":
            assert f"]({path})" in index, f"docs/README.md does not name {path}"


def test_decisions_are_numbered_and_listed():
    index = text_of("docs/decisions/README.md")
    pages = sorted(p.name for p in ROOT.glob("docs/decisions/*.md") if p.name != "README.md")
    for number, name in enumerate(pages, 1):
        assert re.fullmatch(rf"{number:04}-[a-z0-9-]+\.md", name), f"{name}: next is {number:04}"
        assert f"[{number:04}]({name})" in index, f"docs/decisions/README.md does not name {name}"
        title = text_of(f"docs/decisions/{name}").split("\n")[0]
        assert title.startswith(f"# {number:04}: ") or title.startswith(f"# {number:04} "), name


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    for page in PAGES:
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"),
                                re.M | re.S):
            for target in re.findall(r"^make ([a-z-]+)", block, re.M):
                assert target in targets, f"{page.name}: make {target}"


def test_tools_that_are_named_exist():
    for page in PAGES:
        for name in re.findall(r"\b(tools/[a-z][a-z-]*|\.ci/run)\b", page.read_text("utf-8")):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_sources_that_are_named_exist():
    for page in PAGES:
        for name in re.findall(r"`((?:src|fuzz|tests)/[\w/.-]+\.(?:[ch]|py|build))`",
                               page.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_each_fuzz_target_is_described():
    """Targets, their sources and their seeds; a target is a row, and a row a target."""
    targets = re.findall(r"^  '(\w+)',$", text_of("fuzz/meson.build"), re.M)
    described = re.findall(r"^\| `(\w+)` \|", text_of("docs/internals/fuzzing.md"), re.M)
    assert len(targets) > 10 and sorted(described) == targets
    assert targets == sorted(p.stem for p in ROOT.glob("fuzz/*.c"))
    for name in targets:
        assert any((ROOT / "fuzz/corpus" / name).iterdir()), f"{name} has no seeds"


def metric_families():
    """The names in all definitions of a struct ax_metric_family, and Triton's."""
    names = set()
    for file in ROOT.glob("src/**/*.c"):
        for definition in re.findall(r"static const struct ax_metric_family .*?;",
                                     file.read_text(encoding="utf-8"), re.S):
            names.update(re.findall(r'"(ax_[a-z0-9_]+)"', definition))
        names.update(re.findall(r'"(nv_[a-z0-9_]+)"', file.read_text(encoding="utf-8")))
    return names


def test_each_metric_is_described():
    page = ROOT / "docs/metrics.md"
    described = set(re.findall(r"^\| `((?:ax|nv)_[a-z0-9_]+)`", page.read_text(encoding="utf-8"),
                               re.M))
    assert described and described == metric_families()


def test_each_endpoint_is_described():
    """The table of server/router.c is what the pages of protocols and metrics name."""
    table = re.search(r"ax_endpoints\[\] = \{(.*?)\n\};", text_of("src/server/router.c"), re.S)[1]
    endpoints = re.findall(r'AX_HTTP_([A-Z]+), "([^"]+)"', table)
    pages = "".join(p.read_text(encoding="utf-8") for p in
                    [*ROOT.glob("docs/protocols/*.md"), ROOT / "docs/metrics.md"])
    assert len(endpoints) > 10
    for method, path in endpoints:
        assert f"| {method} | `{path}` |" in pages or f"`{method} {path}`" in pages, path
    for method, path in re.findall(r"^\| (GET|POST) \| `([^`]+)` \|", pages, re.M):
        assert (method, path) in endpoints, path

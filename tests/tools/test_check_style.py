# SPDX-License-Identifier: Apache-2.0
"""Goal: tools/check-style complains about what it should, and about nothing else.

Method: one small tree that is right in every respect; for each rule one change
to it that breaks the rule, and the words that the complaint must contain.
"""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n/*\n * What this is.\n */\n"

GOOD = {
    "src/base/thing.h": HEAD + """#ifndef AX_BASE_THING_H
#define AX_BASE_THING_H

#include <stddef.h>

#define AX_THINGS_MAX 4

typedef int (*ax_thing_fn)(int value);

struct ax_thing {
    size_t count;
};

enum ax_thing_kind { AX_THING_A, AX_THING_B };

extern const struct ax_thing ax_thing_zero;

int ax_thing_add(struct ax_thing *thing, int value);

static inline int ax_thing_twice(int value)
{
    return 2 * value;
}

#endif
""",
    "src/base/thing.c": HEAD + """#include "base/thing.h"

#include <stdio.h>

const struct ax_thing ax_thing_zero = { .count = 0 };

static int calls[AX_THINGS_MAX];

__attribute__((noinline)) static int thing_check(int value)
{
    /* exit( in a comment, "// in a text": both fine. */
    const char *text = "// exit(1)";
    return value + calls[0] + text[0];
}

int ax_thing_add(struct ax_thing *thing, int value)
{
    thing->count++;
    return thing_check(value);
}
""",
    "src/engine/model.h": HEAD + """#ifndef AX_ENGINE_MODEL_H
#define AX_ENGINE_MODEL_H

#include "base/thing.h"

#endif
""",
    "src/pipeline/trainer/xgboost.c": HEAD + """#include <dlfcn.h>

#include "base/thing.h"
#include "engine/model.h"

static int xgboost_fail(int status)
{
    return status;
}

int ax_trainer_xgboost(int status)
{
    return xgboost_fail(status);
}
""",
    "src/meson.build": "files('base/thing.c', 'pipeline/trainer/xgboost.c', 'cmd/run.c')\n",
    "src/cmd/run.c": HEAD + """#include <stdlib.h>

#include "pipeline/trainer/trainer.h"

int ax_cmd_run(void)
{
    exit(3);
}
""",
}

# What is wrong: (file, text to replace or None to append, replacement, words of the complaint).
BAD = {
    "upward include": ("src/base/thing.c", "#include <stdio.h>", '#include "cmd/cmd.h"',
                       "base/ includes cmd/, a higher layer"),
    "sibling seam": ("src/engine/model.h", '#include "base/thing.h"', '#include "stream/stream.h"',
                     "engine/ includes stream/, a sibling"),
    "sibling tier": ("src/data/batch.c", None, HEAD + '#include "net/loop.h"\n',
                     "data/ includes net/, a sibling"),
    "unknown folder": ("src/base/thing.c", "#include <stdio.h>", '#include "misc/a.h"',
                       "not in the layer law"),
    "no folder": ("src/base/thing.c", "#include <stdio.h>", '#include "str.h"', "with its folder"),
    "library in a stranger": ("src/base/thing.c", "#include <stdio.h>", "#include <yyjson.h>",
                              "<yyjson.h> belongs to src/base/json*.c alone"),
    "library in a header": ("src/engine/model.h", '#include "base/thing.h"', "#include <duckdb.h>",
                            "<duckdb.h> belongs to"),
    "unknown library": ("src/base/thing.c", "#include <stdio.h>", "#include <gsl/gsl_math.h>",
                        "is unknown"),
    "C++ header in C": ("src/base/thing.c", "#include <stdio.h>", "#include <new>", "is unknown"),
    "library in a C++ stranger": ("src/base/other.cc", None, HEAD + "#include <re2/re2.h>\n",
                                  "<re2/re2.h> belongs to src/base/regex_re2.cc alone"),
    "C++ not built": ("src/net/lost.cc", None, HEAD, "no meson.build names it"),
    "own header late": ("src/base/thing.c", '#include "base/thing.h"\n\n#include <stdio.h>',
                        '#include <stdio.h>\n\n#include "base/thing.h"',
                        'include "base/thing.h" first'),
    "no licence": ("src/base/thing.c", "/* SPDX-License-Identifier: Apache-2.0 */\n", "",
                   "the first line must be"),
    "no head comment": ("src/base/thing.c", "/*\n * What this is.\n */\n", "",
                        "must come second"),
    "guard": ("src/base/thing.h", "#ifndef AX_BASE_THING_H", "#ifndef THING_H",
              "must be guarded by AX_BASE_THING_H"),
    "line comment": ("src/base/thing.c", "    thing->count++;", "    thing->count++; // one more",
                     "// comment"),
    "tab": ("src/base/thing.c", "    thing->count++;", "\tthing->count++;", "tab"),
    "long line": ("src/base/thing.c", "    thing->count++;",
                  "    thing->count += " + "1" * 90 + ";", "at most 100"),
    "trailing blank": ("src/base/thing.c", "    thing->count++;", "    thing->count++; ",
                       "blanks at the end"),
    "exported name": ("src/base/thing.c", "int ax_thing_add(", "int thing_add(",
                      "'thing_add' is exported"),
    "declared name": ("src/base/thing.h", "int ax_thing_add(", "int thing_add(",
                      "'thing_add' is exported"),
    "inline name": ("src/base/thing.h", "int ax_thing_twice(", "int thing_twice(",
                    "'thing_twice' is exported"),
    "static name": ("src/base/thing.c", "thing_check", "ax_thing_check", "is static: no ax_"),
    "exported variable": ("src/base/thing.c", "const struct ax_thing ax_thing_zero",
                          "const struct ax_thing thing_zero", "'thing_zero' is exported"),
    "struct tag": ("src/base/thing.h", "struct ax_thing {", "struct thing {",
                   "'thing' must begin with ax_"),
    "struct typedef": ("src/base/thing.h", "struct ax_thing {\n    size_t count;\n};",
                       "typedef struct ax_thing {\n    size_t count;\n} ax_thing;",
                       "no typedef of a struct"),
    "function type": ("src/base/thing.h", "(*ax_thing_fn)", "(*ax_thing_callback)",
                      "must be called ax_…_fn"),
    "macro": ("src/base/thing.h", "AX_THINGS_MAX", "THINGS_MAX", "must begin with AX_"),
    "two translations": ("src/pipeline/trainer/xgboost.c", "int ax_trainer_xgboost",
                         "static int other_fail(int status)\n{\n    return status;\n}\n\n"
                         "int ax_trainer_xgboost", "one static translation function"),
    "no translation": ("src/pipeline/trainer/xgboost.c", "xgboost_fail", "xgboost_error",
                       "one static translation function"),
    "exit": ("src/base/thing.c", "    thing->count++;", "    exit(1);", "no exit below cmd/"),
    "malloc": ("src/base/thing.c", "    thing->count++;", "    free(malloc(1));",
               "allocate through base/alloc.h"),
    "localtime": ("src/base/thing.c", "    thing->count++;", "    localtime(NULL);", "banned"),
    "sleep": ("src/base/thing.c", "    thing->count++;", "    usleep(1);", "no sleeps"),
    "dlopen": ("src/base/thing.c", "    thing->count++;", "    dlopen(NULL, 0);",
               "base/library.h opens libraries"),
    "wall clock": ("src/cmd/run.c", "    exit(3);", "    return (int)ax_clock_wall_us();",
                   "the wall clock jumps"),
    "if in a function": ("src/base/thing.c", "    thing->count++;",
                         "#if AX_HAVE_DUCKDB\n    thing->count++;\n#endif", "#if inside"),
    "same name twice": ("src/net/thing.c", None, HEAD, "file name is not unique"),
    "not built": ("src/net/lost.c", None, HEAD, "no meson.build names it"),
    "script without licence": ("tools/something", None, "#!/bin/bash\n", "the head lacks"),
}


def check(folder, tree):
    for path, text in tree.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return subprocess.run([str(ROOT / "tools/check-style"), "--root", str(folder), "--notes"],
                          capture_output=True, text=True, check=False)


def test_good_tree_passes(tmp_path):
    done = check(tmp_path, GOOD)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", BAD)
def test_bad_tree_is_told(tmp_path, name):
    path, old, new, words = BAD[name]
    tree = dict(GOOD)
    if old is None:
        tree[path] = new
    else:
        assert old in tree[path]
        tree[path] = tree[path].replace(old, new)
    done = check(tmp_path, tree)
    assert done.returncode == 1
    told = [line for line in done.stdout.splitlines() if words in line]
    assert told, done.stdout
    file, line, _ = told[0].split(":", 2)
    assert file in tree and int(line) >= 1


def test_sizes_are_notes_only(tmp_path):
    body = "    thing->count++;\n" * 80
    tree = dict(GOOD)
    tree["src/base/thing.c"] = tree["src/base/thing.c"].replace("    thing->count++;\n", body)
    done = check(tmp_path, tree)
    assert done.returncode == 0
    assert "note: ax_thing_add: 8" in done.stdout

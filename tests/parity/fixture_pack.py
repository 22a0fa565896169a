# SPDX-License-Identifier: Apache-2.0
"""Files of fixtures: models that a release of a library wrote, rows, and that release's answers.

A file is one fixture behind the other. Each begins with lines of text and ends
them with "end"; then follow, without anything between them, the bytes that the
lines announced, in their order. Numbers are little-endian.

    fixture NAME
    library NAME VERSION
    iterations best               the engine's option; only where it is not "all"
    refused CODE WORDS            the model must be refused with this code and these words in the
                                  message; then there are neither rows nor outputs
    model BYTES                   the model file as the library wrote it
    rows COUNT FEATURES TYPE      row by row, f32 or f64
    texts FEATURE BYTES           the feature's values are places in this list of texts, one a line
    output NAME WIDTH TYPE ULPS   row by row; ULPS is how far ours may be, 0: equal bits
    end

tests/unit/engine/forest/test_fixtures.c reads them; nothing in the format knows a library.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Fixture:
    name: str
    model: bytes
    rows: np.ndarray = None
    outputs: dict = dataclasses.field(default_factory=dict)  # name: array, a row each
    ulps: dict = dataclasses.field(default_factory=dict)  # name: distance; 0 where not named
    texts: dict = dataclasses.field(default_factory=dict)  # feature: list of texts
    iterations: str = "all"
    refused: tuple = None  # code, words
    seeds: dict = dataclasses.field(default_factory=dict)  # path below fuzz/corpus/: bytes


def type_of(array):
    return {"<f4": "f32", "<f8": "f64"}[array.dtype.str]


def pack(fixture, library, version):
    """The bytes of one fixture."""
    lines = [f"fixture {fixture.name}", f"library {library} {version}"]
    blobs = [fixture.model]
    if fixture.iterations != "all":
        lines.append(f"iterations {fixture.iterations}")
    if fixture.refused:
        lines.append(f"refused {fixture.refused[0]} {fixture.refused[1]}")
    lines.append(f"model {len(fixture.model)}")
    if not fixture.refused:
        rows = np.ascontiguousarray(fixture.rows)
        lines.append(f"rows {rows.shape[0]} {rows.shape[1]} {type_of(rows)}")
        blobs.append(rows.tobytes())
    for feature, texts in fixture.texts.items():
        blob = "".join(text + "\n" for text in texts).encode()
        lines.append(f"texts {feature} {len(blob)}")
        blobs.append(blob)
    for name, values in fixture.outputs.items():
        values = np.ascontiguousarray(values).reshape(len(fixture.rows), -1)
        lines.append(f"output {name} {values.shape[1]} {type_of(values)} "
                     f"{fixture.ulps.get(name, 0)}")
        blobs.append(values.tobytes())
    assert not any("\n" in line for line in lines)
    return "\n".join(lines).encode() + b"\nend\n" + b"".join(blobs)


def write(path, corpus, fixtures, library, version):
    """Write a file, and seeds for fuzzing below `corpus`; returns how many fixtures it holds."""
    packed = []
    for fixture in fixtures:
        packed.append(pack(fixture, library, version))
        for seed, data in fixture.seeds.items():
            (corpus / seed).write_bytes(data)
    path.write_bytes(b"".join(packed))
    return len(packed)

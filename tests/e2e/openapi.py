# SPDX-License-Identifier: Apache-2.0
"""Holds answers against the OpenAPI document of the server.

Every answer that a test of e2e gets through Wire.request passes here: its path and method must be
in the document, its status among those of the operation, its content type and its body as they are
described there. What no operation is for must be refused in the common shape.
"""

import functools
import gzip
import importlib.machinery
import importlib.util
import json
import math
import pathlib
import re
import urllib.parse
import zlib

import jsonschema_rs

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load_tool(name):
    """A script of tools/ as a module."""
    path = str(ROOT / "tools" / name)
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def version():
    return re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text("utf-8"))[1]


@functools.cache
def document():
    """As the build embeds it."""
    source = (ROOT / "src/server/api/openapi.json").read_text(encoding="utf-8")
    return load_tool("embed-openapi").complete(json.loads(source), version())


@functools.cache
def patterns():
    found = []
    for template in document()["paths"]:
        parts = re.split(r"\{\w+\}", template)
        found.append((re.compile("[^/]+".join(re.escape(p) for p in parts)), template))
    return found


def resolve(node):
    while "$ref" in node:
        at = document()
        for key in node["$ref"].removeprefix("#/").split("/"):
            at = at[key]
        node = at
    return node


@functools.cache
def validator(template, method, status, content_type):
    """Of the JSON in one answer, or None where none is described."""
    response = resolve(document()["paths"][template][method]["responses"][str(status)])
    content = response["content"]
    assert content_type in content, f"{content_type} is not described, but {list(content)}"
    if content_type not in ("application/json", "application/octet-stream"):
        return None
    # What stands in front of blobs has the form of the answer without.
    schema = content["application/json"].get("schema")
    if schema is None:
        return None
    return jsonschema_rs.validator_for({**schema, "components": document()["components"]})


def plain_body(answer):
    """The body of an answer, decompressed."""
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}
    return unpack[answer.headers.get("content-encoding")](answer.body)


def json_of(answer, content_type):
    """The JSON of an answer; behind it lie the blobs that it announces, and nothing else."""
    body = plain_body(answer)
    if content_type == "application/json":
        return json.loads(body)
    length = int(answer.headers["inference-header-content-length"])
    value = json.loads(body[:length])
    blobs = sum(o.get("parameters", {}).get("binary_data_size", 0) for o in value["outputs"])
    assert length + blobs == len(body)
    return value


@functools.cache
def error_validator():
    return jsonschema_rs.validator_for({"$ref": "#/components/schemas/Error",
                                        "components": document()["components"]})


def finite(value):
    """The same value with numbers that JSON has a form for: bare tokens are described in words."""
    if isinstance(value, float) and not math.isfinite(value):
        return 0.5
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    return value


def find(method, path):
    """The template and the operation of a request; None for what there is not. Several templates
    can match a path, and the methods tell them apart: GET of "/v1/models/m:predict" is about the
    model "m:predict"."""
    path = urllib.parse.unquote(path.partition("?")[0], errors="replace")
    method = "get" if method == "HEAD" else method.lower()
    templates = [t for pattern, t in patterns() if pattern.fullmatch(path)]
    for template in templates:
        if method in document()["paths"][template]:
            return template, document()["paths"][template][method]
    return (templates[0] if templates else None), None


def check(method, path, answer):
    """Is this what the document says of such a request?"""
    where = f"{method} {path[:200]}: {answer.status} {answer.body[:500]!r}"
    template, operation = find(method, path)
    content_type = answer.headers["content-type"].partition(";")[0]
    if operation is None:
        refused = {int(s) for s in document()["paths"]["/v2"]["get"]["responses"]} - {200}
        assert answer.status in refused | {405 if template else 404, 405}, where
        if method != "HEAD":
            assert error_validator().validate(json.loads(plain_body(answer))) is None, where
        return
    assert str(answer.status) in operation["responses"], f"undocumented: {where}"
    if method == "HEAD":
        return
    one = validator(template, method.lower(), answer.status, content_type)
    if one:
        try:
            one.validate(finite(json_of(answer, content_type)))
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(f"{where}\n{error}") from None

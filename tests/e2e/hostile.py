# SPDX-License-Identifier: Apache-2.0
"""The table of hostile and broken requests: what is sent, and the one documented answer.

Whoever wants to see what the server does with bad input finds it here; docs/hostile-input.md shows
the same rows, written by tools/docs. The tests that go through the table are test_hostile_table.py
(the answers), test_hostile_memory.py (many times each) and test_hostile_accounting.py (the counts).

The rows are for the models of conftest.py and the limits that a server has by default. A row's data
is everything that is sent; behind a row whose section is in ENDS, the server ends the connection.
"""

import gzip
import json
import re
import struct
import zlib

INFER = "/v2/models/binary/infer"
FEATURES = 8
ROW = [0.0] * FEATURES
BODY_BYTES_MAX = 64 << 20
CHUNK_COUNT_MAX = 65536


def request(method, path, body=b"", *headers):
    """The bytes of a request; a body that is no bytes is sent as JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: test", *headers]
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def infer(body, *headers, model="binary"):
    return request("POST", f"/v2/models/{model}/infer", body, *headers)


def head(*lines):
    """The head of an infer request, with what is given in place of a length."""
    text = "\r\n".join([f"POST {INFER} HTTP/1.1", "host: test", *lines])
    return text.encode("latin-1") + b"\r\n\r\n"


def chunked(body):
    return head("transfer-encoding: chunked") + body


def tensor(**members):
    return {"name": "input", "shape": [1, FEATURES], "datatype": "FP32", "data": ROW, **members}


def without(member):
    return {"inputs": [{k: v for k, v in tensor().items() if k != member}]}


def changed(**members):
    return {"inputs": [tensor(**members)]}


def column(name, datatype, data, shape=None):
    return {"name": name, "shape": shape or [len(data), 1], "datatype": datatype, "data": data}


def columns(*of):
    return {"inputs": [column(*one) for one in of]}


def text_of(body, old, new):
    """A body as JSON in which one text was replaced by what json.dumps would not write."""
    text = json.dumps(body)
    assert old in text
    return text.replace(old, new).encode()


GOOD = {"inputs": [tensor()]}
GOOD_TEXT = json.dumps(GOOD).encode()
GOOD_REQUEST = infer(GOOD)


def outputs(*of):
    return {**GOOD, "outputs": list(of)}


def parameters(of):
    return {**GOOD, "parameters": of}


# ---- HTTP ----

VERSION = "only HTTP/1.1 and HTTP/1.0 are spoken here"
LF_ALONE = "lines must end in CR LF"
HEADER_BYTE = "a header has a byte or a space that may not be there"
TARGET_BYTE = "the target has a byte that must be escaped"
LENGTH = "Content-Length must be one number"
CODING = "Transfer-Encoding must be chunked"
CHUNKED = "the only Transfer-Encoding known here is chunked"
CHUNK_SIZE = "the size of a chunk is no hexadecimal number"


def get(lines):
    return b"GET /v2 HTTP/1.1\r\nhost: x" + lines + b"\r\n\r\n"


HEADS = {
    "TLS's first bytes on a clear port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400,
                                          "this port speaks plain HTTP, not TLS: use http:"),
    "no HTTP at all": (b"hello\r\n\r\n", 400, "this is no HTTP request"),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, VERSION),
    "HTTP/1.2": (b"GET /v2 HTTP/1.2\r\nhost: x\r\n\r\n", 505, VERSION),
    "HTTP/0.9": (b"GET /v2\r\n\r\n", 505, VERSION),
    "a method nobody knows": (b"BREW /v2 HTTP/1.1\r\nhost: x\r\n\r\n", 405,
                              "the method is not known here"),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nhost: x\r\n\r\n", 405, "CONNECT and TRACE"),
    "TRACE": (b"TRACE /v2 HTTP/1.1\r\nhost: x\r\n\r\n", 405, "CONNECT and TRACE"),
    "lines that end in LF alone": (b"GET /v2 HTTP/1.1\nhost: x\n\n", 400, LF_ALONE),
    "one header that ends in LF alone": (get(b"\na: b"), 400, LF_ALONE),
    "CR without LF": (get(b"\ra: b"), 400, LF_ALONE),
    "a folded header": (get(b"\r\na: b\r\n c"), 400, HEADER_BYTE),
    "a space before the colon": (b"GET /v2 HTTP/1.1\r\nhost : x\r\n\r\n", 400, HEADER_BYTE),
    "a header without a colon": (get(b"\r\nabc"), 400, HEADER_BYTE),
    "a header without a name": (get(b"\r\n: b"), 400, HEADER_BYTE),
    "NUL in a header": (get(b"\r\na: b\0c"), 400, HEADER_BYTE),
    "NUL in the target": (b"GET /v2/models/a\0b HTTP/1.1\r\nhost: x\r\n\r\n", 400, TARGET_BYTE),
    "`%00` in the target": (request("GET", "/v2/models/a%00b"), 400, "the target must be a path"),
    "a broken escape in the target": (request("GET", "/v2/models/%zz"), 400,
                                      "escapes two hex digits"),
    "an escape that is cut off": (request("GET", "/v2/models/a%2"), 400, "escapes two hex digits"),
    "a target that is no path": (request("GET", "v2"), 400, TARGET_BYTE),
    "a target of 20,000 bytes": (request("GET", "/" + "x" * 20000), 414, "header_bytes_max"),
    "101 headers": (b"GET /v2 HTTP/1.1\r\n" + b"".join(b"h%d: x\r\n" % i for i in range(101)) +
                    b"\r\n", 431, "more headers than header_count_max"),
    "a header of 20,000 bytes": (request("GET", "/v2", b"", "a: " + "x" * 20000), 431,
                                 "larger than header_bytes_max"),
    "a header's name of 20,000 bytes": (request("GET", "/v2", b"", "x" * 20000 + ": a"), 431,
                                        "larger than header_bytes_max"),
    "Content-Length -1": (head("content-length: -1"), 400, LENGTH),
    "Content-Length `+2`": (head("content-length: +2") + b"{}", 400, LENGTH),
    "Content-Length `0x2`": (head("content-length: 0x2") + b"{}", 400, LENGTH),
    "Content-Length `2, 2`": (head("content-length: 2, 2") + b"{}", 400, LENGTH),
    "Content-Length over 2^64": (head("content-length: 18446744073709551617"), 400, LENGTH),
    "an empty Content-Length": (head("content-length: "), 400, LENGTH),
    "two lengths that differ": (head("content-length: 2", "content-length: 3") + b"{}", 400,
                                LENGTH),
    "the same length twice": (head("content-length: 2", "content-length: 2") + b"{}", 400, LENGTH),
    "a length beside chunks": (head("content-length: 2", "transfer-encoding: chunked") +
                               b"0\r\n\r\n", 400, CODING),
    "`chunked` twice": (head("transfer-encoding: chunked", "transfer-encoding: chunked"), 400,
                        CODING),
}

FRAMING = {
    "no Host": (b"POST %b HTTP/1.1\r\ncontent-length: 0\r\n\r\n" % INFER.encode(), 400,
                "exactly one Host header"),
    "two Hosts": (head("host: other", "content-length: 0"), 400, "exactly one Host header"),
    "a length of one byte over the limit": (head(f"content-length: {BODY_BYTES_MAX + 1}"), 413,
                                            "larger than body_bytes_max"),
    "a length of 2^62": (head(f"content-length: {1 << 62}"), 413, "larger than body_bytes_max"),
    "a Transfer-Encoding that is not known": (head("transfer-encoding: gzip"), 501,
                                              CHUNKED),
    "`gzip, chunked`": (head("transfer-encoding: gzip, chunked"), 501, CHUNKED),
    "`chunked` with a letter of its own": (head("transfer-encoding: xchunked"), 501, CHUNKED),
    "an expectation that is not known": (head("expect: more", "content-length: 1"), 417,
                                         "100-continue"),
    "a chunk's size that is no number": (chunked(b"zz\r\n"), 400, CHUNK_SIZE),
    "a negative chunk": (chunked(b"-1\r\n"), 400, CHUNK_SIZE),
    "a chunk's size over 2^64": (chunked(b"11111111111111111\r\n"), 400, CHUNK_SIZE),
    "a chunk over the limit": (chunked(b"4000001\r\n"), 413, "larger than body_bytes_max"),
    "a chunk longer than its size": (chunked(b"1\r\n{}\r\n"), 400, "this is no HTTP request"),
    "a chunk that ends in LF alone": (chunked(b"1\n{\n"), 400, LF_ALONE),
    "an extension of 20,000 bytes": (chunked(b"1;" + b"x" * 20000 + b"\r\n{\r\n"), 431,
                                     "chunk extensions are larger"),
    "101 trailers": (chunked(b"2\r\n{}\r\n0\r\n" + b"".join(b"t%d: x\r\n" % i for i in range(101)) +
                             b"\r\n"), 431, "more headers than header_count_max"),
    "65,537 chunks": (chunked(b"1\r\n \r\n" * (CHUNK_COUNT_MAX + 1)), 413,
                      "more chunks than chunk_count_max"),
}


# ---- compression ----

PACKED = gzip.compress(GOOD_TEXT, mtime=0)


def bomb(size):
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def with_dictionary(data):
    packer = zlib.compressobj(zdict=b"inputs")
    return packer.compress(data) + packer.flush()


def coded(data, coding="gzip"):
    return infer(data, f"content-encoding: {coding}")


DAMAGED = "the compressed body is damaged"
CODINGS = {
    **{f"Content-Encoding `{coding}`": (coded(b"abc", coding), 415, "Unsupported compression type")
       for coding in ("br", "compress", "zstd", "gzip, gzip", "gzipped")},
    "Content-Encoding twice": (infer(PACKED, "content-encoding: gzip", "content-encoding: gzip"),
                               400, "may each come once only"),
    "zeros in place of gzip": (coded(b"\0" * 100), 400, DAMAGED),
    "JSON in place of gzip": (coded(GOOD_TEXT), 400, DAMAGED),
    "zlib in place of gzip": (coded(zlib.compress(GOOD_TEXT)), 400, DAMAGED),
    "gzip's head alone": (coded(PACKED[:10]), 400, DAMAGED),
    "gzip without its last byte": (coded(PACKED[:-1]), 400, DAMAGED),
    "gzip cut in the middle": (coded(PACKED[:len(PACKED) // 2]), 400, DAMAGED),
    "a byte behind gzip's end": (coded(PACKED + b"x"), 400, DAMAGED),
    "two members of gzip": (coded(PACKED + PACKED), 400, DAMAGED),
    "a wrong checksum": (coded(PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:]), 400, DAMAGED),
    "a wrong length in gzip": (coded(PACKED[:-4] + b"\0\0\0\0"), 400, DAMAGED),
    "reserved flags of gzip": (coded(PACKED[:3] + b"\xe0" + PACKED[4:]), 400, DAMAGED),
    "deflate without zlib's head": (coded(raw_deflate(GOOD_TEXT), "deflate"), 400, DAMAGED),
    "deflate with a dictionary": (coded(with_dictionary(GOOD_TEXT), "deflate"), 400, DAMAGED),
    "a bomb: 65 MiB in 64 KiB": (coded(bomb(65 << 20)), 413, "larger than body_bytes_max"),
}

# ---- JSON ----

DEEP = "JSON nesting depth exceeds maximum allowed limit (100)"
LONG = b'{"x":"' + b"a" * 65537 + b'"}'

TEXTS = {
    "an empty body": (infer(b""), 400, "malformed JSON"),
    "an array": (infer(b"[]"), 400, "the body must be an object, found an array"),
    "cut off": (infer(b'{"inputs":['), 400, "malformed JSON"),
    "a byte behind its end": (infer(GOOD_TEXT + b"x"), 400, "malformed JSON"),
    "NUL behind its end": (infer(GOOD_TEXT + b"\0"), 400, "malformed JSON"),
    "a comma too many": (infer(b'{"inputs":[],}'), 400, "malformed JSON"),
    "single quotes": (infer(b"{'inputs':[]}"), 400, "malformed JSON"),
    "a comment": (infer(b'{/**/"inputs":[]}'), 400, "malformed JSON"),
    "a byte order mark": (infer(b"\xef\xbb\xbf" + GOOD_TEXT), 400, "malformed JSON"),
    "nested 101 deep": (infer(b'{"x":' + b"[" * 100 + b"]" * 100 + b"}"), 400, DEEP),
    "data nested 101 deep": (infer(text_of(GOOD, "[0.0", "[" * 100 + "0.0")), 400,
                             "nested otherwise than its shape"),
    "nested 250,000 deep": (infer(b'{"x":' + b"[" * 250000), 400, DEEP),
    "250,000 brackets and nothing else": (infer(b"[" * 250000), 400, "must be an object"),
    "a string of 65,537 bytes": (infer(LONG), 400, "a string of more than 65536 bytes"),
    "65,537 spaces": (infer(b" " * 65537 + GOOD_TEXT), 400, "white space of more than 65536 bytes"),
    "invalid UTF-8": (infer(b'{"id":"\xff\xfe","inputs":[]}'), 400, "UTF-8"),
    "invalid UTF-8 in what is skipped": (infer(b'{"x":"\xc3(","inputs":[]}'), 400, "UTF-8"),
    "half a surrogate pair": (infer(b'{"id":"\\ud800","inputs":[]}'), 400, "half a surrogate pair"),
    "NUL in a string, not escaped": (infer(b'{"id":"a\0b","inputs":[]}'), 400, "malformed JSON"),
    "a line feed in a string": (infer(b'{"id":"a\nb","inputs":[]}'), 400, "malformed JSON"),
    "an escape that is none": (infer(b'{"id":"\\x41","inputs":[]}'), 400, "malformed JSON"),
    "a number without digits": (infer(text_of(GOOD, "0.0", "-")), 400, "malformed JSON"),
    "a leading zero": (infer(text_of(GOOD, "0.0", "01")), 400, "malformed JSON"),
    "a number in hexadecimal": (infer(text_of(GOOD, "0.0", "0x1")), 400, "malformed JSON"),
    "`nan` in lower case": (infer(text_of(GOOD, "0.0", "nan")), 400, "malformed JSON"),
    "`+Infinity`": (infer(text_of(GOOD, "0.0", "+Infinity")), 400, "malformed JSON"),
}

# ---- what the JSON says ----

REQUESTS = {
    "no `inputs`": (infer({}), 400, "the request has no 'inputs'"),
    "no input in `inputs`": (infer({"inputs": []}), 400, "the request has no 'inputs'"),
    "`inputs` twice": (infer(b'{"inputs":[],"inputs":[]}'), 400, "'inputs' is given twice"),
    "`outputs` twice": (infer(text_of(outputs(), '"outputs"', '"outputs": [], "outputs"')), 400,
                        "'outputs' is given twice"),
    "`inputs` is an object": (infer({"inputs": {}}), 400,
                              "'inputs' must be an array, found an object"),
    "an input is a number": (infer({"inputs": [1]}), 400, "each of 'inputs' must be an object"),
    "`id` is a number": (infer({**GOOD, "id": 7}), 400, "'id' must be a string, found a number"),
    "`id` of 1,025 bytes": (infer({**GOOD, "id": "x" * 1025}), 400, "'id' is longer than"),
    "parameters are an array": (infer(parameters([])), 400, "'parameters' must be an object"),
    "parameters twice": (infer(text_of(parameters({}), '"parameters"',
                                       '"parameters": {}, "parameters"')), 400,
                         "'parameters' is given twice"),
    "negative priority": (infer(parameters({"priority": -1})), 400,
                          "parameter 'priority' must be a whole number"),
    "priority as text": (infer(parameters({"priority": "1"})), 400,
                         "parameter 'priority' must be a whole number"),
    "timeout 1.5": (infer(parameters({"timeout": 1.5})), 400,
                    "parameter 'timeout' must be a whole number"),
    "timeout 2^64": (infer(parameters({"timeout": 1 << 64})), 400,
                     "parameter 'timeout' must be a whole number"),
    "timeout null": (infer(parameters({"timeout": None})), 400,
                     "parameter 'timeout' must be a whole number from 0, found null"),
    "a sequence's number": (infer(parameters({"sequence_id": 3})), 501,
                            "sequences are not supported; leave 'sequence_id' out"),
    "a sequence's name": (infer(parameters({"sequence_id": "a"})), 501,
                          "sequences are not supported; leave 'sequence_id' out"),
    "a sequence `true`": (infer(parameters({"sequence_id": True})), 400,
                          "parameter 'sequence_id' must be a number or a string"),
    "a sequence's start": (infer(parameters({"sequence_start": True})), 501,
                           "leave 'sequence_start' out"),
    "a sequence's end": (infer(parameters({"sequence_end": True})), 501,
                         "leave 'sequence_end' out"),
    "a sequence's end, as 1": (infer(parameters({"sequence_end": 1})), 400,
                               "parameter 'sequence_end' must be true or false"),
    "a reserved name": (infer(parameters({"triton_": 1})), 400,
                        "starting with 'triton_' are reserved"),
    "another reserved name": (infer(parameters({"triton_enable_empty_final_response": True})), 400,
                              "'triton_enable_empty_final_response'"),
}

INPUTS = {
    "without a name": (infer(without("name")), 400, "an input has no 'name'"),
    "without a shape": (infer(without("shape")), 400, "input 'input': has no 'shape'"),
    "without a datatype": (infer(without("datatype")), 400, "input 'input': has no 'datatype'"),
    "without data": (infer(without("data")), 400, "input 'input': has no 'data'"),
    "an unknown name": (infer(columns(("dep_dely", "FP32", [1]))), 400,
                        "no input 'dep_dely'; nearest is 'dep_delay'"),
    "a name with quotes and a line feed": (infer(columns(('a"\n<b>\u2028', "FP32", [1]))), 400,
                                           "no input"),
    "a name of 10,000 bytes": (infer(columns(("n" * 10000, "FP32", [1]))), 400, "no input"),
    "an unknown datatype": (infer(changed(datatype="FP31")), 400, "unknown datatype 'FP31'"),
    "a datatype in lower case": (infer(changed(datatype="fp32")), 400, "unknown datatype 'fp32'"),
    "FP16 in JSON": (infer(changed(datatype="FP16")), 400,
                     "receiving FP16 data via JSON is not supported. Please use the binary data "
                     "format for input input"),
    "BF16 in JSON": (infer(changed(datatype="BF16")), 400,
                     "receiving BF16 data via JSON is not supported."),
    "texts in a tensor": (infer(changed(datatype="BYTES")), 400, "datatype is BYTES"),
    "texts for a number": (infer(columns(("distance", "BYTES", ["x"]))), 400,
                           "input 'distance': datatype is BYTES, expected FP32"),
    "the tensor twice": (infer({"inputs": [tensor(), tensor()]}), 400,
                         "input 'input' already exists in request"),
    "a column twice": (infer(columns(("temp", "FP32", [1]), ("temp", "FP32", [1]))), 400,
                       "input 'temp' already exists in request"),
    "the tensor, and a column": (infer({"inputs": [tensor(), column("temp", "FP32", [1])]}), 400,
                                 "are mixed"),
    "a column, and the tensor": (infer({"inputs": [column("temp", "FP32", [1]), tensor()]}), 400,
                                 "are mixed"),
    "columns of different lengths": (
        infer(columns(("temp", "FP32", [1]), ("wind", "FP32", [1, 2]))), 400,
        "input 'wind': holds 2 rows, the inputs before it 1"),
    "data, and a binary size": (infer(changed(parameters={"binary_data_size": 4})), 400,
                                "input 'input': has both 'data' and 'binary_data_size'"),
    "shared memory": (infer(changed(parameters={"shared_memory_region": "r"})), 501,
                      "'shared_memory_region' is not supported"),
    "a category the model never saw": (
        infer(columns(("carrier", "BYTES", ["UA", "UAA"])), model="carriers"), 400,
        "input 'carrier', row 1: unknown category 'UAA'"),
    "a category with NUL behind it": (
        infer(columns(("carrier", "BYTES", ["UA\0"])), model="carriers"), 400,
        "input 'carrier', row 0: unknown category 'UA\\u0000'"),
}

SHAPES = {
    "one dimension": (infer(changed(shape=[FEATURES])), 400, "unexpected shape, expected [-1,8]"),
    "three dimensions": (infer(changed(shape=[1, 1, FEATURES])), 400, "unexpected shape"),
    "no dimension": (infer(changed(shape=[])), 400, "unexpected shape"),
    "nine dimensions": (infer(changed(shape=[1] * 9)), 400, "more than 8 dimensions"),
    "a column too few": (infer(changed(shape=[1, FEATURES - 1], data=ROW[1:])), 400,
                         "unexpected shape"),
    "a negative dimension": (infer(changed(shape=[-1, FEATURES])), 400,
                             "'shape' must hold whole numbers from 0"),
    "a negative dimension, Triton's": (infer(changed(shape=[2, -5])), 400,
                                       "'shape' must hold whole numbers from 0"),
    "a fraction": (infer(changed(shape=[1.5, FEATURES])), 400,
                   "'shape' must hold whole numbers from 0"),
    "a text": (infer(changed(shape=["1", FEATURES])), 400,
               "'shape' must hold whole numbers from 0"),
    "a number in place of the array": (infer(changed(shape=8)), 400, "'shape' must be an array"),
    "2^60 rows": (infer(changed(shape=[1 << 60, FEATURES])), 400,
                  "inference request batch-size must be <= 1048576"),
    "2^64 rows": (infer(changed(shape=[1 << 64, FEATURES])), 400,
                  "'shape' must hold whole numbers"),
    "2^4 rows of 2^60 + 2": (infer(changed(shape=[16, (1 << 60) + 2])), 400, "unexpected shape"),
    "elements that overflow 2^64": (infer(changed(shape=[(1 << 61) + 1, FEATURES])), 400,
                                    "inference request batch-size must be <= 1048576"),
    "one row too many": (infer(changed(shape=[(1 << 20) + 1, FEATURES])), 400,
                         "inference request batch-size must be <= 1048576"),
    "rows that are not there": (infer(changed(shape=[1 << 20, FEATURES])), 400,
                                "fewer elements than the 8388608"),
    "no rows, but data": (infer(changed(shape=[0, FEATURES])), 400, "more than the 0 elements"),
}

DATA = {
    "an element too few": (infer(changed(data=ROW[1:])), 400,
                           "'data' holds 7 elements, its shape 8"),
    "an element too many": (infer(changed(data=ROW + [1])), 400,
                            "more than the 8 elements of its shape"),
    "a number in place of the array": (infer(changed(data=1)), 400,
                                       "'data' must be an array, found a number"),
    "a text": (infer(changed(data=["1"] + ROW[1:])), 400,
               "element 0: found a string in data of dataty"),
    "true as FP32": (infer(changed(data=ROW[1:] + [True])), 400,
                     "element 7: found true in data of datatype FP32"),
    "an object": (infer(changed(data=[{}] + ROW[1:])), 400, "element 0: found an object"),
    "1e999": (infer(text_of(GOOD, "0.0", "1e999")), 400, "too large"),
    "0.5 as INT32": (infer(changed(datatype="INT32", data=[0.5] + [0] * 7)), 400,
                     "element 0: '0.5' is no INT32"),
    "300 as UINT8": (infer(changed(datatype="UINT8", data=[300] + [0] * 7)), 400,
                     "'300' is no UINT8"),
    "-1 as UINT64": (infer(changed(datatype="UINT64", data=[-1] + [0] * 7)), 400,
                     "'-1' is no UINT64"),
    "-129 as INT8": (infer(changed(datatype="INT8", data=[-129] + [0] * 7)), 400,
                     "'-129' is no INT8"),
    "2^63 as INT64": (infer(changed(datatype="INT64", data=[1 << 63] + [0] * 7)), 400,
                      "is no INT64"),
    "1 as BOOL": (infer(changed(datatype="BOOL", data=[1] + [True] * 7)), 400, "found a number"),
    "rows too short": (infer(changed(shape=[2, FEATURES], data=[ROW[1:], ROW + [0.0]])), 400,
                       "row 0 of 'data' does not hold 8 elements"),
    "rows too long": (infer(changed(shape=[2, FEATURES], data=[ROW + [0.0], ROW[1:]])), 400,
                      "row 0 of 'data' does not hold 8 elements"),
    "an empty row": (infer(changed(shape=[2, FEATURES], data=[[], ROW + ROW])), 400,
                     "row 0 of 'data' does not hold 8 elements"),
    "a row, then elements": (infer(changed(shape=[2, FEATURES], data=[ROW] + ROW)), 400,
                             "mixes rows"),
    "elements, then a row": (infer(changed(shape=[2, FEATURES], data=ROW + [ROW])), 400,
                             "nested otherwise"),
    "nested deeper than its shape": (infer(changed(data=[[ROW]])), 400, "nested otherwise"),
    "a flat column that is nested": (infer({"inputs": [column("temp", "FP32", [[1]], [1])]}), 400,
                                     "nested otherwise"),
}

OUTPUTS = {
    "an unknown name": (infer(outputs({"name": "x"})), 400, "unexpected inference output 'x'"),
    "one output twice": (infer(outputs({"name": "margin"}, {"name": "margin"})), 400,
                         "output 'margin' already exists in request"),
    "an output without a name": (infer(outputs({})), 400, "an output has no 'name'"),
    "an output that is a text": (infer(outputs("margin")), 400,
                                 "each of 'outputs' must be an object"),
    "shared memory for an output": (
        infer(outputs({"name": "margin", "parameters": {"shared_memory_region": "r"}})), 501,
        "'shared_memory_region' is not supported"),
    "classes as text": (infer(outputs({"name": "margin", "parameters": {"classification": "1"}})),
                        400, "'classification' must be a whole number of classes, found a string"),
    "-1 classes": (infer(outputs({"name": "margin", "parameters": {"classification": -1}})), 400,
                   "'classification' must be a whole number"),
    "classes of texts": (infer(outputs({"name": "label", "parameters": {"classification": 1}}),
                               model="classes"), 400, "output 'label' holds texts"),
}

# ---- binary tensors ----

BLOB = bytes(4 * FEATURES)


def binary(inputs, data, length=None, model="binary", **members):
    text = json.dumps({"inputs": inputs, **members}).encode()
    length = len(text) if length is None else length
    return infer(text + data, f"inference-header-content-length: {length}", model=model)


def blob(size=4 * FEATURES, name="input", datatype="FP32", shape=(1, FEATURES)):
    return {"name": name, "datatype": datatype, "shape": list(shape),
            "parameters": {"binary_data_size": size}}


def carriers(data, rows=1):
    return binary([blob(len(data), "carrier", "BYTES", [rows])], data, model="carriers")


def texts(*of):
    return b"".join(struct.pack("<I", len(t)) + t for t in of)


MISMATCH = "input byte size mismatch for input 'input' for model 'binary'. Expected 32, got "
STRINGS = "unexpected number of string elements for input 'carrier' for model 'carriers': "

BINARY = {
    **{f"header length `{length}`": (binary([blob()], BLOB, length), 400, text)
       for length, text in {
           "-1": "inference header size should be in range", "1000": "should be in range (0, ",
           "4294967296": "should be in range", "9223372036854775807": "should be in range",
           "99999999999999999999999": "Unable to parse Inference-Header-Content-Length, got: 9999",
           "": "Unable to parse", "x": "Unable to parse", "1e2": "Unable to parse",
           "0x10": "Unable to parse", "1, 1": "Unable to parse", "5": "malformed JSON"}.items()},
    "two header lengths": (infer(GOOD_TEXT, *[
        f"inference-header-content-length: {len(GOOD_TEXT)}"] * 2), 400,
                           "Inference-Header-Content-Length may come once only"),
    "a header length, and no body": (infer(b"", "inference-header-content-length: 7"), 400,
                                     "should be in range"),
    "a blob 4 bytes short": (binary([blob()], BLOB[4:]), 400,
                             "unexpected size for input 'input', expecting 4 additional bytes for "
                             "model 'binary'"),
    "no blob": (infer({"inputs": [blob()]}), 400, "expecting 32 additional bytes"),
    "a byte behind the blobs": (binary([blob()], BLOB + b"x"), 400,
                                "unexpected additional input data for model 'binary'"),
    "a blob, and nothing asks for it": (binary([tensor()], BLOB), 400,
                                        "unexpected additional input data for model 'binary'"),
    "a blob larger than its shape": (binary([blob(64)], BLOB + BLOB), 400, MISMATCH + "64"),
    "a blob smaller than its shape": (binary([blob(28)], BLOB[4:]), 400, MISMATCH + "28"),
    "a size of 0 for 8 elements": (binary([blob(0)], b""), 400, MISMATCH + "0"),
    "a negative size": (binary([blob(-1)], BLOB), 400, "binary_data_size"),
    "a size of 2^63": (binary([blob(1 << 63)], BLOB), 400,
                       "expecting 9223372036854775776 additional bytes"),
    "a size of 2^64": (binary([blob(1 << 64)], BLOB), 400, "binary_data_size"),
    "a size as text": (binary([blob("32")], BLOB), 400, "binary_data_size"),
    "a size of 32.5": (binary([blob(32.5)], BLOB), 400, "binary_data_size"),
    "data and a size, and a blob": (binary([tensor(parameters={"binary_data_size": 32})], BLOB),
                                    400, "has both 'data' and 'binary_data_size'"),
    "2^60 rows of it": (binary([blob(shape=[1 << 60, FEATURES])], BLOB), 400,
                        "inference request batch-size must be <= 1048576"),
    "the same blob's name twice": (binary([blob(), blob()], BLOB + BLOB), 400,
                                   "input 'input' already exists in request"),
    "2 as BOOL": (binary([blob(FEATURES, datatype="BOOL")], b"\2" * FEATURES), 400,
                  "element 0: a BOOL is a byte 0 or 1, found 2"),
    "a raw body, a byte short": (infer(BLOB[1:], "inference-header-content-length: 0"), 400,
                                 "input byte size mismatch for input 'input' for model 'binary'. "
                                 "Expected 32, got 31"),
    "a raw body to several inputs": (infer(b"AA", "inference-header-content-length: 0",
                                           model="carriers"), 400,
                                     "a raw request can only be sent to a model with"),
    "a text whose length is cut off": (carriers(b"\2\0"), 400,
                                       STRINGS + "1 do not fit into 2 bytes"),
    "a text shorter than its length": (carriers(b"\3\0\0\0UA"), 400,
                                       "element 0: the text has 3 bytes, only 2 are left"),
    "a text of 2^32 - 1 bytes": (carriers(b"\xff\xff\xff\xffUA"), 400,
                                 "element 0: the text has 4294967295 bytes, only 2 are left"),
    "a text too few": (carriers(texts(b"UA"), 2), 400, STRINGS + "2 do not fit into 6 bytes"),
    "a text too many": (carriers(texts(b"UA", b"AA")), 400, STRINGS + "6 bytes are left behind"),
    "a text that is no UTF-8": (carriers(texts(b'\xff\xfe\0"')), 400,
                                "input 'carrier', row 0: unknown category"),
}

# ---- names ----


def ready(name):
    return request("GET", f"/v2/models/{name}/ready")


PATHS = {
    "`..` as a model": (ready(".."), 404, "Request for unknown model: '..' is not found"),
    "`%2e%2e` as a model": (ready("%2e%2e"), 404, "Request for unknown model: '..' is not found"),
    "a model's name with `..%2f`": (ready("..%2f..%2fetc"), 404, "no such path"),
    "a model's name that is no UTF-8": (ready("%ff"), 404, "Request for unknown model: "),
    "a model's name with a line feed": (ready("a%0alevel=error"), 404,
                                        "Request for unknown model: 'a"),
    "a model's name of 5,000 bytes": (ready("x" * 5000), 404,
                                      "Request for unknown model: 'xxxxxxxx"),
    "a model's name with a space behind it": (ready("binary%20"), 404,
                                              "Request for unknown model: 'binary ' is not found"),
    "an empty name": (ready(""), 404, "no such path"),
    "version `..%2f1`": (ready("binary/versions/..%2f1"), 404, "no such path"),
    "version 01": (ready("binary/versions/01"), 404, "'binary' version 01 is not found"),
    "version -1": (ready("binary/versions/-1"), 404, "'binary' version -1 is not found"),
    "version 2^64 + 1": (ready("binary/versions/18446744073709551617"), 404,
                         "version 18446744073709551617 is not found"),
    "GET to infer": (request("GET", "/v2/models/binary/versions/abc/infer"), 405,
                     "method not allowed"),
    "DELETE of a model": (request("DELETE", "/v2/models/binary"), 405, "method not allowed"),
    "a path that is none": (request("GET", "/v3"), 404, "no such path"),
    "a slash too many": (request("GET", "/v2/"), 404, "no such path"),
}

TARGETS = {
    "an unknown model": (infer(GOOD, model="none"), 404,
                         "Request for unknown model: 'none' is not found"),
    "an unknown version": (infer(GOOD, model="binary/versions/9"), 404, "is not found"),
    "a version that is no number": (infer(GOOD, model="binary/versions/abc"), 404, "is not found"),
}

SECTIONS = {
    "Heads": HEADS, "Framing": FRAMING, "Compressed bodies": CODINGS, "JSON": TEXTS,
    "The request": REQUESTS, "Inputs": INPUTS, "Shapes": SHAPES, "Data": DATA,
    "Binary tensors": BINARY, "Outputs": OUTPUTS, "Names": PATHS, "Models": TARGETS,
}

# What net refuses ends the connection; heads that cannot be read belong to no model.
ENDS = {"Heads", "Framing", "Compressed bodies"}
UNCOUNTED = {"Heads", "Names"}
CODES = {400: "INVALID", 404: "NOT_FOUND", 413: "TOO_LARGE", 415: "UNSUPPORTED",
         417: "UNSUPPORTED", 431: "INVALID", 501: "UNSUPPORTED"}
LARGE = 64 << 10  # bytes; what is larger is sent less often where things are sent often


class Case:
    """One row."""

    def __init__(self, section, name, data, status, text):
        self.section, self.name, self.data = section, name, data
        self.status, self.text = status, text
        self.ends = section in ENDS
        self.is_large = len(data) >= LARGE

    def __str__(self):
        return f"{self.section}: {self.name}".replace("`", "")

    @property
    def key(self):
        """(model, version, code), as it is counted; None: no prediction request."""
        if self.section in UNCOUNTED:
            return None
        if self.status == 404:
            return "", "", "NOT_FOUND"
        model = re.match(rb"POST /v2/models/(\w+)", self.data)[1].decode()
        return model, "2" if model == "binary" else "1", CODES[self.status]


CASES = [Case(section, name, *row) for section, rows in SECTIONS.items()
         for name, row in rows.items()]


def markdown():
    """The rows as tables of docs/hostile-input.md."""
    lines = []
    for section, rows in SECTIONS.items():
        lines += [f"### {section}", "", "| what is sent | status | text |", "| --- | --- | --- |"]
        lines += [f"| {name} | {status} | {'`' + text + '`' if text else ''} |"
                  for name, (_, status, text) in rows.items()]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"

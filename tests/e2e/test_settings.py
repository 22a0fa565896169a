# SPDX-License-Identifier: Apache-2.0
"""Goal: settings of the log act on what is logged, wrong ones are refused whole and with a text,
and what does not exist (tracing, shared memory, files) is refused by name.

Method: a server of its own for each test, tritonclient for what it can say; the log itself is read.
"""

import json
import time

import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from conftest import Server

START = {"log_file": "", "log_info": True, "log_warning": True, "log_error": True,
         "log_verbose_level": 0, "log_format": "default"}
TRACE = {"trace_level": ["OFF"], "trace_file": "", "trace_rate": "1000", "trace_count": "-1",
         "log_frequency": "0"}


def post(server, settings, path="/v2/logging"):
    answer = server.post(path, settings)
    assert answer.status == 200, answer.body
    return answer.json


def lines_behind(server, count, wanted=None):
    """The log's lines from `count` on; waits for one that holds `wanted`."""
    end = time.monotonic() + 5
    while wanted and not any(wanted in s for s in server.lines[count:]) and \
            time.monotonic() < end:
        time.sleep(0.01)
    return server.lines[count:]


# ---- the log ----

def test_read(single):
    assert single.get("/v2/logging").json == START
    assert post(single, {}) == START


def test_started_otherwise(models):
    one = Server(models, "--log-level", "debug")
    try:
        assert one.get("/v2/logging").json == dict(START, log_verbose_level=1)
        assert post(one, {"log_verbose_level": 0})["log_verbose_level"] == 0
        assert post(one, {"log_verbose_level": None})["log_verbose_level"] == 1
    finally:
        assert one.stop() == 0


def test_levels_act(single):
    """Whether the line of the end and the line of a change are written is what was set."""
    count = len(single.lines)
    assert post(single, {"log_info": False}) == dict(START, log_info=False)
    assert any("log settings changed" in s for s in lines_behind(single, count, "changed"))
    assert post(single, {"log_warning": False, "log_verbose_level": 3}) == \
        dict(START, log_info=False, log_warning=False, log_verbose_level=1)
    count = len(single.lines)
    post(single, {"log_error": False})
    assert single.stop() == 0
    assert lines_behind(single, count) == []


def test_null_is_the_start(single):
    post(single, {"log_info": False, "log_error": False, "log_format": "json"})
    assert post(single, {"log_info": None}) == dict(START, log_error=False, log_format="json")
    assert post(single, {"log_error": None, "log_format": None, "log_file": None}) == START


def test_format_acts(single):
    count = len(single.lines)
    assert post(single, {"log_format": "json"})["log_format"] == "json"
    line = json.loads(lines_behind(single, count, "log settings changed")[-1])
    assert json.loads(line["settings"])["log_format"] == "json"
    count = len(single.lines)
    for word in ("ISO8601", "logfmt", "default"):
        assert post(single, {"log_format": word})["log_format"] == word
    end = time.monotonic() + 5
    while len(single.lines) < count + 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert all(s.startswith("time=") for s in single.lines[count:])


@pytest.mark.parametrize("settings, status, text", [
    ({"log_info": 1}, 400, "'log_info' must be true, false or null"),
    ({"log_warning": "true"}, 400, "'log_warning' must be true, false or null"),
    ({"log_error": []}, 400, "'log_error' must be true, false or null"),
    ({"log_verbose_level": -1}, 400, "'log_verbose_level' must be a whole number"),
    ({"log_verbose_level": "1"}, 400, "'log_verbose_level' must be a whole number"),
    ({"log_verbose_level": True}, 400, "'log_verbose_level' must be a whole number"),
    ({"log_format": "xml"}, 400, "'log_format' must be"),
    ({"log_format": 1}, 400, "'log_format' must be"),
    ({"log_file": "/tmp/x"}, 501, "log file location can not be updated"),
    ({"log_file": 1}, 501, "log file location can not be updated"),
    ({"log_loudness": 3}, 400, "unknown log setting 'log_loudness'"),
    ({"a\nlevel=error event=forged": 3}, 400, "unknown log setting"),
    ([], 400, "an object of settings"), (b"{", 400, ""), (b"", 400, ""),
    (b"{" + b" " * 70000 + b"}", 413, "more than 65536 bytes")])
def test_refused_whole(single, settings, status, text):
    count = len(single.lines)
    if isinstance(settings, dict):
        settings = {"log_info": False, **settings}
    answer = single.post("/v2/logging", settings)
    assert answer.status == status and text in answer.error
    assert single.get("/v2/logging").json == START
    assert lines_behind(single, count) == []


def test_nothing_is_forged(single):
    """What a client sends cannot begin a line of its own."""
    count = len(single.lines)
    post(single, {"log_format": "ISO8601", "log_file": ""})
    for body in (b'{"log_format":"x\\ntime=0 level=error event=forged"}',
                 b'{"x\\ntime=0 level=error event=forged":1}'):
        assert single.post("/v2/logging", body).status == 400
    lines = lines_behind(single, count, "log settings changed")
    assert len(lines) == 1 and "forged" not in lines[0]


def test_tritonclient_log_settings(single):
    with tritonclient.http.InferenceServerClient(single.url) as client:
        assert client.get_log_settings() == START
        assert client.update_log_settings({"log_verbose_level": 1, "log_format": "ISO8601"}) == \
            dict(START, log_verbose_level=1, log_format="ISO8601")
        with pytest.raises(InferenceServerException, match="log file location"):
            client.update_log_settings({"log_file": "x.log"})


# ---- tracing, which is not there ----

@pytest.mark.parametrize("path", ["/v2/trace/setting", "/v2/models/binary/trace/setting"])
def test_trace_settings(server, path):
    assert server.get(path).json == TRACE
    for settings in ({}, {"trace_level": ["OFF"]}, {"trace_level": "OFF"}, {"trace_level": None},
                     {k: None for k in TRACE}, TRACE):
        assert post(server, settings, path) == TRACE
    for settings, status, text in [
            ({"trace_level": ["TIMESTAMPS"]}, 501, "trace_level 'TIMESTAMPS': tracing is not sup"),
            ({"trace_level": ["OFF", "TENSORS"]}, 501, "trace_level 'TENSORS'"),
            ({"trace_level": ["LOUD"]}, 400, "unknown trace_level 'LOUD'"),
            ({"trace_level": []}, 400, "must be an array of levels"),
            ({"trace_level": [1]}, 400, "each of 'trace_level' must be a string"),
            ({"trace_level": 1}, 400, "must be an array of levels"),
            ({"trace_file": "/etc/passwd"}, 501, "'trace_file': tracing is not supported"),
            ({"trace_rate": "10"}, 501, "'trace_rate': tracing is not supported"),
            ({"trace_rate": 1000}, 400, "'trace_rate' must be a string"),
            ({"trace_count": "5"}, 501, "'trace_count'"),
            ({"log_frequency": "5"}, 501, "'log_frequency'"),
            ({"trace_mode": "x"}, 400, "unknown trace setting 'trace_mode'")]:
        answer = server.post(path, settings)
        assert answer.status == status and text in answer.error, settings
    assert server.get(path).json == TRACE


def test_trace_settings_of_no_model(server):
    for answer in (server.get("/v2/models/none/trace/setting"),
                   server.post("/v2/models/none/trace/setting", {})):
        assert answer.status == 404 and "'none' is not found" in answer.error


def test_tritonclient_trace_settings(server):
    with tritonclient.http.InferenceServerClient(server.url) as client:
        assert client.get_trace_settings() == client.get_trace_settings("binary") == TRACE
        assert client.update_trace_settings(settings={"trace_level": None}) == TRACE
        with pytest.raises(InferenceServerException, match="tracing is not supported"):
            client.update_trace_settings("binary", {"trace_level": ["TIMESTAMPS"]})


# ---- shared memory, which is not there ----

def test_shared_memory(server):
    with tritonclient.http.InferenceServerClient(server.url) as client:
        assert client.get_system_shared_memory_status() == []
        assert client.get_cuda_shared_memory_status() == []
        client.unregister_system_shared_memory()
        client.unregister_system_shared_memory("region")
        client.unregister_cuda_shared_memory()
        client.unregister_cuda_shared_memory("region")
        with pytest.raises(InferenceServerException, match="shared memory is not supported"):
            client.register_system_shared_memory("region", "/key", 64)
        with pytest.raises(InferenceServerException, match="shared memory is not supported"):
            client.register_cuda_shared_memory("region", b"handle", 0, 64)
        for status in (client.get_system_shared_memory_status,
                       client.get_cuda_shared_memory_status):
            with pytest.raises(InferenceServerException, match="Unable to find"):
                status("region")


# ---- the server's name ----

def test_name_and_version(models):
    one = Server(models, "--server-name", 'tri"ton', "--server-version", "9.9")
    try:
        answer = one.get("/v2").json
        assert (answer["name"], answer["version"]) == ('tri"ton', "9.9")
    finally:
        assert one.stop() == 0

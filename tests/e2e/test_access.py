# SPDX-License-Identifier: Apache-2.0
"""Goal: what changes the server is taken on loopback and unix addresses only, unless it was started
otherwise; reading and inferring work wherever it listens.

Method: the endpoints that change something are found in the router's table; servers that listen on
loopback, on a unix socket, on an address of this host that is not loopback, and on all addresses.
"""

import pathlib
import re
import socket

import pytest

from conftest import FEATURES, Server, Wire, tensor

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOD = {"inputs": [tensor([[0.5] * FEATURES])]}


def endpoints(flag):
    table = re.search(r"ax_endpoints\[\] = \{(.*?)\n\};",
                      (ROOT / "src/server/router.c").read_text(encoding="utf-8"), re.S)[1]
    rows = re.findall(r'\{ AX_HTTP_(\w+), "([^"]+)",\s+\w+,\s+([^}]+?) \}', table)
    assert len(rows) == table.count("AX_HTTP_")
    return [(method, path.replace("{m}", "binary").replace("{v}", "1").replace("{r}", "x"))
            for method, path, flags in rows if (flag in flags) == (flag != "0" or flags == "0")
            and flag in flags.split(" | ")]


# Those that unload the model come last.
CONTROLS = sorted(endpoints("AX_ENDPOINT_CONTROLS"), key=lambda row: "repository" in row[1])
# No definitions of features are in force here.
DONE = {"/materialize": 404, "/materialize-incremental": 404}
READS = [(m, p) for m, p in endpoints("0") if m == "GET"]


def own_address():
    """An address of this host that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this host has no address but loopback")
    return address


def server_at(models, address, *options):
    """A server that listens at `address` beside the usual loopback one, and that address's port."""
    one = Server(models, "--listen", address, *options)
    line = next(s for s in one.lines if "event=ready" in s)
    listeners = re.search(r'listen="?([^"\n]+?)"? models=', line)[1].split()
    return one, listeners[1]


def wire_to(listener):
    host, _, port = listener.rpartition(":")
    return Wire((host.strip("[]"), int(port)))


def test_the_table_names_them():
    assert ("POST", "/v2/logging") in CONTROLS and ("POST", "/v2/trace/setting") in CONTROLS
    # Nothing that is only read, or asks for scores, changes the server.
    assert all(method == "POST" for method, _ in CONTROLS)
    assert len(READS) > 10


def test_remote_may_read_and_infer_but_not_change(models):
    one, listener = server_at(models, f"{own_address()}:0", "--model-control", "explicit")
    try:
        with wire_to(listener) as wire:
            assert wire.request("POST", "/v2/models/binary/infer", GOOD).status == 200
            for method, path in READS:
                assert wire.request(method, path).status in (200, 404), path
            for method, path in CONTROLS:
                answer = wire.request(method, path, {"log_info": False})
                assert answer.status == 403, path
                assert answer.error.startswith("This API is restricted")
                assert "--allow-remote-control" in answer.error
            # Not even by saying that one is somebody else.
            answer = wire.request("POST", "/v2/logging", {}, [
                "x-forwarded-for: 127.0.0.1", "forwarded: for=127.0.0.1"])
            assert answer.status == 403
        assert one.get("/v2/logging").json["log_info"] is True
        # The same server on its loopback address.
        for method, path in CONTROLS:
            assert one.request(method, path, {}).status == DONE.get(path, 200), path
    finally:
        assert one.stop() == 0


def test_remote_control_may_be_allowed(models):
    one, listener = server_at(models, f"{own_address()}:0", "--allow-remote-control",
                              "--model-control", "explicit")
    try:
        with wire_to(listener) as wire:
            for method, path in CONTROLS:
                assert wire.request(method, path, {}).status == DONE.get(path, 200), path
    finally:
        assert one.stop() == 0


def test_all_addresses(models):
    """What counts is the address that was spoken to, not the listener's."""
    one, listener = server_at(models, "0.0.0.0:0")
    try:
        port = listener.rpartition(":")[2]
        with wire_to(f"127.0.0.1:{port}") as wire:
            assert wire.request("POST", "/v2/logging", {}).status == 200
        with wire_to(f"{own_address()}:{port}") as wire:
            assert wire.request("POST", "/v2/logging", {}).status == 403
    finally:
        assert one.stop() == 0


@pytest.mark.parametrize("listen, host, status", [
    ("[::1]:0", "::1", 200), ("[::]:0", "::1", 200), ("127.3.2.1:0", "127.3.2.1", 200)])
def test_other_forms_of_loopback(models, listen, host, status):
    try:
        one, listener = server_at(models, listen)
    except RuntimeError:
        pytest.skip(f"this host has no {listen}")
    try:
        port = listener.rpartition(":")[2]
        with Wire((host, int(port))) as wire:
            assert wire.request("POST", "/v2/logging", {}).status == status
    finally:
        assert one.stop() == 0


def test_unix_socket(models, tmp_path):
    path = tmp_path / "ax.sock"
    one = Server(models, "--listen", f"unix:{path}")
    try:
        wire = Wire.__new__(Wire)
        wire.socket = socket.socket(socket.AF_UNIX)
        wire.socket.connect(str(path))
        wire.buffer = b""
        with wire:
            assert wire.request("POST", "/v2/logging", {}).status == 200
    finally:
        assert one.stop() == 0

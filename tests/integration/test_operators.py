# SPDX-License-Identifier: Apache-2.0
"""What operators and their tools see: status page, log levels, the service manager."""

import json
import os
import pty
import signal
import socket

import pytest

from conftest import BINARY, PATIENCE_S, request, wait_for


def test_status_page(motorcade):
    server = motorcade({"broker.kind": "journal", "gateway.limits.packet_bytes": "10KiB"})
    server.post({"obuid": "<b>", "seq": 1, "lat": 1, "lon": 2})
    server.wait_drained()
    page = server.get("/statusz")
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    text = page.body.decode()
    for part in ("<h1>motorcade run</h1>", "<td>gpscoords.position</td>", ">ready</p>",
                 "packet_bytes: 10KiB", "sink_circuit_state", "connections_open",
                 "protocol=&quot;http&quot;"):
        assert part in text, part


def test_secrets_are_hidden(motorcade, tmp_path):
    """Whatever settings are secret: print-config and the page show none of them."""
    schema = json.loads(motorcade().tool("print-config", "--format", "schema").stdout)
    secrets = [(module, name) for module, table in schema["properties"].items()
               for name, value in table.get("properties", {}).items() if value.get("writeOnly")]
    if not secrets:
        pytest.skip("SKIP: no setting is a secret yet")
    settings = {f"{module}.{name}": "hidden-word" for module, name in secrets}
    server = motorcade(settings, data=tmp_path / "other")
    assert "hidden-word" not in server.get("/statusz").body.decode()


def test_log_levels_change_at_run_time(motorcade):
    server = motorcade()
    assert server.get("/log").json()["level"] == "info"

    def post(path, **headers):
        return request(server.gateway, "POST", path, b"", headers)

    changed = post("/admin/log?level=debug&module=journal")
    assert changed.status == 200 and changed.json()["modules"]["journal"] == "debug"
    server.wait_event("log level changed", "admin")
    assert post("/admin/log?level=loud").status == 400
    assert post("/admin/log?level=info", Origin="http://elsewhere").status == 403
    assert server.get("/admin/log?level=info").status == 405
    server.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: server.get("/log").json()["level"] == "debug", "SIGUSR1 to take effect")
    server.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: server.get("/log").json()["level"] == "info", "SIGUSR1 to take effect")


def test_alive_names_every_loop(motorcade):
    server = motorcade()
    alive = server.get("/healthz").json()
    assert alive["alive"] is True
    assert {"main", "gateway-0", "gateway-1"} <= set(alive["loops"])


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        yield listener


def test_the_service_manager_is_told(motorcade, manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    server = motorcade()
    seen = []

    def hear(word):
        while word not in seen:
            seen.append(manager.recv(4096).decode())

    hear("READY=1")
    hear("WATCHDOG=1")
    # one hung loop (here: the whole process) and the watchdog goes hungry
    server.process.send_signal(signal.SIGSTOP)
    manager.setblocking(False)
    try:
        while True:
            manager.recv(4096)
    except BlockingIOError:
        pass
    manager.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.recv(4096)
    server.process.send_signal(signal.SIGCONT)
    manager.settimeout(PATIENCE_S)
    seen.clear()
    hear("WATCHDOG=1")
    server.process.send_signal(signal.SIGTERM)
    hear("STOPPING=1")
    assert server.process.wait(timeout=PATIENCE_S) == 0


def test_a_foreign_socket_name_is_no_harm(motorcade, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + "x" * 200)
    motorcade()
    assert os.environ["NOTIFY_SOCKET"]


def test_top_shows_one_page(motorcade):
    server = motorcade()
    server.post([{"obuid": 1, "seq": n, "lat": 1, "lon": 2} for n in range(1, 11)])
    server.post({"lat": 1})
    page = server.tool("top", "--once", "--interval", "50ms", server.gateway).stdout
    assert page.startswith(f"motorcade  {server.gateway}  ready\n")
    for part in ("per second", "lag:", "rejected, by reason", "no_vehicle", "circuit closed"):
        assert part in page, part
    gone = server.tool("top", "--once", "127.0.0.1:1", check=False)
    assert gone.returncode == 1 and "Couldn't connect" in gone.stderr


def test_top_in_a_terminal_ends_by_a_key(motorcade):
    server = motorcade()
    try:
        pid, terminal = pty.fork()
    except OSError as error:
        pytest.skip(f"SKIP: no pseudo-terminal here: {error}")
    if pid == 0:
        os.execv(BINARY, [str(BINARY), "top", "--interval", "50ms", server.gateway])
    seen = b""
    while b"car to ack" not in seen and b"loop delay" not in seen:
        seen += os.read(terminal, 65536)
    assert b"\x1b[?1049h" in seen
    os.write(terminal, b"q")
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    assert seen.endswith(b"\x1b[?25h\x1b[?1049l")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

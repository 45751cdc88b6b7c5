# SPDX-License-Identifier: Apache-2.0
"""The process itself: starting, refusing to start, reloading, stopping."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from car import Car
from conftest import BINARY, ROOT, free_port, request, wait_for

CAB = {"obuid": 1, "seq": 1, "lat": 1, "lon": 2}


def exits(server, code):
    server.process.wait(timeout=60)
    wait_for(lambda: server.event("can't start"), "the reason in the log")
    assert server.process.returncode == code, server.log_text()
    return server.event("can't start")["error"]


def test_sigterm_and_sigint_end_cleanly(motorcade):
    server = motorcade()
    assert server.post(CAB).status == 200
    assert server.stop() == 0
    server.start()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=60) == 0


def test_shutdown_acks_what_is_under_way_and_says_going_away(motorcade):
    server = motorcade()
    with Car(f"ws://{server.gateway}/ws") as car:
        for seq in range(200):
            car.send({**CAB, "seq": seq})
        server.process.send_signal(signal.SIGTERM)
        acked = 0
        try:
            while True:
                acked = json.loads(car.recv())["ack"]
        except Exception:  # closed
            pass
        assert car.wait_closed() == 1001
    assert server.process.wait(timeout=60) == 0
    server.start()
    server.wait_drained()
    assert server.count() >= acked


def test_no_library_leaves_a_file_in_shm(motorcade):
    """One of a killed process would be in the way of the next with its number."""
    server = motorcade()
    assert not pathlib.Path(f"/dev/shm/mongoc-{server.process.pid}").exists()


def test_port_in_use(motorcade):
    first = motorcade()
    second = motorcade({"gateway.listen": first.gateway, "live.listen": "127.0.0.1:0"},
                       data=first.data.parent / "other", wait=False)
    text = exits(second, 1)
    assert first.gateway.split(":")[1] in text and "in use" in text
    second.process = None


def test_second_process_on_the_folder(motorcade):
    first = motorcade()
    second = motorcade(data=first.data, wait=False)
    text = exits(second, 1)
    assert str(first.process.pid) in text
    second.process = None


@pytest.mark.skipif(os.geteuid() == 0, reason="SKIP: root may write everywhere")
def test_unwritable_folder_as_user(motorcade, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    server = motorcade(data=folder / "data", wait=False)
    assert "--data" in exits(server, 1)
    server.process = None


def test_unwritable_folder(motorcade):
    server = motorcade(data="/proc/motorcade", wait=False)
    assert "--data" in exits(server, 1)
    server.process = None


def test_journal_of_a_newer_version(motorcade):
    server = motorcade()
    assert server.post(CAB).status == 200
    assert server.stop() == 0
    meta = server.data / "journal" / "meta"
    text = meta.read_bytes()
    assert text.startswith(b"motorcade-journal 1\n")
    meta.write_bytes(text.replace(b"motorcade-journal 1\n", b"motorcade-journal 99\n", 1))
    server.start(wait=False)
    assert "newer" in exits(server, 78)
    assert meta.read_bytes().startswith(b"motorcade-journal 99\n"), "it must stay untouched"
    server.process = None


def run(*arguments, **environment):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=False,
                          timeout=60, env={**os.environ, **environment})


def test_config_typos_are_named(tmp_path):
    config = tmp_path / "motorcade.yaml"
    config.write_text("gateway:\n  lisen: 127.0.0.1:30000\n")
    done = run("check", "-c", str(config))
    assert done.returncode == 78
    assert f"{config}:2:3" in done.stderr and "listen" in done.stderr
    config.write_text("gateway:\n  loops: 4abc\n")
    done = run("run", "-c", str(config), "--data", str(tmp_path / "data"))
    assert done.returncode == 78 and f"{config}:2" in done.stderr
    assert run("check", "--set", "gateway.loops=2").returncode == 0
    assert run("check", MOTORCADE_GATEWAY__LOOPS="two").returncode == 78


@pytest.mark.parametrize("role", ["handler", "store", "live"])
def test_lone_roles_need_a_shared_broker(role, tmp_path):
    done = run(role, "--data", str(tmp_path))
    assert done.returncode == 78
    assert "motorcade run" in done.stderr and "kafka" in done.stderr


@pytest.mark.parametrize("tool", ["run", "gateway", "handler", "store", "live", "simulate",
                                  "replay", "tail", "journal", "query", "check", "print-config",
                                  "version"])
def test_help_and_usage(tool):
    done = run(tool, "--help")
    assert done.returncode == 0 and tool in done.stdout
    assert run(tool, "--no-such-option").returncode == 2


def test_unknown_subcommand():
    done = run("gatway")
    assert done.returncode == 2 and "gateway" in done.stderr


def test_gateway_alone_with_tail(motorcade):
    gateway = motorcade(role="gateway")
    assert gateway.post([{**CAB, "seq": seq} for seq in range(10)]).json()["accepted"] == 10
    out = gateway.tool("tail", "gpscoords", "--data", gateway.data, "--from", "earliest").stdout
    assert out.count("obuid") == 10


def test_admin_address(motorcade):
    admin = f"127.0.0.1:{free_port()}"
    server = motorcade({"admin.listen": admin})
    assert request(admin, "GET", "/readyz").status == 200
    assert server.get("/metrics").status == 404


def test_metrics_are_clean(motorcade):
    import shutil
    if shutil.which("promtool") is None:
        pytest.skip("SKIP: no promtool")
    server = motorcade()
    server.post([CAB, {"x": 1}])
    text = server.get("/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_reload_of_rules(motorcade, tmp_path):
    rules = tmp_path / "rules.yaml"
    default = (ROOT / "config" / "rules" / "default.yaml").read_text()
    rules.write_text(default)
    server = motorcade({"handler.rules": str(rules)})
    rules.write_text("categories: [")
    server.hang_up("reload refused, what was in force stays")
    assert server.post(CAB).status == 200
    server.wait_count(1)
    rules.write_text(default)
    server.hang_up()
    assert server.post({**CAB, "seq": 2}).status == 200
    server.wait_count(2)

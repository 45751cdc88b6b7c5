# SPDX-License-Identifier: Apache-2.0
"""Log lines as collectors see them: fields of ECS, shipped by rsyslog, held back when too many."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import threading

import pytest
import websockets

from conftest import ROOT, wait_for

LOGS = ROOT / "deploy" / "logs"
# Of the ECS 8.11 field reference: those that a line may use.
ECS = {
    "@timestamp": str, "log.level": str, "message": str, "ecs.version": str, "service.name": str,
    "service.version": str, "service.node.role": str, "log.logger": str, "process.pid": int,
    "event.action": str, "event.id": str, "event.reason": str, "event.original": str,
    "error.message": str,
    "client.address": str, "server.address": str, "file.path": str, "trace.id": str,
    "span.id": str,
}
ALWAYS = ("@timestamp", "log.level", "message", "ecs.version", "service.name", "log.logger",
          "process.pid", "event.action")


LETTER = ("@timestamp", "log.level", "message", "ecs.version", "service.name", "event.action",
          "event.reason", "event.original")


def check_line(line, always=ALWAYS):
    """Every field is ECS's, with ECS's type, or our own."""
    for name, value in line.items():
        if name.startswith("motorcade."):
            assert isinstance(value, (str, int, float, bool)), name
            continue
        assert name in ECS, f"{name} is neither ECS's nor ours: {line}"
        assert isinstance(value, ECS[name]), f"{name}: {value!r}"
    for name in always:
        assert name in line, f"no {name} in {line}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["@timestamp"])
    assert line["log.level"] in ("debug", "info", "warn", "error")
    assert re.fullmatch(r"[a-z0-9-]+", line["event.action"])


@pytest.fixture
def raw_lines(motorcade):
    """What a run with a packet, a dead letter and a failed reload wrote, line by line."""
    server = motorcade({"log.level": "debug"})
    server.post([{"obuid": 1, "seq": 1, "lat": 1, "lon": 2}, {"obuid": 1, "seq": 2, "lat": 99,
                                                              "lon": 2}, {"lat": 3}])
    server.wait_drained()
    assert server.stop() == 0
    return server.raw


def test_every_line_is_ecs(raw_lines):
    assert len(raw_lines) > 5
    for line in raw_lines:
        check_line(json.loads(line))


@pytest.fixture
def letter_lines(motorcade):
    """What `tail --format ecs` makes of the dead letters in a journal, line by line."""
    server = motorcade()
    server.post([{"obuid": "car-7", "lat": 99, "lon": 2, "note": "ü\n\"" * 3000},
                 {"obuid": "car-8", "lat": 1, "lon": 2}, {"obuid": "car-9", "lat": 1, "lon": 299}])
    server.wait_drained()
    listed = server.tool("dlq", "list", "--json", "--data", server.data).stdout.splitlines()
    text = server.tool("tail", "gpscoords.dead-letters", "--format", "ecs", "--from", "1h", "--data",
                       server.data).stdout
    found = {json.loads(line)["event.id"]: json.loads(line) for line in text.splitlines()}
    assert found.keys() == {json.loads(line)["id"] for line in listed}
    return text.splitlines()


def test_dead_letters_are_ecs_and_found_by_vehicle_and_identity(letter_lines):
    letters = {}
    for line in map(json.loads, letter_lines):
        check_line(line, LETTER)
        assert line["event.action"] == "dead-letter" and line["event.reason"] == "range"
        assert re.fullmatch("[0-9a-f]{48}", line["event.id"])
        letters[line["motorcade.vehicle"]] = line
    assert letters.keys() == {"car-7", "car-9"}
    assert json.loads(letters["car-7"]["event.original"])["note"] == "ü\n\"" * 3000
    assert "lon 299 is outside" in letters["car-9"]["message"]
    assert letters["car-9"]["motorcade.source_topic"] == "gpscoords"


def test_who_can_not_be_understood_is_found_by_address(motorcade):
    """A client that is told nothing: its packets become dead letters without an identity."""
    server = motorcade()

    async def send():
        async with websockets.connect(f"ws://{server.gateway}/ws") as car:
            await car.send('{"lat": 3}')

    asyncio.run(send())
    words = ("tail", "gpscoords.dead-letters", "--format", "ecs", "--data", server.data)
    text = wait_for(lambda: server.tool(*words, check=False).stdout, "the dead letter")
    letter = json.loads(text)
    check_line(letter, LETTER)
    assert letter["client.address"].startswith("127.0.0.1") and "event.id" not in letter
    assert letter["event.original"] == '{"lat": 3}'


def test_no_position_above_debug(motorcade):
    server = motorcade()
    server.post([{"obuid": 1, "seq": n, "lat": 12.3456789, "lon": 98.7654321} for n in range(9)])
    server.post({"obuid": 1, "seq": 10, "lat": 98.7654321, "lon": 12.3456789})
    server.wait_drained()
    assert server.stop() == 0
    assert "7654321" not in "\n".join(server.raw)


@pytest.fixture
def receiver():
    """Takes lines over TCP."""
    lines = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run():
            try:
                while True:
                    peer, _ = server.accept()
                    threading.Thread(target=lambda file: lines.extend(file),
                                     args=(peer.makefile(encoding="utf-8"),), daemon=True).start()
            except OSError:
                pass

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.getsockname()[1], lines


def test_rsyslog_ships_the_lines(tmp_path, receiver, raw_lines, letter_lines):
    """Our configuration, with only its folders and addresses put elsewhere."""
    if shutil.which("rsyslogd") is None:
        pytest.skip("SKIP: rsyslog is not installed")
    port, lines = receiver
    spool = tmp_path / "spool"
    spool.mkdir()
    logs = tmp_path / "logs"
    logs.mkdir()
    config = (LOGS / "rsyslog.conf").read_text(encoding="utf-8")
    for old, new in (("/var/spool/rsyslog", spool), ("/var/log/motorcade/*.log", logs / "*.log"),
                     ("logs.example.net", "127.0.0.1"), ("10514", port)):
        assert old in config
        config = config.replace(old, str(new))
    (tmp_path / "rsyslog.conf").write_text(config, encoding="utf-8")
    for name, text in (("motorcade.log", raw_lines),
                       ("dead-letters-gpscoords.dead-letters.log", letter_lines)):
        (logs / name).write_text("".join(line + "\n" for line in text), encoding="utf-8")
    expected = [*raw_lines, *letter_lines]
    process = subprocess.Popen(["rsyslogd", "-n", "-i", tmp_path / "pid", "-f",
                                tmp_path / "rsyslog.conf"], stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, text=True)
    try:
        wait_for(lambda: len(lines) >= len(expected) or process.poll() is not None,
                 "rsyslog to ship the lines")
        assert process.poll() is None, process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    assert sorted(line.rstrip("\n") for line in lines) == sorted(expected)


def test_the_template_knows_our_fields():
    template = json.loads((LOGS / "elasticsearch/template.json").read_text(encoding="utf-8"))
    mapped = set()

    def walk(prefix, properties):
        for name, value in properties.items():
            mapped.add(prefix + name)
            walk(f"{prefix}{name}.", value.get("properties", {}))

    walk("", template["template"]["mappings"]["properties"])
    assert set(ECS) <= mapped
    policy = json.loads((LOGS / "elasticsearch/ilm.json").read_text(encoding="utf-8"))
    assert policy["policy"]["phases"]["delete"]["min_age"] == "30d"
    for line in (LOGS / "kibana/objects.ndjson").read_text(encoding="utf-8").splitlines():
        assert {"type", "id", "attributes"} <= set(json.loads(line))


def test_shippers_look_where_the_log_is():
    path = "/var/log/motorcade/"
    for name in ("filebeat.yml", "fluent-bit.conf", "rsyslog.conf", "logging.conf",
                 "logrotate.conf"):
        assert path in (LOGS / name).read_text(encoding="utf-8"), name
    yaml = pytest.importorskip("yaml", reason="SKIP: python3-yaml is not installed")
    assert yaml.safe_load((LOGS / "filebeat.yml").read_text(encoding="utf-8"))["filebeat.inputs"]

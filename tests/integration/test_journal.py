# SPDX-License-Identifier: Apache-2.0
"""`motorcade tail` and `motorcade journal` beside a gateway that writes."""

import json
import subprocess

from conftest import BINARY, wait_for


def packet(vehicle, lat=45.23):
    return {"obuid": vehicle, "lat": lat, "lon": 67.89}


def tail(process, *arguments, check=True):
    return process.tool("tail", *arguments, "--data", process.data, check=check)


def test_tail_prints_what_was_posted(motorcade):
    gateway = motorcade(role="gateway")
    for i in range(5):
        assert gateway.post(packet(f"car{i}")).status == 200
    lines = tail(gateway, "gpscoords", "--format", "json").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert sorted(record["key"] for record in records) == [f"car{i}" for i in range(5)]
    assert json.loads(records[0]["value"])["lat"] == 45.23
    assert tail(gateway, "gpscoords", "--from", "1h", "-n", "2").stdout.count("\n") == 2
    assert tail(gateway, "gpscoords", "--from", "latest").stdout == ""


def test_tail_follows_even_a_topic_to_come(motorcade, tmp_path):
    data = tmp_path / "data"
    follower = subprocess.Popen([BINARY, "tail", "gpscoords", "--follow", "--format", "value",
                                 "--data", data], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)
    try:
        assert "waiting for it" in follower.stderr.readline()
        gateway = motorcade(role="gateway", data=data)
        first = packet("first")
        gateway.post(first)
        assert json.loads(follower.stdout.readline()) == first
        gateway.post(packet("second"))
        assert json.loads(follower.stdout.readline())["obuid"] == "second"
        gateway.kill()
        gateway.process = None
        gateway.start()  # the follower goes on over the crash
        gateway.post(packet("third"))
        assert json.loads(follower.stdout.readline())["obuid"] == "third"
    finally:
        follower.kill()
        follower.wait()


def test_journal_verify_finds_a_flipped_bit(motorcade):
    gateway = motorcade(role="gateway")
    for i in range(20):
        assert gateway.post(packet(f"car{i}")).status == 200
    good = gateway.tool("journal", "verify", "--data", gateway.data)
    assert "20 records: whole" in good.stdout
    assert gateway.stop() == 0
    segment = next((gateway.data / "journal").glob("data-*.log"))
    content = bytearray(segment.read_bytes())
    content[content.index(b"car7")] ^= 1
    segment.write_bytes(content)
    bad = gateway.tool("journal", "verify", "--data", gateway.data, check=False)
    assert bad.returncode == 1
    assert "DAMAGED" in bad.stdout
    gateway.start()  # repaired: the other nineteen are there
    assert tail(gateway, "gpscoords").stdout.count("\n") == 19
    again = gateway.tool("journal", "verify", "--data", gateway.data)
    assert ".bad  kept by an earlier repair" in again.stdout


def test_journal_stat_and_dump(motorcade):
    server = motorcade()
    for i in range(8):
        server.post(packet(f"car{i}"))
    wait_for(lambda: server.count() == 8, "the store")
    server.wait_drained()
    stat = server.tool("journal", "stat", "--data", server.data).stdout
    assert "in use by a writing process" in stat
    assert "topic gpscoords: " in stat
    assert "group handler" in stat and "group store" in stat
    dump = server.tool("journal", "dump", "--records", "--data", server.data).stdout
    assert "checkpoint" in dump and 'key="car3"' in dump


def test_a_second_process_is_told_who_holds_the_folder(motorcade):
    gateway = motorcade(role="gateway")
    done = gateway.tool("gateway", "--data", gateway.data, "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == 1
    assert f"process {gateway.process.pid}:" in done.stderr


def test_a_newer_journal_is_refused(motorcade):
    gateway = motorcade(role="gateway")
    assert gateway.stop() == 0
    (gateway.data / "journal" / "meta").write_text("motorcade-journal 99\n")
    done = gateway.tool("gateway", "--data", gateway.data, "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == 78
    assert "newer version" in done.stderr


def test_mistakes_are_named(motorcade):
    gateway = motorcade(role="gateway")
    unknown = tail(gateway, "gpscords", check=False)
    assert unknown.returncode == 1 and "there are: gpscoords" in unknown.stderr
    assert tail(gateway, "gpscoords", "--from", "soon", check=False).returncode == 2
    assert gateway.tool("journal", "mend", "--data", gateway.data, check=False).returncode == 2
    nowhere = gateway.tool("journal", "stat", "--data", gateway.data / "none", check=False)
    assert nowhere.returncode == 1 and "no journal" in nowhere.stderr
    assert gateway.tool("tail", "--help").stdout.count("--follow") > 0

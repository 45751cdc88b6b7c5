# SPDX-License-Identifier: Apache-2.0
"""Foreign clients and motorcade's roles over one Kafka: each reads what the other wrote."""

import json
import subprocess
import sys

import pytest

from conftest import ROOT, wait_for
from kafka_system import system  # noqa: F401 (fixtures)

VECTORS = ROOT / "tests" / "vectors"


def test_what_a_java_producer_wrote_ends_in_the_store(kafka, system):
    store, _ = system.start("store", "handler")
    kafka.tool("console-producer", "--topic", system.topic("gpscoords"),
               "--property", "parse.key=true",
               stdin='cab-7\t{"obuid":"cab-7","seq":1,"lat":37.5,"lon":-122.25}\n'
                     'cab-8\t{"obuid":"cab-8","seq":1,"lat":37.75,"lon":-122.5}\n')
    store.wait_count(2)
    row = json.loads(store.query("--vehicle", "cab-7", "--format", "json").stdout)
    assert (row["lat"], row["lon"], row["dialect"]) == (37.5, -122.25, "obu")
    assert int(row["identity"][16:32], 16) == 1  # epoch 0, seq 1: the gateway's identity


def test_what_the_gateway_wrote_is_read_by_kcat_and_java(kafka, system):
    gateway, = system.start("gateway")
    value = '{"obuid":"cab-7","seq":1,"lat":1,"lon":2}'
    assert gateway.post(value).status == 200
    topic = system.topic("gpscoords")
    record, = kafka.read(topic)
    assert (record["key"], record["payload"]) == ("cab-7", value)
    (header, mc) = record["headers"]
    assert header == "mc" and mc.startswith("\x01\x01")  # version 1, OBU; no other header
    line = kafka.tool("console-consumer", "--topic", topic, "--from-beginning", "--max-messages", 1,
                      "--property", "print.key=true", "--property", "print.headers=true",
                      "--property", "print.timestamp=true")
    assert line.startswith(f"CreateTime:{record['ts']}\tmc:")
    assert line.rstrip("\n").endswith(f"\tcab-7\t{value}")


def test_keys_lie_where_a_java_producer_puts_them(kafka, system):
    """tests/vectors/partitions.json is what Java's producer chose (test_kafka_examples.py)."""
    gateway, = system.start("gateway")
    expected = {case["key"]: case["of_6"]
                for case in json.loads((VECTORS / "partitions.json").read_text())}
    packets = [{"obuid": key, "seq": 1, "lat": 1, "lon": 2} for key in expected]
    assert gateway.post(packets).status == 200
    found = {record["key"]: record["partition"] for record in kafka.read(system.topic("gpscoords"))}
    assert found == expected


def test_the_example_reads_what_the_handler_wrote(kafka, system):
    gateway, _ = system.start("gateway", "handler")
    assert gateway.post([{"obuid": "cab-7", "seq": seq, "lat": 1.5, "lon": 2.5}
                         for seq in range(1, 4)]).status == 200
    done = subprocess.run([sys.executable, ROOT / "examples" / "consumer.py", kafka.brokers,
                           system.topic("gpscoords.position"), "3"], capture_output=True, text=True,
                          timeout=120, check=True)
    lines = [line.split(" ") for line in done.stdout.splitlines()]
    assert [int(line[1][24:32], 16) for line in lines] == [1, 2, 3]
    assert all(line[0] == "cab-7" and line[2:4] == ["1.5", "2.5"] for line in lines)
    assert all(int(line[4]) > 0 and line[5] == "obu" and int(line[6], 16) != 0 for line in lines)


@pytest.mark.parametrize("key", ["cab-7", ""])
def test_what_can_not_be_taken_is_a_dead_letter_and_the_flow_goes_on(kafka, system, key):
    store, handler, gateway = system.start()
    topic = system.topic("gpscoords")
    assert gateway.post({"obuid": "cab-7", "seq": 1, "lat": 1, "lon": 2}).status == 200
    large = '{"obuid":"cab-7","seq":2,"lat":1,"lon":2,"text":"' + "x" * 1_500_000 + '"}'
    kafka.produce(topic, [(key, "not a packet"), (key, ""), (key, '{"obuid":"cab-7","lat":1}')])
    kafka.kcat("-P", "-t", topic, "-k", "cab-7", "-X", "message.max.bytes=2000000",
               "-D", "\\0", stdin=large)
    assert gateway.post({"obuid": "cab-7", "seq": 3, "lat": 1, "lon": 2}).status == 200
    wait_for(lambda: store.count() >= 2, "the packets around them")
    dead = kafka.wait_records(system.topic("gpscoords.dead-letters"), 4, 60)
    values = sorted((record["payload"] or "" for record in dead), key=len)
    assert values[:3] == ["", "not a packet", '{"obuid":"cab-7","lat":1}']
    # Too large for a dead letter as well (broker.record_bytes_max): its beginning.
    assert large.startswith(values[3]) and len(values[3]) == len(large) // 2
    assert handler.metric("motorcade_handler_dead_letters_total") == 4
    system.wait_drained()
    assert store.count() == 2

# SPDX-License-Identifier: Apache-2.0
"""examples/: consumers in Python and Java read the records of tests/vectors; Java's producer still
picks the partitions that tests/vectors/partitions.json says."""

import importlib.util
import json
import subprocess
import sys

import pytest

from conftest import ROOT
from kafka_cluster import SCRIPT, name

VECTORS = ROOT / "tests" / "vectors"
RECORDS = [case["becomes"] for case in json.loads((VECTORS / "records.json").read_text())
           if case["becomes"]["topic"].endswith(".position")]


def load_example():
    spec = importlib.util.spec_from_file_location("example", ROOT / "examples" / "consumer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def topic(kafka):
    """A category topic with the vectors in it."""
    confluent_kafka = pytest.importorskip("confluent_kafka", reason="SKIP: python3-confluent-kafka")
    made = kafka.create_topic(name("position"), partitions=1)
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers})
    for record in RECORDS:
        producer.produce(made, key=record["key"].encode(), value=record["value"].encode(),
                         headers={"mc": bytes.fromhex(record["mc"])})
    assert producer.flush(60) == 0
    return made


def check_lines(output):
    lines = [line.split(" ") for line in output.splitlines()]
    assert len(lines) == len(RECORDS)
    for line, record in zip(lines, RECORDS):
        packet = json.loads(record["value"])
        assert line[:2] == [packet["vehicle"], packet["identity"]]
        assert (float(line[2]), float(line[3])) == (packet["lat"], packet["lon"])
        assert line[4] == str(int(record["mc"][8:24], 16))
        assert line[5:] == ["obu", "0000000000000000"]


def test_the_python_example_reads_a_category_topic(kafka, topic):
    done = subprocess.run([sys.executable, ROOT / "examples" / "consumer.py", kafka.brokers, topic,
                           str(len(RECORDS))], capture_output=True, text=True, timeout=120,
                          check=True)
    check_lines(done.stdout)


def test_the_java_example_reads_a_category_topic(kafka, topic, java):
    check_lines(java("examples/Consumer.java", kafka.brokers, topic, len(RECORDS)))


def test_the_python_example_reads_all_vectors_of_mc():
    decode_mc = load_example().decode_mc
    for case in json.loads((VECTORS / "mc.json").read_text()):
        mc = decode_mc(bytes.fromhex(case["hex"]))
        assert mc["identity"] == case["identity"]
        assert mc["received_ns"] == int(case["received_ns"])
        assert mc["has_event_time"] == case["has_event_time"]
        assert mc["rules"] == case["ruleset_hash"]


def test_javas_producer_picks_the_partitions_of_the_vectors(kafka, java):
    cases = json.loads((VECTORS / "partitions.json").read_text())
    made = kafka.create_topic(name(), partitions=6)
    lines = java("tests/integration/Partitions.java", kafka.brokers, made,
                 stdin="".join(case["key"] + "\n" for case in cases))
    assert lines.splitlines() == [f"{case['of_6']}\t{case['key']}" for case in cases]


@pytest.fixture(scope="module")
def java(kafka, tmp_path_factory):
    """java(source, arguments) → its output; compiled against the jars that Kafka runs from."""
    jars = subprocess.run([SCRIPT, "classpath"], capture_output=True, text=True,
                          check=True).stdout.strip()
    folder = tmp_path_factory.mktemp("java")

    def run(source, *arguments, stdin=None):
        subprocess.run(["javac", "-Xlint:all", "-Werror", "-cp", jars, "-d", folder, ROOT / source],
                       check=True)
        main = source.rsplit("/", 1)[1].removesuffix(".java")
        return subprocess.run(
            ["java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
             "-cp", f"{folder}:{jars}", main, *map(str, arguments)], input=stdin,
            capture_output=True, text=True, timeout=120, check=True).stdout

    return run

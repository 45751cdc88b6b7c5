# SPDX-License-Identifier: Apache-2.0
"""`motorcade topics` against a real Kafka; each test has its own prefix of names."""

import json
import subprocess

import pytest

from conftest import BINARY, PATIENCE_S, wait_for
from kafka_cluster import name

TOPICS = [f"{ingest}{suffix}" for ingest in ("gpscoords", "data-topic")
          for suffix in ("", ".position", ".event", ".other", ".dead-letters")]


class Topics:
    def __init__(self, kafka, folder):
        self.kafka, self.folder, self.prefix = kafka, folder, name("p") + "."

    def command(self, action, *arguments):
        return [BINARY, "topics", action, "--data", self.folder, "--set", "broker.kind=kafka", "--set",
                f"kafka.brokers={self.kafka.brokers}", "--set", f"kafka.prefix={self.prefix}",
                "--replication", "1", *map(str, arguments)]

    def run(self, action, *arguments, code=0):
        done = subprocess.run(self.command(action, *arguments), capture_output=True, text=True,
                              timeout=10 * PATIENCE_S, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def lines(self, action, *arguments, code=0):
        done = self.run(action, "--json", *arguments, code=code)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def group_reads(self, group, topic, records=None):
        """A foreign consumer of the group: everything, or so many records."""
        words = ["-c", records] if records else []
        self.kafka.kcat("-G", self.prefix + group, "-X", "auto.offset.reset=earliest", "-e", "-q",
                        *words, self.prefix + topic)


@pytest.fixture
def topics(kafka, tmp_path):
    return Topics(kafka, tmp_path)


def test_create_describe_verify(topics):
    missing = topics.lines("verify", code=1)
    assert [(d["topic"], d["found"], d["fatal"]) for d in missing] == [
        (topic, "missing", True) for topic in TOPICS]

    assert topics.lines("create") == [{"topic": topic, "created": True} for topic in TOPICS]
    assert "as configured" in topics.run("verify").stdout
    assert {line["created"] for line in topics.lines("create")} == {False}

    for found in topics.lines("describe"):
        assert (found["partitions"], found["replication"]) == (6, 1)
        assert found["retention_ms"] == str(7 * 24 * 3600 * 1000)
        assert found["min_insync_replicas"] == "1" and found["max_message_bytes"] == str(2 << 20)
    assert "kept for 7d" in topics.run("describe", "--topic", "gpscoords").stdout


def test_verify_says_exactly_what_differs(topics):
    topics.run("create")
    assert topics.run("verify", "--set", "kafka.topic.partitions=3").returncode == 0  # more is fine
    found = topics.lines("verify", "--topic", "gpscoords", "--partitions", "9", "--set",
                         "kafka.topic.retention=3d", "--set", "kafka.topic.compression=lz4", code=1)
    assert [(d["setting"], d["expected"], d["found"]) for d in found] == [
        ("partitions", "9", "6"), ("retention.ms", "259200000", "604800000"),
        ("compression.type", "lz4", "producer")]
    assert not any(d["fatal"] for d in found)

    topics.kafka.tool("configs", "--alter", "--entity-type", "topics", "--entity-name",
                      topics.prefix + "gpscoords", "--add-config", "max.message.bytes=1000")
    [small] = topics.lines("verify", code=1)
    assert small == {"topic": "gpscoords", "setting": "max.message.bytes", "expected": "2097152",
                     "found": "1000", "fatal": True}
    text = topics.run("verify", code=1)
    assert "gpscoords: max.message.bytes: expected 2097152, found 1000" in text.stdout


def test_lag_by_group_topic_and_partition(topics):
    topics.run("create")
    assert topics.lines("lag") == []
    topics.kafka.produce(topics.prefix + "gpscoords", [(f"car{i}", "{}") for i in range(60)])
    topics.group_reads("gps", "gpscoords")
    rows = topics.lines("lag")
    assert {row["group"] for row in rows} == {"gps"} and len(rows) == 6
    assert [row["lag"] for row in rows] == [0] * 6
    assert sum(row["end"] for row in rows) == 60

    topics.kafka.produce(topics.prefix + "gpscoords", [("car7", "{}")] * 5)
    topics.group_reads("other", "gpscoords", records=3)
    assert sum(row["lag"] for row in topics.lines("lag", "--group", "gps")) == 5
    assert sum(row["lag"] for row in topics.lines("lag", "--group", "other")) == 62
    assert "group gps, topic gpscoords: lag 5\n" in topics.run("lag").stdout


def test_grow_waits_until_all_is_read(topics):
    topics.run("create")
    assert "nothing to grow" in topics.run("grow").stdout
    topics.kafka.produce(topics.prefix + "gpscoords", [(f"car{i}", "{}") for i in range(20)])

    asked = topics.run("grow", "--partitions", "8", code=2)
    assert "gpscoords: 6 -> 8 partitions" in asked.stdout and "add --yes" in asked.stderr
    unread = topics.run("grow", "--partitions", "8", "--yes", "--timeout", "100ms", code=1)
    assert "no group has read anything of gpscoords" in unread.stderr
    assert topics.lines("describe", "--topic", "gpscoords")[0]["partitions"] == 6

    topics.group_reads("gps", "gpscoords", records=3)
    growing = subprocess.Popen(topics.command("grow", "--partitions", "8", "--yes", "--quiet-for",
                                              "100ms"), text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        assert "17 records of gpscoords are still to be read" in growing.stderr.readline()
        topics.group_reads("gps", "gpscoords")
        out, err = growing.communicate(timeout=PATIENCE_S)
    finally:
        growing.kill()
        growing.wait()
    assert growing.returncode == 0, err
    assert "gpscoords has 8 partitions" in out
    assert {found["partitions"] for found in topics.lines("describe")} == {8}


def test_more_copies_than_brokers_names_the_fix(topics):
    done = topics.run("create", "--replication", "3", code=1)
    assert "lower kafka.topic.replication" in done.stderr


def test_a_cluster_that_does_not_answer_is_one_line(topics):
    done = topics.run("verify", "--set", "kafka.brokers=127.0.0.1:1", "--set",
                      "kafka.start_timeout=500ms", code=1)
    assert "is the cluster up" in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_a_topic_of_somebody_else_is_refused(topics):
    assert "no topic of this configuration" in topics.run("describe", "--topic", "x", code=2).stderr

# SPDX-License-Identifier: Apache-2.0
"""scripts/dev-kafka itself, and that Kafka's tools and kcat can use what it starts."""

import subprocess

from kafka_cluster import SCRIPT, Cluster, name


def script(*words):
    return subprocess.run([str(word) for word in (SCRIPT, *words)], capture_output=True, text=True,
                          check=False)


def test_java_and_kcat_read_each_other(kafka):
    topic = kafka.create_topic(name())
    kafka.tool("console-producer", "--topic", topic, "--property", "parse.key=true",
               stdin="taxi-1\tfrom Java\n")
    kafka.produce(topic, [("taxi-2", "from kcat")])
    assert {(r["key"], r["payload"]) for r in kafka.read(topic)} == {
        ("taxi-1", "from Java"), ("taxi-2", "from kcat")}
    lines = kafka.tool("console-consumer", "--topic", topic, "--from-beginning",
                       "--max-messages", 2, "--property", "print.key=true")
    assert set(lines.splitlines()) == {"taxi-1\tfrom Java", "taxi-2\tfrom kcat"}


def test_what_is_wrong_is_said_with_the_way_out(tmp_path, kafka):
    done = script("status", "--data", tmp_path / "none")
    assert done.returncode == 1
    assert f"dev-kafka start --data {tmp_path / 'none'}" in done.stderr

    taken = kafka.brokers.split(",")[0].split(":")[1]
    done = script("start", "--data", tmp_path / "second", "--port", taken)
    assert done.returncode == 1
    assert "Address already in use; choose another --port" in done.stderr

    done = script("start", "--data", tmp_path / "third", "--set", "nonsense")
    assert done.returncode == 2
    assert "KEY=VALUE" in done.stderr


def test_a_broker_that_ends_at_once_is_reported_with_its_log(tmp_path, kafka):
    cluster = Cluster(data=tmp_path / "cluster")
    done = script("start", "--data", cluster.data, "--port", 0, "--set", "num.partitions=none")
    assert done.returncode == 1
    assert "num.partitions" in done.stderr
    cluster.delete()


def test_delete_leaves_nothing(tmp_path):
    cluster = Cluster(data=tmp_path / "cluster").start()
    address = cluster.brokers
    assert script("address", "--data", cluster.data).stdout.strip() == address
    cluster.delete()
    assert not cluster.data.exists()
    assert script("delete", "--data", cluster.data).returncode == 0  # nothing to do

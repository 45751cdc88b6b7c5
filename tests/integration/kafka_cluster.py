# SPDX-License-Identifier: Apache-2.0
"""A real Kafka for the tests, by scripts/dev-kafka; and foreign clients of it."""

import json
import pathlib
import subprocess
import time
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "dev-kafka"


def name(prefix="t"):
    """A topic or group that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


class Cluster:
    """Brokers that are there already, or (start) our own in a folder."""

    def __init__(self, brokers=None, data=None):
        self.brokers, self.data = brokers, data
        self.facts = {}

    def start(self, *options):
        """Skips the test where there is no Kafka to be had; a broker that does not come up fails."""
        wanted = [*_release(options), *(one for one in options if one == "--exporter")]
        fetched = self._script("install", *wanted, check=False)
        if fetched.returncode != 0:
            pytest.skip(f"SKIP: no Kafka here: {fetched.stderr.strip().splitlines()[-1]}")
        self._script("start", "--data", self.data, "--port", "0", *options)
        self.facts = json.loads(self._script("status", "--data", self.data, "--json").stdout)
        self.brokers = self.facts["brokers"]
        return self

    def delete(self):
        self._script("delete", "--data", self.data)

    def start_all(self):
        self._script("start", "--data", self.data)

    def start_node(self, node):
        self._script("start", "--data", self.data, "--node", node)

    def stop_node(self, node):
        self._script("stop", "--data", self.data, "--node", node)

    def kill_node(self, node):
        self._script("kill", "--data", self.data, "--node", node)

    def _script(self, *words, check=True, **options):
        done = subprocess.run([str(word) for word in (SCRIPT, *words)], capture_output=True,
                              text=True, errors="surrogateescape", check=False, **options)
        if check and done.returncode != 0:
            pytest.fail(f"dev-kafka {words} exited with {done.returncode}:\n"
                        f"{done.stdout}{done.stderr}")
        return done

    # ---- Kafka's own tools: a second of JVM each ----

    def tool(self, tool, *arguments, stdin=None, check=True):
        return self._script(tool, "--bootstrap-server", self.brokers, *arguments, input=stdin,
                            check=check).stdout

    def create_topic(self, topic, partitions=6, replicas=None, **configs):
        words = ["--create", "--topic", topic, "--partitions", partitions]
        if replicas:
            words += ["--replication-factor", replicas]
        for key, value in configs.items():
            words += ["--config", f"{key.replace('_', '.')}={value}"]
        self.tool("topics", *words)
        return topic

    # ---- kcat ----

    def kcat(self, *arguments, stdin=""):
        """Bytes that are no UTF-8 (mc, in kcat's JSON too) come as surrogates."""
        done = subprocess.run(["kcat", "-b", self.brokers, *map(str, arguments)], input=stdin,
                              capture_output=True, text=True, errors="surrogateescape", check=False)
        if done.returncode != 0:
            pytest.fail(f"kcat {arguments} exited with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def produce(self, topic, records):
        """records: (key, value) pairs of text without tabs and ends of line."""
        self.kcat("-P", "-t", topic, "-K", "\t",
                  stdin="".join(f"{key}\t{value}\n" for key, value in records))

    def read(self, topic):
        """Everything in the topic now: dicts with key, value, partition, offset, headers, ts."""
        lines = self.kcat("-C", "-t", topic, "-e", "-q", "-J").splitlines()
        return [json.loads(line) for line in lines]

    def wait_records(self, topic, count, patience_s):
        deadline = time.monotonic() + patience_s
        while True:
            records = self.read(topic)
            if len(records) >= count:
                return records
            if time.monotonic() > deadline:
                pytest.fail(f"{len(records)} of {count} records in {topic} after {patience_s} s")
            time.sleep(0.1)


def _release(options):
    return options[options.index("--release"):][:2] if "--release" in options else ()

# SPDX-License-Identifier: Apache-2.0
"""motorcade as several processes over one Kafka: roles that tests start, kill and count, a fleet that
logs its acks, and a balancer in front of several gateways."""

import contextlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import checker
from conftest import BINARY, PATIENCE_S, Motorcade, free_port, request, wait_for
from kafka_cluster import name

confluent_kafka = pytest.importorskip("confluent_kafka", reason="SKIP: no python3-confluent-kafka")
INGEST = ("gpscoords", "data-topic")


class Role(Motorcade):
    """One process; its metrics are at an address of its own, since most roles have no other."""

    def __init__(self, role, data, settings):
        super().__init__(data, {"admin.listen": f"127.0.0.1:{free_port()}", **settings}, role=role)

    def get(self, path, address=None, **headers):
        return request(address or self.settings["admin.listen"], "GET", path, headers=headers)

    def query(self, *arguments):
        words = [word for key, value in self.settings.items() if key.startswith("sink.")
                 for word in ("--set", f"{key}={value}")]
        return super().query(*words, *arguments)

    def restart(self, how="kill"):
        self.kill() if how == "kill" else self.stop()
        return self.start()


class System:
    """Topics and groups under a prefix that no other test has."""

    def __init__(self, cluster, folder, settings=None, replication=1):
        self.cluster, self.folder = cluster, folder
        self.prefix = name("s") + "."
        self.settings = {
            "broker.kind": "kafka",
            "kafka.brokers": cluster.brokers,
            "kafka.prefix": self.prefix,
            "kafka.topic.create": "true",
            "kafka.topic.replication": replication,
            # A killed member's partitions are free after this; the least that Kafka allows.
            "kafka.consumer.session_timeout": "6s",
            **(settings or {}),
        }
        self.roles = []

    def role(self, role, settings=None, start=True, data=None):
        number = sum(one.role == role for one in self.roles)
        process = Role(role, data or self.folder / f"{role}-{number}",
                       {**self.settings, **(settings or {})})
        self.roles.append(process)
        return process.start() if start else process

    def start(self, *names):
        """So many roles; one of each when none is named."""
        return [self.role(one) for one in names or ("store", "handler", "gateway")]

    def close(self):
        with contextlib.ExitStack() as stack:
            for process in self.roles:
                stack.callback(process.close)

    def topic(self, suffix):
        return self.prefix + suffix

    # ---- what became of the packets ----

    def is_drained(self, group, topics):
        """A coordinator that moves just now says nothing: ask again."""
        try:
            return self.lag(group, topics) == 0
        except confluent_kafka.KafkaException:
            return False

    def lag(self, group, topics):
        """Records of these topics that the group has not committed yet."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.cluster.brokers,
                                             "group.id": self.prefix + group})
        try:
            total = 0
            known = consumer.list_topics(timeout=PATIENCE_S).topics
            for topic in map(self.topic, topics):
                partitions = [confluent_kafka.TopicPartition(topic, number)
                              for number in (known[topic].partitions if topic in known else ())]
                for at in consumer.committed(partitions, timeout=PATIENCE_S):
                    first, end = consumer.get_watermark_offsets(at, timeout=PATIENCE_S)
                    total += end - max(at.offset, first)
            return total
        finally:
            consumer.close()

    def category_topics(self):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.cluster.brokers,
                                             "group.id": self.prefix + "list"})
        try:
            names = [one.removeprefix(self.prefix) for one in
                     consumer.list_topics(timeout=PATIENCE_S).topics if
                     one.startswith(self.prefix)]
        finally:
            consumer.close()
        return [one for one in names if one not in INGEST and not one.endswith(".dead-letters")]

    def is_unspooled(self):
        """No gateway that runs has anything left in its spool."""
        return all(one.metric("motorcade_spool_state") == 0 for one in self.roles
                   if one.role == "gateway" and one.process.poll() is None)

    def wait_drained(self):
        wait_for(self.is_unspooled, "the spools to be sent on", 2 * PATIENCE_S)
        wait_for(lambda: self.is_drained("gps", INGEST), "the handler to catch up", 2 * PATIENCE_S)
        wait_for(lambda: self.is_drained("store", self.category_topics()), "the store to catch up",
                 2 * PATIENCE_S)

    def rows(self):
        """What the database holds. SQLite: of one store, since a packet that comes twice is only
        recognised within one database."""
        stores = [one for one in self.roles if one.role == "store"]
        assert len(stores) == 1 or stores[0].settings.get("sink.kind") == "mongodb"
        return checker.read_store(stores[0])

    def check(self, *fleets):
        """Nothing lost, doubled or out of order, once all is settled."""
        self.wait_drained()
        acks = [ack for fleet in fleets for ack in fleet.acks()]
        checker.check(acks, self.rows())
        return len(acks)


class Fleet:
    """`motorcade simulate`: cars that log what was acked, and send again what was not."""

    def __init__(self, url, ack_log, vehicles=200, rate=10, seed=9, connections=20, count=None):
        self.ack_log = ack_log
        command = [BINARY, "simulate", "--url", f"ws://{url}/ws", "--vehicles", vehicles,
                   "--rate", rate, "--connections", connections, "--seed", seed,
                   "--ack-log", ack_log, "--grace", f"{int(2 * PATIENCE_S)}s", "--quiet"]
        if count:
            command += ["--count", count]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def acks(self):
        return checker.read_acks(self.ack_log)

    def size(self):
        return self.ack_log.stat().st_size if self.ack_log.exists() else 0

    def wait_acks(self, what="acks"):
        """Until something was acked that was not yet."""
        before = self.size()
        wait_for(lambda: self.size() > before, what, 2 * PATIENCE_S)

    def finish(self):
        """No new packets. What a busy machine does not ack within the fleet's grace stays unacked:
        nobody was promised anything."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=4 * PATIENCE_S)
        unacked = "neither acked nor rejected" in output
        assert self.process.returncode == (1 if unacked else 0), output
        assert re.search(r"\brejected 0\b", output), output

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def fleet(tmp_path):
    """fleet(url, …) → cars under way; gone after the test whatever happens."""
    fleets = []

    def start(url, **options):
        fleets.append(Fleet(url, tmp_path / f"acks-{len(fleets)}.log", **options))
        return fleets[-1]

    yield start
    for one in fleets:
        one.end()


@pytest.fixture
def system(kafka, tmp_path):
    """On the one broker that all tests share."""
    system = System(kafka, tmp_path)
    yield system
    system.close()


class Balancer:
    """A port whose connections go to one of several gateways; hop() cuts them all, so that each
    car comes back at a gateway that chance picks."""

    def __init__(self, addresses, seed=1):
        self.addresses, self.chance = addresses, random.Random(seed)
        self.pairs, self.lock = [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.address = "%s:%d" % self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                car, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.chance.choice(self.addresses).rsplit(":", 1)
            try:
                gateway = socket.create_connection((host, int(port)))
            except OSError:
                car.close()
                continue
            with self.lock:
                self.pairs.append((car, gateway))
            for source, target in ((car, gateway), (gateway, car)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()

    def hop(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hop()


def _pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def random_moment(chance, most_s=0.5):
    """Not a wait for anything: the moment of a fault is what is random."""
    time.sleep(chance.uniform(0, most_s))

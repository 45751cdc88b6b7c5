# SPDX-License-Identifier: Apache-2.0
"""Over Kafka, whatever dies or leaves: what was acked is in the store, once, and in order.

Counts are short here; MOTORCADE_SOAK=1 (make soak) runs them in full."""

import os
import random
import re
import subprocess

import pytest

from conftest import ROOT, free_port, wait_for
from kafka_system import INGEST, Balancer, System, fleet, random_moment, system  # noqa: F401 (fixtures)

SOAK = os.environ.get("MOTORCADE_SOAK") == "1"
KILLS = 100 if SOAK else 6
REBALANCES = 50 if SOAK else 4
HOPS = 50 if SOAK else 4


def test_kill_9_of_any_role_loses_and_doubles_nothing(system, fleet):
    store, handler, gateway = system.start()
    cars = fleet(gateway.gateway)
    chance = random.Random(4711)
    for _ in range(KILLS):
        cars.wait_acks("acks between two kills")
        random_moment(chance)
        chance.choice((store, handler, gateway)).restart("kill")
    cars.finish()
    assert system.check(cars) > KILLS * 10


@pytest.fixture
def mongodb(tmp_path):
    """The settings of a database that several stores share."""
    words = [str(ROOT / "scripts" / "dev-mongodb"), "--port", str(free_port()), "--data",
             str(tmp_path / "mongodb")]
    started = subprocess.run([words[0], "start", *words[1:]], capture_output=True, text=True,
                             check=False)
    if started.returncode == 77:
        pytest.skip(started.stderr.strip().splitlines()[-1])
    assert started.returncode == 0, started.stderr
    uri = subprocess.run([words[0], "uri", *words[1:]], capture_output=True, text=True,
                         check=True).stdout.strip()
    yield {"sink.kind": "mongodb", "sink.mongodb.uri": uri,
           "sink.mongodb.indexes": "vehicle+time+_id"}
    subprocess.run([words[0], "kill", *words[1:]], capture_output=True, check=True)


def come_and_go(system, cars, roles):
    """Every other one leaves without a word."""
    chance = random.Random(11)
    for number in range(REBALANCES):
        member = system.role(roles[number % len(roles)])
        cars.wait_acks("acks while a member joins")
        random_moment(chance, 1)
        if number // len(roles) % 2 == 0:
            member.kill()
        else:
            assert member.stop() == 0
    cars.finish()
    system.check(cars)


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_handlers_that_come_and_go_lose_and_double_nothing(system, fleet, strategy):
    system.settings["kafka.consumer.strategy"] = strategy
    gateway, *_ = system.start("gateway", "handler", "store")
    come_and_go(system, fleet(gateway.gateway), ["handler"])


def partitions(role, topic):
    """Those of the topic that this process reads, by its own word."""
    series = rf'motorcade_broker_lag_records{{group="gps",topic="{topic}",partition="(\d+)"}}'
    return set(re.findall(series, role.get("/metrics").body.decode()))


def test_each_topic_is_shared_out_evenly(system):
    """To three members: one process with a thread, and one with two."""
    first = system.role("handler", {"handler.threads": 1})
    everything = {str(number) for number in range(6)}
    for topic in INGEST:
        wait_for(lambda: partitions(first, topic) == everything, f"one to have all of {topic}")  # noqa: B023
    second = system.role("handler", {"handler.threads": 2})
    for topic in INGEST:
        wait_for(lambda: len(partitions(first, topic)) == 2 and  # noqa: B023
                 partitions(second, topic) == everything - partitions(first, topic),  # noqa: B023
                 f"{topic} to be shared out")


@pytest.mark.skipif(not SOAK, reason="minutes: the server that stands in for MongoDB is slow")
def test_stores_that_come_and_go_lose_and_double_nothing(kafka, tmp_path, mongodb, fleet):
    system = System(kafka, tmp_path, mongodb)
    try:
        gateway, *_ = system.start("gateway", "handler", "store")
        come_and_go(system, fleet(gateway.gateway, vehicles=50, rate=2), ["store", "handler"])
    finally:
        system.close()


def test_cars_that_hop_between_gateways_lose_and_double_nothing(system, fleet):
    one, other, *_ = system.start("gateway", "gateway", "handler", "store")
    balancer = Balancer([one.gateway, other.gateway])
    cars = fleet(balancer.address)
    chance = random.Random(3)
    for _ in range(HOPS):
        cars.wait_acks("acks between two hops")
        random_moment(chance)
        balancer.hop()
    cars.finish()
    balancer.close()
    system.check(cars)
    for gateway in (one, other):
        assert gateway.metric("motorcade_gateway_packets_accepted_total") > 0


def test_a_rolling_restart_under_load_loses_and_doubles_nothing(system, fleet):
    gateways = system.start("gateway", "gateway")
    others = system.start("handler", "handler", "store")
    balancer = Balancer([gateway.gateway for gateway in gateways])
    cars = fleet(balancer.address)
    for process in gateways + others:
        cars.wait_acks("acks between two restarts")
        process.restart("stop")
    cars.wait_acks("acks after the last restart")
    cars.finish()
    balancer.close()
    system.check(cars)

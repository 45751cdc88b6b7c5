# SPDX-License-Identifier: Apache-2.0
"""Brokers that die, stop and come back: cars wait or their packets are spooled; nothing is lost.
All that needs three brokers is in this file: they are started once, in one of pytest's workers.

Counts are short here; MOTORCADE_SOAK=1 (make soak) runs them in full."""

import json
import os

import pytest

from conftest import wait_for
from kafka_cluster import name
from kafka_system import System, fleet  # noqa: F401 (fixtures)

SOAK = os.environ.get("MOTORCADE_SOAK") == "1"
LEADER_MOVES = 10 if SOAK else 1


@pytest.fixture
def system3(kafka3, tmp_path):
    """make(settings) → a system on three brokers."""
    systems = []

    def make(settings=None):
        systems.append(System(kafka3, tmp_path, settings, replication=3))
        return systems[-1]

    yield make
    for system in systems:
        system.close()


def partitions(cluster, topic):
    return json.loads(cluster.kcat("-L", "-J", "-t", topic))["topics"][0]["partitions"]


def in_sync(cluster, topic, replicas):
    return all(len(one["isrs"]) >= replicas for one in partitions(cluster, topic))


def test_three_nodes_one_of_which_dies_and_comes_back(kafka3):
    topic = kafka3.create_topic(name(), partitions=3)
    kafka3.kill_node(1)
    kafka3.produce(topic, [("a", "while one is away")])

    kafka3.start_node(1)

    wait_for(lambda: in_sync(kafka3, topic, 3), "three copies again")
    assert [r["payload"] for r in kafka3.read(topic)] == ["while one is away"]


def test_a_broker_dies_and_the_leader_moves(kafka3, system3, fleet):
    system = system3()
    gateway, *_ = system.start("gateway", "handler", "store")
    topic = system.topic("gpscoords")
    cars = fleet(gateway.gateway)
    for number in range(LEADER_MOVES):
        cars.wait_acks()
        node = 1 + number % 3
        kafka3.kill_node(node)
        wait_for(lambda: all(one["leader"] not in (node, -1) for one in partitions(kafka3, topic)),
                 "leaders on the others")
        cars.wait_acks("acks by two brokers")
        kafka3.start_node(node)
        wait_for(lambda: in_sync(kafka3, topic, 3), "three copies again")
    cars.finish()
    system.check(cars)


def test_too_few_copies_stop_acks_not_packets(kafka3, system3, fleet):
    """min.insync.replicas 3, of which one is away."""
    system = system3({"kafka.topic.min_insync_replicas": 3})
    gateway, *_ = system.start("gateway", "handler", "store")
    topic = system.topic("gpscoords")
    cars = fleet(gateway.gateway)
    cars.wait_acks()
    kafka3.kill_node(2)
    wait_for(lambda: not in_sync(kafka3, topic, 3), "a copy to be missed")
    kafka3.start_node(2)
    wait_for(lambda: in_sync(kafka3, topic, 3), "three copies again")
    cars.wait_acks("acks with three copies again")
    cars.finish()
    system.check(cars)

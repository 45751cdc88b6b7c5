# SPDX-License-Identifier: Apache-2.0
"""The broker is away as a whole: cars are acked from the spool; nothing is lost or doubled.

Counts are short here; MOTORCADE_SOAK=1 (make soak) runs them in full."""

import os
import time

import pytest

from conftest import wait_for
from kafka_cluster import Cluster
from kafka_system import System, fleet  # noqa: F401 (fixtures)

SOAK = os.environ.get("MOTORCADE_SOAK") == "1"
AWAY_S = 120 if SOAK else 4
AWAY_VEHICLES = 10_000 if SOAK else 500


@pytest.fixture(scope="module")
def one_broker(tmp_path_factory):
    """One that these tests may stop."""
    cluster = Cluster(data=tmp_path_factory.mktemp("kafka1") / "cluster")
    try:
        yield cluster.start()
    finally:
        cluster.delete()


@pytest.fixture
def system1(one_broker, tmp_path):
    """make(settings) → a system on it."""
    one_broker.start_all()
    systems = []

    def make(settings=None):
        systems.append(System(one_broker, tmp_path, settings))
        return systems[-1]

    yield make
    one_broker.start_all()
    for system in systems:
        system.close()


@pytest.mark.parametrize("how", ["stop", "kill"] if SOAK else ["kill"])
def test_while_the_broker_is_away_cars_are_acked_from_the_spool(one_broker, system1, fleet, how):
    system = system1()
    gateway, *_ = system.start("gateway", "handler", "store")
    cars = fleet(gateway.gateway, vehicles=AWAY_VEHICLES, rate=1)
    cars.wait_acks()
    (one_broker.stop_node if how == "stop" else one_broker.kill_node)(1)
    until = time.monotonic() + AWAY_S
    while time.monotonic() < until:
        cars.wait_acks("acks from the spool")
    one_broker.start_node(1)
    cars.finish()
    assert system.check(cars) > AWAY_VEHICLES


def test_the_gateway_dies_with_packets_in_its_spool(one_broker, system1, fleet):
    system = system1()
    gateway, *_ = system.start("gateway", "handler", "store")
    cars = fleet(gateway.gateway)
    cars.wait_acks()
    one_broker.kill_node(1)
    for _ in range(3):
        cars.wait_acks("acks from the spool")
    gateway.kill()
    gateway.start()
    for _ in range(3):
        cars.wait_acks("acks from the spool, after a start without a broker")
    one_broker.start_node(1)
    cars.finish()
    system.check(cars)


def test_a_full_spool_pauses_cars_until_the_broker_is_back(one_broker, system1, fleet):
    system = system1({"spool.cap_bytes": "1MiB"})
    gateway, *_ = system.start("gateway", "handler", "store")
    cars = fleet(gateway.gateway)
    cars.wait_acks()
    one_broker.kill_node(1)
    wait_for(lambda: gateway.get("/readyz").status == 503, "the gateway to say that it is full")
    one_broker.start_node(1)
    wait_for(lambda: gateway.get("/readyz").status == 200, "the gateway to go on by itself")
    cars.wait_acks("acks with room again")
    cars.finish()
    system.check(cars)

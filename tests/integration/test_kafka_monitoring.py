# SPDX-License-Identifier: Apache-2.0
"""Dashboards of what only a system over Kafka has, asked of Prometheus and Graphite."""

import functools
import urllib.request

import pytest

import test_monitoring as monitoring
from conftest import BINARY, PATIENCE_S, free_port
from kafka_cluster import Cluster, name
from kafka_system import System

queries = monitoring.queries


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """A broker that tells its figures."""
    cluster = Cluster(data=tmp_path_factory.mktemp("kafka") / "cluster").start("--exporter")
    yield cluster
    cluster.delete()


@pytest.fixture
def start(kafka, tmp_path, motorcade):
    """start(settings) → all roles in one process over the broker."""
    assert BINARY.exists()
    system = System(kafka, tmp_path)
    return functools.partial(_start, motorcade, system)


def _start(motorcade, system, settings=None):
    return motorcade({**system.settings, "live.listen": f"127.0.0.1:{free_port()}",
                      **(settings or {})})


def of_kafka(queries):
    """What clients see of it, and what its brokers tell."""
    found = monitoring.needing(queries, "kafka", "kafka-exporter")
    assert {query["needs"] for query in found} == {"kafka", "kafka-exporter"}
    return found


def test_prometheus(start, kafka, tmp_path, queries):
    monitoring.need("prometheus")
    monitoring.check_prometheus(start(), tmp_path, of_kafka(queries["prometheus"]),
                                queries["alerts"], kafka.facts["exporters"])


def test_graphite(start, kafka, tmp_path, queries):
    monitoring.check_graphite(start, tmp_path, of_kafka(queries["graphite"]),
                              kafka.facts["exporters"])


def test_sizes_and_rates_are_of_what_was_written(kafka):
    """The rules of the exporter, by what is known to lie in the topic."""
    topic = kafka.create_topic(name("sized."), partitions=3)
    kafka.produce(topic, [(f"car-{n}", "x" * 1000) for n in range(50)])

    def figures():
        page = read_page(kafka.facts["exporters"][0])
        size = sum(page[f'kafka_log_log_size{{partition="{n}",topic="{topic}"}}'] for n in range(3))
        records = page.get(f'kafka_server_brokertopicmetrics_messagesin_total{{topic="{topic}"}}')
        return (size, records) if size and records else None

    size, records = monitoring.wait_for(figures, "the topic's figures")
    assert records == 50
    assert 50 * 1000 < size < 50 * 1300
    page = read_page(kafka.facts["exporters"][0])
    assert page["kafka_controller_kafkacontroller_activecontrollercount"] == 1
    assert page["kafka_controller_kafkacontroller_offlinepartitionscount"] == 0


def read_page(exporter):
    """Series → value."""
    with urllib.request.urlopen(f"http://{exporter}/metrics", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    return {series: float(value) for series, value in
            (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

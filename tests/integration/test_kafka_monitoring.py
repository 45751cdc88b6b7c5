# SPDX-License-Identifier: Apache-2.0
"""Dashboards of what only a system over Kafka has, asked of Prometheus and Graphite."""

import functools

import pytest

import test_monitoring as monitoring
from conftest import BINARY, free_port
from kafka_system import System

queries = monitoring.queries


@pytest.fixture
def start(kafka, tmp_path, motorcade):
    """start(settings) → all roles in one process over the broker."""
    assert BINARY.exists()
    system = System(kafka, tmp_path)
    return functools.partial(_start, motorcade, system)


def _start(motorcade, system, settings=None):
    return motorcade({**system.settings, "live.listen": f"127.0.0.1:{free_port()}",
                      **(settings or {})})


def test_prometheus(start, tmp_path, queries):
    monitoring.need("prometheus")
    monitoring.check_prometheus(start(), tmp_path,
                                monitoring.needing(queries["prometheus"], "kafka"),
                                queries["alerts"])


def test_graphite(start, tmp_path, queries):
    monitoring.check_graphite(start, tmp_path, monitoring.needing(queries["graphite"], "kafka"))

# SPDX-License-Identifier: Apache-2.0
"""The page of metrics, read by a parser that is not ours."""

import pytest

prometheus = pytest.importorskip("prometheus_client.openmetrics.parser",
                                 reason="SKIP: python3-prometheus-client is not installed")

ACCEPT = "application/openmetrics-text; version=1.0.0"


def families(process):
    text = process.get("/metrics", Accept=ACCEPT).body.decode()
    return {family.name: family for family in prometheus.text_string_to_metric_families(text)}


def test_openmetrics_is_what_its_parser_expects(motorcade):
    server = motorcade()
    server.post([{"obuid": 1, "seq": n, "lat": 1, "lon": 2} for n in range(1, 11)])
    server.wait_drained()
    found = families(server)
    accepted = found["motorcade_gateway_packets_accepted"]
    assert accepted.type == "counter"
    assert [sample.value for sample in accepted.samples] == [10.0]
    latency = found["motorcade_gateway_ack_latency_seconds"]
    assert latency.type == "histogram"
    assert [sample.value for sample in latency.samples if sample.name.endswith("_count")] == [10.0]
    assert found["motorcade_build"].type == "info"
    assert found["process_cpu_seconds"].type == "counter"


def test_both_formats_name_the_same_samples(motorcade):
    server = motorcade()

    def names(**headers):
        lines = server.get("/metrics", **headers).body.decode().splitlines()
        return {line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")}

    assert names() == names(Accept=ACCEPT)

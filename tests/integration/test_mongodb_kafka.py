# SPDX-License-Identifier: Apache-2.0
"""Real reports through Apache Kafka into MongoDB: each a document, once, whatever is killed."""

import csv
import json

import pytest

from conftest import PATIENCE_S, wait_for
from kafka_system import INGEST, System
from test_mongodb import SOAK, assert_ranges_equal_the_csv, database, mongodb, settings  # noqa: F401
from test_traces import lines  # noqa: F401

REPORTS = None if SOAK else 5000  # None: the whole day


@pytest.fixture
def reports(lines, tmp_path):  # noqa: F811
    """The first reports of the day, and a trace of them."""
    part = lines[:REPORTS]
    with open(tmp_path / "reports.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["unix_time", "vehicle_id", "lat", "lon", "occupied"])
        writer.writerows((time, vehicle, lat, lon, occupied)
                         for vehicle, time, lat, lon, occupied in part)
    return part, tmp_path / "reports.csv"


def replay(gateway, trace):
    done = gateway.tool("replay", trace, "--url", f"ws://{gateway.gateway}/ws", "--speed", "max",
                        "--connections", "8", "--json")
    return json.loads(done.stdout.strip().splitlines()[-1])["acked"]


def test_reports_twice_with_the_server_and_a_store_killed(
        kafka, mongodb, database, reports, tmp_path):  # noqa: F811
    part, trace = reports
    system = System(kafka, tmp_path, settings(mongodb, database, **{
        "sink.mongodb.socket_timeout": "10m"}))
    patience_s = (60 if SOAK else 3) * PATIENCE_S

    def unsettled():
        return system.lag("gps", INGEST) + system.lag("store", system.category_topics())

    try:
        first, second, _, gateway = system.start("store", "store", "handler", "gateway")
        for round_number in range(2):
            assert replay(gateway, trace) == len(part)
            if not mongodb.given:
                mongodb.kill()
                mongodb.start()
            second.restart()
            wait_for(lambda: unsettled() == 0, "the reports to be stored", patience_s)
            with mongodb.client() as client:
                stored = client[database]["position"].count_documents({})
            assert stored == len(part), round_number
        assert_ranges_equal_the_csv(first, part)
    finally:
        system.close()

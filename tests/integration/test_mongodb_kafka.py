# SPDX-License-Identifier: Apache-2.0
"""Real reports through Apache Kafka into MongoDB: each a document, once, whatever is killed."""

import csv
import json
import time

import pytest

from conftest import PATIENCE_S, wait_for
from kafka_system import INGEST, System
from test_mongodb import (SOAK, assert_ranges_equal_the_csv, database, mongodb,  # noqa: F401
                          patient, settings)
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
        "sink.mongodb.uri": patient(mongodb.uri)}))
    patience_s = (60 if SOAK else 3) * PATIENCE_S

    def unsettled():
        return system.lag("gps", INGEST) + system.lag("store", system.category_topics())

    def kill_the_server_on_the_way():
        before = unsettled()
        wait_for(lambda: unsettled() < max(before, 1), "the store to go on", patience_s)
        mongodb.kill()
        mongodb.start()

    try:
        # live at the start: the newest positions of an empty database are read soon
        live, first, second, _, gateway = system.start("live", "store", "store", "handler", "gateway")
        for round_number in range(2):
            began = time.monotonic()
            assert replay(gateway, trace) == len(part)
            replayed_s = time.monotonic() - began
            for _ in range(0 if mongodb.given else 3 if SOAK else 1):
                kill_the_server_on_the_way()
            second.restart()
            wait_for(lambda: unsettled() == 0, "the reports to be stored", patience_s)
            assert mongodb.count(database) == len(part), round_number
            print(f"round {round_number}: {len(part)} reports acked after {replayed_s:.0f} s, "
                  f"settled after {time.monotonic() - began:.0f} s")
        assert_ranges_equal_the_csv(first, live, part)
    finally:
        system.close()

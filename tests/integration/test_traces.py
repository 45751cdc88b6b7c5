# SPDX-License-Identifier: Apache-2.0
"""A real day of 497 cabs: replayed, each line is a row; replayed again, nothing is added."""

import csv
import gzip
import json

import pytest

from conftest import wait_for


@pytest.fixture(scope="module")
def lines():
    from conftest import CABS
    if not CABS.exists():
        pytest.skip(f"SKIP: the real traces are not here ({CABS.name})")
    with gzip.open(CABS, "rt", encoding="utf-8", newline="") as text:
        return [(row["vehicle_id"], int(row["unix_time"]), float(row["lat"]), float(row["lon"]),
                 int(row["occupied"])) for row in csv.DictReader(text)]


def replay(server, *more):
    done = server.tool("replay", server_traces(), "--url", f"ws://{server.gateway}/ws",
                       "--speed", "max", "--connections", "8", "--json", *more)
    return json.loads(done.stdout.strip().splitlines()[-1])


def server_traces():
    from conftest import CABS
    return CABS


def stored_rows(server):
    text = server.query("--format", "json").stdout
    for line in text.splitlines():
        row = json.loads(line)
        yield (row["vehicle"], row["time"], row["lat"], row["lon"], row["signals"]["occupied"])


def utc_text(seconds):
    import datetime
    stamp = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_a_day_of_cabs_twice(motorcade, lines):
    server = motorcade()
    report = replay(server)
    assert report["acked"] == len(lines)
    server.wait_count(len(lines))

    expected = sorted((vehicle, utc_text(time), lat, lon, occupied)
                      for vehicle, time, lat, lon, occupied in lines)
    assert sorted(stored_rows(server)) == expected

    assert replay(server)["acked"] == len(lines)
    server.wait_drained()
    assert server.count() == len(lines)

    # live ends with each cab's last report, also after a restart.
    last = {}
    for vehicle, time, lat, lon, _ in lines:
        if vehicle not in last or time > last[vehicle][0]:
            last[vehicle] = (time, lat, lon)
    assert_live_shows(server, last)
    assert server.stop() == 0
    server.start()
    assert server.count() == len(lines)
    assert_live_shows(server, last)


def assert_live_shows(server, last):
    def shown(vehicle):
        reply = server.get(f"/vehicles/{vehicle}", address=server.live)
        if reply.status != 200:
            return None
        row = reply.json()
        return row["time"], row["lat"], row["lon"]

    for vehicle, (time, lat, lon) in last.items():
        wait_for(lambda: shown(vehicle) == (utc_text(time), lat, lon),
                 f"{vehicle} at {utc_text(time)}; live shows {shown(vehicle)}")


def test_query_by_time_equals_the_csv(motorcade, lines):
    server = motorcade()
    cab = lines[0][0]
    some = [line for line in lines if line[0] == cab]
    body = "\n".join(json.dumps({"obuid": v, "time": t, "lat": lat, "lon": lon, "occupied": o})
                     for v, t, lat, lon, o in some)
    assert server.post(body).json()["accepted"] == len(some)
    server.wait_count(len(some))
    middle, end = some[len(some) // 3][1], some[2 * len(some) // 3][1]
    found = server.query("--vehicle", cab, "--from", middle, "--to", end, "--format", "csv")
    rows = list(csv.DictReader(found.stdout.splitlines()))
    assert [row["time"] for row in rows] == [utc_text(line[1]) for line in some
                                             if middle <= line[1] < end]

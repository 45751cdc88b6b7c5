# SPDX-License-Identifier: Apache-2.0
"""Riders: what they ask for and what is pushed to them, over real sockets."""

import asyncio
import http.client
import json
import shutil
import socket
import struct
import subprocess
import time

import pytest
import websockets

from conftest import PATIENCE_S, request, wait_for

CITY = "10,50,11,51"


def obu(vehicle, lat, lon, **more):
    return {"obuid": vehicle, "lat": lat, "lon": lon, **more}


def position(process, vehicle):
    reply = request(process.live, "GET", f"/vehicles/{vehicle}")
    return reply.json() if reply.status == 200 else None


def see(process, vehicle, **fields):
    """Wait until that vehicle's newest position has these fields."""

    def shown():
        found = position(process, vehicle)
        return found if found and all(found.get(k) == v for k, v in fields.items()) else None

    return wait_for(shown, f"{vehicle} with {fields}")


def live_metric(process, name, **labels):
    return process.metric(f"motorcade_live_{name}", **labels)


def ride(process, query, script):
    """Run script(rider) with a WebSocket to /live; a foreign client (Python websockets)."""

    async def run():
        uri = f"ws://{process.live}/live" + (f"?{query}" if query else "")
        async with websockets.connect(uri, max_size=None) as rider:
            return await asyncio.wait_for(script(rider), PATIENCE_S)

    return asyncio.run(run())


async def told(rider):
    return json.loads(await rider.recv())


async def offload(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def snapshot(rider):
    """All of one snapshot, from its beginning to its end."""
    vehicles, begun = {}, False
    while True:
        message = await told(rider)
        if "snapshot" not in message:
            continue
        assert message["begin"] == (not begun)
        begun = True
        vehicles.update((packet["vehicle"], packet) for packet in message["snapshot"])
        if message["end"]:
            return vehicles


# ---- questions ----


def test_newest_position_and_lists(motorcade):
    process = motorcade()
    process.post([obu("a", 50.5, 10.5, time=1700000000), obu("a", 50.7, 10.5, time=1700000002),
                  obu("a", 50.6, 10.5, time=1700000001), obu("far", -33.9, 151.2),
                  obu('odd/"id" ö', 50.1, 10.1)])
    found = see(process, "a", lat=50.7)
    assert found["time"] == "2023-11-14T22:13:22.000Z" and found["lon"] == 10.5
    assert see(process, "odd%2F%22id%22%20%C3%B6")["vehicle"] == 'odd/"id" ö'
    see(process, "far")
    inside = request(process.live, "GET", f"/vehicles?bbox={CITY}").json()
    assert {packet["vehicle"] for packet in inside["vehicles"]} == {"a", 'odd/"id" ö'}
    assert "next" not in inside
    seen, cursor = set(), "0"
    while cursor is not None:
        page = request(process.live, "GET", f"/vehicles?limit=1&cursor={cursor}").json()
        seen |= {packet["vehicle"] for packet in page["vehicles"]}
        cursor = page.get("next")
    assert seen == {"a", "far", 'odd/"id" ö'}


def test_head_gives_no_body(motorcade):
    process = motorcade()
    process.post(obu("a", 50.5, 10.5))
    see(process, "a")
    reply = request(process.live, "HEAD", "/vehicles/a")
    assert reply.status == 200 and reply.body == b"" and int(reply.headers["Content-Length"]) > 100


@pytest.mark.parametrize("path, status, part", [
    ("/vehicles/nobody", 404, "unknown_vehicle"),
    ("/vehicle", 404, "/vehicles"),
    ("/vehicles?bbox=nan,0,1,1", 400, "no number"),
    ("/vehicles?bbox=0,5,1,1", 400, "south above its north"),
    ("/vehicles?bbox=-1e9,0,1,1", 400, "within"),
    ("/vehicles?boxb=0,0,1,1", 400, "known here: bbox, limit, cursor"),
    ("/vehicles?limit=1000000", 400, "whole number from 1 to"),
    ("/live", 400, "follow what?"),
    ("/live?bbox=1,2,3", 400, "four numbers"),
])
def test_mistakes_are_answered_with_the_fix(motorcade, path, status, part):
    process = motorcade()
    reply = request(process.live, "GET", path)
    assert reply.status == status
    assert set(reply.json()) == {"error", "detail"}
    assert part in reply.body.decode()


def test_ten_thousand_ids_are_refused(motorcade):
    process = motorcade({"live.limits.header_bytes": "256KiB"})
    ids = ",".join(str(i) for i in range(10000))
    reply = request(process.live, "GET", f"/live?vehicles={ids}")
    assert reply.status == 400 and "more than 1000 vehicles" in reply.json()["detail"]


def test_map_page_stands_alone(motorcade):
    process = motorcade()
    reply = request(process.live, "GET", "/")
    text = reply.body.decode()
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/html")
    for outside in ('src="http', 'href="http', "@import", "url("):
        assert outside not in text


def test_track_comes_from_the_store_in_pages(motorcade):
    process = motorcade()
    start = 1700000000
    process.post([obu("a", 50 + i / 100, 10.5, time=start + i) for i in range(20)] +
                 [obu("b", 1, 1, time=start)])
    process.wait_count(21)

    def track(query=""):
        reply = request(process.live, "GET", f"/vehicles/a/track{query}")
        assert reply.status == 200, reply.body
        return reply.json()

    assert [packet["lat"] for packet in track()["track"]] == [50 + i / 100 for i in range(20)]
    part = track("?from=2023-11-14T22:13:25Z&to=1700000010")["track"]
    assert [packet["lat"] for packet in part] == [50 + i / 100 for i in range(5, 10)]
    seen, query = [], "?limit=3"
    while query is not None:
        page = track(query)
        assert len(page["track"]) <= 3
        seen += [packet["lat"] for packet in page["track"]]
        query = f"?limit=3&cursor={page['next']}" if "next" in page else None
    assert seen == [50 + i / 100 for i in range(20)]
    assert request(process.live, "GET", "/vehicles/nobody/track").json()["track"] == []


@pytest.mark.parametrize("query, part", [
    ("from=yesterday", "2008-05-20T07:00:00Z"), ("limit=0", "whole number"),
    ("cursor=12", "page before"), ("form=1", "known here: from, to, limit, cursor")])
def test_track_mistakes_are_named(motorcade, query, part):
    process = motorcade()
    reply = request(process.live, "GET", f"/vehicles/a/track?{query}")
    assert reply.status == 400 and part in reply.json()["detail"]


def test_track_of_a_client_that_left_harms_nobody(motorcade):
    process = motorcade()
    process.post([obu("a", 50 + i / 1000, 10.5, time=1700000000 + i) for i in range(900)])
    process.wait_count(900)
    host, port = process.live.rsplit(":", 1)
    for _ in range(300):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /vehicles/a/track HTTP/1.1\r\nHost: x\r\n\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: request(process.live, "GET", "/vehicles/a/track").status == 200, "a track")


# ---- pushes ----


def test_websocket_snapshot_changes_and_leaving(motorcade):
    process = motorcade()
    process.post([obu("a", 50.5, 10.5), obu("far", 0, 0)])
    see(process, "a")
    see(process, "far")

    async def script(rider):
        assert set(await snapshot(rider)) == {"a"}
        await offload(process.post, obu("a", 50.6, 10.5))
        message = await told(rider)
        assert [(p["vehicle"], p["lat"]) for p in message["positions"]] == [("a", 50.6)]
        await offload(process.post, obu("far", 50.9, 10.9))
        assert (await told(rider))["positions"][0]["vehicle"] == "far"
        await offload(process.post, obu("a", 52, 10.5))
        assert await told(rider) == {"left": ["a"]}

    ride(process, f"bbox={CITY}", script)
    wait_for(lambda: live_metric(process, "riders", kind="websocket") == 0, "the rider to be gone")


def test_websocket_subscriptions_by_message(motorcade):
    process = motorcade()
    process.post([obu("a", 50.5, 10.5), obu(17, 1, 1), obu("b", 2, 2)])
    for vehicle in ("a", "17", "b"):
        see(process, vehicle)

    async def script(rider):
        await rider.send(json.dumps({"subscribe": {"vehicles": ["b", 17, "later"]}}))
        assert set(await snapshot(rider)) == {"b", "17"}
        await rider.send(json.dumps({"subscribe": {"bbox": [10, 50, 11, 51]}}))
        assert set(await snapshot(rider)) == {"a", "b", "17"}
        await rider.send(json.dumps({"unsubscribe": {"vehicles": ["b"]}}))
        assert set(await snapshot(rider)) == {"a", "17"}
        await offload(process.post, obu("later", 3, 3))
        assert (await told(rider))["positions"][0]["vehicle"] == "later"
        await rider.send(json.dumps({"unsubscribe": "all"}))
        assert set(await snapshot(rider)) == set()

    ride(process, "", script)


def test_websocket_mistakes_are_told_and_the_rider_stays(motorcade):
    process = motorcade()

    async def script(rider):
        for message, part in (("hello", "not JSON"), ("{}", "a message is"),
                              ('{"subscribe":{"bbox":[0,1]}}', "four numbers"),
                              ('{"subscribe":{"vehicles":[true]}}', "whole numbers"),
                              ('{"subscribe":{"box":[]}}', "unknown member"),
                              (json.dumps({"subscribe": {"vehicles": list(range(10000))}}),
                               "more than 1000 vehicles")):
            await rider.send(message)
            answer = await told(rider)
            assert answer["error"] == "bad_message" and part in answer["detail"]
        await rider.send(json.dumps({"subscribe": {"bbox": [170, -10, -170, 10]}}))
        assert await snapshot(rider) == {}

    ride(process, "", script)
    assert live_metric(process, "riders_refused_total", reason="bad_message") == 6


def test_too_many_messages_close_the_rider(motorcade):
    process = motorcade({"live.messages_per_s": 5})

    async def script(rider):
        try:
            for _ in range(200):
                await rider.send('{"unsubscribe":"all"}')
            while True:
                await rider.recv()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code

    assert ride(process, "", script) == 1008


def test_riders_are_bounded(motorcade):
    process = motorcade({"live.max_riders": 1})

    async def script(rider):
        await snapshot(rider)
        reply = await offload(request, process.live, "GET", f"/live?bbox={CITY}")
        assert reply.status == 503 and "Retry-After" in reply.headers

    ride(process, f"bbox={CITY}", script)


def events(process, query):
    host, port = process.live.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
    connection.request("GET", f"/live?{query}", headers={"Accept": "text/event-stream"})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    for line in response:
        if line.startswith(b"data: "):
            yield json.loads(line[len(b"data: "):])


def test_server_sent_events(motorcade):
    process = motorcade()
    process.post(obu("a", 50.5, 10.5))
    see(process, "a")
    stream = events(process, f"bbox={CITY}&vehicles=far")
    first = next(stream)
    assert [packet["vehicle"] for packet in first["snapshot"]] == ["a"] and first["end"]
    process.post(obu("far", 0, 0))
    assert next(stream)["positions"][0]["vehicle"] == "far"
    process.post(obu("a", 0, 0))
    assert next(stream) == {"left": ["a"]}


# ---- slow riders ----


def post_fleet(process, count, lat):
    for start in range(0, count, 500):
        reply = process.post([obu(f"v{i}", lat, 10.5, note="x" * 300)
                              for i in range(start, min(start + 500, count))])
        assert reply.status == 200


def rider_that_does_not_read(process):
    host, port = process.live.rsplit(":", 1)
    rider = socket.socket()
    rider.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    rider.connect((host, int(port)))
    rider.sendall(f"GET /live?bbox={CITY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return rider


def test_slow_rider_gets_the_newest_not_all(motorcade):
    rounds, fleet = 60, 1000
    process = motorcade({"live.stall": "10m"})
    post_fleet(process, fleet, 50.0)
    see(process, f"v{fleet - 1}")
    with rider_that_does_not_read(process) as rider:
        wait_for(lambda: live_metric(process, "riders", kind="sse") == 1, "the rider")
        for i in range(1, rounds):
            post_fleet(process, fleet, 50 + i / 100)
        last = 50 + (rounds - 1) / 100
        see(process, f"v{fleet - 1}", lat=last)
        assert live_metric(process, "conflated_total") > fleet * rounds / 4
        newest, received, pending = {}, 0, b""
        rider.settimeout(PATIENCE_S)
        while len(newest) < fleet or any(lat != last for lat in newest.values()):
            piece = rider.recv(1 << 16)
            assert piece, "closed"
            received += len(piece)
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                if line.startswith(b"data: "):
                    message = json.loads(line[6:])
                    for packet in message.get("snapshot", []) + message.get("positions", []):
                        newest[packet["vehicle"]] = packet["lat"]
    # All that was published would have been rounds times the fleet, some 500 bytes each.
    assert received < fleet * rounds * 500 / 4


def test_rider_that_reads_nothing_is_ended(motorcade):
    process = motorcade({"live.stall": "1s"})
    post_fleet(process, 1000, 50.0)
    see(process, "v999")
    with rider_that_does_not_read(process):
        wait_for(lambda: live_metric(process, "riders", kind="sse") == 1, "the rider")

        def ended():
            post_fleet(process, 1000, 50 + time.time() % 1)
            return live_metric(process, "stalled_total", kind="sse") == 1

        wait_for(ended, "the rider to be ended")
        wait_for(lambda: live_metric(process, "riders", kind="sse") == 0, "the rider to be gone")
        assert position(process, "v7") is not None


def test_vanished_riders_leave_nothing(motorcade):
    process = motorcade()
    post_fleet(process, 100, 50.0)
    see(process, "v99")
    for _ in range(50):
        rider = rider_that_does_not_read(process)
        rider.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rider.close()  # a reset
    wait_for(lambda: live_metric(process, "riders") == 0, "all riders to be gone")
    post_fleet(process, 100, 50.5)
    see(process, "v99", lat=50.5)


# ---- restart ----


def test_positions_are_there_before_ready(motorcade, tmp_path):
    data = tmp_path / "data"
    process = motorcade(data=data)
    process.post([obu("a", 50.5, 10.5), obu("b", 1, 1)])
    see(process, "a")
    see(process, "b")
    process.close()
    process.start()
    assert process.event("snapshot read", "live")["vehicles"] == 2
    assert position(process, "a")["lat"] == 50.5 and position(process, "b")["lat"] == 1


def test_positions_are_there_after_a_kill_without_a_snapshot(motorcade, tmp_path):
    process = motorcade({"live.snapshot_interval": "1h"}, data=tmp_path / "data")
    process.post([obu("a", 50.5, 10.5), obu("b", 1, 1)])
    see(process, "b")
    process.kill()
    process.start()
    assert process.event("snapshot read", "live") is None
    assert position(process, "a")["lat"] == 50.5 and position(process, "b")["lat"] == 1


def test_kill_after_a_snapshot_reads_the_rest_from_the_topics(motorcade, tmp_path):
    data = tmp_path / "data"
    process = motorcade({"live.snapshot_interval": "100ms"}, data=data)
    process.post(obu("a", 50.5, 10.5))
    see(process, "a")
    wait_for((data / "live" / "snapshot").exists, "a snapshot")
    process.post([obu("a", 50.6, 10.5), obu("b", 1, 1)])
    see(process, "b")
    process.kill()
    process.start()
    assert position(process, "a")["lat"] == 50.6 and position(process, "b")["lat"] == 1


@pytest.mark.parametrize("spoil", [
    lambda text: text[:-3],
    lambda text: b"",
    lambda text: text[:40] + b"X" + text[41:],
    lambda text: text[:11] + b"\x09" + text[12:],
], ids=["torn", "empty", "flipped", "newer"])
def test_spoilt_snapshot_is_ignored_with_a_log_line(motorcade, tmp_path, spoil):
    data = tmp_path / "data"
    process = motorcade(data=data)
    process.post(obu("a", 50.5, 10.5))
    see(process, "a")
    process.close()
    path = data / "live" / "snapshot"
    path.write_bytes(spoil(path.read_bytes()))
    process.start()
    assert process.event("snapshot ignored; the store and the topics are read instead", "live")
    assert position(process, "a")["lat"] == 50.5


def test_riders_are_told_that_the_server_goes_away(motorcade):
    process = motorcade()

    async def script(rider):
        await snapshot(rider)
        stopping = asyncio.get_running_loop().run_in_executor(None, process.stop)
        try:
            while True:
                await rider.recv()
        except websockets.ConnectionClosed as closed:
            assert await stopping == 0
            return closed.rcvd.code

    assert ride(process, f"bbox={CITY}", script) == 1001


# ---- the map's view of the past, in a real browser ----


def browse(process, tmp_path, query):
    """The page's text once its script has run."""
    if shutil.which("chromium") is None:
        pytest.skip("SKIP: chromium is not installed")
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
         "--virtual-time-budget=20000", "--dump-dom", f"http://{process.live}/?{query}"],
        capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False)
    page = done.stdout.split("<canvas", 1)[-1].split("<script>", 1)[0]
    assert page, done.stderr
    return page


def test_map_shows_where_a_vehicle_was(motorcade, tmp_path):
    """1,200 points, so that the page has to ask for a second page of them."""
    process = motorcade()
    start = 1700000000
    process.post([obu("a", 50 + i / 10000, 10.5, time=start + i + (600 if i > 900 else 0))
                  for i in range(1300)] + [obu("b", 1, 1, time=start)])
    process.wait_count(1301)
    page = browse(process, tmp_path, f"vehicle=a&from={start + 100}&to={start + 3000}")
    assert '<b id="count">1,200</b>' in page
    assert '<b id="rate">13.3</b>' in page  # 1,199 steps of 0.0001 degrees of latitude
    assert '<b id="delay">10 min</b>' in page
    assert "a, 2023-11-14 22:15:00 to 2023-11-14 22:44:59 UTC" in page


def test_map_says_why_there_is_no_past(motorcade, tmp_path):
    process = motorcade()
    page = browse(process, tmp_path, "vehicle=%3Cb%3Enobody&from=1")
    assert "no position of &lt;b&gt;nobody in that time" in page
    page = browse(process, tmp_path, "vehicle=a&from=yesterday")
    assert "parameter from is a time" in page


def test_gaps_between_packets_are_told(motorcade):
    process = motorcade()
    process.post([obu("a", 50.5, 10.5, time=1700000000), obu("b", 50, 10, time=1700000000)])
    see(process, "a", lat=50.5)
    process.post(obu("a", 50.6, 10.5, time=1700000001))
    see(process, "a", lat=50.6)
    assert live_metric(process, "gap_seconds_count") == 1
    assert 0 < live_metric(process, "gap_seconds_sum") < 4 * PATIENCE_S

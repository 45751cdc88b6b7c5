#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of the whole program: the gateway against a bare socket sink, memory of idle
connections, the headline load, riders' questions. Prints one table.

    tests/bench/system.py BUILD_DIR [--seconds 60] [--rounds 3] [--only G1,G10]

CPU is the server process's own (user + system, all threads), so that it means the same
whatever else the machine does; peer and program take turns."""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

import watching

TICKS = os.sysconf("SC_CLK_TCK")
GATEWAY, LIVE, SINK = 21310, 21311, 21312
rows = []


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def report(goal, what, figure, target, is_good):
    """is_good: whether, or the verdict in words."""
    verdict = is_good if isinstance(is_good, str) else "ok" if is_good else "below"
    rows.append((goal, what, figure, target, verdict))
    print(f"   {goal}: {what}: {figure} (goal {target})", flush=True)


def wait_listening(port, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} exited with {process.returncode}")
        time.sleep(0.01)
    raise SystemExit(f"nothing listens on {port}")


class Server:
    def __init__(self, command, port):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_listening(port, self.process)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def motorcade(build, role, data, *settings):
    command = [build / "src" / "motorcade", role, "--data", data,
               "--set", f"gateway.listen=127.0.0.1:{GATEWAY}",
               "--set", f"live.listen=127.0.0.1:{LIVE}",
               "--set", "gateway.limits.connections_per_address=0"]
    for setting in settings:
        command += ["--set", setting]
    return Server(command, GATEWAY)


def load(build, port, connections, per_s, seconds, frames, *more):
    done = subprocess.run([build / "tests" / "bench" / "load", str(port), str(connections),
                           str(per_s), str(seconds), str(frames), *more],
                          capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])


def cost(server, build, port, per_s, seconds, frames, *more):
    before = cpu_seconds(server.pid)
    sent = load(build, port, 1000, per_s, seconds, frames, *more)
    return (cpu_seconds(server.pid) - before) / sent * 1e9


def gateway_against_sink(build, rounds):
    """G1: nanoseconds of server CPU a packet, the same bytes to both, in turn."""
    for frames, per_s, goal in ((1, 50000, 1.3), (8, 100000, 1.7)):
        ours, floor, acked = [], [], []
        with tempfile.TemporaryDirectory() as data:
            sink = Server([build / "tests" / "bench" / "sink_epoll", str(SINK)], SINK)
            gateway = motorcade(build, "gateway", data, "gateway.loops=1")
            for _ in range(rounds):
                floor.append(cost(sink, build, SINK, per_s, 4, frames))
                ours.append(cost(gateway, build, GATEWAY, per_s, 4, frames))
                acked.append(cost(gateway, build, GATEWAY, per_s, 4, frames, "acks"))
            gateway.stop()
            sink.process.kill()
            sink.process.wait()
        ratio = statistics.median(a / b for a, b in zip(ours, floor))
        report("G1", f"gateway, frame to durable journal, {frames} a segment",
               f"{statistics.median(ours):.0f} ns, bare sink {statistics.median(floor):.0f} ns, "
               f"{ratio:.2f}x; with acks {statistics.median(acked):.0f} ns", f"<= {goal}x",
               ratio <= goal)


def idle_memory(build):
    """G2: resident memory that 5,000 idle WebSockets add."""
    count = 5000
    handshake = (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    with tempfile.TemporaryDirectory() as data:
        gateway = motorcade(build, "gateway", data, "gateway.loops=1")

        def opened(n):
            peers = []
            for _ in range(n):
                peer = socket.create_connection(("127.0.0.1", GATEWAY))
                peer.sendall(handshake)
                peers.append(peer)
            for peer in peers:
                assert peer.recv(4096).startswith(b"HTTP/1.1 101")
            return peers

        warm = opened(200)
        before = resident_bytes(gateway.pid)
        peers = opened(count)
        each = (resident_bytes(gateway.pid) - before) / count
        for peer in warm + peers:
            peer.close()
        gateway.stop()
    report("G2", "user memory of an idle WebSocket", f"{each:.0f} bytes", "<= 512", each <= 512)


def metrics():
    return urllib.request.urlopen(f"http://127.0.0.1:{GATEWAY}/metrics", timeout=30).read().decode()


def metric(name, text=None):
    pattern = rf"^motorcade_{name}(?:{{[^}}]*}})? (\S+)$"
    return sum(float(v) for v in re.findall(pattern, text or metrics(), re.M))


def headline(build, seconds, rate):
    """G10: socket to queryable row and live position, generator on the same cores."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as data:
        server = motorcade(build, "run", data)
        cpu = cpu_seconds(server.pid)
        began = time.monotonic()
        fleet = subprocess.run(
            [build / "src" / "motorcade", "simulate", "--url", f"ws://127.0.0.1:{GATEWAY}/ws",
             "--vehicles", str(rate), "--rate", "1", "--connections", "2000",
             "--frame-per-segment", "--duration", f"{seconds}s", "--json", "--quiet"],
            capture_output=True, text=True, check=False)
        sum_up = json.loads(fleet.stdout.strip().splitlines()[-1])
        sending = time.monotonic() - began
        deadline = time.monotonic() + 120
        while metric("sink_rows_total") < sum_up["acked"] and time.monotonic() < deadline:
            time.sleep(0.05)
        behind = time.monotonic() - began - sending
        cpu = cpu_seconds(server.pid) - cpu
        text = metrics()
        stored, shown = metric("sink_rows_total", text), metric("live_vehicles", text)
        server.stop()
        counted = subprocess.run([build / "src" / "motorcade", "query", "--data", data, "--count"],
                                 capture_output=True, text=True, check=False).stdout.split()
    acked = sum_up["acked"]
    achieved = acked / sending
    is_good = (achieved >= 0.99 * rate and stored == acked == sum_up["sent"] and
               counted[-1:] == [str(acked)])
    latency = sum_up["latency_ms"]
    report("G10", f"{rate} vehicles, 1/s each, {seconds} s, 2,000 connections, frame a segment",
           f"{achieved:.0f}/s acked, {acked} acked, {stored:.0f} rows, {shown:.0f} live, store "
           f"behind {behind:.1f} s at the end, {cpu / max(acked, 1) * 1e9:.0f} ns server CPU each, "
           f"ack p50 {latency['p50']} p99 {latency['p99']} ms", f">= {rate}/s, all stored", is_good)


def riders(build, seconds):
    """G12: GET /vehicles/{id} on kept-alive connections."""
    if shutil.which("wrk") is None:
        print("   G12: SKIP: wrk is not installed")
        return
    with tempfile.TemporaryDirectory() as data:
        server = motorcade(build, "run", data)
        body = b'{"obuid":1,"seq":1,"lat":37.7,"lon":-122.4,"speed":10}'
        urllib.request.urlopen(f"http://127.0.0.1:{GATEWAY}/packets", body, timeout=30).read()
        url = f"http://127.0.0.1:{LIVE}/vehicles/1"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(url, timeout=5).read()
                break
            except urllib.error.HTTPError:
                time.sleep(0.01)
        before = cpu_seconds(server.pid)
        done = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", url], capture_output=True,
                              text=True, check=True)
        cpu = cpu_seconds(server.pid) - before
        server.stop()
    per_s = float(re.search(r"Requests/sec:\s+(\S+)", done.stdout).group(1))
    requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    per_core = requests / cpu
    report("G12", "GET /vehicles/{id}, 64 kept-alive connections",
           f"{per_s:.0f}/s beside wrk, {per_core:.0f} a second of server CPU", ">= 100000 per core",
           per_core >= 100000)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=200000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="G1,G2,G10,observe,G12")
    options = parser.parse_args()
    only = options.only.split(",")
    if "G1" in only:
        gateway_against_sink(options.build, options.rounds)
    if "G2" in only:
        idle_memory(options.build)
    if "G10" in only:
        headline(options.build, options.seconds, options.rate)
    if "observe" in only:
        watching.measure(options.build, 4 * options.rounds, report)
    if "G12" in only:
        riders(options.build, min(options.seconds, 10))
    print("\n| goal | what | measured | goal | |\n|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()

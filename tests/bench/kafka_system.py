#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of the roles as processes over one real Kafka, generator and broker on the same cores.

    tests/bench/kafka_system.py BUILD_DIR BROKER [--seconds 20] [--rates 50000,100000]
                                [--set kafka.profile=throughput ...]

At each rate: what was acked, how long cars waited, what each process spent on a packet, how
much of the cores was left, and whether the store had all of it. The broker is warmed up
first, for Java compiles what runs often only after a while. `scripts/dev-kafka --jvm server`
starts a broker as people run it."""

import argparse
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from system import cpu_seconds, wait_listening  # noqa: E402

GATEWAY, LIVE = 21320, 21321
ROLES = {"store": 21322, "live": 21323, "handler": 21324, "gateway": 21325}  # admin ports


def figure(role, name):
    page = urllib.request.urlopen(f"http://127.0.0.1:{ROLES[role]}/metrics", timeout=30).read()
    pattern = rf"^motorcade_{name}(?:{{[^}}]*}})? (\S+)$"
    return sum(float(value) for value in re.findall(pattern, page.decode(), re.M))


class Roles:
    def __init__(self, build, brokers, folder, settings):
        self.settings = ["broker.kind=kafka", f"kafka.brokers={brokers}",
                         f"kafka.prefix=b{uuid.uuid4().hex[:8]}.",
                         "kafka.topic.create=true", "kafka.topic.replication=1",
                         "kafka.topic.min_insync_replicas=1", "log.level=error",
                         f"gateway.listen=127.0.0.1:{GATEWAY}", f"live.listen=127.0.0.1:{LIVE}",
                         "gateway.loops=1", "gateway.limits.connections_per_address=0",
                         *settings]
        self.processes = {}
        for role, port in ROLES.items():
            command = [build / "src/motorcade", role, "--data", pathlib.Path(folder) / role,
                       "--set", f"admin.listen=127.0.0.1:{port}"]
            for setting in self.settings:
                command += ["--set", setting]
            self.processes[role] = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            wait_listening(port, self.processes[role])

    def cpu(self):
        return {role: cpu_seconds(process.pid) for role, process in self.processes.items()}

    def stop(self):
        for role in ("gateway", "handler", "store", "live"):
            self.processes[role].send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(timeout=60)


def listener_pid(address):
    """The process that listens on a local address: the broker."""
    wanted = f":{int(address.rsplit(':', 1)[1]):04X}"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(wanted) and fields[3] == "0A":  # LISTEN
                inodes.add(f"socket:[{fields[9]}]")
    for link in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) in inodes:
                return int(link.parts[2])
        except OSError:
            continue
    raise SystemExit(f"nothing on this machine listens on {address}")


def idle_seconds():
    """Of all cores together, since the machine started."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")


def drive(build, per_s, seconds):
    fleet = subprocess.run(
        [build / "src/motorcade", "simulate", "--url", f"ws://127.0.0.1:{GATEWAY}/ws",
         "--vehicles", str(per_s), "--rate", "1", "--connections", "1000", "--duration",
         f"{seconds}s", "--json", "--quiet"], capture_output=True, text=True, check=False)
    return json.loads(fleet.stdout.strip().splitlines()[-1])


def wait_stored(count):
    deadline = time.monotonic() + 180
    while figure("store", "sink_rows_total") < count and time.monotonic() < deadline:
        time.sleep(0.1)


def one_rate(options, per_s, broker):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        roles = Roles(options.build, options.brokers, folder, options.set)
        warm = drive(options.build, per_s, options.warm_up)["acked"]
        wait_stored(warm)
        before = {**roles.cpu(), "broker": cpu_seconds(broker)}
        generator = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        began, idle = time.monotonic(), idle_seconds()
        sum_up = drive(options.build, per_s, options.seconds)
        sending = time.monotonic() - began
        generator = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - generator
        idle = (idle_seconds() - idle) / sending / os.cpu_count()
        wait_stored(warm + sum_up["acked"])
        behind = time.monotonic() - began - sending
        after = {**roles.cpu(), "broker": cpu_seconds(broker)}
        stored = figure("store", "sink_rows_total") - warm
        roles.stop()
    acked, latency = sum_up["acked"], sum_up["latency_ms"]
    spent = {name: after[name] - before[name] for name in after}
    each = "  ".join(f"{name} {cpu / acked * 1e6:.2f}" for name, cpu in spent.items())
    print(f"{per_s}/s wanted: {acked / sending:.0f}/s acked for {sending:.0f} s, ack p50 "
          f"{latency['p50']} p99 {latency['p99']} ms; {stored:.0f} of {acked} stored, the last "
          f"{behind:.1f} s after the last ack; {idle:.0%} of the cores idle\n    us of CPU a "
          f"packet: {each}  all {sum(spent.values()) / acked * 1e6:.2f}  (generator "
          f"{generator / acked * 1e6:.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("brokers")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--rates", default="10000,25000,40000,50000,100000")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="a setting of the roles")
    options = parser.parse_args()
    broker = listener_pid(options.brokers)
    for rate in options.rates.split(","):
        one_rate(options, int(rate), broker)


if __name__ == "__main__":
    main()

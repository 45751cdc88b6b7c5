#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of the roles as processes over one real Kafka, generator and broker on the same cores.

    tests/bench/kafka_system.py BUILD_DIR BROKERS [--seconds 20] [--rates 50000,100000]

At each rate: what was acked, how long cars waited, what each process spent on a packet, and
whether the store had all of it; then what the cores were busy with."""

import argparse
import json
import os
import pathlib
import re
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
    def __init__(self, build, brokers, folder, profile):
        self.settings = ["broker.kind=kafka", f"kafka.brokers={brokers}",
                         f"kafka.prefix=b{uuid.uuid4().hex[:8]}.", f"kafka.profile={profile}",
                         "kafka.topic.create=true", "kafka.topic.replication=1",
                         "kafka.topic.min_insync_replicas=1", "log.level=error",
                         f"gateway.listen=127.0.0.1:{GATEWAY}", f"live.listen=127.0.0.1:{LIVE}",
                         "gateway.loops=1", "gateway.limits.connections_per_address=0"]
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


def broker_pids():
    """Java processes of Kafka on this machine."""
    found = subprocess.run(["pgrep", "-f", "kafka.Kafka"], capture_output=True, text=True,
                           check=False).stdout.split()
    return [int(pid) for pid in found]


def one_rate(build, brokers, per_s, seconds, profile):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        roles = Roles(build, brokers, folder, profile)
        java = {pid: cpu_seconds(pid) for pid in broker_pids()}
        before = roles.cpu()
        began = time.monotonic()
        fleet = subprocess.run(
            [build / "src/motorcade", "simulate", "--url", f"ws://127.0.0.1:{GATEWAY}/ws",
             "--vehicles", str(per_s), "--rate", "1", "--connections", "1000", "--duration",
             f"{seconds}s", "--json", "--quiet"], capture_output=True, text=True, check=False)
        sum_up = json.loads(fleet.stdout.strip().splitlines()[-1])
        sending = time.monotonic() - began
        deadline = time.monotonic() + 180
        while figure("store", "sink_rows_total") < sum_up["acked"] and time.monotonic() < deadline:
            time.sleep(0.1)
        behind = time.monotonic() - began - sending
        cpu = {role: after - before[role] for role, after in roles.cpu().items()}
        java_cpu = sum(cpu_seconds(pid) - at for pid, at in java.items())
        stored = figure("store", "sink_rows_total")
        roles.stop()
    acked, latency = sum_up["acked"], sum_up["latency_ms"]
    each = "  ".join(f"{role} {spent / acked * 1e6:.2f}" for role, spent in cpu.items())
    print(f"{per_s}/s wanted, {profile}: {acked / sending:.0f}/s acked for {sending:.0f} s, ack p50 "
          f"{latency['p50']} p99 {latency['p99']} ms; {stored:.0f} of {acked} stored, the last "
          f"{behind:.1f} s after the last ack\n    us of CPU a packet: {each}  broker "
          f"{java_cpu / acked * 1e6:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("brokers")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rates", default="20000,50000,100000")
    parser.add_argument("--profiles", default="latency,throughput")
    options = parser.parse_args()
    for profile in options.profiles.split(","):
        for rate in options.rates.split(","):
            one_rate(options.build, options.brokers, int(rate), options.seconds, profile)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""What being watched costs, so measured that a machine with other work gives the same answer.

Three whole systems stand side by side: unwatched, watched (logs, a scrape and a report to Graphite
each second), and watched with one packet in a hundred traced. They take turns in short slices, in an
order that is turned round each time, so that what drifts hits all alike. Counted is the CPU time of
the process alone, user and kernel, to the nanosecond; a slice ends when the process is quiet. Of the
rounds the median is told, with the order statistics that hold it in 19 of 20 cases (fewer rounds: what they hold).

What cannot be switched off, counting itself, is found by sampling the stacks of the watched one: the
share of its CPU that is spent below the functions of metrics, logs and reports. That ratio comes from
one run, so other work on the machine is not in it.

Costs by the packet and costs by the second (scrapes, reports) are told apart, and put together for
HEADLINE packets a second."""

import collections
import contextlib
import http.server
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

HEADLINE = 200000
RATE, SLICE_S, CONNECTIONS, FRAMES = 50000, 1.5, 200, 8
IDLE_S, SAMPLED_S, SAMPLES_PER_S = 4, 16, 3989
NAMES = ("unwatched", "watched", "traced")
PORTS = dict(zip(NAMES, ((21340, 21341), (21342, 21343), (21344, 21345))))
# Functions whose work, with all that they call, is watching: by the packet, and by the second.
COUNTING = re.compile(r"^(metrics_(add|observe|observe_many|exemplar|series)|metric_series_\w+|"
                      r"add_to_cell|log_(write|event|error|site\w*))$")
TELLING = re.compile(r"^(metrics_(print|reader_\w+|snapshot|refresh)|figures_of|send_lines|push_\w+|"
                     r"statsd_\w+|graphite_\w+|status_\w+|process_read)$")
TRACING = re.compile(r"^(trace_\w+|tracing_\w+|tracer_\w+|otlp_\w+|fetch_\w+|curl_\w+)$")


def cpu_ns(pid):
    """User and system time of a process and its threads that ended (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns(((~pid) << 3) | 2)


class Watcher:
    """Takes Graphite's lines and OTLP's requests and throws them away; scrapes each second."""

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802 (the library's name)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    def __init__(self):
        self.lines = socket.create_server(("127.0.0.1", 0))
        self.spans = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.Collector)
        for target in (self.take_lines, self.spans.serve_forever):
            threading.Thread(target=target, daemon=True).start()

    def take_lines(self):
        while True:
            peer, _ = self.lines.accept()
            threading.Thread(target=self.drain, args=(peer,), daemon=True).start()

    @staticmethod
    def drain(peer):
        while peer.recv(1 << 20):
            pass

    @staticmethod
    def scrape(port):
        def run():
            while True:
                time.sleep(1)
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read()

        threading.Thread(target=run, daemon=True).start()

    def settings(self, name):
        """No merges: one that falls into a slice would be most of it."""
        common = ["gateway.loops=1", "broker.durability=interval", "sink.merge_interval=3600s"]
        if name == "unwatched":
            return [*common, "log.level=error", "run.status_interval=0"]
        watched = [*common, f"graphite.address=127.0.0.1:{self.lines.getsockname()[1]}",
                   "graphite.interval=1s", "log.format=json", "log.level=info",
                   "run.status_interval=1s"]
        if name == "watched":
            return watched
        return [*watched, f"tracing.endpoint=http://127.0.0.1:{self.spans.server_port}",
                "tracing.ratio=0.01", "tracing.traces_per_second=100000"]


def start(build, name, data, watcher):
    gateway, live = PORTS[name]
    command = [build / "src" / "motorcade", "run", "--data", data]
    for setting in [f"gateway.listen=127.0.0.1:{gateway}", f"live.listen=127.0.0.1:{live}",
                    "gateway.limits.connections_per_address=0", *watcher.settings(name)]:
        command += ["--set", setting]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", live), 5):
            if name != "unwatched":
                watcher.scrape(gateway)
            return process
        time.sleep(0.01)
    raise SystemExit(f"{name}: does not start (exit code {process.poll()})")


def wait_quiet(pid, idle_ns_per_s):
    """Until it takes no more than when idle: all that was sent is stored."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before, began = cpu_ns(pid), time.monotonic()
        time.sleep(0.2)
        if cpu_ns(pid) - before < 3 * idle_ns_per_s * (time.monotonic() - began) + 5e6:
            return


def idle_cost(pids):
    """Nanoseconds of CPU a second of each while nothing comes."""
    before, began = {name: cpu_ns(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(IDLE_S)
    return {name: (cpu_ns(pid) - before[name]) / (time.monotonic() - began)
            for name, pid in pids.items()}


def load(build, port, seconds):
    done = subprocess.run([build / "tests" / "bench" / "load", str(port), str(CONNECTIONS),
                           str(RATE), str(seconds), str(FRAMES)], capture_output=True, text=True,
                          check=True)
    return int(done.stdout.split()[1])


def slice_cost(build, name, pid, idle_ns):
    """Nanoseconds a packet, without what passes by the second anyway."""
    before, began = cpu_ns(pid), time.monotonic()
    sent = load(build, PORTS[name][0], SLICE_S)
    wait_quiet(pid, idle_ns)
    passed = time.monotonic() - began
    return (cpu_ns(pid) - before - idle_ns * passed) / sent


def interval(values):
    """(low, median, high, surety): order statistics that hold the median, by the binomial."""
    ordered, n = sorted(values), len(values)
    k, outside = 0, 0.5 ** n
    while 2 * (outside + math.comb(n, k + 1) * 0.5 ** n) < 0.05:
        k += 1
        outside += math.comb(n, k) * 0.5 ** n
    return ordered[k], statistics.median(ordered), ordered[n - 1 - k], 1 - 2 * outside


# ---- sampling ----

def stacks(pid, folder, run):
    """The stacks of a process while run() runs, as lists of function names."""
    data = folder / f"perf-{pid}.data"
    with subprocess.Popen(["perf", "record", "-q", "-g", "-F", str(SAMPLES_PER_S), "-o", data, "-p",
                           str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
        run()
        perf.send_signal(signal.SIGINT)
    text = subprocess.run(["perf", "script", "-i", data, "-F", "ip,sym"], capture_output=True,
                          text=True, check=True).stdout
    for stack in text.split("\n\n"):
        names = [line.split(None, 1)[1] for line in stack.splitlines() if len(line.split()) > 1]
        if names:
            yield names


def classify(names):
    for kind, pattern in (("tracing", TRACING), ("telling", TELLING), ("counting", COUNTING)):
        if any(pattern.match(name) for name in names):
            return kind
    return "packets"


def sampled(build, name, pid, folder, idle_ns):
    """kind → share of the CPU; and CPU nanoseconds a packet, seconds, samples."""
    sent = []

    def run():
        deadline = time.monotonic() + SAMPLED_S
        while time.monotonic() < deadline:
            sent.append(load(build, PORTS[name][0], SLICE_S))
        wait_quiet(pid, idle_ns)

    before, began = cpu_ns(pid), time.monotonic()
    found = collections.Counter(classify(names) for names in stacks(pid, folder, run))
    passed, total = time.monotonic() - began, sum(found.values())
    each = (cpu_ns(pid) - before) / sum(sent)
    return {kind: count / total for kind, count in found.items()}, each, passed / sum(sent), total


def at_headline(shares, each_ns, seconds_per_packet):
    """What share of the CPU watching would have at HEADLINE packets a second."""
    telling_s = shares.get("telling", 0) * each_ns / seconds_per_packet  # ns a second
    counting = shares.get("counting", 0) * each_ns * HEADLINE
    rest = (1 - shares.get("telling", 0)) * each_ns * HEADLINE
    return (counting + telling_s) / (rest + telling_s)


# ---- the report ----

def verdict(low, high, goal):
    return "ok" if high <= goal else "above" if low > goal else "ok or not: too noisy to say"


def report_pairs(report, what, off, on, idle_off, idle_on, goal):
    shares = [(b * HEADLINE + idle_on) / (a * HEADLINE + idle_off) - 1 for a, b in zip(off, on)]
    low, middle, high, surety = interval(shares)
    report("watching", f"{what}, {len(shares)} pairs of slices",
           f"{statistics.median(off):.0f} → {statistics.median(on):.0f} ns a packet, "
           f"{idle_off / 1e6:.1f} → {idle_on / 1e6:.1f} ms a second; at {HEADLINE}/s "
           f"{100 * middle:+.1f} % ({100 * low:+.1f} to {100 * high:+.1f} with {100 * surety:.0f} %)",
           f"<= +{100 * goal:.0f} %", verdict(low, high, goal))


def report_samples(report, build, pids, folder, idle):
    if shutil.which("perf") is None:
        print("   watching: SKIP: perf is not installed, stacks are not sampled")
        return
    shares, each, seconds, total = sampled(build, "watched", pids["watched"], folder,
                                           idle["watched"])
    share = at_headline(shares, each, seconds)
    error = 2 * math.sqrt(max(share, 1e-4) / total)
    report("watching", "counting, logs, scrapes and reports, by stacks",
           f"counting {100 * shares.get('counting', 0):.2f} %, telling "
           f"{100 * shares.get('telling', 0):.2f} % at {1 / seconds:.0f}/s; at {HEADLINE}/s "
           f"{100 * share:.2f} % (± {100 * error:.2f}, {total} samples)", "<= 2 %",
           verdict(share - error, share + error, 0.02))
    shares, _, seconds, total = sampled(build, "traced", pids["traced"], folder, idle["traced"])
    share = shares.get("tracing", 0)
    error = 2 * math.sqrt(max(share, 1e-4) / total)
    report("watching", "tracing one packet in a hundred, by stacks",
           f"{100 * share:.2f} % (± {100 * error:.2f}, {total} samples) at {1 / seconds:.0f}/s",
           "<= 1 %", verdict(share - error, share + error, 0.01))


def measure(build, rounds, report):
    watcher = Watcher()
    found = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        folder = pathlib.Path(folder)
        servers = {name: start(build, name, folder / name, watcher) for name in NAMES}
        pids = {name: server.pid for name, server in servers.items()}
        for name in NAMES:
            slice_cost(build, name, pids[name], 5e6)  # warm, files made
        idle = idle_cost(pids)
        for _ in range(rounds):
            costs = collections.defaultdict(list)
            for name in (*NAMES, *reversed(NAMES)):
                costs[name].append(slice_cost(build, name, pids[name], idle[name]))
            for name in NAMES:
                found[name].append(statistics.mean(costs[name]))
        report_pairs(report, "logs, scrapes and reports on and off", found["unwatched"],
                     found["watched"], idle["unwatched"], idle["watched"], 0.02)
        report_pairs(report, "one packet in a hundred traced, or none", found["watched"],
                     found["traced"], idle["watched"], idle["traced"], 0.01)
        report_samples(report, build, pids, folder, idle)
        for server in servers.values():
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)

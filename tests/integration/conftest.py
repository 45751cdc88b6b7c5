# SPDX-License-Identifier: Apache-2.0
"""The real binary, started for each test on ports of its own in a folder of its own."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from kafka_cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MOTORCADE", ROOT / "build" / "src" / "motorcade"))
CABS = ROOT.parent / "shared" / "data" / "sf-cabs-2008-05-20.csv.gz"
# Sanitized builds are several times slower; deadlines are for hangs, not for speed.
PATIENCE_S = float(os.environ.get("MOTORCADE_TEST_PATIENCE_S", "60"))


def wait_for(condition, what, timeout_s=PATIENCE_S):
    """Poll until condition() is truthy and return it; fail with `what` at the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"timed out after {timeout_s:.0f} s waiting for {what}")
        time.sleep(0.01)


def ports_of_worker(name, workers):
    """Below those that scripts/dev-kafka and scripts/dev-mongodb choose from, and below outgoing
    connections' range; each of pytest's workers (gw0, gw1, ...) has its own."""
    share = 6000 // workers
    return range(20000 + int(name[2:]) * share, 20000 + (int(name[2:]) + 1) * share)


PORTS = ports_of_worker(os.environ.get("PYTEST_XDIST_WORKER", "gw0"),
                        int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
given_ports = set()


def free_port(width=1):
    """The first of so many neighbouring ports of ours that nobody holds or was given."""
    while True:
        first = random.choice(PORTS[:1 - width or None])
        ports = set(range(first, first + width))
        if not ports & given_ports and all(map(is_free, ports)):
            given_ports.update(ports)
            return first


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def short_names(line):
    """A log line with the names the program gives its fields (it writes ECS's)."""
    known = {"log.level": "level", "log.logger": "module", "error.message": "error",
             "event.reason": "reason", "server.address": "address", "file.path": "file"}
    return {known.get(name, name.removeprefix("motorcade.")): value for name, value in line.items()}


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def request(address, method, path, body=None, headers=None, timeout_s=PATIENCE_S):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def read_log(stream, events, raw):
    """What is left of a process that died goes to its own lists, not to the next one's."""
    for line in stream:
        raw.append(line.rstrip("\n"))
        try:
            events.append(short_names(json.loads(line)))
        except json.JSONDecodeError:
            events.append({"message": line.rstrip("\n"), "raw": True})


class Motorcade:
    """One process: `motorcade run` (or another role) with a data folder."""

    def __init__(self, data, settings=None, role="run", arguments=()):
        self.data = pathlib.Path(data)
        self.settings = {
            "gateway.listen": f"127.0.0.1:{free_port()}",
            "live.listen": f"127.0.0.1:{free_port()}",
            "gateway.loops": 2,
            **(settings or {}),
        }
        self.role, self.arguments = role, list(arguments)
        self.process = None
        self.events, self.raw = [], []  # log lines: read, and as they came

    def command(self):
        command = [str(BINARY), self.role, "--data", str(self.data), *self.arguments]
        for name, value in self.settings.items():
            command += ["--set", f"{name}={value}"]
        return command

    def start(self, wait=True):
        self.events, self.raw = [], []
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "MOTORCADE_LOG__FORMAT": "json"})
        log = (self.process.stderr, self.events, self.raw)
        threading.Thread(target=read_log, args=log, daemon=True).start()
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        if wait:
            self.wait_ready()
        return self

    def log_text(self):
        return "\n".join(str(event) for event in self.events)

    def event(self, message, module=None, since=0):
        for event in self.events[since:]:
            if event.get("message") == message and module in (None, event.get("module")):
                return event
        return None

    def wait_event(self, message, module=None, since=0):
        def seen_or_dead():
            found = self.event(message, module, since)
            if found is None and self.process.poll() is not None:
                pytest.fail(f"exited with {self.process.returncode}:\n{self.log_text()}")
            return found

        return wait_for(seen_or_dead, f"the event {message!r}")

    def wait_ready(self):
        self.wait_event("ready")

    def hang_up(self, answer="reloaded"):
        """SIGHUP, and what the process says to this one."""
        since = len(self.events)
        self.process.send_signal(signal.SIGHUP)
        self.wait_event(answer, since=since)

    @property
    def gateway(self):
        return self.settings["gateway.listen"]

    @property
    def live(self):
        return self.settings["live.listen"]

    def get(self, path, address=None, **headers):
        return request(address or self.gateway, "GET", path, headers=headers)

    def post(self, body, path="/packets", **headers):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        return request(self.gateway, "POST", path, body, {"Content-Type": "application/json",
                                                          **headers})

    def metric(self, name, **labels):
        """Sum of the series of that name whose labels include these."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if not line.startswith(name):
                continue
            series, value = line.rsplit(" ", 1)
            if series.split("{")[0] == name and all(
                    f'{key}="{label}"' in series for key, label in labels.items()):
                total += float(value)
        return total

    def tool(self, *arguments, check=True, stdin=None):
        done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True,
                              timeout=10 * PATIENCE_S, input=stdin, check=False)
        if check and done.returncode != 0:
            pytest.fail(f"{arguments} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def sink_settings(self):
        """The database that this process writes to, for the tools."""
        return [word for name, value in self.settings.items() if name.startswith("sink.")
                for word in ("--set", f"{name}={value}")]

    def query(self, *arguments):
        return self.tool("query", "--data", self.data, *self.sink_settings(), *arguments)

    def count(self):
        return int(self.query("--count").stdout.split()[-1])

    def wait_drained(self):
        """Until handler and store have nothing left to do."""
        wait_for(lambda: self.metric("motorcade_broker_lag_records", group="handler") == 0 and
                 self.metric("motorcade_broker_lag_records", group="store") == 0,
                 "handler and store to catch up")

    def wait_count(self, rows):
        wait_for(lambda: self.count() >= rows, f"{rows} rows in the store")
        assert self.count() == rows

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"did not stop on SIGTERM:\n{self.log_text()}")

    def close(self):
        if self.process is not None and self.process.poll() is None:
            code = self.stop()
            assert code == 0, f"exited with {code}:\n{self.log_text()}"
        sanitizer = [event["message"] for event in self.events if event.get("raw") and
                     ("Sanitizer" in event["message"] or "runtime error" in event["message"])]
        assert not sanitizer, self.log_text()


@pytest.fixture
def motorcade(tmp_path):
    """motorcade(settings) → a started process; stopped, and its exit checked, after the test."""
    with contextlib.ExitStack() as stack:

        def start(settings=None, data=None, wait=True, **options):
            process = Motorcade(data or tmp_path / "data", settings, **options)
            stack.callback(process.close)
            return process.start(wait)

        yield start


@pytest.fixture
def cabs():
    if not CABS.exists():
        pytest.skip(f"SKIP: the real traces are not here ({CABS.name})")
    return CABS


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """One broker: $MOTORCADE_TEST_KAFKA when there is one (scripts/test), else our own."""
    brokers = os.environ.get("MOTORCADE_TEST_KAFKA")
    if brokers:
        yield Cluster(brokers)
        return
    cluster = Cluster(data=tmp_path_factory.mktemp("kafka") / "cluster")
    try:
        yield cluster.start()
    finally:
        cluster.delete()


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory):
    cluster = Cluster(data=tmp_path_factory.mktemp("kafka3") / "cluster")
    try:
        yield cluster.start("--nodes", "3")
    finally:
        cluster.delete()


@pytest.fixture
def kafka3(three_brokers):
    """Three brokers: replication 3, min.insync.replicas 2. All up, whatever a test before did."""
    three_brokers.start_all()
    return three_brokers

# SPDX-License-Identifier: Apache-2.0
"""deploy/monitoring/prometheus-to-graphite: what it makes of an exporter's page, and of a Graphite
that goes away. Against the real carbon and graphite-web: test_kafka_monitoring."""

import http.server
import signal
import socket
import subprocess
import threading

import pytest

from conftest import PATIENCE_S, ROOT, free_port, wait_for

PROGRAM = ROOT / "deploy" / "monitoring" / "prometheus-to-graphite"
PAGE = r"""# HELP up Whether it is.
# TYPE up gauge
up 1
sizes{topic="gps.coords",partition="0"} 1.5e+3 1700000000000
odd{text="a \"quoted\" } # {b=\"c\"} \\ \n end",empty=""} 7
requests_total 42 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.04 1700000000.000
broken{text="no end 1
not_a_number NaN
endless{le="+Inf"} +Inf
exact 9007199254740993
# EOF
"""
LINES = {
    "x.up": 1.0, "x.sizes.0.gps_coords": 1500.0,
    "x.odd._.a__quoted_______b__c_______end": 7.0, "x.requests_total": 42.0,
    "x.exact": 9007199254740992.0,
}


class Exporter:
    """Serves one page, whatever its length, and counts how often."""

    def __init__(self, page=PAGE):
        self.page, self.asked = page.encode(), 0
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 (the library's name)
                exporter.asked += 1
                self.send_response(200)
                self.end_headers()
                try:
                    self.wfile.write(exporter.page)
                except OSError:
                    pass  # it had enough

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def exporter():
    served = Exporter()
    yield served
    served.close()


class Program:
    def __init__(self, tmp_path, exporter, graphite, *options):
        self.log = tmp_path / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--prefix", "x", "--graphite", f"127.0.0.1:{graphite}", "--interval",
                 "0.05s", *options, f"http://{exporter.address}/metrics"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self, text):
        return text in self.log.read_text(encoding="utf-8")

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def carry(tmp_path, exporter):
    """carry(graphite's port, options…) → the program, gone after the test."""
    started = []

    def start(graphite, *options):
        started.append(Program(tmp_path, exporter, graphite, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def listen(port):
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(PATIENCE_S)
    return listener


def read_report(connection, last="x.exact"):
    """Path → (value, time), until that path."""
    connection.settimeout(PATIENCE_S)
    found = {}
    for line in connection.makefile("r", encoding="ascii"):
        path, value, at = line.split(" ")
        found[path] = (float(value), int(at))
        if path == last:
            break
    return found


def test_samples_become_paths(carry):
    port = free_port()
    with listen(port) as listener:
        program = carry(port)
        connection, _ = listener.accept()
        with connection:
            report = read_report(connection)
    assert {path: value for path, (value, _) in report.items()} == LINES
    assert len({at for _, at in report.values()}) == 1
    assert program.end() == 0


def test_instance_and_choice(exporter, carry):
    port = free_port()
    with listen(port) as listener:
        program = carry(port, "--prefix", "k.{instance}", "--only", "^(up|sizes)$")
        connection, _ = listener.accept()
        prefix = "k." + exporter.address.replace(".", "_").replace(":", "_")
        with connection:
            report = read_report(connection, f"{prefix}.sizes.0.gps_coords")
    assert set(report) == {f"{prefix}.up", f"{prefix}.sizes.0.gps_coords"}
    assert program.end(signal.SIGTERM) == 0


def test_what_was_told_while_graphite_was_away_comes_later(exporter, carry):
    """Also after a connection that broke; no more than what is kept."""
    port = free_port()
    program = carry(port)
    wait_for(lambda: program.said("gave up a report"), "more reports than are kept")
    for _ in range(2):
        with listen(port) as listener:
            connection, _ = listener.accept()
            with connection:
                assert read_report(connection).keys() == LINES.keys()
    with listen(port) as listener:
        connection, _ = listener.accept()
        with connection:
            assert read_report(connection).keys() == LINES.keys()
            wait_for(lambda: program.said("Graphite takes it again"), "the good news")
    assert exporter.asked > 60
    assert program.end() == 0


def test_an_exporter_without_end_is_not_read_to_its_end(exporter, carry):
    port = free_port()
    exporter.page = b"up 1\n" * (4 << 20)
    with listen(port) as listener:
        program = carry(port)
        wait_for(lambda: program.said("a page of more than"), "a refusal")
        exporter.page = PAGE.encode()
        connection, _ = listener.accept()
        with connection:
            assert read_report(connection).keys() == LINES.keys()
    assert program.said("it answers again")
    assert program.end() == 0


@pytest.mark.parametrize("options, part", [
    (["ftp://x/"], "http"), (["http://x/", "--graphite", "2003"], "HOST:PORT"),
    (["http://x/", "--interval", "0"], "more than 0"), (["http://x/", "--only", "("], "("),
    ([], "URL")])
def test_mistakes_are_named(options, part):
    done = subprocess.run([PROGRAM, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert part in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""One packet's way as spans, sent to a collector and decoded by OpenTelemetry's own protobufs."""

import http.server
import json
import os
import pathlib
import subprocess
import threading
import venv

import pytest

from conftest import ROOT, wait_for

DECODE = """
import json, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = ExportTraceServiceRequest()
request.ParseFromString(sys.stdin.buffer.read())
def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))
for resource in request.resource_spans:
    role = {a.key: value(a.value) for a in resource.resource.attributes}
    for scope in resource.scope_spans:
        for span in scope.spans:
            print(json.dumps({
                "resource": role, "scope": scope.scope.name, "trace": span.trace_id.hex(),
                "id": span.span_id.hex(), "parent": span.parent_span_id.hex(), "name": span.name,
                "kind": span.kind, "begin": span.start_time_unix_nano,
                "end": span.end_time_unix_nano, "status": span.status.code,
                "attributes": {a.key: value(a.value) for a in span.attributes}}))
"""


@pytest.fixture(scope="session")
def decoder():
    """A Python that has opentelemetry-proto; made once under the build folder."""
    home = pathlib.Path(os.environ.get("MOTORCADE", ROOT / "build/src/motorcade")).parents[1]
    folder = home / "venv-otel"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        try:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "opentelemetry-proto==1.27.0",
                            "protobuf<5"], check=True, capture_output=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as problem:
            pytest.skip(f"SKIP: opentelemetry-proto can't be had: {problem}")
        (folder / "ready").touch()

    def decode(body):
        done = subprocess.run([python, "-c", DECODE], input=body, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]

    return decode


class Collector:
    """Takes POST /v1/traces; `answers` are the next status codes, 200 behind them."""

    def __init__(self, decode):
        self.bodies, self.answers, self.headers = [], [], []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802 (the library's name)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.answers.pop(0) if collector.answers else 200
                if status == 200:
                    collector.bodies.append(body)
                    collector.headers.append((self.path, dict(self.headers)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.decode = decode
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def spans(self):
        return [span for body in list(self.bodies) for span in self.decode(body)]

    def wait_names(self, names):
        def whole():
            spans = self.spans()
            return spans if names <= {span["name"] for span in spans} else None

        return wait_for(whole, f"the spans {names}")


@pytest.fixture
def collector(decoder):
    collector = Collector(decoder)
    yield collector
    collector.server.shutdown()


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WAY = {"send gpscoords", "process gpscoords", "store gpscoords.position", "show gpscoords.position"}


def test_the_way_of_one_packet(motorcade, collector):
    server = motorcade({"tracing.endpoint": collector.url, "tracing.ratio": 0,
                        "tracing.authorization": "Bearer word"})
    server.post({"obuid": 7, "seq": 1, "lat": 1, "lon": 2})  # not asked for: no trace
    assert server.post({"obuid": "cab 8", "seq": 1, "lat": 1, "lon": 2},
                       traceparent=PARENT).status == 200
    spans = {span["name"]: span for span in collector.wait_names(WAY)}
    assert set(spans) == WAY
    assert {span["trace"] for span in spans.values()} == {PARENT.split("-")[1]}
    assert spans["send gpscoords"]["parent"] == PARENT.split("-")[2]
    assert spans["process gpscoords"]["parent"] == spans["send gpscoords"]["id"]
    for last in ("store gpscoords.position", "show gpscoords.position"):
        assert spans[last]["parent"] == spans["process gpscoords"]["id"]
    for span in spans.values():
        assert span["begin"] <= span["end"] and span["status"] == 0
        assert span["attributes"]["motorcade.vehicle"] == "cab 8"
        assert span["attributes"]["messaging.system"] == "motorcade"
        assert len(span["attributes"]["messaging.message.id"]) == 48
        assert span["resource"]["service.name"] == "motorcade"
        assert span["resource"]["motorcade.role"] == "run"
    assert spans["send gpscoords"]["kind"] == 4 and spans["process gpscoords"]["kind"] == 5
    path, headers = collector.headers[0]
    assert path == "/v1/traces" and headers["Content-Type"] == "application/x-protobuf"
    assert headers["Authorization"] == "Bearer word"


def test_latencies_name_a_trace(motorcade, collector):
    """An exemplar of OpenMetrics leads from a slow bucket to the packet's trace."""
    server = motorcade({"tracing.endpoint": collector.url, "tracing.ratio": 0})
    server.post({"obuid": 8, "seq": 1, "lat": 1, "lon": 2}, traceparent=PARENT)
    server.wait_count(1)
    collector.wait_names(WAY)
    parser = pytest.importorskip("prometheus_client.openmetrics.parser",
                                 reason="SKIP: python3-prometheus-client is not installed")
    page = server.get("/metrics", Accept="application/openmetrics-text").body.decode()
    named = {sample.name: sample.exemplar for family in parser.text_string_to_metric_families(page)
             for sample in family.samples if sample.exemplar}
    for name in ("motorcade_gateway_ack_latency_seconds_bucket",
                 "motorcade_store_batch_seconds_bucket"):
        assert named[name].labels == {"trace_id": PARENT.split("-")[1]}
        assert 0 < named[name].value < 60


def test_rejects_and_dead_letters_are_always_traced(motorcade, collector):
    server = motorcade({"tracing.endpoint": collector.url, "tracing.ratio": 0})
    server.post({"lat": 1, "lon": 2})
    server.post({"obuid": 9, "seq": 1, "lat": 100, "lon": 2})
    spans = {span["name"]: span for span in
             collector.wait_names({"reject", "process gpscoords"})}
    assert spans["reject"]["attributes"]["error.type"] == "no_vehicle"
    assert spans["reject"]["status"] == 2
    assert spans["process gpscoords"]["attributes"]["error.type"] != ""
    assert spans["process gpscoords"]["status"] == 2


def test_slow_acks_are_traced(motorcade, collector):
    server = motorcade({"tracing.endpoint": collector.url, "tracing.ratio": 0,
                        "tracing.slow": "1ms", "broker.group_delay": "20ms"})
    server.post({"obuid": 9, "seq": 1, "lat": 1, "lon": 2})
    server.post({"obuid": 9, "seq": 2, "lat": 1, "lon": 2})
    spans = collector.wait_names({"send slowly"})
    slow = next(span for span in spans if span["name"] == "send slowly")
    assert slow["end"] - slow["begin"] >= 1e6


def test_a_collector_that_is_away_costs_no_packet(motorcade, collector):
    collector.answers = [503, 503, 429]
    server = motorcade({"tracing.endpoint": collector.url, "tracing.ratio": 1})
    assert server.post({"obuid": 9, "seq": 1, "lat": 1, "lon": 2}).json()["accepted"] == 1
    collector.wait_names(WAY)
    assert server.metric("motorcade_trace_exports_total", outcome="retry") == 3
    assert server.event("traces could not be sent") is not None
    server.wait_event("traces go out again")


def test_nobody_listens(motorcade):
    server = motorcade({"tracing.endpoint": "http://127.0.0.1:1", "tracing.ratio": 1,
                        "tracing.timeout": "100ms"})
    for seq in range(1, 50):
        assert server.post({"obuid": 9, "seq": seq, "lat": 1, "lon": 2}).status == 200
    wait_for(lambda: server.metric("motorcade_trace_exports_total", outcome="retry") > 0,
             "an attempt to export")
    server.wait_count(49)



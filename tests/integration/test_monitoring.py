# SPDX-License-Identifier: Apache-2.0
"""The dashboards and alerts against the real things: Prometheus scrapes a running system, carbon takes
its reports, and every query of every dashboard and alert is asked and answers; an alert goes through
Alertmanager to a receiver."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest

from conftest import BINARY, PATIENCE_S, ROOT, free_port, wait_for

SCRIPT = ROOT / "scripts" / "dashboards"
PYTHON = "/usr/bin/python3"
DEPLOY = ROOT / "deploy"


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"SKIP: {program} is not installed")


@contextlib.contextmanager
def running(command, folder, **options):
    """A server, its output in a file, killed at the end."""
    with open(folder / f"{os.path.basename(str(command[0]))}.log", "ab") as log:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=subprocess.STDOUT, **options)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def fetch_json(url):
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def queries():
    pytest.importorskip("yaml", reason="SKIP: python3-yaml is not installed")
    return json.loads(subprocess.run([PYTHON, SCRIPT, "--list"], check=True,
                                     capture_output=True).stdout)


class Busy:
    """A system in which everything that a dashboard shows happens now and then."""

    def __init__(self, server):
        self.server = server
        self.fleet = subprocess.Popen(
            [BINARY, "simulate", "--url", f"ws://{server.gateway}/ws", "--vehicles", "50",
             "--rate", "5", "--quiet"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        host, port = server.live.rsplit(":", 1)
        self.rider = socket.create_connection((host, int(port)))
        self.rider.sendall(b"GET /live?bbox=-180,-90,180,90 HTTP/1.1\r\nHost: rider\r\n"
                           b"Accept: text/event-stream\r\n\r\n")
        threading.Thread(target=self.ride, daemon=True).start()

    def ride(self):
        with contextlib.suppress(OSError):
            while self.rider.recv(65536):
                pass

    def stir(self):
        self.server.post({"lat": 1})
        self.server.post({"obuid": 1, "lat": 95, "lon": 1})
        self.server.get("/vehicles", address=self.server.live)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.rider.close()
        self.fleet.send_signal(signal.SIGINT)
        self.fleet.wait(timeout=PATIENCE_S)


# ---- the files ----

def test_the_files_are_those_of_the_description(tmp_path):
    pytest.importorskip("yaml", reason="SKIP: python3-yaml is not installed")
    subprocess.run([PYTHON, SCRIPT, tmp_path], check=True)
    for made in sorted(tmp_path.rglob("*")):
        if made.is_file():
            kept = ROOT / made.relative_to(tmp_path)
            assert kept.read_bytes() == made.read_bytes(), f"{kept}: run scripts/dashboards"


def test_every_alert_fires_and_stays_quiet():
    need("promtool")
    folder = DEPLOY / "prometheus"
    subprocess.run(["promtool", "check", "rules", "alerts.yml"], cwd=folder, check=True)
    subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=folder, check=True)
    subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], cwd=folder, check=True)


def test_an_alert_that_can_not_fire_is_noticed(tmp_path):
    """The test of the tests: a rule with its threshold moved fails promtool's."""
    need("promtool")
    for name in ("alerts.yml", "alerts_test.yml"):
        text = (DEPLOY / "prometheus" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("< 0.1", "< 0.01"), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], cwd=tmp_path,
                          capture_output=True, check=False)
    assert done.returncode != 0


# ---- Prometheus ----

def prometheus_config(tmp_path, server, alertmanager_port, exporters=()):
    text = (DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8")
    for old, new in (("127.0.0.1:30000", server.gateway), ("10s", "1s"),
                     ("127.0.0.1:9093", f"127.0.0.1:{alertmanager_port}")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "prometheus.yml").write_text(text, encoding="utf-8")
    shutil.copy(DEPLOY / "prometheus/alerts.yml", tmp_path)
    shutil.copy(DEPLOY / "prometheus/kafka-exporters.yml", tmp_path)
    if exporters:
        (tmp_path / "kafka-exporters.yml").write_text(
            json.dumps([{"targets": exporters}]), encoding="utf-8")


def ask(base, query):
    """As Grafana would with all roles, instances, groups and topics chosen."""
    for name, value in (("$role", ".*"), ("$instance", ".*"), ("$group", ".*"), ("$topic", ".*"),
                        ("$__rate_interval", "15s")):
        query = query.replace(name, value)
    answer = fetch_json(f"{base}/api/v1/query?" + urllib.parse.urlencode({"query": query}))
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def check_prometheus(server, tmp_path, wanted, alerts, exporters=()):
    """Every query answers; rules load and can be evaluated."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    prometheus_config(tmp_path, server, free_port(), exporters)
    command = ["prometheus", "--config.file", tmp_path / "prometheus.yml", "--storage.tsdb.path",
               tmp_path / "tsdb", "--web.listen-address", f"127.0.0.1:{port}"]
    with Busy(server) as busy, running(command, tmp_path):
        wait_for(lambda: answers(base + "/-/ready"), "Prometheus")
        silent = {q["panel"] + " " + q["query"]: q["query"] for q in wanted}

        def all_answer():
            busy.stir()
            for key, query in list(silent.items()):
                result = ask(base, query)
                if result and all(sample["value"][1] != "NaN" for sample in result):
                    del silent[key]
            return not silent

        try:
            wait_for(all_answer, "every query to answer", 2 * PATIENCE_S)
        except BaseException:
            print("\n".join(["no answer:", *silent]))
            raise
        for expr in alerts:
            ask(base, expr)  # valid here; that it fires is promtool's matter
        rules = fetch_json(base + "/api/v1/rules")["data"]["groups"][0]["rules"]
        assert len(rules) == len(alerts)
        assert all(rule["health"] in ("ok", "unknown") for rule in rules)


def needing(queries, *what):
    return [query for query in queries if query["needs"] in what]


def test_every_query_answers(motorcade, tmp_path, queries):
    need("prometheus")
    check_prometheus(motorcade(), tmp_path, needing(queries["prometheus"], "", "sqlite"),
                     queries["alerts"])


class Receiver:
    """A webhook that keeps the alerts it was told."""

    def __init__(self):
        self.alerts = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802 (the library's name)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.alerts += body["alerts"]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_an_alert_reaches_a_receiver(motorcade, tmp_path):
    """The process is killed; MotorcadeDown (here after 1 s) goes through Alertmanager."""
    need("prometheus")
    need("prometheus-alertmanager")
    server = motorcade()
    receiver = Receiver()
    port, alert_port = free_port(), free_port()
    prometheus_config(tmp_path, server, alert_port)
    rules = tmp_path / "alerts.yml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("for: 1m", "for: 1s", 1),
                     encoding="utf-8")
    config = (DEPLOY / "alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    for old, new in (("127.0.0.1:5001", f"127.0.0.1:{receiver.server.server_port}"), ("10s", "1s")):
        assert old in config
        config = config.replace(old, new)
    (tmp_path / "alertmanager.yml").write_text(config, encoding="utf-8")
    alertmanager = ["prometheus-alertmanager", "--config.file", tmp_path / "alertmanager.yml",
                    "--storage.path", tmp_path / "alerts", "--web.listen-address",
                    f"127.0.0.1:{alert_port}", "--cluster.listen-address="]
    prometheus = ["prometheus", "--config.file", tmp_path / "prometheus.yml", "--storage.tsdb.path",
                  tmp_path / "tsdb", "--web.listen-address", f"127.0.0.1:{port}"]
    with running(alertmanager, tmp_path), running(prometheus, tmp_path):
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), "Prometheus")
        server.kill()
        wait_for(lambda: [a for a in receiver.alerts if a["labels"]["alertname"] == "MotorcadeDown"],
                 "the alert at the receiver")
    receiver.server.shutdown()
    alert = receiver.alerts[0]
    assert alert["status"] == "firing" and alert["labels"]["severity"] == "critical"
    assert server.gateway in alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"].endswith("#motorcadedown")


# ---- Graphite ----

CARBON = """
[cache]
STORAGE_DIR = {folder}
CONF_DIR = {folder}
LOG_DIR = {folder}/log
LOCAL_DATA_DIR = {folder}/whisper
PID_DIR = {folder}
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
ENABLE_TAGS = False
"""
SCHEMAS = "[all]\npattern = .*\nretentions = 1s:1h\n"
RENDER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "graphite_test_settings"
import django
from wsgiref.simple_server import make_server, WSGIRequestHandler
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from django.core.wsgi import get_wsgi_application
WSGIRequestHandler.log_message = lambda *a: None
make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
"""
SETTINGS = """
from graphite.settings import *
SECRET_KEY = "for a test"
ALLOWED_HOSTS = ["*"]
STORAGE_DIR = LOG_DIR = CONF_DIR = "{folder}"
WHISPER_DIR = STANDARD_DIRS = "{folder}/whisper"
STANDARD_DIRS = [WHISPER_DIR]
INDEX_FILE = "{folder}/index"
LOG_ROTATION = False
CARBONLINK_HOSTS = ["127.0.0.1:{query}:a"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/graphite.db"}}}}
TAGDB = None
TIME_ZONE = "UTC"
"""


@contextlib.contextmanager
def graphite(folder):
    """carbon-cache and graphite-web; gives (port for lines, base address for questions)."""
    line, pickle, query, web = free_port(), free_port(), free_port(), free_port()
    (folder / "log").mkdir()
    names = {"folder": folder, "line": line, "pickle": pickle, "query": query}
    (folder / "carbon.conf").write_text(CARBON.format(**names), encoding="utf-8")
    (folder / "storage-schemas.conf").write_text(SCHEMAS, encoding="utf-8")
    (folder / "graphite_test_settings.py").write_text(SETTINGS.format(**names), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folder), "GRAPHITE_STORAGE_DIR": str(folder),
                   "GRAPHITE_CONF_DIR": str(folder)}
    carbon = ["carbon-cache", "--config", folder / "carbon.conf", "--nodaemon", "start"]
    render = [PYTHON, "-c", RENDER, web]
    with running(carbon, folder, env=environment), running(render, folder, env=environment):
        base = f"http://127.0.0.1:{web}"
        wait_for(lambda: answers(base + "/render?format=json"), "graphite-web")
        yield line, base


CARRIER = DEPLOY / "monitoring" / "prometheus-to-graphite"


def carry(exporters, line, folder):
    """What exporters tell to the Graphite at that port; nothing to run without any."""
    if not exporters:
        return contextlib.nullcontext()
    return running([CARRIER, "--prefix", "kafka.{instance}", "--graphite", f"127.0.0.1:{line}",
                    "--interval", "1s", *(f"http://{one}/metrics" for one in exporters)], folder)


def check_graphite(start, tmp_path, wanted, exporters=()):
    """start(settings) → a server. Every target renders points."""
    need("carbon-cache")
    if not os.path.exists("/usr/lib/python3/dist-packages/graphite"):
        pytest.skip("SKIP: graphite-web is not installed")
    folder = tmp_path / "graphite"
    folder.mkdir()
    with graphite(folder) as (line, base):
        server = start({"graphite.address": f"127.0.0.1:{line}", "graphite.interval": "1s"})
        with Busy(server) as busy, carry(exporters, line, folder):
            silent = {q["query"]: q["panel"] for q in wanted}

            def all_render():
                busy.stir()
                for target in list(silent):
                    text = target
                    for name in ("$instance", "$role", "$group", "$topic"):
                        text = text.replace(name, "*")
                    series = fetch_json(f"{base}/render?" + urllib.parse.urlencode(
                        {"target": text, "format": "json", "from": "-1min", "noCache": "1"}))
                    if any(value is not None for one in series for value, _ in one["datapoints"]):
                        del silent[target]
                return not silent

            try:
                wait_for(all_render, "every target to render", 2 * PATIENCE_S)
            except BaseException:
                print("\n".join(f"no points: {panel}: {target}"
                                for target, panel in silent.items()))
                raise


def test_every_graphite_target_renders(motorcade, tmp_path, queries):
    check_graphite(motorcade, tmp_path, needing(queries["graphite"], "", "sqlite"))

# SPDX-License-Identifier: Apache-2.0
"""The commands of README's "More than one machine" are run as written: only addresses and folders
are changed, so that they meet nobody else's. And the examples of configuration are good."""

import os
import re
import signal
import subprocess

import pytest

from conftest import BINARY, PATIENCE_S, ROOT, free_port, wait_for
from kafka_cluster import SCRIPT


def commands():
    text = (ROOT / "README.md").read_text()
    section = text.split("\n## More than one machine\n")[1].split("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```", section, re.M | re.S)[0]


@pytest.fixture
def place(tmp_path, kafka):
    """What stands for the addresses and folders of the README; and all is gone afterwards."""
    gateway, live = (f"127.0.0.1:{free_port()}" for _ in range(2))
    broker = f"127.0.0.1:{free_port(width=2)}"  # dev-kafka takes the next one for the controller
    changes = {"ws://127.0.0.1:30000": f"ws://{gateway}", "/tmp/motorcade": str(tmp_path / "data"),
               "build/src/motorcade": str(BINARY)}
    environment = {**os.environ, "MOTORCADE_GATEWAY__LISTEN": gateway,
                   "MOTORCADE_LIVE__LISTEN": live, "MOTORCADE_KAFKA__BROKERS": broker,
                   "DEV_KAFKA_DATA": str(tmp_path / "kafka"),
                   "DEV_KAFKA_PORT": broker.rsplit(":", 1)[1]}
    yield changes, environment
    subprocess.run([SCRIPT, "delete"], env=environment, check=True)


def test_more_than_one_machine(place, tmp_path):
    changes, environment = place
    script = commands()
    for before, after in changes.items():
        assert before in script
        script = script.replace(before, after)
    # Then it waits for our end of the pipe to close, and does what README says about the end.
    script += "echo all-done\nread -r line || true\nkill $(jobs -p)\nwait\n"
    shell = subprocess.Popen(["bash", "-e", "-c", script], cwd=ROOT, env=environment, text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output = []
        for line in shell.stdout:
            output.append(line)
            if line == "all-done\n":
                break
        assert output[-1] == "all-done\n", "".join(output)
        acked = re.findall(r"\backed +([\d,]+)", "".join(output))[-1]  # the report, after its progress
        sent = int(acked.replace(",", ""))
        assert sent > 500
        wait_for(lambda: count(tmp_path) >= sent, f"{sent} packets in the store", 2 * PATIENCE_S)
        assert count(tmp_path) == sent
        shell.stdin.close()
        rest = shell.stdout.read()
        assert shell.wait(timeout=PATIENCE_S) == 0, "".join(output) + rest
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)


def count(folder):
    return int(subprocess.run([BINARY, "query", "--data", folder / "data" / "store", "--count"],
                              capture_output=True, text=True, check=True).stdout.split()[-1])


@pytest.mark.parametrize("path", ["config/kafka.yaml", "deploy/docker/motorcade.yaml"])
def test_the_example_is_good(path):
    done = subprocess.run([BINARY, "check", "-c", ROOT / path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr

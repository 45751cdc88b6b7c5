# SPDX-License-Identifier: Apache-2.0
"""check-layers finds the includes it is there to find."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = """\
layers: base < net, codec < tool < main.c
header uv.h: net/
header yaml.h: codec/yaml.c
system: stdio.h
"""


def check(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "layers.txt").write_text(RULES)
        for path, text in files.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(text)
        run = subprocess.run([sys.executable, ROOT / "scripts/check-layers", root],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout.replace(str(root) + "/", "")


class CheckLayers(unittest.TestCase):
    def assert_refused(self, path, include, message):
        code, output = check({path: f"/* */\n{include}\n"})
        self.assertEqual(code, 1, output)
        self.assertIn(f"{path}:2: ", output)
        self.assertIn(message, output)

    def test_allowed_includes_pass(self):
        self.assertEqual(check({
            "base/a.c": '#include "base/a.h"\n#include <stdio.h>\n',
            "net/b.c": '#include "base/a.h"\n#  include <uv.h>\n',
            "codec/yaml.c": "#include <yaml.h>\n",
            "main.c": '#include "tool/c.h"\n',
        }), (0, ""))

    def test_a_folder_to_the_right_is_refused(self):
        self.assert_refused("base/a.c", '#include "net/b.h"', "net stands to the right of base")

    def test_a_folder_on_the_same_step_is_refused(self):
        self.assert_refused("net/a.h", '#include "codec/b.h"', "codec stands on the same step as net")

    def test_main_is_the_last_layer(self):
        self.assert_refused("tool/a.c", '#include "main.c"', "does not name its folder")

    def test_third_party_headers_have_their_place(self):
        self.assert_refused("base/a.c", "#include <uv.h>", "<uv.h> is for net/ only")
        self.assert_refused("codec/json.c", "#include <yaml.h>", "for codec/yaml.c only")
        self.assert_refused("net/a.c", "#include <curl/curl.h>", "is not listed")

    def test_includes_name_their_folder(self):
        self.assert_refused("net/a.c", '#include "b.h"', "does not name its folder")

    def test_unknown_folders_are_refused(self):
        self.assert_refused("util/a.c", '#include "base/b.h"', "util is in no layer")
        self.assert_refused("net/a.c", '#include "util/b.h"', "util is in no layer")


unittest.main()

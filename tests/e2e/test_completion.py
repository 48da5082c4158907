"""Completion in bash, with the installed programs: what the tables have, and nothing else."""
import re
import subprocess
import unittest

from harness import LATCH, LATCHD, ROOT, TestCase, latchd, scratch

COMPLETIONS = ROOT / "completions/latchd"


def complete(program, *words, folder="/"):
    """What bash would offer for the last word."""
    script = """
        source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _latchd "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script, "bash", COMPLETIONS, program, *words],
        text=True, capture_output=True, cwd=folder, check=True, timeout=20,
    )
    assert not done.stderr, done.stderr
    return set(done.stdout.split())


class Completion(TestCase):
    def test_every_option_of_latch(self):
        table = (ROOT / "src/client/options.def").read_text()
        rows = re.findall(r"""^OPTION\((?:'(\w)'|0), "([\w-]*)",.*?\b(FETCH|CHECK|BOTH)\)$""",
                          table, re.M | re.S)
        self.assertEqual(len(rows), len(re.findall("^OPTION", table, re.M)))
        for words, other in (("-",), "CHECK"), (("check", "-"), "FETCH"):
            wanted = set()
            for letter, name, where in rows:
                if where != other:
                    wanted |= {f"-{letter}"} if letter else set()
                    wanted |= {f"--{name}"} if name else set()
            self.assertGreater(len(wanted), 10)
            self.assertEqual(complete(LATCH, *words), wanted)
        self.assertEqual(complete(LATCH, "--vers"), {"--version"})

    def test_words_and_files_behind_an_option(self):
        folder = scratch()
        (folder / "ca.pem").touch()
        (folder / "site").mkdir()
        self.assertEqual(complete(LATCH, "--shutdown", ""), {"strict", "lenient"})
        self.assertEqual(complete(LATCH, "--shutdown", "l"), {"lenient"})
        self.assertEqual(complete(LATCH, "--ca", "", folder=folder), {"ca.pem", "site"})
        self.assertEqual(complete(LATCHD, "-c", "ca", folder=folder), {"ca.pem"})
        self.assertEqual(complete(LATCHD, "--serve", "", folder=folder), {"site"})
        self.assertEqual(complete(LATCHD, "--port", "", folder=folder), set())

    def test_every_directive_behind_explain(self):
        table = (ROOT / "src/config/directives.def").read_text()
        wanted = set(re.findall(r'^(?:GROUP|LIST|VALUE)\("([\w.]+)"', table, re.M))
        self.assertGreater(len(wanted), 50)
        self.assertEqual(complete(LATCHD, "--explain", ""), wanted)
        self.assertEqual(complete(LATCHD, "--explain", "timeouts.id"), {"timeouts.idle"})

    def test_every_word_of_ctl(self):
        table = (ROOT / "src/client/ctl.c").read_text()
        table = table[table.index("} words[] = {"):]
        wanted = set(re.findall(r'^\t\{ "([\w-]+)",', table[:table.index("};")], re.M))
        self.assertLessEqual({"reload", "status", "stop", "reopen-logs"}, wanted)
        self.assertEqual(complete(LATCHD, "c"), {"ctl"})
        self.assertEqual(complete(LATCHD, "ctl", ""), wanted)
        self.assertEqual(complete(LATCHD, "ctl", "re"), {w for w in wanted if w.startswith("re")})
        self.assertEqual(complete(LATCHD, "ctl", "status", "--j"), {"--json"})
        self.assertEqual(complete(LATCH, "c"), {"check"})

    def test_a_program_that_is_not_there_offers_nothing(self):
        self.assertEqual(complete("/nowhere/latchd", "-"), set())


class Package(TestCase):
    def test_its_configuration_is_understood(self):
        # What it names is there when it is installed: tests/system/package has that.
        done = latchd("-T", "-c", ROOT / "debian/latchd.conf")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("/usr/share/latchd/welcome", done.stdout)

    def test_its_logs_are_rotated_as_the_manual_says(self):
        rotation = (ROOT / "debian/latchd.logrotate").read_text()
        self.assertIn("reopen-logs", rotation)
        self.assertIn(rotation, (ROOT / "man/latchd.8").read_text())


if __name__ == "__main__":
    unittest.main()

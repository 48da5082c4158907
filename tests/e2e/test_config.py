"""The configuration: all mistakes are told with file and line in one run; -t, -T, --explain."""
import os
import re
import subprocess
import unittest
from pathlib import Path

from harness import (
    IS_ROOT,
    LATCHD,
    WORKER_GROUP,
    WORKER_USER,
    TestCase,
    certificates,
    free_port,
    latchd,
    scratch,
)

GOOD = """workers = 2;
@USER@
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; },
              { name = "http"; address = "127.0.0.1:@PORT2@"; tls = false; } );
sites = ( { names = [ "localhost" ]; default = true;
            certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
            routes = ( { path = "/"; files = { root = "@DIR@"; }; } ); },
          { names = [ "*" ]; listeners = [ "http" ];
            routes = ( { path = "/"; redirect = { to = "https://$host$path$query"; }; } ); } );
"""


class Manual(unittest.TestCase):
    def test_it_has_the_paths_of_this_installation(self):
        home = Path(LATCHD).parents[1]
        prefix = str(home).rpartition("/tree")[2]
        if not prefix:
            self.skipTest("this latchd is not an installed one")
        text = (home / "share/man/man8/latchd.8").read_text()
        self.assertIn(f"{prefix}/sbin/latchd.new", text)
        self.assertIn(f"{prefix}/share/doc/latchd/lockdown.conf", text)
        self.assertNotRegex(text, "@[a-z]+@")


class Config(TestCase):
    def setUp(self):
        self.dir = scratch()
        self.ports = free_port(), free_port()

    def write(self, text, name="latchd.conf"):
        user = f'user = "{WORKER_USER}"; group = "{WORKER_GROUP}";' if IS_ROOT else ""
        for word, value in (
            ("USER", user),
            ("PORT2", self.ports[1]),
            ("PORT", self.ports[0]),
            ("DIR", self.dir),
            ("CERTS", certificates()),
        ):
            text = text.replace(f"@{word}@", str(value))
        path = self.dir / name
        path.write_text(text)
        return path

    def check(self, text, name="latchd.conf"):
        path = self.write(text, name)
        return latchd("-t", "-c", path)

    def errors(self, out):
        """{line: [sentence]} of what `-t` said about the main file."""
        found = {}
        for line in (out.stdout + out.stderr).splitlines():
            match = re.search(r"latchd\.conf:(\d+): (.+)", line)
            if match:
                found.setdefault(int(match.group(1)), []).append(match.group(2))
        return found

    def one_error(self, text, line, pattern):
        out = self.check(text)
        self.assertEqual(out.returncode, 78, out.stderr)
        found = self.errors(out)
        self.assertIn(line, found, out.stderr)
        self.assertRegex(" / ".join(found[line]), pattern)

    def test_a_good_one_is_silent(self):
        out = self.check(GOOD)
        self.assertEqual((out.returncode, out.stdout, out.stderr), (0, "", ""))

    def test_the_ten_mistakes(self):
        lines = """workers = "two";
@USER@
sigpipe = "explode";
timeouts = { handshake = "10"; idel = "60s"; };
limits = { connections = 4294967297;
  header_fields = 100000; };
tls = { tickets = { keep = 5000000000; }; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; },
  { name = "https"; address = "127.0.0.1:@PORT2@"; },
  { name = "again"; address = "127.0.0.1:@PORT@"; } );
sites = ( { names = [ "localhost", "x.example" ]; default = true;
    certificate = "@CERTS@/ecdsa.pem";
    private_key = "@CERTS@/other.key";
    routes = ( { path = "/"; files = { root = "@DIR@/nowhere"; }; } ); },
  { names = [ "x.example" ]; listeners = [ "htps" ];
    certificate = "@DIR@/missing.pem";
    private_key = "@DIR@/missing.key";
    routes = ( { path = "/"; }, { path = "no-slash"; redirect = { to = "/$hots"; }; } ); } );
"""
        out = self.check(lines)
        self.assertEqual(out.returncode, 78, out.stderr)
        found = self.errors(out)
        for line, pattern in (
            (1, "workers"),
            (3, "sigpipe.*(ignore|log|default)"),
            (4, "idel.*idle"),
            (4, "handshake"),
            (5, "connections"),
            (6, "header_fields"),
            (7, "keep"),
            (9, '"https"'),
            (10, str(self.ports[0])),
            (13, "other\\.key.*certificate"),
            (14, "nowhere"),
            (15, "htps"),
            (16, "missing\\.pem"),
            (18, "handler"),
            (18, "no-slash"),
            (18, r"\$hots"),
        ):
            text = " / ".join(found.get(line, []))
            self.assertRegex(text, pattern, f"line {line} of:\n{out.stderr}")

    def test_a_syntax_error_has_its_line_and_what_was_expected(self):
        self.one_error('workers = 2;\nuser = "nobody"\ngroup "nogroup";\n', 3, "(?i)expected")
        self.one_error('workers = 2;\nlisteners = ( { name = "a"; }, );\n', 2, "(?i)expected")
        self.one_error("workers = 10M;\n", 1, "(?i)expected|10M|M")

    def test_an_unknown_key_names_the_nearest(self):
        self.one_error(GOOD.replace("workers = 2;", "worker = 2;"), 1, "worker.*workers")

    def test_a_key_given_twice(self):
        self.one_error('sigpipe = "log";\nsigpipe = "log";\n' + GOOD, 2, "sigpipe|twice|duplicate")

    def test_integers_that_libconfig_wraps(self):
        for number in ("4294967297", "5000000000", "-4294967294"):
            self.one_error(GOOD.replace("workers = 2;", f"workers = {number};"), 1, "workers")

    def test_a_nul_in_a_string(self):
        self.one_error('sigpipe = "log\\x00x";\n' + GOOD, 1, "(?i)nul|zero")

    def test_errors_in_an_included_file_name_that_file(self):
        self.write("limits = {\n  conections = 5; };\n", "more.conf")
        out = self.check('@include "more.conf"\n' + GOOD)
        self.assertEqual(out.returncode, 78)
        self.assertRegex(out.stderr + out.stdout, r"more\.conf:2: .*conections.*connections")

    def test_no_file_and_no_permission(self):
        out = latchd("-t", "-c", self.dir / "none.conf")
        self.assertEqual(out.returncode, 78, out.stderr)
        self.assertIn("none.conf", out.stderr + out.stdout)

    def test_a_missing_site_or_listener(self):
        out = self.check("workers = 1;\n")
        self.assertEqual(out.returncode, 78, out.stderr)

    def test_print_is_a_fixed_point(self):
        first = latchd("-T", "-c", self.write(GOOD))
        self.assertEqual(first.returncode, 0, first.stderr)
        (self.dir / "second.conf").write_text(first.stdout)
        second = latchd("-T", "-c", self.dir / "second.conf")
        self.assertEqual((second.returncode, second.stdout), (0, first.stdout), second.stderr)
        self.assertIn("handshake", first.stdout)

    def test_print_tells_mistakes_in_the_order_of_the_file(self):
        path = self.write(GOOD.replace('[ "http" ]', '[ "htpp" ]') + "wrokers = 1;\n")
        out = latchd("-T", "-c", path)
        self.assertEqual((out.returncode, out.stdout), (78, ""))
        lines = [int(n) for n in re.findall(r"latchd\.conf:(\d+): ", out.stderr)]
        self.assertGreater(len(lines), 1, out.stderr)
        self.assertEqual(lines, sorted(lines), out.stderr)

    def test_test_creates_nothing(self):
        self.dir.chmod(0o777)
        path = self.write(
            GOOD.replace("workers = 2;", f'log = {{ target = "{self.dir}/new.log"; }};')
        )
        before = sorted(os.listdir(self.dir))
        out = latchd("-t", "-c", path)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertEqual(sorted(os.listdir(self.dir)), before)

    def test_explain(self):
        one = latchd("--explain", "timeouts.idle")
        self.assertEqual(one.returncode, 0)
        self.assertIn("60s", one.stdout)
        every = latchd("--explain")
        for key in ("workers", "sites.routes.redirect.status", "tls.tickets.rotate"):
            self.assertIn(key, every.stdout)
        wrong = latchd("--explain", "timeouts.idel")
        self.assertEqual(wrong.returncode, 64)
        self.assertIn("idle", wrong.stderr)

    def test_usage(self):
        for args in (["--nonsense"], ["-c"], ["--serve"], ["extra"]):
            self.assertEqual(latchd(*args).returncode, 64, args)
        for option in ("-V", "-h"):
            self.assertEqual(latchd(option).returncode, 0)

    def test_an_encrypted_key(self):
        locked = GOOD.replace("ecdsa.pem", "rsa.pem").replace("ecdsa.key", "encrypted.key")
        self.assertEqual(self.check(locked).returncode, 78)
        for phrase, code in (("passphrase", 0), ("wrong-passphrase", 78)):
            out = self.check(
                locked.replace(
                    "default = true;", f'default = true; passphrase_file = "@CERTS@/{phrase}";'
                )
            )
            self.assertEqual(out.returncode, code, out.stderr)


@unittest.skipUnless(IS_ROOT, "needs root")
class Unprivileged(TestCase):
    """latchd -t by somebody who is not root."""

    def setUp(self):
        self.dir = scratch()
        self.prefix = ["setpriv", "--reuid", WORKER_USER, "--regid", WORKER_GROUP, "--clear-groups"]
        if subprocess.run([*self.prefix, "test", "-x", LATCHD], check=False).returncode:
            self.skipTest(f"{WORKER_USER} may not run {LATCHD}")

    def check(self, text):
        path = self.dir / "latchd.conf"
        path.write_text(text + """
listeners = ( { name = "http"; address = "127.0.0.1:8080"; tls = false; } );
sites = ( { names = [ "*" ]; listeners = [ "http" ];
            routes = ( { path = "/"; respond = {}; } ); } );
""")
        return latchd("-t", "-c", path, prefix=self.prefix)

    def test_its_own_names_are_fine(self):
        run = self.check(f'user = "{WORKER_USER}";\ngroup = "{WORKER_GROUP}";')
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        run = self.check("")
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_other_names_are_warned_of(self):
        run = self.check('user = "root";\ngroup = "root";')
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stderr, r'latchd.conf:1: .*user "root" is not used: not started')
        self.assertRegex(run.stderr, r'latchd.conf:2: .*group "root" is not used: not started')
        self.assertEqual(len(run.stderr.splitlines()), 2, run.stderr)

    def test_a_file_that_it_may_not_read(self):
        self.check("")
        (self.dir / "latchd.conf").chmod(0o600)
        run = latchd("-t", "-c", self.dir / "latchd.conf", prefix=self.prefix)
        self.assertEqual(run.returncode, 77, run.stderr)
        self.assertIn("latchd.conf: cannot be read: Permission denied", run.stderr)


if __name__ == "__main__":
    unittest.main()

"""latch check against servers that we did not write: Debian's nginx, Apache, hitch, HAProxy,
Caddy, h2o and lighttpd, and latchd. Its report must agree with what openssl's client, curl and
python's ssl see on the same server. Run by `make check-peers`, which installs them."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness
from latch_peer import Server, answering, with_length
from pki import Pki


class Peer:
    """One server in the foreground. `command` is a function of the filled-in folder."""

    def __init__(self, test, program, config, command, env=None):
        self.program = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        test.assertIsNotNone(self.program, f"{program} is not installed: make check-peers does it")
        self.dir, self.port = harness.scratch("latch-peer."), harness.free_port()
        (self.dir / "www").mkdir()
        (self.dir / "www/index.html").write_text("hello\n")
        self.config = self.dir / "config"
        self.config.write_text(self.fill(config, test))
        self.command, self.env = [self.program, *command(self)], env or {}

    def fill(self, text, test):
        words = {"@DIR@": self.dir, "@PORT@": self.port, "@PEM@": test.pki.path("chain.pem"),
                 "@KEY@": test.pki.path("chain.key"), "@BOTH@": test.pki.path("both.pem"),
                 "@BACKEND@": test.backend.port}
        for word, value in words.items():
            text = text.replace(word, str(value))
        return text

    def __enter__(self):
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(self.dir), **self.env}, start_new_session=True,
            cwd=self.dir)
        for _ in range(20 * harness.PATIENCE):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                pass
            try:
                self.process.wait(0.05)
                break
            except subprocess.TimeoutExpired:
                pass
        self.__exit__()
        raise AssertionError(f"{self.program}: " + (self.dir / "log").read_text())

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        except ProcessLookupError:
            pass
        self.log.close()


NGINX = """
daemon off; worker_processes 2; pid @DIR@/pid; error_log stderr;
events { worker_connections 100; }
http { access_log off; client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p;
    fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
    server { listen 127.0.0.1:@PORT@ ssl http2; root @DIR@/www;
        ssl_certificate @PEM@; ssl_certificate_key @KEY@; ssl_session_cache shared:x:1m;
        ssl_protocols TLSv1.2 TLSv1.3;
        add_header Strict-Transport-Security "max-age=31536000" always; } }
"""
APACHE = """
ServerRoot @DIR@
PidFile @DIR@/pid
ErrorLog /dev/stderr
ServerName localhost
Mutex file:@DIR@
User nobody
Group nogroup
LoadModule mpm_@MPM@_module /usr/lib/apache2/modules/mod_mpm_@MPM@.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
TypesConfig /etc/mime.types
StartServers 4
LogFormat "%P" children
CustomLog @DIR@/children children
DocumentRoot @DIR@/www
Listen 127.0.0.1:@PORT@ https
<VirtualHost *:@PORT@>
    SSLEngine on
    SSLCertificateFile @PEM@
    SSLCertificateKeyFile @KEY@
    @TICKETS@
</VirtualHost>
"""
HITCH = """
frontend = "[127.0.0.1]:@PORT@"
backend = "[127.0.0.1]:@BACKEND@"
pem-file = "@BOTH@"
workers = 2
daemon = off
user = "nobody"
"""
HAPROXY = """
global
    nbthread 2
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend f
    bind 127.0.0.1:@PORT@ ssl crt @BOTH@ alpn h2,http/1.1
    default_backend b
backend b
    server s 127.0.0.1:@BACKEND@
"""
BALANCER = """
defaults
    mode tcp
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend f
    bind 127.0.0.1:@PORT@
    default_backend b
backend b
    balance random(1)
    server one 127.0.0.1:@ONE@
    server two 127.0.0.1:@TWO@
"""
CADDY = """
{
    admin off
    auto_https off
    storage file_system @DIR@/storage
}
https://localhost:@PORT@, https://127.0.0.1:@PORT@ {
    bind 127.0.0.1
    tls @PEM@ @KEY@
    root * @DIR@/www
    file_server
}
"""
H2O = """
num-threads: 2
listen:
  host: 127.0.0.1
  port: @PORT@
  ssl:
    certificate-file: @PEM@
    key-file: @KEY@
hosts:
  default:
    paths:
      /:
        file.dir: @DIR@/www
"""
LIGHTTPD = """
server.modules = ( "mod_openssl" )
server.bind = "127.0.0.1"
server.port = @PORT@
server.document-root = "@DIR@/www"
index-file.names = ( "index.html" )
ssl.engine = "enable"
ssl.pemfile = "@PEM@"
ssl.privkey = "@KEY@"
"""


class Peers(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pki = Pki()
        cls.pki.authority("inter", "ca")
        cls.pki.server("leaf", "DNS:localhost,IP:127.0.0.1", "inter")
        cls.pki.chain("chain", "leaf", "inter")
        cls.pki.path("both.pem").write_bytes(
            cls.pki.path("chain.key").read_bytes() + cls.pki.path("chain.pem").read_bytes())
        cls.backend = Server(answering(with_length(b"hello\n", fields="Connection: close\r\n")))
        for path in cls.pki.dir.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        cls.ca = cls.pki.path("ca.pem")

    @classmethod
    def tearDownClass(cls):
        cls.backend.__exit__()

    # -- the two sides

    def report(self, port, *args):
        run = harness.latch("check", "--json", "--ca", self.ca, *args, f"https://localhost:{port}/")
        report = json.loads(run.stdout)
        self.assertEqual(run.returncode, report["exit"])
        if os.environ.get("SHOW"):
            print(json.dumps(report, indent=1))
        report["levels"] = {f["key"]: f["level"] for f in report["findings"]}
        report["texts"] = {f["key"]: f["text"] for f in report["findings"]}
        return report

    def s_client(self, port, *args, input=b""):
        run = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost",
             "-CAfile", self.ca, *args], input=input, capture_output=True, check=False,
            timeout=harness.PATIENCE)
        return run.stdout.decode(errors="replace")

    def versions(self, port, report):
        for row in report["protocols"]:
            args = [f"-tls{row['version'].replace('.', '_')}".removesuffix("_0"), "-cipher",
                    "ALL:@SECLEVEL=0"]
            text = self.s_client(port, *args)
            cipher = re.search(r"Cipher is (\S+)", text).group(1)
            if row["state"] == "refused":
                self.assertEqual(cipher, "(NONE)", row)
                continue
            self.assertEqual(row["state"], "accepted", row)
            self.assertEqual(cipher, row["cipher"])
            self.assertIn("Verify return code: 0 (ok)", text)
            group = re.search(r"Server Temp Key: (?:ECDH, )?([^,\s]+)", text).group(1)
            self.assertIn(group.lower().replace("prime256v1", "secp256r1"),
                          row["group"].lower().replace("prime256v1", "secp256r1"))

    def groups(self, port, report):
        for name, state in report["groups"].items():
            text = self.s_client(port, "-groups", name)
            self.assertEqual(state == "accepted", "Cipher is (NONE)" not in text, name)

    def closure(self, port, report):
        """Python's ssl, on a request that asks to close."""
        with harness.Peer(port, context=harness.client_context(ca=self.ca)) as peer:
            peer.request("/", method="HEAD", close=True)
            peer.read_to_end()
            self.assertEqual(report["closure"] == "clean", peer.saw_close_notify)

    def http(self, port, report):
        for args, expected in (("--http1.1",), "http/1.1"), (("--http2",), "h2"):
            run = harness.curl("--cacert", self.ca, "-sI", *args, "-w",
                               "%{http_version} %{http_code}", f"https://localhost:{port}/")
            version, status = run.stdout.decode().splitlines()[-1].split()
            if expected == "h2":
                self.assertEqual(report["http"]["h2"], version == "2")
                run = harness.latch("--ca", self.ca, "--json", f"https://localhost:{port}/")
                record = json.loads(run.stderr)
                self.assertEqual(record["protocol"], "HTTP/2" if version == "2" else "HTTP/1.1")
                self.assertEqual((record["exit"], record["status"]), (0, int(status)))
            else:
                self.assertEqual(report["http"]["status"], int(status))
                hsts = re.search(
                    r"(?im)^strict-transport-security: (.*?)\r?$", run.stdout.decode())
                self.assertEqual(report["http"]["hsts"], hsts.group(1) if hsts else None)

    def resumed_by_python(self, port, version, times=10):
        """How many of so many connections python's ssl resumes, each with the newest session."""
        context = harness.client_context(version=version, ca=self.ca)
        session, count = None, 0
        for i in range(times + 1):
            with harness.Peer(port, context=context, session=session) as peer:
                peer.request("/", method="HEAD", close=True)
                peer.read_to_end()
                count += i > 0 and peer.tls.session_reused
                session = peer.session or session
        return count

    def agree(self, port):
        """The report, after everything in it was found true by somebody else."""
        report = self.report(port)
        self.assertEqual((report["levels"]["chain"], report["levels"]["identity"]), ("ok", "ok"))
        self.assertEqual([c["subject"] for c in report["chain"]["certificates"]],
                         [f"CN={n},O=latchd test" for n in ("leaf", "test inter", "test ca")])
        self.assertEqual(report["chain"]["sent"], 2)
        self.versions(port, report)
        self.groups(port, report)
        self.closure(port, report)
        self.http(port, report)
        return report

    def resumes(self, report, *expected):
        """(version, all or none)."""
        for version, fraction in expected:
            row = next(r for r in report["resumption"] if r["version"] == version)
            self.assertEqual(row["resumed"], fraction * row["connections"], row)

    # -- the servers

    def test_latchd(self):
        config = harness.DEFAULT_CONFIG.replace("@CERTS@/ecdsa", f"{self.pki.dir}/chain")
        with harness.Latchd(config=config) as d:
            report = self.agree(d.port)
            self.resumes(report, ("1.2", 1), ("1.3", 1))
            self.assertEqual(report["closure"], "clean")

    def test_nginx(self):
        with Peer(self, "nginx", NGINX, lambda p: ["-c", p.config, "-p", p.dir]) as peer:
            report = self.agree(peer.port)
            self.resumes(report, ("1.2", 1), ("1.3", 1))
            self.assertTrue(report["http"]["h2"])
            self.assertIn("365 days", report["texts"]["hsts"])

    def apache(self, mpm, tickets=""):
        return Peer(self, "apache2", APACHE.replace("@MPM@", mpm).replace("@TICKETS@", tickets),
                    lambda p: ["-f", p.config, "-DFOREGROUND"], env={"APACHE_RUN_DIR": "."})

    @staticmethod
    def children(peer):
        """Those that have answered."""
        return set((peer.dir / "children").read_text().split())

    def reused(self, port, version, session, take=True):
        """Whether openssl's client resumes `session`, a file, and takes what it gets instead."""
        text = self.s_client(
            port, f"-tls1_{version[-1]}", "-ign_eof", *(("-sess_in", session) if session.exists()
            else ()), *(("-sess_out", session) if take else ()),
            input=b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return re.search(r"^(New|Reused), TLSv1", text, re.M).group(1) == "Reused"

    def test_apache(self):
        """Its children share their keys, which it makes before it forks: openssl, python and latch
        are resumed by any of them."""
        for mpm in ("event", "prefork"):
            with self.subTest(mpm), self.apache(mpm) as peer:
                self.agree(peer.port)
                report = self.report(peer.port, "--repeat", "20")
                self.resumes(report, ("1.2", 1), ("1.3", 1))
                self.assertEqual(report["levels"]["resumption"], "ok")
                for version in ("1.2", "1.3"):
                    self.assertEqual(self.resumed_by_python(peer.port, version, 20), 20)
                    session = peer.dir / f"session-{version}"
                    self.assertEqual([self.reused(peer.port, version, session) for _ in range(8)],
                                     [False] + 7 * [True])
                self.assertGreater(len(self.children(peer)), 1, "one child answered everything")

    def test_apache_after_a_reload(self):
        """It has new keys then, unless they are in a file."""
        keys = self.pki.path("tickets")
        keys.write_bytes(os.urandom(48))
        for tickets, kept in ("", False), (f"SSLSessionTicketKeyFile {keys}", True):
            with self.subTest(tickets=tickets), self.apache("prefork", tickets) as peer:
                sessions = {v: peer.dir / f"session-{v}" for v in ("1.2", "1.3")}
                for version, session in sessions.items():
                    self.assertFalse(self.reused(peer.port, version, session))
                before = self.children(peer)
                peer.process.send_signal(signal.SIGUSR1)
                self.wait_for_others(peer, before)
                for version, session in sessions.items():
                    self.assertEqual(self.reused(peer.port, version, session, False), kept)
                for row in self.report(peer.port)["resumption"]:
                    # From a file, it gives no ticket of TLS 1.3 to who comes with one.
                    self.assertEqual(row["resumed"], row["offered"], row)
                    self.assertGreater(row["offered"], 0)

    def wait_for_others(self, peer, before):
        """Until a child that was not there before answers."""
        deadline = time.monotonic() + harness.PATIENCE
        while self.children(peer) <= before:
            self.assertLess(time.monotonic(), deadline, "Apache does not reload")
            self.resumed_by_python(peer.port, "1.3", 1)

    def test_two_apaches(self):
        """Behind one address, with keys of their own: what children with keys of their own would
        look like. All three see that some connections are resumed and some are not."""
        with self.apache("event") as one, self.apache("prefork") as two:
            config = BALANCER.replace("@ONE@", str(one.port)).replace("@TWO@", str(two.port))
            with Peer(self, "haproxy", config, lambda p: ["-f", p.config]) as peer:
                report = self.report(peer.port, "--repeat", "20")
                self.assertEqual(report["levels"]["resumption"], "warning")
                for row in report["resumption"]:
                    self.assertIn(row["resumed"], range(1, row["connections"]))
                    self.assertIn(self.resumed_by_python(peer.port, row["version"], 20),
                                  range(1, 20))
                    session = peer.dir / f"session-{row['version']}"
                    seen = {self.reused(peer.port, row["version"], session, take=i == 0)
                            for i in range(8)}
                    self.assertEqual(seen, {False, True})

    def test_haproxy(self):
        with Peer(self, "haproxy", HAPROXY, lambda p: ["-f", p.config]) as peer:
            self.resumes(self.agree(peer.port), ("1.2", 1), ("1.3", 1))

    def test_hitch(self):
        with Peer(self, "hitch", HITCH, lambda p: [f"--config={p.config}"]) as peer:
            self.agree(peer.port)

    def test_caddy(self):
        with Peer(self, "caddy", CADDY, lambda p: ["run", "--config", p.config, "--adapter",
                                                   "caddyfile"]) as peer:
            self.agree(peer.port)

    def test_h2o(self):
        with Peer(self, "h2o", H2O, lambda p: ["-c", p.config]) as peer:
            self.agree(peer.port)

    def test_lighttpd(self):
        with Peer(self, "lighttpd", LIGHTTPD, lambda p: ["-D", "-f", p.config]) as peer:
            self.agree(peer.port)


if __name__ == "__main__":
    unittest.main()

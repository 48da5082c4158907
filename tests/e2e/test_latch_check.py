"""latch check: its report beside what openssl's own client says, and each finding where a server
gives cause for it."""
import datetime
import json
import os
import pty
import re
import ssl
import subprocess
import unittest

import harness
from latch_peer import LatchTestCase, Server, answering, with_length
from pki import Pki

HELLO = with_length(b"")


class CheckTestCase(LatchTestCase):
    @classmethod
    def setUpClass(cls):
        cls.pki = Pki()
        cls.pki.authority("inter", "ca")
        cls.pki.server("by-inter", "DNS:localhost,DNS:*.example.org,IP:127.0.0.1", "inter")
        cls.pki.chain("good", "by-inter", "inter")
        cls.pki.server("expired", end="20210101000000Z")
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10, hours=1)
        cls.pki.server("soon", end=soon.strftime("%Y%m%d%H%M%SZ"))
        cls.ca = cls.pki.path("ca.pem")

    def context(self, chain="good", **more):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pki.path(f"{chain}.pem"), self.pki.path(f"{chain}.key"))
        for name, value in more.items():
            setattr(context, name, value)
        return context

    def check(self, url, *args, code=0, **options):
        """The JSON of one check, with its findings by key."""
        run = self.latch("check", "--json", "--ca", self.ca, *args, url, ca=False, code=code,
                         **options)
        report = json.loads(run.out)
        self.assertEqual(report["exit"], code)
        report["findings"] = {f["key"]: f for f in report["findings"]}
        return report

    def check_server(self, context, *args, script=None, host="localhost", code=0):
        with Server(script or answering(HELLO), context) as server:
            return self.check(server.url(name=host), "--connect", "127.0.0.1", *args, code=code)

    def assert_finding(self, report, key, level, words):
        finding = report["findings"][key]
        self.assertEqual(finding["level"], level, finding)
        self.assertIn(words, finding["text"])


class Latchd(CheckTestCase):
    def test_a_server_of_ours_is_all_right(self):
        config = harness.DEFAULT_CONFIG.replace("routes = (", """
            headers = ( { name = "Strict-Transport-Security"; value = "max-age=63072000"; } );
            routes = (""").replace("@CERTS@/ecdsa", f"{self.pki.dir}/good")
        with harness.Latchd(config=config) as d:
            url = f"https://localhost:{d.port}/"
            report = self.check(url)
            self.assertEqual(report["address"], f"127.0.0.1:{d.port}")
            self.assertEqual([f["level"] for f in report["findings"].values()],
                             ["ok"] * len(report["findings"]))
            versions = {v["version"]: v["state"] for v in report["protocols"]}
            self.assertEqual(versions, {"1.0": "refused", "1.1": "refused", "1.2": "accepted",
                                        "1.3": "accepted"})
            self.assertEqual([(r["version"], r["connections"], r["resumed"])
                              for r in report["resumption"]], [("1.2", 5, 5), ("1.3", 5, 5)])
            self.assertEqual(report["closure"], "clean")
            self.assertEqual(report["http"]["status"], 200)
            self.assertEqual(report["http"]["hsts"], "max-age=63072000")
            self.assert_finding(report, "hsts", "ok", "730 days")
            names = {n["name"]: n["matches"] for n in report["identity"]["names"]}
            self.assertEqual(names, {"localhost": True, "*.example.org": False,
                                     "127.0.0.1": False})
            self.agree_with_s_client(d.port, report)

    def agree_with_s_client(self, port, report):
        """The facts of openssl's client on the same server."""
        for row in report["protocols"][2:]:
            run = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost",
                 "-CAfile", self.ca, f"-tls{row['version'].replace('.', '_')}", "-showcerts"],
                input=b"", capture_output=True, check=False, timeout=harness.PATIENCE)
            text = run.stdout.decode()
            self.assertIn(f"Cipher is {row['cipher']}\n", text)
            self.assertIn("Verify return code: 0 (ok)", text)
            self.assertEqual(text.count("BEGIN CERTIFICATE") >= 2, True)
            self.assertIn(row["group"].replace("x25519", "X25519"), text)
        leaf = report["chain"]["certificates"][0]
        print_ = subprocess.run(
            ["openssl", "x509", "-in", self.pki.path("good.pem"), "-noout", "-fingerprint",
             "-sha256", "-enddate", "-subject", "-nameopt", "RFC2253"], capture_output=True,
            text=True, check=True).stdout
        self.assertIn(leaf["fingerprint"].upper(), print_.replace(":", ""))
        self.assertIn(f"subject={leaf['subject']}\n", print_)
        end = datetime.datetime.strptime(leaf["not_after"], "%Y-%m-%dT%H:%M:%SZ")
        self.assertIn(end.strftime("notAfter=%b %d %H:%M:%S %Y GMT").replace(" 0", "  "), print_)

    def test_the_drawing(self):
        config = harness.DEFAULT_CONFIG.replace("@CERTS@/ecdsa", f"{self.pki.dir}/good")
        with harness.Latchd(config=config) as d:
            url = f"https://localhost:{d.port}/"
            run = self.latch("check", "--ca", self.ca, url, ca=False, env={"LC_ALL": "C"})
            text = run.out.decode("ascii")
            self.assertTrue(text.startswith(f"{url} at 127.0.0.1:{d.port}: ok\n"))
            self.assertRegex(text, r"(?m)^ {14}ok CN=test ca,O=latchd test  \(EC 256, until "
                                   r"2049-12-31, trusted here\)\n"
                                   r" {14}`- ok CN=test inter,O=latchd test  \(.*\)\n"
                                   r" {17}`- ok CN=by-inter,O=latchd test  \(.*\)$")
            self.assertRegex(text, r"(?m)^ {14}ok DNS localhost$")
            self.assertRegex(text, r"(?m)^ {17}DNS \*\.example\.org$")
            self.assertNotIn("\x1b", text)
            run = self.latch("check", "--ca", self.ca, url, ca=False, env={"LC_ALL": "C.UTF-8"})
            self.assertIn("\u2514\u2500 \u2714", run.out.decode())
            self.assertIn(b"\x1b[32m", self.on_a_terminal(url, {}))
            self.assertNotIn(b"\x1b", self.on_a_terminal(url, {"NO_COLOR": "1"}))
            self.assertNotIn(b"\x1b", self.on_a_terminal(url, {"TERM": "dumb"}))

    def on_a_terminal(self, url, env):
        ours, theirs = pty.openpty()
        base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        with subprocess.Popen([harness.LATCH, "check", "--ca", self.ca, url], stdout=theirs,
                              stdin=subprocess.DEVNULL, env={**base, "TERM": "xterm", **env}):
            os.close(theirs)
            screen = b""
            try:
                while part := os.read(ours, 65536):
                    screen += part
            except OSError:     # EIO: latch has closed the terminal
                pass
        os.close(ours)
        self.assertIn(b"protocols", screen)
        return screen


class Findings(CheckTestCase):
    def test_chains(self):
        report = self.check_server(self.context("by-inter"), code=2)
        self.assert_finding(report, "chain", "critical", "CN=by-inter")
        self.assertIn("unable to get local issuer", report["chain"]["certificates"][0]["wrong"])
        self.assert_finding(report, "expiry", "ok", "ends in")
        self.assert_finding(report, "identity", "ok", "for localhost")

    def test_expiry_is_told_whatever_else_is_wrong(self):
        report = self.check_server(self.context("expired"), code=2)
        self.assert_finding(report, "chain", "critical", "certificate has expired")
        self.assert_finding(report, "expiry", "critical", "days ago, on 2021-01-01")
        report = self.check_server(self.context("soon"), code=1)
        self.assert_finding(report, "expiry", "warning", "ends in 10 days")
        report = self.check_server(self.context("soon"), "--warn-expiry", "9d")
        self.assert_finding(report, "expiry", "ok", "ends in 10 days")
        report = self.check_server(self.context("soon"), "--warn-expiry", "365d", code=1)
        with Server(answering(HELLO), self.context("soon")) as server:
            run = self.latch("check", "--json", server.url(), "--connect", "127.0.0.1", ca=False,
                             code=2)    # not trusted at all
            report = json.loads(run.out)
        self.assertIn(("expiry", "warning"), [(f["key"], f["level"]) for f in report["findings"]])

    def test_identity(self):
        report = self.check_server(self.context(), host="example.org", code=2)
        self.assert_finding(report, "identity", "critical", "not for example.org")
        report = self.check_server(self.context(), host="www.example.org")
        self.assertEqual([n["name"] for n in report["identity"]["names"] if n["matches"]],
                         ["*.example.org"])

    def test_old_protocols(self):
        context = self.context()
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        report = self.check_server(context, code=1)
        self.assert_finding(report, "protocols", "warning", "TLS 1.0, TLS 1.1, TLS 1.2, TLS 1.3")
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        report = self.check_server(context, code=2)
        self.assert_finding(report, "protocols", "critical", "TLS 1.0, TLS 1.1; not TLS 1.2")
        self.assert_finding(report, "connection", "critical", "TLS handshake failed")

    def test_ciphers(self):
        self.pki.key("rsa", "RSA", "rsa_keygen_bits:2048")
        self.pki.server("rsa-leaf", key="rsa", extensions=(
            "basicConstraints = critical, CA:FALSE", "extendedKeyUsage = serverAuth"))
        context = self.context("rsa-leaf", maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("AES128-SHA")
        report = self.check_server(context, code=1)
        self.assert_finding(report, "cipher", "warning", "AES128-SHA; no forward secrecy; CBC")

    def test_groups(self):
        context = self.context()
        context.set_ecdh_curve("secp384r1")
        report = self.check_server(context)
        self.assertEqual({k for k, v in report["groups"].items() if v == "accepted"}, {"P-384"})
        self.assertEqual(report["protocols"][3]["group"], "secp384r1")

    def test_resumption(self):
        report = self.check_server(self.context(num_tickets=0), "--repeat", "2")
        self.assertEqual(report["resumption"][1],
                         {"version": "1.3", "connections": 2, "offered": 0, "resumed": 0})

    def test_resumption_that_depends_on_the_process(self):
        """Two contexts in turn, as processes with keys of their own."""
        contexts = [self.context(), self.context()]
        count = []

        def script(connection):
            connection.read_head()
            connection.send(HELLO)
            connection.close_notify()
        with Server(script, contexts[0]) as server:
            original = server.script

            def alternate(connection):
                count.append(1)
                server.context = contexts[len(count) // 2 % 2]
                original(connection)
            server.script = alternate
            report = self.check(server.url(), "--connect", "127.0.0.1", "--repeat", "8", code=1)
        self.assert_finding(report, "resumption", "warning", "do not share their keys")

    def test_closure(self):
        report = self.check_server(self.context(), script=answering(HELLO, "fin"), code=1)
        self.assert_finding(report, "closure", "warning", "without close_notify")
        self.assertEqual(report["closure"], "truncated")
        count = []

        def linger_first(connection):
            count.append(1)
            answering(HELLO, "wait_gone" if len(count) == 1 else "close_notify")(connection)
        report = self.check_server(self.context(), script=linger_first, code=1)
        self.assert_finding(report, "closure", "warning", "not closed in time")

    def test_http(self):
        report = self.check_server(self.context(), script=answering(b"SSH-2.0\r\n"), code=2)
        self.assert_finding(report, "http", "critical", "not valid HTTP")
        bad = with_length(b"", "503 Service Unavailable")
        report = self.check_server(self.context(), script=answering(bad), code=1)
        self.assert_finding(report, "http", "warning", "status 503")
        for value, level, words in (("max-age=86400; includeSubDomains", "ok", "for 1 days"),
                                    ('max-age="172800"', "ok", "for 2 days"),
                                    ("includeSubDomains", "warning", "malformed"),
                                    ("max-age=soon", "warning", "malformed")):
            answer = with_length(b"", fields=f"Strict-Transport-Security: {value}\r\n")
            report = self.check_server(self.context(), script=answering(answer),
                                       code=0 if level == "ok" else 1)
            self.assert_finding(report, "hsts", level, words)
        context = self.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        report = self.check_server(context)
        self.assertTrue(report["http"]["h2"])
        self.assert_finding(report, "http", "ok", "HTTP/2, HTTP/1.1, status 200")


class ExitCodes(CheckTestCase):
    def test_unknown_and_usage(self):
        for args in ((), ("-x", "u"), ("-o", "f", "https://localhost/"), ("http://localhost/",),
                     ("ftp://localhost/",), ("--warn-expiry", "soon", "u")):
            run = self.latch("check", *args, ca=False, code=3)
            self.assertTrue(run.err.startswith("latch: "), run.err)
        self.assertEqual(self.check("https://name.invalid/", code=3)["level"], "unknown")

    def test_a_server_that_is_not_there_is_critical(self):
        report = self.check(f"https://localhost:{harness.free_port()}/", code=2)
        self.assert_finding(report, "connection", "critical", "Connection refused")

        def plain_http(connection):
            connection.stream.recv(1)
            connection.send(with_length(b"", "400 Bad Request"))
            connection.fin()
        with Server(plain_http) as plain:
            report = self.check(f"https://localhost:{plain.port}/", "--connect", "127.0.0.1",
                                code=2)
        self.assert_finding(report, "connection", "critical", "TLS")

    def test_the_worst_of_several_counts(self):
        with Server(answering(HELLO), self.context()) as good, \
                Server(answering(HELLO), self.context("soon")) as soon:
            args = ("check", "--ca", self.ca, "--connect", "127.0.0.1")
            run = self.latch(*args, good.url(), ca=False)
            run = self.latch("check", "--ca", self.ca, "-4", good.url(), soon.url(), ca=False,
                             code=1)
            self.assertEqual(len(re.findall(r"(?m)^https://", run.out.decode())), 2)
            self.latch("check", "--ca", self.ca, "-4", "https://name.invalid/", soon.url(),
                       ca=False, code=3)

    def test_help(self):
        run = self.latch("check", "-h", ca=False)
        self.assertIn(b"--warn-expiry", run.out)
        self.assertNotIn(b"--shutdown", run.out)
        text = (harness.ROOT / "man/latch.1").read_text()
        self.assertRegex(text, r"(?m)^\.It Fl -warn-expiry\b")


if __name__ == "__main__":
    unittest.main()

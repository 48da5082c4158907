"""latch and the server's certificate, and handshakes that fail."""
import re
import socket
import ssl
import subprocess
import unittest

import harness
from latch_peer import LatchTestCase, Server, answering, server_context, with_length

WHOLE = with_length(b"hello")


class Trust(LatchTestCase):
    def with_certificate(self, name, *args, **options):
        return self.fetch(answering(WHOLE), *args, context=server_context(name), **options)

    def test_good_certificates(self):
        for name in ("rsa", "ecdsa", "other", "inter"):
            with self.subTest(name):
                self.assertEqual(self.with_certificate(name).out, b"hello")

    def test_chains_that_are_not_trusted(self):
        for name, word in (("selfsigned", "self-signed"), ("expired", "expired")):
            with self.subTest(name):
                run = self.with_certificate(name, code=6)
                self.assertIn(word, run.err)
                self.assertIn("--ca FILE", run.err)
                self.assertEqual(run.out, b"")

    def test_an_unknown_issuer(self):
        run = self.with_certificate("ecdsa", ca=False, code=6)
        self.assertTrue(run.err.startswith("latch: https://localhost:"), run.err)

    def test_certificates_for_another_name(self):
        run = self.with_certificate("wrong", code=7)
        self.assertIn("other.example", run.err)
        self.assertIn("localhost", run.err)
        run = self.with_certificate("cn", code=7)
        self.assertIn("localhost", run.err, "the common name never counts")

    def test_identities_of_the_url(self):
        """One certificate: localhost, example.org, *.example.org, 127.0.0.1, ::1."""
        context = server_context()
        with Server(answering(WHOLE), context) as server:
            for host, code in (("localhost", 0), ("LOCALHOST", 0), ("example.org", 0),
                               ("www.example.org", 0), ("a.b.example.org", 7),
                               ("example.com", 7), ("127.0.0.1", 0), ("127.0.0.2", 7),
                               ("[::1]", 0), ("[::2]", 7)):
                with self.subTest(host):
                    self.latch(f"https://{host}:{server.port}/", "--connect", "127.0.0.1",
                               code=code)

    def test_without_verification_and_said_so(self):
        for name in ("selfsigned", "expired", "wrong", "cn"):
            for quiet in ([], ["-q"]):
                run = self.with_certificate(name, "-k", *quiet, ca=False)
                self.assertEqual(run.out, b"hello")
                self.assertIn("not verified", run.err)

    def test_ca_files_that_are_none(self):
        folder = harness.scratch()
        (folder / "text").write_text("hello\n")
        for path in (folder / "missing", folder / "text"):
            run = self.latch("--ca", path, "https://localhost:1/", ca=False, code=1)
            self.assertIn(str(path), run.err)

    def test_a_ca_directory(self):
        folder = harness.scratch()
        (folder / "ca.pem").write_bytes((harness.certificates() / "ca.pem").read_bytes())
        subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
        run = self.with_certificate("ecdsa", "--ca", folder, ca=False)
        self.assertEqual(run.out, b"hello")

    def test_verbose_tells_of_the_connection(self):
        for version in ("1.2", "1.3"):
            run = self.fetch(answering(WHOLE), "-v", context=server_context(version=version))
            self.assertRegex(run.err, r"(?m)^\* connected to 127\.0\.0\.1:\d+$")
            self.assertRegex(run.err, rf"(?m)^\* TLSv{re.escape(version)}, \S+, not resumed, "
                                      r"ALPN http/1\.1$")
            self.assertIn("latchd test CA", run.err)
            self.assertIn("* certificate verified: its chain, and the name localhost", run.err)
            self.assertRegex(run.err, r"(?m)^> GET / HTTP/1\.1$")
            self.assertRegex(run.err, r"(?m)^< HTTP/1\.1 200 OK$")
            self.assertIn("* message whole: 5 bytes", run.err)
        run = self.fetch(answering(WHOLE), "-v", "-k", context=server_context(alpn=None))
        self.assertIn("ALPN none", run.err)
        self.assertIn("* certificate not verified (-k)", run.err)

    def test_verbose_shows_a_certificate_for_another_name(self):
        run = self.with_certificate("wrong", "-v", code=7)
        self.assertRegex(run.err, r"(?m)^\* .*other\.example$")
        self.assertNotIn("* certificate verified", run.err)
        self.assertNotIn("> GET", run.err, "nothing is asked of a stranger")


class Handshake(LatchTestCase):
    def test_a_port_that_speaks_plain_http(self):
        with Server(lambda c: (c.stream.recv(1), c.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                               c.fin())) as server:
            run = self.latch(f"https://localhost:{server.port}/", "--connect", "127.0.0.1", code=5)
        self.assertIn("use http://", run.err)

    def test_a_server_that_closes_or_resets(self):
        for end in ("fin", "reset"):
            with Server(lambda c, end=end: (c.stream.recv(1), getattr(c, end)())) as server:
                run = self.latch(f"https://localhost:{server.port}/", "--connect", "127.0.0.1",
                                 code=5)
            self.assertIn("check that this port speaks TLS", run.err)

    def test_a_server_with_nothing_in_common(self):
        context = server_context(version="1.2")
        context.set_ciphers("AES128-SHA")
        run = self.fetch(answering(WHOLE), "-k", ca=False, context=context, code=5)
        self.assertIn("TLS handshake failed: ", run.err)

    def test_a_server_that_wants_a_certificate(self):
        """TLS 1.3 tells only after the handshake: still the handshake's failure."""
        for version in ("1.2", "1.3"):
            context = server_context(version=version)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(harness.certificates() / "ca.pem")
            run = self.fetch(answering(WHOLE), context=context, code=5)
            self.assertIn("alert", run.err)

    def test_a_silent_server_times_out(self):
        with Server(lambda c: c.wait_gone()) as server:
            run = self.latch(f"https://localhost:{server.port}/", "--connect", "127.0.0.1",
                             "--timeout", "200ms", code=11)
        self.assertIn("--timeout", run.err)

    def test_ipv6(self):
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        try:
            server = Server(answering(WHOLE), server_context(), host="::1")
        except OSError:
            self.skipTest("no IPv6 loopback")
        with server:
            self.latch(f"https://[::1]:{server.port}/")
            run = self.latch("https://localhost/", "--connect", f"[::1]:{server.port}", "-v")
        self.assertIn(f"connected to [::1]:{server.port}", run.err)


class OpensslServer(LatchTestCase):
    """Another implementation's idea of a server."""

    def test_s_server(self):
        folder = harness.certificates()
        for version in ("-tls1_2", "-tls1_3"):
            server = subprocess.Popen(
                ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", version, "-naccept", "2",
                 "-cert", folder / "rsa.pem", "-key", folder / "rsa.key"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                port = next(int(line.rsplit(":", 1)[1]) for line in server.stdout
                            if line.startswith("ACCEPT"))
                for mode in ("lenient", "strict"):
                    run = self.latch("--shutdown", mode, f"https://localhost:{port}/",
                                     "--connect", "127.0.0.1")
                    self.assertIn(b"s_server", run.out)
            finally:
                server.kill()
                server.communicate()


if __name__ == "__main__":
    unittest.main()

"""latch and the server's certificate, and handshakes that fail."""
import fcntl
import os
import pty
import re
import select
import socket
import ssl
import subprocess
import termios
import unittest

import harness
from latch_peer import LatchTestCase, Server, answering, server_context, with_length
from pki import CLIENT, Pki

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


class ClientCertificates(LatchTestCase):
    """The server asks, and python's ssl verifies what latch shows."""

    @classmethod
    def setUpClass(cls):
        cls.pki = Pki()
        cls.pki.server("client", None, extensions=CLIENT)
        cls.cert, cls.key = cls.pki.path("client.pem"), cls.pki.path("client.key")
        cls.pass_file, cls.locked = cls.pki.path("pass"), cls.pki.path("locked.key")
        cls.pass_file.write_text("open sesame\n")
        cls.pki.openssl("pkey", "-in", cls.key, "-aes-256-cbc", "-passout",
                        f"file:{cls.pass_file}", "-out", cls.locked)
        cls.both = cls.pki.path("both.pem")
        cls.both.write_bytes(cls.cert.read_bytes() + cls.key.read_bytes())

    def context(self, version="1.3"):
        context = server_context(version=version)
        context.load_verify_locations(self.pki.path("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def show(self, *args, version="1.3", **options):
        seen = []

        def script(connection):
            connection.read_head()
            seen.append(dict(x[0] for x in connection.stream.getpeercert()["subject"]))
            connection.send(WHOLE)
            connection.close_notify()
        run = self.fetch(script, *args, context=self.context(version), **options)
        return run, seen

    def test_it_is_shown_to_a_server_that_asks(self):
        for version in ("1.2", "1.3"):
            for args in (("--cert", self.cert, "--key", self.key), ("--cert", self.both),
                         ("--cert", self.cert, "--key", self.locked, "--pass-file",
                          self.pass_file)):
                run, seen = self.show(*args, version=version)
                self.assertEqual(run.out, b"hello")
                self.assertEqual(seen[0]["commonName"], "client")

    def test_none_is_a_failure_that_says_so(self):
        for version, words in (("1.2", "alert handshake failure"),
                               ("1.3", "alert certificate required")):
            run, _ = self.show(version=version, code=5)
            self.assertIn(words, run.err)

    def test_what_cannot_be_used_is_named(self):
        other = harness.certificates() / "rsa.key"
        for args, words in (
                (("--cert", self.cert, "--key", other), "is not the certificate's"),
                (("--cert", self.pki.path("none.pem")), "No such file"),
                (("--cert", self.cert), "holds no private key"),
                (("--cert", self.cert, "--key", self.locked, "--pass-file", self.key),
                 "the pass phrase does not open the private key")):
            run = self.latch(*args, "https://localhost:1/", code=1)
            self.assertIn(words, run.err)

    def read_screen(self, terminal, run):
        if not select.select([terminal], [], [], harness.PATIENCE)[0]:
            run.kill()
            self.fail("nothing comes to the terminal")
        try:
            return os.read(terminal, 1000)
        except OSError:     # EIO: nobody holds the terminal any more
            return b""

    def prompted(self, typed):
        """Exit code, and what the terminal saw."""
        ours, theirs = pty.openpty()

        def script(connection):
            connection.read_head()
            connection.send(WHOLE)
            connection.close_notify()
        with Server(script, self.context()) as server:
            run = subprocess.Popen(
                [harness.LATCH, "--ca", harness.certificates() / "ca.pem", "--cert", self.cert,
                 "--key", self.locked, "--connect", "127.0.0.1", server.url()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
                preexec_fn=lambda: (os.setsid(), fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)))
            os.close(theirs)
            screen = b""
            while b"Pass phrase of the private key: " not in screen:
                screen += self.read_screen(ours, run)
            os.write(ours, typed)
            while part := self.read_screen(ours, run):
                screen += part
            code = run.wait(harness.PATIENCE)
        os.close(ours)
        return code, screen

    def test_a_person_is_asked_and_what_is_typed_is_not_shown(self):
        code, screen = self.prompted(b"open sesame\n")
        self.assertEqual(code, 0, screen)
        self.assertNotIn(b"sesame", screen)
        code, screen = self.prompted(b"open barley\n")
        self.assertEqual(code, 1, screen)
        self.assertIn(b"the pass phrase does not open the private key", screen)


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

"""What the tls directives do, seen by `openssl s_client`: profiles and what overrides them, names,
certificates of two kinds, tickets and their keys."""
import hashlib
import json
import re
import ssl
import subprocess
import time

from harness import (PATIENCE, DEFAULT_CONFIG, Latchd, TestCase, certificates, client_context,
                     curl)

def s_client(d, *options, input=b"", name="localhost", authority="ca.pem"):
    """The whole output of one handshake."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-servername", name]
        + ["-CAfile", str(certificates() / authority), *options],
        capture_output=True, input=input, check=False, timeout=PATIENCE)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def agreed(text):
    """Version and cipher of what s_client printed; None: no handshake."""
    found = re.search(r"^New, (\S+), Cipher is (\S+)$", text, re.M)
    return found and found[2] != "(NONE)" and (found[1], found[2])


class Failures(TestCase):
    """A handshake that fails is one event: who, which name, why, what was offered, whose alert."""

    def refused(self, tls, *options, **more):
        json_log = 'target = "stderr"; access = { target = "stderr"; format = "json"; };'
        config = DEFAULT_CONFIG.replace('target = "stderr";', json_log)
        with Latchd(config=config, extra=tls) as d:
            s_client(d, *options, **more)
            line = d.log.wait('^{"event":"handshake_failed"')
            return json.loads(line), d.log.wait("TLS handshake failed")

    def test_no_version_in_common(self):
        event, line = self.refused('tls = { min_version = "1.3"; };', "-tls1_2")
        self.assertEqual(
            [event[k] for k in ("client", "sni", "reason", "versions", "alert", "alert_by")],
            ["127.0.0.1", "localhost", "unsupported_protocol", "1.2", 70, "server"],
        )
        self.assertIn("(server name localhost, offers TLS 1.2)", line)

    def test_no_group_in_common(self):
        event, line = self.refused('tls = { groups = "P-384"; };', "-groups", "X25519:P-256")
        self.assertEqual((event["versions"], event["groups"]), ("1.0 1.1 1.2 1.3", "X25519 P-256"))
        self.assertEqual((event["alert"], event["alert_by"]), (40, "server"))
        self.assertIn("offers TLS 1.0 1.1 1.2 1.3)", line)

    def test_an_alert_of_the_client(self):
        event, _ = self.refused("", "-verify_return_error", authority="selfsigned.pem")
        self.assertEqual((event["alert"], event["alert_by"]), (48, "client"))

    def test_what_is_left_out_is_counted(self):
        with Latchd(config=DEFAULT_CONFIG.replace("workers = 2;", "workers = 1;")) as d:
            for _ in range(25):
                with d.peer(tls=False) as p:
                    p.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    p.read_to_end()
            d.wait_status(lambda s: s["handshakes_total"]["failed"] == 25)
            self.assertEqual(len(d.log.find("TLS handshake failed")), 20)
            # Told although no other one fails: ten seconds after the first.
            d.log.wait("5 more TLS handshakes that failed were left out")


class Profile(TestCase):
    def daemon(self, tls):
        return Latchd(extra=f"tls = {{ {tls} }};")

    def test_intermediate_has_forward_secrecy_and_aead_only(self):
        with self.daemon('profile = "intermediate";') as d:
            self.assertTrue(agreed(s_client(d, "-tls1_2")))
            self.assertTrue(agreed(s_client(d, "-tls1_3")))
            weak = "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"
            for cipher in weak:
                self.assertFalse(agreed(s_client(d, "-tls1_2", "-cipher", cipher)), cipher)

    def test_modern_is_1_3_only(self):
        with self.daemon('profile = "modern";') as d:
            self.assertFalse(agreed(s_client(d, "-tls1_2")))
            self.assertEqual(agreed(s_client(d))[0], "TLSv1.3")

    def test_versions_override(self):
        with self.daemon('max_version = "1.2";') as d:
            self.assertEqual(agreed(s_client(d))[0], "TLSv1.2")
            self.assertFalse(agreed(s_client(d, "-tls1_3")))
        with self.daemon('min_version = "1.3";') as d:
            self.assertFalse(agreed(s_client(d, "-tls1_2")))

    def test_ciphers_override(self):
        with self.daemon('ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";'
                         'ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";') as d:
            self.assertEqual(agreed(s_client(d, "-tls1_2"))[1], "ECDHE-ECDSA-AES256-GCM-SHA384")
            self.assertEqual(agreed(s_client(d))[1], "TLS_CHACHA20_POLY1305_SHA256")
            self.assertFalse(agreed(s_client(d, "-ciphersuites", "TLS_AES_128_GCM_SHA256")))

    def test_groups_override(self):
        with self.daemon('groups = "P-384";') as d:
            self.assertIn("Server Temp Key: ECDH, secp384r1", s_client(d))
            self.assertFalse(agreed(s_client(d, "-groups", "X25519")))


class Certificates(TestCase):
    def test_rsa_and_ecdsa_on_one_site(self):
        config = DEFAULT_CONFIG.replace(
            'certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";',
            'certificates = ('
            ' { certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key"; },'
            ' { certificate = "@CERTS@/rsa.pem"; private_key = "@CERTS@/rsa.key"; } );')
        with Latchd(config) as d:
            self.assertIn("Peer signature type: ECDSA", s_client(d))
            rsa = s_client(d, "-sigalgs", "rsa_pss_rsae_sha256")
            self.assertIn("Peer signature type: RSA-PSS", rsa)
            old = s_client(d, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
            self.assertEqual(agreed(old)[1], "ECDHE-RSA-AES128-GCM-SHA256")

    def test_an_encrypted_key(self):
        config = DEFAULT_CONFIG.replace("ecdsa.pem", "rsa.pem").replace(
            'private_key = "@CERTS@/ecdsa.key";',
            'private_key = "@CERTS@/encrypted.key"; passphrase_file = "@CERTS@/passphrase";')
        with Latchd(config) as d:
            self.assertIn("Verify return code: 0 (ok)", s_client(d))


class Names(TestCase):
    CONFIG = DEFAULT_CONFIG.replace("default = true;", "").replace("ecdsa.", "localhost.").replace(
        "sites = (",
        'sites = ( { names = [ "*.example.org" ]; certificate = "@CERTS@/rsa.pem";'
        ' private_key = "@CERTS@/rsa.key";'
        ' routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); },')

    def test_exact_wildcard_and_none(self):
        with Latchd(self.CONFIG) as d:
            for name, answers in (
                ("localhost", True), ("LOCALHOST", True), ("www.example.org", True),
                ("example.org", False), ("a.b.example.org", False), ("other.test", False),
            ):
                with self.subTest(name=name):
                    text = s_client(d, name=name)
                    self.assertEqual(bool(agreed(text)), answers)
                    if not answers:
                        self.assertIn("unrecognized name", text)
            self.assertIn("Peer signature type: RSA-PSS", s_client(d, name="www.example.org"))


class Tickets(TestCase):
    def session(self, d, context, session=None):
        """One request; the session to go on with, and whether this one was resumed."""
        with d.peer(context=context, session=session) as p:
            resumed = p.tls.session_reused
            p.request("/", close=True)
            p.read_to_end()
            session = p.session
            p.send_close_notify()
        return session, resumed

    def test_none_when_disabled(self):
        with Latchd(extra="tls = { tickets = { enabled = false; }; };") as d:
            for version in ("1.2", "1.3"):
                context = client_context(version)
                session, _ = self.session(d, context)
                self.assertFalse(session is not None and self.session(d, context, session)[1])

    def test_a_session_ends_however_often_it_is_renewed(self):
        """Keys of one second, of which two older ones are kept: a session has two seconds."""
        with Latchd(extra='tls = { tickets = { rotate = "1s"; keep = 2; }; };') as d:
            for version in ("1.2", "1.3"):
                context = client_context(version)
                began, times = time.monotonic(), 0
                while not times:  # a machine that stands still may hide that it was one
                    session, resumed = self.session(d, context)[0], True
                    while resumed:
                        self.assertLess(time.monotonic() - began, PATIENCE, "it never ends")
                        session, resumed = self.session(d, context, session)
                        times += resumed
                self.assertGreater(time.monotonic() - began, 0.9)


class Listener(TestCase):
    def test_backlog(self):
        config = DEFAULT_CONFIG.replace(
            'address = "127.0.0.1:@PORT@"; }', 'address = "127.0.0.1:@PORT@"; backlog = 37; }')
        with Latchd(config) as d:
            lines = subprocess.run(["ss", "-Hltn", f"sport = :{d.port}"], capture_output=True,
                                   check=True, text=True).stdout.split()
            self.assertEqual(lines[:3], ["LISTEN", "0", "37"])


class PlainHttp(TestCase):
    """Somebody who forgot the s."""

    def test_curl_reads_the_answer(self):
        with Latchd() as d:
            done = curl("-i", f"http://127.0.0.1:{d.port}/")
            self.assertEqual(done.returncode, 0, done.stderr)
            head, _, body = done.stdout.decode().partition("\r\n\r\n")
            self.assertTrue(head.startswith("HTTP/1.1 400 Bad Request\r\nDate: "), head)
            self.assertIn("Use https:// instead of http://", body)
            d.log.wait(r"TLS handshake failed: the peer speaks plain HTTP")
            self.assertEqual(d.fetch().status, 200)

    def test_no_byte_of_it_is_lost(self):
        """Also to a client that has sent much more than a head."""
        with Latchd() as d:
            for method, target in (("GET", "/"), ("POST", "/"), ("CONNECT", "example.org:443")):
                with self.subTest(method=method), d.peer(tls=False) as p:
                    p.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n" + "x" * 200000)
                    p.half_close()
                    response = p.read_response()
                    self.assertEqual((response.status, p.saw_reset), (400, False))
                    self.assertEqual(response.headers["connection"], "close")

    def test_what_is_neither_gets_no_http(self):
        with Latchd() as d, d.peer(tls=False) as p:
            p.send(b"\x00\x01\x02\x03 what is this\r\n\r\n").half_close()
            self.assertNotIn(b"HTTP/1.1", p.read_to_end())


class Failures(TestCase):
    """Every handshake that fails has a word of its own, and the number of the alert."""

    CONFIG = DEFAULT_CONFIG.replace("default = true;", "").replace(
        'target = "stderr"; };', 'target = "stderr"; access = { target = "@DIR@/access.log";'
        ' format = "json"; }; };')
    ROWS = (
        ("unsupported_protocol", 70, ("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")),
        ("no_shared_cipher", 40, ("-tls1_2", "-cipher", "AES128-SHA")),
        ("no_shared_group", 40, ("-tls1_3", "-groups", "X448")),
        ("no_shared_signature_algorithm", 40, ("-tls1_3", "-sigalgs", "rsa_pkcs1_sha256")),
        ("no_application_protocol", 120, ("-alpn", "spdy/3")),
        ("inappropriate_fallback", 86, ("-tls1_2", "-fallback_scsv")),
        ("alert_unknown_ca", 48, ("-CAfile", "@CERTS@/selfsigned.pem", "-verify_return_error")),
        ("unrecognized_name", 112, ("-servername", "other.test")),
    )

    def test_words_and_alerts(self):
        with Latchd(self.CONFIG) as d:
            for reason, alert, options in self.ROWS:
                with self.subTest(reason=reason):
                    text = s_client(d, *map(d.fill, options))
                    self.assertFalse(agreed(text) and not reason.startswith("alert_"), text)
                    event = self.last_event(d)
                    self.assertEqual((event["reason"], event["alert"]), (reason, alert))
                    if not reason.startswith("alert_"):
                        self.assertIn(f"SSL alert number {alert}", text)

    @staticmethod
    def ja4(hello):
        """Of a ClientHello without GREASE, as its publication has it, by other means than ours."""
        def vector(at, width):
            end = at + width + int.from_bytes(hello[at:at + width], "big")
            return at + width, end

        def codes(start, end):
            return [hello[i:i + 2].hex() for i in range(start, end, 2)]

        def digest(text):
            return hashlib.sha256(text.encode()).hexdigest()[:12]

        _, at = vector(4 + 2 + 32, 1)
        start, at = vector(at, 2)
        ciphers = codes(start, at)
        at, end = vector(vector(at, 1)[1], 2)
        extensions = {}
        while at < end:
            start, after = vector(at + 2, 2)
            extensions[hello[at:at + 2].hex()] = (start, after)
            at = after
        algorithms = codes(extensions["000d"][0] + 2, extensions["000d"][1])
        versions = [hello[4:6].hex()]
        if "002b" in extensions:
            versions = codes(extensions["002b"][0] + 1, extensions["002b"][1])
        start = extensions["0010"][0] + 2
        protocol = hello[start + 1:start + 1 + hello[start]].decode()
        counted = sorted(e for e in extensions if e not in ("0000", "0010"))
        return (f"t1{int(max(versions)[3]) - 1}{'d' if '0000' in extensions else 'i'}"
                f"{len(ciphers):02}{len(extensions):02}{protocol[0]}{protocol[-1]}"
                f"_{digest(','.join(sorted(ciphers)))}"
                f"_{digest(','.join(counted) + '_' + ','.join(algorithms))}")

    def test_the_fingerprint_of_the_client(self):
        with Latchd(self.CONFIG) as d:
            for version, name in ((None, "other.test"), ("1.2", "other.test"), (None, None)):
                context, out = client_context(version, alpn=["h2", "http/1.1"]), ssl.MemoryBIO()
                context.check_hostname = False
                tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
                with self.assertRaises(ssl.SSLWantReadError):
                    tls.do_handshake()
                record = out.read()
                with d.peer(tls=False) as p:
                    p.send(record).read_to_end()
                event = self.last_event(d)
                if name:
                    self.assertEqual(event["reason"], "unrecognized_name")
                    self.assertEqual(event["ja4"], self.ja4(record[5:]))
                    self.assertRegex(event["ja4"], "^t1[23]d[0-9]{4}h2_")
                else:
                    self.assertRegex(event["ja4"], "^t13i[0-9]{4}h2_")

    def last_event(self, d):
        """Of the handshake that was refused last; the file is read on."""
        log, deadline = d.dir / "access.log", time.monotonic() + PATIENCE
        self.seen = getattr(self, "seen", 0)
        while time.monotonic() < deadline:
            lines = log.read_text().splitlines() if log.exists() else []
            found = [e for e in map(json.loads, lines) if e["event"] == "handshake_failed"]
            if len(found) > self.seen:
                self.seen = len(found)
                return found[-1]
        self.fail("no handshake_failed in the access log")

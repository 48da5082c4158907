"""What the tls directives do, seen by `openssl s_client`: profiles and what overrides them, names,
certificates of two kinds, tickets and their keys."""
import re
import subprocess
import time

from harness import PATIENCE, DEFAULT_CONFIG, Latchd, TestCase, certificates, client_context

def s_client(d, *options, input=b"", name="localhost"):
    """The whole output of one handshake."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-servername", name]
        + ["-CAfile", str(certificates() / "ca.pem"), *options],
        capture_output=True, input=input, check=False, timeout=PATIENCE)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def agreed(text):
    """Version and cipher of what s_client printed; None: no handshake."""
    found = re.search(r"^New, (\S+), Cipher is (\S+)$", text, re.M)
    return found and found[2] != "(NONE)" and (found[1], found[2])


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
                session, _ = self.session(d, context)
                began, resumed, times = time.monotonic(), True, 0
                while resumed:
                    self.assertLess(time.monotonic() - began, PATIENCE, "it never ends")
                    session, resumed = self.session(d, context, session)
                    times += resumed
                self.assertGreater(times, 0, version)
                # The new session is one again. (A machine that stands still may hide its end.)
                self.assertGreater(time.monotonic() - began, 0.9)


class Listener(TestCase):
    def test_backlog(self):
        config = DEFAULT_CONFIG.replace(
            'address = "127.0.0.1:@PORT@"; }', 'address = "127.0.0.1:@PORT@"; backlog = 37; }')
        with Latchd(config) as d:
            lines = subprocess.run(["ss", "-Hltn", f"sport = :{d.port}"], capture_output=True,
                                   check=True, text=True).stdout.split()
            self.assertEqual(lines[:3], ["LISTEN", "0", "37"])

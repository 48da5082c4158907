"""Certificates of clients: what is known of them, and that neither a ticket nor another name leads
around them; test_client_matrix has who gets in at all. The certificates are made by openssl, the
clients are Python's ssl, openssl s_client and curl."""
import json
import ssl
import subprocess
import time
import unittest

from harness import DEFAULT_CONFIG, PATIENCE, Latchd, TestCase, certificates, latchd
from authorities import Authorities

SITE = """certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";"""


def config(client_auth, routes="", extra_sites=""):
    """The default site with client authentication, more routes in front, more sites behind."""
    text = DEFAULT_CONFIG.replace(SITE, SITE + f" client_auth = {{ {client_auth} }};", 1)
    text = text.replace("routes = (", "routes = ( " + routes, 1)
    return text.replace("} ); } );", "} ); } " + extra_sites + " );", 1)


def context(pki, name=None, version=None):
    """A client that has, if `name`, that certificate; it takes weak keys for what they are."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.set_ciphers("DEFAULT@SECLEVEL=0")
    c.load_verify_locations(str(certificates() / "ca.pem"))
    if version:
        c.minimum_version = c.maximum_version = getattr(ssl.TLSVersion, f"TLSv1_{version[-1]}")
    if name:
        c.load_cert_chain(str(pki.path(f"{name}.pem")), str(pki.path(f"{name}.key")))
    return c


class Visit:
    """One request: its status, or the alert it met, as openssl names it ("unknown ca")."""

    def __init__(self, d, c, target="/", session=None, host=None):
        self.status = self.alert = self.session = None
        self.resumed = False
        try:
            with d.peer(context=c, session=session) as p:
                self.resumed = p.tls.session_reused
                self._ask(p, target, host)
        except ssl.SSLError as error:
            self.alert = alert_name(error)

    def _ask(self, p, target, host):
        try:
            self.status = p.request(target, close=True, host=host).status
        except Exception:
            if p.alert is None:
                raise
            self.alert = alert_name(p.alert)
            return
        p.read_to_end()
        self.session = p.session
        p.send_close_notify()


def alert_name(error):
    return str(error).partition("alert ")[2].partition(" (")[0]


class Small(TestCase):
    """A root and a few leaves, for everything that needs no matrix."""

    @classmethod
    def setUpClass(cls):
        cls.pki = pki = Authorities()
        pki.ca("root")
        pki.ca("stranger")
        pki.leaf("good", "root", "DNS:client.example, URI:spiffe://example.org/ops,"
                 "email:ops@example.org, IP:192.0.2.7")
        pki.leaf("other", "root", "DNS:a.wild.example")
        name = b"client.example\0.test"
        der = bytes((0x30, len(name) + 2, 0x82, len(name))) + name
        pki.leaf("nul", "root", more=f"subjectAltName = DER:{der.hex(':')}")
        pki.leaf("common", "root", subject="/O=latchd test/CN=client.example")
        pki.leaf("strange", "stranger")
        pki.leaf("expired", "root", days=(-20, -1))
        cls.ca = f'ca = "{pki.path("root.crt")}";'

    def daemon(self, auth, *args, **options):
        return Latchd(config(auth, *args), **options)


class Doors(Small):
    def test_optional_asks_but_does_not_need(self):
        with self.daemon('mode = "optional";' + self.ca) as d:
            for version in ("1.2", "1.3"):
                for name, alert in ((None, None), ("good", None),
                                    ("expired", "certificate expired")):
                    with self.subTest(certificate=name, version=version):
                        v = Visit(d, context(self.pki, name, version))
                        self.assertEqual((v.status, v.alert), (None if alert else 200, alert))

    def test_other_clients_see_the_same(self):
        """openssl s_client and curl, for one row each way."""
        with self.daemon('mode = "required";' + self.ca) as d:
            for name, words in (("good", ""), ("expired", "alert certificate expired"),
                                (None, "alert certificate required")):
                give = ("-cert", self.pki.path(f"{name}.pem"),
                        "-key", self.pki.path(f"{name}.key")) if name else ()
                with self.subTest(certificate=name, client="openssl"):
                    done = subprocess.run(
                        ["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-servername",
                         "localhost", "-CAfile", str(certificates() / "ca.pem"), "-ign_eof",
                         *map(str, give)], check=False, capture_output=True, timeout=PATIENCE,
                        input=b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    self.assertIn(b"CN = root", done.stdout, "the CA that may issue is named")
                    self.assertIn(words.encode(), done.stderr)
                    self.assertEqual(b"HTTP/1.1 200" in done.stdout, not words)
                with self.subTest(certificate=name, client="curl"):
                    give = ("--cert", give[1], "--key", give[3]) if name else ()
                    done = d.curl(*give, d.url())
                    self.assertEqual(done.returncode == 0, not words, done.stderr)
                    self.assertIn(words.encode(), done.stderr)


class Facts(Small):
    LOG = 'access = { target = "@DIR@/access.log"; format = "json"; };'

    def events(self, d, name):
        path = d.dir / "access.log"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            lines = path.read_text().splitlines() if path.exists() else []
            found = [e for e in map(json.loads, lines) if e["event"] == name]
            if found:
                return found
        raise AssertionError(f"no {name} in the access log")

    def config(self, auth):
        return config(auth).replace(
            'target = "stderr"; };', f'target = "stderr"; {self.LOG} }};', 1)

    def test_a_request_tells_whose_it_is(self):
        with Latchd(self.config('mode = "optional";' + self.ca)) as d:
            self.assertEqual(Visit(d, context(self.pki, "good")).status, 200)
            e = self.events(d, "request")[0]
            self.assertEqual(e["tls_client_verify"], "ok")
            self.assertEqual(e["tls_client_subject"], "CN=good,O=latchd test")
            self.assertEqual(e["tls_client_names"], "DNS:client.example, "
                             "URI:spiffe://example.org/ops, email:ops@example.org, IP:192.0.2.7")
            self.assertEqual(e["tls_client_fingerprint"],
                             self.pki.fingerprint("good").replace(":", "").lower())

    def test_one_without_says_so(self):
        for auth, verdict in (('mode = "optional";' + self.ca, "none"), ('mode = "off";', None)):
            with self.subTest(auth=auth), Latchd(self.config(auth)) as d:
                self.assertEqual(Visit(d, context(self.pki)).status, 200)
                e = self.events(d, "request")[0]
                self.assertEqual([e[k] for k in ("tls_client_verify", "tls_client_subject",
                                                 "tls_client_names", "tls_client_fingerprint")],
                                 [verdict, None, None, None])

    def test_a_refused_one_has_its_reason(self):
        for name, reason, alert in (("strange", "certificate_unknown_ca", 48),
                                    (None, "client_certificate_missing", 116)):
            with self.subTest(certificate=name):
                with Latchd(self.config('mode = "required";' + self.ca)) as d:
                    self.assertTrue(Visit(d, context(self.pki, name, "1.3")).alert)
                    e = self.events(d, "handshake_failed")[0]
                    self.assertEqual((e["reason"], e["alert"]), (reason, alert))


class Require(Small):
    def statuses(self, require, names=("good", "other", "nul", "common", None)):
        routes = f"""{{ path = "/in/"; files = {{ root = "@WWW@"; }};
                       require = {{ {require} }}; }},"""
        with self.daemon('mode = "optional";' + self.ca, routes, files={"in/a": b"A"}) as d:
            return [Visit(d, context(self.pki, name), "/in/a").status for name in names]

    def test_by_name(self):
        for rule in ("client.example", "DNS:CLIENT.example", "spiffe://example.org/ops",
                     "URI:spiffe://example.org/ops", "ops@EXAMPLE.org", "email:ops@example.org",
                     "192.0.2.7", "IP:192.0.2.7"):
            with self.subTest(rule=rule):
                self.assertEqual(self.statuses(f'san = [ "{rule}" ];'), [200, 403, 403, 403, 403])

    def test_what_is_not_the_same(self):
        rules = ("email:client.example@x.org", "spiffe://example.org/OPS", "OPS@example.org",
                 "192.0.2.8", "*.client.example", "*.example.wild", "example")
        require = "san = [ " + ", ".join(f'"{r}"' for r in rules) + " ];"
        self.assertEqual(self.statuses(require), [403, 403, 403, 403, 403])

    def test_a_wildcard_is_one_label(self):
        self.assertEqual(self.statuses('san = [ "*.wild.example" ];'), [403, 200, 403, 403, 403])
        self.assertEqual(self.statuses('san = [ "*.example" ];'), [200, 403, 403, 403, 403])

    def test_by_fingerprint_or_name_or_any(self):
        fingerprint = self.pki.fingerprint("other")
        self.assertEqual(self.statuses(f'fingerprint = [ "{fingerprint}" ];'),
                         [403, 200, 403, 403, 403])
        fingerprint = fingerprint.replace(":", "").lower()
        both = f'fingerprint = [ "{fingerprint}" ]; san = [ "192.0.2.7" ];'
        self.assertEqual(self.statuses(both), [200, 200, 403, 403, 403])
        self.assertEqual(self.statuses(""), [200, 200, 200, 200, 403])


class Boundaries(Small):
    """Neither a ticket nor a Host leads from one policy to another."""

    STRICT = """, { names = [ "strict.example.org" ];
        certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
        client_auth = { mode = "required"; @CA@ };
        routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); }"""

    def daemon_with_two(self):
        return self.daemon('mode = "off";', "", self.STRICT.replace("@CA@", self.ca))

    def visit(self, d, c, name, session=None, host=None):
        with d.peer(context=c, name=name, session=session) as p:
            p.send_request("/", close=True, host=host or name)
            try:
                status = p.read_response().status
                p.read_to_end()
                return status, p.tls.session_reused, p.session
            except Exception:
                if not p.alert:
                    raise
                return alert_name(p.alert), p.tls.session_reused, None

    def test_a_ticket_of_the_lax_site_is_nothing_at_the_strict_one(self):
        with self.daemon_with_two() as d:
            for version in ("1.2", "1.3"):
                with self.subTest(version=version):
                    c = context(self.pki, None, version)
                    status, _, session = self.visit(d, c, "localhost")
                    self.assertEqual(status, 200)
                    status, resumed, session = self.visit(d, c, "localhost", session)
                    self.assertEqual((status, resumed), (200, True))
                    if version == "1.2":  # the alert comes within the handshake
                        with self.assertRaisesRegex(ssl.SSLError, "handshake failure"):
                            self.visit(d, c, "strict.example.org", session)
                        continue
                    status, resumed, _ = self.visit(d, c, "strict.example.org", session)
                    self.assertEqual((status, resumed), ("certificate required", False))

    def test_a_ticket_of_the_strict_site_resumes_there_with_its_certificate(self):
        with self.daemon_with_two() as d:
            for version in ("1.2", "1.3"):
                with self.subTest(version=version):
                    c = context(self.pki, "good", version)
                    session = None
                    for n in range(5):
                        status, resumed, session = self.visit(d, c, "strict.example.org", session)
                        self.assertEqual((status, resumed), (200, n > 0))

    def test_another_sites_host_is_misdirected(self):
        with self.daemon_with_two() as d:
            for mine, theirs in (("localhost", "strict.example.org"),
                                 ("strict.example.org", "localhost")):
                c = context(self.pki, "good")
                self.assertEqual(self.visit(d, c, mine, host=theirs)[0], 421, (mine, theirs))

    def test_a_policy_that_changes_ends_sessions(self):
        with self.daemon('mode = "optional";' + self.ca) as d:
            c = context(self.pki, None, "1.3")
            session = Visit(d, c).session
            v = Visit(d, c, session=session)
            self.assertEqual((v.status, v.resumed), (200, True))
            d.write_config(config('mode = "required";' + self.ca))
            d.reload()
            v = Visit(d, c, session=v.session)
            self.assertEqual((v.alert, v.resumed), ("certificate required", False))


class Revocation(Small):
    def setUp(self):
        self.pki.ca("issuer")
        self.pki.leaf("first", "issuer")
        self.pki.leaf("second", "issuer")
        self.issuer = f'ca = "{self.pki.path("issuer.crt")}"; crl = [ "{self.pki.path("i.crl")}" ];'

    def alert(self, d, name):
        return Visit(d, context(self.pki, name, "1.3")).alert

    def test_a_resumed_session_is_looked_up_again(self):
        self.pki.crl("issuer", name="i.crl")
        for version in ("1.2", "1.3"):
            self.pki.leaf(f"gone-{version}", "issuer")
        with self.daemon('mode = "required";' + self.issuer) as d:
            for version in ("1.2", "1.3"):
                with self.subTest(version=version):
                    contexts = [context(self.pki, name, version)
                                for name in (f"gone-{version}", "second")]
                    gone, kept = (Visit(d, c) for c in contexts)
                    gone = Visit(d, contexts[0], session=gone.session)
                    self.assertEqual((gone.status, gone.resumed), (200, True))
                    self.pki.crl("issuer", [f"gone-{version}"], name="i.crl")
                    d.reload()
                    gone = Visit(d, contexts[0], session=gone.session)
                    self.assertEqual(gone.alert, "certificate revoked")
                    kept = Visit(d, contexts[1], session=kept.session)
                    self.assertEqual((kept.status, kept.resumed), (200, True))

    def test_a_list_that_is_replaced_counts_without_a_command(self):
        self.pki.crl("issuer", name="i.crl")
        with self.daemon('mode = "required";' + self.issuer) as d:
            c = context(self.pki, "second", "1.3")
            v = Visit(d, c)
            self.assertEqual(v.status, 200)
            self.pki.crl("issuer", ["second"], name="i.crl")
            d.log.wait("generation 2 serves")
            self.assertEqual(Visit(d, c, session=v.session).alert, "certificate revoked")
            self.assertEqual(Visit(d, context(self.pki, "first")).status, 200)

    def test_a_session_does_not_outlive_the_certificate(self):
        self.pki.crl("issuer", name="i.crl")
        with self.daemon('mode = "required";' + self.issuer) as d:
            for seconds in (4, 8, 16, 32):  # more where the machine is slow
                self.pki.leaf("brief", "issuer", days=(-1, seconds / 86400))
                c = context(self.pki, "brief", "1.3")
                v = Visit(d, c)
                if v.status == 200:
                    break
            session = v.session
            while v.alert is None:
                self.assertEqual(v.status, 200)
                v = Visit(d, c, session=session)
                session = v.session or session
            self.assertEqual(v.alert, "certificate expired")

    def test_an_expired_list(self):
        self.pki.crl("issuer", days=(-9, -1), name="i.crl")
        with self.daemon('mode = "required";' + self.issuer,
                         '{ path = "/-/metrics"; metrics = {}; },') as d:
            d.log.wait(r"warning.*latchd\.conf:\d+: .*i\.crl: the next update of the CRL of "
                       r'"CN=issuer,O=latchd test" was due on .* are refused')
            self.assertEqual(self.alert(d, "first"), "certificate expired")
            # a newer one, without any other change
            self.pki.crl("issuer", ["second"], days=(-1, 29.5), name="i.crl")
            d.reload()
            self.assertEqual(Visit(d, context(self.pki, "first", "1.3")).status, 200)
            self.assertEqual(self.alert(d, "second"), "certificate revoked")
            crls = json.loads(d.ctl("status", "--json").stdout)["crls"]
            self.assertEqual([(c["issuer"], c["days_left"]) for c in crls],
                             [("CN=issuer,O=latchd test", 29)])
            page = d.fetch("/-/metrics", peer={"context": context(self.pki, "first")}).body
            self.assertIn(b'latchd_crl_next_update_seconds{issuer="CN=issuer,O=latchd test"} %d\n'
                          % crls[0]["next_update_seconds"], page)
            self.assertRegex(d.ctl("status").stdout, r"(?m)^CN=issuer,O=latchd test +29  \w{3}, ")

    def test_an_expired_list_that_is_accepted_still_counts(self):
        self.pki.crl("issuer", ["second"], days=(-9, -1), name="i.crl")
        with self.daemon('mode = "required"; crl_expired = "accept";' + self.issuer) as d:
            c = context(self.pki, "first", "1.3")
            session = Visit(d, c).session
            v = Visit(d, c, session=session)
            self.assertEqual((v.status, v.resumed), (200, True))
            self.assertEqual(self.alert(d, "second"), "certificate revoked")


class Mistakes(Small):
    def refused(self, auth, routes="", warning=False):
        d = Latchd(config(auth, routes))
        d.write_config()
        done = latchd("-t", "-c", d.config)
        self.assertEqual(done.returncode, 0 if warning else 78, done.stderr)
        return done.stderr

    def test_each_names_its_line(self):
        pki = self.pki
        pki.ca("below", "root")
        pki.crl("root")
        pki.crl("stranger")
        pki.ca("double")
        pki.crl("double")
        pki.path("garbage").write_text(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        pki.bundle("both.crt", "root.crt", "below.crt")
        original = pki.path("root.crl").read_text().splitlines()
        original[-3] = ("A" if original[-3][0] != "A" else "B") + original[-3][1:]
        pki.path("forged.crl").write_text("\n".join(original) + "\n")
        at = lambda name: f'"{pki.path(name)}"'
        route = '{ path = "/in/"; status = {}; require = { %s }; },'
        required = 'mode = "required";'
        for auth, routes, words in (
            (required, "", "its ca is not set"),
            (required + f'ca = {at("missing")};', "", "missing: cannot be read: No such file"),
            (required + f'ca = {at("good.key")};', "", "holds no certificate in PEM form"),
            (required + f'ca = {at("garbage")};', "", "a certificate of it is damaged"),
            (required + f'ca = {at("good.crt")};', "", "is the certificate of no CA"),
            (required + self.ca + f'crl = [ {at("root.crt")} ];', "", "holds no CRL in PEM form"),
            (required + f'ca = {at("both.crt")}; crl = [ {at("root.crl")} ];', "",
             'no CRL in client_auth.crl is of the CA "CN=below,O=latchd test"'),
            (required + self.ca + f'crl = [ {at("forged.crl")} ];', "",
             'the signature of the CRL of "CN=root,O=latchd test" is not'),
            ('mode = "off";', route % "", 'but client_auth.mode of the site is "off"'),
            (required + self.ca, route % 'san = [ "no name" ];', '"no name" is no subject'),
            (required + self.ca, route % 'fingerprint = [ "ab:cd" ];', '"ab:cd" is no SHA-256'),
            (required + self.ca + 'crl_expired = "maybe";', "", "crl_expired: expected"),
        ):
            with self.subTest(words=words):
                text = self.refused(auth, routes)
                self.assertIn(words, text)
                self.assertRegex(text, r"latchd\.conf:\d+: ")

    def test_warnings(self):
        pki = self.pki
        pki.ca("under", "root")
        at = lambda name: f'"{pki.path(name)}"'
        pki.crl("root")
        pki.crl("under")
        for auth, words in (
            (f'mode = "required"; ca = {at("under.crt")};', "no chain can end with the CA"),
            ('mode = "required";' + self.ca + f'crl = [ {at("root.crl")}, {at("under.crl")} ];',
             'client_auth.ca has no CA "CN=under,O=latchd test"'),
            ('mode = "off";' + self.ca, "client_auth.ca is not used"),
        ):
            with self.subTest(words=words):
                self.assertIn(words, self.refused(auth, warning=True))

    def test_a_plain_site_cannot_ask(self):
        text = config('mode = "required";').replace(SITE, "")
        d = Latchd(text.replace('address = "127.0.0.1:@PORT@";', 'address = "127.0.0.1:@PORT@"; '
                                "tls = false;"))
        d.write_config()
        done = latchd("-t", "-c", d.config)
        self.assertEqual(done.returncode, 78)
        self.assertIn("client_auth needs TLS", done.stderr)


if __name__ == "__main__":
    unittest.main()

"""Certificates of clients and what latchd makes of them: a row each, in TLS 1.2 and 1.3, with the
alert that the client sees and the reason that latchd logs; and whether `openssl verify`, told the
same, agrees."""
import json
import re
import ssl
import subprocess
import time
import unittest
from dataclasses import dataclass

from harness import PATIENCE, TestCase, Latchd
from pki import CA, CLIENT, LEAF, Pki

PAST, FUTURE = "20210101000000Z", "20450101000000Z"
VERSIONS = ("1.2", "1.3")
NONE = ("handshake failure", "certificate required")    # what meets a client without certificate
MISSING = "client_certificate_missing"


@dataclass
class Row:
    what: str
    chain: str                  # NAME.pem and NAME.key, for the client; "": none
    alert: object = None        # None: it gets in; a pair: of 1.2 and of 1.3
    reason: object = None       # latchd's word for it; a pair likewise
    site: str = "open"          # whose client_auth judges it
    verify: bool = None         # does openssl verify accept it, where that is not getting in
    why: str = ""               # ... and why not
    by_openssl: bool = False    # python's ssl refuses to show it

    def expected(self, i):
        """(status, alert, reason) in the i-th version."""
        alert, reason = (x[i] if isinstance(x, tuple) else x for x in (self.alert, self.reason))
        return (None, alert, reason) if alert else (200, None, None)

    def is_chain(self):
        """Does at least one version take the chain?"""
        return not all(self.expected(i)[1] for i in range(len(VERSIONS)))


@dataclass
class Site:
    ca: str                     # a bundle
    crls: tuple = ()
    depth: int = 4
    expired: str = "reject"

    def config(self, p, name):
        crl = ", ".join(f'"{p.path(f"{c}.crl")}"' for c in self.crls)
        return f"""{{ names = [ "*.{name}.example" ];
            certificate = "{p.path("server.pem")}"; private_key = "{p.path("server.key")}";
            client_auth = {{ mode = "required"; ca = "{p.path(f"{self.ca}.pem")}";
                crl = [ {crl} ]; depth = {self.depth}; crl_expired = "{self.expired}"; }};
            routes = ( {{ path = "/"; respond = {{ text = "in"; }}; }} ); }}"""

    def verify(self, p, chain):
        """The same for openssl verify."""
        args = ["-CAfile", f"{self.ca}.pem", "-purpose", "sslclient", "-auth_level", "2",
                "-verify_depth", self.depth]
        for crl in self.crls:
            args += ["-CRLfile", f"{crl}.crl"]
        args += ["-crl_check_all"] if self.crls else []
        return subprocess.run(
            ["openssl", "verify", *map(str, args), "-untrusted", f"{chain}.pem", f"{chain}.pem"],
            cwd=p.dir, capture_output=True, check=False, text=True)


SITES = {
    "open": Site("ca"),
    "shallow": Site("ca", depth=1),
    "flat": Site("ca", depth=0),
    "two": Site("both-cas"),
    "middle": Site("inter"),
    "expired-root": Site("old-root"),
    "weak-root": Site("weak-ca"),
    "listed": Site("ca", ("root-list", "inter-list")),
    "inter-gone": Site("ca", ("root-list-inter", "inter-list")),
    "uncovered": Site("ca", ("root-list",)),
    "stale": Site("ca", ("root-stale",)),
    "stale-taken": Site("ca", ("root-stale",), expired="accept"),
    "inter-stale": Site("ca", ("root-list", "inter-stale")),
    "early-list": Site("ca", ("root-early",)),
    "forged-list": Site("ca", ("root-list", "inter-forged")),
    "other-list": Site("ca", ("root-list", "other-list")),
}


def der(tag, content):
    n = len(content)
    size = n.to_bytes((n.bit_length() + 7) // 8, "big") if n > 127 else b""
    return bytes([tag, 0x80 | len(size)]) + size + content if size else bytes([tag, n]) + content


def inside(data):
    """The first element of DER, whole, and what is behind it."""
    n, at = data[1], 2
    if n & 0x80:
        at += n & 0x7f
        n = int.from_bytes(data[2:at], "big")
    return data[:at + n], data[at + n:], at


def patched(p, name, source, old, new, issuer=None):
    """SOURCE's certificate with other bytes, signed again by `issuer` or not at all."""
    blob = ssl.PEM_cert_to_DER_cert(p.path(f"{source}.pem").read_text())
    at = inside(blob)[2]
    tbs, rest, _ = inside(blob[at:])
    algorithm, signature, _ = inside(rest)
    assert (tbs if issuer else blob).count(old) >= 1, (name, old.hex())
    if issuer:
        tbs = tbs.replace(old, new, 1)
        p.path("tbs").write_bytes(tbs)
        p.openssl("dgst", "-sha256", "-sign", f"{issuer}.key", "-out", "tbs.sig", "tbs")
        signature = der(3, b"\0" + p.path("tbs.sig").read_bytes())
        blob = der(0x30, tbs + algorithm + signature)
    else:
        blob = blob.replace(old, new, 1)
    p.path(f"{name}.pem").write_text(ssl.DER_cert_to_PEM_cert(blob))
    p.path(f"{name}.key").write_bytes(p.path(f"{source}.key").read_bytes())
    return name


def client(p, name, issuer="ca", extensions=CLIENT, **options):
    return p.sign(name, issuer, options.pop("subject", f"/O=latchd test/CN={name}"), extensions,
                  **options)


def times(p):
    yield Row("not yet valid", client(p, "early", start=FUTURE), "bad certificate",
              "certificate_not_yet_valid")
    yield Row("expired", client(p, "late", end=PAST), "certificate expired", "certificate_expired")
    yield Row("valid beyond 2050", client(p, "long", end="20990101000000Z"))
    p.authority("old", "ca", end=PAST)
    p.authority("old-root", None, end=PAST)
    client(p, "by-old", "old")
    yield Row("an issuer that expired", p.chain("old-chain", "by-old", "old"),
              "certificate expired", "certificate_expired")
    yield Row("a root that expired", client(p, "by-old-root", "old-root"), "certificate expired",
              "certificate_expired", "expired-root")


def purposes(p):
    def use(name, what, *more, **row):
        return Row(what, client(p, f"for-{name}", extensions=(*LEAF, *more)), **row)
    wrong = {"alert": "unsupported certificate", "reason": "certificate_wrong_purpose"}
    yield use("all", "no extended key usage")
    yield use("both", "for servers and clients", "extendedKeyUsage = serverAuth, clientAuth")
    yield use("server", "for servers alone", "extendedKeyUsage = serverAuth", **wrong)
    yield use("code", "for signing code", "extendedKeyUsage = codeSigning", **wrong)
    yield use("any", "for any usage, and not for clients by name",
              "extendedKeyUsage = anyExtendedKeyUsage", **wrong)
    yield use("own", "for a usage that nobody knows", "extendedKeyUsage = 1.2.3.4.5", **wrong)
    yield Row("a key that may only encipher", client(
        p, "cipherer", extensions=(LEAF[0], "keyUsage = critical, keyEncipherment", *LEAF[2:])),
        **wrong)
    yield Row("no key usage at all", client(p, "bare", extensions=(LEAF[0], CLIENT[-1])))
    yield Row("the certificate of a CA", client(
        p, "ca-leaf", extensions=(*CA, "extendedKeyUsage = clientAuth")), **wrong)
    yield Row("the certificate of a CA that may sign", client(
        p, "ca-leaf-signs", extensions=(CA[0], "keyUsage = keyCertSign, digitalSignature",
                                        "extendedKeyUsage = clientAuth")))


def chains(p):
    p.authority("stranger", None)
    p.authority("inter", "ca")
    p.authority("inter2", "inter")
    for issuer in ("stranger", "inter", "inter2"):
        client(p, f"by-{issuer}", issuer)
    p.key("alone")
    p.sign("alone", "alone", "/CN=alone", CLIENT, key="alone", self_signed=True)
    unknown = {"alert": "unknown ca", "reason": "certificate_unknown_ca"}
    yield Row("none", "", NONE, MISSING)
    yield Row("an unknown CA", "by-stranger", **unknown)
    yield Row("an unknown CA that is sent along", p.chain("root-sent", "by-stranger", "stranger"),
              **unknown)
    yield Row("self-signed", "alone", "unknown ca", "certificate_self_signed")
    yield Row("one intermediate", p.chain("with", "by-inter", "inter"))
    yield Row("the root sent along", p.chain("with-root", "by-inter", "inter", "ca"))
    yield Row("a missing intermediate", "by-inter", **unknown)
    yield Row("two intermediates", p.chain("two", "by-inter2", "inter2", "inter"))
    yield Row("the first of two is missing", p.chain("gap", "by-inter2", "inter"), **unknown)
    yield Row("out of order", p.chain("disorder", "by-inter2", "inter", "inter2"))
    yield Row("one that does not belong", p.chain("extra", "with", "stranger"))
    yield Row("the intermediate alone is trusted", "with", "unknown ca", "certificate_unknown_ca",
              "middle")
    yield Row("one intermediate, of one", "with", site="shallow")
    yield Row("two intermediates, of one", "two", "unknown ca", "certificate_chain_too_long",
              "shallow")
    yield Row("no intermediate, of none", client(p, "plain"), site="flat")
    yield Row("one intermediate, of none", "with", "unknown ca", "certificate_chain_too_long",
              "flat")
    above, parts = "ca", []
    for n in range(1, 6):
        above = p.authority(f"deep{n}", above)
        parts.insert(0, above)
    client(p, "by-deep4", "deep4")
    client(p, "by-deep5", "deep5")
    yield Row("four intermediates, as many as there may be", p.chain("deep-4", "by-deep4",
                                                                     *parts[1:]))
    yield Row("five intermediates", p.chain("deep-5", "by-deep5", *parts), "unknown ca",
              "certificate_chain_too_long")
    p.authority("impostor", None)
    p.sign("impostor", "impostor", "/O=latchd test/CN=test ca", CA, key="impostor",
           self_signed=True)
    yield Row("a CA of the same name, with another key", client(p, "by-impostor", "impostor"),
              **unknown)


def crossed(p):
    """`new` has a root of its own, and a certificate of its key by `ca`."""
    p.authority("new", None)
    p.sign("new-by-ca", "ca", "/O=latchd test/CN=test new", CA, key="new")
    client(p, "by-new", "new")
    p.chain("crossed", "by-new", "new-by-ca")
    p.path("both-cas.pem").write_bytes(p.path("ca.pem").read_bytes() +
                                       p.path("new.pem").read_bytes())
    yield Row("cross-signed, the old root is known", "crossed")
    yield Row("cross-signed, without the certificate in between", "by-new", "unknown ca",
              "certificate_unknown_ca")
    yield Row("cross-signed, both roots are known", "crossed", site="two")
    yield Row("the second CA of a bundle", "by-new", site="two")


def issuers(p):
    """What an issuer may sign."""
    def below(name, what, extensions, parent="ca", subject=None, san=None, **row):
        p.authority(name, parent, extensions)
        more = (f"subjectAltName = {san}",) if san else ()
        client(p, f"by-{name}", name, (*CLIENT, *more),
               **({"subject": subject} if subject else {}))
        parts = (f"by-{name}", name) + ((parent,) if parent != "ca" else ())
        return Row(what, p.chain(f"chain-{name}", *parts), **row)

    def named(constraint, *more):
        return (*CA, f"nameConstraints = critical, {constraint}", *more)

    outside = {"alert": "certificate unknown", "reason": "certificate_name_constraints"}
    invalid = {"alert": "unknown ca", "reason": "certificate_invalid_ca"}
    yield below("short", "a path length that is kept",
                ("basicConstraints = critical, CA:TRUE, pathlen:0", *CA[1:]))
    yield below("longer", "a path length that is passed", CA, "short", alert="unknown ca",
                reason="certificate_path_length")
    yield below("noca", "an issuer that is no CA", ("basicConstraints = critical, CA:FALSE",
                                                    *CA[1:]), **invalid)
    yield below("basic", "an issuer without basic constraints", CA[1:], **invalid)
    yield below("nosign", "an issuer that may not sign",
                (CA[0], "keyUsage = critical, digitalSignature", *CA[2:]), **invalid)
    yield below("crlsign", "an issuer that may sign lists alone",
                (CA[0], "keyUsage = critical, cRLSign", *CA[2:]), **invalid)
    yield below("servers", "an issuer for servers alone",
                (*CA, "extendedKeyUsage = serverAuth"), alert="unsupported certificate",
                reason="certificate_wrong_purpose")
    yield below("dns", "a name that is permitted", named("permitted;DNS:example.org"),
                san="DNS:a.example.org")
    yield below("dns2", "a name that is not permitted", named("permitted;DNS:example.org"),
                san="DNS:example.com", **outside)
    yield below("dns3", "a name that is excluded", named("excluded;DNS:example.org"),
                san="DNS:a.example.org", **outside)
    yield below("dns4", "one of two names is not permitted", named("permitted;DNS:example.org"),
                san="DNS:a.example.org,DNS:b.example.com", **outside)
    yield below("mail", "an address for mail that is permitted",
                named("permitted;email:example.org"), san="email:me@example.org")
    yield below("mail2", "an address for mail that is excluded",
                named("excluded;email:example.org"), san="email:me@example.org", **outside)
    yield below("mail3", "an address for mail in the subject that is not permitted",
                named("permitted;email:example.org"),
                subject="/O=latchd test/emailAddress=me@example.com", **outside)
    yield below("ip", "an address in range", named("permitted;IP:192.0.2.0/255.255.255.0"),
                san="IP:192.0.2.7")
    yield below("ip2", "an address out of range", named("permitted;IP:192.0.2.0/255.255.255.0"),
                san="IP:198.51.100.7", **outside)
    yield below("ip3", "an address that is excluded", named("excluded;IP:192.0.2.0/255.255.255.0"),
                san="IP:192.0.2.7", **outside)
    folder = ("[there]", "O = latchd test")
    yield below("dir", "a subject that is permitted", named("permitted;dirName:there", *folder))
    yield below("dir2", "a subject that is not permitted", named("permitted;dirName:there",
                                                                 *folder),
                subject="/O=others/CN=x", **outside)
    yield below("dir3", "a subject that is excluded", named("excluded;dirName:there", *folder),
                **outside)


def keys(p):
    """Keys and signatures. `auth_level` 2, which both use, wants 112 bits."""
    def own(name, what, *kind, **row):
        p.key(name, *kind)
        return Row(what, client(p, name, key=name), **row)

    def rsa(bits):
        return "RSA", f"rsa_keygen_bits:{bits}"

    def ec(curve):
        return "EC", f"ec_paramgen_curve:{curve}"

    weak = {"alert": "bad certificate", "reason": "certificate_weak_key"}
    # What TLS 1.3 cannot sign with is not shown.
    weaker = {"alert": (weak["alert"], NONE[1]), "reason": (weak["reason"], MISSING)}
    # TLS 1.2 wants a client's curve to be one of tls.groups; TLS 1.3 has others by name alone.
    curve = {"alert": ("illegal parameter", NONE[1]), "reason": ("wrong_curve", MISSING),
             "verify": True, "why": "it knows nothing of tls.groups"}
    yield own("rsa2048", "RSA of 2048 bits", *rsa(2048))
    yield own("rsa1024", "RSA of 1024 bits", *rsa(1024), **weak)
    yield own("rsa512", "RSA of 512 bits", *rsa(512), **weaker)
    yield own("pss", "RSA-PSS", "RSA-PSS", "rsa_keygen_bits:2048")
    yield own("p256", "P-256", *ec("P-256"))
    yield own("p384", "P-384", *ec("P-384"))
    yield own("p521", "P-521", *ec("P-521"), alert=(curve["alert"][0], None),
              reason=(curve["reason"][0], None))
    yield own("p224", "P-224", *ec("P-224"), **curve)
    yield own("p192", "P-192", *ec("P-192"), **weaker)
    yield own("secp160", "secp160r1", *ec("secp160r1"), **weaker)
    yield own("secp256k1", "secp256k1", *ec("secp256k1"), **curve)
    yield own("brainpool", "brainpoolP256r1", *ec("brainpoolP256r1"), **curve)
    yield own("ed25519", "Ed25519", "ED25519")
    yield own("ed448", "Ed448", "ED448")
    digest = {"alert": "bad certificate", "reason": "certificate_weak_digest"}
    yield Row("signed over SHA-384", client(p, "sha384", md="sha384"))
    yield Row("signed over SHA-1", client(p, "sha1", md="sha1"), **digest)
    p.key("rsa-ca", *rsa(2048))
    p.sign("rsa-ca", "ca", "/O=latchd test/CN=rsa", CA, key="rsa-ca")
    client(p, "md5", "rsa-ca", md="md5")
    yield Row("signed over MD5", p.chain("md5-chain", "md5", "rsa-ca"), **digest)
    p.key("weak-ca", *rsa(1024))
    p.sign("weak-ca", "weak-ca", "/CN=weak", CA, key="weak-ca", self_signed=True)
    yield Row("signed by a weak key", client(p, "by-weak-ca", "weak-ca"), site="weak-root", **weak)


def oddities(p):
    """What is wrong with the certificate itself."""
    def odd(name, what, *more, subject=None, **row):
        options = {"subject": subject} if subject else {}
        return Row(what, client(p, name, extensions=(*CLIENT, *more), **options), **row)
    yield odd("critical", "a critical extension that nobody knows",
              "1.2.3.4.5 = critical, DER:05:00", alert="certificate unknown",
              reason="certificate_unknown_extension")
    yield odd("uncritical", "an extension that nobody knows", "1.2.3.4.5 = DER:05:00")
    name = b"client.example\0.test"
    yield odd("nul", "NUL in a name", "subjectAltName = DER:" + der(0x30, der(0x82, name)).hex(":"))
    yield odd("empty", "an empty subject", "subjectAltName = critical, DNS:client.example",
              subject="/")
    yield Row("version 1", client(p, "v1", extensions=()))
    p.sign("v1-ca", "ca", "/O=latchd test/CN=v1 ca", (), key="deep1")
    client(p, "by-v1-ca", "v1-ca", CLIENT[:-2] + CLIENT[-1:])
    yield Row("an issuer of version 1", p.chain("v1-chain", "by-v1-ca", "v1-ca"), "unknown ca",
              "certificate_invalid_ca")

    client(p, "two-names", extensions=(*CLIENT, "subjectAltName = DNS:a.example",
                                       "2.5.29.99 = DER:" + der(0x30, der(0x82, b"b")).hex(":")))
    yield Row("the same extension twice", patched(
        p, "twice", "two-names", bytes.fromhex("0603551d63"), bytes.fromhex("0603551d11"), "ca"),
        "unknown ca", "certificate_unknown_ca", by_openssl=True)
    yield Row("extensions in version 1", patched(
        p, "v1-extended", "plain", bytes.fromhex("a003020102"), bytes.fromhex("a003020100"), "ca"),
        by_openssl=True)
    blob = ssl.PEM_cert_to_DER_cert(p.path("plain.pem").read_text())
    bad = {"alert": "decrypt error", "reason": "certificate_bad_signature"}
    yield Row("a bit of the signature", patched(p, "bent", "plain", blob[-8:],
                                                blob[-8:-1] + bytes([blob[-1] ^ 1])), **bad)
    yield Row("a bit of what is signed", patched(p, "renamed", "plain", b"plain",
                                                 b"plaim"), **bad)
    key = p.path("plain.key").read_text()
    lie = bytearray(ssl.PEM_cert_to_DER_cert(key.replace("PRIVATE KEY", "CERTIFICATE")))
    scalar = lie.index(bytes.fromhex("0420")) + 2
    lie[scalar + 31] ^= 1
    p.path("lie.pem").write_bytes(p.path("plain.pem").read_bytes())
    p.path("lie.key").write_text(ssl.DER_cert_to_PEM_cert(bytes(lie)).replace(
        "CERTIFICATE", "PRIVATE KEY"))
    yield Row("the key of another", "lie", "decrypt error", "bad_signature", verify=True,
              why="it does not see who has the key")


def revocations(p):
    client(p, "listed")
    client(p, "listed-below", "inter")
    p.chain("listed-below-chain", "listed-below", "inter")
    p.crl("root-list", "ca", ["listed"])
    p.crl("root-list-inter", "ca", ["inter"])
    p.crl("root-stale", "ca", ["listed"], until=PAST)
    p.crl("root-early", "ca", last=FUTURE)
    p.crl("inter-list", "inter", ["listed-below"])
    p.crl("inter-stale", "inter", until=PAST)
    p.crl("other-list", "inter2")
    p.key("inter-twin")
    p.sign("inter-twin", "ca", "/O=latchd test/CN=test inter", CA, key="inter-twin")
    p.crl("inter-forged", "inter-twin")
    gone = {"alert": "certificate revoked", "reason": "certificate_revoked"}
    unknown = {"alert": "unknown ca", "reason": "crl_missing"}
    yield Row("not revoked", "plain", site="listed")
    yield Row("revoked", "listed", site="listed", **gone)
    yield Row("not revoked, below an intermediate", "with", site="listed")
    yield Row("revoked below an intermediate", "listed-below-chain", site="listed", **gone)
    yield Row("the intermediate is revoked", "with", site="inter-gone", **gone)
    yield Row("no list of the intermediate", "with", site="uncovered", **unknown)
    yield Row("a list of another CA in its place", "with", site="other-list", **unknown)
    yield Row("a list that another key signed", "with", "decrypt error", "crl_bad_signature",
              "forged-list")
    yield Row("a list past its next update", "plain", "certificate expired", "crl_expired",
              "stale")
    yield Row("a list past its next update that is taken", "plain", site="stale-taken",
              verify=False, why="it has no option to take a list past its next update")
    yield Row("revoked in a list past its next update that is taken", "listed",
              site="stale-taken", **gone)
    yield Row("an intermediate's list past its next update", "with", "certificate expired",
              "crl_expired", "inter-stale")
    yield Row("a list of the future", "plain", "bad certificate", "crl_not_yet_valid",
              "early-list")


TABLES = (times, purposes, chains, crossed, issuers, keys, oddities, revocations)
CONFIG = """
workers = 2;
@USER@
log = { level = "info"; target = "stderr";
        access = { target = "@DIR@/access.log"; format = "json"; }; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; } );
sites = ( @SITES@ );
"""


class Matrix(TestCase):
    """All handshakes first, each with a server name of its own; then the log, by that name."""

    @classmethod
    def setUpClass(cls):
        cls.pki = p = Pki()
        p.server("server", ",".join(f"DNS:*.{name}.example" for name in SITES))
        cls.rows = [row for table in TABLES for row in table(p)]
        for path in p.dir.glob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        sites = ", ".join(site.config(p, name) for name, site in SITES.items())
        cls.seen = {}
        with Latchd(CONFIG.replace("@SITES@", sites)) as d:
            for n, row in enumerate(cls.rows):
                for version in VERSIONS:
                    name = f"row{n}-{version[-1]}.{row.site}.example"
                    cls.seen[name] = cls.visit(d, row, version, name)
            refused = [name for name, (status, _) in cls.seen.items() if not status]
            cls.reasons = cls.events(d, refused)

    @classmethod
    def visit(cls, d, row, version, name):
        """(status, alert)"""
        pair = cls.pki.path(f"{row.chain}.pem"), cls.pki.path(f"{row.chain}.key")
        if row.by_openssl:
            return cls.visit_by_openssl(d, pair, version, name)
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        c.set_ciphers("DEFAULT@SECLEVEL=0")     # whatever the server makes of it
        c.minimum_version = c.maximum_version = getattr(ssl.TLSVersion, f"TLSv1_{version[-1]}")
        if row.chain:
            c.load_cert_chain(*pair)
        alert = lambda e: str(e).partition("alert ")[2].partition(" (")[0]
        try:
            with d.peer(context=c, name=name) as peer:
                try:
                    return peer.request("/", close=True).status, None
                except Exception:
                    if peer.alert is None:
                        raise
                    return None, alert(peer.alert)
        except ssl.SSLError as error:
            return None, alert(error) or str(error)

    @staticmethod
    def visit_by_openssl(d, pair, version, name):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-servername", name,
             f"-tls1_{version[-1]}", "-cert", pair[0], "-key", pair[1], "-ign_eof"],
            input=f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode(),
            capture_output=True, check=False, timeout=PATIENCE)
        status = re.search(rb"HTTP/1.1 (\d+)", done.stdout)
        alert = re.search(rb"alert ([a-z ]+):", done.stderr)
        return status and int(status[1]), alert and alert[1].decode()

    @staticmethod
    def events(d, names):
        """The reasons of the handshakes for these names, once all are logged."""
        deadline, path = time.monotonic() + PATIENCE, d.dir / "access.log"
        while True:
            events = [json.loads(line) for line in path.read_text().splitlines()]
            found = {e["sni"]: e["reason"] for e in events if e["event"] == "handshake_failed"}
            if set(found) >= set(names):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not in the log: {set(names) - set(found)}")

    def test_every_row_in_both_versions(self):
        for n, row in enumerate(self.rows):
            for i, version in enumerate(VERSIONS):
                with self.subTest(row.what, version=version):
                    name = f"row{n}-{version[-1]}.{row.site}.example"
                    self.assertEqual((*self.seen[name], self.reasons.get(name)), row.expected(i))

    def test_openssl_verify_agrees_or_it_says_why(self):
        for row in self.rows:
            if not row.chain:
                continue
            with self.subTest(row.what):
                done = SITES[row.site].verify(self.pki, row.chain)
                expected = row.is_chain() if row.verify is None else row.verify
                self.assertEqual(done.returncode == 0, expected, done.stderr)
                self.assertEqual(row.verify is None, not row.why, "a difference needs a reason")

    def test_there_are_enough_rows(self):
        self.assertGreaterEqual(len(self.rows), 80)
        self.assertEqual(len({row.what for row in self.rows}), len(self.rows))


if __name__ == "__main__":
    unittest.main()

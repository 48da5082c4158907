"""Certificates and what latch makes of them: a row each, with the exit code of latch (in the
handshake and after it alike) and whether curl, over the same OpenSSL, agrees."""
import os
import ssl
import subprocess
import unittest
from dataclasses import dataclass, field

import harness
from latch_peer import LatchTestCase, Server, answering, with_length
from pki import CA, CLIENT, LEAF, SERVER, Pki

GOOD, CHAIN, NAME = 0, 6, 7
PAST, FUTURE = "20210101000000Z", "20450101000000Z"
LOCAL = "DNS:localhost"


@dataclass
class Row:
    what: str
    chain: str                  # NAME.pem and NAME.key, for the server
    code: int                   # of latch
    host: str = "localhost"
    ca: str = "ca"              # whom the client trusts
    args: tuple = ()            # of latch
    curl_args: tuple = ()
    curl: bool = None           # does curl accept it, where that is not what latch does
    why: str = ""               # ... and why not
    no_curl: str = field(default="", kw_only=True)     # why curl cannot be asked


def der(tag, content):
    return bytes([tag, len(content)]) + content


def raw_san(*names):
    """A subjectAltName of DNS names with any bytes in them."""
    return "DER:" + der(0x30, b"".join(der(0x82, name) for name in names)).hex(":")


def identity(p):
    """Is the certificate, of a chain in order, for this host?"""
    def san(what, names, code, host="localhost", **more):
        return Row(what, p.server(f"san{san.count}", names), code, host, **more)
    san.count = 0

    table = [
        ("a DNS name", LOCAL, GOOD),
        ("in capitals", "DNS:LOCALHOST", GOOD),
        ("a host in capitals", LOCAL, GOOD, "LocalHost"),
        ("the last of several", "DNS:a.example,IP:10.0.0.1,email:x@localhost,DNS:localhost", GOOD),
        ("another name", "DNS:other.example", NAME),
        ("a longer name", "DNS:localhost.example", NAME),
        ("a longer label", "DNS:xlocalhost", NAME),
        ("a host with a final dot", LOCAL, GOOD, "localhost."),
        ("a name below", "DNS:www.localhost", NAME),
        ("a name above", "DNS:example.org", NAME, "www.example.org"),
        ("a wildcard", "DNS:*.example.org", GOOD, "www.example.org"),
        ("a wildcard in capitals", "DNS:*.EXAMPLE.org", GOOD, "www.example.org"),
        ("a wildcard is no empty label", "DNS:*.example.org", NAME, "example.org"),
        ("a wildcard is one label", "DNS:*.example.org", NAME, "a.b.example.org"),
        ("a wildcard in front of letters", "DNS:*w.example.org", NAME, "www.example.org"),
        ("a wildcard behind letters", "DNS:w*.example.org", NAME, "www.example.org"),
        ("a wildcard amid letters", "DNS:w*w.example.org", NAME, "www.example.org"),
        ("a wildcard that is not leftmost", "DNS:www.*.org", NAME, "www.example.org"),
        ("two wildcards", "DNS:*.*.org", NAME, "www.example.org"),
        ("a wildcard alone", "DNS:*", NAME),
        ("a wildcard for a top level", "DNS:*.org", NAME, "example.org"),
        ("a wildcard over an A-label", "DNS:*.example.org", GOOD, "xn--bcher-kva.example.org"),
        ("a wildcard inside an A-label", "DNS:xn--*.example.org", NAME,
         "xn--bcher-kva.example.org"),
        ("a wildcard for an address", "DNS:*.0.0.1", NAME, "127.0.0.1"),
        ("an underscore", "DNS:a_b.example.org", GOOD, "a_b.example.org"),
        ("an address", "IP:127.0.0.1", GOOD, "127.0.0.1"),
        ("another address", "IP:127.0.0.2", NAME, "127.0.0.1"),
        ("an address as a name", "DNS:127.0.0.1", NAME, "127.0.0.1"),
        ("a name, asked for by address", LOCAL, NAME, "127.0.0.1"),
        ("an address, asked for by name", "IP:127.0.0.1", NAME),
        ("an IPv6 address", "IP:::1", GOOD, "[::1]"),
        ("an IPv6 address in another spelling", "IP:0:0:0:0:0:0:0:1", GOOD, "[::1]"),
        ("another IPv6 address", "IP:::2", NAME, "[::1]"),
        ("IPv4 is not its mapped address", "IP:127.0.0.1", NAME, "[::ffff:127.0.0.1]"),
        ("an address of the wrong length", raw_san().replace("30:00", "30:05:87:03:7f:00:01"),
         NAME, "127.0.0.1"),
        ("NUL in a name", raw_san(b"localhost\0.evil.example"), NAME),
        ("NUL at the end of a name", raw_san(b"localhost\0"), NAME),
        ("a NUL name beside the right one", raw_san(b"x\0y", b"localhost"), GOOD),
        ("an empty name", raw_san(b""), NAME),
        ("an internationalised name", "DNS:xn--bcher-kva.example", GOOD, "b\u00fccher.example"),
        ("another internationalised name", "DNS:xn--bcher-kva.example", NAME, "buecher.example"),
        ("UTF-8 in a name is not its A-label", raw_san("b\u00fccher.example".encode()), NAME,
         "b\u00fccher.example"),
        ("an e-mail address", "email:me@localhost", NAME),
        ("a URI", "URI:https://localhost/", NAME),
    ]
    for san.count, row in enumerate(table):
        yield san(*row)
    yield Row("a final dot in the certificate", p.server("dot", "DNS:localhost."), NAME, curl=True,
              why="curl takes the dot off the certificate's name too")


def common_name(p):
    cn = p.server("cn", None, subject="/CN=localhost")
    both = p.server("cn-both", "DNS:other.example", subject="/CN=localhost")
    with_ip = p.server("cn-ip", "IP:10.0.0.1", subject="/CN=localhost")
    address = p.server("cn-address", None, subject="/CN=127.0.0.1")
    old = "curl still falls back on the common name"
    yield Row("a common name alone", cn, NAME, curl=True, why=old)
    yield Row("a common name that is allowed", cn, GOOD, args=("--allow-cn",))
    yield Row("another common name", cn, NAME, "example.org", args=("--allow-cn",))
    yield Row("a common name beside names", both, NAME)
    yield Row("a common name beside names, allowed", both, NAME, args=("--allow-cn",))
    yield Row("a common name beside an address, allowed", with_ip, GOOD, args=("--allow-cn",),
              curl=False, why="curl falls back only without any subject alternative name")
    yield Row("a common name that is an address, allowed", address, NAME, "127.0.0.1",
              args=("--allow-cn",), curl=True, why=old + ", for addresses as well")


def chains(p):
    p.authority("stranger", None)
    p.authority("inter", "ca")
    p.authority("inter2", "inter")
    for issuer in ("stranger", "inter", "inter2"):
        p.server(f"by-{issuer}", LOCAL, issuer)
    p.authority("alone", None, SERVER + (f"subjectAltName = {LOCAL}",))
    good = p.server("good")
    yield Row("an unknown authority", "by-stranger", CHAIN)
    yield Row("an unknown authority that is sent along", p.chain("root-sent", "by-stranger",
              "stranger"), CHAIN)
    yield Row("self-signed", "alone", CHAIN)
    yield Row("self-signed, and trusted", "alone", GOOD, ca="alone")
    yield Row("the leaf itself is trusted", good, GOOD, ca="good")
    yield Row("an intermediate", p.chain("with", "by-inter", "inter"), GOOD)
    yield Row("a missing intermediate", "by-inter", CHAIN)
    yield Row("two intermediates", p.chain("two", "by-inter2", "inter2", "inter"), GOOD)
    yield Row("the first of two is missing", p.chain("gap", "by-inter2", "inter"), CHAIN)
    yield Row("out of order", p.chain("disorder", "by-inter2", "inter", "inter2"), GOOD)
    yield Row("with one that does not belong", p.chain("extra", "good", "stranger"), GOOD)
    yield Row("the intermediate is trusted", "by-inter", GOOD, ca="inter")
    yield Row("depth 0 and none between", good, GOOD, args=("--depth", "0"))
    no = "curl has no such option"
    yield Row("depth 0 and one between", "with", CHAIN, args=("--depth", "0"), no_curl=no)
    yield Row("depth 1 and one between", "with", GOOD, args=("--depth", "1"))
    yield Row("depth 1 and two between", "two", CHAIN, args=("--depth", "1"), no_curl=no)
    yield Row("not verified", "by-stranger", GOOD, args=("-k",), curl_args=("-k",))

    p.authority("impostor", None)
    p.sign("impostor", "impostor", "/O=latchd test/CN=test ca", CA, key="impostor",
           self_signed=True)
    yield Row("an authority of the same name", p.server("by-impostor", LOCAL, "impostor"), CHAIN)
    text = p.path("good.pem").read_text()
    blob = bytearray(ssl.PEM_cert_to_DER_cert(text))
    blob[-1] ^= 1
    p.path("tampered.pem").write_text(ssl.DER_cert_to_PEM_cert(bytes(blob)))
    p.path("tampered.key").write_bytes(p.path("good.key").read_bytes())
    yield Row("a signature that is wrong", "tampered", CHAIN)


def constraints(p):
    """What an issuer may sign."""
    def below(name, what, code, extensions, san=LOCAL, host="localhost", parent="ca", **more):
        p.authority(name, parent, extensions)
        parts = [p.server(f"by-{name}", san, name), name] + ([parent] if parent != "ca" else [])
        return Row(what, p.chain(f"chain-{name}", *parts), code, host, **more)

    def named(constraint):
        return (*CA, f"nameConstraints = critical, {constraint}")

    yield below("short", "a path length that is kept", GOOD,
                ("basicConstraints = critical, CA:TRUE, pathlen:0", *CA[1:]))
    yield below("longer", "a path length that is passed", CHAIN, CA, parent="short")
    yield below("noca", "an issuer that is no CA", CHAIN,
                ("basicConstraints = critical, CA:FALSE", *CA[1:]))
    yield below("basic", "an issuer without basic constraints", CHAIN, CA[1:])
    yield below("nosign", "an issuer that may not sign", CHAIN,
                (CA[0], "keyUsage = critical, digitalSignature", *CA[2:]))
    yield below("client", "an issuer for clients alone", CHAIN,
                (*CA, "extendedKeyUsage = clientAuth"))
    yield below("permit", "a name that is permitted", GOOD, named("permitted;DNS:example.org"),
                "DNS:www.example.org", "www.example.org")
    yield below("permit2", "a name that is not permitted", CHAIN,
                named("permitted;DNS:example.org"))
    yield below("exclude", "a name that is excluded", CHAIN, named("excluded;DNS:localhost"))
    yield below("exclude2", "a name below one that is excluded", CHAIN,
                named("excluded;DNS:example.org"), "DNS:www.example.org", "www.example.org")
    yield below("exclude3", "another name than is excluded", GOOD,
                named("excluded;DNS:example.org"))
    yield below("permit3", "one of two names is not permitted", CHAIN,
                named("permitted;DNS:localhost"), "DNS:localhost,DNS:example.org")
    yield below("range", "an address in range", GOOD,
                named("permitted;IP:127.0.0.0/255.0.0.0"), "IP:127.0.0.1", "127.0.0.1")
    yield below("range2", "an address out of range", CHAIN,
                named("permitted;IP:10.0.0.0/255.0.0.0"), "IP:127.0.0.1", "127.0.0.1")
    yield below("wild", "a wildcard that reaches beyond", CHAIN,
                named("permitted;DNS:a.example.org"), "DNS:*.example.org", "a.example.org")


def purposes(p):
    def leaf(name, what, code, extensions):
        return Row(what, p.server(f"for-{name}", LOCAL, extensions=extensions), code)

    yield leaf("client", "for clients alone", CHAIN, CLIENT)
    yield leaf("mail", "for mail alone", CHAIN, (*LEAF, "extendedKeyUsage = emailProtection"))
    yield leaf("both", "for clients and servers", GOOD,
               (*LEAF, "extendedKeyUsage = clientAuth,serverAuth"))
    yield leaf("all", "for nothing in particular", GOOD, LEAF)
    yield leaf("crl", "a key that may sign lists alone", CHAIN,
               (LEAF[0], "keyUsage = critical, cRLSign", *LEAF[2:]))
    yield leaf("critical", "a critical extension that nobody knows", CHAIN,
               (*SERVER, "1.2.3.4.5 = critical, DER:05:00"))
    yield leaf("unknown", "an extension that nobody knows", GOOD,
               (*SERVER, "1.2.3.4.5 = DER:05:00"))


def times(p):
    p.authority("old", "ca", start="20200101000000Z", end=PAST)
    p.authority("old-root", None, start="20200101000000Z", end=PAST)
    p.server("by-old", LOCAL, "old")
    yield Row("expired", p.server("expired", end=PAST), CHAIN)
    yield Row("not yet valid", p.server("early", start=FUTURE), CHAIN)
    yield Row("an issuer that expired", p.chain("old-chain", "by-old", "old"), CHAIN)
    yield Row("a root that expired", p.server("by-old-root", LOCAL, "old-root"), CHAIN,
              ca="old-root")
    yield Row("valid until 2050 and beyond", p.server("late", end="20990101000000Z"), GOOD)
    yield Row("expired, and not verified", "expired", GOOD, args=("-k",), curl_args=("-k",))


def keys(p):
    for name, kind in (("rsa1024", ("RSA", "rsa_keygen_bits:1024")),
                       ("rsa2048", ("RSA", "rsa_keygen_bits:2048")),
                       ("p384", ("EC", "ec_paramgen_curve:P-384")),
                       ("p521", ("EC", "ec_paramgen_curve:P-521")), ("ed", ("ED25519",))):
        p.key(name, *kind)
        p.server(f"with-{name}", key=name)
    p.key("weak-ca", "RSA", "rsa_keygen_bits:1024")
    p.sign("weak-ca", "weak-ca", "/CN=weak", CA, key="weak-ca", self_signed=True)
    yield Row("RSA of 1024 bits", "with-rsa1024", CHAIN)
    yield Row("RSA of 2048 bits", "with-rsa2048", GOOD)
    yield Row("P-384", "with-p384", GOOD)
    yield Row("P-521", "with-p521", GOOD)
    yield Row("Ed25519", "with-ed", GOOD)
    yield Row("signed over SHA-1", p.server("sha1", md="sha1"), CHAIN)
    yield Row("signed over SHA-384", p.server("sha384", md="sha384"), GOOD)
    yield Row("signed by a weak key", p.server("by-weak-ca", LOCAL, "weak-ca"), CHAIN,
              ca="weak-ca")


def revocations(p):
    p.authority("rev", "ca")
    p.server("listed", LOCAL, "rev")
    p.server("listed-by-ca")
    p.server("free")
    p.server("free-of-rev", LOCAL, "rev")
    p.chain("listed-chain", "listed", "rev")
    p.chain("free-chain", "free-of-rev", "rev")

    def crl(what, chain, code, *lists):
        file = p.path(f"{crl.count}.crls")
        crl.count += 1
        file.write_bytes(b"".join(path.read_bytes() for path in lists))
        return Row(what, chain, code, args=("--crl", file), curl_args=("--crlfile", file))
    crl.count = 0
    empty = p.crl("empty", "ca")
    full = p.crl("full", "ca", ["listed-by-ca"])
    rev_empty = p.crl("rev-empty", "rev")
    rev_full = p.crl("rev-full", "rev", ["listed"])
    inter = p.crl("inter-revoked", "ca", ["rev"])
    yield crl("not revoked", "free", GOOD, full)
    yield crl("revoked", "listed-by-ca", CHAIN, full)
    yield crl("revoked, and the list is empty", "listed-by-ca", GOOD, empty)
    yield crl("below an intermediate, not revoked", "free-chain", GOOD, empty, rev_empty)
    yield crl("below an intermediate, revoked", "listed-chain", CHAIN, empty, rev_full)
    yield crl("the intermediate is revoked", "free-chain", CHAIN, inter, rev_empty)
    yield crl("no list of the leaf's issuer", "free-chain", CHAIN, empty)
    yield crl("no list of the root", "free-chain", CHAIN, rev_empty)
    yield crl("a list past its next update", "free", CHAIN, p.crl("stale", "ca", until=PAST))
    yield crl("a list of the future", "free", CHAIN, p.crl("young", "ca", last=FUTURE))
    yield crl("a list that somebody else signed", "free", CHAIN, p.crl("forged", "impostor"))


TABLES = (identity, common_name, chains, constraints, purposes, times, keys, revocations)


class Matrix(LatchTestCase):
    seen = 0

    @classmethod
    def setUpClass(cls):
        cls.pki = Pki()

    def context(self, chain):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")     # whatever the client makes of it
        context.load_cert_chain(self.pki.path(f"{chain}.pem"), self.pki.path(f"{chain}.key"))
        return context

    def curl(self, row, server, ca):
        host = row.host.strip("[]")
        connect = ("--connect-to", f"::127.0.0.1:{server.port}")
        if ":" not in host:
            name = host.encode("idna").decode()
            connect = ("--resolve", f"{name}:{server.port}:127.0.0.1")
        env = {**os.environ, "LC_ALL": "C.UTF-8", "no_proxy": "*"}
        run = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", *connect, "--cacert", ca, *row.curl_args,
             f"https://{row.host}:{server.port}/"], capture_output=True, env=env, check=False,
            timeout=harness.PATIENCE)
        self.assertIn(run.returncode, (0, 35, 60, 82), run.stderr)
        return run.returncode == 0, run.stderr.decode()

    def judge(self, row):
        ca = self.pki.path(f"{row.ca}.pem")
        with Server(answering(with_length(b"hello")), self.context(row.chain)) as server:
            for where in ("handshake", "after"):
                run = self.latch("--ca", ca, "--verify", where, *row.args, "--connect", "127.0.0.1",
                                 server.url(name=row.host), ca=False, code=row.code)
                self.assertEqual(run.out, b"hello" if row.code == GOOD else b"")
            if row.no_curl:
                return
            accepted, words = self.curl(row, server, ca)
        expected = row.code == GOOD if row.curl is None else row.curl
        self.assertEqual(accepted, expected, f"curl: {words} {row.why}")
        self.assertEqual(row.curl is None, not row.why, "a difference needs a reason")

    def run_table(self, table):
        for row in table(self.pki):
            Matrix.seen += 1
            with self.subTest(row.what):
                self.judge(row)


def add_tests():
    for table in TABLES:
        def test(self, table=table):
            self.run_table(table)
        setattr(Matrix, f"test_{table.__name__}", test)


add_tests()


class Size(unittest.TestCase):
    def test_there_are_enough_rows(self):
        """Runs behind the matrix, by the order of names."""
        self.assertGreaterEqual(Matrix.seen, 100)


if __name__ == "__main__":
    unittest.main()

"""What testssl.sh, all of its checks, says of the default profile on a site as it should be: two
keys, certificates of ninety days with a CRL, security headers. Nothing may be worse than INFO.
Run by `make check-scan`: it takes minutes."""
import json
import subprocess
import unittest

from authorities import when
from harness import Latchd, TestCase, scratch
from pki import SERVER, Pki

CONFIG = """
workers = 2;
@USER@
log = { target = "stderr"; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; } );
sites = ( { names = [ "localhost" ]; default = true;
    certificates = ( { certificate = "@PKI@/ecdsa.pem"; private_key = "@PKI@/ecdsa.key"; },
                     { certificate = "@PKI@/rsa.pem"; private_key = "@PKI@/rsa.key"; } );
    headers = ( { name = "Strict-Transport-Security"; value = "max-age=63072000"; },
                { name = "X-Content-Type-Options"; value = "nosniff"; },
                { name = "X-Frame-Options"; value = "DENY"; },
                { name = "Content-Security-Policy"; value = "default-src 'self'"; } );
    routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); } );
"""
# What testssl.sh could not look at (WARN), and why.
EXPLAINED = {
    "engine_problem": "the openssl command that it runs knows no GOST",
    "scanTime": "the machine is slow",
    "sessionresumption_ticket": "it does not wait for a ticket of TLS 1.3; if none has come when "
                                "its s_client ends, it has no session to come back with",
}
# What must have been looked at, or the scan is worth nothing.
LOOKED_AT = {
    "TLS1_2", "TLS1_3", "cipherlist_AVERAGE", "cipher_order", "cert_chain_of_trust",
    "cert_validityPeriod", "cert_crlDistributionPoints", "HSTS_time", "X-Frame-Options",
    "heartbleed", "ROBOT", "LUCKY13", "secure_client_renego", "fallback_SCSV",
}


class Scan(TestCase):
    def site(self):
        p = Pki()
        p.key("rsa", "RSA", "rsa_keygen_bits:2048")
        p.key("ecdsa")
        for key in ("rsa", "ecdsa"):
            p.server(key, "DNS:localhost", key=key, start=when(-1), end=when(89), extensions=(
                *SERVER, "crlDistributionPoints = URI:http://localhost/ca.crl"))
        return p

    def scan(self, d, ca):
        report = scratch() / "report.json"
        done = subprocess.run(
            ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip",
             "127.0.0.1", "--add-ca", ca, "--jsonfile", report, f"https://localhost:{d.port}/"],
            capture_output=True, check=False, text=True, stdin=subprocess.DEVNULL, timeout=1800)
        self.assertTrue(report.exists(), done.stdout + done.stderr)
        return json.loads(report.read_text())

    def test_nothing_is_worse_than_info(self):
        p = self.site()
        with Latchd(CONFIG.replace("@PKI@", str(p.dir))) as d:
            found = self.scan(d, p.path("ca.pem"))
        kinds = {entry["id"].partition(" ")[0] for entry in found}
        self.assertFalse(LOOKED_AT - kinds)
        for entry in found:
            with self.subTest(entry["id"]):
                allowed = ("OK", "INFO", "WARN" if entry["id"] in EXPLAINED else "")
                self.assertIn(entry["severity"], allowed, entry["finding"])


if __name__ == "__main__":
    unittest.main()

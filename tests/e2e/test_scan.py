"""What a scanner sees of the default profile: sslscan, which lists what a server takes."""
import subprocess
import unittest
import xml.etree.ElementTree as xml

from harness import DEFAULT_CONFIG, PATIENCE, Latchd, TestCase

CONFIG = DEFAULT_CONFIG.replace(
    'certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";',
    'certificates = ( { certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key"; },'
    ' { certificate = "@CERTS@/rsa.pem"; private_key = "@CERTS@/rsa.key"; } );')
SUITES = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
CIPHERS = {
    f"ECDHE-{key}-{cipher}" for key in ("ECDSA", "RSA")
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
}


class Scan(TestCase):
    def scan(self, extra=""):
        with Latchd(CONFIG, extra=extra) as d:
            done = subprocess.run(["sslscan", "--xml=-", "--no-colour", f"127.0.0.1:{d.port}"],
                                  capture_output=True, check=True, timeout=3 * PATIENCE)
        return xml.fromstring(done.stdout[done.stdout.index(b"<?xml"):]).find("ssltest")

    def test_the_default_profile(self):
        found = self.scan()
        enabled = {p.get("type") + p.get("version") for p in found.iter("protocol")
                   if p.get("enabled") == "1"}
        self.assertEqual(enabled, {"tls1.2", "tls1.3"})
        ciphers = {(c.get("sslversion"), c.get("cipher")) for c in found.iter("cipher")}
        self.assertEqual({c for v, c in ciphers if v == "TLSv1.3"}, SUITES)
        self.assertEqual({c for v, c in ciphers if v == "TLSv1.2"}, CIPHERS)
        self.assertEqual({g.get("name").split()[0] for g in found.iter("group")},
                         {"x25519", "secp256r1", "secp384r1"})
        self.assertEqual({e.get("supported") for e in found.iter("renegotiation")}, {"0"})
        self.assertEqual({e.get("vulnerable") for e in found.iter("heartbleed")}, {"0"})

    def test_the_modern_profile(self):
        found = self.scan('tls = { profile = "modern"; };')
        self.assertEqual({c.get("cipher") for c in found.iter("cipher")}, SUITES)


if __name__ == "__main__":
    unittest.main()

"""Reloads that `latchd ctl reload` sees rejected: exit code, FILE:LINE, the service unchanged."""
import os
import re
import socket
import unittest

from harness import DEFAULT_CONFIG, IS_ROOT, Latchd, TestCase

PAIR = 'private_key = "@CERTS@/ecdsa.key";'
ROOT_OF = 'files = { root = "@WWW@"; }'


class Rejected(TestCase):
    """Each has its daemon, with a connection that is kept meanwhile."""

    def setUp(self):
        self.d = Latchd(files={"a.txt": b"A"}).start()
        self.held = self.d.peer()
        self.assertEqual(self.held.request("/a.txt").body, b"A")
        self.workers = self.d.workers()
        self.failed = 0

    def tearDown(self):
        self.held.sock.close()
        self.d.stop()

    def reject(self, code, sentence, template=DEFAULT_CONFIG, extra=""):
        d = self.d
        d.write_config(template=template, extra=extra)
        run = d.ctl("reload")
        self.failed += 1
        self.assertEqual((run.returncode, run.stdout), (code, ""), run.stderr)
        where = rf"{re.escape(str(d.config))}:\d+: "
        self.assertRegex(run.stderr, rf"(?m)^{where}.*{sentence}")
        self.assertIn("generation 1 serves on, unchanged", run.stderr)
        # What was there is there: workers, generation, a kept connection, new ones.
        self.assertEqual(d.workers(), self.workers)
        self.assertEqual(self.held.request("/a.txt").body, b"A")
        self.assertEqual(d.fetch("/a.txt").body, b"A")
        status = d.status()
        self.assertEqual((status["generation"], status["last_reload_success"]), (1, False))
        self.assertEqual(status["reloads_total"]["failed"], self.failed)
        return run

    def test_syntax(self):
        self.reject(78, "syntax error", extra="workers = = 2;")
        self.reject(78, "syntax error", DEFAULT_CONFIG.replace("listeners = (", "listeners = ( ("))

    def test_unknown_key(self):
        self.reject(78, 'did you mean "workers"', extra="wrokers = 3;")

    def test_out_of_range_and_of_the_wrong_type(self):
        self.reject(78, "workers", DEFAULT_CONFIG.replace("workers = 2", "workers = 100000"))
        self.reject(78, "workers", DEFAULT_CONFIG.replace("workers = 2", 'workers = "two"'))

    def test_missing_root(self):
        nowhere = ROOT_OF.replace("@WWW@", "@DIR@/nowhere")
        self.reject(78, "nowhere", DEFAULT_CONFIG.replace(ROOT_OF, nowhere))

    def test_missing_include(self):
        self.reject(78, "none.conf", extra='@include "none.conf"')

    def test_missing_certificate(self):
        self.reject(78, "gone.pem", DEFAULT_CONFIG.replace("/ecdsa.pem", "/gone.pem"))

    def test_key_of_another_certificate(self):
        self.reject(78, "not the certificate", DEFAULT_CONFIG.replace("/ecdsa.key", "/other.key"))

    def test_key_that_is_none(self):
        (self.d.dir / "bad.key").write_text("-----BEGIN PRIVATE KEY-----\nMIIB\n")
        self.reject(78, "bad.key", DEFAULT_CONFIG.replace("@CERTS@/ecdsa.key", "@DIR@/bad.key"))

    def test_two_sites_of_one_name(self):
        site = DEFAULT_CONFIG[DEFAULT_CONFIG.index("( { names"):].strip()[1:-2]
        self.reject(78, "localhost", DEFAULT_CONFIG.replace("sites = (", f"sites = ( {site},"))

    def test_handshake_that_fails(self):
        self.reject(
            78,
            "a TLS handshake with this certificate fails, .*cipher",
            extra='tls = { max_version = "1.2"; ciphers = "ECDHE-RSA-AES128-GCM-SHA256"; };',
        )

    def test_address_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.reject(
                69,
                rf"127\.0\.0\.1:{port}",
                DEFAULT_CONFIG.replace(
                    '@PORT@"; }', f'@PORT@"; }}, {{ name = "b"; address = "127.0.0.1:{port}"; }}'
                ),
            )

    def test_address_that_is_not_ours(self):
        self.reject(
            69,
            r"192\.0\.2\.7:443",
            DEFAULT_CONFIG.replace(
                '@PORT@"; }', '@PORT@"; }, { name = "b"; address = "192.0.2.7:443"; }'
            ),
        )

    def test_unreadable_crl(self):
        auth = 'client_auth = { mode = "required"; ca = "@CERTS@/ca.pem"; crl = [ "@DIR@/crl" ]; };'
        self.reject(78, "/crl", DEFAULT_CONFIG.replace(PAIR, PAIR + auth))
        (self.d.dir / "crl").write_text("no list of anything\n")
        self.reject(78, "/crl", DEFAULT_CONFIG.replace(PAIR, PAIR + auth))

    @unittest.skipUnless(IS_ROOT, "there is another user only for root")
    def test_root_that_the_worker_may_not_enter(self):
        closed = self.d.dir / "closed"
        closed.mkdir(mode=0o700)
        root = ROOT_OF.replace("@WWW@", "@DIR@/closed")
        self.reject(78, "closed", DEFAULT_CONFIG.replace(ROOT_OF, root))

    def test_log_that_cannot_be_opened(self):
        to_file = DEFAULT_CONFIG.replace('target = "stderr"', 'target = "@DIR@/no/such/log"')
        self.reject(78, "no/such", to_file)

    def test_file_that_is_gone(self):
        os.rename(self.d.config, self.d.config.with_suffix(".away"))
        self.d.config.symlink_to("nowhere")
        run = self.d.ctl("reload")
        self.assertEqual(run.returncode, 78, run.stderr)
        self.assertIn(str(self.d.config), run.stderr)
        self.assertEqual(self.d.fetch("/a.txt").body, b"A")

    def test_after_all_that_a_good_one_is_taken(self):
        for extra in ("wrokers = 3;", 'sigpipe = "explode";', "workers = = 2;"):
            self.reject(78, "", extra=extra)
        self.d.write_config(extra="")
        run = self.d.ctl("reload")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(self.d.status()["generation"], 2)


if __name__ == "__main__":
    unittest.main()

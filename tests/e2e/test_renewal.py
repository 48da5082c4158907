"""Certificates renew themselves: new files are served by themselves once they fit together, what
does not fit is never served, and nothing else changes on the way."""
import json
import re
import shutil
import signal
import ssl
import time
import unittest

from harness import DEFAULT_CONFIG, Latchd, TestCase, PATIENCE, certificates, latchd, scratch

CONFIG = DEFAULT_CONFIG.replace("@CERTS@/ecdsa.pem", "@DIR@/tls/cert.pem").replace(
    "@CERTS@/ecdsa.key", "@DIR@/tls/key.pem"
)
UNFIT = "certificate files changed, and cannot be served as they are now"


def der(name):
    """The leaf of the test CA with that name, as a peer sees it."""
    text = (certificates() / f"{name}.pem").read_text()
    return ssl.PEM_cert_to_DER_cert(text[: text.index("-----END CERTIFICATE-----") + 25] + "\n")


class Renewing(Latchd):
    """One whose certificate and key are files of its own, tls/cert.pem and tls/key.pem."""

    def __init__(self, name="ecdsa", **options):
        super().__init__(options.pop("config", CONFIG), **options)
        self.tls = self.dir / "tls"
        self.tls.mkdir()
        self.place(name)

    def place(self, name, what=("cert", "key")):
        """Renames new files into place, as every good client does."""
        for kind in what:
            source = certificates() / f"{name}.{'pem' if kind == 'cert' else 'key'}"
            shutil.copy(source, self.tls / "new")
            (self.tls / "new").rename(self.tls / f"{kind}.pem")

    def served(self):
        with self.peer() as p:
            return p.tls.getpeercert(True)

    def wait_generation(self, number):
        return self.wait_status(lambda s: s["generation"] == number)


class Renewal(TestCase):
    def test_new_files_are_served_by_themselves(self):
        with Renewing(files={"a.txt": b"A"}) as d:
            self.assertEqual(d.served(), der("ecdsa"))
            d.place("other")
            status = d.wait_generation(2)
            self.assertEqual(d.served(), der("other"))
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            total = status["reloads_total"]
            self.assertEqual((total["ok"], total["failed"]), (1, 0))
            d.place("ecdsa")
            d.wait_generation(3)
            self.assertEqual(d.served(), der("ecdsa"))
            # Two files each time, one generation each time, nothing to be said about halves.
            self.assertEqual(d.log.find(UNFIT), [])

    def test_a_half_is_never_served(self):
        with Renewing() as d:
            d.place("other", ["cert"])
            d.log.wait(UNFIT + ".*the private key is not the certificate's")
            d.place("other", ["cert"])  # the same again is no news
            for _ in range(20):
                self.assertEqual(d.served(), der("ecdsa"))
            self.assertEqual(d.status()["generation"], 1)
            self.assertTrue(d.status()["last_reload_success"])
            self.assertIn("the last good ones are", d.ctl("status").stdout)
            said = json.loads(d.ctl("status", "--json").stdout)
            self.assertIn("the private key is not the certificate's", said["renewal_error"])
            d.place("other", ["key"])
            # Five seconds where nothing else runs; this machine may be busy.
            end = time.monotonic() + PATIENCE
            while (now := d.served()) != der("other"):
                self.assertEqual(now, der("ecdsa"))
                self.assertLess(time.monotonic(), end)
            self.assertEqual(len(d.log.find(UNFIT)), 1)
            total = d.wait_generation(2)["reloads_total"]
            self.assertEqual((total["ok"], total["failed"]), (1, 0))
            said = json.loads(d.ctl("status", "--json").stdout)
            self.assertEqual(said["renewal_error"], "")

    def test_what_is_served_is_visible(self):
        config = CONFIG.replace(
            '{ path = "/-/status"', '{ path = "/-/metrics"; metrics = {}; }, { path = "/-/status"'
        )

        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE

        def ends():
            page = d.fetch("/-/metrics", peer={"context": anybody}).body.decode()
            found = re.search(r'latchd_certificate_not_after_seconds{site="localhost"} (\d+)', page)
            return int(found.group(1))

        with Renewing(config=config) as d:
            self.assertGreater(ends(), time.time())
            d.place("expired", ["key"])
            d.log.wait(UNFIT)
            self.assertGreater(ends(), time.time())
            d.place("expired", ["cert"])
            d.log.wait(r"renewed: sites\[localhost\]: the certificate ends: .* Sat, 01 Feb 2020")
            self.assertEqual(ends(), 1580515200)
            self.assertIn("Sat, 01 Feb 2020", d.ctl("status").stdout)

    def test_a_file_that_is_missing_or_damaged_is_waited_for(self):
        with Renewing() as d:
            (d.tls / "key.pem").unlink()
            d.log.wait(UNFIT + ".*key.pem: cannot be read")
            (d.tls / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nMC4CAQ\n")
            d.log.wait(UNFIT + ".*key.pem: the private key is damaged")
            self.assertEqual(d.served(), der("ecdsa"))
            d.place("ecdsa", ["key"])
            d.log.wait("the certificate files are again what is served")
            self.assertEqual(d.status()["generation"], 1)
            d.place("other")
            d.wait_generation(2)
            self.assertEqual(d.served(), der("other"))

    def test_links_that_are_exchanged(self):
        """certbot: live/NAME/x.pem leads to archive/NAME/xN.pem."""
        d = Renewing()
        shutil.rmtree(d.tls)
        archive = d.dir / "archive"
        archive.mkdir()
        d.tls.mkdir()

        def renew(n, name):
            for kind, ext in (("cert", "pem"), ("key", "key")):
                shutil.copy(certificates() / f"{name}.{ext}", archive / f"{kind}{n}.pem")
            for kind in ("cert", "key"):
                link = d.tls / f"{kind}.pem"
                link.unlink(missing_ok=True)
                link.symlink_to(f"../archive/{kind}{n}.pem")

        renew(1, "ecdsa")
        with d:
            renew(2, "other")
            d.wait_generation(2)
            self.assertEqual(d.served(), der("other"))
            renew(3, "rsa")
            d.wait_generation(3)
            self.assertEqual(d.served(), der("rsa"))

    def test_files_that_are_written_in_place(self):
        with Renewing() as d:
            for kind, ext in (("cert", "pem"), ("key", "key")):
                shutil.copy(certificates() / f"other.{ext}", d.tls / f"{kind}.pem")
            d.wait_generation(2)
            self.assertEqual(d.served(), der("other"))

    def test_a_new_pass_phrase(self):
        config = CONFIG.replace(
            'key.pem";', 'key.pem"; passphrase_file = "@DIR@/tls/passphrase";'
        )
        d = Renewing(config=config)
        (d.tls / "passphrase").write_text("not needed yet\n")
        with d:
            shutil.copy(certificates() / "encrypted.key", d.tls / "key.pem")
            shutil.copy(certificates() / "rsa.pem", d.tls / "cert.pem")
            d.log.wait(UNFIT + ".*does not open the private key")
            shutil.copy(certificates() / "passphrase", d.tls / "passphrase")
            d.wait_generation(2)
            self.assertEqual(d.served(), der("rsa"))


class Credentials(TestCase):
    def test_a_key_comes_from_the_service_manager(self):
        config = CONFIG.replace("@DIR@/tls/key.pem", "credential:site.key")
        given = scratch()
        shutil.copy(certificates() / "ecdsa.key", given / "site.key")
        with Renewing(config=config, env={"CREDENTIALS_DIRECTORY": str(given)}) as d:
            self.assertEqual(d.served(), der("ecdsa"))
            done = latchd("-t", "-c", d.config)
            self.assertEqual(done.returncode, 78)
            self.assertIn("$CREDENTIALS_DIRECTORY is not set", done.stderr)
            printed = latchd("-T", "-c", d.config)
            self.assertEqual(printed.returncode, 0, printed.stderr)
            self.assertIn('"credential:site.key"', printed.stdout)


class OnlyCertificates(TestCase):
    """A renewal is for the files of TLS: what is edited in latchd.conf waits to be asked for."""

    def test_a_half_edited_configuration_is_not_activated(self):
        with Renewing(files={"a.txt": b"A"}) as d:
            d.write_config(extra="wrokers = 3;")
            d.place("other")
            d.wait_generation(2)
            self.assertEqual(d.served(), der("other"))
            self.assertEqual(d.ctl("reload").returncode, 78)
            d.place("ecdsa")
            d.wait_generation(3)
            self.assertEqual(d.served(), der("ecdsa"))

    def test_a_good_one_waits_to_be_asked_for(self):
        other = CONFIG.replace("files = { root = \"@WWW@\"; }", 'redirect = { to = "/new"; }')
        with Renewing(files={"a.txt": b"A"}) as d:
            d.write_config(template=other)
            d.place("other")
            d.wait_generation(2)
            self.assertEqual((d.served(), d.fetch("/a.txt").status), (der("other"), 200))
            self.assertEqual(d.ctl("reload").returncode, 0)
            self.assertEqual((d.served(), d.fetch("/a.txt").status), (der("other"), 308))
            # The next renewal is one of what serves now.
            (d.config).write_text("nothing;")
            d.place("ecdsa")
            d.wait_generation(4)
            self.assertEqual((d.served(), d.fetch("/a.txt").status), (der("ecdsa"), 308))

    def test_a_reload_takes_what_fits_and_says_what_changed(self):
        with Renewing() as d:
            d.place("rsa")
            done = d.ctl("reload")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(d.served(), der("rsa"))


class Cap(TestCase):
    def test_at_the_cap_a_renewal_waits(self):
        big = b"x" * (8 << 20)
        with Renewing(files={"big": big}, extra='reload = { drain = "1h"; };') as d:
            peers = []
            for number in range(2, 6):
                peers.append(d.peer(rcvbuf=4096))
                peers[-1].send_request("/big")
                peers[-1]._take(100)
                d.reload()
            self.assertEqual(d.ctl("reload").returncode, 75)
            d.place("other")
            mark = d.log.mark()
            # Another reload by signal waits too, and both for the same reason.
            d.signal(signal.SIGHUP)
            d.log.wait("4 generations are draining", mark)
            self.assertEqual(d.served(), der("ecdsa"))
            peers.pop(0).reset()
            d.wait_generation(6)
            self.assertEqual(d.served(), der("other"))
            for p in peers:
                p.reset()

    def test_a_renewal_alone_waits_at_the_cap(self):
        big = b"x" * (8 << 20)
        with Renewing(files={"big": big}, extra='reload = { drain = "1h"; };') as d:
            peers = []
            for number in range(2, 6):
                peers.append(d.peer(rcvbuf=4096))
                peers[-1].send_request("/big")
                peers[-1]._take(100)
                d.reload()
            d.place("other")
            d.wait_status(lambda s: s["generation"] == 5)
            self.assertEqual(d.served(), der("ecdsa"))
            peers.pop(0).reset()
            d.wait_generation(6)
            self.assertEqual(d.served(), der("other"))
            for p in peers:
                p.reset()


if __name__ == "__main__":
    unittest.main()

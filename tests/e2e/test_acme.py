"""Certificates from an ACME authority (pebble), by clients of Debian's, without a word to latchd:
http-01 is answered by a plain listener, and what the client puts down is served by itself."""
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
import unittest

from harness import (
    PATIENCE, Latchd, Lines, TestCase, certificates, client_context, free_port, scratch,
)

NAME = "shop.test"
CONFIG = """
workers = 2;
@USER@
log = { level = "debug"; target = "stderr"; };
control = "@DIR@/control.sock";
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; },
              { name = "http"; address = "127.0.0.1:@PORT2@"; tls = false; } );
sites = (
  { names = [ "shop.test" ]; default = true;
    certificate = "@DIR@/tls/@CERTIFICATE@"; private_key = "@DIR@/tls/@KEY@";
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/-/status"; status = {}; allow = [ "127.0.0.0/8" ]; } ); },
  { names = [ "*" ]; listeners = [ "http" ];
    routes = ( { path = "/.well-known/acme-challenge/"; files = { root = "@DIR@/acme"; }; },
               { path = "/"; redirect = { to = "https://$host$path$query"; }; } ); } );
"""


class Authority:
    """pebble, with a name server that says 127.0.0.1 to everything; challenges are on `port`."""

    def __init__(self, port):
        self.folder = scratch("latchd-acme.")
        self.port, self.management, self.dns = free_port(), free_port(), free_port()
        self.url = f"https://localhost:{self.port}/dir"
        self.lines = Lines()
        config = {
            "pebble": {
                "listenAddress": f"127.0.0.1:{self.port}",
                "managementListenAddress": f"127.0.0.1:{self.management}",
                "certificate": str(certificates() / "ecdsa.pem"),
                "privateKey": str(certificates() / "ecdsa.key"),
                "httpPort": port,
                "tlsPort": free_port(),
            }
        }
        (self.folder / "pebble.json").write_text(json.dumps(config))

    def start(self, *argv):
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                "PATH": os.environ["PATH"],
                "PEBBLE_VA_NOSLEEP": "1",
                "PEBBLE_AUTHZREUSE": "0",
                "PEBBLE_WFE_NONCEREJECT": "0",
            },
        )

        def collect():
            with process.stdout:
                for line in process.stdout:
                    self.lines.add(line.decode("utf-8", "replace").rstrip("\n"))

        threading.Thread(target=collect, daemon=True).start()
        return process

    def __enter__(self):
        self.processes = [
            self.start(
                "pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
                "-dns01", f"127.0.0.1:{self.dns}", "-http01", "", "-https01", "",
                "-tlsalpn01", "", "-management", "",
            ),
            self.start(
                "pebble", "-config", str(self.folder / "pebble.json"),
                "-dnsserver", f"127.0.0.1:{self.dns}",
            ),
        ]
        self.lines.wait("ACME directory available")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def root(self):
        """A file with the certificate of the authority."""
        done = subprocess.run(
            ["curl", "-sS", "--fail", "--cacert", str(certificates() / "ca.pem"),
             f"https://localhost:{self.management}/roots/0"],
            capture_output=True, text=True, check=True,
        )
        path = self.folder / "root.pem"
        path.write_text(done.stdout)
        return path


class Acme(TestCase):
    def prepare(self, certificate, key):
        """A daemon with a certificate to begin with, in the place where the client puts its own."""
        config = CONFIG.replace("@CERTIFICATE@", certificate).replace("@KEY@", key)
        d = Latchd(config, files={"a.txt": b"A"})
        challenges = d.dir / "acme/.well-known/acme-challenge"
        challenges.mkdir(parents=True)
        for folder in (d.dir / "acme", challenges.parent, challenges):
            folder.chmod(0o755)
        for name, source in ((certificate, "ecdsa.pem"), (key, "ecdsa.key")):
            path = d.dir / "tls" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(certificates() / source, path)
        return d, challenges

    def run_client(self, *argv, env=None):
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C", **(env or {})},
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def served(self, d, context):
        """The leaf that is served, in PEM, if the context trusts it."""
        try:
            with d.peer(context=context, name=NAME) as p:
                self.assertEqual(p.request("/a.txt", close=True).body, b"A")
                return ssl.DER_cert_to_PEM_cert(p.tls.getpeercert(True))
        except ssl.SSLCertVerificationError:
            return None

    def wait_for(self, d, context, path):
        """Until what is in the file is served; without a word to latchd."""
        text = path.read_text()
        leaf = ssl.PEM_cert_to_DER_cert(text[: text.index("-----END") + 25] + "\n")
        deadline = time.monotonic() + PATIENCE
        while self.served(d, context) != ssl.DER_cert_to_PEM_cert(leaf):
            self.assertLess(time.monotonic(), deadline, d.log.text())
        return leaf

    def check(self, d, authority, path, issue, renew):
        self.assertIsNone(self.served(d, client_context(ca=authority.root())))
        issue()
        context = client_context(ca=authority.root())
        first = self.wait_for(d, context, path)
        renew()
        second = self.wait_for(d, context, path)
        self.assertNotEqual(first, second)
        # A client that takes its time between the files of a pair is waited for, with a warning.
        reloads = json.loads(d.ctl("status", "--json").stdout)["reloads_total"]
        self.assertEqual((reloads["ok"] >= 2, reloads["failed"]), (True, 0))
        # What is no challenge is led to TLS.
        with d.peer(port=d.port2, tls=False) as p:
            r = p.request("/a.txt?x", host=NAME, close=True)
            self.assertEqual((r.status, r.headers["location"]), (308, f"https://{NAME}/a.txt?x"))

    def test_dehydrated(self):
        d, challenges = self.prepare(f"{NAME}/fullchain.pem", f"{NAME}/privkey.pem")
        base = d.dir / "dehydrated"
        base.mkdir()
        with d, Authority(d.port2) as authority:
            (base / "config").write_text(
                f'CA="{authority.url}"\nBASEDIR="{base}"\nCERTDIR="{d.dir}/tls"\n'
                f'WELLKNOWN="{challenges}"\nCHALLENGETYPE="http-01"\nKEY_ALGO="prime256v1"\n'
                f'CURL_OPTS="--cacert {certificates()}/ca.pem"\n'
            )
            client = ["dehydrated", "--config", str(base / "config")]

            def issue():
                self.run_client(*client, "--register", "--accept-terms")
                self.run_client(*client, "--cron", "--domain", NAME)

            self.check(
                d, authority, d.dir / "tls" / NAME / "fullchain.pem", issue,
                lambda: self.run_client(*client, "--cron", "--force", "--domain", NAME),
            )

    @unittest.skipUnless(shutil.which("lego"), "lego is not installed")
    def test_lego(self):
        d, challenges = self.prepare(f"certificates/{NAME}.crt", f"certificates/{NAME}.key")
        with d, Authority(d.port2) as authority:
            client = [
                "lego", "--server", authority.url, "--path", str(d.dir / "tls"), "--accept-tos",
                "--email", "nobody@example.org", "--domains", NAME, "--http",
                "--http.webroot", str(d.dir / "acme"),
            ]
            env = {"LEGO_CA_CERTIFICATES": str(certificates() / "ca.pem")}
            self.check(
                d, authority, d.dir / "tls/certificates" / f"{NAME}.crt",
                lambda: self.run_client(*client, "run", env=env),
                lambda: self.run_client(
                    *client, "renew", "--days", "9999", "--no-random-sleep", env=env
                ),
            )


if __name__ == "__main__":
    unittest.main()

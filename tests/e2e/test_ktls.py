"""tls.ktls: that the log and the status say the truth about this machine, that "auto" serves as
ever, and, where the kernel seals, everything that is different then. `make check-ktls` runs this in
a machine whose kernel has TLS (LATCH_KTLS=1: it must work there)."""
import errno
import json
import os
import re
import socket
import ssl
import subprocess
import unittest
from pathlib import Path

from harness import DEFAULT_CONFIG, PATIENCE, Latchd, TestCase, certificates

AUTO = DEFAULT_CONFIG.replace("@EXTRA@", 'tls = { ktls = "auto"; };\n@EXTRA@')
# Around the edges of records, of what is read and of what is passed to the kernel.
SIZES = (0, 1, 100, 16383, 16384, 16385, 32768, 65535, 65536, 65537, 81920, 200001, 3 << 20)
CIPHERS = (
    ("AES-128-GCM", "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("AES-256-GCM", "TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("ChaCha20-Poly1305", "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
)
EXPECTED = os.environ.get("LATCH_KTLS") == "1"


def content(size):
    """No two records of it are equal."""
    block = b"".join(i.to_bytes(4, "big") for i in range((size >> 2) + 1))
    return block[:size]


def kernel_refuses():
    """What the kernel says to TLS on a connection: 0, or an errno."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as s:
            try:
                s.setsockopt(socket.IPPROTO_TCP, 31, b"tls\0")  # TCP_ULP
            except OSError as e:
                return e.errno
    return 0


def sealed_by_kernel():
    """Sessions that it ever had for sending."""
    path = Path("/proc/net/tls_stat")
    text = path.read_text() if path.exists() else ""
    found = re.search(r"^TlsTxSw\s+(\d+)", text, re.M)
    return int(found.group(1)) if found else 0


def ktls_of(d):
    return json.loads(d.ctl("status", "--json").stdout)["ktls"]


class Truth(TestCase):
    def test_log_and_status_tell_what_the_kernel_says(self):
        refused = kernel_refuses()
        with Latchd(config=AUTO) as d:
            line = d.log.wait(r"tls\.ktls: ")
            facts, table = ktls_of(d), d.ctl("status").stdout
            self.assertTrue(facts["is_wanted"])
            if refused:
                self.assertEqual((facts["works"], facts["ciphers"]), (False, ""))
                self.assertIn("tls.ktls: not used: ", line)
                self.assertIn(f"ktls          not used: {facts['trouble']}\n", table)
            else:
                # OpenSSL could be one without; Debian's is not.
                self.assertTrue(facts["works"], facts)
                self.assertIn("AES-128-GCM", facts["ciphers"])
                self.assertIn(f"tls.ktls: the kernel seals {facts['ciphers']}", line)
                self.assertIn(f"ktls          the kernel seals {facts['ciphers']}", table)
            if refused == errno.ENOENT:
                self.assertIn("CONFIG_TLS", facts["trouble"])
            self.assertEqual(d.ctl("reload").returncode, 0)
            self.assertEqual(len(d.log.find(r"tls\.ktls: ")), 1)

    def test_off_is_the_default_and_says_nothing(self):
        with Latchd() as d:
            self.assertFalse(ktls_of(d)["is_wanted"])
            self.assertNotIn("ktls", d.ctl("status").stdout)
            self.assertEqual(d.log.find("ktls"), [])

    def test_a_reload_turns_it_on_and_off(self):
        with Latchd(files={"a.bin": content(SIZES[-1])}) as d:
            for value in ("auto", "off", "auto"):
                d.write_config(extra=f'tls = {{ ktls = "{value}"; }};')
                self.assertEqual(d.ctl("reload").returncode, 0)
                facts = ktls_of(d)
                self.assertEqual(facts["is_wanted"], value == "auto")
                before = sealed_by_kernel()
                self.assertEqual(d.fetch("/a.bin").body, content(SIZES[-1]))
                self.assertEqual(sealed_by_kernel() - before, int(facts["works"]))


class Served(TestCase):
    """The same whether the kernel seals or not: every kind of response, byte for byte."""

    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=AUTO, files={f"{n}.bin": content(n) for n in SIZES}).start()
        cls.addClassCleanup(cls.d.stop)
        cls.ciphers = ktls_of(cls.d)["ciphers"]

    def fetch_all(self, options, targets):
        """On one connection, in turn; what came, in the order of the targets."""
        folder = self.d.dir / "got"
        folder.mkdir(exist_ok=True)
        args = []
        for i, target in enumerate(targets):
            args += ["-o", str(folder / str(i)), self.d.url(target)]
        before = sealed_by_kernel()
        done = self.d.curl("-w", "%{num_connects} ", *options, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sum(map(int, done.stdout.split())), 1, "not one connection")
        sealed = sealed_by_kernel() - before
        return [(folder / str(i)).read_bytes() for i in range(len(targets))], sealed

    def test_all_sizes_large_and_small_on_one_connection(self):
        order = [n for pair in zip(SIZES, reversed(SIZES)) for n in pair]
        first = CIPHERS[0][0]
        for name, suite, cipher in CIPHERS:
            for version, options in (
                ("1.3", ("--tlsv1.3", "--tls13-ciphers", suite)),
                ("1.2", ("--tls-max", "1.2", "--ciphers", cipher)),
            ):
                for http in ("--http1.1", "--http2") if name == first else ("--http1.1",):
                    with self.subTest(f"{name} {version} {http}"):
                        got, sealed = self.fetch_all(
                            (*options, http), [f"/{n}.bin" for n in order])
                        self.assertEqual([len(g) for g in got], order)
                        self.assertEqual(got, [content(n) for n in order])
                        self.assertEqual(sealed, int(name in self.ciphers))

    def test_ranges(self):
        size = SIZES[-1]
        whole = content(size)
        for first, last in ((0, 0), (0, 65535), (1, 65537), (16384, 200000), (5, size - 1),
                            (size - 100000, size - 1)):
            response = self.d.fetch(f"/{size}.bin", headers={"Range": f"bytes={first}-{last}"})
            self.assertEqual(response.status, 206)
            self.assertEqual(response.body, whole[first:last + 1])

    def test_several_ranges_in_one_response(self):
        size = SIZES[-1]
        whole = content(size)
        ranges = ((0, 99999), (150000, 150001), (200000, size - 7))
        response = self.d.fetch(f"/{size}.bin", headers={
            "Range": "bytes=" + ",".join(f"{a}-{b}" for a, b in ranges)})
        self.assertEqual(response.status, 206)
        boundary = re.search("boundary=(.+)", response.headers["content-type"]).group(1).encode()
        parts = response.body.split(b"\r\n--" + boundary)
        self.assertEqual(len(parts), len(ranges) + 1)
        for part, (first, last) in zip(parts, ranges):
            head, _, body = part.partition(b"\r\n\r\n")
            self.assertIn(f"bytes {first}-{last}/{size}".encode(), head)
            self.assertTrue(body == whole[first:last + 1])

    def read_slowly(self, size):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=str(certificates() / "ca.pem"))
            context.minimum_version = context.maximum_version = version
            context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
            with socket.socket() as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                raw.settimeout(PATIENCE)
                raw.connect(("127.0.0.1", self.d.port))
                # b"" only for close_notify; a FIN before it raises.
                with context.wrap_socket(raw, server_hostname="localhost",
                                         suppress_ragged_eofs=False) as s:
                    s.sendall(f"GET /{size}.bin HTTP/1.1\r\nHost: localhost\r\n"
                              "Connection: close\r\n\r\n".encode())
                    got = b""
                    while chunk := s.recv(3000):
                        got += chunk
            self.assertTrue(got.partition(b"\r\n\r\n")[2] == content(size), len(got))

    def test_a_client_that_reads_slowly_gets_all_and_close_notify(self):
        """More than the kernel's buffers hold, read in small pieces, with an end after it."""
        self.read_slowly(SIZES[-1])

    @unittest.skipUnless(EXPECTED, "changes the machine")
    def test_nothing_is_lost_where_buffers_are_small(self):
        """The kernel takes records for which TCP has no room, and shutdown() would lose them."""
        sysctl = Path("/proc/sys/net/ipv4/tcp_wmem")
        self.addCleanup(sysctl.write_text, sysctl.read_text())
        sysctl.write_text("4096 8192 16384")
        for size in SIZES[-6:-1]:
            with self.subTest(size):
                self.read_slowly(size)

    def test_closures_are_clean(self):
        before = self.d.settled()["closures_total"]
        for size in SIZES:
            self.assertEqual(self.d.fetch(f"/{size}.bin").body, content(size))
        after = self.d.settled()["closures_total"]
        self.assertGreaterEqual(after.pop("clean"), before.pop("clean") + len(SIZES))
        self.assertEqual(after, before)


class Changed(TestCase):
    def test_a_file_that_changes_meanwhile_cuts_the_response(self):
        """Whatever was sent before it was seen, no response is whole with other bytes in it."""
        size = 16 << 20
        for change in ("write", "truncate"):
            with self.subTest(change), Latchd(config=AUTO, files={"a.bin": bytes(size)}) as d:
                with d.peer(rcvbuf=4096) as peer:
                    peer.send(b"GET /a.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    got = peer.read_some()
                    with open(d.www / "a.bin", "r+b") as f:
                        if change == "write":
                            f.seek(size - 100)
                            f.write(b"x" * 100)
                        else:
                            f.truncate(size // 2)
                    while chunk := peer.read_some():
                        got += chunk
                self.assertLess(len(got), size)
                d.log.wait("the response is cut")


class KeyUpdate(TestCase):
    """RFC 8446 section 4.6.3, by openssl s_client."""

    def setUp(self):
        self.d = Latchd(config=AUTO, files={"a.txt": b"found it\n"}).start()
        self.addCleanup(self.d.stop)
        # To a terminal it writes line by line.
        self.terminal, slave = os.openpty()
        self.addCleanup(os.close, self.terminal)
        self.client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.d.port}", "-tls1_3",
             "-servername", "localhost", "-CAfile", str(certificates() / "ca.pem")],
            stdin=subprocess.PIPE, stdout=slave, stderr=slave)
        os.close(slave)
        self.addCleanup(self.client.wait)
        self.addCleanup(self.client.stdin.close)
        self.addCleanup(self.client.kill)
        self.heard = b""
        self.wait_for(b"read R BLOCK")

    def wait_for(self, text):
        while text not in self.heard:
            try:
                self.heard += os.read(self.terminal, 65536)
            except OSError:
                self.fail(f"s_client ended without {text}: {self.heard}")

    def say(self, text):
        os.write(self.client.stdin.fileno(), text)

    def ask(self):
        self.heard = b""
        self.say(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def test_new_keys_of_the_client(self):
        self.say(b"k\n")
        self.wait_for(b"KEYUPDATE")
        self.ask()
        self.wait_for(b"found it")

    def test_new_keys_for_both(self):
        self.say(b"K\n")
        self.wait_for(b"KEYUPDATE")
        self.ask()
        if not ktls_of(self.d)["works"]:
            self.wait_for(b"found it")
            return
        # The kernel cannot: said with an alert, not with records that nobody can read.
        self.wait_for(b"alert internal error")
        self.assertNotIn(b"found it", self.heard)
        self.d.log.wait("asked for new keys, which the kernel .tls.ktls. cannot change")


class Machine(unittest.TestCase):
    @unittest.skipUnless(EXPECTED, "only where the kernel is known to have TLS")
    def test_the_kernel_seals_here(self):
        self.assertEqual(kernel_refuses(), 0)
        with Latchd(config=AUTO) as d:
            facts = ktls_of(d)
            self.assertEqual((facts["works"], facts["trouble"]), (True, ""))
            self.assertEqual(facts["ciphers"], ", ".join(c[0] for c in CIPHERS))


if __name__ == "__main__":
    unittest.main()

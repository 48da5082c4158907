"""Who may connect: PROXY headers from trusted proxies, connections by address, room that idle
connections make, clients that are slower than they may be."""
import os
import select
import signal
import socket
import struct
import unittest

from harness import DEFAULT_CONFIG, Latchd, Peer, TestCase, latchd

V2 = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_CONFIG = """
workers = 1;
@USER@
log = { level = "debug"; target = "stderr";
        access = { target = "@DIR@/access.log"; format = "json"; }; };
control = "@DIR@/control.sock";
@EXTRA@
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; proxy_protocol = true;
                trusted = [ "127.0.0.0/8" ]; },
              { name = "far"; address = "127.0.0.1:@PORT2@"; proxy_protocol = true;
                trusted = [ "192.0.2.0/24" ]; },
              { name = "direct"; address = "unix:@DIR@/direct.sock"; },
              { name = "local"; address = "unix:@DIR@/proxy.sock"; proxy_protocol = true;
                tls = false; } );
sites = ( { names = [ "localhost" ]; default = true; listeners = [ "https", "far", "direct" ];
            certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
            routes = ( { path = "/"; files = { root = "@WWW@"; }; },
                       { path = "/secret/"; files = { root = "@WWW@"; };
                         allow = [ "198.51.100.0/24", "2001:db8::/32" ]; },
                       { path = "/-/status"; status = {}; } ); },
          { names = [ "*" ]; listeners = [ "local" ];
            routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); } );
"""


def v2_block(address, port=4242, command=1):
    is_6 = ":" in address
    family = socket.AF_INET6 if is_6 else socket.AF_INET
    proxy = socket.inet_pton(family, "::1" if is_6 else "10.0.0.1")
    body = socket.inet_pton(family, address) + proxy + struct.pack("!HH", port, 443)
    head = V2 + bytes([0x20 | command, 0x21 if is_6 else 0x11])
    return head + struct.pack("!H", len(body)) + body


class Proxied(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=PROXY_CONFIG, extra='timeouts = { handshake = "1500ms"; };',
                       files={"a.txt": b"A", "secret/s.txt": b"S"})
        cls.d.start()
        cls.addClassCleanup(cls.d.stop)

    def peer(self, header, port=None, pieces=1):
        """A connection that begins with these bytes, then shakes hands."""
        peer = Peer(port or self.d.port, handshake=False)
        self.addCleanup(peer.sock.close)
        step = -(-len(header) // pieces)
        for at in range(0, len(header), step):
            peer.sock.sendall(header[at:at + step])
        return peer

    def client_of(self, target):
        """The client in the access line of a target that is asked for once."""
        def lines():
            return [line for line in (self.d.dir / "access.log").read_text().splitlines()
                    if f'"{target}"' in line]
        peer = Peer(0, unix=str(self.d.dir / "direct.sock"))
        with peer:
            while not lines():
                peer.request("/-/status")
        return lines()[0].split('"client":"')[1].split('"')[0]

    def test_the_header_names_the_client(self):
        for i, (header, client) in enumerate((
                (b"PROXY TCP4 198.51.100.7 10.0.0.1 4242 443\r\n", "198.51.100.7"),
                (b"PROXY TCP6 2001:db8::7 ::1 4242 443\r\n", "2001:db8::7"),
                (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
                (v2_block("198.51.100.8"), "198.51.100.8"),
                (v2_block("2001:db8::8"), "2001:db8::8"),
                (v2_block("198.51.100.8", command=0), "127.0.0.1"))):
            with self.subTest(header):
                peer = self.peer(header).handshake()
                self.assertEqual(peer.request(f"/a.txt?{i}", close=True).body, b"A")
                self.assertEqual(self.client_of(f"/a.txt?{i}"), client)

    def test_routes_judge_the_client_not_the_proxy(self):
        for address, status in (("198.51.100.7", 200), ("203.0.113.7", 403), ("2001:db8::1", 200)):
            peer = self.peer(v2_block(address)).handshake()
            self.assertEqual(peer.request("/secret/s.txt", close=True).status, status, address)

    def test_a_header_in_pieces_leaves_the_handshake_alone(self):
        for header in (b"PROXY TCP4 198.51.100.7 10.0.0.1 4242 443\r\n", v2_block("2001:db8::8")):
            peer = self.peer(header, pieces=len(header)).handshake()
            self.assertEqual(peer.request("/a.txt", close=True).body, b"A")

    def test_curl_speaks_it(self):
        run = self.d.curl("--haproxy-protocol", self.d.url("/a.txt"))
        self.assertEqual((run.returncode, run.stdout), (0, b"A"), run.stderr)

    def test_a_unix_socket_trusts_who_may_open_it(self):
        with Peer(0, unix=str(self.d.dir / "proxy.sock"), tls=False) as peer:
            peer.send(b"PROXY TCP4 198.51.100.9 10.0.0.1 1 2\r\nGET /a.txt?unix HTTP/1.1\r\n"
                      b"Host: x\r\n\r\n")
            self.assertEqual(peer.read_response().body, b"A")
        self.assertEqual(self.client_of("/a.txt?unix"), "198.51.100.9")

    def refused(self, peer, reason):
        self.assertEqual(peer.sock.recv(100), b"")
        self.d.log.wait(reason)

    def test_what_is_no_header_is_refused(self):
        since = self.d.log.mark()
        for header, reason in ((b"GET / HTTP/1.1\r\n\r\n", "no PROXY header"),
                               (b"PROXY TCP4 1.2.3 10.0.0.1 1 2\r\n", "malformed address"),
                               (V2 + b"\x21\x11\xff\xff", "more than 4096 bytes")):
            peer = self.peer(header)
            try:
                self.assertEqual(peer.sock.recv(100), b"")
            except ConnectionResetError:
                pass  # what it sent was not read
            self.d.log.wait(f"{reason} .while reading a PROXY header", since)
        self.assertNotEqual(self.d.curl(self.d.url("/a.txt")).returncode, 0)

    def test_a_proxy_that_is_not_trusted_is_refused(self):
        with Peer(self.d.port2, handshake=False) as peer:
            try:
                self.assertEqual(peer.sock.recv(100), b"")
            except ConnectionResetError:
                pass
        self.d.log.wait("client 127.0.0.1 on far: refused: the listener is for proxies")

    def test_a_header_that_does_not_come_has_a_deadline(self):
        self.refused(self.peer(b"PROXY TCP4 198"), "no PROXY header within timeouts.handshake")


class ByAddress(TestCase):
    CONFIG = DEFAULT_CONFIG.replace("workers = 2;", "workers = 4;").replace(
        'address = "127.0.0.1:@PORT@"', 'address = "*:@PORT@"')

    def test_more_than_its_share_is_closed_whichever_worker_has_it(self):
        with Latchd(config=self.CONFIG, extra="limits = { connections_per_address = 6; };") as d:
            held = [d.peer() for _ in range(6)]
            for _ in range(3):
                with self.assertRaises((ConnectionError, OSError)):
                    d.peer()
            d.log.wait("client 127.0.0.1 on https: refused: its address has limits.connections_per")
            with d.peer(host="::1") as other:
                self.assertEqual(other.request("/").status, 200)
            held.pop().half_close().read_to_end()
            while True:  # its worker hears of that end in its own time
                try:
                    peer = d.peer()
                    break
                except (ConnectionError, OSError):
                    pass
            self.assertEqual(peer.request("/-/status", close=True).status, 200)
            peer.read_to_end()
            for p in held:
                self.assertEqual(p.request("/").status, 200, "those who were there stay")
                p.sock.close()
            d.wait_status(lambda s: s["connections_refused_total"] >= 3)

    def test_a_worker_that_dies_takes_its_counts_along(self):
        with Latchd(config=self.CONFIG, extra="limits = { connections_per_address = 4; };") as d:
            held = [d.peer() for _ in range(4)]
            since = d.log.mark()
            for worker in d.workers():
                os.kill(worker, signal.SIGKILL)
            d.log.wait(r"worker \d+ .*killed", since, count=4)
            for p in held:
                p.read_to_end()
            while True:
                try:
                    again = [d.peer() for _ in range(4)]
                    break
                except (ConnectionError, OSError):
                    pass
            for p in again:
                p.sock.close()


class Room(TestCase):
    CONFIG = DEFAULT_CONFIG.replace("workers = 2;", "workers = 1;")

    def test_idle_connections_make_room(self):
        with Latchd(config=self.CONFIG, extra="limits = { connections = 40; };") as d:
            held = [d.peer() for _ in range(40)]
            for p in held:
                self.assertEqual(p.request("/").status, 200)
            held[0].send(b"GET / HTTP/1.1\r\n")  # this one is in the middle of a request
            for _ in range(20):
                self.assertEqual(d.fetch("/").status, 200)
            held[0].send(b"Host: localhost\r\n\r\n")
            self.assertEqual(held[0].read_response().status, 200)
            oldest = held[1]
            self.assertEqual(oldest.read_to_end(), b"")
            self.assertTrue(oldest.saw_close_notify)
            self.assertEqual(held[-1].request("/").status, 200, "the youngest stays")
            for p in held:
                p.sock.close()


class Rate(TestCase):
    EXTRA = 'limits = { min_rate = "1M"; }; log = { level = "info"; target = "stderr"; };'
    CONFIG = DEFAULT_CONFIG.replace('log = { level = "debug"; target = "stderr"; };', "")

    def test_a_slow_reader_is_cut_a_fast_one_is_not(self):
        with Latchd(config=self.CONFIG, extra=self.EXTRA, files={"big": bytes(32 << 20)}) as d:
            with d.peer(rcvbuf=4096) as slow:
                slow.send_request("/big")
                fast = d.curl("-o", "/dev/null", "-w", "%{size_download}", d.url("/big"))
                self.assertEqual((fast.returncode, fast.stdout), (0, b"%d" % (32 << 20)))
                while slow.read_some():  # some bytes every 50 ms, for ever
                    if d.log.find("is slower than limits.min_rate"):
                        break
                    select.select([], [], [], 0.05)
                d.log.wait("the peer is slower than limits.min_rate")

    def test_a_body_in_drops_is_answered_408(self):
        with Latchd(config=self.CONFIG, extra=self.EXTRA) as d, d.peer(version="1.2") as peer:
            peer.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
            peer.sock.settimeout(0.05)
            while not peer.saw_fin:
                try:
                    peer.send(b"a")
                    if peer._read_more():
                        break
                except TimeoutError:
                    pass
            peer.sock.settimeout(30)
            self.assertEqual(peer.read_response().status, 408)


class Config(TestCase):
    def test_nobody_trusted_is_a_mistake(self):
        d = Latchd(config=DEFAULT_CONFIG.replace('PORT@"; }', 'PORT@"; proxy_protocol = true; }'))
        run = latchd("-t", "-c", d.write_config())
        self.assertEqual(run.returncode, 78)
        self.assertRegex(run.stderr, r"latchd\.conf:\d+: proxy_protocol without trusted")


if __name__ == "__main__":
    unittest.main()

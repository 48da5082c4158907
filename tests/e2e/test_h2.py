"""HTTP/2: clients that we did not write, and a peer frame by frame."""
import json
import select
import struct
import subprocess
import time
import unittest

from h2_peer import (
    CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, H2Peer, HEADERS, INITIAL_WINDOW_SIZE, NO_ERROR,
    PING, PRIORITY_UPDATE, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS,
    STREAM_CLOSED, WINDOW_UPDATE, frame, request, setting,
)
from harness import PATIENCE, Latchd, TestCase

BIG = bytes(range(256)) * 4096  # 1 MiB
TWO = """
workers = 1;
@USER@
log = { level = "debug"; target = "stderr";
        access = { target = "@DIR@/access.log"; format = "json"; }; };
control = "@DIR@/control.sock";
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; },
              { name = "one"; address = "127.0.0.1:@PORT2@"; http2 = false; } );
limits = { body_size = "10K"; };
@EXTRA@
sites = ( { names = [ "localhost" ]; default = true; listeners = [ "https", "one" ];
            certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
            headers = ( { name = "X-Site"; value = "one"; } );
            routes = ( { path = "/"; files = { root = "@WWW@"; }; },
                       { path = "/status"; status = {}; } ); },
          { names = [ "b.example" ];
            certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
            routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); } );
"""


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, check=False, timeout=PATIENCE * 3,
                          errors="replace")


class Clients(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(TWO, files={"a.txt": b"hello\n", "big.bin": BIG}).start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def test_curl(self):
        got = self.d.curl("--http2", "-i", self.d.url("/a.txt"))
        self.assertEqual(got.returncode, 0, got.stderr)
        head, _, body = got.stdout.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/2 200"), head)
        self.assertIn(b"\r\nx-site: one", head)
        self.assertIn(b"\r\ncontent-length: 6", head)
        self.assertEqual(body, b"hello\n")

    def test_curl_chooses_http_1_1(self):
        got = self.d.curl("--http1.1", "-i", self.d.url("/a.txt"))
        self.assertTrue(got.stdout.startswith(b"HTTP/1.1 200"), got.stdout[:80])

    def test_a_listener_without(self):
        got = self.d.curl("--http2", "-i", f"https://localhost:{self.d.port2}/a.txt",)
        self.assertTrue(got.stdout.startswith(b"HTTP/1.1 200"), got.stdout[:80])

    def test_curl_sends_a_body(self):
        got = self.d.curl("--http2", "-w", "%{http_version} %{http_code}", "-o", "/dev/null",
                          "--data-binary", "@-", self.d.url("/a.txt"), input=b"x" * 10240)
        self.assertEqual(got.stdout, b"2 405")
        got = self.d.curl("--http2", "-w", "%{http_version} %{http_code}", "-o", "/dev/null",
                          "-T", "-", self.d.url("/a.txt"), input=b"x" * 1000000)
        self.assertEqual(got.stdout, b"2 413")

    def test_curl_many_at_once(self):
        urls = [part for i in range(40)
                for part in (self.d.url("/big.bin" if i % 8 == 0 else "/a.txt"), "-o",
                             self.d.dir / f"out.{i}")]
        got = self.d.curl("--http2", "--parallel", *urls)
        self.assertEqual(got.returncode, 0, got.stderr)
        for i in range(40):
            expected = BIG if i % 8 == 0 else b"hello\n"
            self.assertEqual((self.d.dir / f"out.{i}").read_bytes(), expected)

    def test_nghttp(self):
        got = run("nghttp", "-nv", self.d.url("/a.txt"))
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertIn(":status: 200", got.stdout)
        self.assertIn("SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100", got.stdout)

    def test_h2load(self):
        got = run("h2load", "-n", "2000", "-c", "4", "-m", "10", self.d.url("/a.txt"))
        self.assertIn("2000 succeeded, 0 failed, 0 errored", got.stdout)
        got = run("h2load", "-n", "40", "-c", "2", "-m", "20", self.d.url("/big.bin"))
        self.assertIn("40 succeeded, 0 failed, 0 errored", got.stdout)
        self.assertIn(f"({40 * len(BIG)}) data", got.stdout)

    def test_tls_1_2(self):
        got = self.d.curl("--http2", "--tls-max", "1.2", "-w", "%{http_version}", "-o",
                          "/dev/null", self.d.url("/a.txt"))
        self.assertEqual(got.stdout, b"2")

    def test_the_access_log(self):
        self.d.curl("--http2", "-A", "look for me", self.d.url("/a.txt?x"), self.d.url("/nope"))
        path = self.d.dir / "access.log"
        lines, deadline = [], time.monotonic() + PATIENCE
        while len(lines) < 2:  # they are written within 100 ms; each request takes some of that
            self.assertLess(time.monotonic(), deadline)
            self.d.fetch("/a.txt")
            lines = [json.loads(line) for line in path.read_text().splitlines()
                     if "look for me" in line]
        first, second = lines
        self.assertEqual((first["protocol"], first["method"], first["target"], first["status"],
                          first["bytes"], first["stream"]),
                         ("HTTP/2.0", "GET", "/a.txt?x", 200, 6, 1))
        self.assertEqual((second["target"], second["status"], second["stream"]), ("/nope", 404, 3))


    def test_a_request_that_was_taken_back_has_no_status(self):
        """A listing is never made in one turn."""
        config = TWO.replace('root = "@WWW@";', 'root = "@WWW@"; listing = true;', 1)
        with Latchd(config, files={"folder/a.txt": b"hello\n"}) as d, H2Peer(d.port) as p:
            p.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/folder/"))
                   + frame(RST_STREAM, 0, 1, struct.pack("!I", CANCEL)))
            lines, number = [], 1
            while not lines:
                number += 2
                self.assertEqual(p.fetch(number, "/a.txt").status, 404)
                lines = [json.loads(line) for line in (d.dir / "access.log").open()
                         if '"/folder/"' in line]
            self.assertEqual((lines[0]["status"], lines[0]["bytes"]), (None, 0))


class Frames(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(TWO, files={"a.txt": b"hello\n", "big.bin": BIG}).start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def h2(self, **options):
        return H2Peer(self.d.port, **options)

    def test_streams_side_by_side(self):
        with self.h2() as p:
            p.send(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, request("/a.txt"))
                            for i in range(50)))
            for i in range(50):
                self.assertEqual(p.wait(2 * i + 1).body, b"hello\n")

    def test_answers_share_records(self):
        """Full records, not one for each frame."""
        with self.h2() as p:
            p.ping()
            before = len(p.records)
            p.fetch(1, "/big.bin")
            many = len(p.records) - before
            self.assertLess(many, 2 * len(BIG) // 16384)

    def test_flow_control(self):
        with self.h2(settings=setting(INITIAL_WINDOW_SIZE, 10)) as p:
            p.auto = False
            p.ask(1, "/big.bin").until(lambda: p.answer(1).body).ping()
            self.assertEqual(len(p.answer(1).body), 10)
            p.frame(WINDOW_UPDATE, 0, 1, struct.pack("!I", 100000))
            p.until(lambda: len(p.answer(1).body) >= 65535)
            p.ping()
            self.assertEqual(len(p.answer(1).body), 65535, "the connection's window is shut")
            p.frame(RST_STREAM, 0, 1, struct.pack("!I", CANCEL))
            p.frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 65535))
            p.frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65535))
            self.assertEqual(p.fetch(3, "/a.txt").body, b"hello\n")

    def test_priorities(self):
        """RFC 9218: what is urgent goes first, though it was asked for last."""
        with self.h2() as p:
            p.auto = False
            ask = lambda stream, u: frame(HEADERS, END_HEADERS | END_STREAM, stream,
                                          request("/big.bin", ("priority", u)))
            p.send(ask(1, "u=7") + ask(3, "u=5") + ask(5, "u=0"))
            p.until(lambda: sum(len(p.answer(s).body) for s in (1, 3, 5)) == 65535)
            self.assertEqual([len(p.answer(s).body) for s in (1, 3, 5)], [0, 0, 65535])
            p.frame(PRIORITY_UPDATE, 0, 0, struct.pack("!I", 1) + b"u=0, i")
            p.frame(PRIORITY_UPDATE, 0, 0, struct.pack("!I", 5) + b"u=6")
            p.frame(WINDOW_UPDATE, 0, 1, struct.pack("!I", 1 << 20))
            p.frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 30000))
            p.until(lambda: len(p.answer(1).body) == 30000)
            self.assertEqual([len(p.answer(s).body) for s in (1, 3, 5)], [30000, 0, 65535])

    def test_incremental_ones_take_turns(self):
        with self.h2() as p:
            p.auto = False
            ask = lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream,
                                       request("/big.bin", ("priority", "u=3, i")))
            p.send(ask(1) + ask(3))
            p.until(lambda: sum(len(p.answer(s).body) for s in (1, 3)) == 65535)
            self.assertGreater(len(p.answer(1).body), 20000)
            self.assertGreater(len(p.answer(3).body), 20000)

    def test_another_sites_name_is_misdirected(self):
        with self.h2() as p:
            self.assertEqual(p.fetch(1, "/a.txt", authority="b.example").status, 421)
            self.assertEqual(p.fetch(3, "/a.txt", authority="localhost:443").status, 200)

    def test_malformed_requests(self):
        """RFC 9113 sections 8.2 and 8.3: stream errors, and the connection goes on."""
        cases = [
            [("Upper", "x")], [("connection", "close")], [("transfer-encoding", "chunked")],
            [("te", "gzip")], [("keep-alive", "1")], [("upgrade", "x")],
            [("proxy-connection", "x")],
            [("x\0y", "z")], [("x", "a\nb")], [("x", "a\0b")], [(":path", "/twice")],
            [("x", "y"), (":late", "z")], [(":unknown", "x")], [("content-length", "5")],
            [("content-length", "x")], [("content-length", "1"), ("content-length", "2")],
        ]
        with self.h2() as p:
            for i, fields in enumerate(cases):
                answer = p.fetch(2 * i + 1, "/a.txt", *fields)
                self.assertTrue(answer.reset == PROTOCOL_ERROR or answer.status == 400,
                                (fields, answer.heads, answer.reset))
            stream = 2 * len(cases) + 1
            for more in ({"method": None}, {"scheme": None}, {"path": None}, {"path": ""},
                         {"path": "a.txt"}, {"authority": ""}, {"authority": "a b"},
                         {"authority": "u@localhost"}, {"scheme": "ftp"}):
                path = more.pop("path", "/a.txt")
                answer = p.fetch(stream, path, **more)
                self.assertTrue(answer.reset == PROTOCOL_ERROR or answer.status == 400,
                                (more, path, answer.heads, answer.reset))
                stream += 2
            self.assertEqual(p.fetch(stream, "/a.txt", ("te", "trailers")).status, 200)

    def test_content_that_is_not_as_long_as_said(self):
        with self.h2() as p:
            p.ask(1, "/a.txt", ("content-length", "5"), end=False, method="POST")
            p.frame(DATA, END_STREAM, 1, b"1234")
            self.assertEqual(p.wait(1).reset, PROTOCOL_ERROR)
            p.ask(3, "/a.txt", ("content-length", "5"), end=False, method="POST")
            p.frame(DATA, 0, 3, b"123456")
            self.assertEqual(p.wait(3).reset, PROTOCOL_ERROR)
            p.ask(5, "/a.txt", ("content-length", "5"), end=False, method="POST")
            p.frame(DATA, END_STREAM, 5, b"12345")
            self.assertEqual(p.wait(5).status, 405)

    def test_a_body_that_is_too_large(self):
        with self.h2() as p:
            p.ask(1, "/a.txt", end=False, method="POST").frame(DATA, 0, 1, b"x" * 10241)
            p.until(lambda: p.answer(1).reset is not None)
            self.assertEqual((p.answer(1).status, p.answer(1).reset), (413, NO_ERROR))
            self.assertTrue(p.answer(1).ended, "the answer is whole before that")
            self.assertEqual(p.fetch(3, "/a.txt").status, 200)

    def test_an_upload_does_not_outlive_its_answer(self):
        """RFC 9113 section 8.1, where the peer takes no byte of the answer."""
        with self.h2(settings=setting(INITIAL_WINDOW_SIZE, 0)) as p:
            p.ask(1, "/a.txt", end=False, method="POST")
            answer, sent, granted = p.answer(1), 0, 65535
            while answer.reset is None:
                if granted - sent >= 8192:
                    p.frame(DATA, 0, 1, b"x" * 8192)
                    sent += 8192
                else:
                    p.next_frame()
                granted = 65535 + sum(struct.unpack("!I", payload)[0] for kind, _, stream, payload
                                      in p.seen if (kind, stream) == (WINDOW_UPDATE, 1))
            self.assertEqual((answer.status, answer.body, answer.reset), (413, b"", CANCEL))
            self.assertLess(sent, 4 * 65536)

    def test_data_of_a_stream_that_has_ended(self):
        """RFC 9113 section 6.1; what we ended ourselves may still have some on its way (5.1)."""
        with self.h2() as p:
            p.ping().fetch(1, "/a.txt")
            p.frame(DATA, 0, 1, b"late").frame(DATA, END_STREAM, 1, b"")
            p.until(lambda: p.answer(1).reset is not None)
            self.assertEqual(p.answer(1).reset, STREAM_CLOSED)
            p.ask(3, end=False, method="POST").frame(RST_STREAM, 0, 3, struct.pack("!I", CANCEL))
            p.frame(DATA, END_STREAM, 3, b"late").until(lambda: p.answer(3).reset is not None)
            self.assertEqual(p.answer(3).reset, STREAM_CLOSED)
            p.ask(5, end=False, method="POST").frame(DATA, 0, 5, b"x" * 10241)
            p.until(lambda: p.answer(5).reset is not None)
            p.frame(DATA, END_STREAM, 5, b"late").ping()
            self.assertEqual(p.answer(5).reset, NO_ERROR, "nothing after that")
            self.assertEqual(p.fetch(7, "/a.txt").status, 200)

    def test_uploads_get_window(self):
        with self.h2() as p:
            for i in range(20):
                stream = 2 * i + 1
                p.ask(stream, "/a.txt", end=False, method="POST")
                p.frame(DATA, END_STREAM, stream, b"x" * 10000)
                self.assertEqual(p.wait(stream).status, 405)

    def test_heads_that_are_too_large(self):
        with self.h2() as p:
            self.assertEqual(p.fetch(1, "/", ("a", "x" * 16000), ("b", "x" * 900)).status, 431)
            self.assertEqual(p.fetch(3, "/", *[(f"x-{i}", "y") for i in range(101)]).status, 431)
            self.assertEqual(p.fetch(5, "/a.txt").status, 200)

    def test_no_more_streams_than_allowed(self):
        """RFC 9113 section 5.1.2: refused before we know that the peer knows; afterwards an error,
        which may be one of the connection (section 5.4.1)."""
        for knows in (False, True):
            with self.h2() as p:
                p.auto = knows
                p.ping()
                for i in range(101):
                    p.ask(2 * i + 1, "/a.txt", end=False, method="POST")
                if knows:
                    self.assertEqual(p.to_end(), PROTOCOL_ERROR)
                    continue
                self.assertEqual(p.wait(201).reset, REFUSED_STREAM)
                p.frame(DATA, END_STREAM, 1, b"")
                self.assertEqual(p.wait(1).status, 405)
                self.assertEqual(p.fetch(203, "/a.txt").status, 200)

    def test_trailers_end_a_request(self):
        with self.h2() as p:
            p.ask(1, "/a.txt", end=False, method="POST").frame(DATA, 0, 1, b"12345")
            p.frame(HEADERS, END_HEADERS | END_STREAM, 1, request(method=None, scheme=None,
                    authority=None, path=None) + b"\x00\x01x\x01y")
            self.assertEqual(p.wait(1).status, 405)

    def test_errors_of_the_connection(self):
        for bad in (frame(DATA, 0, 0, b"x"), frame(SETTINGS, 0, 1), frame(PING, 0, 0, b"short"),
                    frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"),
                    frame(HEADERS, END_HEADERS, 2, request()),
                    frame(HEADERS, 0, 1, request()) + frame(PING, 0, 0, b"12345678"),
                    frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
                    frame(DATA, 0, 1, b"x" * 16385)):
            with self.h2() as p:
                p.send(bad)
                self.assertNotIn(p.to_end(), (None, NO_ERROR), bad[:12])
                self.assertTrue(p.saw_close_notify)

    def test_what_is_no_preface(self):
        with self.h2(preface=False) as p:
            p.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(p.to_end(), PROTOCOL_ERROR)

    def test_the_peers_goaway(self):
        with self.h2() as p:
            p.ask(1, "/a.txt").frame(GOAWAY, 0, 0, b"\0" * 8)
            self.assertEqual(p.wait(1).body, b"hello\n")
            p.to_end()
            self.assertTrue(p.saw_close_notify)


class Ends(TestCase):
    def test_idle_connections_are_told(self):
        with Latchd(TWO, 'timeouts = { idle = "1s"; };', {"a.txt": b"hello\n"}) as d:
            with H2Peer(d.port) as p:
                p.fetch(1, "/a.txt")
                self.assertEqual(p.to_end(), NO_ERROR)
                self.assertEqual(p.goaway_last, 1)
                self.assertTrue(p.saw_close_notify)

    def test_a_connection_without_a_word(self):
        with Latchd(TWO, 'timeouts = { idle = "1s"; };') as d:
            with H2Peer(d.port, preface=False) as p:
                p.to_end()
                self.assertTrue(p.saw_close_notify)

    def test_a_head_that_drips(self):
        with Latchd(TWO, 'timeouts = { header = "1s"; };') as d:
            with H2Peer(d.port) as p:
                p.ping().send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request())[:20])
                p.to_end()
                self.assertTrue(p.saw_close_notify)
                self.assertEqual(p.answers, {})

    def test_a_body_that_does_not_come(self):
        with Latchd(TWO, 'timeouts = { body = "300ms"; };') as d:
            with H2Peer(d.port) as p:
                self.assertEqual(p.fetch(1, "/", end=False, method="POST").status, 408)
                self.assertEqual(p.fetch(3, "/").status, 200)

    def test_a_window_that_stays_shut(self):
        with Latchd(TWO, 'timeouts = { write = "1s"; };', {"a.txt": b"hello\n"}) as d:
            with H2Peer(d.port, settings=setting(INITIAL_WINDOW_SIZE, 0)) as p:
                answer = p.fetch(1, "/a.txt")
                self.assertEqual((answer.status, answer.reset), (200, CANCEL))
                p.frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 100))
                self.assertEqual(p.fetch(3, "/a.txt").body, b"hello\n")

    def test_requests_between_excuse_no_slow_one(self):
        """limits.min_rate: a body in drops, and a response that is taken byte by byte, beside
        others."""
        extra = 'limits = { min_rate = "10M"; };'
        with Latchd(extra=extra, files={"big.bin": BIG}) as d, H2Peer(d.port) as slow:
            slow.ask(1, method="POST", end=False)
            stuck = H2Peer(d.port, settings=setting(INITIAL_WINDOW_SIZE, 1))
            stuck.auto = False  # as fast as it can would be a flood
            stuck.ask(1, "/big.bin")
            number, is_cut = 1, False
            while not (slow.answer(1).ended and is_cut):
                number += 2
                if not slow.answer(1).ended:
                    slow.frame(DATA, 0, 1, b"a").fetch(number, method="HEAD")
                try:
                    if not is_cut:
                        stuck.frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1").fetch(number, method="HEAD")
                except OSError:
                    is_cut = True
                select.select([], [], [], 0.05)
            self.assertEqual(slow.answer(1).status, 408)
            self.assertEqual(slow.fetch(number + 2).status, 200, "the connection stays")
            d.log.wait("the peer is slower than limits.min_rate", count=2)
            stuck.sock.close()

    def test_requests_per_connection(self):
        with Latchd(TWO.replace('"10K"', '"10K"; requests_per_connection = 3'),
                    files={"a.txt": b"hello\n"}) as d:
            with H2Peer(d.port) as p:
                for stream in (1, 3, 5):
                    self.assertEqual(p.fetch(stream, "/a.txt").status, 200)
                self.assertEqual(p.to_end(), NO_ERROR)
                self.assertEqual(p.goaway_last, 5)
                self.assertTrue(p.saw_close_notify)

    def drains(self):
        """False: this client, which must ask within a second of the notice, was too late."""
        with Latchd(TWO, files={"big.bin": BIG, "a.txt": b"hello\n"}) as d:
            with H2Peer(d.port) as p:
                p.auto = False
                p.ask(1, "/big.bin")
                p.until(lambda: len(p.answer(1).body) == 65535)
                d.reload(wait=False)
                p.until(lambda: p.goaway is not None)
                self.assertEqual((p.goaway, p.goaway_last), (NO_ERROR, 0x7FFFFFFF))
                p.frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 100))
                p.ask(3, "/a.txt").until(lambda: p.answer(3).ended or p.goaway_last == 1)
                if p.goaway_last == 1:
                    return False
                self.assertEqual(p.answer(3).body, b"hello\n")
                p.until(lambda: p.goaway_last == 3)
                p.auto = True
                p.frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 1 << 20))
                p.frame(WINDOW_UPDATE, 0, 1, struct.pack("!I", 1 << 20))
                self.assertEqual(p.wait(1).body, BIG)
                p.to_end()
                self.assertTrue(p.saw_close_notify)
        return True

    def test_a_reload_drains(self):
        """Two steps: a notice, then the last stream; what is under way is finished."""
        self.assertTrue(any(self.drains() for _ in range(5)))

    def test_a_reload_under_load_loses_no_request(self):
        with Latchd(TWO, files={"a.txt": b"hello\n"}) as d:
            load = subprocess.Popen(
                ["h2load", "-c", "4", "-m", "4", "-D", "3", d.url("/a.txt")],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            with H2Peer(d.port) as p:
                p.fetch(1, "/a.txt")
                d.reload()
                p.to_end()
                self.assertEqual(p.goaway, NO_ERROR)
            out, _ = load.communicate(timeout=PATIENCE * 3)
            self.assertRegex(out, r"status codes: \d+ 2xx, 0 3xx, 0 4xx, 0 5xx")

    def test_strict_ends(self):
        with Latchd(TWO, 'shutdown = { mode = "strict"; };', {"a.txt": b"hello\n"}) as d:
            with H2Peer(d.port) as p:
                p.fetch(1, "/a.txt")
                p.fin().to_end()
            d.log.wait("closure truncated")


if __name__ == "__main__":
    unittest.main()

"""Bounds: heads, fields, bodies, requests, connections. One client cannot hold up others."""
import unittest

from harness import DEFAULT_CONFIG, Latchd, TestCase

LIMITS = """limits = { header_size = "4K"; header_fields = 20; body_size = "10K";
           requests_per_connection = 5; };"""


class Limits(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(extra=LIMITS, files={"a.txt": b"A"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def status_of(self, text):
        with self.d.peer() as p:
            p.send(text)
            first = p.read_to_end().split(b"\r\n", 1)[0]
            self.assertTrue(p.saw_close_notify)
            p.send_close_notify()
            return first[9:12].decode()

    def request(self, *fields, target="/a.txt"):
        return (
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\n"
            + "".join(f"{f}\r\n" for f in fields)
            + "\r\n"
        )

    def test_a_head_that_is_too_large(self):
        self.assertEqual(self.status_of(self.request("A: " + "x" * 5000)), "431")

    def test_a_target_that_is_too_long(self):
        self.assertEqual(self.status_of(self.request(target="/" + "x" * 5000)), "414")

    def test_too_many_fields(self):
        self.assertEqual(self.status_of(self.request(*[f"X-{i}: y" for i in range(30)])), "431")

    def test_what_just_fits(self):
        for fields in (["A: " + "x" * 3500], [f"X-{i}: y" for i in range(19)]):
            self.assertEqual(
                self.status_of(
                    self.request(*fields, "Connection: close")[:-2] + "\r\n"
                    if len(fields) == 1
                    else self.request(*fields[:-1], "Connection: close")
                ),
                "200",
            )

    def test_a_body_that_is_too_large(self):
        post = "GET /a.txt HTTP/1.1\r\nHost: localhost\r\n"
        self.assertEqual(self.status_of(post + "Content-Length: 10241\r\n\r\n"), "413")
        chunk = "1000\r\n" + "x" * 4096 + "\r\n"
        self.assertEqual(
            self.status_of(post + "Transfer-Encoding: chunked\r\n\r\n" + chunk * 3), "413"
        )
        with self.d.peer() as p:
            self.assertEqual(p.request("/a.txt", body=b"x" * 10240).status, 200)

    def test_requests_on_a_connection(self):
        with self.d.peer() as p:
            answers = [p.request("/a.txt") for _ in range(5)]
            self.assertEqual([r.headers.get("connection") for r in answers], [None] * 4 + ["close"])
            p.read_to_end()
            self.assertTrue(p.saw_close_notify)

    def test_zeros_for_ever(self):
        self.assertIn(self.status_of("\0" * 100000), ("400", "431"))


class Connections(TestCase):
    def test_a_full_worker_lets_others_wait(self):
        with Latchd(
            config=DEFAULT_CONFIG.replace("workers = 2;", "workers = 1;"),
            extra="limits = { connections = 4; };",
            files={"a.txt": b"A"},
        ) as d:
            held = [d.peer() for _ in range(4)]
            for p in held:
                self.assertEqual(p.request("/a.txt").status, 200)
                p.send(b"GET ")  # not idle
            waiting = d.peer(handshake=False)  # in the queue of the kernel
            for p in held:
                p.send(b"/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\nGET ")
                self.assertEqual(p.read_response().status, 200)
            held.pop().half_close()
            waiting.handshake()
            self.assertEqual(waiting.request("/a.txt").status, 200)
            for p in [*held, waiting]:
                p.sock.close()

    def test_a_slow_reader_does_not_hold_up_others(self):
        with Latchd(files={"big": b"x" * (8 << 20), "a.txt": b"A"}) as d:
            slow = [d.peer(rcvbuf=4096) for _ in range(8)]
            for p in slow:
                p.send_request("/big")
            for _ in range(20):
                self.assertEqual(d.fetch("/a.txt").status, 200)
            for p in slow:
                p.reset()


if __name__ == "__main__":
    unittest.main()

"""How connections end: close_notify from us, the peer's five ways, strict and lenient, SIGPIPE."""
import itertools
import signal
import ssl
import unittest

from harness import DEFAULT_CONFIG, Latchd, TestCase, free_port

BIG = b"x" * (8 << 20)  # more than all buffers on the way
CONFIG = DEFAULT_CONFIG.replace(
    'address = "127.0.0.1:@PORT@"; }',
    'address = "127.0.0.1:@PORT@"; shutdown = { mode = "strict"; linger = "300ms"; }; },'
    '{ name = "lenient"; address = "127.0.0.1:@PORT2@"; '
    'shutdown = { mode = "lenient"; linger = "300ms"; }; },'
    '{ name = "asked"; address = "127.0.0.1:@ASKED@"; }',
)
# The first two leave room for a busy machine: every test has to get past them.
SHORT = """timeouts = { handshake = "4s"; header = "4s"; body = "400ms"; idle = "400ms";
             write = "400ms"; };"""
# The log knows peers by their address: one for each whose lines are looked for.
SOURCES = (f"127.0.{n >> 8}.{n & 255}" for n in itertools.count(300) if n & 255)


def asked_apart(**options):
    """A daemon whose status is asked where no short deadline is: the questions are counted, too."""
    port = free_port()
    d = Latchd(config=CONFIG.replace("@ASKED@", str(port)), **options)
    d.status_peer = {"port": port}
    return d.start()


class Both(TestCase):
    """Port 1 is strict, port 2 is lenient."""

    @classmethod
    def setUpClass(cls):
        cls.d = asked_apart(files={"big": BIG, "a.txt": b"A"})

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def each(self):
        return (("strict", self.d.port), ("lenient", self.d.port2))

    def expect_words(self, pattern, source, mark, mode, level):
        """Strict says it once, lenient does not. The line was written before the counter grew, but
        the pipe may still hold it, and those of other peers."""
        pattern = f"client {source} on .*{pattern}"
        if mode == "strict":
            self.d.log.wait(f" {level}: {pattern}", mark)
        self.assertEqual(len(self.d.log.find(pattern, mark)), 1 if mode == "strict" else 0, mode)

    def closures(self):
        return self.d.settled()["closures_total"]

    def expect(self, before, how):
        """The counter of `how` grows by one, and of the bad ones no other does."""
        after = self.d.wait_status(
            lambda s: s["closures_total"][how] == before[how] + 1, f"one more {how} than {before}"
        )["closures_total"]
        for other in ("truncated", "reset", "timeout", "local"):
            if other != how:
                self.assertEqual(after[other], before[other], f"{other} grew with {how}")

    def test_close_notify_is_answered_with_close_notify(self):
        for _, port in self.each():
            with self.d.peer(port=port) as p:
                p.request("/a.txt")
                p.send_close_notify()
                p.read_to_end()
                self.assertTrue(p.saw_close_notify and p.saw_fin and not p.saw_reset)

    def test_a_clean_end_by_either_side(self):
        for _, port in self.each():
            before = self.closures()
            with self.d.peer(port=port) as p:
                p.request("/a.txt", close=True)
                p.read_to_end()
                self.assertTrue(p.saw_close_notify)
                p.send_close_notify()
            after = self.d.wait_status(
                lambda s: s["closures_total"]["clean"] >= before["clean"] + 2
            )["closures_total"]
            self.assertEqual(
                {k: v for k, v in after.items() if k != "clean"},
                {k: v for k, v in before.items() if k != "clean"},
            )

    def test_fin_without_close_notify_after_the_request(self):
        """The whole answer and our close_notify still come; it is counted, and strict says so."""
        for mode, port in self.each():
            before, mark, source = self.closures(), self.d.log.mark(), next(SOURCES)
            with self.d.peer(source=source, port=port) as p:
                p.send_request("/big")
                p.fin()
                self.assertEqual(len(p.read_response().body), len(BIG))
                p.read_to_end()
                self.assertTrue(p.saw_close_notify)
            self.expect(before, "truncated")
            self.expect_words("closure truncated", source, mark, mode, "warning")

    def test_a_reset_in_mid_response(self):
        for mode, port in self.each():
            before, mark, source = self.closures(), self.d.log.mark(), next(SOURCES)
            with self.d.peer(source=source, port=port, rcvbuf=4096) as p:
                p.send_request("/big")
                p.read_some()
                p.reset()
            self.expect(before, "reset")
            self.expect_words("reset", source, mark, mode, "info")

    def test_a_peer_that_never_answers_our_close_notify(self):
        for mode, port in self.each():
            before, mark, source = self.closures(), self.d.log.mark(), next(SOURCES)
            with self.d.peer(source=source, port=port) as p:
                p.request("/a.txt", close=True)
                p.read_to_end()
                self.assertTrue(p.saw_close_notify and p.saw_fin)
                self.expect(before, "timeout" if mode == "strict" else "local")
            self.expect_words("closure timeout", source, mark, mode, "warning")

    def test_fin_instead_of_an_answer_to_our_close_notify(self):
        for _, port in self.each():
            before = self.closures()
            with self.d.peer(port=port) as p:
                p.request("/a.txt", close=True)
                p.read_to_end()
                p.fin()
                self.expect(before, "truncated")

    def test_what_comes_late_does_not_destroy_the_answer(self):
        """Lingering: a peer that still sends while we close reads the whole answer, no RST."""
        for _, port in self.each():
            with self.d.peer(port=port) as p:
                p.send_request("/big", close=True)
                p.send(b"x" * 200000)
                self.assertEqual(len(p.read_response().body), len(BIG))
                p.read_to_end()
                self.assertTrue(p.saw_close_notify)

    def test_a_peer_with_a_small_window_is_served(self):
        for _, port in self.each():
            with self.d.peer(port=port, rcvbuf=4096) as p:
                self.assertEqual(len(p.request("/big").body), len(BIG))

    def test_an_error_ends_with_close_notify(self):
        for _, port in self.each():
            with self.d.peer(port=port) as p:
                p.send("BROKEN\r\n\r\n" + "x" * 50000)
                self.assertIn(b" 400 ", p.read_to_end().split(b"\r\n")[0] + b" ")
                self.assertTrue(p.saw_close_notify)


class Matrix(TestCase):
    """What was said x how it ended x the mode: the answers, the counter, the line. A message cut
    short is never answered as if it were whole."""

    GET = "GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
    POST = "POST /a.txt HTTP/1.1\r\nHost: localhost\r\n"
    SAID = {
        "nothing": "",
        "whole": GET,
        "two": GET + GET,
        "mid-head": GET[:30],
        "mid-second-head": GET + GET[:30],
        "mid-body": POST + "Content-Length: 100\r\n\r\nabc",
        "no-last-chunk": POST + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "mid-chunk": POST + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    }
    # Whole requests in it: so many answers 200 come, and after them nothing, or an error.
    WHOLE = {"whole": 1, "two": 2, "mid-second-head": 1}
    ENDS = {"close_notify": "clean", "fin": "truncated", "reset": "reset", "then-data": "clean"}

    @classmethod
    def setUpClass(cls):
        cls.d = asked_apart(files={"a.txt": b"A"})

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def end(self, p, how):
        if how == "close_notify":
            p.half_close()
        elif how == "fin":
            p.fin()
        elif how == "then-data":
            try:
                p.tls.unwrap()
            except ssl.SSLError:
                pass  # it waits for the answer
            # No TLS library writes after that: a record by hand, behind it at once.
            p.sock.sendall(p.outgoing.read() + b"\x17\x03\x03\x00\x20" + b"x" * 32)
        else:
            p.reset()

    def before_reset(self, p, said, text):
        """A reset takes along what was not read yet: the handshake, or a request that is to be
        answered, has to be over before. What is left to say."""
        whole = self.WHOLE.get(said, 0)
        for _ in range(whole):
            p.request("/a.txt")
        if not whole:
            self.assertTrue(p._pull(), "the ticket, which ends the handshake")
        return text[len(self.GET) * whole:]

    def answers(self, p):
        """Status lines until the end."""
        data = p.read_to_end()
        return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]

    def run_row(self, said, how, mode, port):
        status = self.d.settled()
        before, mark, source = status["closures_total"], self.d.log.mark(), next(SOURCES)
        with self.d.peer(source=source, port=port) as p:
            text = self.SAID[said]
            if how == "reset":
                text = self.before_reset(p, said, text)
            if text:
                p.send(text)
            self.end(p, how)
            if how != "reset":
                got = self.answers(p)
                whole = self.WHOLE.get(said, 0)
                self.assertEqual(got[:whole], [200] * whole)
                self.assertTrue(all(status >= 400 for status in got[whole:]), got)
                self.assertTrue(p.saw_close_notify)
        expected = self.ENDS[how]
        after = self.d.wait_status(
            lambda s: s["closures_total"][expected] > before[expected])["closures_total"]
        for other in ("truncated", "reset", "timeout", "local"):
            self.assertEqual(after[other] - before[other], int(other == expected), other)
        words = {"fin": "closure truncated", "reset": "reset the connection"}.get(how)
        words = words and f"client {source} on .*{words}"
        if words and mode == "strict":
            self.d.log.wait(words, mark)
        elif words:
            self.assertEqual(self.d.log.find(words, mark), [])

    def test_every_row(self):
        for said in self.SAID:
            for how in self.ENDS:
                for mode, port in (("strict", self.d.port), ("lenient", self.d.port2)):
                    with self.subTest(said=said, end=how, mode=mode):
                        self.run_row(said, how, mode, port)


class Deadlines(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = asked_apart(extra=SHORT, files={"big": BIG, "a.txt": b"A"})

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def timeouts(self):
        return self.d.settled()["closures_total"]["timeout"]

    def after_timeout(self, before):
        self.d.wait_status(
            lambda s: s["closures_total"]["timeout"] == before + 1, "one more timeout"
        )

    def test_idle(self):
        for port in (self.d.port, self.d.port2):
            before = self.timeouts()
            with self.d.peer(port=port) as p:
                p.request("/a.txt")
                self.assertEqual(p.read_to_end(), b"")
                self.assertTrue(p.saw_close_notify)
                p.send_close_notify()
            self.after_timeout(before)

    def test_a_head_in_drops(self):
        before = self.timeouts()
        with self.d.peer() as p:
            p.send("GET / HTTP/1.1\r\nHost: local")
            self.assertIn(b" 408 ", p.read_to_end())
            self.assertTrue(p.saw_close_notify)
            p.send_close_notify()
        self.after_timeout(before)

    def test_a_body_that_stops(self):
        with self.d.peer() as p:
            p.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
            self.assertRegex(p.read_to_end(), rb"^HTTP/1.1 (405|408)")
            self.assertTrue(p.saw_close_notify)

    def test_a_handshake_that_stops(self):
        before = self.timeouts()
        with self.d.peer(tls=False) as p:
            p.send(b"\x16\x03\x01")
            p.read_to_end()
            self.assertTrue(p.saw_fin or p.saw_reset)
        self.after_timeout(before)

    def test_a_peer_that_never_reads(self):
        """It neither gets a goodbye that nobody reads nor holds the connection for ever."""
        for port in (self.d.port, self.d.port2):
            before = self.timeouts()
            with self.d.peer(port=port, rcvbuf=4096) as p:
                p.send_request("/big")
                self.after_timeout(before)
                data = p.read_to_end()
                self.assertLess(len(data), len(BIG))
                self.assertFalse(p.saw_close_notify)


class Sigpipe(TestCase):
    """Writing to a connection whose peer is gone, under each of the three policies."""

    def provoke(self, d):
        """The worker writes into a connection that a reset has ended. Whether the first write after
        it sees EPIPE or ECONNRESET is the kernel's business, so it takes a few."""
        for _ in range(10):
            with d.peer(rcvbuf=4096) as p:
                p.send_request("/big")
                p.read_some()
                p.reset()

    def run_with(self, policy):
        return Latchd(extra=f'sigpipe = "{policy}";', files={"big": BIG})

    def pipe_a_worker(self, d):
        """SIGPIPE to one worker, as a write would raise it."""
        import os

        os.kill(d.workers()[0], signal.SIGPIPE)

    def test_ignore(self):
        with self.run_with("ignore") as d:
            workers = d.workers()
            self.provoke(d)
            self.pipe_a_worker(d)
            status = d.wait_status(lambda s: s["closures_total"]["reset"] >= 10)
            self.assertEqual((status["sigpipe_total"], d.workers()), (0, workers))

    def test_log_counts_and_says(self):
        with self.run_with("log") as d:
            workers = d.workers()
            self.pipe_a_worker(d)
            d.wait_status(lambda s: s["sigpipe_total"] >= 1)
            d.log.wait("(?i)sigpipe")
            self.assertEqual(d.workers(), workers)

    def test_default_kills_the_worker_which_comes_back(self):
        with self.run_with("default") as d:
            workers = d.workers()
            self.pipe_a_worker(d)
            d.log.wait("(?i)sigpipe|broken pipe")
            status = d.wait_status(
                lambda s: s["worker_respawns_total"] == 1
                and [w["state"] for w in s["workers"]] == ["serving"] * 2
            )
            self.assertNotEqual(sorted(w["pid"] for w in status["workers"]), workers)


if __name__ == "__main__":
    unittest.main()

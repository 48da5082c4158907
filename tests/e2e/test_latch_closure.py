"""Truncation told apart from a whole message, strict and lenient: CLOSURE in latch(1)."""
import unittest

import harness
from latch_peer import LatchTestCase, answering, server_context, with_length

WHOLE = with_length(b"hello")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"
STRICT = ("--shutdown", "strict")
LENIENT = ("--shutdown", "lenient")
MODES = (LENIENT, STRICT)


class Closure(LatchTestCase):
    def in_both(self, answer, end, code, context=None):
        """The same exit code in both modes, for both TLS versions; the last run."""
        for version in ("1.2", "1.3"):
            for mode in MODES:
                with self.subTest(version=version, mode=mode):
                    run = self.fetch(answering(answer, end), *mode, code=code,
                                     context=context or server_context(version=version))
        return run

    def test_whole_with_close_notify(self):
        for answer in (WHOLE, CHUNKED, UNTIL_CLOSE):
            run = self.in_both(answer, "close_notify", 0)
            self.assertEqual(run.out, b"hello")
            self.assertEqual(run.err, "")

    def test_whole_without_close_notify(self):
        for answer in (WHOLE, CHUNKED):
            for version in ("1.2", "1.3"):
                context = server_context(version=version)
                run = self.fetch(answering(answer, "fin"), *LENIENT, context=context)
                self.assertEqual((run.out, run.err), (b"hello", ""))
                run = self.fetch(answering(answer, "fin"), *STRICT, code=9, context=context)
                self.assertEqual(run.out, b"hello", "what is whole is written in strict, too")
                self.assertIn("whole, but the server closed without close_notify", run.err)

    def test_whole_and_then_reset(self):
        self.fetch(answering(WHOLE, "reset_after_close_notify"), *LENIENT)
        run = self.fetch(answering(WHOLE, "reset_after_close_notify"), *STRICT, code=9)
        self.assertIn("reset", run.err)

    def test_whole_and_then_silence(self):
        """Lenient does not wait for long; strict waits for its timeout, and it is no timeout."""
        self.fetch(answering(WHOLE, "wait_gone"), *LENIENT)
        run = self.fetch(answering(WHOLE, "wait_gone"), *STRICT, "--timeout", "3s", code=9)
        self.assertIn("close_notify did not come in time", run.err)

    def test_an_empty_message_is_a_message(self):
        for answer in (with_length(b""), b"HTTP/1.1 204 No Content\r\n\r\n",
                       b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"):
            self.fetch(answering(answer, "fin"), *LENIENT)
            self.fetch(answering(answer, "fin"), *STRICT, code=9)
            self.in_both(answer, "close_notify", 0)

    def test_until_close_without_close_notify(self):
        run = self.fetch(answering(UNTIL_CLOSE, "fin"), *LENIENT)
        self.assertEqual(run.out, b"hello")
        self.assertIn("latch: warning: https://", run.err)
        self.assertIn("no close_notify came", run.err)
        self.assertIn("5 bytes came", run.err)
        run = self.fetch(answering(UNTIL_CLOSE, "fin"), *STRICT, code=8)
        self.assertEqual(run.out, b"hello")
        self.assertIn("no close_notify came", run.err)
        self.assertNotIn("warning", run.err)

    def test_quiet_leaves_the_warning_out(self):
        run = self.fetch(answering(UNTIL_CLOSE, "fin"), *LENIENT, "-q")
        self.assertEqual(run.err, "")
        run = self.fetch(answering(UNTIL_CLOSE, "fin"), *STRICT, "-q", code=8)
        self.assertNotEqual(run.err, "", "errors are told")

    def test_until_close_and_reset(self):
        for mode in MODES:
            for tls in (True, False):
                code, err = self.fetch_and_reset(UNTIL_CLOSE, b"hello", *mode, tls=tls)
                self.assertEqual(code, 8, err)
                self.assertIn("ends with the connection, and that was reset", err)

    def test_a_length_cut_short(self):
        for end in ("close_notify", "fin"):
            run = self.in_both(WHOLE[:-2], end, 8)
            self.assertIn("3 of 5 bytes came", run.err)
            self.assertEqual(run.out, b"hel")
        for mode in MODES:
            code, err = self.fetch_and_reset(WHOLE[:-2], b"hel", *mode)
            self.assertEqual(code, 8, err)
            self.assertIn("reset inside the content; 3 of 5 bytes came", err)

    def test_a_chunk_cut_short(self):
        for cut in (2, 5, 7, 9, 12, 16):
            for end in ("close_notify", "fin"):
                self.in_both(CHUNKED[:-cut], end, 8)

    def test_a_head_cut_short(self):
        for answer in (b"", b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
                       b"HTTP/1.1 100 Continue\r\n\r\n"):
            for end in ("close_notify", "fin", "reset"):
                self.in_both(answer, end, 8)

    def test_the_file_keeps_what_arrived(self):
        target = harness.scratch() / "out"
        run = self.fetch(answering(WHOLE[:-2], "fin"), "-o", target, code=8)
        self.assertEqual(target.read_bytes(), b"hel")
        self.assertIn(f"{target} keeps the 3 bytes that arrived", run.err)

    def test_verbose_names_the_closure(self):
        for end, word in (("close_notify", "clean"), ("fin", "truncated"),
                          ("reset_after_close_notify", "reset"), ("wait_gone", "local")):
            run = self.fetch(answering(WHOLE, end), "-v")
            self.assertIn(f"* closure {word}: ", run.err)
        run = self.fetch(answering(WHOLE, "wait_gone"), "-v", *STRICT, "--timeout", "3s", code=9)
        self.assertIn("* closure timeout: ", run.err)

    def test_the_client_sends_its_close_notify(self):
        """The server gets a clean end: latch's close_notify, not a bare FIN or RST."""
        for version in ("1.2", "1.3"):
            for mode in MODES:
                seen = []

                def script(connection):
                    connection.read_head()
                    connection.send(WHOLE)
                    try:
                        seen.append(connection.stream.recv(100))
                    except OSError as e:
                        seen.append(e)
                    connection.close_notify()
                self.fetch(script, *mode, context=server_context(version=version))
                self.assertEqual(seen, [b""], "an end of data that ssl calls clean")

    def test_plain_http_knows_no_close_notify(self):
        for mode in MODES:
            for answer in (WHOLE, UNTIL_CLOSE):
                run = self.fetch(answering(answer, "close"), *mode, tls=False)
                self.assertEqual((run.out, run.err), (b"hello", ""))
            self.fetch(answering(WHOLE[:-1], "close"), *mode, tls=False, code=8)


# A record of application data, as a forger without the keys would make it.
FORGED = b"\x17\x03\x03\x00\x20" + b"x" * 32
ENDS = {
    "close_notify": lambda c: c.close_notify(),
    "close_notify, then a forged record": lambda c: c.close_notify_then(FORGED),
    "close_notify, then plain text": lambda c: c.close_notify_then(b"and more"),
    "FIN alone": lambda c: c.fin(),
    "a forged record": lambda c: c.raw(FORGED),
    "reset": lambda c: c.reset(),
    "silence": lambda c: c.wait_gone(),
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
STAGES = {
    "no answer": b"",
    "in the head": HEAD,
    "between two heads": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "in a length": HEAD + b"\r\nhel",
    "in a chunk": CHUNKED[:-12],
    "before the last chunk": CHUNKED[:-5],
    "in the last chunk": CHUNKED[:-2],
    "until close": UNTIL_CLOSE,
    "until close, and nothing came": b"HTTP/1.1 200 OK\r\n\r\n",
    "a whole length": WHOLE,
    "whole chunks": CHUNKED,
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


def expected(stage, end):
    """Exit codes, lenient and strict: the table of CLOSURE in latch(1)."""
    clean = end.startswith("close_notify")
    if stage in ("a whole length", "whole chunks", "no content"):
        return (0, 0) if clean else (0, 9)
    if end == "silence":
        return 11, 11
    if stage.startswith("until close"):
        return (0, 0) if clean else (0, 8) if end == "FIN alone" else (8, 8)
    if stage == "no answer" and end == "a forged record":
        return 5, 5
    return 8, 8


class Endings(LatchTestCase):
    """Every stage of a message by every way to end a connection, by both modes and versions."""

    def judge(self, stage, end, version, mode, code):
        def script(connection):
            connection.read_head()
            if STAGES[stage]:
                connection.send(STAGES[stage])
            if end == "reset" and code in (0, 9):
                return connection.reset_after_close_notify()
            ENDS[end](connection)
        # with room for the handshake of a busy machine, where it must not be the one to time out
        patience = ("--timeout", "300ms" if code == 11 else "3s") if end == "silence" else ()
        run = self.fetch(script, "--shutdown", mode, *patience, code=code,
                         context=server_context(version=version))
        self.assertEqual(run.err == "", code == 0 and not (
            stage.startswith("until close") and end == "FIN alone"), run.err)
        self.assertNotIn(b"more", run.out)

    def run_end(self, end):
        versions = ("1.3",) if end == "silence" else ("1.2", "1.3")
        for stage in STAGES:
            for version in versions:
                for mode, code in zip(("lenient", "strict"), expected(stage, end)):
                    with self.subTest(stage=stage, end=end, version=version, mode=mode):
                        self.judge(stage, end, version, mode, code)


def add_endings():
    for end in ENDS:
        def test(self, end=end):
            self.run_end(end)
        setattr(Endings, "test_" + end.replace(" ", "_").replace(",", ""), test)


add_endings()


if __name__ == "__main__":
    unittest.main()

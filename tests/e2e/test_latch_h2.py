"""latch over HTTP/2: what it asks, how it takes an answer, and how every ending is judged. The
server is scripted frame by frame; latchd, and others in tests/peers, are servers of their own."""
import json
import os
import struct
import unittest

import harness
from h2_peer import (ACK, CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS,
                     INITIAL_WINDOW_SIZE, NO_ERROR, PING, PREFACE, PUSH_PROMISE, REFUSED_STREAM,
                     RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, hpack, setting)
from latch_peer import LatchTestCase, Server, answering, server_context, with_length


def head(*fields, status="200", flags=0):
    return frame(HEADERS, END_HEADERS | flags, 1, block((":status", status), *fields))


def data(content, flags=0):
    return frame(DATA, flags, 1, content)


WHOLE = head(("content-length", "5")) + data(b"hello", END_STREAM)
GOODBYE = frame(GOAWAY, 0, 0, struct.pack("!II", 1, NO_ERROR))


class Requests:
    """Takes one request on a connection: `fields` and `content`, with `frames` as they came."""

    def __init__(self, connection, settings=b"", read_content=True):
        self.connection, self.buffer, self.frames = connection, b"", []
        self.fields, self.content = None, b""
        assert self.take(len(PREFACE)) == PREFACE
        connection.send(frame(SETTINGS, 0, 0, settings))
        while self.fields is None or (read_content and not self.ended):
            self.read_frame()

    def take(self, n):
        while len(self.buffer) < n:
            part = self.connection.stream.recv(65536)
            if not part:
                raise OSError("the client is gone")
            self.buffer += part
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def read_frame(self):
        size, kind, flags, stream = struct.unpack("!IBBI", b"\0" + self.take(9))
        payload = self.take(size)
        self.frames.append((kind, flags, stream, payload))
        if kind == SETTINGS and not flags & ACK:
            self.connection.send(frame(SETTINGS, ACK))
        elif kind == HEADERS:
            self.fields = dict(hpack.Decoder().decode(payload))
            self.ended = bool(flags & END_STREAM)
        elif kind == DATA:
            self.content += payload
            self.ended = bool(flags & END_STREAM)
            for n in (0, stream):
                if payload:
                    self.connection.send(
                        frame(WINDOW_UPDATE, 0, n, struct.pack("!I", len(payload))))
        return kind


def script(answer, end="close_notify", seen=None, **options):
    """Read the request, send the frames, end as told."""
    def run(connection):
        requests = Requests(connection, **options)
        if seen is not None:
            seen.append(requests)
        connection.send(answer)
        getattr(connection, end)()
    return run


class H2TestCase(LatchTestCase):
    def h2(self, answer, *args, end="close_notify", seen=None, version=None, settings=b"",
           read_content=True, **options):
        return self.fetch(
            script(answer, end, seen, settings=settings, read_content=read_content), *args,
            context=server_context(version=version, alpn=("h2", "http/1.1")), **options)


class Choice(H2TestCase):
    def test_what_the_server_prefers_is_spoken(self):
        self.assertEqual(self.h2(WHOLE, "-v").out, b"hello")
        for alpn in (("http/1.1",), ()):
            run = self.fetch(answering(with_length(b"one")), context=server_context(alpn=alpn))
            self.assertEqual(run.out, b"one")

    def test_http1_offers_nothing_else(self):
        context = server_context(alpn=("h2", "http/1.1"))
        run = self.fetch(answering(with_length(b"one")), "--http1", "-v", context=context)
        self.assertIn("ALPN http/1.1", run.err)

    def test_http2_or_nothing(self):
        self.assertEqual(self.h2(WHOLE, "--http2").out, b"hello")
        run = self.fetch(answering(with_length(b"one")), "--http2", code=5,
                         context=server_context(alpn=()))
        self.assertIn("does not speak HTTP/2", run.err)
        run = self.fetch(answering(with_length(b"one")), "--http2", tls=False, code=5)
        self.assertIn("without TLS", run.err)

    def test_latchd(self):
        big = os.urandom(2_000_000)
        with harness.Latchd(files={"big": big}) as d:
            for option, protocol in (("--http2", "HTTP/2"), ("--http1", "HTTP/1.1")):
                run = self.latch(option, "--json", "--shutdown", "strict",
                                 f"https://localhost:{d.port}/big")
                record = json.loads(run.err)
                self.assertEqual((record["protocol"], record["closure"]), (protocol, "clean"))
                self.assertTrue(run.out == big)
            run = self.latch("--http2", "--repeat", "4", f"https://localhost:{d.port}/")
            self.assertIn("resumed 3 of the 3", run.err)


class Asking(H2TestCase):
    def ask(self, *args, **options):
        seen = []
        self.h2(WHOLE, *args, seen=seen, **options)
        return seen[0]

    def test_a_request(self):
        request = self.ask("-H", "X-Test: Yes", "-H", "Host: other.example")
        self.assertEqual(request.fields.pop("user-agent").split("/")[0], "latch")
        self.assertEqual(request.fields, {
            ":method": "GET", ":scheme": "https", ":authority": "other.example", ":path": "/",
            "accept": "*/*", "x-test": "Yes"})
        settings = next(f[3] for f in request.frames if f[0] == SETTINGS)
        self.assertIn(struct.pack("!HI", 2, 0), settings, "no server push")

    def test_content_within_the_windows_of_the_server(self):
        content = os.urandom(500_000)
        file = harness.scratch() / "data"
        file.write_bytes(content)
        request = self.ask("-d", f"@{file}", settings=setting(INITIAL_WINDOW_SIZE, 10_000))
        self.assertTrue(request.content == content)
        self.assertEqual(request.fields["content-length"], "500000")
        self.assertEqual(request.fields[":method"], "POST")

    def test_a_server_that_answers_early_is_heard(self):
        """It gives no window for the rest, and does not want it."""
        file = harness.scratch() / "data"
        file.write_bytes(b"x" * 1_000_000)
        answer = head(status="413") + data(b"enough", END_STREAM) + frame(
            RST_STREAM, 0, 1, struct.pack("!I", NO_ERROR))
        run = self.h2(answer, "-d", f"@{file}", read_content=False, end="wait_gone")
        self.assertEqual(run.out, b"enough")

    def test_goodbye(self):
        seen = []

        def run(connection):
            requests = Requests(connection)
            connection.send(WHOLE)
            try:
                while requests.read_frame() != GOAWAY:
                    pass
                seen.append(requests.frames[-1][3])
            finally:
                connection.close_notify()
        self.fetch(run, context=server_context(alpn=("h2",)))
        self.assertEqual(seen, [struct.pack("!II", 0, NO_ERROR)])


class Answers(H2TestCase):
    def test_a_head_in_lines(self):
        answer = head(("content-length", "5"), ("x-a", "b")) + data(b"hello", END_STREAM)
        self.assertEqual(self.h2(answer, "-i").out,
                         b"HTTP/2 200\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello")
        self.assertEqual(self.h2(head(flags=END_STREAM), "-I").out, b"HTTP/2 200\r\n\r\n")

    def test_interim_answers_and_trailers(self):
        trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, block(("x-end", "yes")))
        run = self.h2(head(status="103") + head() + data(b"hel") + data(b"lo") + trailers, "-v")
        self.assertEqual(run.out, b"hello")
        self.assertIn("< HTTP/2 103", run.err)
        run = self.h2(head(status="103") * 30 + WHOLE, code=10)
        self.assertIn("interim", run.err)

    def test_statuses_and_redirects(self):
        self.h2(head(status="404", flags=END_STREAM), "--fail", code=12)
        with Server(answering(with_length(b"there")), server_context()) as there:
            answer = head(("location", there.url()), status="302", flags=END_STREAM)
            with Server(script(answer), server_context(alpn=("h2",))) as here:
                run = self.latch("-L", "-4", here.url())
                self.assertEqual(run.out, b"there")

    def test_a_large_answer_needs_windows(self):
        content = os.urandom(5_000_000)

        def run(connection):
            requests = Requests(connection)
            connection.send(head())
            window = {0: 65535, 1: 65535}
            for kind, _, n, payload in requests.frames:
                if kind == WINDOW_UPDATE:
                    window[n] += struct.unpack("!I", payload)[0]
                if kind == SETTINGS:
                    for i in range(0, len(payload), 6):
                        key, value = struct.unpack("!HI", payload[i:i + 6])
                        window[1] += value - 65535 if key == INITIAL_WINDOW_SIZE else 0
            sent = 0
            while sent < len(content):
                n = min(16384, window[0], window[1], len(content) - sent)
                if n == 0:
                    requests.read_frame()
                    kind, _, stream, payload = requests.frames[-1]
                    if kind == WINDOW_UPDATE:
                        window[stream] += struct.unpack("!I", payload)[0]
                    continue
                connection.send(data(content[sent:sent + n]))
                sent += n
                window[0], window[1] = window[0] - n, window[1] - n
            connection.send(data(b"", END_STREAM))
            connection.close_notify()
        run_ = self.fetch(run, context=server_context(alpn=("h2",)))
        self.assertTrue(run_.out == content)

    def test_a_ping_is_answered(self):
        def run(connection):
            requests = Requests(connection)
            connection.send(frame(PING, 0, 0, b"12345678"))
            while requests.read_frame() != PING:
                pass
            connection.send(WHOLE)
            connection.close_notify()
        self.fetch(run, context=server_context(alpn=("h2",)))

    def test_what_is_not_http2(self):
        for answer in (b"HTTP/1.1 200 OK\r\n\r\n", frame(DATA, 0, 1, b"x"),
                       frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack("!I", 2)),
                       frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
                       frame(SETTINGS, 0, 0, b"x" * 5), frame(99, 0, 0, b"x" * 20000)):
            run = self.h2(answer, end="wait_gone", code=10)
            self.assertIn("not valid HTTP/2", run.err)

    def test_a_message_that_breaks_the_rules_is_none(self):
        """More content than its length says; a head without a status; a name in capitals."""
        for answer in (head(("content-length", "3")) + data(b"hello", END_STREAM),
                       head(("content-length", "9")) + data(b"hello", END_STREAM),
                       frame(HEADERS, END_HEADERS, 1, block(("a", "b"))),
                       head(("X-Capital", "b"), flags=END_STREAM),
                       head(("connection", "close"), flags=END_STREAM)):
            self.h2(answer, end="wait_gone", code=8)


class Endings(H2TestCase):
    """A stream has its own end; the connection's end is judged besides, as over HTTP/1.1."""

    def judge(self, answer, end, lenient, strict):
        for version in ("1.2", "1.3"):
            for mode, code in (("lenient", lenient), ("strict", strict)):
                patience = () if end != "wait_gone" else (
                    "--timeout", "300ms" if code == 11 else "3s")
                with self.subTest(answer=answer[:60], end=end, mode=mode, version=version):
                    run = self.h2(answer, "--shutdown", mode, *patience, end=end, code=code,
                                  version=version)
        return run

    def test_whole(self):
        for answer in (WHOLE, head() + data(b"hello", END_STREAM), head(flags=END_STREAM),
                       WHOLE + GOODBYE):
            self.judge(answer, "close_notify", 0, 0)
            self.judge(answer, "fin", 0, 9)
        self.judge(WHOLE, "wait_gone", 0, 9)

    def test_cut(self):
        for answer in (b"", head()[:-1], head(status="103"), head() + data(b"hel"),
                       head(("content-length", "5")) + data(b"hel"), WHOLE[:-1],
                       head() + data(b"hel") + GOODBYE):
            for end in ("close_notify", "fin", "reset"):
                self.judge(answer, end, 8, 8)
            self.judge(answer, "wait_gone", 11, 11)
        run = self.judge(head(("content-length", "5")) + data(b"hel"), "fin", 8, 8)
        self.assertIn("3 of 5 bytes came", run.err)

    def test_streams_that_are_reset(self):
        for code, name in ((CANCEL, "CANCEL"), (REFUSED_STREAM, "REFUSED_STREAM"), (99, "unknown")):
            reset = frame(RST_STREAM, 0, 1, struct.pack("!I", code))
            for before in (b"", head() + data(b"hel")):
                run = self.judge(before + reset, "wait_gone", 8, 8)
                self.assertIn(name, run.err)


if __name__ == "__main__":
    unittest.main()

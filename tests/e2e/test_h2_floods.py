"""HTTP/2 peers that make work without asking for anything: each is stopped within 2,000 frames and
8 MiB, by GOAWAY with ENHANCE_YOUR_CALM, counted, logged once, and nobody else notices."""
import os
import re
import struct
import unittest
from pathlib import Path

from h2_peer import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, H2Peer, HEADERS,
    INITIAL_WINDOW_SIZE, PADDED, PING, PRIORITY, PRIORITY_UPDATE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, literal, request, setting,
)
from harness import DEFAULT_CONFIG, Latchd, TestCase

MOST_FRAMES, MOST_BYTES = 2000, 8 << 20
# A sanitizer keeps what is freed for a while.
MOST_MEMORY = MOST_BYTES * (4 if os.environ.get("LATCH_VARIANT") == "asan" else 1)
ONE = DEFAULT_CONFIG.replace("workers = 2", "workers = 1")
GET = request("/a.txt")


def number(n):
    return struct.pack("!I", n)


def streams(make):
    """One group of frames a stream, on and on."""
    for i in range(1, 2 * MOST_FRAMES, 2):
        yield make(i)


def always(*frames):
    while True:
        yield b"".join(frames)


def post(stream, *fields):
    return frame(HEADERS, END_HEADERS, stream, request("/a.txt", *fields, method="POST"))


def begun(first, rest):
    yield first
    yield from rest


# What comes in one group may count as one offence: the resets of a stream with its HEADERS.
FLOODS = {
    "resets (CVE-2023-44487)": lambda: streams(
        lambda i: frame(HEADERS, END_HEADERS | END_STREAM, i, GET)
        + frame(RST_STREAM, 0, i, number(8))),
    "resets of unfinished requests": lambda: streams(
        lambda i: post(i) + frame(RST_STREAM, 0, i, number(8))),
    "made to reset by a window (CVE-2025-8671)": lambda: streams(
        lambda i: post(i) + frame(WINDOW_UPDATE, 0, i, number(0x7FFFFFFF))),
    "made to reset by a length (CVE-2025-8671)": lambda: streams(
        lambda i: post(i, ("content-length", "1")) + frame(DATA, 0, i, b"12")),
    "malformed requests": lambda: streams(
        lambda i: frame(HEADERS, END_HEADERS | END_STREAM, i, request("/", ("connection", "x")))),
    "CONTINUATION": lambda: begun(
        frame(HEADERS, END_STREAM, 1, GET),
        (frame(CONTINUATION, 0, 1, literal(f"x-{i}", "y")) for i in range(MOST_FRAMES))),
    "empty CONTINUATION": lambda: begun(
        frame(HEADERS, END_STREAM, 1, GET), always(frame(CONTINUATION, 0, 1))),
    "SETTINGS": lambda: always(frame(SETTINGS)),
    "SETTINGS of the table's size": lambda: always(
        frame(SETTINGS, 0, 0, setting(1, 0)) + frame(SETTINGS, 0, 0, setting(1, 4096))),
    "entries of SETTINGS": lambda: always(frame(SETTINGS, 0, 0, setting(0xABC, 1) * 500)),
    "PING": lambda: always(frame(PING, 0, 0, b"12345678")),
    "acknowledged PING": lambda: always(frame(PING, 1, 0, b"12345678")),
    "PRIORITY": lambda: streams(lambda i: frame(PRIORITY, 0, i, number(0) + b"\x01")),
    "PRIORITY_UPDATE": lambda: streams(
        lambda i: frame(PRIORITY_UPDATE, 0, 0, number(1) + b"u=1")),
    "WINDOW_UPDATE": lambda: always(frame(WINDOW_UPDATE, 0, 0, number(1))),
    "empty DATA": lambda: begun(post(1), always(frame(DATA, 0, 1))),
    "padding": lambda: begun(post(1), always(frame(DATA, PADDED, 1, b"\x04\0\0\0\0"))),
    "unknown frames": lambda: always(frame(0xAB, 0, 0, b"x" * 100)),
    "GOAWAY": lambda: begun(post(1), always(frame(GOAWAY, 0, 0, number(0) + number(0)))),
    "resets of one stream": lambda: begun(
        frame(HEADERS, END_HEADERS | END_STREAM, 1, GET),
        always(frame(RST_STREAM, 0, 1, number(8)))),
    "a head that unfolds (HPACK)": lambda: begun(
        frame(HEADERS, END_HEADERS | END_STREAM, 1, GET + literal("x", "y" * 3900, index=True)),
        streams(lambda i: frame(HEADERS, END_HEADERS | END_STREAM, i + 2, GET + b"\xbe" * 16000))),
}


class Floods(TestCase):
    def setUp(self):
        """A daemon for each test: lines about clients are rate limited, 20 at a time."""
        self.d = Latchd(ONE, files={"a.txt": b"hello\n", "big.bin": bytes(1 << 20)}).start()

    def tearDown(self):
        self.d.stop()

    def memory(self):
        status = Path(f"/proc/{self.d.workers()[0]}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) << 10

    def flood(self, groups, peer):
        """Sends until the connection ends or the measure is full: how many frames, bytes."""
        frames = sent = 0
        pending = b""
        for group in groups:
            at = 0
            while at < len(group):
                frames += 1
                at += 9 + int.from_bytes(group[at : at + 3], "big")
            pending += group
            if len(pending) < 16000 and frames < MOST_FRAMES:
                continue
            try:
                peer.send(pending)
            except (BrokenPipeError, ConnectionResetError):
                return
            sent, pending = sent + len(pending), b""
            if frames >= MOST_FRAMES or sent >= MOST_BYTES:
                return

    def test_floods_one_by_one(self):
        self.flood_with(list(FLOODS.items())[::2])

    def test_floods_the_other_half(self):
        self.flood_with(list(FLOODS.items())[1::2])

    def flood_with(self, floods):
        for name, groups in floods:
            with self.subTest(flood=name), H2Peer(self.d.port) as p:
                before, mark = self.d.status()["http2_floods_total"], self.d.log.mark()
                memory = self.memory()
                p.auto = False
                self.flood(groups(), p)
                self.assertEqual(p.to_end(), ENHANCE_YOUR_CALM, p.seen[-3:])
                self.d.wait_status(lambda s, n=before: s["http2_floods_total"] == n + 1)
                self.d.log.wait(r"floods the connection|unfolds to a mass", mark)
                self.assertEqual(len(self.d.log.find(r"\] worker 0 info: client", mark)), 1,
                                 self.d.log.lines[mark:])
                self.assertLess(self.memory() - memory, MOST_MEMORY)
                self.assertEqual(self.d.fetch("/a.txt").body, b"hello\n")

    def test_a_window_that_opens_byte_by_byte(self):
        """CVE-2019-9511: a little is paid for, the rest is not."""
        with H2Peer(self.d.port, settings=setting(INITIAL_WINDOW_SIZE, 0)) as p:
            p.auto = False
            p.ask(1, "/big.bin")
            self.flood(always(frame(WINDOW_UPDATE, 0, 1, number(1))), p)
            self.assertEqual(p.to_end(), ENHANCE_YOUR_CALM)

    def test_answers_that_nobody_reads(self):
        """The answers to pings wait in a bounded place, and nothing more is read meanwhile."""
        with H2Peer(self.d.port, rcvbuf=4096) as p:
            p.auto = False
            memory = self.memory()
            for i in range(90):
                p.ask(2 * i + 1, "/big.bin")
                p.frame(WINDOW_UPDATE, 0, 2 * i + 1, number(1 << 20))
                p.frame(WINDOW_UPDATE, 0, 0, number(1 << 20))
            self.assertEqual(self.d.fetch("/a.txt").body, b"hello\n")
            self.assertLess(self.memory() - memory, MOST_MEMORY)

    def test_busy_clients_are_no_flood(self):
        """A page of many small parts, cancelled ones among them, with its window updates."""
        with H2Peer(self.d.port) as p:
            for page in range(30):
                at = 1 + 200 * page
                for i in range(at, at + 200, 2):
                    if i % 20 == 19:
                        p.ask(i, "/big.bin").frame(RST_STREAM, 0, i, number(8))
                    else:
                        p.ask(i, "/a.txt").frame(WINDOW_UPDATE, 0, i, number(1000))
                    p.frame(PRIORITY_UPDATE, 0, 0, number(i) + b"u=2")
                for i in range(at, at + 200, 2):
                    if i % 20 != 19:
                        self.assertEqual(p.wait(i).body, b"hello\n")
                p.ping()
            self.assertIsNone(p.goaway)

    def test_a_large_download_with_small_updates(self):
        with H2Peer(self.d.port) as p:
            for i in range(8):
                self.assertEqual(len(p.fetch(2 * i + 1, "/big.bin").body), 1 << 20)
            self.assertIsNone(p.goaway)


if __name__ == "__main__":
    unittest.main()

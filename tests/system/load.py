#!/usr/bin/env python3
"""Load for the system test: clients that keep their connections, clients that make a new one for
each request, and clients that download slowly, until a file appears; then says what they saw.

Nothing is retried: whoever is refused a connection, or does not get the whole right answer to a
request on one that was accepted, is told, and so is a session that did not resume, and an end
without close_notify; then the exit status is 1. Forgiven are connections whose port is in a file:
those that the test killed. Standard library only.
"""
import argparse
import collections
import hashlib
import random
import select
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

PATIENCE_S = 60  # a bound: a server that lets anybody wait so long has lost him
PAUSE_S = 0.02  # between two requests of a client, at most
LAZY_S = 1.0  # the same of those that are idle for most of their time
DOWNLOAD_S = 1.5
CHUNK = 16384
ENOUGH = 8


class Unanswered(Exception):
    """A request without its answer."""


class Connection:
    """One connection, counted from its first byte."""

    def __init__(self, load, context, session=None, slow=False):
        raw = socket.socket()
        if slow:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * CHUNK)
        raw.settimeout(PATIENCE_S)
        self.begun = time.monotonic()
        raw.connect(("127.0.0.1", load.port))
        self.port = raw.getsockname()[1]
        try:
            self.tls = context.wrap_socket(
                raw, server_hostname=load.host, session=session, suppress_ragged_eofs=False
            )
        except OSError as e:
            raw.close()
            raise Unanswered(f"handshake: {e!r}", self.port) from e

    def ask(self, path, keep):
        """Sends a request; the length of the answer, and whether the connection stays."""
        head = f"GET {path} HTTP/1.1\r\nHost: {self.tls.server_hostname}\r\n"
        try:
            self.tls.sendall((head + ("" if keep else "Connection: close\r\n") + "\r\n").encode())
            self.buffer = b""
            while b"\r\n\r\n" not in self.buffer:
                self.fill()
        except OSError as e:
            raise Unanswered(f"request: {e!r}", self.port) from e
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().lower().split("\r\n")
        fields = dict(f.split(": ", 1) for f in fields)
        if " 200 " not in status + " ":
            raise Unanswered(f"request: {status}", self.port)
        return int(fields["content-length"]), fields.get("connection") != "close"

    def fill(self, size=CHUNK):
        got = self.tls.recv(size)
        if not got:
            raise OSError("the end")
        self.buffer += got

    def content(self, length, pause_s=0.0):
        """The digest of the content."""
        digest = hashlib.sha256()
        try:
            while True:
                digest.update(self.buffer[:length])
                length -= len(self.buffer)
                if length <= 0:
                    return digest.hexdigest()
                self.buffer = b""
                time.sleep(pause_s)
                self.fill()
        except OSError as e:
            raise Unanswered(f"content, {length} bytes before its end: {e!r}", self.port) from e

    def end(self):
        """The server's close_notify and nothing else."""
        try:
            rest = self.tls.recv(1)
        except OSError as e:
            raise Unanswered(f"end: {e!r}", self.port) from e
        finally:
            self.tls.close()
        if rest:
            raise Unanswered("end: more than the answer", self.port)

    def has_ended(self):
        """Did the server end it while nothing was asked?"""
        if not self.tls.pending() and not select.select([self.tls], [], [], 0)[0]:
            return False
        self.tls.settimeout(0)
        try:
            return self.tls.recv(1) == b""
        except ssl.SSLWantReadError:
            return False
        except OSError as e:
            raise Unanswered(f"between requests: {e!r}", self.port) from e
        finally:
            self.tls.settimeout(PATIENCE_S)


class Load:
    def __init__(self, args):
        self.host, self.port, self.ca = args.host, args.port, args.ca
        self.until = args.until
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.lost, self.refused = [], []
        self.longest_s = 0.0
        small, big = Path(args.root, "index.html"), Path(args.root, "big")
        self.small, self.big = (hashlib.sha256(p.read_bytes()).hexdigest() for p in (small, big))
        self.chunks = big.stat().st_size / CHUNK

    def is_over(self):
        """Told so, and there was something of everything."""
        return self.until.exists() and all(
            self.counts[what] >= ENOUGH for what in ("requests", "downloads", "resumed"))

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def count(self, what, begun=None):
        with self.lock:
            self.counts[what] += 1
            if begun is not None:
                self.longest_s = max(self.longest_s, time.monotonic() - begun)

    def whole(self, conn, digest, wanted):
        if digest != wanted:
            raise Unanswered("content: not what the file has", conn.port)

    def one_request(self, conn, keep):
        begun = time.monotonic()
        length, stays = conn.ask("/", keep)
        self.whole(conn, conn.content(length), self.small)
        self.count("requests", begun)
        return stays

    # ---- the kinds of clients: what one does until something is wrong, again and again ----------

    def lazy(self, context):
        self.keep(context, LAZY_S)

    def keep(self, context, pause_s=PAUSE_S):
        conn = Connection(self, context)
        self.count("connections")
        while not self.is_over():
            if conn.has_ended():
                self.count("ended_idle")
                return
            if not self.one_request(conn, True):
                conn.end()
                return
            time.sleep(random.uniform(0, pause_s))
        conn.tls.close()

    def new(self, context, memory={}):
        """`memory`: each thread's last session."""
        me = threading.get_ident()
        conn = Connection(self, context, memory.get(me))
        self.count("connections", conn.begun)
        if memory.get(me):
            self.count("resumed" if conn.tls.session_reused else "not_resumed")
        self.one_request(conn, False)
        memory[me] = conn.tls.session
        conn.end()
        time.sleep(random.uniform(0, PAUSE_S))

    def slow(self, context):
        conn = Connection(self, context, slow=True)
        self.count("connections")
        length, _ = conn.ask("/big", False)
        digest = conn.content(length, DOWNLOAD_S / self.chunks)
        self.whole(conn, digest, self.big)
        self.count("downloads")
        conn.end()

    def client(self, kind):
        context = self.context()
        while not self.is_over():
            try:
                kind(context)
            except Unanswered as e:
                with self.lock:
                    self.lost.append((e.args[1], f"{kind.__name__}: {e.args[0]}"))
            except OSError as e:
                with self.lock:
                    self.refused.append(f"{kind.__name__}: {e!r}")

    def verdict(self, forgiven):
        """Tells; whether all is well."""
        lost = [line for port, line in self.lost if port not in forgiven]
        if self.counts["not_resumed"]:
            lost.append(f"{self.counts['not_resumed']} sessions were not resumed")
        counts = ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))
        print(f"  {counts}; the longest took {self.longest_s * 1000:.0f} ms; "
              f"{len(self.lost) - len(lost) if forgiven else 0} lost with those killed")
        for line in self.refused + lost:
            print(f"  not served: {line}")
        return not lost and not self.refused


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--root", required=True, help="the folder that is served: index.html, big")
    parser.add_argument("--until", type=Path, required=True, help="ends when this is there")
    parser.add_argument("--forgiven", type=Path, required=True, help="ports, one a line")
    for kind, n in (("keep", 4), ("lazy", 4), ("new", 3), ("slow", 4)):
        parser.add_argument(f"--{kind}", type=int, default=n)
    args = parser.parse_args()
    load = Load(args)
    clients = [
        threading.Thread(target=load.client, args=(getattr(load, kind),))
        for kind in ("keep", "lazy", "new", "slow")
        for _ in range(getattr(args, kind))
    ]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    return 0 if load.verdict({int(port) for port in args.forgiven.read_text().split()}) else 1


sys.exit(main())

"""A handler cannot tell which protocol it serves: the same requests over HTTP/1.1 and HTTP/2 get
the same status, fields and bytes."""
import itertools
import re
import unittest

from conditions import CONDITIONS, RANGES, age, words
from h2_peer import DATA, END_STREAM, H2Peer
from harness import Latchd, TestCase

CONFIG = """
workers = 1;
@USER@
log = { level = "error"; target = "stderr"; };
control = "";
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; } );
limits = { body_size = "1K"; };
sites = ( { names = [ "localhost" ]; default = true;
            certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
            headers = ( { name = "X-Site"; value = "yes"; } );
            routes = ( { path = "/"; files = { root = "@WWW@"; compress = true;
                                                precompressed = true; }; },
                       { path = "/old"; redirect = { to = "https://$host/new$path$query"; }; },
                       { path = "/closed/"; files = { root = "@WWW@"; };
                         deny = [ "127.0.0.1" ]; } ); },
          { names = [ "b.example" ];
            certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
            routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); } );
"""
FILES = {"a.txt": b"hello, world\n", "empty.txt": b"", "big.bin": bytes(range(256)) * 1000,
         "dir/index.html": b"<p>in a folder", "a b.txt": b"blank", ".hidden": b"no",
         "no-index/x": b"x", "page.html": b"<p>page", "page.html.gz": b"packed",
         "large.txt": b"a line of a text\n" * 30000}
PATHS = ["/", "/a.txt", "/a.txt?x=y&z", "/big.bin", "/empty.txt", "/dir", "/dir/", "/dir?q",
         "/no-index/", "/nope", "/a%20b.txt", "/%61.txt", "/./a.txt", "/x/../a.txt", "/../a.txt",
         "//a.txt", "/a.txt/", "/%zz", "/%00", "/%2fa.txt", "/.hidden", "/old", "/old/x?y=%20",
         "/closed/x", "/page.html", "/large.txt"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW", "get"]
FIELDS = [
    [("Range", "bytes=0-4")], [("Range", "bytes=5-")], [("Range", "bytes=-3")],
    [("Range", "bytes=99999999-")], [("Range", "bytes=0-1,3-4")], [("Range", "lines=1-2")],
    [("Range", "bytes=x")], [("If-None-Match", "*")], [("If-None-Match", '"other"')],
    [("If-Match", "*")], [("If-Match", '"other"')],
    [("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")],
    [("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")],
    [("Range", "bytes=0-4"), ("If-Range", '"other"')], [("Accept-Encoding", "gzip, br")],
    [("Expect", "100-continue")], [("Expect", "something")],
]
# Those of the connection, and the clock's.
APART = ("date", "connection", "keep-alive", "transfer-encoding")


def requests(etag):
    for method, path in itertools.product(METHODS, PATHS):
        yield method, path, [], "localhost", b""
    for path, fields in itertools.product(PATHS[:10] + PATHS[-2:], FIELDS):
        yield "GET", path, fields, "localhost", b""
    for path, fields in itertools.product(PATHS[1:4], FIELDS):
        yield "HEAD", path, fields, "localhost", b""
    for method, lines in itertools.product(("GET", "HEAD"), CONDITIONS):
        fields = [tuple(line.format(**words(etag)).split(": ", 1)) for line in lines]
        yield method, "/a.txt", fields, "localhost", b""
    for value in RANGES:
        yield "GET", "/a.txt", [("Range", value)], "localhost", b""
    for host in ("LOCALHOST", "localhost:443", "b.example", "unknown.example", "a..b", "", "u@x"):
        yield "GET", "/a.txt", [], host, b""
    for method, body in itertools.product(("POST", "GET"), (b"x" * 1024, b"x" * 1025)):
        yield method, "/a.txt", [("Content-Length", str(len(body)))], "localhost", body


def plain(status, fields, body):
    """What must be the same: without a boundary made by chance."""
    fields = sorted(f for f in fields if f[0] not in APART)
    chance = re.search(r"boundary=(\w+)", dict(fields).get("content-type", ""))
    if chance:
        fields = [(n, v.replace(chance.group(1), "B")) for n, v in fields]
        body = body.replace(chance.group(1).encode(), b"B")
    return status, fields, body


class Matrix(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(CONFIG, files=FILES)
        age(cls.d.www)
        cls.d.start()
        cls.one = cls.two = None
        cls.stream = 1

    @classmethod
    def tearDownClass(cls):
        for p in filter(None, (cls.one, cls.two)):
            p.__exit__()
        cls.d.stop()

    def over_1(self, method, path, fields, host, body):
        if self.one is None:
            type(self).one = self.d.peer()
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
        self.one.send((head + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n").encode() + body)
        got = self.one.read_response(method)
        while got.status == 100:
            got = self.one.read_response(method)
        lines = [(n.lower(), v) for n, v in got.headers.items()]
        if ("connection", "close") in lines:
            self.one.__exit__()
            type(self).one = None
        return plain(got.status, lines, got.body)

    def over_2(self, method, path, fields, host, body):
        if self.two is None:
            type(self).two = H2Peer(self.d.port)
        stream, type(self).stream = self.stream, self.stream + 2
        self.two.ask(stream, path, *[(n.lower(), v) for n, v in fields], method=method,
                     authority=host, end=not body)
        if body:
            self.two.frame(DATA, END_STREAM, stream, body)
        got = self.two.wait(stream)
        if got.reset is not None and not got.heads:
            return 400, None, None  # RFC 9113 section 8.1.1: malformed is a stream error
        return plain(got.status, got.heads[-1][1:], got.body)

    def test_the_same(self):
        count, etag = 0, self.d.fetch("/a.txt").headers["etag"]
        for request in requests(etag):
            with self.subTest(request=request[:4]):
                one, two = self.over_1(*request), self.over_2(*request)
                if two[1] is None:
                    one = one[0], None, None
                self.assertEqual(one, two)
            count += 1
        self.assertGreaterEqual(count, 600)


if __name__ == "__main__":
    unittest.main()

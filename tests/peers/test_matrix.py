"""The same requests to latchd and to Debian's nginx and Apache, over one tree: the same status, and
the same fields and bytes. Where one of them differs from latchd, DIFFERENT names the section that
leaves the choice, or that it breaks. Run by `make check-peers`."""
import re
import unittest
from types import SimpleNamespace

import harness
from conditions import CONDITIONS, RANGES, age, words
from test_check import Peer

LATCHD = """
workers = 1;
@USER@
log = { level = "error"; target = "stderr"; };
control = "";
listeners = ( { name = "http"; address = "127.0.0.1:@PORT@"; tls = false; } );
sites = ( { names = [ "*" ]; listeners = [ "http" ];
            routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); } );
"""
NGINX = """
daemon off; worker_processes 1; pid @DIR@/pid; error_log stderr;
events { worker_connections 100; }
http { access_log off; client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p;
    fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
    server { listen 127.0.0.1:@PORT@; root @WWW@; } }
"""
APACHE = """
ServerRoot @DIR@
PidFile @DIR@/pid
ErrorLog /dev/stderr
ServerName localhost
Mutex file:@DIR@
User nobody
Group nogroup
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
DocumentRoot @WWW@
Listen 127.0.0.1:@PORT@
FileETag MTime Size
"""
FILES = {"a.txt": b"hello, world\n", "one": b"1", "empty": b"", "big.bin": bytes(range(256)) * 400,
         "dir/index.html": b"<p>in a folder", "a b": b"blank"}
MALFORMED = {
    "no version": "GET /a.txt\r\nHost: x\r\n\r\n", "no Host": "GET /a.txt HTTP/1.1\r\n\r\n",
    "two Hosts": "GET /a.txt HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a bad Host": "GET /a.txt HTTP/1.1\r\nHost: a b\r\n\r\n",
    "blank before the colon": "GET /a.txt HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    "a folded line": "GET /a.txt HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a blank first": "GET /a.txt HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n",
    "a bare CR": "GET /a.txt HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "NUL": "GET /a.txt HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "no colon": "GET /a.txt HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
    "no name": "GET /a.txt HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
    "a blank in the target": "GET /a .txt HTTP/1.1\r\nHost: x\r\n\r\n",
    "a relative target": "GET a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bad escape": "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "an encoded NUL": "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "above the root": "GET /../a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bad method": "G@T /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": "POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
                   "\r\nx",
    "a bad length": "POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
    "both framings": "POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": "POST /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, x\r\n\r\n",
    "a coding in HTTP/1.0": "POST /a.txt HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "0\r\n\r\n",
    "a bad chunk": "POST /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "x\r\n",
}
HEAD_RANGE = (r"^HEAD .*Range: ", "9110 14.2 breaks", "Range is defined for GET alone: ignored")
BOTH_DATES = (r"(If-Unmodified-Since: .* If-Match|If-None-Match: .* If-Modified-Since)",
              "9110 13.1.3, 13.1.4 breaks", "that on the ETag stands for that on the date")
NO_VERSION = (r"^no version$", "9112 2.2 choice", "an answer of HTTP/0.9, which has no head")
EMPTY = (r"/empty Range: ", "9110 14.2 choice", "a server may ignore Range")
# What differs by server: the requests, the section and whether it leaves the choice or is broken by
# that server, and what it says, or what the other does.
DIFFERENT = {
    "nginx": [
        HEAD_RANGE, BOTH_DATES, NO_VERSION, EMPTY,
        (r"(a.txt|big.bin) Range: bytes=(2-1|x-1|-|0-1-2|\+1-2)$", "9110 14.2 choice",
         "a server may ignore what is no range, or refuse it"),
        (r"Range: bytes=0-18446744073709551616$", "9110 14.1.2 breaks",
         "a last position behind the end is the end, however large it is"),
        (r"If-Modified-Since: {new}$", "9110 13.1.3 breaks",
         "304 for a date that is later than the file's, too"),
        (r"If-Unmodified-Since: yesterday$", "9110 13.1.4 breaks", "what is no date is ignored"),
        (r"^(POST|PUT|DELETE|PATCH|TRACE) ", "9110 15.5.6 breaks", "405 has Allow"),
        (r"^(BREW|get) ", "9110 9.1 choice", "a method that is not known should be answered 501"),
        (r"^no colon$", "9112 2.2 choice", "what is no message should be answered 400"),
        (r"^chunked not last$", "9112 6.3 breaks", "400"),
    ],
    "apache2": [
        HEAD_RANGE, BOTH_DATES, NO_VERSION, EMPTY,
        (r"^HEAD /empty $", "9110 8.6 choice", "an answer to HEAD needs no Content-Length"),
        (r"Range: bytes=(13|99999999)-", "9110 15.5.17 choice", "416 should have Content-Range"),
        (r"Range: bytes=(-0|\d+-\d{20}|\d{20}-)$", "9110 14.2 choice", "a server may ignore Range"),
        (r"^(POST|TRACE) ", "9110 9.1 choice", "what a resource allows is the server's business"),
        (r"^a folded line$", "9112 5.2 choice", "refused, or blanks in place of the fold"),
        (r"^both framings$", "9112 6.1 choice", "refused, or the coding counts"),
        (r"^a coding in HTTP/1.0$", "9112 6.1 breaks", "the framing is faulty"),
    ],
}


def requests():
    """(name, bytes) of each."""
    def one(method, path, *lines):
        head = "".join(f"{line}\r\n" for line in ("Host: localhost", *lines))
        return f"{method} {path} {' '.join(lines)}", f"{method} {path} HTTP/1.1\r\n{head}\r\n"

    for method in ("GET", "HEAD"):
        for path in ("/a.txt", "/one", "/empty", "/big.bin", "/dir/", "/a%20b", "/%61.txt",
                     "/./a.txt", "/x/../a.txt", "/none", "/a.txt?x=y", "/dir/none", "/a.txt/none",
                     "http://localhost/a.txt"):
            yield one(method, path)
    for path in ("/a.txt", "/big.bin", "/empty"):
        for value in RANGES:
            yield one("GET", path, f"Range: {value}")
    for value in RANGES[:3]:
        yield one("HEAD", "/a.txt", f"Range: {value}")
    for method in ("GET", "HEAD"):
        for lines in CONDITIONS:
            yield one(method, "/a.txt", *lines)
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"):
        yield one(method, "/a.txt", "Content-Length: 0")
    yield from MALFORMED.items()


class Matrix(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = harness.Latchd(LATCHD, files=FILES)
        age(cls.d.www)
        cls.d.start(wait=True)
        cls.addClassCleanup(cls.d.stop)

    def ask(self, port, raw):
        with harness.Peer(port, tls=False) as peer:
            etag = peer.request("/a.txt", host="localhost").headers["etag"]
            peer.send(raw if "{" not in raw else raw.format(**words(etag)))
            try:
                got = peer.read_response(raw.split(" ", 1)[0])
            except harness.Truncated:
                return None
            return got

    def facts(self, name, got):
        """What the RFCs decide of it."""
        if got is None:
            return "closed without an answer"
        if name in MALFORMED:
            return f"{got.status // 100}xx"
        facts = {"status": got.status, "date": "date" in got.headers}
        if got.status in (200, 206, 304):
            facts["etag"] = "etag" in got.headers
        if got.status in (200, 206):
            for field in ("last-modified", "content-range"):
                facts[field] = got.headers.get(field)
            if not got.headers.get("content-type", "").startswith("multipart/"):
                facts["length"], facts["body"] = got.headers.get("content-length"), got.body
        if got.status == 416:
            facts["content-range"] = got.headers.get("content-range")
        if got.status == 405:
            facts["allow"] = "allow" in got.headers
        return facts

    def compare(self, program, config, command):
        stand_in = SimpleNamespace(
            assertIsNotNone=self.assertIsNotNone, backend=SimpleNamespace(port=0),
            pki=SimpleNamespace(path=lambda name: name))
        rows, used, same = DIFFERENT[program], set(), 0
        with Peer(stand_in, program, config.replace("@WWW@", str(self.d.www)), command) as peer:
            for name, raw in requests():
                ours = self.facts(name, self.ask(self.d.port, raw))
                theirs = self.facts(name, self.ask(peer.port, raw))
                matching = {i for i, row in enumerate(rows) if re.search(row[0], name)}
                used |= matching if ours != theirs else set()
                same += ours == theirs
                if not matching:
                    with self.subTest(program=program, request=name):
                        self.assertEqual(ours, theirs)
        self.assertEqual(used, set(range(len(rows))), "rows of what does not differ")
        self.assertGreater(same, 150)

    def test_nginx(self):
        self.compare("nginx", NGINX, lambda p: ["-c", p.config, "-p", p.dir, "-e", "stderr"])

    def test_apache(self):
        self.compare("apache2", APACHE, lambda p: ["-f", p.config, "-DFOREGROUND"])


if __name__ == "__main__":
    unittest.main()

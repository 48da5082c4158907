"""HTTP/1.1 on the wire: what is refused and how the connection ends then, what is kept alive,
request bodies that nobody wants, and the deadlines."""
import select
import socket
import ssl
import unittest

from harness import DEFAULT_CONFIG, Latchd, Peer, TestCase

REDIRECT = '{ path = "/go/"; redirect = { to = "https://$host/gone$path"; status = 307; }; },'
CONFIG = DEFAULT_CONFIG.replace("routes = (", "routes = ( " + REDIRECT, 1)
LIMITS = 'limits = { header_size = "4K"; header_fields = 20; body_size = "1K"; };'
HOST = b"Host: localhost\r\n"


class Shared(TestCase):
    """One daemon for the tests of a class."""
    extra = LIMITS
    config = CONFIG

    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=cls.config, extra=cls.extra)
        cls.d.put("b.txt", b"B")
        cls.d.start()
        cls.addClassCleanup(cls.end)

    @classmethod
    def end(cls):
        cls.d.stop()

    def exchange(self, raw):
        """Sends the bytes on a connection of their own; the response, and the peer at its end."""
        peer = self.d.peer()
        self.addCleanup(peer.sock.close)
        peer.send(raw)
        return peer.read_response(), peer

    def refused(self, raw, status, name=""):
        """The status, and then the end: close_notify before FIN, no RST, and nothing more."""
        response, peer = self.exchange(raw)
        self.assertEqual(response.status, status, f"{name}: {raw[:120]!r}")
        self.assertEqual(response.headers.get("connection"), "close", name)
        self.assertIn(b"<h1>%d " % status, response.body, name)
        self.assertEqual(peer.read_to_end(), b"", name)
        self.assertTrue(peer.saw_close_notify, f"{name}: no close_notify")
        self.assertTrue(peer.saw_fin, f"{name}: no FIN")
        self.assertFalse(peer.saw_reset, name)
        self.assertIsNone(peer.alert, name)


class Malformed(Shared):
    def test_request_lines(self):
        for name, raw, status in (
                ("bare CR", b"GET / HTTP/1.1\rX: y\r\n" + HOST, 400),
                ("CR in the target", b"GET /a\rb HTTP/1.1\r\n" + HOST, 400),
                ("bare LF", b"GET / HTTP/1.1\n" + HOST, 400),
                ("NUL in the target", b"GET /\0 HTTP/1.1\r\n" + HOST, 400),
                ("two blanks", b"GET  / HTTP/1.1\r\n" + HOST, 400),
                ("a tab", b"GET\t/ HTTP/1.1\r\n" + HOST, 400),
                ("a blank in front", b" GET / HTTP/1.1\r\n" + HOST, 400),
                ("no version", b"GET /\r\n" + HOST, 400),
                ("lower case version", b"GET / http/1.1\r\n" + HOST, 400),
                ("a longer version", b"GET / HTTP/1.11\r\n" + HOST, 400),
                ("HTTP/2", b"GET / HTTP/2.0\r\n" + HOST, 505),
                ("HTTP/0.9", b"GET / HTTP/0.9\r\n" + HOST, 505),
                ("method is no token", b"G@T / HTTP/1.1\r\n" + HOST, 400),
                ("bytes over 127", "GET /ä HTTP/1.1\r\n".encode() + HOST, 400),
                ("a fragment", b"GET /#x HTTP/1.1\r\n" + HOST, 400),
                ("a relative target", b"GET x HTTP/1.1\r\n" + HOST, 400),
                ("asterisk of GET", b"GET * HTTP/1.1\r\n" + HOST, 400),
                ("another scheme", b"GET ftp://localhost/ HTTP/1.1\r\n" + HOST, 400),
                ("user information", b"GET https://a@localhost/ HTTP/1.1\r\n" + HOST, 400),
                ("a malformed escape", b"GET /%zz HTTP/1.1\r\n" + HOST, 400),
                ("half an escape", b"GET /%2 HTTP/1.1\r\n" + HOST, 400),
                ("an encoded NUL", b"GET /%00 HTTP/1.1\r\n" + HOST, 400),
                ("above the root", b"GET /../x HTTP/1.1\r\n" + HOST, 400),
                ("above the root, encoded", b"GET /%2e%2e/x HTTP/1.1\r\n" + HOST, 400),
                ("an encoded slash", b"GET /a%2fb HTTP/1.1\r\n" + HOST, 404),
                ("not HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00", 400),
                ("too long", b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST, 414)):
            with self.subTest(name):
                self.refused(raw + b"\r\n", status, name)

    def test_fields(self):
        for name, lines, status in (
                ("bare CR in a value", b"A: b\rc\r\n", 400),
                ("bare LF", b"A: b\nC: d\r\n", 400),
                ("NUL in a value", b"A: b\0\r\n", 400),
                ("a control in a value", b"A: b\x01\r\n", 400),
                ("DEL in a value", b"A: b\x7f\r\n", 400),
                ("obs-fold", b"A: b\r\n c\r\n", 400),
                ("obs-fold with a tab", b"A: b\r\n\tc\r\n", 400),
                ("blank before the colon", b"A : b\r\n", 400),
                ("no colon", b"A\r\n", 400),
                ("no name", b": b\r\n", 400),
                ("name is no token", b"A(: b\r\n", 400),
                ("too many", b"".join(b"A%d: b\r\n" % i for i in range(20)), 431),
                ("a long value", b"A: " + b"b" * 5000 + b"\r\n", 431),
                ("a long name", b"a" * 5000 + b": b\r\n", 431)):
            with self.subTest(name):
                self.refused(b"GET / HTTP/1.1\r\n" + HOST + lines + b"\r\n", status, name)
        self.refused(b"GET / HTTP/1.1\r\n A: b\r\n" + HOST + b"\r\n", 400, "blank before fields")

    def test_as_many_fields_as_allowed(self):
        lines = b"".join(b"A%d: b\r\n" % i for i in range(18))
        response, _ = self.exchange(b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + lines
                                    + b"\r\n")
        self.assertEqual(response.status, 200)

    def test_hosts(self):
        for name, lines in (
                ("none", b""), ("two", HOST + HOST), ("two that differ", HOST + b"Host: b\r\n"),
                ("empty", b"Host:\r\n"), ("a blank", b"Host: a b\r\n"),
                ("user", b"Host: u@localhost\r\n"),
                ("a path", b"Host: localhost/x\r\n"),
                ("port is a word", b"Host: localhost:https\r\n"),
                ("port too large", b"Host: localhost:65536\r\n"),
                ("half a bracket", b"Host: [::1\r\n"),
                ("no address in brackets", b"Host: [localhost]\r\n")):
            with self.subTest(name):
                self.refused(b"GET / HTTP/1.1\r\n" + lines + b"\r\n", 400, name)

    def test_framing(self):
        for name, lines, status in (
                ("both", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
                ("both, the other way", b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                 400),
                ("two lengths", b"Content-Length: 3\r\nContent-Length: 4\r\n", 400),
                ("twice the same", b"Content-Length: 3\r\nContent-Length: 3\r\n", 400),
                ("a list", b"Content-Length: 3, 3\r\n", 400),
                ("signed", b"Content-Length: +3\r\n", 400),
                ("negative", b"Content-Length: -3\r\n", 400),
                ("hexadecimal", b"Content-Length: 0x3\r\n", 400),
                ("empty", b"Content-Length:\r\n", 400),
                ("a word", b"Content-Length: three\r\n", 400),
                ("over 64 bits", b"Content-Length: 18446744073709551619\r\n", 400),
                ("an unknown coding", b"Transfer-Encoding: gzip, chunked\r\n", 501),
                ("chunked is not last", b"Transfer-Encoding: chunked, gzip\r\n", 400),
                ("chunked twice", b"Transfer-Encoding: chunked, chunked\r\n", 400),
                ("twice in two lines", b"Transfer-Encoding: chunked\r\n" * 2, 400),
                ("identity", b"Transfer-Encoding: identity\r\n", 400),
                ("nearly chunked", b"Transfer-Encoding: xchunked\r\n", 400),
                ("chunked in quotes", b'Transfer-Encoding: "chunked"\r\n', 400),
                ("empty coding", b"Transfer-Encoding:\r\n", 400)):
            with self.subTest(name):
                self.refused(b"POST / HTTP/1.1\r\n" + HOST + lines + b"\r\nabc", status, name)
        self.refused(b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
                     b"0\r\n\r\n", 400)

    def test_what_stands_behind_a_refused_request_is_not_served(self):
        response, peer = self.exchange(b"GET / HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n"
                                       b"GET /b.txt HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertEqual(response.status, 400)
        self.assertEqual(peer.read_to_end(), b"")
        self.assertTrue(peer.saw_close_notify)

    def test_every_refusal_is_answered_before_the_head_is_complete(self):
        self.refused(b"GET / HTTP/1.1\r\nA : b\r\n", 400)
        self.refused(b"GET / HTTP/3", 505)

    def test_chunks(self):
        head = b"POST /go/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        for name, body in (
                ("no size", b"\r\nabc\r\n"), ("no hexadecimal", b"x\r\nabc\r\n"),
                ("0x in front", b"0x3\r\nabc\r\n"), ("signed", b"+3\r\nabc\r\n"),
                ("bare LF behind the size", b"3\nabc\r\n"),
                ("bare CR behind the size", b"3\rabc\r\n"),
                ("longer than said", b"3\r\nabcd\r\n"), ("bare LF behind the data", b"3\r\nabc\n"),
                ("over 64 bits", b"11111111111111113\r\nabc\r\n"),
                ("a NUL in an extension", b"3;a=\0\r\nabc\r\n"),
                ("an endless extension", b"3;" + b"a" * 5000 + b"\r\nabc\r\n"),
                ("a folded trailer", b"0\r\nA: b\r\n c\r\n\r\n"),
                ("a trailer without colon", b"0\r\nA\r\n\r\n"),
                ("endless trailers", b"0\r\n" + b"A: b\r\n" * 4000 + b"\r\n")):
            with self.subTest(name):
                self.refused(head + body, 400, name)


class Served(Shared):
    def test_absolute_form(self):
        response, _ = self.exchange(b"GET https://localhost/b.txt HTTP/1.1\r\nConnection: close\r\n"
                                    + HOST + b"\r\n")
        self.assertEqual((response.status, response.body), (200, b"B"))

    def test_absolute_form_without_path(self):
        response, _ = self.exchange(b"GET https://localhost HTTP/1.1\r\nConnection: close\r\n"
                                    + HOST + b"\r\n")
        self.assertEqual(response.status, 200)

    def test_an_empty_line_in_front(self):
        response, _ = self.exchange(b"\r\nGET /b.txt HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertEqual(response.body, b"B")

    def test_a_later_minor_version_is_served_as_1_1(self):
        response, _ = self.exchange(b"GET /b.txt HTTP/1.2\r\n" + HOST + b"\r\n")
        self.assertEqual((response.status, response.version), (200, "HTTP/1.1"))

    def test_fields_of_every_response(self):
        for target in ("/", "/missing", "/-/status", "/go/x"):
            response = self.d.fetch(target)
            self.assertEqual(response.headers["server"], "latchd", target)
            self.assertRegex(response.headers["date"],
                             r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
            self.assertEqual(int(response.headers["content-length"]), len(response.body), target)

    def test_keep_alive(self):
        with self.d.peer() as peer:
            for _ in range(20):
                response = peer.request("/b.txt")
                self.assertEqual(response.body, b"B")
                self.assertNotIn("connection", response.headers)
            response = peer.request("/b.txt", close=True)
            self.assertEqual(response.headers["connection"], "close")
            self.assertEqual(peer.read_to_end(), b"")
            self.assertTrue(peer.saw_close_notify)

    def test_keep_alive_after_errors_of_the_resource(self):
        with self.d.peer() as peer:
            for target, method, status in (("/missing", "GET", 404), ("/b.txt", "POST", 405),
                                           ("/b.txt", "BREW", 501), ("/b.txt", "TRACE", 405),
                                           ("/b.txt", "GET", 200)):
                response = peer.request(target, method)
                self.assertEqual(response.status, status, (target, method))
                self.assertNotIn("connection", response.headers)

    def test_close_is_a_token_of_a_list(self):
        response, peer = self.exchange(b"GET / HTTP/1.1\r\nConnection: foo, CLOSE\r\n"
                                       + HOST + b"\r\n")
        self.assertEqual(response.headers["connection"], "close")
        self.assertEqual(peer.read_to_end(), b"")

    def test_pipelining(self):
        with self.d.peer() as peer:
            targets = ["/", "/b.txt", "/missing", "/go/1", "/b.txt"] * 20
            peer.send(b"".join(b"GET %s HTTP/1.1\r\n%s\r\n" % (t.encode(), HOST) for t in targets))
            expected = {"/": 200, "/b.txt": 200, "/missing": 404, "/go/1": 307}
            for target in targets:
                response = peer.read_response()
                self.assertEqual(response.status, expected[target])
                self.assertEqual(response.body == b"B", target == "/b.txt")

    def test_pipelining_with_bodies_and_head(self):
        with self.d.peer() as peer:
            peer.send(b"POST /go/ HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nGET /"
                      b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n"
                      b"POST /go/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
                      b"3;ext=\"a;b\"\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
                      b"GET /b.txt HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
            self.assertEqual(peer.read_response().status, 307)
            self.assertEqual(peer.read_response("HEAD").status, 200)
            self.assertEqual(peer.read_response().status, 307)
            self.assertEqual(peer.read_response().body, b"B")

    def test_a_request_byte_by_byte(self):
        with self.d.peer() as peer:
            for byte in b"POST /go/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" \
                        b"3\r\nabc\r\n0\r\n\r\nGET /b.txt HTTP/1.1\r\n" + HOST + b"\r\n":
                peer.send(bytes([byte]))
            self.assertEqual(peer.read_response().status, 307)
            self.assertEqual(peer.read_response().body, b"B")

    def test_head_has_the_fields_of_get(self):
        with self.d.peer() as peer:
            for target in ("/", "/b.txt", "/missing", "/go/x", "/go"):
                get, head = peer.request(target), peer.request(target, "HEAD")
                for response in (get, head):
                    del response.headers["date"]
                self.assertEqual(head.status, get.status)
                self.assertEqual(head.headers, get.headers, target)

    def test_a_small_response_is_one_record(self):
        with self.d.peer(version="1.3") as peer:
            peer.request("/b.txt")
            before = len(peer.records)
            peer.request("/b.txt")
            self.assertEqual(len(peer.records), before + 1)
            peer.request("/missing")
            self.assertEqual(len(peer.records), before + 2)

    def test_options(self):
        response, _ = self.exchange(b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
        self.assertEqual((response.status, response.headers["allow"]), (204, "GET, HEAD, OPTIONS"))
        self.assertNotIn("content-length", response.headers)

    def test_connect_is_no_proxy(self):
        response, _ = self.exchange(b"CONNECT example.net:443 HTTP/1.1\r\n"
                                    b"Host: example.net:443\r\n\r\n")
        self.assertEqual(response.status, 405)

    def test_both_versions_of_tls(self):
        for version in ("1.2", "1.3"):
            with self.d.peer(version=version) as peer:
                self.assertEqual(peer.tls.version(), f"TLSv{version}")
                self.assertEqual(peer.request("/b.txt", close=True).body, b"B")
                self.assertEqual(peer.read_to_end(), b"")
                self.assertTrue(peer.saw_close_notify)


class Http10(Shared):
    def served(self, raw, target_status=200):
        response, peer = self.exchange(raw)
        self.assertEqual(response.status, target_status)
        return response, peer

    def test_without_host(self):
        response, peer = self.served(b"GET /b.txt HTTP/1.0\r\n\r\n")
        self.assertEqual((response.body, response.headers["connection"]), (b"B", "close"))
        self.assertEqual(peer.read_to_end(), b"")
        self.assertTrue(peer.saw_close_notify)

    def test_without_host_is_closed_whatever_it_asks(self):
        response, peer = self.served(b"GET /b.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertEqual(response.headers["connection"], "close")
        self.assertEqual(peer.read_to_end(), b"")

    def test_with_host_it_closes_by_default(self):
        response, peer = self.served(b"GET /b.txt HTTP/1.0\r\n" + HOST + b"\r\n")
        self.assertEqual(response.headers["connection"], "close")
        self.assertEqual(peer.read_to_end(), b"")

    def test_keep_alive_when_asked_for(self):
        response, peer = self.served(b"GET /b.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n"
                                     + HOST + b"\r\n")
        self.assertEqual(response.headers["connection"], "keep-alive")
        self.assertEqual(peer.request("/b.txt").body, b"B")

    def test_a_body_with_a_length(self):
        response, peer = self.served(b"POST /go/ HTTP/1.0\r\nConnection: keep-alive\r\n"
                                     b"Content-Length: 3\r\n" + HOST
                                     + b"\r\nabcGET /b.txt HTTP/1.0\r\n\r\n", 307)
        self.assertEqual(response.headers["connection"], "keep-alive")
        self.assertEqual(peer.read_response().body, b"B")

    def test_redirect_to_the_host_needs_one(self):
        self.served(b"GET /go/ HTTP/1.0\r\n\r\n", 400)

    def test_expect_means_nothing(self):
        response, _ = self.served(b"POST /go/ HTTP/1.0\r\nExpect: 100-continue\r\n"
                                  b"Content-Length: 3\r\n" + HOST + b"\r\nabc", 307)
        self.assertEqual(response.version, "HTTP/1.1")


class Bodies(Shared):
    POST = b"POST /go/ HTTP/1.1\r\n" + HOST

    def test_expect_is_answered_before_the_body(self):
        with self.d.peer() as peer:
            peer.send(self.POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            self.assertEqual(peer._take_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue")
            peer.send(b"abc")
            self.assertEqual(peer.read_response().status, 307)
            self.assertEqual(peer.request("/b.txt").body, b"B")

    def test_expect_with_chunks(self):
        with self.d.peer() as peer:
            peer.send(self.POST + b"Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.assertEqual(peer._take_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue")
            peer.send(b"1\r\na\r\n0\r\n\r\n")
            self.assertEqual(peer.read_response().status, 307)

    def test_expect_of_a_refused_request_is_final(self):
        with self.d.peer() as peer:
            peer.send(b"POST /b.txt HTTP/1.1\r\n" + HOST
                      + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            self.assertTrue(peer._take_until(b"\r\n").startswith(b"HTTP/1.1 405 "))
            peer.read_to_end()
            self.assertTrue(peer.saw_close_notify)

    def test_expect_of_something_else(self):
        self.refused(self.POST + b"Expect: tea\r\nContent-Length: 3\r\n\r\n", 417)

    def test_no_interim_response_when_the_body_is_there(self):
        with self.d.peer() as peer:
            peer.send(self.POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
            self.assertTrue(peer._take_until(b"\r\n").startswith(b"HTTP/1.1 307 "))

    def test_a_body_of_the_limit(self):
        response, peer = self.exchange(self.POST + b"Content-Length: 1024\r\n\r\n" + b"a" * 1024)
        self.assertEqual(response.status, 307)
        self.assertEqual(peer.request("/b.txt").body, b"B")

    def test_a_length_over_the_limit(self):
        self.refused(self.POST + b"Content-Length: 1025\r\n\r\n", 413)

    def test_chunks_over_the_limit(self):
        self.refused(self.POST + b"Transfer-Encoding: chunked\r\n\r\n"
                     + b"100\r\n" + b"a" * 256 + b"\r\n" + b"301\r\n" + b"a" * 769, 413)

    def test_the_answer_survives_a_body_that_is_on_its_way(self):
        """Our end must not be a reset while the client still sends: it would destroy the answer."""
        self.refused(self.POST + b"Content-Length: 300000\r\n\r\n" + b"a" * 300000, 413)

    def test_the_answer_survives_chunks_that_are_on_their_way(self):
        self.refused(self.POST + b"Transfer-Encoding: chunked\r\n\r\n"
                     + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 8, 413)


class PerConnection(Shared):
    extra = "limits = { requests_per_connection = 3; };"

    def test_the_last_request_says_so(self):
        with self.d.peer() as peer:
            self.assertNotIn("connection", peer.request("/").headers)
            self.assertNotIn("connection", peer.request("/").headers)
            self.assertEqual(peer.request("/").headers["connection"], "close")
            self.assertEqual(peer.read_to_end(), b"")
            self.assertTrue(peer.saw_close_notify)


class Plain(Shared):
    config = CONFIG.replace("listeners = (", """listeners = (
        { name = "http"; address = "127.0.0.1:@PORT2@"; tls = false; },""", 1).replace(
            "sites = (", """sites = ( { names = [ "*" ]; listeners = [ "http" ];
        routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); },""", 1)

    def plain(self):
        peer = Peer(self.d.port2, tls=False)
        self.addCleanup(peer.sock.close)
        return peer

    def test_serves(self):
        peer = self.plain()
        for _ in range(3):
            self.assertEqual(peer.request("/b.txt").body, b"B")
        self.assertEqual(peer.request("/b.txt", close=True).body, b"B")
        self.assertEqual(peer.read_to_end(), b"")
        self.assertTrue(peer.saw_fin)

    def test_refuses(self):
        peer = self.plain().send(b"GET / HTTP/1.1\r\nA : b\r\n\r\n")
        self.assertEqual(peer.read_response().status, 400)
        self.assertEqual(peer.read_to_end(), b"")
        self.assertFalse(peer.saw_reset)

    def test_tls_on_a_plain_port_is_a_bad_request(self):
        peer = self.plain()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        peer.send(outgoing.read())
        self.assertEqual(peer.read_response().status, 400)

    def test_http_on_a_tls_port_is_told_so(self):
        before = self.d.settled()["handshakes_total"]["failed"]
        peer = Peer(self.d.port, tls=False)
        self.addCleanup(peer.sock.close)
        peer.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertRegex(peer.read_to_end(), rb"^HTTP/1\.1 400 [^\0]*this is an HTTPS port")
        self.d.wait_status(lambda s: s["handshakes_total"]["failed"] == before + 1)


class Deadlines(Shared):
    extra = 'timeouts = { handshake = "1500ms"; header = "1500ms"; body = "1500ms";' \
            ' idle = "1500ms"; write = "1500ms"; }; shutdown = { linger = "300ms"; };'

    def timeouts(self):
        return self.d.settled()["closures_total"]["timeout"]

    def expect_timeout(self, before):
        self.d.wait_status(lambda s: s["closures_total"]["timeout"] > before, "one more timeout")

    def ends_with_408(self, peer):
        response = peer.read_response()
        self.assertEqual((response.status, response.headers["connection"]), (408, "close"))
        self.assertEqual(peer.read_to_end(), b"")
        self.assertTrue(peer.saw_close_notify and peer.saw_fin)

    def test_handshake(self):
        before = self.d.settled()
        with socket.create_connection(("127.0.0.1", self.d.port), timeout=20) as s:
            self.assertEqual(s.recv(100), b"")
        self.d.wait_status(lambda s: s["handshakes_total"]["failed"]
                           == before["handshakes_total"]["failed"] + 1)
        self.expect_timeout(before["closures_total"]["timeout"])

    def test_idle_ends_without_a_response(self):
        before = self.timeouts()
        with self.d.peer() as peer:
            self.assertEqual(peer.read_to_end(), b"")
            self.assertTrue(peer.saw_close_notify and peer.saw_fin)
        self.expect_timeout(before)

    def test_idle_between_requests(self):
        with self.d.peer() as peer:
            self.assertEqual(peer.request("/b.txt").body, b"B")
            self.assertEqual(peer.read_to_end(), b"")
            self.assertTrue(peer.saw_close_notify)

    def test_header(self):
        before = self.timeouts()
        with self.d.peer() as peer:
            peer.send(b"GET / HTTP/1.1\r\nHost: local")
            self.ends_with_408(peer)
        self.expect_timeout(before)

    def test_a_trickle_does_not_extend_the_header(self):
        with self.d.peer(version="1.2") as peer:   # no ticket comes behind the handshake
            peer.send(b"GET / HTTP/1.1\r\n" + HOST)
            sent = 0
            while not select.select([peer.sock], [], [], 0.05)[0]:
                peer.send(b"A" if sent else b"X-")
                sent += 1
                self.assertLess(sent, 400, "the deadline is extended by every byte")
            self.ends_with_408(peer)

    def test_body(self):
        with self.d.peer() as peer:
            peer.send(b"POST /go/ HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nabc")
            self.ends_with_408(peer)

    def test_a_body_that_comes_slowly_is_fine(self):
        with self.d.peer(version="1.2") as peer:   # no ticket comes behind the handshake
            peer.send(b"POST /go/ HTTP/1.1\r\n" + HOST + b"Content-Length: 40\r\n\r\n")
            for _ in range(40):    # for longer than the deadline in all
                self.assertEqual(select.select([peer.sock], [], [], 0.05)[0], [])
                peer.send(b"a")
            self.assertEqual(peer.read_response().status, 307)

    def test_write(self):
        self.d.put("large.bin", bytes(16 << 20))
        before = self.timeouts()
        with self.d.peer(rcvbuf=8192) as peer:
            peer.send_request("/large.bin")
            self.expect_timeout(before)
            peer.read_to_end()
            self.assertTrue(peer.saw_reset, "a response that is cut must not look whole")
            self.assertFalse(peer.saw_close_notify)


if __name__ == "__main__":
    unittest.main()

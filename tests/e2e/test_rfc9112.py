"""Each MUST of RFC 9112 for an origin server, on the wire. The names of the tests begin with the
section; tests/rfc9112.txt says which requirement each of them is for."""
import re
import unittest

from harness import DEFAULT_CONFIG, Latchd, TestCase

HOST = b"Host: localhost\r\n"
CONFIG = DEFAULT_CONFIG.replace("routes = (", """routes = (
    { path = "/go/"; redirect = { to = "https://$host/gone$path"; status = 307; }; },""", 1)
EXTRA = 'limits = { header_size = "4K"; header_fields = 20; body_size = "1K"; };'


class Shared(TestCase):
    extra = EXTRA

    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=CONFIG, extra=cls.extra, files={"b.txt": b"B", "c.txt": b"C"})
        cls.d.start()
        cls.addClassCleanup(cls.d.stop)

    def peer(self, raw=b"", **options):
        peer = self.d.peer(**options)
        self.addCleanup(peer.sock.close)
        return peer.send(raw) if raw else peer

    def answer(self, raw):
        return self.peer(raw).read_response()

    def ends(self, peer):
        """The server ends the connection, gracefully, and says nothing more."""
        self.assertEqual(peer.read_to_end(), b"")
        self.assertTrue(peer.saw_close_notify and peer.saw_fin and not peer.saw_reset)

    def refused(self, raw, status=400):
        peer = self.peer(raw)
        response = peer.read_response()
        self.assertEqual((response.status, response.headers["connection"]), (status, "close"), raw)
        self.ends(peer)

    def get(self, lines=b"", target=b"/b.txt", version=b"1.1"):
        return b"GET " + target + b" HTTP/" + version + b"\r\n" + HOST + lines + b"\r\n"

    def post(self, lines, body=b"", version=b"1.1"):
        return b"POST /go/ HTTP/" + version + b"\r\n" + HOST + lines + b"\r\n" + body

    def heads(self):
        """The bytes of heads of all kinds of responses, by a name: interim and final ones."""
        kinds = {
            "200": self.get(), "404": self.get(target=b"/none"),
            "206": self.get(b"Range: bytes=0-0\r\n"), "416": self.get(b"Range: bytes=9-\r\n"),
            "304": self.get(b'If-None-Match: *\r\n'), "412": self.get(b'If-Match: "x"\r\n'),
            "307": self.get(target=b"/go/%0d%0aX:%20y?%0d%0a"), "400": self.get(b"a b: c\r\n"),
            "204": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
            "405": b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n",
            "501": b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
            "505": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
            "HEAD": b"HEAD /b.txt HTTP/1.1\r\n" + HOST + b"\r\n",
            "HTTP/1.0": self.get(version=b"1.0"),
            "HTTP/1.0 keep-alive": self.get(b"Connection: keep-alive\r\n", version=b"1.0"),
            "status": self.get(target=b"/-/status"),
            "100": self.post(b"Expect: 100-continue\r\nContent-Length: 1\r\n"),
        }
        heads = {}
        for name, raw in kinds.items():
            peer = self.peer(raw)
            heads[name] = peer._take_until(b"\r\n\r\n") + b"\r\n\r\n"
            if name.isdecimal():
                self.assertIn(b" " + name.encode() + b" ", heads[name])
        return heads


class Message(Shared):
    """Section 2."""

    def test_2_2_octets_are_no_characters(self):
        """A line feed within what UTF-8 takes for one character ends the line all the same."""
        for value in (b"\xff\xfe", b"\xc3(", b"\xe2\x82", b"\xed\xa0\x80"):
            self.assertEqual(self.answer(self.get(b"X: " + value + b"\r\n")).status, 200)
        self.refused(self.get(b"X: \xe2\x82\nY: z\r\n"))
        self.refused(self.get(target=b"/\xc4\x8a"))

    def test_2_2_a_bare_cr_is_refused(self):
        for raw in (b"GET /b.txt HTTP/1.1\rX: y\r\n" + HOST, b"GET /b\r.txt HTTP/1.1\r\n" + HOST,
                    self.get(b"X: y\rz\r\n"), self.get(b"X\r: y\r\n"), self.get(b"\rX: y\r\n"),
                    self.get(b"X: y\r\r\n")):
            self.refused(raw)
        chunked = self.post(b"Transfer-Encoding: chunked\r\n")
        for body in (b"1\rx\r\n0\r\n\r\n", b"1;a\rb\r\nx\r\n0\r\n\r\n", b"1\r\nx\r0\r\n\r\n",
                     b"0\r\nX: y\rz\r\n\r\n"):
            self.refused(chunked + body)

    def test_2_2_blanks_before_the_first_field_are_refused(self):
        for blank in (b" ", b"\t", b" \r\n"):
            self.refused(b"GET /b.txt HTTP/1.1\r\n" + blank + HOST + b"\r\n")

    def test_2_2_no_bare_cr_and_no_blank_before_fields_is_sent(self):
        for name, head in self.heads().items():
            self.assertNotRegex(head, rb"\r(?!\n)", name)
            self.assertNotRegex(head, rb"^[^\r\n]*\r\n[ \t]", name)


class Line(Shared):
    """Sections 3 and 4."""

    def test_3_a_target_that_is_too_long_is_414(self):
        self.refused(self.get(target=b"/" + b"a" * 5000), 414)
        self.assertEqual(self.answer(self.get(target=b"/" + b"a" * 3000)).status, 404)

    def test_3_2_without_host_it_is_400(self):
        self.refused(b"GET /b.txt HTTP/1.1\r\n\r\n")
        self.refused(b"GET https://localhost/b.txt HTTP/1.1\r\n\r\n")

    def test_3_2_more_than_one_host_is_400(self):
        for version in (b"1.1", b"1.0"):
            for second in (HOST, b"host: localhost\r\n", b"Host:\r\n"):
                self.refused(self.get(second, version=version))

    def test_3_2_an_invalid_host_is_400(self):
        for version in (b"1.1", b"1.0"):
            for value in (b"a b", b"u@localhost", b"localhost/", b"[::1", b"localhost:x", b"a:0x1"):
                self.refused(b"GET /b.txt HTTP/" + version + b"\r\nHost: " + value + b"\r\n\r\n")

    def test_3_2_2_the_absolute_form_is_accepted(self):
        for target in (b"https://localhost/b.txt", b"HTTPS://LOCALHOST:443/b.txt"):
            self.assertEqual(self.answer(self.get(target=target)).body, b"B")

    def test_3_2_2_its_host_stands_above_the_field(self):
        response = self.answer(b"GET https://localhost/go/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
        self.assertEqual(response.headers["location"], "https://localhost/gone/go/")
        response = self.answer(self.get(target=b"https://127.0.0.1/go/"))
        self.assertEqual(response.headers["location"], "https://127.0.0.1/gone/go/")

    def test_4_the_status_line_has_both_spaces(self):
        for name, head in self.heads().items():
            self.assertRegex(head, rb"^HTTP/1\.1 [1-5]\d\d [^\r\n]*\r\n", name)


class Fields(Shared):
    """Section 5."""

    def test_5_1_a_blank_before_the_colon_is_400(self):
        for line in (b"X : y\r\n", b"X\t: y\r\n", b"Content-Length : 0\r\n",
                     b"Transfer-Encoding : chunked\r\n"):
            self.refused(self.get(line))

    def test_5_2_a_folded_line_is_400(self):
        for line in (b"X: y\r\n z\r\n", b"X: y\r\n\tz\r\n", b"X:\r\n y\r\n", b"X: y\r\n \r\n"):
            self.refused(self.get(line))

    def test_5_2_no_folded_line_is_sent(self):
        line = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n"
        for name, head in self.heads().items():
            self.assertRegex(head, rb"^[^\r\n]*\r\n(?:" + line + rb")*\r\n$", name)


class Body(Shared):
    """Sections 6 and 7."""
    CHUNKED = b"Transfer-Encoding: chunked\r\n"

    def test_6_1_chunked_is_parsed(self):
        peer = self.peer(self.post(self.CHUNKED, b"3\r\nabc\r\n0\r\n\r\n") + self.get())
        self.assertEqual(peer.read_response().status, 307)
        self.assertEqual(peer.read_response().body, b"B")

    def test_6_1_no_transfer_coding_is_sent(self):
        """Not with 1xx, 204 and 2xx to CONNECT, nor to HTTP/1.0, nor twice: we need none."""
        for name, head in self.heads().items():
            self.assertNotIn(b"transfer-encoding", head.lower(), name)

    def test_6_1_both_framings_end_the_connection(self):
        for lines in (self.CHUNKED + b"Content-Length: 5\r\n",
                      b"Content-Length: 5\r\n" + self.CHUNKED):
            self.refused(self.post(lines, b"0\r\n\r\n" + self.get()))

    def test_6_1_a_coding_in_http_1_0_ends_the_connection(self):
        for lines in (self.CHUNKED, self.CHUNKED + b"Connection: keep-alive\r\n",
                      b"Content-Length: 5\r\n" + self.CHUNKED):
            self.refused(self.post(lines, b"0\r\n\r\n" + self.get(), b"1.0"))

    def test_6_2_length_and_coding_are_not_sent_together(self):
        for name, head in self.heads().items():
            lengths = re.findall(rb"\r\ncontent-length:", head.lower())
            self.assertLessEqual(len(lengths), 1, name)
            self.assertFalse(lengths and b"\r\ntransfer-encoding:" in head.lower(), name)

    def test_6_3_chunked_that_is_not_last_is_400(self):
        for value in (b"chunked, gzip", b"gzip", b"identity", b"chunked;q=1", b"xchunked"):
            peer = self.peer(self.post(b"Transfer-Encoding: " + value + b"\r\n", self.get()))
            self.assertEqual(peer.read_response().status, 400, value)
            self.ends(peer)

    def test_6_3_an_invalid_length_is_400(self):
        for value in (b"+1", b"-1", b"0x1", b"1 1", b"1, 2", b"", b"1a", b"18446744073709551617"):
            self.refused(self.post(b"Content-Length: " + value + b"\r\n", b"x" + self.get()))
        self.refused(self.post(b"Content-Length: 1\r\nContent-Length: 2\r\n", b"x"))

    def test_6_3_content_that_the_peer_cuts_is_not_whole(self):
        for lines, body in ((b"Content-Length: 9\r\n", b"abc"), (self.CHUNKED, b"9\r\nabc")):
            peer = self.peer(self.post(lines, body)).half_close()
            self.assertNotIn(b" 307 ", peer.read_to_end())

    def test_7_1_chunked_is_decoded(self):
        body = b"1\r\na\r\n00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n"
        for cut in range(1, len(body)):
            peer = self.peer(self.post(self.CHUNKED, body[:cut]))
            self.assertEqual(peer.send(body[cut:] + self.get()).read_response().status, 307)
            self.assertEqual(peer.read_response().body, b"B")

    def test_7_1_large_sizes_do_not_wrap(self):
        for size in (b"10000000000000001", b"ffffffffffffffff", b"1" + b"0" * 40 + b"1"):
            self.refused(self.post(self.CHUNKED, size + b"\r\na\r\n0\r\n\r\n" + self.get()))
        for size in (b"100000001", b"7fffffffffffffff"):
            self.refused(self.post(self.CHUNKED, size + b"\r\n" + b"a" * 2000), 413)

    def test_7_1_1_unknown_extensions_are_ignored(self):
        for extension in (b";a", b";a=b", b' ; a = "b;\\"c" ;d', b";chunked;size=3"):
            peer = self.peer(self.post(self.CHUNKED, b"1" + extension + b"\r\nx\r\n0" + extension
                                       + b"\r\n\r\n") + self.get())
            self.assertEqual(peer.read_response().status, 307, extension)
            self.assertEqual(peer.read_response().body, b"B")

    def test_7_1_2_trailers_are_not_merged(self):
        trailers = (b"Connection: close\r\nContent-Length: 100\r\nHost: a.example\r\n"
                    b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")
        peer = self.peer(self.post(self.CHUNKED, b"1\r\nx\r\n0\r\n" + trailers + b"\r\n"))
        response = peer.read_response()
        self.assertEqual(response.headers["location"], "https://localhost/gone/go/")
        self.assertNotIn("connection", response.headers)
        self.assertEqual(peer.request("/b.txt").body, b"B")


class Late(Shared):
    extra = 'timeouts = { body = "300ms"; };'

    def test_6_3_content_that_does_not_come_is_not_whole(self):
        for lines, body in ((b"Content-Length: 9\r\n", b"abc"),
                            (b"Transfer-Encoding: chunked\r\n", b"9\r\nabc")):
            self.refused(self.post(lines, body), 408)


class Connection(Shared):
    """Section 9."""

    def test_9_3_all_of_the_content_is_read(self):
        inside = self.get(target=b"/c.txt")
        for lines, body in ((b"Content-Length: %d\r\n" % len(inside), inside),
                            (b"Transfer-Encoding: chunked\r\n",
                             b"%x\r\n" % len(inside) + inside + b"\r\n0\r\n\r\n")):
            for target, status in ((b"/go/", 307), (b"/b.txt", 405), (b"/none", 405)):
                peer = self.peer(b"POST " + target + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n"
                                 + body + self.get())
                self.assertEqual(peer.read_response().status, status)
                self.assertEqual(peer.read_response().body, b"B", "not what the content says")

    def test_9_3_what_is_not_read_ends_the_connection(self):
        self.refused(self.post(b"Content-Length: 5000\r\n", self.get() * 100), 413)

    def test_9_3_2_responses_come_in_the_order_of_requests(self):
        targets = [b"/b.txt", b"/none", b"/c.txt", b"/go/", b"/-/status"] * 20
        peer = self.peer(b"".join(self.get(target=t) for t in targets))
        for target in targets:
            response = peer.read_response()
            self.assertEqual(response.status, {b"/none": 404, b"/go/": 307}.get(target, 200))
            if target in (b"/b.txt", b"/c.txt"):
                self.assertEqual(response.body, target[1:2].upper())

    def test_9_6_close_that_came_ends_the_connection(self):
        """After its response, and what stands behind it is not processed."""
        for line in (b"Connection: close\r\n", b"Connection: x, Close\r\n"):
            before = self.d.settled()["responses"]["3xx"]
            peer = self.peer(self.get(line) + self.get(target=b"/go/") * 3)
            response = peer.read_response()
            self.assertEqual((response.body, response.headers["connection"]), (b"B", "close"))
            self.ends(peer)
            self.assertEqual(self.d.settled()["responses"]["3xx"], before)

    def test_9_7_all_data_is_application_data(self):
        peer = self.peer(version="1.2")  # the types of 1.3's records are hidden
        handshake = len(peer.records)
        peer.request("/b.txt")
        peer.request("/none", close=True)
        self.ends(peer)
        kinds = [kind for kind, _ in peer.records[handshake:]]
        self.assertEqual(kinds, [23] * (len(kinds) - 1) + [21])

    def test_9_8_closure_alerts_come_before_the_end(self):
        for raw in (self.get(b"Connection: close\r\n"), self.get(version=b"1.0"),
                    self.get(b"a b: c\r\n")):
            for version in ("1.2", "1.3"):
                peer = self.peer(raw, version=version)
                peer.read_response()
                self.ends(peer)


class Last(Shared):
    extra = "limits = { requests_per_connection = 2; };"

    def test_9_6_close_that_was_sent_ends_the_connection(self):
        peer = self.peer(self.get() * 2 + self.get(target=b"/go/") * 3)
        self.assertNotIn("connection", peer.read_response().headers)
        self.assertEqual(peer.read_response().headers["connection"], "close")
        self.ends(peer)
        self.assertEqual(self.d.settled()["responses"]["3xx"], 0)


if __name__ == "__main__":
    unittest.main()

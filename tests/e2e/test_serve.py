"""What a client sees: files, redirects, protocol rules, names, records."""
import json
import os
import re
import ssl
import subprocess
import unittest

from harness import DEFAULT_CONFIG, Latchd, TestCase, client_context

BIG = bytes(range(256)) * 4096 * 20  # 20 MiB


class Files(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(
            extra="",
            files={
                "a.txt": b"0123456789",
                "style.css": b"p { }\n",
                "pic.svg": b"<svg/>",
                "docs/index.html": b"docs\n",
                "empty": b"",
                "with space.txt": b"space",
                ".secret": b"no",
                "sub/.hidden/x": b"no",
                "big.bin": BIG,
            },
        )
        (cls.d.www / "out").symlink_to("/etc/passwd")
        (cls.d.www / "in").symlink_to("a.txt")
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def get(self, target, **options):
        return self.d.fetch(target, **options)

    def test_the_index_stands_for_a_folder(self):
        for target, body in (
            ("/", (self.d.www / "index.html").read_bytes()),
            ("/docs/", b"docs\n"),
        ):
            r = self.get(target)
            self.assertEqual((r.status, r.body), (200, body))
            self.assertIn("text/html", r.headers["content-type"])

    def test_a_folder_without_slash_is_redirected(self):
        r = self.get("/docs?x=1")
        self.assertIn(r.status, (301, 308))
        self.assertTrue(r.headers["location"].endswith("/docs/?x=1"), r.headers)

    def test_media_types(self):
        for target, kind in (
            ("/a.txt", "text/plain"),
            ("/style.css", "text/css"),
            ("/pic.svg", "image/svg+xml"),
        ):
            self.assertTrue(self.get(target).headers["content-type"].startswith(kind), target)

    def test_an_empty_file_and_an_encoded_name(self):
        r = self.get("/empty")
        self.assertEqual((r.status, r.body, r.headers["content-length"]), (200, b"", "0"))
        self.assertEqual(self.get("/with%20space.txt").body, b"space")

    def test_head_has_the_fields_of_get_and_no_body(self):
        got, head = self.get("/a.txt"), self.get("/a.txt", method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        for key in ("content-length", "content-type", "etag", "last-modified"):
            self.assertEqual(head.headers[key], got.headers[key])

    def test_nothing_leads_out_of_the_root(self):
        for target in (
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/docs/../../etc/passwd",
            "/out",
            "/.secret",
            "/sub/.hidden/x",
            "/nothing",
            "/a.txt/",
            "/a.txt/b",
        ):
            r = self.get(target)
            self.assertIn(r.status, (400, 403, 404), target)
            self.assertNotIn(b"root:", r.body)
        self.assertEqual(self.get("/in").body, b"0123456789")
        self.assertEqual(self.get("/x/../a.txt").body, b"0123456789")

    def test_ranges(self):
        for field, status, body, content_range in (
            ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
            ("bytes=-3", 206, b"789", "bytes 7-9/10"),
            ("bytes=8-", 206, b"89", "bytes 8-9/10"),
            ("bytes=4-99", 206, b"456789", "bytes 4-9/10"),
            ("bytes=10-", 416, None, "bytes */10"),
            ("lines=1-2", 200, b"0123456789", None),
            ("bytes=5-2", 200, b"0123456789", None),
        ):
            r = self.get("/a.txt", headers={"Range": field})
            self.assertEqual(r.status, status, field)
            if body is not None:
                self.assertEqual(r.body, body, field)
            self.assertEqual(r.headers.get("content-range"), content_range, field)

    def test_conditions(self):
        r = self.get("/a.txt")
        tag, date = r.headers["etag"], r.headers["last-modified"]
        old = "Sun, 06 Nov 1994 08:49:37 GMT"
        for fields, status in (
            ({"If-None-Match": tag}, 304),
            ({"If-None-Match": f'"x", {tag}'}, 304),
            ({"If-None-Match": "*"}, 304),
            ({"If-None-Match": '"x"'}, 200),
            ({"If-Modified-Since": date}, 304),
            ({"If-Modified-Since": old}, 200),
            ({"If-None-Match": '"x"', "If-Modified-Since": date}, 200),
            ({"Range": "bytes=0-0", "If-Range": tag}, 206),
            ({"Range": "bytes=0-0", "If-Range": '"x"'}, 200),
        ):
            r = self.get("/a.txt", headers=fields)
            self.assertEqual(r.status, status, fields)
            if status == 304:
                self.assertEqual(r.headers["etag"], tag)

    def test_a_changed_file_is_seen(self):
        self.d.put("changes", b"one")
        first = self.get("/changes")
        self.d.put("changes", b"three")
        os.utime(self.d.www / "changes", (1, 1))
        second = self.get("/changes", headers={"If-None-Match": first.headers["etag"]})
        self.assertEqual((second.status, second.body), (200, b"three"))

    def test_other_methods(self):
        r = self.get("/a.txt", method="DELETE")
        self.assertEqual(r.status, 405)
        self.assertIn("GET", r.headers["allow"])
        self.assertEqual(self.get("/a.txt", method="BREW").status, 501)

    def test_a_large_file_is_whole(self):
        r = self.get("/big.bin")
        self.assertEqual(len(r.body), len(BIG))
        self.assertTrue(r.body == BIG)

    def test_curl_gets_the_same(self):
        out = self.d.curl(self.d.url("/big.bin"))
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertTrue(out.stdout == BIG)
        out = self.d.curl("-r", "1000000-2000000", self.d.url("/big.bin"))
        self.assertTrue(out.stdout == BIG[1000000:2000001])


class Protocol(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(files={"a.txt": b"A" * 1024}).start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def raw(self, text):
        """Sends bytes, reads all; (first line, whole text, peer)."""
        with self.d.peer() as p:
            p.send(text)
            data = p.read_to_end()
            self.assertTrue(p.saw_close_notify, "an answer without close_notify")
            return data.split(b"\r\n", 1)[0].decode(), data, p

    def test_keep_alive(self):
        with self.d.peer() as p:
            for _ in range(20):
                r = p.request("/a.txt")
                self.assertEqual((r.status, len(r.body)), (200, 1024))
                self.assertNotIn("connection", r.headers)

    def test_pipelining_answers_in_order(self):
        with self.d.peer() as p:
            p.send(
                "".join(
                    f"{m} /{t} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    for m, t in (
                        ("GET", "a.txt"),
                        ("HEAD", "a.txt"),
                        ("GET", "nothing"),
                        ("GET", "a.txt"),
                    )
                )
            )
            got = [p.read_response(m).status for m in ("GET", "HEAD", "GET", "GET")]
            self.assertEqual(got, [200, 200, 404, 200])

    def test_a_request_in_single_bytes(self):
        with self.d.peer() as p:
            for byte in b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n":
                p.send(bytes([byte]))
            self.assertEqual(p.read_response().status, 200)

    def test_http_1_0_without_host_is_served_and_closed(self):
        first, data, _ = self.raw("GET /a.txt HTTP/1.0\r\n\r\n")
        self.assertIn(" 200", first)
        self.assertTrue(data.endswith(b"A" * 1024))

    def test_http_1_0_keep_alive_when_asked(self):
        with self.d.peer() as p:
            for _ in range(2):
                p.send("GET /a.txt HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
                r = p.read_response()
                self.assertEqual(r.headers["connection"].lower(), "keep-alive")

    def test_connection_close_is_answered_with_close(self):
        first, data, _ = self.raw(
            "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        self.assertIn(" 200", first)
        self.assertIn(b"connection: close", data.lower())

    def test_what_two_parsers_could_read_differently_is_refused(self):
        ok = "GET / HTTP/1.1\r\nHost: localhost\r\n"
        for text in (
            "GET / HTTP/1.1\nHost: localhost\n\n",
            ok + "A: b\rc\r\n\r\n",
            ok + "A: b\0c\r\n\r\n",
            ok + "A: b\r\n folded\r\n\r\n",
            ok + "A : b\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            ok + "Host: localhost\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
            ok + "Content-Length: +1\r\n\r\n",
            ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n",
            "G\x01T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            first, _, _ = self.raw(text)
            self.assertTrue(first.startswith("HTTP/1.1 400"), (text, first))

    def test_versions_and_codings_it_does_not_have(self):
        for text, status in (
            ("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", "505"),
            (
                "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "501",
            ),
        ):
            first, _, _ = self.raw(text)
            self.assertTrue(first.startswith(f"HTTP/1.1 {status}"), (text, first))

    def test_continue_is_sent_when_expected(self):
        with self.d.peer() as p:
            p.send(
                "GET /a.txt HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            )
            self.assertTrue(p._take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100"))
            p.send(b"hello")
            self.assertEqual(p.read_response().status, 200)
            self.assertEqual(p.request("/a.txt").status, 200)

    def test_bodies_are_read_and_dropped(self):
        with self.d.peer() as p:
            p.send(
                "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
            )
            self.assertEqual(p.read_response().status, 200)
            self.assertEqual(p.request("/a.txt", body=b"x" * 100000).status, 200)
            self.assertEqual(p.request("/a.txt").status, 200)

    def test_a_host_of_no_site_on_this_connection(self):
        self.assertEqual(self.d.fetch("/", host="localhost:1234").status, 200)
        self.assertEqual(self.d.fetch("/", host="LOCALHOST.").status, 200)

    def test_a_small_answer_is_one_record(self):
        with self.d.peer(version="1.3") as p:
            p.request("/a.txt")
            before = len(p.records)
            p.request("/a.txt")
            self.assertEqual([kind for kind, _ in p.records[before:]], [23])

    def test_a_large_answer_fills_its_records(self):
        self.d.put("large", b"x" * 1000000)
        with self.d.peer(version="1.3") as p:
            p.request("/a.txt")
            before = len(p.records)
            p.request("/large")
            sizes = [length for _, length in p.records[before:]]
            self.assertLessEqual(len(sizes), 1000000 // 16384 + 3, sizes)

    def test_a_client_that_half_closes_gets_the_whole_answer(self):
        self.d.put("large", b"x" * 3000000)
        for version in ("1.2", "1.3"):
            with self.d.peer(version=version) as p:
                p.send_request("/large")
                if version == "1.3":
                    p.half_close()
                else:
                    p.fin()
                self.assertEqual(len(p.read_response().body), 3000000)


class Tls(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(files={"a.txt": b"A"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def test_both_versions_and_nothing_below(self):
        for version in ("1.2", "1.3"):
            with self.d.peer(version=version) as p:
                self.assertEqual(p.tls.version(), f"TLSv{version}")
        out = subprocess.run(
            [
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{self.d.port}",
                "-tls1_1",
                "-cipher",
                "ALL:@SECLEVEL=0",
            ],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=20,
        )
        self.assertNotEqual(out.returncode, 0)

    def test_sessions_are_resumed_by_all_workers(self):
        for version in ("1.2", "1.3"):
            context, session, resumed = client_context(version), None, 0
            for _ in range(12):
                with self.d.peer(context=context, session=session) as p:
                    resumed += p.tls.session_reused
                    p.request("/a.txt", close=True)
                    p.read_to_end()
                    session = p.session
                    p.send_close_notify()
            self.assertEqual(resumed, 11, version)

    def test_one_ticket_a_handshake(self):
        out = subprocess.run(
            [
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{self.d.port}",
                "-tls1_3",
                "-msg",
                "-servername",
                "localhost",
                "-ign_eof",
            ],
            capture_output=True,
            check=False,
            timeout=20,
            input=b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
        self.assertEqual(out.stdout.count(b"NewSessionTicket"), 1, out.stdout[-3000:])

    def test_alpn(self):
        with self.d.peer(alpn=["h2", "http/1.1"]) as p:
            self.assertEqual(p.tls.selected_alpn_protocol(), "h2")
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.d.peer(alpn=["imap"])

    def test_renegotiation_is_refused(self):
        out = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.d.port}", "-tls1_2"],
            input=b"R\n",
            capture_output=True,
            check=False,
            timeout=20,
        )
        self.assertIn(b"renegotiation", out.stderr.lower() + out.stdout.lower())
        self.assertNotIn(b"verify return:1\nverify", out.stderr.split(b"RENEGOTIATING")[-1])

    def test_plain_bytes_on_a_tls_port_harm_nobody(self):
        before = self.d.settled()["handshakes_total"]["failed"]
        with self.d.peer(tls=False) as p:
            p.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            p.read_to_end()
        self.d.wait_status(lambda s: s["handshakes_total"]["failed"] == before + 1)
        self.assertEqual(self.d.fetch("/a.txt").status, 200)


SITES = """
workers = 2;
@USER@
log = { level = "debug"; target = "stderr";
        access = { target = "@DIR@/log/access"; format = "json"; }; };
listeners = (
  { name = "tls"; address = "127.0.0.1:@PORT@"; },
  { name = "plain"; address = "127.0.0.1:@PORT2@"; tls = false; },
  { name = "six"; address = "[::1]:@PORT@"; },
  { name = "unix"; address = "unix:@DIR@/sock"; tls = false; }
);
sites = (
  { names = [ "localhost" ]; listeners = [ "tls", "six" ];
    certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    headers = ( { name = "X-Site"; value = "one"; } );
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/old/";
                 redirect = { to = "https://$host/new$path$query"; status = 301; }; },
               { path = "/closed"; status = {}; deny = [ "127.0.0.0/8" ]; },
               { path = "/-/status"; status = {}; allow = [ "127.0.0.0/8", "::1" ]; } ); },
  { names = [ "*" ]; listeners = [ "plain", "unix" ];
    routes = ( { path = "/"; redirect = { to = "https://$host$path$query"; }; } ); }
);
"""


class Sites(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=SITES, files={"a.txt": b"A"})
        (cls.d.dir / "log").mkdir()
        (cls.d.dir / "log").chmod(0o777)
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def test_an_unknown_name_without_default_is_an_alert(self):
        for name in ("example.net", "sub.localhost"):
            with self.assertRaisesRegex(ssl.SSLError, "(?i)unrecognized.name"):
                self.d.peer(name=name)

    def test_a_host_that_the_connections_site_does_not_serve(self):
        self.assertEqual(self.d.fetch("/a.txt", host="example.net").status, 421)

    def test_redirects_fill_in(self):
        r = self.d.fetch("/old/a%20b?x=1&y")
        self.assertEqual(
            (r.status, r.headers["location"]), (301, "https://localhost/new/old/a%20b?x=1&y")
        )

    def test_a_plain_listener_redirects_any_name(self):
        for options in ({"port": self.d.port2}, {"unix": str(self.d.dir / "sock"), "port": 0}):
            r = self.d.fetch("/p?q", host="any.example:80", peer={"tls": False, **options})
            self.assertEqual((r.status, r.headers["location"]), (308, "https://any.example/p?q"))

    def test_ipv6(self):
        r = self.d.fetch("/a.txt", peer={"host": "::1"})
        self.assertEqual((r.status, r.headers["x-site"]), (200, "one"))

    def test_routes_end_at_a_segment_and_obey_addresses(self):
        self.assertEqual(self.d.fetch("/-/statusX").status, 404)
        self.assertEqual(self.d.fetch("/closed").status, 403)
        self.assertEqual(self.d.fetch("/closed", peer={"host": "::1"}).status, 200)

    def test_the_status_page_is_html_for_people(self):
        r = self.d.fetch("/-/status", headers={"Accept": "text/html,*/*"})
        self.assertIn("text/html", r.headers["content-type"])
        self.assertIn(b"<title>", r.body)

    def test_the_access_log_in_json(self):
        self.d.fetch("/a.txt?logged=%22", headers={"User-Agent": 'x"\\', "Referer": "r"})
        self.d.wait_status(lambda s: True)
        path = self.d.dir / "log/access"

        def lines():
            return [json.loads(line) for line in path.read_text().splitlines()]

        found = []
        while not found:  # lines gather for at most 100 ms
            self.d.status()
            found = [line for line in lines() if "logged" in line.get("target", "")]
        line = found[0]
        for key, value in (
            ("event", "request"),
            ("client", "127.0.0.1"),
            ("site", "localhost"),
            ("method", "GET"),
            ("status", 200),
            ("bytes", 1),
            ("referer", "r"),
            ("user_agent", 'x"\\'),
            ("tls_version", "TLSv1.3"),
            ("tls_resumed", False),
        ):
            self.assertEqual(line[key], value, key)
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


class Formats(TestCase):
    def test_common_and_combined(self):
        for form, pattern in (
            ("common", r'^127\.0\.0\.1 - - \[[^]]+\] "GET /x HTTP/1\.1" 404 \d+$'),
            ("combined", r'^127\.0\.0\.1 - - \[[^]]+\] "GET /x HTTP/1\.1" 404 \d+ "-" "agent"$'),
        ):
            access = f'target = "stderr"; access = {{ target = "stderr"; format = "{form}"; }}; }}'
            with Latchd(config=DEFAULT_CONFIG.replace('target = "stderr"; }', access)) as d:
                d.fetch("/x", headers={"User-Agent": "agent"})
                d.log.wait(pattern)


class Serve(TestCase):
    """latchd --serve: no configuration, no root, a throw-away certificate."""

    def test_it_serves_a_folder_and_says_how_to_trust_it(self):
        d = Latchd(args=["--serve", "@WWW@", "--port", "@PORT@"],
                   files={"a.txt": b"A", "folder/b.txt": b"B"})
        d.dir.chmod(0o755)
        d.start()
        line = d.output.wait(r"--cacert")
        ca = re.search(r"--cacert (\S+)", line).group(1)
        self.assertIn(f"https://localhost:{d.port}/", d.output.text())
        for host in ("localhost", "127.0.0.1"):
            out = subprocess.run(
                ["curl", "-sS", "--cacert", ca, f"https://{host}:{d.port}/a.txt"],
                capture_output=True,
                check=False,
            )
            self.assertEqual((out.returncode, out.stdout), (0, b"A"), out.stderr)
        listing = subprocess.run(
            ["curl", "-sS", "--cacert", ca, f"https://localhost:{d.port}/folder/"],
            capture_output=True,
            check=False,
        )
        self.assertIn(b'<a href="./b.txt">b.txt</a>', listing.stdout, listing.stderr)
        d.stop()
        self.assertFalse(os.path.exists(ca), "the CA file is left behind")

    def test_hup_stops_it(self):
        import signal

        d = Latchd(args=["--serve", "@WWW@", "--port", "@PORT@"]).start()
        d.signal(signal.SIGHUP)
        d.wait_exit(0)


if __name__ == "__main__":
    unittest.main()

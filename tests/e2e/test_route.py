"""Which site and which route answers; redirects, status, fields of a site, and the access log."""
import itertools
import json
import re
import select
import signal
import socket
import ssl
import time
import unittest

from harness import PATIENCE, Latchd, Peer, TestCase, certificates, client_context, latchd

CONFIG = """
workers = 1;
@USER@
log = { level = "debug"; target = "stderr"; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; },
              { name = "http"; address = "127.0.0.1:@PORT2@"; tls = false; } );
@EXTRA@
sites = (
  { names = [ "localhost", "127.0.0.1" ]; default = true;
    certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    headers = ( { name = "Strict-Transport-Security"; value = "max-age=1"; },
                { name = "X-Site"; value = "default"; } );
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/old/"; redirect = { to = "https://example.org/new/"; }; },
               { path = "/moved"; redirect = { to = "https://$host:8443$path$query";
                                                status = 301; }; },
               { path = "/only-path"; redirect = { to = "$path"; status = 302; }; },
               { path = "/allowed"; files = { root = "@WWW@"; }; allow = [ "127.0.0.0/8" ]; },
               { path = "/denied"; files = { root = "@WWW@"; }; deny = [ "127.0.0.1" ]; },
               { path = "/elsewhere"; files = { root = "@WWW@"; };
                 allow = [ "192.0.2.0/24", "::1" ]; },
               { path = "/-/status"; status = {}; allow = [ "127.0.0.0/8", "::1" ]; } ); },
  { names = [ "example.org" ]; certificate = "@CERTS@/other.pem"; private_key = "@CERTS@/other.key";
    headers = ( { name = "X-Site"; value = "exact"; } );
    routes = ( { path = "/www"; files = { root = "@DIR@"; }; } ); },
  { names = [ "*.example.org" ];
    certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    headers = ( { name = "X-Site"; value = "wildcard"; } );
    routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); },
  { names = [ "*" ]; listeners = [ "http" ];
    routes = ( { path = "/.well-known/acme-challenge/"; files = { root = "@WWW@"; }; },
               { path = "/"; redirect = { to = "https://$host$path$query"; }; } ); },
  { names = [ "plain.example" ]; listeners = [ "http" ];
    headers = ( { name = "X-Site"; value = "plain"; } );
    routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); }
);
"""
FILES = {"page.txt": b"page", "allowed/x.txt": b"x", "denied/x.txt": b"x", "elsewhere/x.txt": b"x",
         "allowedX": b"not under the route", "-/statusX": b"not the status",
         ".well-known/acme-challenge/token": b"key"}


class Shared(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=CONFIG, files=FILES).start()
        cls.addClassCleanup(cls.d.stop)

    def fetch(self, target="/", name="localhost", **options):
        return self.d.fetch(target, peer={"name": name}, **options)

    def plain(self, target="/", host="plain.example", raw=None):
        with Peer(self.d.port2, tls=False) as peer:
            if raw:
                return peer.send(raw).read_response()
            return peer.request(target, host=host, close=True)


class Sites(Shared):
    def test_sni_and_host_choose(self):
        for name, site in (("localhost", "default"), ("a.example.org", "wildcard"),
                           ("example.org", "exact"),
                           ("A.Example.ORG", "wildcard")):
            self.assertEqual(self.fetch(name=name).headers["x-site"], site, name)

    def test_sni_chooses_the_certificate(self):
        found = {}
        for name in ("example.org", "b.example.org"):
            with self.d.peer(name=name) as peer:
                found[name] = peer.tls.getpeercert(True)
        with self.d.peer(name="localhost") as peer:
            self.assertEqual(peer.tls.getpeercert(True), found["b.example.org"])
        self.assertNotEqual(found["example.org"], found["b.example.org"])

    def test_curl_chooses_by_name(self):
        for name, site in (("a.example.org", b"wildcard"), ("localhost", b"default")):
            run = self.d.curl("-i", self.d.url("/page.txt", name), name=name)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn(b"X-Site: " + site, run.stdout)

    def test_a_port_and_a_final_dot_in_host_do_not_matter(self):
        for host in (f"a.example.org:{self.d.port}", "a.example.org.", "A.EXAMPLE.org:1"):
            response = self.fetch("/page.txt", "a.example.org", host=host)
            self.assertEqual((response.status, response.headers.get("x-site")), (200, "wildcard"),
                             host)

    def test_a_host_that_the_connection_does_not_serve_is_421(self):
        for name, host in (("localhost", "example.org"), ("localhost", "a.example.org"),
                           ("example.org", "localhost"), ("a.example.org", "nobody.test")):
            response = self.fetch(name=name, host=host)
            self.assertEqual(response.status, 421, (name, host))
            self.assertNotIn("x-site", response.headers)

    def test_421_ends_no_connection(self):
        with self.d.peer() as peer:
            self.assertEqual(peer.request("/", host="example.org").status, 421)
            self.assertEqual(peer.request("/").status, 200)

    def test_an_unknown_host_is_served_by_the_default_site(self):
        response = self.fetch(host="nobody.test")
        self.assertEqual((response.status, response.headers["x-site"]), (200, "default"))

    def test_an_unknown_server_name_is_served_by_the_default_site(self):
        context = client_context()
        context.check_hostname = False
        response = self.d.fetch(peer={"name": "nobody.test", "context": context})
        self.assertEqual((response.status, response.headers["x-site"]), (200, "default"))

    def test_no_server_name_is_the_default_site(self):
        context = client_context()
        context.check_hostname = False
        with self.d.peer(name=None, context=context) as peer:
            self.assertEqual(peer.request("/", host="localhost").headers["x-site"], "default")

    def test_without_default_an_unknown_name_is_an_alert(self):
        with Latchd(config=CONFIG.replace("default = true;", ""), files=FILES) as d:
            context = client_context()
            context.check_hostname = False
            with self.assertRaises(ssl.SSLError) as caught:
                d.peer(name="nobody.test", context=context)
            self.assertIn("UNRECOGNIZED_NAME", str(caught.exception).upper())
            self.assertEqual(d.fetch(host="nobody.test").status, 421)

    def test_the_absolute_target_stands_above_host(self):
        with self.d.peer() as peer:
            self.assertEqual(peer.request("https://example.org/", host="localhost").status, 421)
            self.assertEqual(peer.request("https://localhost/page.txt", host="example.org").body,
                             b"page")

    def test_plain_sites(self):
        self.assertEqual(self.plain("/page.txt").headers["x-site"], "plain")
        self.assertEqual(self.plain("/page.txt", "other.example").status, 308)

    def test_plain_without_host(self):
        response = self.plain(raw=b"GET /.well-known/acme-challenge/token HTTP/1.0\r\n\r\n")
        self.assertEqual((response.status, response.body), (200, b"key"))


class Routes(Shared):
    def test_the_longest_path_wins(self):
        self.assertEqual(self.fetch("/page.txt").body, b"page")
        self.assertEqual(self.fetch("/old/page.txt").status, 308)
        self.assertEqual(self.plain("/.well-known/acme-challenge/token", "a.b").body, b"key")

    def test_segment_boundaries(self):
        self.assertEqual(self.fetch("/old").status, 404)
        self.assertEqual(self.fetch("/allowedX").body, b"not under the route")
        self.assertEqual(self.fetch("/-/statusX").body, b"not the status")
        self.assertEqual(self.fetch("/-/status/x").headers["cache-control"], "no-store")

    def test_the_decoded_path_is_compared(self):
        self.assertEqual(self.fetch("/%6fld/x").status, 308)
        self.assertEqual(self.fetch("/x/../old/").status, 308)
        self.assertEqual(self.fetch("/elsewhere%2fx.txt").status, 404)
        self.assertEqual(self.fetch("/%65lsewhere/x.txt").status, 403)

    def test_no_route_is_404(self):
        response = self.fetch("/", "example.org")
        self.assertEqual((response.status, response.headers["x-site"]), (404, "exact"))

    def test_allow_and_deny(self):
        for target, status in (("/allowed/x.txt", 200), ("/denied/x.txt", 403),
                               ("/elsewhere/x.txt", 403)):
            self.assertEqual(self.fetch(target).status, status, target)

    def test_fields_of_the_site_are_in_every_response(self):
        for target, status in (("/page.txt", 200), ("/missing", 404), ("/denied/x.txt", 403),
                               ("/old/", 308),
                               ("/-/status", 200)):
            response = self.fetch(target)
            self.assertEqual(response.status, status)
            self.assertEqual(response.headers["strict-transport-security"], "max-age=1", target)


class Extras(TestCase):
    """Fields and error pages of sites and routes, and fixed answers."""
    CONFIG = """
workers = 1;
@USER@
log = { target = "stderr"; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; } );
sites = (
  { names = [ "localhost" ]; certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    headers = ( { name = "X-Site"; value = "site"; }, { name = "X-Both"; value = "site"; },
                { name = "X-Gone"; value = "site"; } );
    error_pages = ( { status = 404; file = "404.html"; }, { status = 405; file = "405.txt"; } );
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/own/"; files = { root = "@WWW@"; };
                 headers = ( { name = "x-both"; value = "route"; },
                             { name = "X-Gone"; value = ""; } );
                 error_pages = ( { status = 404; file = "@DIR@/own.json"; } ); },
               { path = "/health"; respond = { text = "ok"; }; },
               { path = "/json"; respond = { status = 503; text = "{}";
                                             type = "application/json"; }; },
               { path = "/gone"; respond = { status = 410; }; },
               { path = "/missing"; respond = { status = 404; }; },
               { path = "/nothing"; respond = { status = 204; }; } ); } );
"""

    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=cls.CONFIG)
        (cls.d.dir / "404.html").write_bytes(b"<p>site")
        (cls.d.dir / "405.txt").write_bytes(b"not so")
        (cls.d.dir / "own.json").write_bytes(b'{"error":404}')
        cls.d.start()
        cls.addClassCleanup(cls.d.stop)

    def test_respond(self):
        for target, status, kind, body in (
            ("/health", 200, "text/plain; charset=utf-8", b"ok"),
            ("/json", 503, "application/json", b"{}"), ("/nothing", 204, None, b""),
            ("/missing", 404, "text/html; charset=utf-8", b"<p>site")):
            for method in ("GET", "POST", "DELETE"):
                response = self.d.fetch(target, method=method)
                self.assertEqual((response.status, response.headers.get("content-type"),
                                  response.body), (status, kind, body), (target, method))
        self.assertIn(b"410 Gone", self.d.fetch("/gone").body)
        head = self.d.fetch("/health", method="HEAD")
        self.assertEqual((head.headers["content-length"], head.body), ("2", b""))

    def test_error_pages(self):
        for target, method, status, kind, body in (
            ("/x", "GET", 404, "text/html; charset=utf-8", b"<p>site"),
            ("/own/x", "GET", 404, "application/json", b'{"error":404}'),
            ("/own/x", "POST", 405, "text/plain; charset=utf-8", b"not so"),
            ("/", "TRACE", 405, "text/plain; charset=utf-8", b"not so")):
            response = self.d.fetch(target, method=method)
            self.assertEqual((response.status, response.headers["content-type"], response.body),
                             (status, kind, body), target)
        self.assertIn("allow", self.d.fetch("/", method="POST").headers)
        head = self.d.fetch("/x", method="HEAD")
        self.assertEqual((head.status, head.headers["content-length"]), (404, "7"))

    def test_fields_of_a_route(self):
        site, route = self.d.fetch("/").headers, self.d.fetch("/own/x").headers
        self.assertEqual((site["x-site"], site["x-both"], site["x-gone"]), ("site",) * 3)
        self.assertEqual((route["x-site"], route["x-both"]), ("site", "route"))
        self.assertNotIn("x-gone", route)

    def test_a_reload_reads_the_pages_again(self):
        d = Latchd(config=self.CONFIG)
        for name in ("404.html", "405.txt", "own.json"):
            (d.dir / name).write_bytes(b"<p>site")
        with d:
            self.assertEqual(d.fetch("/x").body, b"<p>site")
            (d.dir / "404.html").write_bytes(b"<p>new")
            d.reload()
            self.assertEqual(d.fetch("/x").body, b"<p>new")
            (d.dir / "404.html").unlink()
            d.reload()
            d.log.wait(r"the error page \S+404.html cannot be read: No such file")
            self.assertEqual(d.fetch("/x").body, b"<p>new")


class GivenUp(TestCase):
    """Answers that no route gave have the fields and pages of their site, too."""
    CONFIG = """
workers = 1;
@USER@
log = { target = "stderr"; };
limits = { body_size = "16"; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; },
              { name = "http"; address = "127.0.0.1:@PORT2@"; tls = false; } );
sites = (
  { names = [ "127.0.0.1" ]; default = true; listeners = [ "https", "http" ];
    certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    headers = ( { name = "X-Whose"; value = "default"; } );
    routes = ( { path = "/"; respond = {}; } ); },
  { names = [ "localhost" ]; listeners = [ "https", "http" ];
    certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    headers = ( { name = "X-Whose"; value = "site"; } );
    error_pages = ( { status = 400; file = "error.txt"; }, { status = 408; file = "error.txt"; },
                    { status = 413; file = "error.txt"; }, { status = 417; file = "error.txt"; } );
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/own/"; respond = { text = "ok"; };
                 headers = ( { name = "X-Whose"; value = "route"; } ); } ); } );
"""

    @staticmethod
    def prepare(config):
        d = Latchd(config=config)
        (d.dir / "error.txt").write_bytes(b"the site's own words")
        return d

    @classmethod
    def setUpClass(cls):
        cls.d = cls.prepare(cls.CONFIG).start()
        cls.addClassCleanup(cls.d.stop)

    def expect(self, response, status, whose="site"):
        self.assertEqual((response.status, response.headers["x-whose"], response.body),
                         (status, whose, b"the site's own words"))

    def test_a_body_that_is_too_large(self):
        for version, chunked in itertools.product(("--http1.1", "--http2"), (False, True)):
            for target, whose in (("/", b"site"), ("/own/", b"route")):
                run = self.d.curl(version, "-i", "-d", "x" * 17, "-H", "Expect:",
                                  *(("-H", "Transfer-Encoding: chunked") if chunked else ()),
                                  self.d.url(target))
                head, body = run.stdout.split(b"\r\n\r\n", 1)
                self.assertRegex(head, rb"^HTTP/[0-9.]+ 413", run)
                self.assertIn(b"\r\nx-whose: " + whose, head.lower())
                self.assertEqual(body, b"the site's own words")

    def test_an_expectation_that_is_unknown(self):
        for version in ("--http1.1", "--http2"):
            run = self.d.curl(version, "-i", "-H", "Expect: the unexpected", self.d.url("/own/"))
            self.assertRegex(run.stdout, rb"^HTTP/[0-9.]+ 417")
            self.assertIn(b"\r\nx-whose: route", run.stdout.lower())
            self.assertTrue(run.stdout.endswith(b"\r\n\r\nthe site's own words"), run)

    def test_a_body_that_does_not_come(self):
        with self.prepare(self.CONFIG + 'timeouts = { body = "200ms"; };') as d, d.peer() as peer:
            peer.send_request("/own/", method="POST", headers={"Content-Length": "5"})
            self.expect(peer.read_response(), 408, "route")

    def test_a_request_that_is_malformed(self):
        for raw in (b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                    b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            with self.d.peer() as peer:
                self.expect(peer.send(raw).read_response(), 400)

    def test_an_authority_that_is_malformed(self):
        from h2_peer import H2Peer  # skips without HTTP/2
        with H2Peer(self.d.port) as peer:
            answer = peer.fetch(1, authority="u@localhost")
            self.assertEqual((answer.status, answer.get("x-whose"), answer.body),
                             (400, "site", b"the site's own words"))

    def test_a_plain_request_belongs_to_its_host_or_to_the_default_site(self):
        for host, whose in ((b"localhost", "site"), (b"a b", "default"), (b"x.test", "default")):
            with Peer(self.d.port2, tls=False) as peer:
                peer.send(b"POST / HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: 1\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n")
                response = peer.read_response()
                self.assertEqual((response.status, response.headers["x-whose"]), (400, whose))


class Redirects(Shared):
    def location(self, target, status, **options):
        response = self.fetch(target, **options)
        self.assertEqual(response.status, status, target)
        self.assertIn(b"<a href=", response.body)
        return response.headers["location"]

    def test_fixed(self):
        self.assertEqual(self.location("/old/anything?x", 308), "https://example.org/new/")

    def test_variables(self):
        self.assertEqual(self.location("/moved/a%20b?q=%3C", 301),
                         "https://localhost:8443/moved/a%20b?q=%3C")
        self.assertEqual(self.location("/moved", 301), "https://localhost:8443/moved")
        self.assertEqual(self.location("/moved?", 301), "https://localhost:8443/moved?")
        self.assertEqual(self.location("/moved/", 301, host="127.0.0.1:444"),
                         "https://127.0.0.1:8443/moved/")

    def test_the_path_is_as_received(self):
        self.assertEqual(self.location("/x/../moved/%7e", 301),
                         "https://localhost:8443/x/../moved/%7e")

    def test_a_path_cannot_become_a_host(self):
        self.assertEqual(self.location("/only-path", 302), "/only-path")
        self.assertEqual(self.location("//evil.test/../../only-path", 302)[:2], "/e")

    def test_plain_to_tls(self):
        response = self.plain("/a?b", "a.example.org:8080")
        self.assertEqual(response.headers["location"], "https://a.example.org/a?b")
        response = self.plain("/", "[::1]:80")
        self.assertEqual(response.headers["location"], "https://[::1]/")

    def test_no_request_splits_the_response(self):
        for target in ("/moved/%0d%0aX-Bad:%201", "/moved?%0d%0aX-Bad:%201"):
            response = self.fetch(target)
            self.assertEqual(response.status, 301)
            self.assertNotIn("x-bad", response.headers)
            self.assertIn("%0d%0a", response.headers["location"])

    def test_every_method_is_redirected(self):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            self.assertEqual(self.fetch("/old/", method=method).status, 308, method)

    def test_curl_follows(self):
        run = self.d.curl("-L", "-w", " %{url_effective}", "--connect-to",
                          f"localhost:443:127.0.0.1:{self.d.port}",
                          f"http://localhost:{self.d.port2}/page.txt")
        self.assertEqual(run.stdout, b"page https://localhost/page.txt", run.stderr)


class Refused(TestCase):
    """What a site cannot mean is refused before anybody asks for it."""

    def check(self, old, new):
        d = Latchd(config=CONFIG.replace(old, new), files=FILES)
        return latchd("-t", "-c", d.write_config())

    def test_the_configuration_itself(self):
        done = self.check("", "")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_redirects(self):
        for to, word in (("https://$hots/", "unknown variable"), ("/a$$", "unknown variable"),
                         ("/a b", "percent-encoded"), ("/\u00e4", "percent-encoded")):
            done = self.check('to = "$path"', f'to = "{to}"')
            self.assertEqual(done.returncode, 78, to)
            self.assertRegex(done.stderr, rf"^/\S+/latchd\.conf:\d+: .*{word}", to)

    def test_more_headers_than_a_response_has_room_for(self):
        lines = ", ".join(f'{{ name = "X-{i}"; value = "v"; }}' for i in range(15))
        one = '{ name = "X-Site"; value = "default"; }'
        self.assertEqual(self.check(one, lines).returncode, 0)
        done = self.check(one, one + ", " + lines)
        self.assertEqual(done.returncode, 78)
        self.assertIn("17 headers; expected at most 16", done.stderr)


class Status(Shared):
    def test_json(self):
        before = self.d.status()
        self.assertEqual(self.fetch("/missing").status, 404)
        after = self.d.wait_status(lambda s: s["responses"]["4xx"] > before["responses"]["4xx"])
        self.assertEqual(after["generation"], 1)
        self.assertRegex(after["openssl"], r"^\d+\.\d+\.\d+")
        self.assertEqual(len(after["workers"]), 1)
        worker = after["workers"][0]
        self.assertEqual((worker["state"], worker["slot"], worker["accepting"]),
                         ("serving", 0, True))
        self.assertEqual(worker["pid"], self.d.processes()[0])
        self.assertGreaterEqual(after["connections_active"], 1)
        self.assertGreater(after["connections_total"], before["connections_total"])
        self.assertGreater(after["requests_total"], before["requests_total"])
        self.assertGreater(after["handshakes_total"]["full"]["1.3"],
                           before["handshakes_total"]["full"]["1.3"])
        self.assertGreater(after["bytes_sent_total"], before["bytes_sent_total"])
        self.assertEqual(after["accept_imbalance"], 1)
        for key in ("version", "uptime_seconds", "closures_total", "sigpipe_total", "reloads_total",
                    "worker_respawns_total"):
            self.assertIn(key, after)

    def test_json_by_query(self):
        self.assertIn("workers", json.loads(self.fetch("/-/status?json").body))

    def test_html(self):
        response = self.fetch("/-/status", headers={"Accept": "text/html,application/json"})
        self.assertEqual(response.headers["content-type"], "text/html; charset=utf-8")
        self.assertEqual(response.headers["cache-control"], "no-store")
        self.assertIn(b"serving", response.body)
        self.assertNotRegex(response.body, rb"(?i)src=|https?://")

    def test_methods(self):
        self.assertEqual(self.fetch("/-/status", method="HEAD").status, 200)
        response = self.fetch("/-/status", method="POST")
        self.assertEqual((response.status, response.headers["allow"]), (405, "GET, HEAD"))


class Access(TestCase):
    """The access log in its three formats, in a file, and on standard error."""
    LINE = r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '

    def daemon(self, format, target="@DIR@/access.log"):
        log = f'log = {{ level = "debug"; target = "stderr"; access = {{ target = "{target}"; ' \
              f'format = "{format}"; }}; }};'
        return Latchd(config=re.sub(r"log = .*", log, CONFIG, count=1), files=FILES)

    def lines(self, d, n, name="access.log"):
        """The first n lines, as soon as they are there."""
        deadline = time.monotonic() + PATIENCE
        while True:
            path = d.dir / name
            lines = path.read_text().splitlines() if path.exists() else []
            if len(lines) >= n:
                return lines
            self.assertLess(time.monotonic(), deadline, f"only {lines}")
            select.select([], [], [], 0.02)

    def test_combined(self):
        with self.daemon("combined") as d:
            d.fetch("/page.txt?a=b",
                    headers={"User-Agent": "a \"quote\" \\", "Referer": "https://x.test/"})
            d.fetch("/missing")
            with d.peer() as peer:
                peer.send(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n").read_response()
            lines = self.lines(d, 3)
        self.assertRegex(lines[0],
                         self.LINE + r'"GET /page\.txt\?a=b HTTP/1\.1" 200 4 "https://x\.test/" '
                                               r'"a \\x22quote\\x22 \\x5C"$')
        self.assertRegex(lines[1], self.LINE + r'"GET /missing HTTP/1\.1" 404 \d+ "-" "-"$')
        self.assertRegex(lines[2], self.LINE + r'"-" 400 \d+ "-" "-"$')
        self.assertEqual(len(lines), 3)

    def test_common(self):
        with self.daemon("common") as d:
            d.fetch("/page.txt", headers={"User-Agent": "x"})
            self.assertRegex(self.lines(d, 1)[0], self.LINE + r'"GET /page\.txt HTTP/1\.1" 200 4$')

    def test_json(self):
        with self.daemon("json") as d:
            with d.peer(version="1.3") as peer:
                peer.request("/page.txt?a", headers={"User-Agent": "tab\there", "Referer": "r"})
                peer.request("/missing", "HEAD", close=True)
                peer.read_to_end()
                peer.send_close_notify()
            context = client_context(ca=certificates() / "selfsigned.pem")
            with self.assertRaises(ssl.SSLError):
                d.peer(context=context)
            events = [json.loads(line) for line in self.lines(d, 5)]
            pid_of_worker = d.processes()
        for line in events:
            self.assertEqual(next(iter(line)), "event")
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertEqual(line["client"], "127.0.0.1")
        self.assertEqual(len(pid_of_worker), 1)
        request = events[0]
        self.assertEqual(set(request), {
            "event", "time", "client", "site", "method", "target", "protocol", "status", "bytes",
            "duration_us", "referer", "user_agent", "tls_version", "tls_cipher", "tls_resumed",
            "tls_client_verify", "tls_client_subject", "tls_client_names", "tls_client_fingerprint",
            "worker", "generation", "stream"})
        self.assertEqual(
            [request[k] for k in ("event", "site", "method", "target", "protocol", "status",
                                  "bytes", "referer",
                                  "user_agent", "tls_version", "tls_resumed", "generation",
                                  "stream")],
            ["request", "localhost", "GET", "/page.txt?a", "HTTP/1.1", 200, 4, "r", "tab\there",
             "TLSv1.3",
             False, 1, 1])
        self.assertLess(request["duration_us"], PATIENCE * 1000000)
        self.assertEqual([events[1][k] for k in ("method", "status", "bytes", "referer", "stream")],
                         ["HEAD", 404, 0, None, 2])
        closed = events[2]
        self.assertEqual([closed[k] for k in ("event", "site", "requests", "bytes")],
                         ["close", "localhost", 2, 4])
        self.assertIn(closed["closure"], ("clean", "local"))
        failed = events[3]
        self.assertEqual([failed[k] for k in ("event", "sni", "alert")],
                         ["handshake_failed", "localhost", 48])   # unknown_ca
        self.assertEqual([events[4][k] for k in ("event", "requests")], ["close", 0])

    def test_json_of_a_handshake_that_found_no_site(self):
        with self.daemon("json") as d:
            with socket.create_connection(("127.0.0.1", d.port)) as s:
                s.sendall(b"GET / HTTP/1.1\r\n\r\n")
                while s.recv(4096):
                    pass
            failed = json.loads(self.lines(d, 1)[0])
        self.assertEqual([failed[k] for k in ("event", "client", "sni", "reason")],
                         ["handshake_failed", "127.0.0.1", "", "http_request"])

    def test_json_of_a_plain_connection(self):
        with self.daemon("json") as d:
            with Peer(d.port2, tls=False) as peer:
                peer.request("/x", host="other.example", close=True)
            request = json.loads(self.lines(d, 1)[0])
        self.assertEqual([request[k] for k in ("status", "site", "tls_version", "tls_cipher",
                                               "tls_resumed")],
                         [308, "*", None, None, None])

    def test_standard_error(self):
        with self.daemon("common", "stderr") as d:
            d.fetch("/page.txt")
            d.log.wait(self.LINE + '"GET /page.txt HTTP/1.1" 200 4$')

    def test_a_log_of_the_sites_own(self):
        config = CONFIG.replace('{ names = [ "example.org" ];',
                                '{ names = [ "example.org" ];'
                                '  access = { target = "@DIR@/own.log"; };')
        with Latchd(config=config, files=FILES) as d:
            d.fetch("/page.txt")
            d.fetch("/x", peer={"name": "example.org"})
            lines = self.lines(d, 1, "own.log")
        self.assertEqual(len(lines), 1)
        self.assertIn('"GET /x HTTP/1.1" 404', lines[0])

    def test_lines_gather_and_none_is_lost_at_a_stop(self):
        with self.daemon("common") as d:
            with d.peer() as peer:
                for _ in range(1000):
                    peer.request("/page.txt")
        self.assertEqual(len(self.lines(d, 1000)), 1000)

    def test_reopen(self):
        with self.daemon("common") as d:
            d.fetch("/page.txt?1")
            self.lines(d, 1)
            (d.dir / "access.log").rename(d.dir / "access.log.1")
            d.signal(signal.SIGUSR1)
            deadline = time.monotonic() + PATIENCE
            while not (d.dir / "access.log").exists() or not (d.dir / "access.log").read_text():
                self.assertLess(time.monotonic(), deadline)
                d.fetch("/page.txt?2")
                select.select([], [], [], 0.02)
            self.assertIn("page.txt?2", self.lines(d, 1)[0])


if __name__ == "__main__":
    unittest.main()

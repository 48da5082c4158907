"""Static files over HTTPS: what is found and how it is described, conditions and ranges, and
everything that must not be reached."""
import gzip
import hashlib
import json
import os
import re
import unittest

from harness import DEFAULT_CONFIG, Latchd, TestCase, scratch

CONFIG = DEFAULT_CONFIG.replace("files = { root",
                                'files = { index = [ "index.html", "index.txt" ]; root')
TEXT = b"0123456789" * 10
LARGE = bytes(range(256)) * 4096   # 1 MiB


class Files(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=CONFIG, files={
            "text.txt": TEXT, "empty.txt": b"", "large.bin": LARGE, "style.css": b"a{}",
            "app.js": b"1",
            "data.json": b"{}", "logo.svg": b"<svg/>", "pic.PNG": b"x", "unknown.zzz": b"x",
            "noext": b"x",
            "sub/index.html": b"sub index", "other/index.txt": b"other index",
            "bare/file.txt": b"x",
            "a b/ü.txt": b"spaced", "100%.txt": b"percent", ".hidden": b"secret",
            ".git/config": b"secret",
            ".well-known/security.txt": b"contact", "sub/.htaccess": b"secret",
            "dots..txt": b"dots"})
        cls.outside = scratch()
        (cls.outside / "secret.txt").write_bytes(b"secret")
        www = cls.d.www
        for name, target in (("inside.txt", "text.txt"), ("subdir", "sub"),
                             ("up.txt", "../latchd.conf"),
                             ("out.txt", cls.outside / "secret.txt"), ("outdir", cls.outside),
                             ("loop1", "loop2"), ("loop2", "loop1"), ("dangling", "nowhere"),
                             ("sub/back.txt", "../text.txt"), ("absolute.txt", www / "text.txt")):
            os.symlink(target, www / name)
        os.mkfifo(www / "fifo")
        (www / "closed.txt").write_bytes(b"closed")
        (www / "closed.txt").chmod(0)
        (www / "closed").mkdir(mode=0)
        cls.d.start()
        cls.addClassCleanup(cls.d.stop)

    def get(self, target, method="GET", **headers):
        return self.d.fetch(target, method=method,
                            headers={k.replace("_", "-"): v for k, v in headers.items()})

    def status_of(self, target, status, **options):
        response = self.get(target, **options)
        self.assertEqual(response.status, status, target)
        self.assertNotIn(b"secret", response.body, target)
        return response

    # -- what is there

    def test_content(self):
        for target, body in (("/text.txt", TEXT), ("/empty.txt", b""), ("/large.bin", LARGE),
                             ("/a%20b/%C3%BC.txt", b"spaced"), ("/100%25.txt", b"percent"),
                             ("/dots..txt", b"dots"), ("/text.txt?query=1", TEXT),
                             ("/%74ext.txt", TEXT), ("/./sub/../text.txt", TEXT),
                             ("//text.txt", TEXT)):
            with self.subTest(target):
                response = self.get(target)
                self.assertEqual((response.status, response.body), (200, body))

    def test_types(self):
        for target, kind in (("/text.txt", "text/plain; charset=utf-8"),
                             ("/", "text/html; charset=utf-8"),
                             ("/style.css", "text/css; charset=utf-8"),
                             ("/data.json", "application/json"),
                             ("/app.js", "text/javascript; charset=utf-8"),
                             ("/logo.svg", "image/svg+xml"),
                             ("/pic.PNG", "image/png"),
                             ("/unknown.zzz", "application/octet-stream"),
                             ("/noext", "application/octet-stream")):
            self.assertEqual(self.get(target).headers["content-type"], kind, target)

    def test_types_of_the_system(self):
        d = Latchd(config=CONFIG.replace("@EXTRA@", 'media_types = "@DIR@/types"; @EXTRA@'),
                   files={"a.demo": b"x", "b.css": b"x", "c.json": b"x"})
        (d.dir / "types").write_text("# types\ntext/x-demo demo dem\nimage/x-css css\n")
        with d:
            for target, kind in (("/a.demo", "text/x-demo; charset=utf-8"),
                                 ("/b.css", "image/x-css"), ("/c.json", "application/json")):
                self.assertEqual(d.fetch(target).headers["content-type"], kind, target)

    def test_index(self):
        self.assertIn(b"<title>latchd</title>", self.get("/").body)
        self.assertEqual(self.get("/sub/").body, b"sub index")
        self.assertEqual(self.get("/other/").body, b"other index")
        self.assertEqual(self.get("/other/").headers["content-type"], "text/plain; charset=utf-8")

    def test_a_directory_without_index_is_403(self):
        self.status_of("/bare/", 403)

    def test_a_directory_without_slash_redirects(self):
        for target, location in (("/sub", "/sub/"), ("/sub?a=b", "/sub/?a=b"),
                                 ("/a%20b", "/a%20b/"),
                                 ("/subdir", "/subdir/"), ("//sub", "/sub/"),
                                 ("///sub?x", "/sub/?x")):
            response = self.status_of(target, 301)
            self.assertEqual(response.headers["location"], location, target)

    def test_missing(self):
        for target in ("/missing", "/missing/", "/text.txt/", "/text.txt/x", "/sub/missing.html",
                       "/" + "a" * 300):
            self.status_of(target, 404)

    def test_links_within_the_root(self):
        self.assertEqual(self.get("/inside.txt").body, TEXT)
        self.assertEqual(self.get("/subdir/").body, b"sub index")
        self.assertEqual(self.get("/sub/back.txt").body, TEXT)

    # -- what must not be reached

    def test_links_that_lead_out(self):
        for target in ("/out.txt", "/outdir/", "/outdir/secret.txt", "/up.txt", "/absolute.txt",
                       "/loop1", "/dangling"):
            self.status_of(target, 404)

    def test_dotfiles(self):
        for target in ("/.hidden", "/.git/config", "/.git", "/.git/", "/sub/.htaccess",
                       "/%2ehidden",
                       "/%2Egit/config", "/sub/../.hidden", "//.hidden", "/..../x"):
            self.status_of(target, 404)

    def test_well_known_is_known(self):
        self.assertEqual(self.get("/.well-known/security.txt").body, b"contact")
        self.status_of("/sub/.well-known/security.txt", 404)
        self.status_of("/.well-known/.hidden", 404)
        self.status_of("/.well-knownX", 404)

    def test_paths_above_the_root(self):
        for target in ("/../latchd.conf", "/%2e%2e/latchd.conf", "/sub/../../latchd.conf",
                       "/%2e%2e%2flatchd.conf", "/..%2flatchd.conf", "/.%2e/latchd.conf"):
            self.assertIn(self.get(target).status, (400, 404), target)
        for target in ("/..\\latchd.conf", "/%5c..%5clatchd.conf", "/sub%00/", "/text.txt%00.html"):
            self.assertIn(self.get(target).status, (400, 404), target)

    def test_no_permission(self):
        self.status_of("/closed.txt", 403)
        self.status_of("/closed/x", 403)

    def test_other_kinds_of_files(self):
        self.status_of("/fifo", 403)

    def test_methods(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            response = self.get("/text.txt", method)
            self.assertEqual((response.status, response.headers["allow"]), (405, "GET, HEAD"),
                             method)

    # -- conditions

    def validators(self, target="/text.txt"):
        headers = self.get(target).headers
        self.assertRegex(headers["etag"], r'^"[!#-~]+"$')
        return headers["etag"], headers["last-modified"]

    def test_if_none_match(self):
        etag, _ = self.validators()
        for value, status in ((etag, 304), ("W/" + etag, 304), ('"x", ' + etag, 304), ("*", 304),
                              ('"x"', 200), ("garbage", 200)):
            response = self.get("/text.txt", If_None_Match=value)
            self.assertEqual(response.status, status, value)
            self.assertEqual(response.headers["etag"], etag)
            if status == 304:
                self.assertEqual(response.body, b"")
                self.assertNotIn("content-length", response.headers)

    def test_if_modified_since(self):
        etag, modified = self.validators()
        for value, status in ((modified, 304), ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
                              ("Sunday, 06-Nov-94 08:49:37 GMT", 200), ("garbage", 200)):
            self.assertEqual(self.get("/text.txt", If_Modified_Since=value).status, status, value)
        both = self.get("/text.txt", If_None_Match='"x"', If_Modified_Since=modified)
        self.assertEqual(both.status, 200, "If-None-Match stands above If-Modified-Since")

    def test_if_match_and_if_unmodified_since(self):
        etag, modified = self.validators()
        self.assertEqual(self.get("/text.txt", If_Match=etag).status, 200)
        self.assertEqual(self.get("/text.txt", If_Match="*").status, 200)
        self.assertEqual(self.get("/text.txt", If_Match='"x"').status, 412)
        self.assertEqual(self.get("/text.txt", If_Match="W/" + etag).status, 412)
        self.assertEqual(self.get("/text.txt", If_Unmodified_Since=modified).status, 200)
        self.assertEqual(self.get("/text.txt",
                                  If_Unmodified_Since="Sun, 06 Nov 1994 08:49:37 GMT").status, 412)

    def test_keep_alive_over_304(self):
        etag, _ = self.validators()
        with self.d.peer() as peer:
            for _ in range(3):
                self.assertEqual(peer.request("/text.txt", headers={"If-None-Match": etag}).status,
                                 304)
                self.assertEqual(peer.request("/text.txt").body, TEXT)

    # -- ranges

    def test_ranges(self):
        for target, body in (("/text.txt", TEXT), ("/large.bin", LARGE)):
            size = len(body)
            for value, first, last in (("bytes=0-0", 0, 0), ("bytes=0-4", 0, 4),
                                       ("bytes=5-", 5, size - 1),
                                       ("bytes=-5", size - 5, size - 1),
                                       (f"bytes=-{size * 2}", 0, size - 1),
                                       (f"bytes=10-{size * 2}", 10, size - 1), ("BYTES=1-2", 1, 2)):
                with self.subTest(target=target, range=value):
                    response = self.get(target, Range=value)
                    self.assertEqual(response.status, 206)
                    self.assertEqual(response.headers["content-range"],
                                     f"bytes {first}-{last}/{size}")
                    self.assertEqual(response.body, body[first:last + 1])

    def test_ranges_that_are_ignored(self):
        for value in ("bytes=" + ",".join(f"{3 * i}-{3 * i}" for i in range(33)),
                      "bytes=0-1,4-2", "bytes=4-2", "bytes=", "bytes=a-b", "lines=0-1",
                      "bytes 0-1", "bytes=-"):
            response = self.get("/text.txt", Range=value)
            self.assertEqual((response.status, response.body), (200, TEXT), value)

    def test_ranges_that_cannot_be_satisfied(self):
        for value in ("bytes=100-", "bytes=100-200", "bytes=-0"):
            response = self.get("/text.txt", Range=value)
            self.assertEqual((response.status, response.headers["content-range"]),
                             (416, "bytes */100"), value)
        self.assertEqual(self.get("/empty.txt", Range="bytes=0-").status, 416)

    def test_if_range(self):
        etag, modified = self.validators()
        self.assertEqual(self.get("/text.txt", Range="bytes=0-1", If_Range=etag).status, 206)
        os.utime(self.d.put("old.txt", TEXT), (1e9, 1e9))
        self.assertEqual(self.get("/old.txt", Range="bytes=0-1,9-9",
                                  If_Range="Sun, 09 Sep 2001 01:46:40 GMT").status, 206)
        for value in ('"x"', "W/" + etag, "Sun, 06 Nov 1994 08:49:37 GMT"):
            self.assertEqual(self.get("/text.txt", Range="bytes=0-1", If_Range=value).status, 200,
                             value)

    def parts(self, response):
        """The parts of a multipart/byteranges content as (range, content), strictly read."""
        kind, _, boundary = response.headers["content-type"].partition("; boundary=")
        self.assertEqual(kind, "multipart/byteranges")
        self.assertNotIn("content-range", response.headers)
        mark = b"--" + boundary.encode()
        pieces = (b"\r\n" + response.body).split(b"\r\n" + mark)
        self.assertEqual((pieces[0], pieces[-1]), (b"", b"--\r\n"))
        found = []
        for piece in pieces[1:-1]:
            head, _, content = piece.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            self.assertEqual((lines[0], len(lines)), ("", 3))
            fields = dict(line.split(": ", 1) for line in lines[1:])
            found.append((fields["Content-Range"], fields["Content-Type"], content))
        return found

    def test_several_ranges(self):
        for target, body, kind in (("/text.txt", TEXT, "text/plain; charset=utf-8"),
                                   ("/large.bin", LARGE, "application/octet-stream")):
            size = len(body)
            for value, expected in (
                ("bytes=0-1,5-9", [(0, 1), (5, 9)]), ("bytes=5-9,0-1", [(5, 9), (0, 1)]),
                ("bytes=0-0,-1", [(0, 0), (size - 1, size - 1)]),
                ("bytes=0-3,2-5,10-11", [(0, 5), (10, 11)]),
                (f"bytes={size}-,3-4,7-8", [(3, 4), (7, 8)]),
                ("bytes=" + ",".join(f"{3 * i}-{3 * i}" for i in range(32)),
                 [(3 * i, 3 * i) for i in range(32)]),
                (f"bytes=10-{size - 40},{size - 20}-", [(10, size - 40), (size - 20, size - 1)])):
                with self.subTest(target=target, range=value):
                    response = self.get(target, Range=value)
                    self.assertEqual(response.status, 206)
                    self.assertEqual(self.parts(response),
                                     [(f"bytes {a}-{b}/{size}", kind, body[a:b + 1])
                                      for a, b in expected])

    def test_several_ranges_that_are_one(self):
        for value in ("bytes=0-4,3-9", "bytes=0-4,5-9", "bytes=2-9,0-3,0-1", "bytes=0-9,100-"):
            response = self.get("/text.txt", Range=value)
            self.assertEqual((response.status, response.headers["content-range"], response.body),
                             (206, "bytes 0-9/100", TEXT[:10]), value)

    def test_several_ranges_with_curl(self):
        run = self.d.curl("-r", "0-9,50-59,-3", self.d.url("/text.txt"))
        self.assertEqual(run.stdout.count(b"Content-Range: bytes"), 3, run.stderr)
        self.assertIn(b"\r\n\r\n" + TEXT[50:60] + b"\r\n--", run.stdout)

    def test_ranges_are_for_get(self):
        response = self.get("/text.txt", "HEAD", Range="bytes=0-1")
        self.assertEqual((response.status, response.headers["content-length"]), (200, "100"))

    def test_ranges_are_announced(self):
        self.assertEqual(self.get("/text.txt").headers["accept-ranges"], "bytes")

    # -- with curl

    def test_a_large_file_with_curl(self):
        digest = hashlib.sha256()
        path = self.d.www / "huge.bin"
        with open(path, "wb") as f:
            for i in range(40):
                block = hashlib.sha256(b"%d" % i).digest() * 32768
                digest.update(block)
                f.write(block)
        out = self.d.dir / "huge.out"
        run = self.d.curl("-o", out, self.d.url("/huge.bin"))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(hashlib.sha256(out.read_bytes()).hexdigest(), digest.hexdigest())

    def test_resume_with_curl(self):
        out = self.d.dir / "part.out"
        out.write_bytes(LARGE[:300000])
        run = self.d.curl("-C", "-", "-o", out, self.d.url("/large.bin"))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(out.read_bytes(), LARGE)

    def test_time_condition_with_curl(self):
        run = self.d.curl("-z", self.d.www / "text.txt", "-w", "%{http_code}",
                          self.d.url("/text.txt"))
        self.assertEqual(run.stdout, b"304")


class Try(TestCase):
    """Several places to look in: single-page applications, pretty names."""

    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=DEFAULT_CONFIG.replace(
            "files = { root",
            'files = { try = [ "$path", "$path.html", "/index.html" ];'
            ' cache_control = "max-age=60"; root'),
            files={"index.html": b"app", "about.html": b"about", "sub/index.html": b"sub",
                   "bare/x.txt": b"x", ".secret": b"secret"}).start()
        cls.addClassCleanup(cls.d.stop)

    def test_the_first_that_is_there(self):
        for target, body in (("/", b"app"), ("/about", b"about"), ("/about.html", b"about"),
                             ("/sub/", b"sub"), ("/app/route/7", b"app"), ("/bare/", b"app"),
                             ("/missing.js?x", b"app"), ("/.secret", b"app"), ("/about/", b"app")):
            with self.subTest(target):
                response = self.d.fetch(target)
                self.assertEqual((response.status, response.body), (200, body))
        self.assertEqual(self.d.fetch("/sub").headers["location"], "/sub/")

    def test_cache_control(self):
        response = self.d.fetch("/about")
        self.assertEqual(response.headers["cache-control"], "max-age=60")
        again = self.d.fetch("/about", headers={"If-None-Match": response.headers["etag"]})
        self.assertEqual((again.status, again.headers["cache-control"]), (304, "max-age=60"))
        part = self.d.fetch("/about", headers={"Range": "bytes=0-1"})
        self.assertEqual((part.status, part.headers["cache-control"]), (206, "max-age=60"))
        for method, headers in (("POST", {}), ("GET", {"If-Match": '"x"'})):
            self.assertNotIn("cache-control",
                             self.d.fetch("/about", method=method, headers=headers).headers)

    def test_without_a_last_resort_it_is_404(self):
        config = self.d.template.replace(', "/index.html"', "")
        with Latchd(config=config, files={"about.html": b"about"}) as d:
            self.assertEqual(d.fetch("/about").body, b"about")
            self.assertEqual(d.fetch("/missing").status, 404)


PAGE = b"".join(b"<p>Line %d of a page that is worth compressing.</p>\n" % i for i in range(2000))
DATA = json.dumps([{"number": i, "square": i * i} for i in range(100000)]).encode()


class Codings(TestCase):
    """Content codings: siblings that are there, and what is compressed on the way."""

    @classmethod
    def setUpClass(cls):
        config = DEFAULT_CONFIG.replace("files = { root", "files = { @CODINGS@ root")
        files = {"page.html": PAGE, "data.json": DATA, "short.txt": b"short",
                 "pic.png": PAGE, "noise.txt": os.urandom(5000), "huge.txt": PAGE * 40}
        cls.on = Latchd(config=config.replace("@CODINGS@", "compress = true;"), files=files)
        cls.files = Latchd(config=config.replace("@CODINGS@", "precompressed = true;"),
                           files={"page.html": PAGE, "large.bin": LARGE})
        www = cls.files.www
        (www / "page.html.gz").write_bytes(gzip.compress(PAGE))
        (www / "page.html.br").write_bytes(b"brotli" * 10000)
        (www / "page.html.zst").write_bytes(b"older")
        (www / "large.bin.gz").write_bytes(LARGE[::-1])
        os.utime(www / "page.html.zst", (1e9, 1e9))
        for d in (cls.on, cls.files):
            d.start()
            cls.addClassCleanup(d.stop)

    def get(self, d, target, codings, method="GET", **headers):
        if codings is not None:
            headers["Accept-Encoding"] = codings
        return d.fetch(target, method=method,
                       headers={k.replace("_", "-"): v for k, v in headers.items()})

    def test_gzip(self):
        for target, body in (("/page.html", PAGE), ("/data.json", DATA)):
            for _ in range(2):
                response = self.get(self.on, target, "gzip")
                self.assertEqual((response.status, response.headers["content-encoding"],
                                  response.headers["vary"]), (200, "gzip", "Accept-Encoding"))
                self.assertLess(len(response.body), len(body) / 4)
                self.assertEqual(gzip.decompress(response.body), body)

    def test_curl_understands_each(self):
        known = self.on.curl("-V").stdout.split()
        for coding, feature in (("gzip", b"libz"), ("br", b"brotli"), ("zstd", b"zstd")):
            if feature not in known:
                continue
            for target, body in (("/page.html", PAGE), ("/data.json", DATA)):
                run = self.on.curl("--compressed", "-H", f"Accept-Encoding: {coding}", "-D", "-",
                                   self.on.url(target))
                head, _, content = run.stdout.partition(b"\r\n\r\n")
                self.assertIn(b"Content-Encoding: " + coding.encode(), head, run.stderr)
                self.assertEqual(content, body, coding)

    def test_what_is_sent_as_it_is(self):
        for target in ("/short.txt", "/pic.png", "/noise.txt", "/huge.txt"):
            plain = self.get(self.on, target, None)
            response = self.get(self.on, target, "gzip, br, zstd")
            self.assertNotIn("content-encoding", response.headers, target)
            self.assertEqual(response.body, plain.body)
            self.assertEqual(response.headers["etag"], plain.headers["etag"])
        self.assertEqual(self.get(self.on, "/page.html", "deflate").body, PAGE)
        self.assertEqual(self.get(self.on, "/page.html", "gzip;q=0").body, PAGE)

    def test_none_acceptable(self):
        self.assertEqual(self.get(self.on, "/page.html", "deflate, *;q=0").status, 406)
        self.assertEqual(self.get(self.on, "/noise.txt", "gzip, identity;q=0").status, 406)
        self.assertEqual(self.get(self.on, "/page.html", "gzip, identity;q=0").status, 200)

    def test_conditions_and_ranges_are_of_the_representation(self):
        for d in (self.on, self.files):
            plain, coded = self.get(d, "/page.html", None), self.get(d, "/page.html", "gzip")
            a, b = plain.headers["etag"], coded.headers["etag"]
            self.assertNotEqual(a, b)
            for codings, etag, status in (("gzip", b, 304), ("gzip", a, 200), (None, a, 304),
                                          (None, b, 200)):
                response = self.get(d, "/page.html", codings, If_None_Match=etag)
                self.assertEqual(response.status, status)
                self.assertEqual(response.headers["vary"], "Accept-Encoding")
            failed = self.get(d, "/page.html", "gzip", If_Match=a)
            beyond = self.get(d, "/page.html", "gzip", Range=f"bytes={len(coded.body)}-")
            for response, status in ((failed, 412), (beyond, 416)):
                self.assertEqual(response.status, status)
                self.assertEqual(response.headers["vary"], "Accept-Encoding", status)
            part = self.get(d, "/page.html", "gzip", Range="bytes=10-99", If_Range=b)
            self.assertEqual((part.status, part.body, part.headers["content-encoding"]),
                             (206, coded.body[10:100], "gzip"))
            self.assertEqual(part.headers["content-range"], f"bytes 10-99/{len(coded.body)}")
            other = self.get(d, "/page.html", "gzip", Range="bytes=0-9", If_Range=a)
            self.assertEqual(other.status, 200)
            head = self.get(d, "/page.html", "gzip", method="HEAD")
            self.assertEqual(int(head.headers["content-length"]), len(coded.body))

    def test_a_304_has_the_fields_of_its_200(self):
        """RFC 9110 section 15.4.5."""
        config = DEFAULT_CONFIG.replace(
            "files = {", 'files = { compress = true; cache_control = "max-age=60";')
        with Latchd(config=config, files={"page.html": PAGE}) as d:
            for codings in (None, "gzip"):
                whole = self.get(d, "/page.html", codings)
                short = self.get(d, "/page.html", codings, If_None_Match=whole.headers["etag"])
                self.assertEqual((short.status, short.body), (304, b""))
                for name in ("etag", "vary", "cache-control"):
                    self.assertEqual(short.headers[name], whole.headers[name])
                self.assertIn("date", short.headers)
                for name in ("content-encoding", "content-type", "content-length"):
                    self.assertNotIn(name, short.headers, "it has no content to describe")

    def test_siblings(self):
        for codings, coding, body in (
            ("gzip", "gzip", gzip.compress(PAGE)), ("gzip, br", "br", b"brotli" * 10000),
            ("br;q=0.1, gzip", "gzip", None), ("zstd", None, PAGE), (None, None, PAGE),
            ("zstd, *;q=0.5", "br", None), ("identity, br;q=0.1", None, PAGE)):
            response = self.get(self.files, "/page.html", codings)
            self.assertEqual(response.headers.get("content-encoding"), coding, codings)
            self.assertEqual(response.headers["content-type"], "text/html; charset=utf-8")
            self.assertEqual(response.headers["vary"], "Accept-Encoding")
            if body and coding != "gzip":
                self.assertEqual(response.body, body)
            if coding == "gzip":
                self.assertEqual(gzip.decompress(response.body), PAGE)
        self.assertEqual(self.get(self.files, "/large.bin", "gzip").body, LARGE[::-1])
        self.assertEqual(self.get(self.files, "/page.html.gz", None).headers["content-type"],
                         "application/gzip")

    def test_a_sibling_of_another_content_is_not_sent(self):
        with Latchd(config=self.files.template, files={"a.txt": b"old", "a.txt.gz": b"x"}) as d:
            with d.peer() as peer:
                def ask():
                    return peer.request("/a.txt", headers={"Accept-Encoding": "gzip"})
                self.assertEqual(ask().body, b"x")
                os.utime(d.www / "a.txt.gz", (1e9, 1e9))
                for _ in range(100000):
                    if ask().body == b"old":
                        break
                self.assertEqual(ask().body, b"old")
                d.put("a.txt.gz", b"y")
                for _ in range(100000):
                    if ask().body == b"y":
                        break
                self.assertEqual(ask().body, b"y")


class Changes(TestCase):
    """What is remembered of files is forgotten when they change."""

    def eventually(self, peer, target, accept):
        for _ in range(100000):
            response = peer.request(target)
            if accept(response):
                return response
        raise AssertionError(f"still {response}")

    def test_files_that_change(self):
        with Latchd(extra="") as d, d.peer() as peer:
            path = d.put("page.txt", b"one")
            first = peer.request("/page.txt")
            self.assertEqual(first.body, b"one")
            path.write_bytes(b"second")
            second = self.eventually(peer, "/page.txt", lambda r: r.body == b"second")
            self.assertNotEqual(first.headers["etag"], second.headers["etag"])
            d.put("next.txt", b"third one").rename(path)
            self.eventually(peer, "/page.txt", lambda r: r.body == b"third one")
            path.chmod(0)
            self.eventually(peer, "/page.txt", lambda r: r.status == 403)
            path.unlink()
            self.eventually(peer, "/page.txt", lambda r: r.status == 404)
            d.put("page.txt", b"back")
            self.eventually(peer, "/page.txt", lambda r: r.body == b"back")

    def test_directories_that_change(self):
        with Latchd(files={"dir/page.txt": b"old",
                           "fresh/page.txt": b"new"}) as d, d.peer() as peer:
            self.assertEqual(peer.request("/dir/page.txt").body, b"old")
            (d.www / "dir").rename(d.www / "gone")
            (d.www / "fresh").rename(d.www / "dir")
            self.eventually(peer, "/dir/page.txt", lambda r: r.body == b"new")

    def cut(self, change, headers=None):
        """What comes of a large file that is changed in place when its response has begun."""
        size = len(LARGE) * 16
        with Latchd(files={"large.bin": LARGE * 16}) as d, d.peer(rcvbuf=16384) as peer:
            peer.send_request("/large.bin", headers=headers)
            head = peer._take_until(b"\r\n\r\n").decode().lower()
            peer._take(100000)
            change(d.www / "large.bin")
            got = peer.read_to_end()
            self.assertLess(len(got) + 100000, size, "a right length")
            length = int(re.search(r"content-length: (\d+)", head).group(1))
            self.assertGreater(length, len(got) + 100000)
            self.assertNotIn(b"NEW", got)
            d.log.wait(r"the content ended before its length")

    def test_a_file_that_is_truncated_ends_its_response_as_broken(self):
        self.cut(lambda path: os.truncate(path, 200000))

    def test_a_file_that_is_rewritten_in_place_ends_its_response_as_broken(self):
        def rewrite(path):
            with open(path, "r+b") as f:
                f.write(b"NEW!" * (len(LARGE) * 4))
        self.cut(rewrite)
        self.cut(rewrite, {"Range": f"bytes=0-{len(LARGE) * 16 - 2},-1"})
        self.cut(rewrite, {"Range": f"bytes=0-{len(LARGE) * 15},{len(LARGE) * 15 + 10}-"})

    def test_a_response_that_runs_keeps_its_file(self):
        with Latchd(files={"large.bin": LARGE * 16}) as d, d.peer(rcvbuf=16384) as peer:
            peer.send_request("/large.bin")
            peer._take_until(b"\r\n\r\n")
            (d.www / "large.bin").unlink()
            self.assertEqual(hashlib.sha256(peer._take(len(LARGE) * 16)).digest(),
                             hashlib.sha256(LARGE * 16).digest())


if __name__ == "__main__":
    unittest.main()

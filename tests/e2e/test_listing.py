"""Listings: what a directory without an index looks like to people, programs and attackers."""
import html.parser
import json
import os
import unittest
import urllib.parse

from harness import DEFAULT_CONFIG, Latchd, TestCase

CONFIG = DEFAULT_CONFIG.replace("files = { root", "files = { listing = true; compress = true; root")
NAMES = ["a b.txt", "a&b<i>.txt", "\"quoted'.txt", "100%.txt", "what?.txt", "hash#.txt", "c:d.txt",
         "\u00e4\u20ac.txt", "-dash", "semi;colon", "plus+plus", "..dots", "javascript:alert(1)",
         "back\\slash"]


class Page(html.parser.HTMLParser):
    """The links and texts of a listing."""

    def __init__(self, text):
        super().__init__()
        self.links, self.tags = [], set()
        self.feed(text.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def resolved(self, base):
        return [urllib.parse.urljoin(base, link) for link in self.links]


class Listing(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=CONFIG, files={f"names/{n}": n.encode() for n in NAMES})
        d = cls.d
        (d.www / "index.html").unlink()
        for name, size, time in (("small", 10, 3000), ("large", 5000000, 1000),
                                 ("middle", 2000, 2000)):
            d.put(f"sizes/{name}", b"x" * size)
            os.utime(d.www / "sizes" / name, (time, time))
        (d.www / "sizes/folder").mkdir()
        d.put("sizes/.hidden", b"secret")
        os.symlink("small", d.www / "sizes/link")
        os.symlink("/etc/passwd", d.www / "sizes/out")
        d.put("index/index.html", b"the index")
        (d.www / "closed").mkdir(mode=0o711)
        (d.www / "many").mkdir()
        for i in range(100000):
            os.close(os.open(d.www / "many" / f"file-{i}", os.O_CREAT))
        d.start()
        cls.addClassCleanup(d.stop)

    def names(self, target, **headers):
        response = self.d.fetch(target, headers={"Accept": "application/json", **headers})
        self.assertEqual((response.status, response.headers["content-type"]),
                         (200, "application/json"))
        listing = json.loads(response.body)
        self.assertEqual(listing["shown"], len(listing["entries"]))
        return [e["name"] for e in listing["entries"]]

    def test_every_link_leads_to_its_file(self):
        response = self.d.fetch("/names/")
        self.assertEqual((response.status, response.headers["content-type"]),
                         (200, "text/html; charset=utf-8"))
        page = Page(response.body)
        self.assertNotIn("i", page.tags)
        found = []
        for url in page.resolved("https://localhost/names/"):
            parts = urllib.parse.urlsplit(url)
            self.assertEqual((parts.scheme, parts.netloc), ("https", "localhost"))
            target = parts.path + ("?" + parts.query if parts.query else "")
            if parts.path.startswith("/names/") and not parts.path.endswith("/"):
                found.append(self.d.fetch(target).body.decode())
            else:
                self.assertEqual(self.d.fetch(target).status, 200, target)
        self.assertEqual(sorted(found), sorted(n for n in NAMES if not n.startswith(".")))

    def test_other_spellings_lead_to_the_page(self):
        """Relative links would lead elsewhere from there."""
        self.d.put("one/two/three", b"3")
        for target, location in (("/one//two/", "/one/two/"), ("//one/two/?sort=date",
                                 "/one/two/?sort=date"), ("///", "/"), ("/one//two", "/one/two/"),
                                 ("//one/%2e/two//", "/one/two/")):
            response = self.d.fetch(target)
            self.assertEqual((response.status, response.headers.get("location")),
                             (301, location), target)
        page = Page(self.d.fetch("/one/two/").body)
        up = [urllib.parse.urlsplit(u).path for u in page.resolved("https://localhost/one/two/")]
        self.assertEqual(up[:3], ["/", "/one/", "/one/two/"], "the crumbs")
        self.assertEqual(self.d.fetch("/one//two/three").body, b"3", "files have no links of ours")

    def test_json(self):
        response = self.d.fetch("/sizes/", headers={"Accept": "application/json"})
        entries = {e["name"]: e for e in json.loads(response.body)["entries"]}
        self.assertEqual(entries["middle"], {"name": "middle", "type": "file", "size": 2000,
                                             "modified": "1970-01-01T00:33:20.000Z"})
        self.assertEqual(entries["folder"]["type"], "directory")
        self.assertEqual(entries["link"]["size"], 10)
        self.assertEqual(set(entries), {"folder", "large", "link", "middle", "small"})
        self.assertEqual(response.headers["vary"].replace(" ", "").lower(), "accept")

    def test_sorted(self):
        for query, names in (("", ["folder", "large", "link", "middle", "small"]),
                             ("?sort=name&order=desc",
                              ["folder", "small", "middle", "link", "large"]),
                             ("?sort=size", ["folder", "large", "middle", "link", "small"]),
                             ("?sort=date&order=asc",
                              ["folder", "large", "middle", "link", "small"])):
            self.assertEqual(self.names("/sizes/" + query), names, query)

    def test_the_page_names_sizes_and_dates(self):
        body = self.d.fetch("/sizes/").body.decode()
        for text in ("4.8 MiB", "2.0 KiB", "10 B", "1970-01-01", "prefers-color-scheme",
                     'href="?sort=size&amp;order=desc"', 'aria-sort="ascending"'):
            self.assertIn(text, body)
        self.assertNotIn("secret", body)
        self.assertNotRegex(body, r"(src|href)=.?(https?:|//)|<script")

    def test_an_index_comes_first(self):
        self.assertEqual(self.d.fetch("/index/").body, b"the index")
        self.assertEqual(self.d.fetch("/sizes").headers["location"], "/sizes/")
        self.assertEqual(self.d.fetch("/closed/").status, 403)
        self.assertEqual(self.d.fetch("/none/").status, 404)
        self.assertEqual(self.d.fetch("/sizes/small/").status, 404)

    def test_validators(self):
        first = self.d.fetch("/sizes/")
        etag = first.headers["etag"]
        self.assertEqual(first.headers["cache-control"], "no-cache")
        again = self.d.fetch("/sizes/", headers={"If-None-Match": etag})
        self.assertEqual((again.status, again.body), (304, b""))
        for name in ("vary", "cache-control"):
            self.assertEqual(again.headers[name], first.headers[name])
        head = self.d.fetch("/sizes/", method="HEAD")
        self.assertEqual(int(head.headers["content-length"]), len(first.body))
        other = self.d.fetch("/sizes/", headers={"Accept": "application/json"})
        self.assertNotEqual(other.headers["etag"], etag)

    def test_compressed(self):
        run = self.d.curl("--compressed", "-D", "-", self.d.url("/names/"))
        head, _, body = run.stdout.partition(b"\r\n\r\n")
        self.assertIn(b"Content-Encoding:", head)
        self.assertIn(b"Vary: Accept, Accept-Encoding", head)
        self.assertEqual(body, self.d.fetch("/names/").body)

    def test_changes_are_seen(self):
        self.d.put("changing/one", b"1")
        self.assertEqual(self.names("/changing/"), ["one"])
        self.d.put("changing/two", b"2")
        self.assertEqual(self.names("/changing/"), ["one", "two"])

    def test_a_hundred_thousand_files(self):
        """The page is made over many turns, in which others are served."""
        with self.d.peer() as slow, self.d.peer() as quick:
            slow.send_request("/many/?sort=date&order=asc")
            for _ in range(5):
                self.assertEqual(quick.request("/sizes/small").status, 200)
            response = slow.read_response()
        self.assertEqual(response.status, 200)
        self.assertTrue(b"10000 of 100000 entries are shown" in response.body)
        self.assertEqual(response.body.count(b"<tr><td>"), 10000)
        self.assertTrue(self.names("/many/") == [f"file-{i}" for i in range(10000)])

    def test_methods(self):
        self.assertEqual(self.d.fetch("/sizes/", method="POST").status, 405)


if __name__ == "__main__":
    unittest.main()

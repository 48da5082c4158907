"""What latch asks and where it goes: methods, content, fields, redirects, proxies, repetitions,
parts of downloads, records."""
import base64
import json
import os
import socket
import subprocess
import threading
import unittest
from urllib.parse import urlsplit

import harness
from latch_peer import LatchTestCase, Server, answering, server_context, with_length

HELLO = with_length(b"hello")


def request_of(connection):
    """Head and content of one request."""
    data = connection.read_head()
    head, _, content = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(content) < length:
        part = connection.stream.recv(65536)
        if not part:
            break
        content += part
    return head.decode(), content


def recording(seen, answer=HELLO):
    """A script that notes each request; `answer` may be a function of its target."""
    def script(connection):
        head, content = request_of(connection)
        seen.append((head, content))
        connection.send(answer(head.split(" ")[1]) if callable(answer) else answer)
        connection.close_notify()
    return script


def redirect(location, status=302):
    return with_length(b"gone", f"{status} Found", f"Location: {location}\r\n")


class Content(LatchTestCase):
    def ask(self, *args, **options):
        seen = []
        self.fetch(recording(seen), *args, **options)
        return seen[0]

    def test_data_is_posted(self):
        head, content = self.ask("-d", "a=b&c")
        self.assertTrue(head.startswith("POST / HTTP/1.1\r\n"))
        self.assertIn("\r\nContent-Length: 5\r\n", head)
        self.assertIn("\r\nContent-Type: application/x-www-form-urlencoded\r\n", head)
        self.assertEqual(content, b"a=b&c")

    def test_data_from_a_file_and_from_standard_input(self):
        file = harness.scratch() / "data"
        data = os.urandom(3 * 1024 * 1024)
        file.write_bytes(data)
        head, content = self.ask("-d", f"@{file}", "-X", "PUT", "-H", "Content-Type: x/y")
        self.assertTrue(head.startswith("PUT / "))
        self.assertIn("\r\nContent-Type: x/y\r\n", head)
        self.assertTrue(content == data)
        head, content = self.ask("-d", "@-", input=b"from stdin")
        self.assertEqual(content, b"from stdin")
        run = self.latch("-d", f"@{file}.none", "http://127.0.0.1:1/", ca=False, code=2)
        self.assertIn("No such file", run.err)

    def test_methods_and_fields(self):
        head, _ = self.ask("-X", "PURGE", "-H", "X-A: 1", "-H", "User-Agent: me")
        self.assertTrue(head.startswith("PURGE / "))
        self.assertIn("\r\nX-A: 1\r\nUser-Agent: me\r\n", head)
        self.assertNotIn("latch/", head)

    def test_a_server_that_answers_early_is_heard(self):
        """It answers after the head and reads nothing more: no side waits for the other."""
        file = harness.scratch() / "data"
        file.write_bytes(b"x" * 20_000_000)

        def script(connection):
            connection.read_head()
            connection.send(with_length(b"enough", "413 Content Too Large"))
            connection.wait_gone()
        for tls in (True, False):
            run = self.fetch(script, "-d", f"@{file}", tls=tls)
            self.assertEqual(run.out, b"enough")

    def test_latchd_gets_it(self):
        with harness.Latchd() as d:
            run = self.latch("--http1", "-d", "a=b", "-i", f"https://localhost:{d.port}/")
            self.assertIn(b"HTTP/1.1 405 ", run.out)
            self.assertIn(b"\r\nAllow: ", run.out)


class Redirects(LatchTestCase):
    def test_only_when_asked(self):
        self.assertEqual(self.fetch(answering(redirect("/x"))).out, b"gone")

    def test_the_way_is_followed_and_only_the_end_is_written(self):
        seen = []
        way = {"/": redirect("a/b?c"), "/a/b?c": redirect("../d", 308), "/d": HELLO}
        with Server(recording(seen, way.get), server_context()) as server:
            run = self.latch("-L", "-v", server.url(), "--connect", "127.0.0.1")
        self.assertEqual(run.out, b"hello")
        self.assertEqual([head.split(" ")[1] for head, _ in seen], ["/", "/a/b?c", "/d"])
        self.assertIn(f"status 308: redirected to https://localhost:{server.port}/d", run.err)

    def test_methods(self):
        for status, expected in ((301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"),
                                 (308, "POST")):
            seen = []
            way = {"/": redirect("/d", status), "/d": HELLO}
            with Server(recording(seen, way.get)) as server:
                self.latch("-L", "-d", "abc", server.url(), ca=False)
            head, content = seen[1]
            self.assertEqual(head.split(" ")[0], expected, status)
            self.assertEqual(content, b"abc" if expected == "POST" else b"", status)

    def test_a_limit(self):
        seen = []
        with Server(recording(seen, redirect("/"))) as server:
            run = self.latch("-L", server.url(), ca=False, code=1)
            self.assertEqual(len(seen), 11)
            self.assertIn("redirects more than 10 times", run.err)
            self.latch("-L", "--max-redirects", "0", server.url(), ca=False, code=1)
            self.assertEqual(len(seen), 12)

    def test_never_down_from_https(self):
        seen = []
        with Server(recording(seen)) as plain:
            run = self.fetch(answering(redirect(plain.url())), "-L", code=1)
        self.assertIn(f"from https to {plain.url()}", run.err)
        self.assertEqual((run.out, seen), (b"", []))

    def test_up_to_https_with_the_certificate_verified(self):
        with Server(answering(HELLO), server_context()) as good, \
                Server(answering(HELLO), server_context("wrong")) as wrong:
            self.assertEqual(self.fetch(answering(redirect(good.url())), "-L", tls=False).out,
                             b"hello")
            run = self.fetch(answering(redirect(wrong.url())), "-L", tls=False, code=7)
            self.assertIn(f"redirected to {wrong.url()}", run.err)

    def test_credentials_stay_at_home(self):
        fields = ("-H", "Authorization: Bearer secret", "-H", "Cookie: c=d", "-H", "X-Z: z")
        for host, kept in (("127.0.0.1", True), ("localhost", False)):
            seen = []
            with Server(recording(seen, lambda target: HELLO if target == "/e" else
                                  redirect(f"http://{host}:{server.port}/e"))) as server:
                self.latch("-L", *fields, server.url(), ca=False)
            self.assertIn("secret", seen[0][0])
            self.assertEqual("secret" in seen[1][0], kept)
            self.assertEqual("Cookie" in seen[1][0], kept)
            self.assertIn("\r\nX-Z: z", seen[1][0])

    def test_fail_looks_at_the_end_of_the_way(self):
        way = {"/": redirect("/d"), "/d": with_length(b"no", "404 Not Found")}
        with Server(recording([], way.get)) as server:
            self.latch("-L", "--fail", server.url(), ca=False, code=12)

    def test_latchd_redirects(self):
        config = harness.DEFAULT_CONFIG.replace(
            "routes = (", 'routes = ( { path = "/old/"; redirect = { to = "/new.txt"; }; },')
        with harness.Latchd(config=config, files={"new.txt": b"new"}) as d:
            run = self.latch("-L", f"https://localhost:{d.port}/old/")
            self.assertEqual(run.out, b"new")


class Proxy:
    """Takes CONNECT, and whole URLs; notes what it is asked."""

    def __init__(self, answer=None):
        self.asked, self.answer = [], answer

        def script(connection):
            head, _ = request_of(connection)
            self.asked.append(head)
            method, target, _ = head.split("\r\n")[0].split(" ")
            if self.answer:
                connection.send(self.answer)
                connection.close()
            elif method == "CONNECT":
                self.join(connection.stream, target)
            else:
                url = urlsplit(target)
                with socket.create_connection((url.hostname, url.port)) as server:
                    server.sendall(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
                                   "Connection: close\r\n\r\n".encode())
                    while part := server.recv(65536):
                        connection.send(part)
                connection.close()
        self.server = Server(script)

    @staticmethod
    def join(client, target):
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

            def pump(a, b):
                try:
                    while part := a.recv(65536):
                        b.sendall(part)
                    b.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join(harness.PATIENCE)
        client.close()

    def __enter__(self):
        self.server.__enter__()
        self.url = self.server.url("")
        return self

    def __exit__(self, *args):
        self.server.__exit__(*args)


class Proxies(LatchTestCase):
    def test_a_tunnel_for_https(self):
        for version in ("1.2", "1.3"):
            with Proxy() as proxy, \
                    Server(answering(HELLO), server_context(version=version)) as server:
                run = self.latch("--proxy", proxy.url, "--shutdown", "strict",
                                 f"https://127.0.0.1:{server.port}/")
                self.assertEqual(run.out, b"hello")
            self.assertTrue(proxy.asked[0].startswith(
                f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"))

    def test_the_certificate_is_the_servers_not_the_proxys(self):
        with Proxy() as proxy, Server(answering(HELLO), server_context("wrong")) as server:
            self.latch("--proxy", proxy.url, f"https://127.0.0.1:{server.port}/", code=7)

    def test_credentials(self):
        with Proxy() as proxy, Server(answering(HELLO), server_context()) as server:
            url = proxy.url.replace("http://", "http://me:p%40ss@")
            self.latch("--proxy", url, f"https://127.0.0.1:{server.port}/")
        self.assertIn("\r\nProxy-Authorization: Basic " + base64.b64encode(b"me:p@ss").decode(),
                      proxy.asked[0])

    def test_a_proxy_that_refuses(self):
        with Proxy(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
            run = self.latch("--proxy", proxy.url, "https://127.0.0.1:1/", code=4)
            self.assertIn("answers 403 Forbidden", run.err)
        for answer in (b"HTTP/1.1 200 OK\r\n\r\nand more", b"what?\r\n\r\n"):
            with Proxy(answer) as proxy:
                self.latch("--proxy", proxy.url, "https://127.0.0.1:1/", code=10)
        with Proxy(b"HTTP/1.1 200") as proxy:
            self.latch("--proxy", proxy.url, "https://127.0.0.1:1/", code=4)
        run = self.latch("--proxy", f"127.0.0.1:{harness.free_port()}", "https://example.org/",
                         code=4)
        self.assertIn("a proxy listens there", run.err)

    def test_plain_http_is_asked_of_the_proxy(self):
        with Proxy() as proxy, Server(answering(HELLO)) as server:
            run = self.latch("--proxy", proxy.url, server.url("/x"), ca=False)
            self.assertEqual(run.out, b"hello")
        self.assertTrue(proxy.asked[0].startswith(f"GET {server.url('/x')} HTTP/1.1\r\n"))

    def test_the_environment(self):
        with Proxy(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
            env = {"https_proxy": proxy.url, "no_proxy": ""}
            self.latch("https://example.invalid/", code=4, env=env)
            self.assertIn("CONNECT example.invalid:443 ", proxy.asked[0])
            self.latch("https://example.invalid/", code=3, env={**env, "no_proxy": "invalid"})
            self.latch("--proxy", "none", "https://example.invalid/", code=3, env=env)
            self.assertEqual(len(proxy.asked), 1)


class Repetitions(LatchTestCase):
    def test_latchd_resumes_every_one(self):
        with harness.Latchd() as d:
            for version in ("1.2", "1.3"):
                run = self.latch("--repeat", "5", "--tls-min", version, "--tls-max", version,
                                 f"https://localhost:{d.port}/")
                self.assertIn("resumed 4 of the 4 connections after the first", run.err)
                self.assertEqual(run.out.count(b"<!doctype"), 1, "content is written once")

    def test_a_server_without_sessions(self):
        context = server_context(version="1.3")
        context.num_tickets = 0
        with Server(answering(HELLO), context) as server:
            run = self.latch("--repeat", "3", server.url(), "--connect", "127.0.0.1")
        self.assertIn("resumed 0 of the 2", run.err)

    def test_each_is_judged(self):
        """The third answer is cut."""
        count = []

        def script(connection):
            connection.read_head()
            count.append(1)
            connection.send(HELLO[:-1] if len(count) == 3 else HELLO)
            connection.close_notify()
        with Server(script, server_context()) as server:
            self.latch("--repeat", "4", server.url(), "--connect", "127.0.0.1", code=8)
        self.assertEqual(len(count), 4)


class Downloads(LatchTestCase):
    """-C goes on with what was cut, and never joins two representations."""

    DATA = os.urandom(100_000)

    def setUp(self):
        self.dir = harness.scratch()
        self.file = self.dir / "f"
        self.seen = []

    def script(self, etag='"one"', cut=None, ranges=True, data=None):
        data = data or self.DATA

        def script(connection):
            head, _ = request_of(connection)
            self.seen.append(head)
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            begin = 0
            if ranges and "Range" in fields and fields.get("If-Range") == etag:
                begin = int(fields["Range"].removeprefix("bytes=").removesuffix("-"))
            status, extra = "200 OK", ""
            if begin >= len(data):
                connection.send(f"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n"
                                f"Content-Range: bytes */{len(data)}\r\n\r\n".encode())
                return connection.close_notify()
            if begin:
                status = "206 Partial Content"
                extra = f"Content-Range: bytes {begin}-{len(data) - 1}/{len(data)}\r\n"
            answer = with_length(data[begin:], status, f"ETag: {etag}\r\n{extra}")
            connection.send(answer[:len(answer) - cut] if cut else answer)
            connection.close_notify()
        return script

    def test_goes_on_with_what_was_cut(self):
        run = self.fetch(self.script(cut=40_000), "-o", self.file, code=8)
        self.assertIn("keeps the 60000 bytes that arrived: -C goes on with them", run.err)
        self.fetch(self.script(cut=10_000), "-C", "-o", self.file, code=8)
        self.assertEqual(self.file.stat().st_size, 90_000)
        self.fetch(self.script(), "-C", "-o", self.file)
        self.assertTrue(self.file.read_bytes() == self.DATA)
        self.assertIn("\r\nRange: bytes=90000-\r\nIf-Range: \"one\"\r\n", self.seen[2])

    def test_another_representation_is_fetched_whole(self):
        self.fetch(self.script(cut=40_000), "-o", self.file, code=8)
        other = os.urandom(50_000)
        run = self.fetch(self.script(etag='"two"', data=other), "-C", "-o", self.file)
        self.assertTrue(self.file.read_bytes() == other)
        self.assertIn("all of it is fetched", run.err)

    def test_a_file_of_unknown_origin_is_not_gone_on_with(self):
        self.file.write_bytes(b"something")
        self.fetch(self.script(), "-C", "-o", self.file)
        self.assertNotIn("Range", self.seen[0])
        self.assertTrue(self.file.read_bytes() == self.DATA)

    def test_a_weak_validator_is_none(self):
        self.fetch(self.script(etag='W/"one"', cut=40_000), "-o", self.file, code=8)
        self.fetch(self.script(etag='W/"one"'), "-C", "-o", self.file)
        self.assertNotIn("Range", self.seen[1])

    def test_a_file_that_is_whole_already(self):
        """The cut took nothing but the end of the last chunk."""
        chunks = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"one\"\r\n\r\n%x\r\n"
                  % len(self.DATA) + self.DATA)
        self.fetch(answering(chunks), "-o", self.file, code=8)
        self.assertTrue(self.file.read_bytes() == self.DATA)
        self.fetch(self.script(), "-C", "-o", self.file, "--fail")
        self.assertIn("Range: bytes=100000-", self.seen[0])
        self.assertTrue(self.file.read_bytes() == self.DATA)
        self.fetch(self.script(), "-C", "-o", self.file)
        self.assertNotIn("Range", self.seen[1], "what is whole is no part any more")

    def test_another_part_than_asked_for_is_refused(self):
        self.fetch(self.script(cut=40_000), "-o", self.file, code=8)
        answer = with_length(b"x", "206 Partial Content", "Content-Range: bytes 5-5/100\r\n")
        self.fetch(answering(answer), "-C", "-o", self.file, code=10)
        self.assertEqual(self.file.stat().st_size, 60_000)

    def test_latchd_serves_the_rest(self):
        with harness.Latchd(files={"f": self.DATA}) as d:
            with d.peer() as peer:
                etag = peer.request("/f").headers["etag"]
            self.file.write_bytes(self.DATA[:1234])
            os.setxattr(self.file, "user.latch.validator", etag.encode())
            run = self.latch("--http1", "-C", "-v", "-o", self.file,
                             f"https://localhost:{d.port}/f")
            self.assertIn("< HTTP/1.1 206 Partial Content", run.err)
            self.assertTrue(self.file.read_bytes() == self.DATA)

    def test_the_name_of_the_url(self):
        with Server(answering(HELLO)) as server:
            run = subprocess.run(
                [harness.LATCH, "-O", server.url("/a/b%20c?d"), server.url("/e")], cwd=self.dir,
                check=False)
            self.assertEqual(run.returncode, 0)
            self.assertEqual((self.dir / "b c").read_bytes(), b"hello")
            self.assertEqual((self.dir / "e").read_bytes(), b"hello")
            run = self.latch("-O", server.url("/a/"), ca=False, code=2)
            self.assertIn("-O", run.err)


class Records(LatchTestCase):
    def records(self, run):
        return [json.loads(line) for line in run.err.splitlines()]

    def test_a_record_for_each_fetch(self):
        run = self.fetch(answering(HELLO), "--json", context=server_context(version="1.3"))
        (record,) = self.records(run)
        self.assertEqual(run.out, b"hello")
        self.assertEqual(record["exit"], 0)
        self.assertEqual(record["status"], 200)
        self.assertEqual(record["bytes"], 5)
        self.assertEqual(record["closure"], "clean")
        self.assertEqual(record["protocol"], "HTTP/1.1")
        self.assertEqual(record["tls"]["version"], "TLSv1.3")
        self.assertEqual(record["tls"]["alpn"], "http/1.1")
        self.assertEqual(record["tls"]["resumed"], False)
        self.assertNotIn("error", record)
        self.assertNotIn("insecure", record)

    def test_who_does_not_verify_finds_it_in_the_record(self):
        run = self.fetch(answering(HELLO), "--json", "-k", ca=False)
        self.assertIs(self.records(run)[0]["insecure"], True)

    def test_what_fails_before_the_first_fetch_is_told_in_words(self):
        for args, code, words in (
            (["https://"], 2, "latch: https://: "),
            (["-d", "@/nonexistent", "http://127.0.0.1:1/"], 2, "/nonexistent: cannot be read"),
            (["--ca", "/nonexistent", "https://127.0.0.1:1/"], 1, "/nonexistent")):
            run = self.latch("--json", *args, ca=False, code=code)
            self.assertIn(words, run.err)

    def test_failures_and_warnings(self):
        run = self.fetch(answering(HELLO[:-1], "fin"), "--json", code=8)
        (record,) = self.records(run)
        self.assertEqual((record["exit"], record["closure"]), (8, "truncated"))
        self.assertIn("4 of 5 bytes came", record["error"])
        run = self.fetch(answering(b"HTTP/1.1 200 OK\r\n\r\nx", "fin"), "--json")
        self.assertIn("no close_notify", self.records(run)[0]["warning"])
        run = self.latch("--json", "https://name.invalid/", "http://127.0.0.1:1/", code=3)
        self.assertEqual([r["exit"] for r in self.records(run)], [3, 4])

    def test_repetitions_show_who_resumed(self):
        with harness.Latchd() as d:
            run = self.latch("--json", "--repeat", "3", f"https://localhost:{d.port}/")
        self.assertEqual([r["tls"]["resumed"] for r in self.records(run)], [False, True, True])


class Ways(LatchTestCase):
    def test_families(self):
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        with Server(answering(HELLO), host="127.0.0.1") as server:
            url = f"http://localhost:{server.port}/"
            self.latch("-4", url, ca=False)
            self.latch("-6", url, ca=False, code=4)
            self.latch("-6", server.url(), ca=False, code=3)
        with Server(answering(HELLO), host="::1") as server:
            self.latch("-6", f"http://localhost:{server.port}/", ca=False)
            self.latch("-4", f"http://localhost:{server.port}/", ca=False, code=4)

    def test_a_silent_address_is_overtaken(self):
        """IPv6 takes no connection, for its queue is full; IPv4 answers."""
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        with Server(answering(HELLO)) as server, socket.socket(socket.AF_INET6) as silent:
            silent.bind(("::1", server.port))
            silent.listen(0)
            fillers = []
            for _ in range(4):
                filler = socket.socket(socket.AF_INET6)
                filler.setblocking(False)
                filler.connect_ex(("::1", server.port))
                fillers.append(filler)
            run = self.latch(f"http://localhost:{server.port}/", ca=False)
            self.assertEqual(run.out, b"hello")
            for filler in fillers:
                filler.close()

    def test_sni(self):
        seen = []
        context = server_context()
        context.sni_callback = lambda s, name, c: seen.append(name)
        self.fetch(answering(HELLO), "--sni", "other.example", context=context)
        self.assertEqual(seen, ["other.example"])

    def test_an_internationalised_name_is_asked_for_by_its_a_labels(self):
        seen = []
        context = server_context()
        context.sni_callback = lambda s, name, c: seen.append(name)
        with Server(answering(HELLO), context) as server:
            run = self.latch("-k", server.url(name="b\u00fccher.example"), "--connect", "127.0.0.1")
        self.assertEqual((run.out, seen), (b"hello", ["xn--bcher-kva.example"]))

    def test_versions(self):
        for version, other in (("1.2", "1.3"), ("1.3", "1.2")):
            context = server_context(version=version)
            run = self.fetch(answering(HELLO), "--tls-min", version, "--tls-max", version, "-v",
                             context=context)
            self.assertIn(f"* TLSv{version},", run.err)
            run = self.fetch(answering(HELLO), "--tls-min", other, "--tls-max", other, code=5,
                             context=context)
            self.assertIn("TLS handshake failed", run.err)


if __name__ == "__main__":
    unittest.main()

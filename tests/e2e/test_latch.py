"""latch's command line, output, and what it says; the peers are scripted."""
import os
import pty
import re
import select
import socket
import subprocess
import threading
import unittest

import harness
from latch_peer import LatchTestCase, Server, answering, server_context, with_length

WHOLE = with_length(b"hello", fields="X-Test: yes\r\n")
MIB = 1024 * 1024


class CommandLine(LatchTestCase):
    def test_help_and_version(self):
        run = self.latch("-h", ca=False)
        for word in (b"usage: latch", b"--shutdown", b"exit codes", b" 13  "):
            self.assertIn(word, run.out)
        self.assertRegex(self.latch("-V", ca=False).out, rb"\Alatch \d+\.\d+\.\d+")
        self.assertEqual(self.latch("--version", ca=False).err, "")

    def test_help_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            run = subprocess.run([harness.LATCH, "-h"], stdout=full, check=False)
        self.assertEqual(run.returncode, 13)

    def test_wrong_usage(self):
        for args in ((), ("-x",), ("--nonsense", "u"), ("--timeout", "soon", "u"), ("u", "-o"),
                     ("https://",), ("ftp://localhost/",), ("https://user@localhost/",),
                     ("https://localhost:99999/",), ("https://local host/",)):
            with self.subTest(args):
                run = self.latch(*args, ca=False, code=2)
                self.assertTrue(run.err.startswith("latch: "), run.err)
                self.assertEqual(run.err.count("\n"), 1)

    def test_a_wrong_url_stops_before_the_first_fetch(self):
        heads = []
        with Server(answering(WHOLE, "close", heads)) as server:
            self.latch(server.url(), "ftp://x/", ca=False, code=2)
        self.assertEqual(heads, [])

    def test_a_manual_page_says_all_options_and_codes(self):
        text = (harness.ROOT / "man/latch.1").read_text()
        usage = self.latch("-h", ca=False).out.decode()
        for option in re.findall(r"^  (?:-(\w))?(?:, )?(?:--([\w-]+))?", usage, re.M):
            for spelling in filter(None, option):
                flag = spelling if len(spelling) == 1 else f"-{spelling}"
                self.assertRegex(text, rf"(?m)^\.It Fl (\w , )?{re.escape(flag)}\b")
        for code in range(14):
            self.assertRegex(text, rf"(?m)^\.It {code}$")


class Reaching(LatchTestCase):
    def test_a_name_that_does_not_resolve(self):
        run = self.latch("https://name.invalid/", code=3)
        self.assertIn("name.invalid", run.err)

    @unittest.skipUnless(harness.IS_ROOT, "mounts another resolv.conf for latch alone")
    def test_a_resolver_that_is_silent(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.3.2.1", 53))
            file = harness.scratch() / "resolv.conf"
            file.write_text("nameserver 127.3.2.1\n")
            run = subprocess.run(
                ["unshare", "-m", "sh", "-c",
                 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh", file,
                 harness.LATCH, "--timeout", "300ms", "https://example.org/"],
                capture_output=True, check=False, timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 11, run.stderr)
        self.assertIn(b"example.org was not resolved in time", run.stderr)

    def test_nobody_listens(self):
        port = harness.free_port()
        run = self.latch(f"https://127.0.0.1:{port}/", code=4)
        self.assertIn("check that a server listens there", run.err)
        self.latch("http://localhost/", "--connect", f"127.0.0.1:{port}", code=4)

    def test_connect_goes_elsewhere_with_the_same_name(self):
        heads = []
        with Server(answering(WHOLE, heads=heads), server_context()) as server:
            self.latch("https://www.example.org/a", "--connect", f"127.0.0.1:{server.port}")
        self.assertIn(b"\r\nHost: www.example.org\r\n", heads[0])

    def test_silence_times_out(self):
        for answer in (b"", WHOLE[:20], WHOLE[:-1]):
            run = self.fetch(answering(answer, "wait_gone"), "--timeout", "200ms", code=11)
            self.assertIn("--timeout", run.err)


class Request(LatchTestCase):
    def test_what_is_asked(self):
        heads = []
        with Server(answering(WHOLE, heads=heads), server_context()) as server:
            for path in ("/", "/a/b?c=d", "?q"):
                self.latch(server.url(path), "--connect", "127.0.0.1")
            self.latch(server.url("/#part"), "--connect", "127.0.0.1")
        lines = heads[1].decode().split("\r\n")
        self.assertEqual(lines[0], "GET /a/b?c=d HTTP/1.1")
        self.assertEqual(lines[1], f"Host: localhost:{server.port}")
        self.assertRegex(lines[2], r"^User-Agent: latch/\d")
        self.assertEqual(lines[3:], ["Accept: */*", "Connection: close", "", ""])
        self.assertTrue(heads[2].startswith(b"GET /?q HTTP/1.1\r\n"))
        self.assertTrue(heads[3].startswith(b"GET / HTTP/1.1\r\n"))

    def test_head(self):
        heads = []
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        run = self.fetch(answering(answer, heads=heads), "-I")
        self.assertTrue(heads[0].startswith(b"HEAD / HTTP/1.1\r\n"))
        self.assertEqual(run.out, answer)


class Output(LatchTestCase):
    def setUp(self):
        self.file = harness.scratch() / "out"

    def test_head_in_front(self):
        self.assertEqual(self.fetch(answering(WHOLE), "-i").out, WHOLE)

    def test_interim_answers_are_left_out(self):
        run = self.fetch(answering(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + WHOLE), "-i", "-v")
        self.assertEqual(run.out, WHOLE)
        self.assertIn("< HTTP/1.1 103 Early Hints", run.err)

    def test_chunks(self):
        answer = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: x\r\n\r\n")
        self.assertEqual(self.fetch(answering(answer)).out, b"hello")

    def test_a_file_in_place(self):
        self.file.write_bytes(b"what was there before, and longer")
        inode = self.file.stat().st_ino
        run = self.fetch(answering(WHOLE), "-o", self.file)
        self.assertEqual((run.out, run.err), (b"", ""))
        self.assertEqual(self.file.read_bytes(), b"hello")
        self.assertEqual(self.file.stat().st_ino, inode)

    def test_a_file_is_not_touched_before_an_answer_comes(self):
        self.file.write_bytes(b"precious")
        self.fetch(answering(WHOLE), "-o", self.file, context=server_context("expired"), code=6)
        self.fetch(answering(b"", "fin"), "-o", self.file, code=8)
        not_found = with_length(b"sorry", "404 Not Found")
        self.fetch(answering(not_found), "--fail", "-o", self.file, code=12)
        self.assertEqual(self.file.read_bytes(), b"precious")

    def test_an_empty_content_makes_an_empty_file(self):
        self.fetch(answering(with_length(b"")), "-o", self.file)
        self.assertEqual(self.file.read_bytes(), b"")

    def test_statuses_fail_only_when_asked(self):
        for status in ("400 Bad Request", "404 Not Found", "503 Service Unavailable"):
            answer = with_length(b"sorry", status)
            self.assertEqual(self.fetch(answering(answer)).out, b"sorry")
            run = self.fetch(answering(answer), "--fail", code=12)
            self.assertEqual(run.out, b"")
            self.assertIn(f"the server answered {status}", run.err)
        self.fetch(answering(with_length(b"", "304 Not Modified")), "--fail")

    def test_output_that_cannot_be_written(self):
        run = self.fetch(answering(WHOLE), "-o", "/dev/full", code=13)
        self.assertIn("cannot write /dev/full: No space left on device", run.err)
        run = self.fetch(answering(WHOLE), "-o", self.file / "no" / "such", code=13)
        self.assertIn("No such file or directory", run.err)

    def test_a_pipe_that_nobody_reads(self):
        """EPIPE is an error with a code, not a death by SIGPIPE."""
        reader, writer = os.pipe()
        os.close(reader)
        with Server(answering(WHOLE), server_context()) as server, os.fdopen(writer, "wb") as out:
            run = subprocess.run(
                [harness.LATCH, "-k", "--connect", "127.0.0.1", server.url()], stdout=out,
                stderr=subprocess.PIPE, check=False)
        self.assertEqual(run.returncode, 13, run.stderr)
        self.assertIn(b"cannot write standard output: Broken pipe", run.stderr)

    def test_a_closed_standard_output(self):
        with Server(answering(WHOLE), server_context()) as server:
            run = subprocess.run(
                ["sh", "-c", 'exec "$@" >&-', "sh", harness.LATCH, "-k", "--connect", "127.0.0.1",
                 server.url()], stderr=subprocess.PIPE, check=False)
        self.assertEqual(run.returncode, 13, run.stderr)

    def test_what_is_not_http(self):
        for answer in (b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nA b\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                       b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n"):
            with self.subTest(answer[:40]):
                self.fetch(answering(answer), code=10)

    def test_several_urls_in_turn(self):
        with Server(answering(with_length(b"a"))) as one, \
                Server(answering(with_length(b"b", "404 Not Found"))) as two:
            run = self.latch(one.url(), two.url(), one.url("/again"), ca=False)
            self.assertEqual(run.out, b"aba")
            self.latch(one.url(), two.url(), "-o", self.file, ca=False)
            self.assertEqual(self.file.read_bytes(), b"ab")

    def test_the_first_failure_counts_and_the_rest_is_tried(self):
        dead = harness.free_port()
        with Server(answering(with_length(b"a"))) as good, \
                Server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nb", "fin")) as cut:
            run = self.latch(cut.url(), f"http://127.0.0.1:{dead}/", good.url(), ca=False, code=8)
            self.assertEqual(run.out, b"ba")
            self.assertEqual(run.err.count("latch: http://"), 2)
            self.latch(good.url(), f"http://127.0.0.1:{dead}/", cut.url(), ca=False, code=4)

    def test_control_characters_of_the_server_do_not_reach_the_terminal(self):
        answer = b"HTTP/1.1 200 OK\r\nX: \xc2\x9b31m\r\nContent-Length: 0\r\n\r\n"
        run = self.fetch(answering(answer), "-v")
        self.assertIn("< X: \\xc2\\x9b31m", run.err)


class Large(LatchTestCase):
    SIZE = 100 * MIB

    def serve(self, frame, end="close_notify"):
        block = bytes(range(256)) * 4096

        def script(connection):
            connection.read_head()
            frame(connection, block, self.SIZE // len(block))
            getattr(connection, end)()
        return Server(script, server_context())

    def fetch_large(self, frame):
        """Byte-exact, and with little memory: far less than the content."""
        target = harness.scratch() / "large"
        limit = "ulimit -d 16384;" if harness.VARIANT == "plain" else ""
        with self.serve(frame) as server:
            run = subprocess.run(
                ["sh", "-c", f'{limit} exec "$@"', "sh", harness.LATCH, "-k", "-q", "--connect",
                 "127.0.0.1", "-o", target, server.url()], stderr=subprocess.PIPE, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(target.stat().st_size, self.SIZE)
        block = bytes(range(256)) * 4096
        with open(target, "rb") as file:
            while part := file.read(len(block)):
                self.assertTrue(part == block, "a byte is wrong")
        target.unlink()

    def test_a_length(self):
        def frame(connection, block, n):
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {self.SIZE}\r\n\r\n".encode())
            for _ in range(n):
                connection.send(block)
        self.fetch_large(frame)

    def test_chunks(self):
        def frame(connection, block, n):
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(n):
                connection.send(b"%x\r\n%s\r\n" % (len(block), block))
            connection.send(b"0\r\n\r\n")
        self.fetch_large(frame)

    def test_until_close(self):
        def frame(connection, block, n):
            connection.send(b"HTTP/1.0 200 OK\r\n\r\n")
            for _ in range(n):
                connection.send(block)
        self.fetch_large(frame)


class Progress(LatchTestCase):
    """On a pseudo-terminal. The server sends half, and the rest when the bar has been seen."""

    def watch(self, head, *args, expect=rb"\r *\S[^\r]*"):
        """Exit code, what the terminal got, and what came to the file."""
        go = threading.Event()
        target = harness.scratch() / "out"

        def script(connection):
            connection.read_head()
            connection.send(head + b"x" * 1000)
            go.wait(harness.PATIENCE)
            connection.send(b"x" * 1000)
            connection.close()

        ours, theirs = pty.openpty()
        screen = b""
        with Server(script) as server:
            run = subprocess.Popen(
                [harness.LATCH, *args, "-o", target, server.url()], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=theirs)
            os.close(theirs)
            while True:
                if not select.select([ours], [], [], harness.PATIENCE)[0]:
                    run.kill()
                    self.fail(f"nothing comes to the terminal; so far {screen!r}")
                try:
                    part = os.read(ours, 65536)
                except OSError:     # EIO: the last holder of the other side is gone
                    break
                if not part:
                    break
                screen += part
                if re.search(expect, screen):
                    go.set()
            run.wait(harness.PATIENCE)
        os.close(ours)
        self.assertEqual(target.read_bytes(), b"x" * 2000)
        return run.returncode, screen

    def assert_cleared(self, screen):
        """The last line of the terminal is blank, with the cursor at its start."""
        line = [" "] * 300
        column = 0
        for c in screen.decode().rpartition("\n")[2]:
            if c == "\r":
                column = 0
            else:
                line[column] = c
                column += 1
        self.assertEqual(("".join(line).strip(), column), ("", 0), screen)

    def test_with_a_length(self):
        code, screen = self.watch(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n",
                                  expect=rb" 50% \[=+>")
        self.assertEqual(code, 0)
        self.assertRegex(screen, rb"1000 B of 2\.0 KiB|1\.0 KiB of 2\.0 KiB")
        self.assertIn(b"left", screen)
        self.assert_cleared(screen)

    def test_without_a_length(self):
        code, screen = self.watch(b"HTTP/1.0 200 OK\r\n\r\n", expect=rb"KiB  .*/s")
        self.assertEqual(code, 0)
        self.assertNotIn(b"%", screen)
        self.assert_cleared(screen)

    def test_an_error_stands_on_a_line_of_its_own(self):
        code, screen = self.watch(b"HTTP/1.1 200 OK\r\nContent-Length: 2001\r\n\r\n",
                                  expect=rb"%")
        self.assertEqual(code, 8)
        self.assertRegex(screen, rb"\r +\rlatch: http://\S+: the server closed the connection "
                                 rb"inside the content; 2000 of 2001 bytes came")
        self.assert_cleared(screen)

    def quiet_terminal(self, *args):
        ours, theirs = pty.openpty()
        target = harness.scratch() / "out"
        with Server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 999,
                              "wait_gone")) as server:
            run = subprocess.run([harness.LATCH, *args, "--timeout", "2s", "-o", target,
                                  server.url()], stderr=theirs, check=False)
        os.close(theirs)
        try:
            screen = os.read(ours, 65536)
        except OSError:
            screen = b""
        os.close(ours)
        self.assertEqual(run.returncode, 11)
        return screen

    def test_none_when_told(self):
        for option in ("--no-progress", "-q"):
            self.assertNotIn(b"%", self.quiet_terminal(option))
        self.assertIn(b"%", self.quiet_terminal())

    def test_none_without_a_terminal_but_when_told(self):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 999
        for args, wanted in (((), False), (("--progress",), True)):
            run = self.fetch(answering(answer, "wait_gone"), *args, "--timeout", "2s", "-o",
                             harness.scratch() / "out", tls=False, code=11)
            self.assertEqual("%" in run.err, wanted, run.err)


if __name__ == "__main__":
    unittest.main()

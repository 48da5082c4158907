"""latchd ctl: reload, status, stop, reopen-logs, over the control socket."""
import base64
import fcntl
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import termios
import threading
import time
import unittest
from pathlib import Path

from harness import (
    DEFAULT_CONFIG,
    IS_ROOT,
    LATCHD,
    PATIENCE,
    VARIANT,
    Latchd,
    TestCase,
    ask_control,
    certificates,
    latchd,
)


def endless_key():
    """A private key under a pass phrase that takes two thousand million rounds to try."""

    def tlv(tag, content):
        n = len(content)
        return bytes([tag]) + (bytes([n]) if n < 128 else bytes([0x82, n >> 8, n & 255])) + content

    def oid(text):
        return tlv(6, bytes.fromhex(text))

    def sequence(*parts):
        return tlv(0x30, b"".join(parts))

    rounds = tlv(2, (2**31 - 1).to_bytes(4, "big"))
    prf = sequence(oid("2a864886f70d0209"), tlv(5, b""))
    kdf = sequence(oid("2a864886f70d01050c"), sequence(tlv(4, bytes(16)), rounds, prf))
    cipher = sequence(oid("60864801650304012a"), tlv(4, bytes(16)))
    scheme = sequence(oid("2a864886f70d01050d"), sequence(kdf, cipher))
    text = base64.encodebytes(sequence(scheme, tlv(4, bytes(144)))).decode()
    name = "ENCRYPTED PRIVATE KEY"
    return f"-----BEGIN {name}-----\n{text}-----END {name}-----\n"


class Reload(TestCase):
    def test_says_what_changed_when_it_serves(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            run = d.ctl("reload")
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertIn("generation 2 serves", run.stdout)
            self.assertIn("no directive has another value", run.stdout)
            d.write_config(extra='timeouts = { idle = "7s"; };')
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 0)
            self.assertIn('timeouts.idle: "1m" -> "7s"', run.stdout)
            # It serves already, nothing has to be waited for.
            self.assertEqual(d.status()["generation"], 3)

    def test_says_which_certificate_is_another(self):
        with Latchd() as d:
            d.write_config(template=DEFAULT_CONFIG.replace("ecdsa.", "rsa."))
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 0)
            self.assertRegex(
                run.stdout, r"sites\[localhost\]\.certificates.*ecdsa\.pem.* -> .*rsa\.pem"
            )

    def test_a_rejection_comes_with_its_place_and_code(self):
        with Latchd() as d:
            workers = d.workers()
            for extra, word in (
                ("wrokers = 3;", 'did you mean "workers"'),
                ("workers = -1;", "workers"),
                ('sigpipe = "explode";', "explode"),
                ("workers = = 2;", "="),
            ):
                d.write_config(extra=extra)
                run = d.ctl("reload")
                self.assertEqual((run.returncode, run.stdout), (78, ""), extra)
                self.assertRegex(
                    run.stderr, rf"(?m)^{re.escape(str(d.config))}:\d+: .*{re.escape(word)}"
                )
                self.assertIn("generation 1 serves on, unchanged", run.stderr)
                tested = latchd("-t", "-c", d.config)
                self.assertEqual(tested.returncode, run.returncode)
                for line in tested.stderr.splitlines():
                    self.assertIn(line, run.stderr)
            self.assertEqual(d.workers(), workers)

    def test_an_address_in_use_is_the_code_of_a_start(self):
        with socket.socket() as taken, Latchd() as d:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            d.write_config(
                template=DEFAULT_CONFIG.replace(
                    '@PORT@"; }',
                    f'@PORT@"; }}, {{ name = "b"; address = "{address}"; }}',
                )
            )
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 69, run.stderr)
            self.assertRegex(run.stderr, r"latchd\.conf:\d+: ")

    def test_warnings_come_too(self):
        with Latchd() as d:
            d.write_config(extra='sigpipe = "default";')
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 0)
            self.assertRegex(run.stderr, r"latchd\.conf:\d+: warning: sigpipe")

    def test_many_at_once_all_hear_a_verdict(self):
        with Latchd() as d:
            runs = []
            threads = [
                threading.Thread(target=lambda: runs.append(d.ctl("reload"))) for _ in range(8)
            ]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual([r.returncode for r in runs], [0] * 8, [r.stderr for r in runs])
            # Those who asked during one share the next.
            self.assertLessEqual(d.status()["generation"], 9)

    def test_one_during_another_gets_the_newer_file(self):
        with Latchd() as d:
            for n in range(10):
                d.write_config(extra=f'timeouts = {{ idle = "{10 + n}s"; }};')
                d.signal(signal.SIGHUP)
                d.write_config(extra=f'timeouts = {{ idle = "{100 + n}s"; }};')
                self.assertEqual(d.ctl("reload").returncode, 0)
                d.write_config(extra=f'timeouts = {{ idle = "{200 + n}s"; }};')
                self.assertIn(
                    f'timeouts.idle: "{100 + n}s" -> "{200 + n}s"', d.ctl("reload").stdout
                )

    def test_at_the_cap_it_is_refused_for_now(self):
        with Latchd(
            files={"a.txt": b"A"},
            extra='reload = { drain = "60s"; }; timeouts = { header = "60s"; };',
        ) as d:
            held = []
            for _ in range(4):  # a request that has begun keeps its generation
                peer = d.peer()
                held.append(peer)
                peer.send(b"GET /a.txt HTTP/1.1\r\n")
                d.wait_status(lambda s, n=len(held): s["connections_active"] >= n)
                self.assertEqual(d.ctl("reload").returncode, 0)
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 75, run.stdout + run.stderr)
            self.assertRegex(
                run.stderr, r"4 generations are still draining, the next one ends by \w+, \d\d "
            )
            status = json.loads(d.ctl("status", "--json").stdout)
            self.assertEqual(len(status["draining"]), 4)
            self.assertTrue(
                all(0 < g["seconds_left"] <= 62 and g["live"] == 1 for g in status["draining"])
            )
            self.assertIn("generation 4 drains: ", d.ctl("status").stdout)
            held[0].send(b"Host: localhost\r\nConnection: close\r\n\r\n")
            held[0].read_to_end()
            for peer in held:
                peer.sock.close()
            d.log.wait("generation 1 is gone")
            self.assertEqual(d.ctl("reload").returncode, 0)


class Rehearsal(TestCase):
    """The candidate is tried in a child first: what happens there does not happen to the master."""

    SLOW = DEFAULT_CONFIG.replace(
        'private_key = "@CERTS@/ecdsa.key"',
        'private_key = "@DIR@/slow.key"; passphrase_file = "@CERTS@/passphrase"',
    )

    def test_a_handshake_that_fails(self):
        with Latchd() as d:
            d.write_config(
                extra='tls = { max_version = "1.2"; ciphers = "ECDHE-RSA-AES128-GCM-SHA256"; };'
            )
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 78)
            self.assertRegex(
                run.stderr,
                r"latchd\.conf:\d+: a TLS handshake with this certificate fails, .*cipher",
            )
            tested = latchd("-t", "-c", d.config)
            self.assertEqual(tested.returncode, 78)
            self.assertIn(tested.stderr, run.stderr)
            self.assertEqual(d.fetch("/").status, 200)

    def test_a_start_fails_the_same_way(self):
        d = Latchd(extra='tls = { max_version = "1.2"; ciphers = "ECDHE-RSA-AES128-GCM-SHA256"; };')
        d.start(wait=False)
        d.wait_exit(78)

    def test_a_key_of_another_certificate(self):
        with Latchd() as d:
            d.write_config(template=DEFAULT_CONFIG.replace("ecdsa.key", "other.key"))
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 78)
            self.assertRegex(run.stderr, r"latchd\.conf:\d+: .*other\.key: .*not the certificate")

    def hang(self, d):
        """Begins a reload that takes very long in its child; the child's process."""
        (d.dir / "slow.key").write_text(endless_key())
        workers = d.workers()
        d.write_config(template=self.SLOW)
        return (*self.begin(d), self.child(d, workers))

    def begin(self, d):
        runs = []
        thread = threading.Thread(target=lambda: runs.append(d.ctl("reload")))
        thread.start()
        d.log.wait("a reload is asked for")
        return thread, runs

    def child(self, d, workers):
        """Once it has read all files and computes."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for pid in set(d.processes()) - set(workers):
                try:
                    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # the child that judged files for the child
                if int(words[11]) >= 10:
                    return pid
        self.fail("there is no child that computes")

    def test_a_file_that_hangs_holds_up_nobody_and_is_given_up(self):
        ready_ms = 3000 if VARIANT == "plain" else 10000
        with Latchd(extra=f'reload = {{ ready = "{ready_ms}ms"; }};') as d:
            thread, runs, _ = self.hang(d)
            self.assertEqual(
                json.loads(d.ctl("status", "--json").stdout)["last_reload"]["result"], "running"
            )
            self.assertEqual(d.fetch("/").status, 200)
            thread.join()
            self.assertEqual(runs[0].returncode, 71, runs[0].stderr)
            self.assertIn(f"did not end within {ready_ms} ms", runs[0].stderr)
            self.assertEqual(d.status()["generation"], 1)

    def test_a_child_that_dies_is_a_rejection(self):
        with Latchd() as d:
            thread, runs, child = self.hang(d)
            os.kill(child, signal.SIGKILL)
            thread.join()
            self.assertEqual(runs[0].returncode, 70)
            self.assertIn("was killed by SIGKILL", runs[0].stderr)
            self.assertEqual(d.fetch("/").status, 200)

    def test_a_stop_ends_it(self):
        d = Latchd().start()
        thread, runs, _ = self.hang(d)
        self.assertEqual(d.ctl("stop").returncode, 0)
        thread.join()
        self.assertEqual(runs[0].returncode, 75)
        d.wait_exit()

    def test_a_file_that_changes_between_is_noticed(self):
        with Latchd(extra='reload = { ready = "60s"; };') as d:  # a busy machine takes its time
            encrypt = ["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-iter", "1000000"]
            where = ["-in", certificates() / "ecdsa.key", "-out", d.dir / "slow.key"]
            secret = ["-passout", f"file:{certificates() / 'passphrase'}"]
            subprocess.run([*encrypt, *where, *secret], check=True)
            workers = d.workers()
            d.write_config(template=self.SLOW)
            thread, runs = self.begin(d)
            self.child(d, workers)
            d.write_config(extra='timeouts = { idle = "9s"; };')
            thread.join()
            self.assertEqual(runs[0].returncode, 75, runs[0].stderr)
            self.assertRegex(
                runs[0].stderr, r"latchd\.conf: the file changed while the reload was under"
            )
            self.assertEqual(d.status()["generation"], 1)

    def test_a_pipe_is_refused_and_not_waited_for(self):
        with Latchd() as d:
            os.mkfifo(d.dir / "slow.key")
            d.write_config(template=self.SLOW)
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 78)
            self.assertRegex(run.stderr, r"latchd\.conf:\d+: \S+slow\.key: is not a regular file")


class Status(TestCase):
    def test_a_table_for_people(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            d.fetch("/a.txt")
            d.wait_status(lambda s: s["closures_total"]["clean"] >= 1)
            run = d.ctl("status")
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            for pattern in (
                r"^latchd \S+ \(OpenSSL 3\.\S+\), master \d+, up 0 d 00:0",
                r"^generation +1: 2 workers ready",
                r"^started +ok, ",
                r"^connections +\d+ open, [1-9]\d* accepted",
                r"^handshakes +[1-9]\d* full",
                r"^requests +[1-9].*2xx [1-9]",
                r"^closures +[1-9]\d* clean, 0 truncated",
                r"^WORKER +PID",
                r"^0 +\d+ +1  serving .* (Landlock|seccomp|nothing)",
                r"^localhost +\d+  \w{3}, ",
            ):
                self.assertRegex(run.stdout, re.compile(pattern, re.M))
            self.assertLessEqual(max(map(len, run.stdout.splitlines())), 100)
            d.write_config(extra="wrokers = 1;")
            d.ctl("reload")
            self.assertRegex(
                d.ctl("status").stdout,
                r"last reload +failed, .*\n +\S+latchd\.conf:\d+: unknown directive",
            )

    def test_json_has_the_facts_of_the_status_page(self):
        with Latchd() as d:
            page = d.status()
            run = d.ctl("status", "--json")
            self.assertEqual(run.stdout.count("\n"), 1)
            status = json.loads(run.stdout)
            self.assertEqual(set(page) - set(status), {"history"}, "what the page draws")
            self.assertEqual(status["master"], d.process.pid)
            self.assertEqual(status["last_reload"]["result"], "ok")
            self.assertTrue(status["last_reload"]["is_start"])
            self.assertEqual(status["certificates"][0]["site"], "localhost")
            self.assertGreater(status["certificates"][0]["not_after_seconds"], time.time())
            d.write_config(extra="wrokers = 1;")
            d.ctl("reload")
            last = json.loads(d.ctl("status", "--json").stdout)["last_reload"]
            self.assertEqual(
                (last["result"], last["code"], last["is_start"]), ("failed", 78, False)
            )
            self.assertRegex(last["error"], r"latchd\.conf:\d+: ")

    def test_watch_goes_on(self):
        with Latchd() as d:
            with subprocess.Popen(
                [LATCHD, "ctl", "-s", str(d.dir / "control.sock"), "status", "--json", "--watch"],
                stdout=subprocess.PIPE,
                text=True,
            ) as run:
                lines = [json.loads(run.stdout.readline()) for _ in range(2)]
                self.assertEqual([line["generation"] for line in lines], [1, 1])
                run.terminate()


    def watch(self, d, *options, **popen):
        command = [LATCHD, "ctl", "-s", str(d.dir / "control.sock"), "status", "--watch", *options]
        return subprocess.Popen(command, **popen)

    def test_watch_refreshes_a_terminal_in_place(self):
        with Latchd() as d:
            ours, theirs = os.openpty()
            rows, columns = 7, 40
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
            with self.watch(d, stdout=theirs) as run:
                os.close(theirs)
                screen = b""
                while screen.count(b"\x1b[J") < 2:
                    screen += os.read(ours, 65536)
                run.terminate()
            os.close(ours)
            for text in screen.split(b"\x1b[J")[:2]:
                self.assertTrue(text.startswith(b"\x1b[H"), text)
                lines = text[3:].split(b"\x1b[K\r\n")
                self.assertEqual(lines.pop(), b"")
                self.assertEqual(len(lines), rows - 1, "the last row is the cursor's")
                self.assertLessEqual(max(map(len, lines)), columns)
                self.assertTrue(lines[0].startswith(b"latchd "), lines)
                self.assertTrue(lines[1].startswith(b"generation "), lines)
                self.assertNotIn(b"\x1b[2J", text)

    def test_watch_appends_elsewhere(self):
        with Latchd() as d, self.watch(d, stdout=subprocess.PIPE, text=True) as run:
            lines = []
            while sum(line.startswith("latchd ") for line in lines) < 2:
                lines.append(run.stdout.readline())
            run.terminate()
            self.assertNotIn("\x1b", "".join(lines))
            self.assertEqual(lines[-2], "\n", "a blank line between two tables")


class Stop(TestCase):
    def test_waits_for_the_end(self):
        d = Latchd().start()
        run = d.ctl("stop")
        self.assertEqual((run.returncode, run.stdout), (0, "stopped\n"))
        d.wait_exit()
        self.assertFalse((d.dir / "control.sock").exists())

    def test_waits_for_what_runs_and_refuses_reloads_meanwhile(self):
        d = Latchd(files={"a.txt": b"A"}, extra='timeouts = { header = "60s"; };').start()
        with d.peer() as peer:
            peer.send(b"GET /a.txt HTTP/1.1\r\n")
            d.wait_status(lambda s: s["connections_active"] >= 1)
            runs = []
            threads = [
                threading.Thread(target=lambda: runs.append(d.ctl("stop"))) for _ in range(2)
            ]
            threads[0].start()
            d.log.wait("stopping, after what runs")
            threads[1].start()
            reload = d.ctl("reload")
            self.assertEqual(
                (reload.returncode, reload.stderr), (75, "not any more: latchd is stopping\n")
            )
            self.assertTrue(json.loads(d.ctl("status", "--json").stdout)["stopping"])
            self.assertEqual(runs, [])
            d.log.wait("a stop is asked for on the control socket", count=2)
            peer.send(b"Host: localhost\r\n\r\n")
            peer.read_to_end()
        for t in threads:
            t.join()
        self.assertEqual([r.returncode for r in runs], [0, 0])
        d.wait_exit()

    def test_no_master_is_69(self):
        d = Latchd().start()
        d.stop()
        for word in ("reload", "status", "stop", "reopen-logs"):
            run = d.ctl(word)
            self.assertEqual(run.returncode, 69)
            self.assertIn("control.sock", run.stderr)

    def test_a_killed_master_leaves_no_obstacle(self):
        d = Latchd().start()
        d.process.kill()
        d.process.wait()
        self.assertEqual(d.ctl("status").returncode, 69)
        d._close_notify()
        d.start()
        self.assertEqual(d.ctl("status").returncode, 0)
        d.stop()


class Logs(TestCase):
    def test_reopened(self):
        with Latchd(
            extra='log = { access = { target = "@DIR@/access.log"; }; };',
            config=DEFAULT_CONFIG.replace('log = { level = "debug"; target = "stderr"; };', ""),
        ) as d:
            d.fetch("/")
            log = d.dir / "access.log"
            log.rename(d.dir / "access.log.1")
            run = d.ctl("reopen-logs")
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))
            self.assertTrue(log.exists())


class Socket(TestCase):
    def test_is_the_owners_alone(self):
        with Latchd() as d:
            path = d.dir / "control.sock"
            mode = path.stat()
            self.assertEqual((stat.S_IMODE(mode.st_mode), mode.st_uid), (0o600, os.geteuid()))

    @unittest.skipUnless(IS_ROOT, "needs a second user")
    def test_another_user_is_refused(self):
        with Latchd() as d:
            other = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"]
            run = d.ctl("stop", prefix=other)
            self.assertEqual(run.returncode, 77, run.stderr)
            (d.dir / "control.sock").chmod(0o666)  # the mode is not all that guards it
            run = d.ctl("stop", prefix=other)
            self.assertEqual(run.returncode, 77, run.stderr)
            self.assertIn("only root", run.stderr)
            d.log.wait("the control socket refuses process")

    def test_clients_that_misbehave_hold_up_nobody(self):
        with Latchd() as d:
            path = d.dir / "control.sock"
            self.assertIn(b"does not know", ask_control(path, b"explode\n"))
            self.assertEqual(ask_control(path, b"x" * 64), b"")
            silent = []
            for _ in range(4):
                s = socket.socket(socket.AF_UNIX)
                s.connect(str(path))
                silent.append(s)
            for _ in range(20):
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(str(path))
                    s.sendall(b"status\n")
            self.assertEqual(d.ctl("reload").returncode, 0)
            for s in silent:
                s.close()

    def test_moves_with_the_configuration(self):
        with Latchd() as d:
            d.write_config(template=DEFAULT_CONFIG.replace("control.sock", "other.sock"))
            self.assertEqual(d.ctl("reload").returncode, 0)
            self.assertFalse((d.dir / "control.sock").exists())
            self.assertEqual(latchd("ctl", "-s", d.dir / "other.sock", "status").returncode, 0)
            d.write_config(template=DEFAULT_CONFIG.replace("@DIR@/control.sock", ""))
            self.assertEqual(latchd("ctl", "-s", d.dir / "other.sock", "reload").returncode, 0)
            self.assertFalse((d.dir / "other.sock").exists())

    def test_a_missing_directory_is_a_warning(self):
        with Latchd(config=DEFAULT_CONFIG.replace("@DIR@/control", "@DIR@/run/control")) as d:
            d.log.wait(
                r"warning: .*latchd\.conf:\d+: no control socket, latchd ctl cannot be used: "
            )
            self.assertEqual(d.fetch("/").status, 200)

    def test_a_path_that_is_too_long_is_rejected(self):
        with Latchd() as d:
            d.write_config(template=DEFAULT_CONFIG.replace("@DIR@/control", "/tmp/" + "x" * 120))
            run = latchd("-t", "-c", d.config)
            self.assertEqual(run.returncode, 78)
            self.assertIn("too long for a socket", run.stderr)
            d.write_config(template=DEFAULT_CONFIG)

    def test_a_second_server_leaves_it_to_the_first(self):
        with Latchd() as d:
            path = d.dir / "control.sock"
            with Latchd(config=DEFAULT_CONFIG.replace("@DIR@/control.sock", str(path))) as second:
                second.log.wait("no control socket, .*another program listens there")
            self.assertEqual(d.ctl("status").returncode, 0)


class Usage(TestCase):
    def test_wrong_usage_is_64(self):
        for args in (
            (),
            ("explode",),
            ("reload", "now"),
            ("reload", "--json"),
            ("stop", "--watch"),
            ("-x", "status"),
        ):
            run = latchd("ctl", *args)
            self.assertEqual(run.returncode, 64, args)
            self.assertIn("latchd ctl", run.stderr)

    def test_help(self):
        run = latchd("ctl", "--help")
        self.assertEqual(run.returncode, 0)
        for word in ("reload", "status", "stop", "reopen-logs", "/run/latchd/control.sock"):
            self.assertIn(word, run.stdout)


if __name__ == "__main__":
    unittest.main()

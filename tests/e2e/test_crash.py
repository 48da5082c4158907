"""Workers that crash, again and again: quarantine of a generation, what the log says."""
import os
import signal
import subprocess
import unittest
from pathlib import Path

from harness import DEFAULT_CONFIG, Latchd, TestCase, certificates

OTHER = DEFAULT_CONFIG.replace(
    '{ path = "/"; files = { root = "@WWW@"; }; }', '{ path = "/"; redirect = { to = "/new"; }; }'
)


def crash(d, generation, until):
    """Workers of that generation die as soon as they are there, until a line of the log."""
    while not d.log.find(until):
        for worker in d.control_status()["workers"]:
            if worker["generation"] == generation and worker["pid"] in d.workers():
                try:
                    os.kill(worker["pid"], signal.SIGABRT)
                except ProcessLookupError:
                    pass


class Quarantine(TestCase):
    def test_the_configuration_before_comes_back(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            d.write_config(template=OTHER)
            self.assertEqual(d.ctl("reload").returncode, 0)
            self.assertEqual(d.fetch("/a.txt").status, 308)
            mark = d.notes.mark()
            crash(d, 2, "generation 2 is quarantined")
            d.notes.wait("^STATUS=generation 3: .*; generation 2 quarantined", mark)
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            status = d.control_status()
            self.assertEqual(status["generation"], 3)
            self.assertEqual(
                status["reloads_total"], {"ok": 1, "failed": 0, "quarantined": 1}
            )
            self.assertFalse(status["last_reload_success"])
            last = status["last_reload"]
            self.assertEqual((last["result"], last["quarantined"]), ("quarantined", 2))
            self.assertRegex(last["error"], r"^generation 2: \d+ of its workers died soon")
            table = d.ctl("status").stdout
            self.assertRegex(
                table, r"last reload +quarantined, .*1 quarantined\)\n +generation 2: \d+ of its"
            )
            # A reload by hand tries what is on the disk again.
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(d.fetch("/a.txt").status, 308)
            status = d.control_status()
            self.assertEqual((status["generation"], status["last_reload_success"]), (4, True))
            self.assertEqual(status["last_reload"]["quarantined"], 0)

    def test_behind_the_first_there_is_none(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            crash(d, 1, "there is none before it that could come back")
            self.assertRegex(d.log.wait("dies at once, again and again"), r"comes in \d+ ms")
            status = d.wait_status(
                lambda s: len([w for w in s["workers"] if w["state"] == "serving"]) == 2
            )
            self.assertEqual((status["generation"], status["last_reload_success"]), (1, True))

    def test_workers_that_somebody_kills_say_nothing_about_the_configuration(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            self.assertEqual(d.ctl("reload").returncode, 0)
            d.log.wait("generation 1 is gone")
            for n in range(8):
                d.wait_status(lambda s: len(
                    [w for w in s["workers"] if w["state"] == "serving"]) == 2)
                os.kill(d.workers()[0], signal.SIGKILL)
                d.log.wait("was killed by SIGKILL", count=n + 1)
            status = d.wait_status(lambda s: s["worker_respawns_total"] >= 8)
            self.assertEqual(status["generation"], 2)
            self.assertEqual(status["reloads_total"]["quarantined"], 0)


class Report(TestCase):
    """What a worker had turned to last is in the log when it dies."""

    def crash(self, d, doing):
        worker = d.workers()[0]
        os.kill(worker, signal.SIGABRT)
        d.log.wait(
            rf"worker \d+ \(pid {worker}, generation 1\) was killed by SIGABRT\S* {doing}$"
        )

    def one(self, **options):
        return Latchd(config=DEFAULT_CONFIG.replace("workers = 2;", "workers = 1;"), **options)

    def test_nothing_yet(self):
        with self.one() as d:
            worker = d.workers()[0]
            os.kill(worker, signal.SIGABRT)
            d.log.wait(rf"\(pid {worker}, generation 1\) was killed by SIGABRT$")

    def test_a_handshake(self):
        with self.one() as d:
            with d.peer(tls=False) as p:
                p.sock.sendall(b"\x16\x03\x01")
                self.until_read(d, p)
                self.crash(d, "while it shook hands with 127.0.0.1")

    def until_read(self, d, p):
        """Until the worker has taken all that was sent, and waits for more."""
        stat = Path(f"/proc/{d.workers()[0]}/stat")
        ends = tuple(f":{port:04X}" for port in (d.port, p.sock.getsockname()[1]))
        while True:
            table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            # local address, remote address, state, queues; both ports, for one of them alone may
            # be another connection's, and be waited for as long as TIME_WAIT lasts.
            queues = [w[4] for w in table if (w[1][-5:], w[2][-5:]) == ends]
            if queues == ["00000000:00000000"] and stat.read_text().rpartition(")")[2][1] == "S":
                return

    def test_a_request_that_is_read(self):
        with self.one() as d:
            with d.peer() as p:
                p.send(b"GET /half")
                self.until_read(d, p)
                self.crash(d, r'while it read "GET /half" of 127.0.0.1')

    def test_a_request_that_is_served(self):
        with self.one(files={"big": b"x" * (16 << 20)}) as d:
            with d.peer(rcvbuf=4096) as p:
                p.send_request("/big?%22a%0a=b")
                p._take(100)
                self.crash(d, 'while it served "GET /big\\?%22a%0a=b" of 127.0.0.1')

    def test_a_request_over_http2_that_is_served(self):
        with self.one(files={"big": b"x" * (16 << 20)}) as d:
            got = d.dir / "got"
            with subprocess.Popen(
                ["curl", "-s", "--http2", "--limit-rate", "1000", "-o", str(got)]
                + ["--cacert", str(certificates() / "ca.pem"), d.url("/big?h2")]
                + ["--resolve", f"localhost:{d.port}:127.0.0.1"],
            ) as run:
                while not got.exists() or got.stat().st_size == 0:
                    self.assertIsNone(run.poll())
                self.crash(d, 'while it served "GET /big\\?h2" of 127.0.0.1')
                run.kill()

    def test_a_request_that_was_answered(self):
        with self.one(files={"a.txt": b"A"}) as d:
            with d.peer() as p:
                self.assertEqual(p.request("/a.txt").body, b"A")
                self.crash(d, 'after it had answered "GET /a.txt" of 127.0.0.1')


if __name__ == "__main__":
    unittest.main()

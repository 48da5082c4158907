"""SIGHUP: all or nothing, no request and no ticket lost. SIGUSR1. Stops."""
import json
import os
import signal
import socket
import sys
import time
import unittest

from harness import (
    DEFAULT_CONFIG,
    Latchd,
    Load,
    TestCase,
    VARIANT,
    client_context,
    free_port,
    freeze,
    thaw,
    wait_gone,
)

HUPS = 20 if VARIANT == "asan" else 100


class Reload(TestCase):
    def test_a_new_configuration_serves(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            d.write_config(
                template=DEFAULT_CONFIG.replace(
                    '{ path = "/"; files = { root = "@WWW@"; }; }',
                    '{ path = "/"; redirect = { to = "/new"; }; }',
                )
            )
            since = d.reload()
            self.assertIn("RELOADING=1", d.notes.lines[since:])
            self.assertTrue(d.notes.find("^MONOTONIC_USEC=", since))
            self.assertEqual(d.fetch("/a.txt").status, 308)
            status = d.wait_status(lambda s: s["generation"] == 2)
            self.assertEqual(
                (status["reloads_total"]["ok"], status["last_reload_success"]), (1, True)
            )

    def test_whoever_connects_after_a_reload_meets_the_new_workers(self):
        """Even if the old ones, who watch the same listeners, have not yet read that they shall
        drain, and are the only ones awake."""
        with Latchd(files={"a.txt": b"A"}) as d:
            old = d.workers()
            freeze(old)
            # The kernel tells each of them, the listener before the channel; others accept it.
            first = socket.create_connection(("127.0.0.1", d.port))
            self.addCleanup(first.close)
            d.write_config(
                template=DEFAULT_CONFIG.replace(
                    'files = { root = "@WWW@"; }', 'redirect = { to = "/new"; }'
                )
            )
            self.assertEqual(d.ctl("reload").returncode, 0)
            new = [pid for pid in d.workers() if pid not in old]
            freeze(new)
            try:
                client = socket.create_connection(("127.0.0.1", d.port))
            finally:
                thaw(old)
            wait_gone(old)
            thaw(new)
            with client_context().wrap_socket(client, server_hostname="localhost") as tls:
                tls.sendall(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(tls.recv(4096)[:12], b"HTTP/1.1 308")

    def test_a_rejected_one_changes_nothing(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            workers, mark = d.workers(), d.log.mark()
            for bad in ("worker = 2;", 'sigpipe = "explode";', "listeners = ( { name = "):
                d.write_config(extra=bad)
                d.reload()
                d.log.wait(r"latchd\.conf:\d+: ", mark)
                mark = d.log.mark()
                self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertEqual(d.workers(), workers)
            status = d.status()
            self.assertEqual(
                (
                    status["reloads_total"]["failed"],
                    status["generation"],
                    status["last_reload_success"],
                ),
                (3, 1, False),
            )
            d.write_config(extra="")
            d.reload()
            self.assertTrue(d.status()["last_reload_success"])

    def test_an_address_that_is_taken_is_rejected(self):
        taken = socket.socket()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with taken, Latchd(files={"a.txt": b"A"}) as d:
            d.write_config(
                template=DEFAULT_CONFIG.replace(
                    'address = "127.0.0.1:@PORT@"; }',
                    'address = "127.0.0.1:@PORT@"; }, '
                    f'{{ name = "b"; address = "127.0.0.1:{port}"; }}',
                )
            )
            d.reload()
            self.assertFalse(d.status()["last_reload_success"])
            self.assertEqual(d.fetch("/a.txt").body, b"A")

    def test_listeners_come_and_go(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            both = DEFAULT_CONFIG.replace(
                'address = "127.0.0.1:@PORT@"; }',
                'address = "127.0.0.1:@PORT@"; }, { name = "b"; address = "127.0.0.1:@PORT2@"; }',
            )
            for template, second in ((both, True), (DEFAULT_CONFIG, False), (both, True)):
                d.write_config(template=template)
                d.reload()
                self.assertEqual(d.fetch("/a.txt").body, b"A")
                if second:
                    self.assertEqual(d.fetch("/a.txt", peer={"port": d.port2}).body, b"A")
                else:
                    # The old workers leave the listener when they hear of it.
                    d.wait_status(
                        lambda s: all(w["generation"] == s["generation"] for w in s["workers"])
                    )
                    with self.assertRaises(ConnectionRefusedError):
                        d.peer(port=d.port2)

    def test_a_new_certificate_is_served(self):
        with Latchd() as d:

            def served():
                with d.peer() as p:
                    return p.tls.getpeercert(True)

            before = served()
            d.write_config(template=DEFAULT_CONFIG.replace("ecdsa.", "rsa."))
            d.reload()
            self.assertNotEqual(served(), before)

    def test_no_request_and_no_ticket_is_lost(self):
        """Kept and new connections under load while the configuration is reloaded."""
        with Latchd(files={"a.txt": b"A" * 1000}) as d:
            context = client_context("1.3")
            with d.peer(context=context) as p:
                p.request("/a.txt", close=True)
                p.read_to_end()
                session = p.session
                p.send_close_notify()
            with Load(d, ("kept", "kept", "new", "new")) as load:
                for _ in range(HUPS):
                    d.reload()
            self.assertEqual(load.failures, [])
            self.assertGreater(min(load.counts.values()), HUPS // 4)
            status = d.status()
            self.assertEqual(status["reloads_total"], {"ok": HUPS, "failed": 0, "quarantined": 0})
            with d.peer(context=context, session=session) as p:
                self.assertTrue(
                    p.tls.session_reused, "the ticket from before the first reload is dead"
                )

    def test_many_hups_at_once_are_reloads_one_after_the_other(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            for _ in range(50):
                d.signal(signal.SIGHUP)
            d.wait_status(lambda s: s["generation"] > 1)
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertEqual(d.status()["reloads_total"]["failed"], 0)

    def test_an_idle_connection_gets_one_more_answer(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            with d.peer() as p:
                self.assertEqual(p.request("/a.txt").status, 200)
                d.reload()
                r = p.request("/a.txt")
                self.assertEqual((r.status, r.headers.get("connection")), (200, "close"))
                p.read_to_end()
                self.assertTrue(p.saw_close_notify)

    def test_a_running_download_survives(self):
        big = b"x" * (16 << 20)
        with Latchd(files={"big": big}, extra='reload = { drain = "1h"; };') as d:
            with d.peer(rcvbuf=4096) as p:
                p.send_request("/big")
                p._take_until(b"\r\n\r\n")
                d.reload()
                d.reload()
                self.assertEqual(len(p._take(len(big))), len(big))


class Footprint(TestCase):
    """What reloads leave behind. LONG=1 makes it five hundred of them."""

    RELOADS = 500 if os.environ.get("LONG") else 60

    def test_memory_and_descriptors_stay(self):
        sites = "".join(
            '{ names = [ "s%d.test" ]; certificate = "@CERTS@/ecdsa.pem";'
            ' private_key = "@CERTS@/ecdsa.key";'
            ' routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); },' % n
            for n in range(20)
        )
        config = DEFAULT_CONFIG.replace("sites = ( {", f"sites = ( {sites} {{").replace(
            'target = "stderr"; };', 'target = "stderr"; access = { target = "@DIR@/access"; }; };'
        )
        with Latchd(config=config, files={"a.txt": b"A"}) as d:
            (d.dir / "access").touch()
            (d.dir / "access").chmod(0o666)
            early = self.after(d, 10)
            late = self.after(d, self.RELOADS)
            print(f"after 10: {early}, after {self.RELOADS}: {late}", file=sys.stderr)
            for what, before in early.items():
                is_memory = what.endswith("KiB")
                if is_memory and VARIANT == "asan":
                    continue  # the sanitizer keeps what was freed
                # The heap finds its size in steps: within 12 MiB 500 KiB, and no more after
                # two thousand reloads. Two descriptors: a connection that has just ended.
                limit = before + (1024 if is_memory else 2)
                self.assertLessEqual(late[what], limit, (what, early, late))

    def after(self, d, generation):
        """The figures once that many reloads are done. One after the other: how many generations
        drain at a time is what the heap never gets smaller than."""
        while (number := d.status()["generation"]) <= generation:
            self.assertEqual(d.ctl("reload").returncode, 0)
            self.assertEqual(d.fetch("/a.txt").status, 200)
            d.log.wait(rf"generation {number} is gone")
        workers = [
            w["pid"] for w in json.loads(d.ctl("status", "--json").stdout)["workers"]
        ]
        self.assertEqual(len(workers), 2)
        return {
            "master KiB": self.resident(d.process.pid),
            "worker KiB": max(self.resident(pid) for pid in workers),
            "master descriptors": len(os.listdir(f"/proc/{d.process.pid}/fd")),
            "worker descriptors": max(len(os.listdir(f"/proc/{pid}/fd")) for pid in workers),
        }

    @staticmethod
    def resident(pid):
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith(("Rss:", "Swap:")))


class Logs(TestCase):
    def test_usr1_reopens_log_files(self):
        d = Latchd(extra="")
        logs = d.dir / "log"
        logs.mkdir()
        logs.chmod(0o777)
        d.template = DEFAULT_CONFIG.replace(
            'log = { level = "debug"; target = "stderr"; };',
            'log = { target = "@DIR@/log/error"; access = { target = "@DIR@/log/access"; }; };',
        )
        with d:
            d.fetch("/before")
            while b"/before" not in (logs / "access").read_bytes():
                d.status()
            (logs / "access").rename(logs / "access.1")
            d.signal(signal.SIGUSR1)
            while not (logs / "access").exists() or b"/after" not in (logs / "access").read_bytes():
                d.fetch("/after")
            self.assertTrue((logs / "error").stat().st_size > 0)


class Stop(TestCase):
    def test_term_lets_a_download_end(self):
        big = b"x" * (8 << 20)
        d = Latchd(files={"big": big}, extra='reload = { drain = "1h"; };').start()
        with d.peer(rcvbuf=4096) as p:
            p.send_request("/big")
            p._take(100)
            d.signal(signal.SIGTERM)
            d.notes.wait("^STOPPING=1")
            # An hour, and a little more to end in.
            d.notes.wait(r"^EXTEND_TIMEOUT_USEC=360\d{7}$")
            with self.assertRaises((ConnectionRefusedError, ConnectionResetError)):
                while True:  # until the listener is closed, which resets what is in its queue
                    d.peer(tls=False).sock.close()
            rest = p.read_to_end()
            self.assertGreaterEqual(len(rest), len(big) - 100)
            self.assertTrue(p.saw_close_notify)
            p.send_close_notify()
        d.wait_exit(0)

    def test_an_idle_connection_does_not_hold_it_up(self):
        d = Latchd(files={"a.txt": b"A"}).start()
        with d.peer() as p:
            p.request("/a.txt")
            begun = time.monotonic()
            d.signal(signal.SIGTERM)
            self.assertEqual(p.read_to_end(), b"")
            self.assertTrue(p.saw_close_notify)
            p.send_close_notify()
            d.wait_exit(0)
            self.assertLess(time.monotonic() - begun, 5)

    def test_idle_and_silent_peers_hold_a_stop_up_for_less_than_a_second(self):
        """Peers that never answer, whatever the policy. The best of a few tries counts: the machine
        may have other things to do."""
        limit = 1 if VARIANT == "plain" else 5
        for mode in ("lenient", "strict"):
            tries = []
            while not tries or (min(tries) >= limit and len(tries) < 5):
                tries.append(self.stop_with_silent_peers(mode))
            self.assertLess(min(tries), limit, (mode, tries))

    def stop_with_silent_peers(self, mode):
        d = Latchd(files={"a.txt": b"A"}, extra=f'shutdown = {{ mode = "{mode}"; }};').start()
        idle, silent = [d.peer() for _ in range(4)], [d.peer(tls=False) for _ in range(4)]
        for p in idle:
            self.assertEqual(p.request("/a.txt").status, 200)
        d.wait_status(lambda s: s["connections_active"] >= 8)
        begun = time.monotonic()
        d.signal(signal.SIGTERM)
        d.process.wait(20)
        took = time.monotonic() - begun
        for p in idle:
            self.assertEqual(p.read_to_end(), b"")
            self.assertTrue(p.saw_close_notify)
        for p in idle + silent:
            p.sock.close()
        d.wait_exit(0)
        return took

    def test_int_stops_at_once(self):
        d = Latchd(files={"big": b"x" * (8 << 20)}).start()
        with d.peer(rcvbuf=4096) as p:
            p.send_request("/big")
            p._take(100)
            d.signal(signal.SIGINT)
            d.wait_exit(0)

    def test_a_second_term_stops_at_once(self):
        d = Latchd(files={"big": b"x" * (8 << 20)}).start()
        with d.peer(rcvbuf=4096) as p:
            p.send_request("/big")
            p._take(100)
            d.signal(signal.SIGTERM)
            d.notes.wait("^STOPPING=1")
            d.signal(signal.SIGTERM)
            d.wait_exit(0)

    def test_the_drain_deadline_ends_a_stop(self):
        d = Latchd(extra='reload = { drain = "500ms"; };', files={"big": b"x" * (8 << 20)}).start()
        with d.peer(rcvbuf=4096) as p:
            p.send_request("/big")
            p._take(100)
            d.stop()

    def test_workers_ignore_a_terminals_signals(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            workers = d.workers()
            for worker in workers:
                for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT,
                               signal.SIGUSR1, signal.SIGUSR2):
                    os.kill(worker, number)
            for _ in range(8):
                self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertEqual(d.workers(), workers)
            status = d.status()
            self.assertEqual((status["worker_respawns_total"], status["generation"]), (0, 1))


if __name__ == "__main__":
    unittest.main()

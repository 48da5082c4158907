"""Upgrade in place: the process becomes the program that was put at its path by rename. Nothing is
lost, and a program that does not prove itself is not run."""
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import (
    DEFAULT_CONFIG,
    IS_ROOT,
    LATCHD,
    Load,
    PATIENCE,
    VARIANT,
    Latchd,
    TestCase,
    client_context,
    latchd,
    scratch,
)

UPGRADES = 4 if VARIANT == "asan" else 20

# A good upgrade has to be done within it, too.
READY_MS = 3000 if VARIANT == "plain" else 10000


class Upgradable(Latchd):
    """A daemon whose program is a copy of the installed one, in a directory of its own."""

    def __init__(self, **options):
        self.bin = scratch("latchd-bin.")
        super().__init__(binary=self.bin / "latchd", **options)
        self.replace()

    def replace(self, script=None):
        """As a package does: another file, renamed into place. `script`: not latchd, but this;
        @REAL@ in it is the path of the good program."""
        new = self.bin / "latchd.new"
        if script is None:
            shutil.copy(LATCHD, new)
        else:
            shutil.copy(LATCHD, self.bin / "real")
            new.write_text("#!/bin/sh\n" + script.replace("@REAL@", str(self.bin / "real")) + "\n")
        new.chmod(0o755)
        new.replace(self.binary)

    def upgrade(self):
        """`latchd ctl upgrade` by the program as installed; a CompletedProcess."""
        return self.ctl("upgrade")

    def executable(self):
        """Device and inode of the program that the master is now."""
        st = os.stat(f"/proc/{self.process.pid}/exe")
        return st.st_dev, st.st_ino

    def wait_reaped(self):
        """The board tells of a death before the master has looked after it."""
        end = time.monotonic() + PATIENCE
        while any(c.startswith("Z") for c in self.children()):
            assert time.monotonic() < end, self.children()

    def children(self):
        """State and name of each child of the master, zombies too."""
        found = subprocess.run(
            ["ps", "-o", "stat=,comm=", "--ppid", str(self.process.pid)],
            capture_output=True, text=True, check=False)
        return found.stdout.splitlines()


@unittest.skipUnless(IS_ROOT, "a program that its own user can change is not upgraded to")
class UpgradeCase(TestCase):
    def assert_upgraded(self, d, result):
        self.assertEqual(result.returncode, 0, result.stderr + d.log.text())
        st = os.stat(d.binary)
        self.assertEqual(d.executable(), (st.st_dev, st.st_ino))

    def assert_unchanged(self, d, before):
        """It serves as it did, with the workers and the program of before."""
        self.assertEqual((d.executable(), d.workers()), before)
        self.assertEqual(d.fetch("/a.txt").body, b"A")
        self.assertEqual(d.status()["generation"], 1)


class Works(UpgradeCase):
    def test_it_is_the_same_process_and_says_so(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            d.replace()
            since = d.notes.mark()
            result = d.upgrade()
            self.assert_upgraded(d, result)
            self.assertRegex(result.stdout, r"^latchd \S+ took over from \S+\n"
                                            r"generation 2 serves after \d+ ms: 2 workers")
            d.notes.wait("^READY=1$", since)
            self.assertEqual(
                [n for n in d.notes.lines[since:] if n in ("RELOADING=1", "READY=1")],
                ["RELOADING=1", "READY=1"])
            self.assertTrue(d.notes.find("^MONOTONIC_USEC=", since))
            status = d.wait_status(
                lambda s: len(s["workers"]) == 2 and s["requests_total"] >= 2,
                "the old workers to go, and counters that go on")
            self.assertEqual(status["generation"], 2)
            d.wait_reaped()
            self.assertRegex(d.ctl("status").stdout, r"\nupgraded +ok, ")
            d.reload()
            self.assertRegex(d.ctl("status").stdout, r"\nlast reload +ok, ")

    def test_usr2(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            d.replace()
            since = d.notes.mark()
            d.signal(signal.SIGUSR2)
            d.notes.wait("^READY=1$", since)
            d.log.wait("generation 2 serves")
            self.assertEqual(d.fetch("/a.txt").body, b"A")

    def test_no_request_no_connection_and_no_ticket_is_lost(self):
        """Kept and new connections, and slow downloads, under several upgrades."""
        big = b"x" * (1 << 20)
        with Upgradable(files={"a.txt": b"A" * 1000, "big": big},
                        extra='reload = { drain = "20s"; };') as d:
            context = client_context("1.3")
            with d.peer(context=context) as p:
                p.request("/a.txt", close=True)
                p.read_to_end()
                session = p.session
                p.send_close_notify()
            with Load(d, ("kept", "kept", "new", "slow"), big) as load:
                for _ in range(UPGRADES):
                    d.replace()
                    result = d.upgrade()
                    while result.returncode == 75:  # four generations drain
                        result = d.upgrade()
                    self.assert_upgraded(d, result)
            self.assertEqual(load.failures, [])
            self.assertGreater(min(load.counts.values()), UPGRADES // 4)
            self.assertEqual(d.status()["generation"], UPGRADES + 1)
            with d.peer(context=context, session=session) as p:
                self.assertTrue(p.tls.session_reused,
                                "the ticket from before the first upgrade is dead")

    def test_an_idle_connection_gets_one_more_answer(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            with d.peer() as p:
                self.assertEqual(p.request("/a.txt").status, 200)
                self.assert_upgraded(d, d.upgrade())
                r = p.request("/a.txt")
                self.assertEqual((r.status, r.headers.get("connection")), (200, "close"))
                p.read_to_end()
                self.assertTrue(p.saw_close_notify)

    def test_it_takes_the_changed_configuration(self):
        """A listener comes, another goes; their sockets come and go with the new program."""
        with Upgradable(files={"a.txt": b"A"}) as d:
            d.write_config(template=DEFAULT_CONFIG.replace("@PORT@", "@PORT2@"))
            self.assert_upgraded(d, d.upgrade())
            self.assertEqual(d.fetch("/a.txt", peer={"port": d.port2}).body, b"A")
            with self.assertRaises(ConnectionRefusedError):
                while True:  # until the old workers have let go of it, which resets its queue
                    try:
                        socket.create_connection(("127.0.0.1", d.port)).close()
                    except ConnectionResetError:
                        pass
            d.write_config(template=DEFAULT_CONFIG)
            d.reload()
            self.assertEqual(d.fetch("/a.txt").body, b"A")

    def test_old_workers_still_belong_to_the_master(self):
        """Their logs are reopened, their end is seen, and a stop ends them."""
        d = Upgradable(files={"big": b"x" * (16 << 20)}, extra='reload = { drain = "1h"; };')
        logs = d.dir / "log"
        logs.mkdir()
        logs.chmod(0o777)
        d.template = DEFAULT_CONFIG.replace(
            'target = "stderr"; }',
            'target = "@DIR@/log/error"; access = { target = "@DIR@/log/access"; }; }')
        d.start()
        old = d.workers()
        with d.peer(rcvbuf=4096) as p:
            p.send_request("/big")
            p._take_until(b"\r\n\r\n")
            self.assert_upgraded(d, d.upgrade())
            status = d.wait_status(lambda s: len(s["workers"]) == 3, "the idle one to go")
            self.assertEqual(sorted(w["generation"] for w in status["workers"]), [1, 2, 2])
            draining = [w["pid"] for w in status["workers"] if w["generation"] == 1]
            self.assertTrue(set(draining) < set(old))
            (logs / "access").rename(logs / "access.1")
            done = d.ctl("reopen-logs")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(p._take(16 << 20)), 16 << 20)
        while b"/big" not in (logs / "access").read_bytes():
            d.status()
        d.wait_status(lambda s: len(s["workers"]) == 2, "the old worker to go")
        with d.peer(rcvbuf=4096) as p:
            p.send_request("/big")
            p._take(100)
            self.assert_upgraded(d, d.upgrade())
            d.signal(signal.SIGTERM)
            d.notes.wait("^STOPPING=1")
            d.signal(signal.SIGTERM)
            d.wait_exit(0)

    def test_a_worker_that_dies_is_replaced_afterwards(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            self.assert_upgraded(d, d.upgrade())
            d.wait_status(lambda s: len(s["workers"]) == 2)
            victim = d.status()["workers"][0]["pid"]
            os.kill(victim, signal.SIGKILL)
            d.log.wait(rf"\(pid {victim}, generation 2\) was killed by SIGKILL")
            d.wait_status(lambda s: s["worker_respawns_total"] == 1 and
                          [w["state"] for w in s["workers"]] == ["serving"] * 2)

    def test_one_after_a_reload_and_a_reload_after_one(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            for _ in range(2):
                d.signal(signal.SIGHUP)
                d.signal(signal.SIGUSR2)
            d.wait_status(lambda s: s["generation"] >= 3 and s["reloads_total"]["ok"] >= 1)
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertEqual(d.status()["reloads_total"]["failed"], 0)
            # Asked for while an upgrade is under way, on either side of the exec.
            d.wait_status(lambda s: all(w["generation"] == s["generation"] for w in s["workers"]))
            mark = d.log.mark()
            before = d.status()["generation"]
            d.signal(signal.SIGUSR2)
            results = []
            thread = threading.Thread(target=lambda: results.append(d.ctl("reload")))
            thread.start()
            d.log.wait("takes over from", mark)
            thread.join()
            self.assertEqual(results[0].returncode, 0, results[0].stderr)
            # More of them, when signals of the beginning were still to be done.
            d.wait_status(lambda s: s["generation"] >= before + 2)

    def test_the_service_managers_store_stays_right(self):
        d = Upgradable(files={"a.txt": b"A"})
        d.kept = []
        with d:
            names = sorted(name for name, _ in d.kept)
            self.assertEqual(names, [f"latchd.listener.127.0.0.1%3A{d.port}", "latchd.ring"])
            self.assert_upgraded(d, d.upgrade())
            self.assert_upgraded(d, d.upgrade())
            self.assertEqual(sorted(name for name, _ in d.kept), names)
            d.write_config(template=DEFAULT_CONFIG.replace("@PORT@", "@PORT2@"))
            self.assert_upgraded(d, d.upgrade())
            d.port, d.port2 = d.port2, d.port
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertEqual(sorted(name for name, _ in d.kept),
                             [f"latchd.listener.127.0.0.1%3A{d.port}", "latchd.ring"])

    def test_sockets_of_the_service_manager_go_along(self):
        s = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(s.close)
        d = Upgradable(files={"a.txt": b"A"}, sockets=[("https", s)])
        d.port = s.getsockname()[1]
        with d:
            for _ in range(2):
                self.assert_upgraded(d, d.upgrade())
                self.assertEqual(d.fetch("/a.txt").body, b"A")


class Refused(UpgradeCase):
    def refuse(self, script, code, *patterns, extra=""):
        """An upgrade to `script` fails with the code, says why to both, and changes nothing."""
        with Upgradable(files={"a.txt": b"A"}, extra=extra) as d:
            before = d.executable(), d.workers()
            d.replace(script)
            since = d.notes.mark()
            result = d.upgrade()
            self.assertEqual(result.returncode, code, result.stderr)
            for pattern in patterns:
                self.assertRegex(result.stderr, pattern)
                d.log.wait(pattern)
            self.assertRegex(result.stderr, "the upgrade failed; latchd .* serves on, unchanged")
            d.notes.wait("^READY=1$", since)
            self.assert_unchanged(d, before)
            d.replace()
            self.assert_upgraded(d, d.upgrade())

    def test_a_program_that_crashes(self):
        self.refuse("kill -SEGV $$", 70,
                    "the check of the configuration by .* was killed by SIGSEGV")

    def test_a_program_that_crashes_in_its_rehearsal(self):
        self.refuse('[ "$1" = -t ] && exit 0; kill -SEGV $$', 70,
                    "the rehearsal by .* was killed by SIGSEGV")

    def test_a_program_that_hangs(self):
        self.refuse("sleep 1000", 71, f"did not end within {READY_MS} ms",
                    extra=f'reload = {{ ready = "{READY_MS}ms"; }};')

    def test_a_program_that_hangs_in_its_rehearsal(self):
        self.refuse('[ "$1" = -t ] && exit 0; sleep 1000 & sleep 1000', 71,
                    f"the rehearsal by .* did not end within {2 * READY_MS} ms",
                    extra=f'reload = {{ ready = "{READY_MS}ms"; }};')

    def test_a_program_that_rejects_the_configuration(self):
        self.refuse('echo "$3:7: what is this?" >&2; exit 78', 78,
                    r"latchd\.conf:7: what is this\?", "ended with status 78")

    def test_a_program_that_knows_no_rehearsal(self):
        """An older one, for example."""
        self.refuse('[ "$1" = -t ] && exit 0; echo "unknown option $1" >&2; exit 64', 64,
                    "unknown option --rehearse")

    def test_a_program_that_lacks_a_library(self):
        self.refuse("exec /nowhere/latchd", 70, "nowhere")

    def test_what_is_no_program(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            before = d.executable(), d.workers()
            (d.bin / "new").write_bytes(b"\0not a program")
            (d.bin / "new").chmod(0o755)
            (d.bin / "new").replace(d.binary)
            result = d.upgrade()
            self.assertEqual(result.returncode, 69, result.stderr)
            self.assertIn("cannot run", result.stderr)
            os.unlink(d.binary)
            result = d.upgrade()
            self.assertEqual(result.returncode, 69, result.stderr)
            self.assertIn("there is no program to upgrade to", result.stderr)
            self.assert_unchanged(d, before)

    def test_a_bad_configuration(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            before = d.executable(), d.workers()
            d.write_config(extra="wrokers = 3;")
            result = d.upgrade()
            self.assertEqual(result.returncode, 78, result.stderr)
            self.assertRegex(result.stderr, r"latchd\.conf:\d+: .*wrokers")
            d.log.wait(r"latchd\.conf:\d+: .*wrokers")
            self.assert_unchanged(d, before)

    def test_an_address_that_is_taken(self):
        """Only the rehearsal finds it: the check binds nothing."""
        with Upgradable(files={"a.txt": b"A"}) as d, socket.create_server(("127.0.0.1", 0)) as s:
            before = d.executable(), d.workers()
            port = s.getsockname()[1]
            d.write_config(template=DEFAULT_CONFIG.replace("@PORT@", str(port)))
            result = d.upgrade()
            self.assertEqual(result.returncode, 69, result.stderr)
            self.assertRegex(result.stderr, rf"latchd\.conf:\d+: .*{port}")
            self.assert_unchanged(d, before)

    def test_a_program_that_changes_while_it_is_rehearsed(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            before = d.executable(), d.workers()
            d.replace('[ "$1" = --rehearse ] && touch "$0"; exec @REAL@ "$@"')
            result = d.upgrade()
            self.assertEqual(result.returncode, 75, result.stderr)
            self.assertIn("was changed while it was rehearsed", result.stderr)
            self.assert_unchanged(d, before)

    def test_who_can_change_the_program(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            before = d.executable(), d.workers()
            for path, mode, owner in (
                (d.binary, 0o757, 0),
                (d.binary, 0o755, 65534),
                (d.bin, 0o777, 0),
                (d.bin, 0o755, 65534),
            ):
                kept = os.stat(path)
                os.chown(path, owner, 0)
                path.chmod(mode)
                result = d.upgrade()
                self.assertEqual(result.returncode, 77, result.stderr)
                self.assertIn(f"can change {path}", result.stderr)
                os.chown(path, kept.st_uid, kept.st_gid)
                path.chmod(kept.st_mode)
            os.rename(d.binary, d.bin / "elsewhere")
            os.symlink(d.bin / "elsewhere", d.binary)
            result = d.upgrade()
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertIn("symbolic link", result.stderr)
            self.assert_unchanged(d, before)

    def test_while_many_generations_drain(self):
        with Upgradable(files={"big": b"x" * (16 << 20)},
                        extra='reload = { drain = "1h"; };') as d:
            peers = []
            for _ in range(4):
                p = d.peer(rcvbuf=4096)
                p.send_request("/big")
                p._take(100)
                peers.append(p)
                self.assert_upgraded(d, d.upgrade())
            result = d.upgrade()
            self.assertEqual(result.returncode, 75, result.stderr)
            self.assertIn("4 generations are still draining", result.stderr)
            for p in peers:
                p.reset()


class ComesBack(UpgradeCase):
    """What the rehearsal could not know: the program fails after the exec."""

    BROKEN = 'case $1 in -t|--rehearse) exec @REAL@ "$@";; esac; '

    def test_the_program_before_takes_over_again(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            program = d.executable()
            (d.dir / "broken.conf").write_text("wrokers = 3;\n")
            with d.peer() as p:
                self.assertEqual(p.request("/a.txt").status, 200)
                d.replace(self.BROKEN + f"exec @REAL@ -c {d.dir}/broken.conf")
                result = d.upgrade()
                self.assertEqual(result.returncode, 78, result.stderr + d.log.text())
                self.assertRegex(result.stderr, r"broken\.conf:1: .*wrokers")
                self.assertRegex(result.stderr, "the upgrade failed; latchd .* serves on")
                d.log.wait(r"broken\.conf:1: .*wrokers")
                self.assertEqual(p.request("/a.txt").body, b"A")
            self.assertEqual(d.executable(), program)
            self.assertEqual(Path(f"/proc/{d.process.pid}/comm").read_text(), "latchd\n")
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertIn(str(d.config), Path(f"/proc/{d.process.pid}/cmdline").read_text())
            d.replace()
            self.assert_upgraded(d, d.upgrade())

    def test_a_program_that_crashes_after_the_exec(self):
        """Nobody is there to come back; workers finish what they have, as always then."""
        d = Upgradable(files={"a.txt": b"A"}).start()
        with d.peer() as p:
            self.assertEqual(p.request("/a.txt").status, 200)
            d.replace(self.BROKEN + "exit 70")
            self.assertEqual(d.upgrade().returncode, 69)
            self.assertEqual(p.request("/a.txt").status, 200)
        self.assertEqual(d.process.wait(), 70)
        d.log.wait("the master is gone", count=2)

    def test_a_handover_that_nobody_understands(self):
        d = Upgradable(files={"a.txt": b"A"}).start()
        d.replace(self.BROKEN + "LATCHD_HANDOVER=$$:0:; exec @REAL@ \"$@\"")
        self.assertEqual(d.upgrade().returncode, 69)
        d.log.wait("what is handed over is no sealed memory")
        self.assertEqual(d.process.wait(), 70)
        d.log.wait("the master is gone", count=2)

    def test_without_a_way_back_the_old_workers_serve_on(self):
        with Upgradable(files={"a.txt": b"A"}) as d:
            old = d.workers()
            (d.dir / "next.conf").write_text("wrokers = 3;\n")
            d.replace(self.BROKEN + "LATCHD_HANDOVER=${LATCHD_HANDOVER%:*}: "
                      f"exec @REAL@ -c {d.dir}/next.conf")
            result = d.upgrade()
            self.assertEqual(result.returncode, 78, result.stderr + d.log.text())
            self.assertIn("the workers of generation 1 serve on", result.stderr)
            self.assertEqual(d.workers(), old)
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            result = d.ctl("reload")
            self.assertEqual(result.returncode, 78, result.stderr)
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            shutil.copy(d.config, d.dir / "next.conf")
            d.log.wait("trying the configuration again")
            d.wait_status(lambda s: s["generation"] > 1 and not set(d.workers()) & set(old))
            self.assertEqual(d.fetch("/a.txt").body, b"A")


class CommandLine(TestCase):
    def test_a_rehearsal_is_for_masters(self):
        result = latchd("--rehearse")
        self.assertEqual(result.returncode, 64, result.stderr)
        self.assertIn("belongs to an upgrade", result.stderr)
        result = latchd("--rehearse", "-t")
        self.assertEqual(result.returncode, 64, result.stderr)

    def test_no_master(self):
        result = latchd("ctl", "-s", scratch() / "none.sock", "upgrade")
        self.assertEqual(result.returncode, 69, result.stderr)

    @unittest.skipIf(IS_ROOT, "root's own programs are good enough")
    def test_a_program_of_the_user_itself(self):
        binary = scratch("latchd-bin.") / "latchd"
        shutil.copy(LATCHD, binary)
        with Latchd(files={"a.txt": b"A"}, binary=binary) as d:
            result = d.ctl("upgrade")
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertIn(f"can change {binary.parent}", result.stderr)
            self.assertEqual(d.fetch("/a.txt").body, b"A")


class Serve(TestCase):
    def test_serve_is_not_upgraded(self):
        with Latchd(args=["--serve", "@WWW@", "--port", "0"]) as d:
            before = os.stat(f"/proc/{d.process.pid}/exe")
            d.signal(signal.SIGUSR2)
            d.log.wait("--serve is not upgraded in place")
            self.assertEqual(os.stat(f"/proc/{d.process.pid}/exe"), before)


if __name__ == "__main__":
    unittest.main()

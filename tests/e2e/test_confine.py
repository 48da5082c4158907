"""By what workers are confined, and that they serve nevertheless. To prove what a worker cannot do,
it is made to do it: a debugger puts a system call into it."""
import ctypes
import os
import platform
import re
import socket
import ssl
import subprocess
import time
import unittest
from pathlib import Path

from harness import (
    IS_ROOT, PATIENCE, VARIANT, Latchd, Peer, TestCase, client_context, scratch,
)

CONFIG = """
workers = 1;
@USER@
log = { level = "debug"; target = "stderr"; access = { target = "@DIR@/access.log"; }; };
listeners = ( { name = "http"; address = "127.0.0.1:@PORT@"; tls = false; } );
@EXTRA@
sites = ( { names = [ "*" ]; default = true;
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/-/status"; status = {}; } ); } );
"""
CONFINED = VARIANT not in ("asan", "cover")
KERNEL_HAS_LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64."""
    _fields_ = [(name, ctypes.c_ulong) for name in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
        "fs_base gs_base ds es fs gs").split()]


class Debugger:
    """Holds a process that waits in a system call, and makes calls in its place."""

    PEEK, POKE, STEP, GETREGS, SETREGS, ATTACH, DETACH = 2, 5, 9, 12, 13, 16, 17

    def __init__(self, pid):
        self.pid = pid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.restype = ctypes.c_long
        self.libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def _do(self, request, address=None, data=None):
        ctypes.set_errno(0)
        result = self.libc.ptrace(request, self.pid, address, data)
        if result == -1 and ctypes.get_errno():
            raise OSError(ctypes.get_errno(), f"ptrace request {request}")
        return result

    def __enter__(self):
        self._do(self.ATTACH)
        os.waitpid(self.pid, 0)
        self.saved = Registers()
        self._do(self.GETREGS, data=ctypes.byref(self.saved))
        return self

    def __exit__(self, kind, *_):
        try:
            self._do(self.SETREGS, data=ctypes.byref(self.saved))
            self._do(self.DETACH)
        except OSError:
            pass  # it was let go

    def text(self, content):
        """The address of a copy of the bytes, below what the stack uses."""
        content = content.ljust((len(content) // 8 + 1) * 8, b"\0")
        address = (self.saved.rsp - 4096) & ~0xf
        for i in range(0, len(content), 8):
            self._do(self.POKE, address + i, int.from_bytes(content[i:i + 8], "little"))
        return address

    def _prepare(self, number, arguments):
        now = Registers.from_buffer_copy(self.saved)
        now.rip = self.saved.rip - 2  # it waits behind an instruction `syscall`
        now.rax, now.orig_rax = number, ctypes.c_ulong(-1).value
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments):
            setattr(now, name, ctypes.c_ulong(value).value)
        self._do(self.SETREGS, data=ctypes.byref(now))
        return now

    def call(self, number, *arguments):
        """The result, an errno as a negative one."""
        now = self._prepare(number, arguments)
        self._do(self.STEP)
        _, status = os.waitpid(self.pid, 0)
        assert os.WIFSTOPPED(status), "it was killed"
        self._do(self.GETREGS, data=ctypes.byref(now))
        return ctypes.c_long(now.rax).value

    def last_call(self, number, *arguments):
        """For what it does not survive: it is let go with the call, so that its parent sees how it
        ends."""
        self._prepare(number, arguments)
        self._do(self.DETACH)


def get(d, path="/index.html"):
    with Peer(d.port, tls=False) as peer:
        return peer.request(path, close=True)


def fields(pid):
    return dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M))


class InForce(TestCase):
    def test_a_worker_is_confined(self):
        with Latchd() as d:
            for pid in d.workers():
                got = fields(pid)
                self.assertEqual(got["NoNewPrivs"], "1")
                if CONFINED:
                    self.assertEqual(got["Seccomp"], "2")
                    self.assertEqual(int(got["Seccomp_filters"]),
                                     int(fields(d.process.pid)["Seccomp_filters"]) + 1)
            for worker in d.status()["workers"]:
                self.assertEqual(worker["seccomp"], CONFINED)
                self.assertEqual(worker["landlock"], CONFINED and KERNEL_HAS_LANDLOCK)
            if CONFINED and KERNEL_HAS_LANDLOCK:
                page = d.fetch("/-/status").body
                self.assertEqual(page.count(b"<td>Landlock, seccomp</td>"), 2)
                self.assertNotIn("workers may", d.log.text())
            if not CONFINED:
                d.log.wait("not confined by Landlock and seccomp")


@unittest.skipUnless(CONFINED, "this build is not confined")
class Serving(TestCase):
    """What a worker does rarely, after it has given up the means to do it anew."""

    def test_the_time_zone_is_known(self):
        zone = "/usr/share/zoneinfo/Asia/Tokyo"
        if not os.path.exists(zone):
            self.skipTest("no time zones here")
        with Latchd(config=CONFIG, env={"TZ": f":{zone}"}) as d:
            self.assertEqual(get(d).status, 200)
            self.assertRegex(self.line(d.dir / "access.log"), r"\[.* \+0900\]")

    def line(self, path):
        deadline = time.monotonic() + PATIENCE
        while not path.exists() or not path.read_text():
            self.assertLess(time.monotonic(), deadline)
        return path.read_text()

    def test_an_access_log_for_a_journal_that_is_not_there(self):
        config = CONFIG.replace("@DIR@/access.log", "journal")
        with Latchd(config=config) as d:
            pid = d.workers()[0]
            for _ in range(3):
                self.assertEqual(get(d).status, 200)
            self.assertEqual(d.workers(), [pid])


@unittest.skipUnless(IS_ROOT, "needs root")
class Journal(TestCase):
    """The journal's socket, which is ours in a name space of its own."""

    CONFIG = """
workers = 1;
@USER@
log = { target = "stderr"; access = { target = "journal"; }; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; } );
sites = ( { names = [ "localhost" ]; certificate = "@CERTS@/ecdsa.pem";
            private_key = "@CERTS@/ecdsa.key"; access = { target = @SITE@; };
            routes = ( { path = "/"; files = { root = "@WWW@"; }; } ); } );
"""

    def setUp(self):
        self.folder = scratch()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.settimeout(PATIENCE)
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
            self.skipTest("no name spaces here")

    def open(self):
        folder = self.folder / "systemd/journal"
        folder.mkdir(parents=True)
        self.socket.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o666)

    def latchd(self, site):
        return Latchd(config=self.CONFIG.replace("@SITE@", site), prefix=[
            "unshare", "-m", "sh", "-c", f'mount --bind {self.folder} /run && exec "$@"', "sh"])

    def record(self, message):
        """The fields of the next record with such a message, as far as they are lines."""
        while True:
            lines = self.socket.recv(65536).decode().split("\n")
            record = dict(line.split("=", 1) for line in lines if "=" in line)
            if re.search(message, record.get("MESSAGE", "")):
                return record

    def strange(self, d):
        context = client_context()
        with self.assertRaises(ssl.SSLError):
            d.peer(name="nobody.test", context=context)

    def test_what_belongs_to_no_site_when_every_site_logs_elsewhere(self):
        self.open()
        with self.latchd('"off"') as d:
            pid = d.workers()[0]
            for _ in range(2):
                self.strange(d)
                record = self.record("handshake failed: ")
                self.assertEqual((record["LATCHD_REASON"], record["LATCHD_SNI"]),
                                 ("unrecognized_name", "nobody.test"))
            self.assertEqual(d.workers(), [pid])

    def test_every_event_has_its_fields(self):
        self.open()
        with self.latchd('"journal"') as d:
            self.assertEqual(d.fetch("/").status, 200)
            record = self.record('"GET / ')
            self.assertEqual((record["LATCHD_STATUS"], record["LATCHD_SITE"]), ("200", "localhost"))
            record = self.record("connection closed: clean")
            self.assertEqual((record["LATCHD_CLOSURE"], record["LATCHD_REQUESTS"]), ("clean", "1"))

    def test_one_that_comes_later_kills_no_worker(self):
        with self.latchd('"journal"') as d:
            pid = d.workers()[0]
            self.assertEqual(d.fetch("/").status, 200)
            self.open()
            for _ in range(3):
                self.assertEqual(d.fetch("/").status, 200)
                self.strange(d)
            self.assertEqual(d.workers(), [pid])


@unittest.skipUnless(CONFINED and IS_ROOT and platform.machine() == "x86_64",
                     "needs a confined build, root and x86-64")
class Intruder(TestCase):
    OPENAT, SOCKET, EXECVE, KILL, MPROTECT, CLOSE, OPENAT2 = 257, 41, 59, 62, 10, 3, 437
    AT_FDCWD = -100

    def setUp(self):
        self.d = Latchd(config=CONFIG, files={"page": b"page"}).start()
        self.addCleanup(self.d.stop)
        self.worker = self.d.workers()[0]
        self.get("/page")  # it has nothing left to begin with

    def get(self, path):
        self.assertEqual(get(self.d, path).status, 200)

    def debugger(self):
        try:
            debugger = Debugger(self.worker)
            debugger.__enter__()
        except OSError as e:
            self.skipTest(f"no debugger here: {e}")
        self.addCleanup(debugger.__exit__, None)
        return debugger

    def openat2(self, debugger, path, flags=0):
        how = flags.to_bytes(8, "little") + bytes(16)
        path = str(path).encode()
        address = debugger.text(how + path)
        return debugger.call(self.OPENAT2, self.AT_FDCWD, address + len(how), address, len(how))

    def test_it_opens_nothing_outside_the_roots(self):
        debugger = self.debugger()
        fd = self.openat2(debugger, self.d.www / "page")
        self.assertGreaterEqual(fd, 0, "a file beneath the root")
        self.assertEqual(debugger.call(self.CLOSE, fd), 0)
        if KERNEL_HAS_LANDLOCK:
            for path in ("/etc/passwd", "/proc/self/maps", "/", self.d.dir, self.d.config):
                self.assertEqual(self.openat2(debugger, path), -13, path)
            self.assertEqual(self.openat2(debugger, self.d.www / "page", os.O_WRONLY), -13)
        address = debugger.text(b"/etc/passwd")
        self.assertEqual(debugger.call(self.OPENAT, self.AT_FDCWD, address, 0), -1, "not listed")
        debugger.__exit__(None)
        self.get("/page")
        self.assertEqual(self.d.workers(), [self.worker], "the same one serves on")

    def test_it_writes_to_nothing_on_the_board_but_its_slot(self):
        debugger = self.debugger()
        board = []
        for line in Path(f"/proc/{self.worker}/maps").read_text().splitlines():
            addresses, mode, rest = line.split(maxsplit=2)
            if "latchd-board" in rest:
                start, end = (int(n, 16) for n in addresses.split("-"))
                board.append((mode, start, end - start))
        self.assertEqual([n for mode, _, n in board if mode[1] == "w"], [4096], board)
        for mode, start, n in board:
            if mode[1] != "w":
                self.assertEqual(debugger.call(self.MPROTECT, start, n, 3), -13, "EACCES")

    def dies(self, number, *arguments):
        debugger = self.debugger()
        debugger.last_call(number, *arguments)
        self.d.log.wait(rf"pid {self.worker}.* was killed by SIGSYS, for a system call")
        self.get("/page")

    def test_it_makes_no_socket(self):
        self.dies(self.SOCKET, 2, 1, 0)

    def test_it_signals_nobody(self):
        self.dies(self.KILL, self.d.process.pid, 0)

    def test_it_executes_nothing(self):
        self.dies(self.EXECVE, 0, 0, 0)


if __name__ == "__main__":
    unittest.main()

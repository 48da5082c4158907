"""What the end-to-end tests stand on: the daemon as a child with its own notify socket, and TLS
peers that misbehave on purpose. Standard library only; nothing here sleeps: every wait is for an
event.

The binaries are the installed ones (LATCHD_BIN, LATCH_BIN); `make check-e2e` sets both.
"""
import atexit
import fcntl
import glob
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LATCHD = os.environ.get("LATCHD_BIN", str(ROOT / "build/plain/latchd"))
LATCH = os.environ.get("LATCH_BIN", str(ROOT / "build/plain/latch"))
VARIANT = os.environ.get("LATCH_VARIANT", "plain")
# Bounds of waits, not lengths: a test that passes never gets near.
PATIENCE = int(os.environ.get("LATCH_PATIENCE", 60 if VARIANT == "asan" else 20))
IS_ROOT = os.geteuid() == 0
WORKER_USER, WORKER_GROUP = (
    ("nobody", "nogroup") if IS_ROOT else (pwd.getpwuid(os.geteuid()).pw_name, "")
)


def scratch(prefix="latchd-e2e."):
    """A folder of this run that every user may enter; removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# ---- ports -------------------------------------------------------------------------------------

_held = []


def free_port():
    """A port that nobody listens on and that no other test process of this machine will take: below
    the range of outgoing connections, and held by a file lock until this process ends."""
    locks = Path(tempfile.gettempdir()) / f"latchd-e2e-ports.{os.geteuid()}"
    locks.mkdir(mode=0o700, exist_ok=True)
    while True:
        port = random.randrange(23000, 32000)
        lock = open(locks / str(port), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
        _held.append(lock)
        return port


# ---- certificates ------------------------------------------------------------------------------

_certificates = None


def certificates():
    """The folder that certs/mkcerts.sh fills, made once a run: `tests/e2e/run` makes it for all
    test processes and says where in LATCH_CERTS."""
    global _certificates
    if _certificates is None:
        given = os.environ.get("LATCH_CERTS")
        _certificates = Path(given) if given else make_certificates()
    return _certificates


def make_certificates():
    folder = scratch("latchd-certs.")
    subprocess.run([str(ROOT / "certs/mkcerts.sh"), str(folder)], check=True, capture_output=True)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


# ---- the daemon --------------------------------------------------------------------------------


class Lines:
    """Lines that a thread collects; anybody may wait for one that matches."""

    def __init__(self):
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False

    def add(self, line):
        with self.changed:
            self.lines.append(line)
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def mark(self):
        """A place to wait from."""
        with self.changed:
            return len(self.lines)

    def wait_end(self):
        """Until all has come: what was written last may come after the writer's death is known."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended, PATIENCE)

    def find(self, pattern, since=0):
        with self.changed:
            return [line for line in self.lines[since:] if re.search(pattern, line)]

    def wait(self, pattern, since=0, count=1, timeout=None):
        """The count-th line after `since` that matches."""

        def enough():
            return len([1 for line in self.lines[since:] if re.search(pattern, line)]) >= count

        with self.changed:
            if (
                not self.changed.wait_for(lambda: enough() or self.ended, timeout or PATIENCE)
                or not enough()
            ):
                raise AssertionError(
                    f"no line like {pattern!r}; there are:\n" + "\n".join(self.lines)
                )
        return self.find(pattern, since)[count - 1]

    def text(self):
        with self.changed:
            return "\n".join(self.lines)


DEFAULT_CONFIG = """
workers = 2;
@USER@
log = { level = "debug"; target = "stderr"; };
control = "@DIR@/control.sock";
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; } );
@EXTRA@
sites = ( { names = [ "localhost", "127.0.0.1" ]; default = true;
    certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/-/status"; status = {}; allow = [ "127.0.0.0/8", "::1" ]; } ); } );
"""


def ask_control(path, words):
    """The raw reply to raw words on a control socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(str(path))
        s.sendall(words)
        return b"".join(iter(lambda: s.recv(65536), b""))


class Latchd:
    """A running latchd.

        with Latchd(extra='shutdown = { mode = "strict"; };', files={"a.txt": b"A"}) as d:
            d.fetch("/a.txt")

    In `config` @PORT@, @PORT2@, @DIR@, @WWW@, @CERTS@, @USER@ and @EXTRA@ are filled in. Leaving
    the block stops the daemon with SIGTERM and asserts that it ended with 0, that no process of its
    is left and that no sanitizer complained."""

    def __init__(self, config=DEFAULT_CONFIG, extra="", files=None, args=None, env=None, prefix=(),
                 sockets=(), binary=LATCHD):
        self.dir = scratch()
        self.www = self.dir / "www"
        self.www.mkdir()
        self.put("index.html", b"<!doctype html><title>latchd</title><p>hello\n")
        for name, content in (files or {}).items():
            self.put(name, content)
        self.port, self.port2 = free_port(), free_port()
        self.config = self.dir / "latchd.conf"
        self.template, self.extra = config, extra
        self.args, self.env, self.prefix = args, env or {}, prefix
        self.binary = binary
        self.sockets = list(sockets)  # (name, socket): given like systemd gives them
        self.status_peer = {}  # how status() connects
        self.kept = None  # []: what it stores with the service manager, (name, file)
        self.log = Lines()
        self.output = Lines()
        self.notes = Lines()
        self.process = None
        self.expected_exit = 0

    # -- files

    def put(self, name, content):
        path = self.www / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def fill(self, text):
        user = f'user = "{WORKER_USER}"; group = "{WORKER_GROUP}";' if IS_ROOT else ""
        for word, value in (
            ("EXTRA", self.extra),
            ("USER", user),
            ("PORT2", self.port2),
            ("PORT", self.port),
            ("DIR", self.dir),
            ("WWW", self.www),
        ):
            text = text.replace(f"@{word}@", str(value))
        return text.replace("@CERTS@", str(certificates())) if "@CERTS@" in text else text

    def write_config(self, template=None, extra=None):
        if template is not None:
            self.template = template
        if extra is not None:
            self.extra = extra
        scratch_file = self.config.with_suffix(".new")
        scratch_file.write_text(self.fill(self.template))
        scratch_file.replace(self.config)
        return self.config

    # -- life

    def start(self, wait=True):
        self.write_config()
        since = self.notes.mark()
        self._open_notify()
        reports = self.dir / "san"
        reports.mkdir(exist_ok=True)
        reports.chmod(0o777)
        options = f"log_path={reports}/report:exitcode=99:detect_leaks=1"
        env = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "NOTIFY_SOCKET": str(self.dir / "notify"),
            "ASAN_OPTIONS": options,
            "UBSAN_OPTIONS": options + ":print_stacktrace=1",
            **self.env,
        }
        args = self.args if self.args is not None else ["-c", str(self.config)]
        given, prefix = self._give_sockets(env)
        self.process = subprocess.Popen(
            [*self.prefix, *prefix, str(self.binary), *map(self.fill, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=self.dir,
            start_new_session=True,
            pass_fds=given,
        )
        for fd in given:
            os.close(fd)
        for stream, lines in ((self.process.stderr, self.log), (self.process.stdout, self.output)):
            lines.ended = False
            threading.Thread(target=self._collect, args=(stream, lines), daemon=True).start()
        if wait:
            self.wait_ready(since)
        return self

    def _give_sockets(self, env):
        """Descriptors to pass on, and a command before ours that puts them where sd_listen_fds(3)
        looks and says whose they are."""
        if not self.sockets:
            return (), ()
        given = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for _, s in self.sockets]
        env["LISTEN_FDS"] = str(len(given))
        env["LISTEN_FDNAMES"] = ":".join(name for name, _ in self.sockets)
        moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(given))
        return given, ("bash", "-c", f'exec {moves}; export LISTEN_PID=$$; exec "$@"', "bash")

    @staticmethod
    def _collect(stream, lines):
        with stream:
            for line in stream:
                lines.add(line.decode("utf-8", "replace").rstrip("\n"))
        lines.end()

    def _open_notify(self):
        path = self.dir / "notify"
        path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path))
        path.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)

        def collect(sock):
            while True:
                message, fds, _, _ = socket.recv_fds(sock, 65536, 4)
                if message == b"\0":
                    sock.close()
                    return
                lines = message.decode().splitlines()
                self._keep(lines, fds)
                for line in lines:
                    self.notes.add(line)

        threading.Thread(target=collect, args=(self._notify,), daemon=True).start()

    def _keep(self, lines, fds):
        """The store of a service manager, where a test wants one."""
        name = next((line[7:] for line in lines if line.startswith("FDNAME=")), None)
        if self.kept is not None and "FDSTORE=1" in lines:
            self.kept.append((name, os.fdopen(fds.pop(), "rb", buffering=0)))
        elif self.kept is not None and "FDSTOREREMOVE=1" in lines:
            for entry in [k for k in self.kept if k[0] == name]:
                self.kept.remove(entry)
                entry[1].close()
        for fd in fds:
            os.close(fd)

    def _close_notify(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            try:
                s.sendto(b"\0", str(self.dir / "notify"))
            except OSError:
                pass

    def wait_ready(self, since=0):
        """READY=1, or the daemon's own words if it ended instead."""

        def come():
            return any(line == "READY=1" for line in self.notes.lines[since:])

        deadline = time.monotonic() + PATIENCE
        while True:
            with self.notes.changed:
                if self.notes.changed.wait_for(come, 0.25):
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(
                    f"latchd is not ready (exit {self.process.poll()}):\n{self.log.text()}"
                )

    def ctl(self, *args, **options):
        """One run of `latchd ctl`; a CompletedProcess."""
        return latchd("ctl", "-s", self.dir / "control.sock", *args, **options)

    def control_status(self):
        """What the master says, without a process that asks."""
        reply = ask_control(self.dir / "control.sock", b"status json\n")
        return json.loads(reply[1:reply.index(b"\n")])

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, wait=True):
        """SIGHUP; waits for the verdict, which is READY=1 in both cases."""
        since = self.notes.mark()
        self.signal(signal.SIGHUP)
        if wait:
            self.notes.wait(r"^READY=1$", since)
        return since

    def wait_exit(self, code=0):
        """Waits for the end and judges it."""
        try:
            got = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            left = self.processes()
            self.kill()
            raise AssertionError(
                f"latchd does not end; processes {left}\n{self.log.text()}"
            ) from None
        self._close_notify()
        self.log.wait_end()
        reports = "".join(Path(p).read_text() for p in glob.glob(str(self.dir / "san/report*")))
        if reports:
            raise AssertionError("a sanitizer complained:\n" + reports + self.log.text())
        left = self.processes()
        if left:
            self.kill()
            raise AssertionError(f"processes are left: {left}\n{self.log.text()}")
        if got != code:
            raise AssertionError(f"latchd ended with {got}, not {code}:\n{self.log.text()}")

    def stop(self, code=0):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        self.wait_exit(code)

    def kill(self):
        """The way out of a failed test: everything of this daemon's session, by id."""
        for pid in [self.process.pid, *self.processes()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self._close_notify()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop(self.expected_exit)
        elif self.process.poll() is None:
            self.kill()
            sys.stderr.write(f"--- log of latchd\n{self.log.text()}\n---\n")

    # -- what it says and has

    def processes(self):
        """Processes of the daemon's session that are not zombies, the master left out."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == self.process.pid:
                continue
            try:
                words = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(words[3]) == self.process.pid and words[0] not in "ZX":
                found.append(int(entry))
        return sorted(found)

    workers = processes

    def fetch(self, target="/", **options):
        """One request on a connection of its own; a Response."""
        with self.peer(**options.pop("peer", {})) as peer:
            response = peer.request(target, close=True, **options)
            peer.read_to_end()
            if peer.tls:
                peer.send_close_notify()
            return response

    def status(self):
        response = self.fetch("/-/status", headers={"Accept": "application/json"},
                              peer=dict(self.status_peer))
        assert response.status == 200, response
        return json.loads(response.body)

    def settled(self):
        """The status once no connection is left but the one that asks: whatever tests before this
        one did is counted."""
        return self.wait_status(lambda s: s["connections_active"] == 1, "the others to end")

    def wait_status(self, predicate, what="the status to come true"):
        """Asks again until predicate(status) is true: the counters of a connection reach the board
        after the peer has seen its end."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self.status()
            if predicate(status):
                return status
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what}:\n{json.dumps(status, indent=1)}")

    def peer(self, **options):
        options.setdefault("port", self.port)
        return Peer(**options)

    def curl(self, *args, name="localhost", port=None, input=None):
        return curl("--resolve", f"{name}:{port or self.port}:127.0.0.1", *args, input=input)

    def url(self, path="/", name="localhost"):
        return f"https://{name}:{self.port}{path}"


def curl(*args, input=None):
    """Exit code, output (bytes) and errors of one curl that trusts the test CA."""
    return subprocess.run(
        [
            "curl",
            "-sS",
            "--http1.1",  # unless the test says otherwise
            "--max-time",
            str(PATIENCE * 3),
            "--cacert",
            str(certificates() / "ca.pem"),
            *map(str, args),
        ],
        capture_output=True,
        input=input,
        check=False,
    )


def latch(*args, input=None, env=None):
    """One run of the client, without options of its own."""
    return subprocess.run(
        [LATCH, *map(str, args)],
        capture_output=True,
        input=input,
        check=False,
        timeout=PATIENCE * 3,
        env={**os.environ, **(env or {})},
    )


def latchd(*args, cwd=None, prefix=()):
    """One run of the daemon that ends by itself (-t, -T, --explain ...)."""
    return subprocess.run(
        [*prefix, LATCHD, *map(str, args)],
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ASAN_OPTIONS": "exitcode=99:detect_leaks=1"},
    )


# ---- a peer that can misbehave -----------------------------------------------------------------


class Response:
    def __init__(self, version, status, headers, body, whole):
        self.version, self.status, self.headers, self.body, self.whole = (
            version,
            status,
            headers,
            body,
            whole,
        )

    def __repr__(self):
        return (
            f"<{self.version} {self.status} {self.headers} {self.body[:200]!r} whole={self.whole}>"
        )


class Truncated(Exception):
    """The connection ended before the message did."""


class Peer:
    """A TLS (or plain) client on a raw socket. It sees FIN, RST, close_notify and alerts apart,
    records the sizes of the records that came, and can end in every bad way."""

    def __init__(
        self,
        port,
        host="127.0.0.1",
        name="localhost",
        tls=True,
        context=None,
        session=None,
        version=None,
        alpn=None,
        handshake=True,
        rcvbuf=None,
        timeout=None,
        unix=None,
        source=None,
    ):
        self.sock = socket.socket(
            socket.AF_UNIX if unix else socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.sock.settimeout(timeout or PATIENCE)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(unix or (host, port))
        if not unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = name
        self.raw_in = 0
        self.records = []  # (content type, length) of each record that came
        self._partial = b""
        self.saw_close_notify = self.saw_fin = self.saw_reset = False
        self.alert = None  # text of a fatal alert
        self.buffer = bytearray()  # decrypted, not yet taken
        self.tls = None
        if tls:
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = context or client_context(version=version, alpn=alpn)
            self.tls = context.wrap_bio(
                self.incoming, self.outgoing, server_hostname=name, session=session
            )
            if handshake:
                self.handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    # -- bytes

    def _flush(self):
        data = self.outgoing.read()
        if data:
            self.sock.sendall(data)

    def _pull(self):
        """One read of the socket into the TLS engine. False: nothing more will come."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            self.saw_reset = True
            return False
        if not data:
            self.saw_fin = True
            return False
        self.raw_in += len(data)
        self._note_records(data)
        if self.tls:
            self.incoming.write(data)
        else:
            self.buffer += data
        return True

    def _note_records(self, data):
        if not self.tls:
            return
        self._partial += data
        while len(self._partial) >= 5:
            kind, _, length = struct.unpack("!BHH", self._partial[:5])
            if len(self._partial) < 5 + length:
                break
            self.records.append((kind, length))
            self._partial = self._partial[5 + length :]

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                self._flush()
                return self
            except ssl.SSLWantReadError:
                self._flush()
                if not self._pull():
                    raise ConnectionError("the connection ended in the handshake") from None
            except ssl.SSLError as error:
                self._flush_quietly()
                self.alert = str(error)
                raise

    def _flush_quietly(self):
        try:
            self._flush()
        except OSError:
            pass

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        if not self.tls:
            self.sock.sendall(data)
            return self
        while data:
            data = data[self.tls.write(data) :]
            self._flush()
        return self

    def _read_more(self):
        """Decrypts what there is, or waits for more. False: no more content will come."""
        if not self.tls:
            return self._pull()
        while True:
            try:
                data = self.tls.read(65536)
                if data:
                    self.buffer += data
                    self._flush_quietly()
                    return True
                self.saw_close_notify = True
                return False
            except ssl.SSLWantReadError:
                self._flush_quietly()
                if not self._pull():
                    return False
            except ssl.SSLZeroReturnError:
                self.saw_close_notify = True
                return False
            except ssl.SSLError as error:
                self.alert = str(error)
                return False

    def read_some(self):
        """Content that comes next, b"" at the end."""
        if not self.buffer:
            self._read_more()
        return self._take(len(self.buffer))

    def read_to_end(self):
        """All content, then whatever ends the connection: FIN or RST are waited for, too."""
        while self._read_more():
            pass
        data = self._take(len(self.buffer))
        while not (self.saw_fin or self.saw_reset) and self._pull():
            pass
        return data

    def _take_until(self, mark):
        while mark not in self.buffer:
            if not self._read_more():
                raise Truncated(bytes(self.buffer[:200]))
        data = self._take(self.buffer.index(mark))
        del self.buffer[: len(mark)]
        return data

    def _take(self, n):
        while len(self.buffer) < n:
            if not self._read_more():
                raise Truncated(bytes(self.buffer[:200]))
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    # -- HTTP

    def send_request(
        self, target="/", method="GET", headers=None, body=None, close=False, host=None
    ):
        fields = {"Host": host or self.name, **(headers or {})}
        if body is not None:
            fields.setdefault("Content-Length", str(len(body)))
        if close:
            fields["Connection"] = "close"
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in fields.items()
        )
        return self.send(head.encode("latin-1") + b"\r\n" + (body or b""))

    def read_response(self, method="GET"):
        """One response; Truncated if the connection ends within."""
        while True:
            lines = self._take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            version, status, *_ = lines[0].split(" ", 2)
            if not status.startswith("1"):
                break
        headers = {}
        for line in lines[1:]:
            key, _, value = line.partition(":")
            headers[key.strip().lower()] = value.strip()
        body, whole = b"", True
        if method == "HEAD" or status in ("204", "304"):
            pass
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            while True:
                size = int(self._take_until(b"\r\n").split(b";")[0], 16)
                body += self._take(size)
                self._take(2) if size else self._take_until(b"\r\n")
                if not size:
                    break
        else:
            body = self.read_to_end()
            whole = self.saw_close_notify or not self.tls
        return Response(version, int(status), headers, body, whole)

    def request(self, target="/", method="GET", **options):
        self.send_request(target, method, **options)
        return self.read_response(method)

    # -- endings

    def send_close_notify(self):
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        except ssl.SSLError:
            pass  # data came after our close_notify: it stays readable
        self._flush_quietly()
        return self

    def fin(self):
        """FIN without close_notify: what a cut connection looks like."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def half_close(self):
        """close_notify and FIN; the other direction stays open."""
        if self.tls:
            self.send_close_notify()
        return self.fin()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    @property
    def session(self):
        return self.tls.session


class Load:
    """Clients of d that never pause, while the block runs: "kept" uses a connection until the
    server says close, "new" takes one for each request, "slow" takes /big with a small window.
    /a.txt has 1000 bytes. `failures`: every answer that was not whole; `counts`: how many came."""

    def __init__(self, d, kinds, big=b""):
        self.d, self.big, self.failures = d, big, []
        self.done = threading.Event()
        self.counts = dict.fromkeys(kinds, 0)
        self.threads = [threading.Thread(target=self._run, args=(kind,)) for kind in kinds]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def _run(self, kind):
        try:
            while not self.done.is_set():
                getattr(self, f"_{kind}")()
        except Exception as error:  # a lost request, a refused connection
            self.failures.append(repr(error))

    def _judge(self, response, kind):
        if response.status != 200 or len(response.body) != 1000:
            self.failures.append(response)
        self.counts[kind] += 1

    def _kept(self):
        with self.d.peer() as p:
            while not self.done.is_set():
                response = p.request("/a.txt")
                self._judge(response, "kept")
                if response.headers.get("connection") == "close":
                    break

    def _new(self):
        self._judge(self.d.fetch("/a.txt"), "new")

    def _slow(self):
        with self.d.peer(rcvbuf=4096) as p:
            if len(p.request("/big").body) != len(self.big):
                self.failures.append("a download was cut")
        self.counts["slow"] += 1


def freeze(pids):
    """SIGSTOP, and until it has come about: before that a process may still do a thing."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            pass


def thaw(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass  # it was held for so long that the master gave it up


def wait_gone(pids):
    end = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, f"waited in vain for the end of {pids}"


def client_context(version=None, alpn=None, ca=None):
    """Verifies against the test CA; `version` "1.2" or "1.3" pins one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(ca or certificates() / "ca.pem"))
    if version:
        context.minimum_version = context.maximum_version = {
            "1.2": ssl.TLSVersion.TLSv1_2,
            "1.3": ssl.TLSVersion.TLSv1_3,
        }[version]
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class TestCase(unittest.TestCase):
    maxDiff = 4000
    longMessage = True

"""Servers for the tests of latch: python's ssl or bare sockets, scripted per connection, so that
the client is judged without latchd. A server listens before its constructor returns; nothing
sleeps."""
import socket
import ssl
import struct
import subprocess
import threading

import harness


def server_context(certificate="ecdsa", version=None, alpn=("http/1.1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = harness.certificates()
    context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    if version:
        context.minimum_version = context.maximum_version = {
            "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def drain(sock, fin=False):
    """Reads until the other side is gone, then closes: so no RST destroys what was sent."""
    with sock:
        try:
            if fin:
                sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        except OSError:
            pass


class Connection:
    """One accepted connection, with each way to end it by name."""

    def __init__(self, sock, context):
        self.stream = sock
        if context:     # with its own descriptor, so that a failed handshake leaves the socket
            self.stream = context.wrap_socket(sock.dup(), server_side=True)
            sock.close()
        self.tls = context is not None

    def read_head(self):
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.stream.recv(65536)
            if not part:
                break
            head += part
        return head

    def send(self, data):
        self.stream.sendall(data)

    def close_notify(self):
        """Ours, and then waits for the client's. Without TLS only the FIN."""
        try:
            if self.tls:
                self.stream.unwrap()
        except OSError:     # something else of the client's was still on its way
            return drain(self._bare(), fin=True)
        self.close()

    def fin(self):
        """FIN without close_notify; then reads until the client is gone, so that no RST follows."""
        drain(self._bare(), fin=True)

    def close_notify_then(self, data):
        """Ours, and behind it bytes that nobody should take for content."""
        self.stream.setblocking(False)
        try:
            self.stream.unwrap()
        except ssl.SSLError:
            pass    # it would wait for the client's
        self.stream.setblocking(True)
        self.raw(data)

    def raw(self, data):
        """Bytes that are no record of the session; then FIN."""
        bare = self._bare()
        bare.sendall(data)
        drain(bare, fin=True)

    def reset(self):
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def reset_when_told(self, event):
        """A reset destroys what the client has not read yet: wait until `event` says it has."""
        if not event.wait(harness.PATIENCE):
            raise OSError("nobody told the server to reset")
        self.reset()

    def reset_after_close_notify(self):
        """The client's close_notify shows that it has the whole message."""
        self.stream.recv(1)
        self.reset()

    def wait_gone(self):
        """Stays open, and silent, until the client goes."""
        drain(self._bare())

    def _bare(self):
        return socket.socket(fileno=self.stream.detach()) if self.tls else self.stream

    def close(self):
        self.stream.close()


class Server:
    """Runs script(connection) for every connection, one after the other.

        with Server(script, server_context()) as s:
            harness.latch(s.url())
    """

    def __init__(self, script, context=None, host="127.0.0.1"):
        self.script, self.context, self.host = script, context, host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family)
        self.port = self.listener.getsockname()[1]
        self.heads = []
        self.errors = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.script(Connection(sock, self.context))
            except OSError as e:    # ssl.SSLError is one
                self.errors.append(e)
                drain(sock, fin=True)

    def url(self, path="/", name=None):
        scheme = "https" if self.context else "http"
        host = name or ("localhost" if self.context else "127.0.0.1")
        return f"{scheme}://{host}:{self.port}{path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(harness.PATIENCE)


def answering(answer, end="close_notify", heads=None):
    """A script: read the request, send the answer, end as told."""
    def script(connection):
        head = connection.read_head()
        if heads is not None:
            heads.append(head)
        if answer:
            connection.send(answer)
        getattr(connection, end)()
    return script


def with_length(body, status="200 OK", fields=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def resetting(answer, event):
    """A script: read the request, send the answer, reset once it has arrived."""
    def script(connection):
        connection.read_head()
        connection.send(answer)
        connection.reset_when_told(event)
    return script


class LatchTestCase(harness.TestCase):
    def latch(self, *args, ca=True, code=0, **options):
        """Runs latch and checks its exit code; the run, with out and err."""
        trust = ["--ca", harness.certificates() / "ca.pem"] if ca else []
        run = harness.latch(*trust, *args, **options)
        run.err = run.stderr.decode()
        run.out = run.stdout
        self.assertEqual(run.returncode, code, f"latch {' '.join(map(str, args))}:\n{run.err}")
        return run

    def fetch_and_reset(self, answer, content, *args, context=None, tls=True):
        """One run whose connection is reset when `content` has come out of latch; exit code and
        errors."""
        arrived = threading.Event()
        if tls and context is None:
            context = server_context()
        with Server(resetting(answer, arrived), context if tls else None) as server:
            command = [harness.LATCH, "--ca", harness.certificates() / "ca.pem", *args,
                       server.url(), "--connect", "127.0.0.1"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
                self.assertEqual(run.stdout.read(len(content)), content)
                arrived.set()
                rest, err = run.communicate(timeout=harness.PATIENCE)
        self.assertEqual(rest, b"")
        return run.returncode, err.decode()

    def fetch(self, script, *args, context=None, tls=True, **options):
        """One run against a server made for it."""
        if tls and context is None:
            context = server_context()
        with Server(script, context if tls else None) as server:
            return self.latch(*args, server.url(), "--connect", "127.0.0.1", **options)

"""Sessions that are resumed elsewhere than where they began: at another worker, after a reload or a
restart, and by another machine that shares a secret; behind HAProxy too. The measure is always that
every connection but the first is resumed."""
import secrets
import socket
import subprocess
import time

from harness import PATIENCE, Latchd, Peer, TestCase, client_context, free_port, latchd, scratch

VERSIONS = "1.2", "1.3"


def shared_secret(text=None):
    path = scratch() / "secret"
    path.write_text(secrets.token_urlsafe(48) + "\n" if text is None else text)
    return path


def with_secret(path, more=""):
    return f'tls = {{ tickets = {{ secret_file = "{path}"; }}; {more} }};'


class Client:
    """Comes again and again with the session it was given last."""

    def __init__(self, version):
        self.context, self.session = client_context(version), None

    def visit(self, port):
        """Whether it was resumed."""
        with Peer(port, context=self.context, session=self.session) as p:
            resumed = p.tls.session_reused
            assert p.request("/", close=True).status == 200
            p.read_to_end()
            self.session = p.session
            p.send_close_notify()
        return resumed

    def visits(self, *ports, times=10):
        return [self.visit(port) for _ in range(times) for port in ports]


class Secret(TestCase):
    def test_two_machines_share_and_each_restarts(self):
        path = shared_secret()
        a, b = Latchd(extra=with_secret(path)), Latchd(extra=with_secret(path))
        with b:
            with a:
                clients = [Client(v) for v in VERSIONS]
                for c in clients:
                    self.assertEqual(c.visits(a.port, b.port)[1:], [True] * 19, c.context)
            with a:  # without a service manager that keeps anything
                for c in clients:
                    self.assertEqual(c.visits(a.port, b.port), [True] * 20)
                b.reload()
                for c in clients:
                    self.assertEqual(c.visits(b.port, a.port), [True] * 20)

    def test_another_secret_or_none_shares_nothing(self):
        path = shared_secret()
        with Latchd(extra=with_secret(path)) as a, Latchd() as c, \
                Latchd(extra=with_secret(shared_secret())) as b:
            client = Client("1.3")
            self.assertEqual(client.visits(a.port, times=2), [False, True])
            for other in (b, c):
                self.assertFalse(client.visit(other.port))
                self.assertFalse(client.visit(a.port))

    def test_a_secret_that_comes_or_goes_keeps_nobody_waiting(self):
        path = shared_secret()
        with Latchd() as d:
            client = Client("1.3")
            self.assertEqual(client.visits(d.port, times=2), [False, True])
            d.write_config(extra=with_secret(path))
            d.reload()
            self.assertEqual(client.visits(d.port, times=2), [True, True])
            with Latchd(extra=with_secret(path)) as other:
                self.assertTrue(client.visit(other.port))
            d.write_config(extra="")
            d.reload()
            self.assertEqual(client.visits(d.port, times=2), [True, True])
            with Latchd(extra=with_secret(path)) as other:
                self.assertFalse(client.visit(other.port))

    def test_slices_go_by_the_clock(self):
        """The key changes under the sessions, on both machines, and nobody notices."""
        path = shared_secret()
        extra = with_secret(path).replace("secret_file", 'rotate = "2s"; keep = 7; secret_file')
        with Latchd(extra=extra) as a, Latchd(extra=extra) as b:
            for d in (a, b):
                mark = d.log.mark()
                d.log.wait("the session tickets have a new key", mark, count=2)
            client = Client("1.3")
            self.assertFalse(client.visit(a.port))
            mark = a.log.mark()
            self.assertEqual(client.visits(b.port, a.port, times=3), [True] * 6)
            a.log.wait("the session tickets have a new key", mark)
            self.assertEqual(client.visits(b.port, a.port, times=3), [True] * 6)

    def test_a_credential(self):
        path = shared_secret()
        with Latchd(extra=with_secret(path)) as a, Latchd(
                extra=with_secret("credential:secret"),
                env={"CREDENTIALS_DIRECTORY": str(path.parent)}) as b:
            self.assertEqual(Client("1.3").visits(a.port, b.port, times=2), [False] + [True] * 3)

    def test_mistakes(self):
        for text, words in (("short", "has 5 bytes; expected at least 32"),
                            ("ab" * 40, "is too regular to be a secret"), (None, "No such file")):
            path = shared_secret(text) if text else "/nonexistent/secret"
            d = Latchd(extra=with_secret(path))
            d.write_config()
            done = latchd("-t", "-c", d.config)
            self.assertEqual(done.returncode, 78)
            self.assertRegex(done.stderr, rf"latchd\.conf:\d+: .*{words}")


class Haproxy(TestCase):
    """Two machines behind a balancer that takes turns and knows nothing of TLS."""

    CONFIG = """
defaults
    mode tcp
    timeout connect 30s
    timeout client 60s
    timeout server 60s
listen it
    bind 127.0.0.1:{port}
    balance roundrobin
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""

    def test_every_connection_is_resumed(self):
        extra = with_secret(shared_secret())
        port = free_port()
        with Latchd(extra=extra) as a, Latchd(extra=extra) as b:
            config = scratch() / "haproxy.cfg"
            config.write_text(self.CONFIG.format(port=port, a=a.port, b=b.port))
            balancer = subprocess.Popen(["haproxy", "-W", "-db", "-f", str(config)],
                                        stderr=subprocess.DEVNULL)
            try:
                self.wait_for(port)
                for version in VERSIONS:
                    self.assertEqual(Client(version).visits(port, times=20)[1:], [True] * 19)
                for d in (a, b):  # both had their share (and the status its own connection)
                    n = d.wait_status(lambda s: s["connections_total"] >= 20)["connections_total"]
                    self.assertLess(n, 30)
            finally:
                balancer.terminate()
                balancer.wait()

    def wait_for(self, port):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise

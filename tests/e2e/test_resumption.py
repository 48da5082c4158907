"""Sessions that are resumed elsewhere than where they began: at another worker, after a reload or a
restart, and by another machine that shares a secret; behind HAProxy too. The measure is always that
every connection but the first is resumed."""
import secrets
import socket
import ssl
import subprocess
import time

from harness import (DEFAULT_CONFIG, PATIENCE, Latchd, Peer, TestCase, client_context, free_port,
                     latchd, scratch)

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

    def visit(self, port, name="localhost"):
        """Whether it was resumed."""
        with Peer(port, name=name, context=self.context, session=self.session) as p:
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

class Cache(TestCase):
    """TLS 1.2 clients that take no tickets, by session id."""

    def client(self):
        c = Client("1.2")
        c.context.options |= ssl.OP_NO_TICKET
        return c

    def test_all_workers_share_it_and_reloads_keep_it(self):
        with Latchd(DEFAULT_CONFIG.replace("workers = 2", "workers = 4"),
                    extra='tls = { session_cache = "1M"; };') as d:
            clients = [self.client() for _ in range(8)]
            for c in clients:
                self.assertEqual(c.visits(d.port, times=10)[1:], [True] * 9)
                self.assertFalse(c.session.has_ticket)
            d.reload()
            for c in clients:
                self.assertEqual(c.visits(d.port, times=4), [True] * 4)
            # Those that stay are shared out: no worker has much more than the mean of them.
            held = [Peer(d.port, context=c.context, session=c.session) for c in clients * 4]
            self.assertEqual([p.tls.session_reused for p in held], [True] * 32)
            used = {w["slot"] for w in d.status()["workers"] if w["live"]}
            for p in held:
                p.sock.close()
            self.assertGreater(len(used), 2, "one worker alone proves nothing")

    def test_openssl_resumes_by_id(self):
        with Latchd(extra='tls = { session_cache = "64K"; };') as d:
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-servername",
                 "localhost", "-tls1_2", "-no_ticket", "-reconnect"], check=False,
                capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
            lines = [line for line in done.stdout.decode().splitlines()
                     if line.startswith(("New, TLS", "Reused, TLS"))]
            self.assertEqual([line.split(",")[0] for line in lines], ["New"] + ["Reused"] * 5)

    def test_none_without_it(self):
        with Latchd() as d:
            self.assertEqual(self.client().visits(d.port, times=3), [False] * 3)

    def test_others_keep_their_tickets(self):
        with Latchd(extra='tls = { session_cache = "64K"; };') as d:
            for version in VERSIONS:
                c = Client(version)
                self.assertEqual(c.visits(d.port, times=5)[1:], [True] * 4)
                self.assertTrue(c.session.has_ticket)

    def test_a_strict_end_that_was_not_one_forgets(self):
        extra = 'tls = { session_cache = "64K"; }; shutdown = { mode = "strict"; };'
        with Latchd(extra=extra) as d:
            c = self.client()
            self.assertEqual(c.visits(d.port, times=2), [False, True])
            with Peer(d.port, context=c.context, session=c.session) as p:
                self.assertTrue(p.tls.session_reused)
                p.request("/")
                p.fin().read_to_end()
            d.log.wait("closure truncated")
            d.wait_status(lambda s: s["connections_active"] == 1)  # the one that asks
            self.assertFalse(c.visit(d.port))

    def test_a_strict_end_by_a_deadline_of_ours_forgets_nothing(self):
        extra = ('tls = { session_cache = "64K"; };'
                 'shutdown = { mode = "strict"; linger = "20s"; };'
                 'timeouts = { header = "100ms"; };')
        with Latchd(extra=extra) as d:
            c = self.client()
            self.assertEqual(c.visits(d.port, times=2), [False, True])
            with Peer(d.port, context=c.context, session=c.session) as p:
                self.assertEqual(p.send(b"GET / HT").read_response().status, 408)
                p.read_to_end()
                self.assertTrue(p.saw_close_notify)
                p.send_close_notify()
            d.wait_status(lambda s: s["closures_total"]["timeout"] == 1)
            self.assertTrue(c.visit(d.port))

    def test_a_session_ends(self):
        extra = 'tls = { session_cache = "64K"; tickets = { rotate = "1s"; keep = 2; }; };'
        with Latchd(extra=extra) as d:
            began, times = time.monotonic(), 0
            while not times:  # a machine that stands still may hide that it was one
                c = self.client()
                self.assertFalse(c.visit(d.port))
                while c.visit(d.port):
                    self.assertLess(time.monotonic() - began, PATIENCE, "it never ends")
                    times += 1
                self.assertLess(time.monotonic() - began, PATIENCE, "it is never resumed")

    def test_more_sessions_than_room_push_out_the_oldest(self):
        with Latchd(extra='tls = { session_cache = "64K"; };') as d:
            first = self.client()
            first.visit(d.port)
            self.assertTrue(first.visit(d.port))
            for _ in range(40):
                for _ in range(25):
                    last = self.client()
                    last.context = first.context
                    self.assertFalse(last.visit(d.port))
                if not first.visit(d.port):
                    break
            else:
                self.fail("a thousand sessions in 64 KiB")
            self.assertTrue(last.visit(d.port))

    def test_too_small_is_an_error(self):
        d = Latchd(extra='tls = { session_cache = "4K"; };')
        d.write_config()
        done = latchd("-t", "-c", d.config)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, r"latchd\.conf:\d+: tls.session_cache .* at least 64K")


class Names(TestCase):
    def test_a_session_of_tls_1_2_is_for_its_name(self):
        """RFC 6066 section 3, by ticket and by id; TLS 1.3 has no such rule."""
        for extra in "", 'tls = { session_cache = "1M"; tickets = { enabled = false; }; };':
            with self.subTest(extra=extra), Latchd(extra=extra) as d:
                for version in VERSIONS if not extra else ("1.2",):
                    c = Client(version)
                    names = ("localhost", "localhost", "a.example.org", "a.example.org")
                    self.assertEqual([c.visit(d.port, name) for name in names],
                                     [False, True, version == "1.3", True], version)


class Balancer:
    """Debian's HAProxy: takes turns between addresses, and knows nothing of TLS."""

    CONFIG = """
defaults
    mode tcp
    timeout connect 30s
    timeout client 60s
    timeout server 60s
listen it
    bind 127.0.0.1:{port}
    balance roundrobin
"""

    def __init__(self, *addresses):
        self.port = free_port()
        self.config = scratch() / "haproxy.cfg"
        self.config.write_text(self.CONFIG.format(port=self.port) + "".join(
            f"    server s{i} {address}\n" for i, address in enumerate(addresses)))

    def __enter__(self):
        self.process = subprocess.Popen(["haproxy", "-W", "-db", "-f", str(self.config)],
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    self.__exit__()
                    raise

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Haproxy(TestCase):
    """Two machines behind a balancer; tests/e2e/test_store.py has them in networks of their own."""

    def test_every_connection_is_resumed(self):
        extra = with_secret(shared_secret())
        with Latchd(extra=extra) as a, Latchd(extra=extra) as b, \
                Balancer(f"127.0.0.1:{a.port}", f"127.0.0.1:{b.port}") as balancer:
            for version in VERSIONS:
                self.assertEqual(Client(version).visits(balancer.port, times=20)[1:], [True] * 19)
            for d in (a, b):  # both had their share (and the status its own connection)
                n = d.wait_status(lambda s: s["connections_total"] >= 20)["connections_total"]
                self.assertLess(n, 30)

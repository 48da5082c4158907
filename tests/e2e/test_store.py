"""tls.tickets.store: machines that share a Redis store resume each other's sessions, and lose none
when it dies, says nonsense or comes back empty; two of them in network namespaces of their own
behind HAProxy, by store and by secret."""
import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import (DEFAULT_CONFIG, IS_ROOT, PATIENCE, Latchd, Lines, TestCase, certificates,
                     free_port, latchd, scratch)
from test_resumption import VERSIONS, Balancer, Client, shared_secret, with_secret
from test_upgrade import Upgradable

ANSWERS = "the store of ticket keys .* answers$"
NEW_KEY = "the session tickets have a new key"


def with_store(address, more=""):
    return f'tls = {{ tickets = {{ store = "{address}"; {more} }}; }};'


class Redis:
    """Debian's redis-server on a unix socket, and on a port if `options` say so; it keeps nothing
    when it ends."""

    def __init__(self, *options):
        self.dir = scratch()
        self.path = self.dir / "redis.sock"
        self.address = f"unix:{self.path}"
        self.options = options
        self.process = None

    def __enter__(self):
        self.log = Lines()
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.path), "--unixsocketperm",
             "777", "--save", "", "--dir", str(self.dir), *self.options], cwd=self.dir,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=Latchd._collect, args=(self.process.stdout, self.log),
                         daemon=True).start()
        self.log.wait("ready to accept connections at")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.path.unlink(missing_ok=True)

    def cli(self, *words, input=None):
        done = subprocess.run(["redis-cli", "-s", str(self.path), *words], capture_output=True,
                              check=True, timeout=PATIENCE, input=input)
        return done.stdout.decode("latin-1").strip()


class Knowing(Latchd):
    """Has the store's keys. A start waits for them, but not for long."""

    def start(self, wait=True):
        since = self.log.mark()
        super().start(wait)
        self.log.wait(ANSWERS, since)
        return self


def tickets(d):
    """What `latchd ctl status --json` says of the keys."""
    done = d.ctl("status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["tickets"]


class Store(TestCase):
    def assert_shared(self, a, b, times=10, versions=VERSIONS):
        """Every connection but the first is resumed, at both in turn."""
        for version in versions:
            self.assertEqual(Client(version).visits(a.port, b.port, times=times)[1:],
                             [True] * (2 * times - 1), version)

    def test_two_machines_share_and_each_restarts(self):
        with Redis() as store:
            a, b = (Knowing(extra=with_store(store.address)) for _ in range(2))
            with b:
                with a:
                    clients = [Client(v) for v in VERSIONS]
                    for c in clients:
                        self.assertEqual(c.visits(a.port, b.port)[1:], [True] * 19)
                    self.assertEqual([w for w in a.log.find(" warning: ")
                                      if "has not answered yet" not in w], [])
                with a:  # without a service manager that keeps anything
                    for c in clients:
                        self.assertEqual(c.visits(a.port, b.port), [True] * 20)
                    b.reload()
                    for c in clients:
                        self.assertEqual(c.visits(b.port, a.port), [True] * 20)
                b.stop()
                b.start()
                for c in clients:
                    self.assertEqual(c.visits(b.port), [True] * 10)

    def test_the_status_says_where_the_keys_are_from(self):
        with Redis() as store, Knowing(extra=with_store(store.address)) as d:
            said = tickets(d)
            asked = said.pop("store_asked_seconds")
            self.assertLessEqual(abs(asked - time.time()), PATIENCE)
            self.assertEqual(said, {"source": "store", "store": store.address,
                                    "store_answers": True, "store_error": ""})
            table = d.ctl("status").stdout
            self.assertRegex(table, r"\nticket keys   of the store\n")
            self.assertRegex(table, r"\nticket store  unix:\S+ answered, \w{3}, ")
            d.write_config(extra="")
            d.reload()
            self.assertEqual(tickets(d), {"source": "random", "store": "", "store_answers": False,
                                          "store_asked_seconds": 0, "store_error": ""})
            d.write_config(extra=with_secret(shared_secret()))
            d.reload()
            self.assertEqual(tickets(d)["source"], "secret")
            d.write_config(extra="tls = { tickets = { enabled = false; }; };")
            d.reload()
            self.assertEqual(tickets(d)["source"], "off")

    def test_a_metric(self):
        routes = 'routes = ( { path = "/-/metrics"; metrics = {}; }, '
        config = DEFAULT_CONFIG.replace("routes = ( ", routes)

        def said(d):
            return [line for line in d.fetch("/-/metrics").body.decode().splitlines()
                    if line.startswith("latchd_ticket_store_up")]

        with Redis() as store, Knowing(config, extra=with_store(store.address)) as d:
            self.assertEqual(said(d), ["latchd_ticket_store_up 1"])
            d.write_config(extra="")
            d.reload()
            self.assertEqual(said(d), [])
        with Impostor(b"") as store, Latchd(config, extra=with_store(store.address)) as d:
            self.assertEqual(said(d), ["latchd_ticket_store_up 0"])

    def test_slices_go_by_the_clock(self):
        """The key changes under the sessions, on both machines, and nobody notices; the store has
        the next one before it is needed."""
        with Redis() as store:
            extra = with_store(store.address, 'rotate = "2s"; keep = 7;')
            with Knowing(extra=extra) as a, Knowing(extra=extra) as b:
                client = Client("1.3")
                client.visit(a.port)
                for _ in range(2):
                    mark = a.log.mark()
                    a.log.wait(NEW_KEY, mark)
                    self.assertEqual(client.visits(b.port, a.port, times=3), [True] * 6)
                keys = store.cli("keys", "*").split()
                self.assertGreaterEqual(len(keys), 3, keys)
                self.assertLess(max(int(store.cli("ttl", k)) for k in keys), 22)

    def test_it_dies_and_comes_back(self):
        store = Redis()
        extra = with_store(store.address, 'rotate = "4s"; keep = 7;')
        a, b = Latchd(extra=extra), Latchd(extra=extra)
        with a, b:
            for d in (a, b):  # they were started without
                d.log.wait("warning: the store .*cannot connect.*has keys of its own")
                self.assertEqual(tickets(d)["source"], "random")
            old = [Client("1.3") for _ in range(2)]
            for c, d in zip(old, (a, b)):
                self.assertEqual(c.visits(d.port, times=2), [False, True])
            with store:
                for c, d in zip(old, (a, b)):
                    d.log.wait(ANSWERS)
                    self.assertTrue(c.visit(d.port), "own keys open tickets still")
                self.assert_shared(a, b, times=3)
            # Gone, for longer than a slice: those who knew its last secret stay together.
            for d in (a, b):
                d.log.wait("warning: the store .*follow from the last secret")
                mark = d.log.mark()
                d.log.wait(NEW_KEY, mark, count=2)
                self.assertFalse(tickets(d)["store_answers"])
            self.assert_shared(a, b, times=3)
            clients = [Client("1.3") for _ in range(2)]
            for c, d in zip(clients, (a, b)):
                c.visit(d.port)
            with store:  # empty now
                for c, d in zip(clients, (a, b)):
                    d.log.wait(ANSWERS, count=2)
                    self.assertTrue(c.visit(d.port), "what was before is taken still")
                self.assert_shared(a, b, times=3)

    def test_a_restart_during_its_absence(self):
        with contextlib.ExitStack() as stack:
            with Redis() as store:
                extra = with_store(store.address)
                a = Latchd(extra=extra)
                a.kept = []  # as under a service manager
                b = stack.enter_context(Latchd(extra=extra))
                stack.enter_context(a)
                client = Client("1.3")
                self.assertEqual(client.visits(a.port, b.port, times=2)[1:], [True] * 3)
            a.stop()
            a.sockets, a.kept = a.kept, []
            a.start()
            a.log.wait("warning: the store")
            self.assertEqual(tickets(a)["source"], "inherited")
            self.assertEqual(client.visits(a.port, b.port, times=3), [True] * 6)

    @unittest.skipUnless(IS_ROOT, "a program that its own user can change is not upgraded to")
    def test_an_upgrade_in_place(self):
        with Redis() as store:
            extra = with_store(store.address, 'rotate = "10s"; keep = 7;')
            with Upgradable(extra=extra) as a, Latchd(extra=extra) as b:
                clients = [Client(v) for v in VERSIONS]
                for c in clients:
                    self.assertEqual(c.visits(a.port, b.port, times=2)[1:], [True] * 3)
                for _ in range(2):
                    done = a.upgrade()
                    self.assertEqual(done.returncode, 0, done.stderr)
                    for c in clients:
                        self.assertEqual(c.visits(a.port, b.port, times=2), [True] * 4)
                self.assertEqual(tickets(a)["source"], "store")
                a.wait_reaped()

    def test_a_store_that_comes_or_goes_with_a_reload(self):
        with Redis() as store, Latchd() as d:
            client = Client("1.3")
            self.assertEqual(client.visits(d.port, times=2), [False, True])
            d.write_config(extra=with_store(store.address))
            d.reload()
            d.log.wait(ANSWERS)
            self.assertEqual(client.visits(d.port, times=2), [True, True])
            with Knowing(extra=with_store(store.address)) as other:
                self.assertTrue(client.visit(other.port))
            d.write_config(extra="")
            d.reload()
            self.assertEqual(client.visits(d.port, times=2), [True, True])
            with Latchd(extra=with_store(store.address)) as other:
                self.assertFalse(client.visit(other.port))

    def test_passwords_users_and_databases(self):
        port = free_port()
        with Redis("--port", str(port), "--bind", "127.0.0.1") as store:
            store.cli("acl", "setuser", "latchd", "on", ">s3cr3t/@word", "~latchd:*", "+get",
                      "+set", "+select")
            store.cli("config", "set", "requirepass", "0ther-secret")
            right = f"redis://latchd:s3cr3t%2F%40word@127.0.0.1:{port}/3"
            alone = f"redis://:0ther-secret@localhost:{port}/3"
            with Latchd(extra=with_store(right)) as a, Latchd(extra=with_store(alone)) as b:
                self.assert_shared(a, b, times=3)
                for d in (a, b):
                    self.assertNotRegex(d.log.text() + d.ctl("status").stdout + str(tickets(d)),
                                        "s3cr3t|0ther")
            for wrong, word in ((right.replace("s3cr3t", "wr0ng"), "WRONGPASS"),
                                (right.replace("latchd:s3cr3t%2F%40word@", ""), "NOAUTH"),
                                (alone.replace("/3", "/7777"), "the number of the database")):
                with Latchd(extra=with_store(wrong)) as d:
                    d.log.wait(f"warning: the store .* refuses .*{word}")
                    self.assertNotRegex(d.log.text() + str(tickets(d)), "wr0ng|s3cr3t|0ther")
                    self.assertEqual(Client("1.3").visits(d.port, times=2), [False, True])

    def test_a_credential_holds_the_address(self):
        with Redis() as store:
            folder = scratch()
            (folder / "store").write_text(store.address + "\n")
            with Latchd(extra=with_store("credential:store"),
                        env={"CREDENTIALS_DIRECTORY": str(folder)}) as a, \
                    Latchd(extra=with_store(store.address)) as b:
                self.assert_shared(a, b, times=3)

    def test_tls(self):
        port = free_port()
        certs = certificates()
        with Redis("--tls-port", str(port), "--bind", "127.0.0.1", "127.0.0.2", "--tls-cert-file",
                   str(certs / "ecdsa.pem"), "--tls-key-file", str(certs / "ecdsa.key"),
                   "--tls-ca-cert-file", str(certs / "ca.pem"),
                   "--tls-auth-clients", "no") as store:
            address = f"rediss://localhost:{port}"
            trusting = {"SSL_CERT_FILE": str(certs / "ca.pem")}
            with Latchd(extra=with_store(address), env=trusting) as a, \
                    Latchd(extra=with_store(store.address)) as b:
                self.assert_shared(a, b, times=3)
            with Latchd(extra=with_store(address)) as d:  # the system's CAs are others
                d.log.wait("warning: the store .*TLS with it failed")
            with Latchd(extra=with_store(f"rediss://127.0.0.2:{port}"), env=trusting) as d:
                d.log.wait("warning: the store of ticket keys rediss://127.0.0.2.*127.0.0.2")
                self.assertFalse(tickets(d)["store_answers"])

    def test_a_value_of_another_length(self):
        with Redis() as store:
            now = int(time.time() * 1000) // 3600000
            for text in ("short", "x" * 33, "y" * 100000, ""):
                for i in range(-2, 3):
                    store.cli("-x", "set", f"latchd:tickets:3600000:{now + i}", input=text.encode())
                with Latchd(extra=with_store(store.address, 'rotate = "1h";')) as d:
                    d.log.wait(rf"warning: the store .*has {len(text)} bytes; expected 32|"
                               "not the protocol of Redis")
                    self.assertEqual(Client("1.3").visits(d.port, times=2), [False, True])
                    self.assertEqual(tickets(d)["source"], "random")
            for i in range(-2, 3):
                store.cli("set", f"latchd:tickets:3600000:{now + i}", "z" * 32)
            with Latchd(extra=with_store(store.address, 'rotate = "1h";')) as d:
                d.log.wait("warning: the store .*too regular to be a secret")
            store.cli("flushall")
            store.cli("lpush", f"latchd:tickets:3600000:{now}", "a list")
            with Latchd(extra=with_store(store.address, 'rotate = "1h";')) as d:
                d.log.wait("warning: the store .*refuses GET .WRONGTYPE.")


class Impostor:
    """Takes every connection and says `words`, or nothing at all."""

    def __init__(self, words, keep=True):
        self.dir = scratch()
        self.path = self.dir / "impostor.sock"
        self.address = f"unix:{self.path}"
        self.words, self.keep = words, keep
        self.asked = Lines()

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.path.chmod(0o777)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        held = []
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.asked.add("asked")
            try:
                one.sendall(self.words)
            except OSError:
                pass
            if self.keep:
                held.append(one)
            else:
                one.close()

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Hostile(TestCase):
    def test_what_is_no_answer(self):
        garbage = "what it says is not the protocol of Redis"
        for words, reason in (
                (b"HTTP/1.1 400 Bad Request\r\n\r\n", garbage),
                (b"*2147483647\r\n", garbage), (b"*1\r\n" * 1000, garbage),
                (b"$536870911\r\n" + b"x" * 70000, garbage), (b"$-2\r\n", garbage),
                (b"$99999999999999999999\r\n", garbage), (b"\0" * 100, garbage),
                (b"+" + b"x" * 70000, garbage), (b":1\r\n" * 20, "refuses GET"),
                (b"-ERR unknown command 'AUTH' hunter2\r\n" * 20, r"refuses (GET|SET) \(ERR\)"),
                (b"-hunter2\r\n" * 20, r"refuses (GET|SET);"),
                (b"-HUNTER2ISHUNTER2ISHUNTER2\r\n" * 20, r"refuses (GET|SET);")):
            with Impostor(words) as store, Latchd(extra=with_store(store.address)) as d:
                d.log.wait(f"warning: the store .*: .*({reason})")
                self.assertNotRegex(d.log.text() + str(tickets(d)), "(?i)hunter2")
                self.assertEqual(Client("1.3").visits(d.port, times=2), [False, True])

    def test_one_that_ends_the_connection(self):
        with Impostor(b"+OK", keep=False) as store, Latchd(extra=with_store(store.address)) as d:
            d.log.wait("warning: the store .*: it ended the connection")
            store.asked.wait("asked", count=3)  # and is asked again

    def test_one_that_hangs_holds_nobody_up(self):
        with Impostor(b"") as store, Latchd(extra=with_store(store.address)) as d:
            d.log.wait("has not answered yet; the start goes on without")
            store.asked.wait("asked")
            began = time.monotonic()
            self.assertEqual(Client("1.3").visits(d.port, times=5), [False] + [True] * 4)
            d.reload()
            self.assertEqual(d.ctl("status").returncode, 0)
            # The question has a deadline, which has not passed: none of this waited for it.
            if not d.log.find("did not answer within"):
                self.assertLess(time.monotonic() - began, PATIENCE)
            d.log.wait("warning: the store .*did not answer within 5000 ms")

    def test_who_asks_can_do_nothing_else(self):
        """Whatever the store makes of its reply: no capability and none to be had, no process,
        and no memory in which it could write keys or counters."""
        with Impostor(b"") as store, Latchd(extra=with_store(store.address)) as d:
            d.log.wait("has not answered yet; the start goes on without")
            shared = ("/memfd:latch-tickets", "/memfd:latchd-board")
            workers = {w["pid"] for w in d.control_status()["workers"]}
            asks, end = [], time.monotonic() + PATIENCE
            while not asks:
                self.assertLess(time.monotonic(), end)
                for pid in set(d.processes()) - workers:
                    try:
                        state = Path(f"/proc/{pid}/status").read_text()
                        maps = Path(f"/proc/{pid}/maps").read_text()
                        limits = Path(f"/proc/{pid}/limits").read_text()
                    except (FileNotFoundError, ProcessLookupError):
                        continue
                    # Until it is connected it has more.
                    if (re.search(r"Max processes +0 +0 ", limits)
                            and not any(name in maps for name in shared)):
                        asks.append(state)
            self.assertIn("NoNewPrivs:\t1\n", asks[0])
            self.assertRegex(asks[0], "CapPrm:\t0+\nCapEff:\t0+\n")

    @unittest.skipUnless(IS_ROOT, "another /etc/hosts takes root")
    def test_a_store_by_its_name(self):
        """The resolver needs a thread for that."""
        with Redis("--port", str(port := free_port())) as store:
            hosts = store.dir / "hosts"
            hosts.write_text("127.0.0.1 store.example\n")
            own = ("unshare", "--mount", "--propagation", "private", "sh", "-c",
                   f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh")
            with Knowing(extra=with_store(f"redis://store.example:{port}"), prefix=own) as d:
                self.assertEqual(Client("1.3").visits(d.port), [False] + [True] * 9)

    def test_a_stop_does_not_wait_for_it(self):
        with Impostor(b"") as store, Latchd(extra=with_store(store.address)) as d:
            store.asked.wait("asked")
            d.stop()  # asserts that no process is left


class Mistakes(TestCase):
    def check(self, extra, option="-t", **options):
        d = Latchd(extra=extra, **options)
        d.write_config()
        return latchd(option, "-c", d.config)

    def test_they_are_named_with_their_line_and_without_the_password(self):
        for address, words in (
                ("localhost:6379", "expected redis://"), ("redis://", "the host is neither"),
                ("redis://:hunter2@host:0", "the port behind the host"),
                ("redis://hunter2@host", "there is no password before the @"),
                ("redis://:hunter2%4@host", "the password is .*not percent-coded"),
                ("redis://:hunter2@host/x", "no number of a database"),
                ("unix:relative", "expected an absolute path"),
                ("credential:none", "there are no credentials")):
            done = self.check(with_store(address))
            self.assertEqual(done.returncode, 78, address)
            self.assertRegex(done.stderr, rf"latchd\.conf:\d+: .*{words}")
            self.assertNotIn("hunter2", done.stderr)

    def test_not_together_with_a_secret(self):
        path = shared_secret()
        done = self.check(with_store("unix:/run/x", f'secret_file = "{path}";'))
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, r"latchd\.conf:\d+: tls.tickets.store and .*secret_file are")

    def test_in_the_clear_is_warned_of(self):
        for address, warned in (("redis://10.0.0.7", True), ("redis://store.example", True),
                                ("redis://[2001:db8::1]:7777", True), ("redis://localhost", False),
                                ("redis://127.0.0.9:1/2", False), ("redis://[::1]", False),
                                ("rediss://10.0.0.7", False), ("unix:/run/redis.sock", False)):
            done = self.check(with_store(address))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("travel to" in done.stderr, warned, address)

    def test_what_T_prints_loads_again(self):
        address = "redis://us%25er:p%22w@localhost:1/2"
        done = self.check(with_store(address), "-T")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f'store = "{address}";', done.stdout)
        path = scratch() / "again.conf"
        path.write_text(done.stdout)
        again = latchd("-T", "-c", path)
        self.assertEqual((again.returncode, again.stdout), (0, done.stdout), again.stderr)

    def test_a_reload_that_changes_it_shows_no_password(self):
        with Redis() as store, Latchd(extra=with_store(store.address)) as d:
            d.write_config(extra=with_store("redis://:hunter2@localhost:1/2"))
            done = d.ctl("reload")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"tls\.tickets\.store: unix:\S+ -> "
                                          "redis://localhost:1/2, with a password")
            d.log.wait("warning: the store")
            self.assertNotIn("hunter2", done.stdout + d.log.text())

    @unittest.skipUnless(IS_ROOT, "only root may read the memory of others")
    def test_no_worker_has_the_password_of_a_credential(self):
        port = free_port()
        with Redis("--port", str(port), "--bind", "127.0.0.1", "--requirepass",
                   "hunter2-correct-horse") as store:
            folder = scratch()
            (folder / "store").write_text(f"redis://:hunter2-correct-horse@127.0.0.1:{port}\n")
            with Latchd(extra=with_store("credential:store"),
                        env={"CREDENTIALS_DIRECTORY": str(folder)}) as d:
                d.log.wait(ANSWERS)
                d.reload()  # workers that are forked when all is known
                d.log.wait("generation 1 is gone")
                names = store.cli("-a", "hunter2-correct-horse", "--no-auth-warning", "keys",
                                  "*").split()
                self.assertTrue(names)
                found = {}
                for pid in [d.process.pid, *d.workers()]:
                    found[pid] = b"hunter2-correct-horse" in memory(pid)
                self.assertEqual([p for p, has in found.items() if has], [d.process.pid])


def memory(pid):
    """All that a process can read of its own."""
    parts = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if rights[0] != "r" or "[v" in line or end - start > 1 << 30:
                continue
            try:
                mem.seek(start)
                parts.append(mem.read(end - start))
            except (OSError, ValueError):
                continue
    return b"".join(parts)


class Namespaces:
    """Two network namespaces with a wire from here to each: `near` is our end, `far` theirs."""

    def __init__(self):
        tag = f"{os.getpid() % 100000}"
        self.names = [f"latchd-e2e-{tag}{x}" for x in "ab"]
        self.wires = [f"le{tag}{x}" for x in "ab"]
        net = os.getpid() % 250
        self.near = [f"198.18.{net}.{n}" for n in (1, 5)]
        self.far = [f"198.18.{net}.{n}" for n in (2, 6)]

    def __enter__(self):
        self.done = False
        try:
            for name, wire, near, far in zip(self.names, self.wires, self.near, self.far):
                self.ip("netns", "add", name)
                self.ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name)
                self.ip("addr", "add", f"{near}/30", "dev", wire)
                self.ip("link", "set", wire, "up")
                self.ip("-n", name, "link", "set", "lo", "up")
                self.ip("-n", name, "addr", "add", f"{far}/30", "dev", "eth0")
                self.ip("-n", name, "link", "set", "eth0", "up")
        except subprocess.CalledProcessError as e:
            self.__exit__()
            raise unittest.SkipTest(f"no network namespaces here: {e.stderr.decode()}") from None
        return self

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=PATIENCE)

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@unittest.skipUnless(IS_ROOT, "network namespaces take root")
class Fleet(TestCase):
    """Two machines, each with a network of its own, behind a balancer that takes turns and knows
    nothing of TLS."""

    def machine(self, net, i, extra):
        return Latchd(DEFAULT_CONFIG.replace("127.0.0.1:@PORT@", f"{net.far[i]}:@PORT@"),
                      extra=extra, prefix=("ip", "netns", "exec", net.names[i]))

    def balanced(self, net, extras):
        """Every connection is resumed, also while one machine after the other restarts."""
        machines = [self.machine(net, i, extras[i]) for i in range(2)]
        with machines[0], machines[1], \
                Balancer(*[f"{net.far[i]}:{machines[i].port}" for i in range(2)]) as balancer:
            clients = [Client(v) for v in VERSIONS]
            for c in clients:
                self.assertEqual(c.visits(balancer.port, times=20)[1:], [True] * 19)
            for d in machines:
                d.stop()
                d.start()
                for c in clients:
                    self.assertEqual(c.visits(balancer.port, times=10), [True] * 10)
            for d in machines:  # both had their share since
                self.assertGreater(json.loads(d.ctl("status", "--json").stdout)
                                   ["connections_total"], 9)

    def test_by_secret(self):
        with Namespaces() as net:
            self.balanced(net, [with_secret(shared_secret())] * 2)

    def test_by_store(self):
        with Namespaces() as net:
            port = free_port()
            with Redis("--port", str(port), "--bind", *net.near, "--requirepass", "horse"):
                self.balanced(net, [with_store(f"redis://:horse@{near}:{port}/1")
                                    for near in net.near])


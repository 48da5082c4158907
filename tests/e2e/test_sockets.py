"""Sockets that the service manager gives: by name, by address, over reloads; what does not fit."""
import os
import socket
import unittest

from harness import DEFAULT_CONFIG, Latchd, PATIENCE, TestCase, client_context

TWO = DEFAULT_CONFIG.replace(
    'name = "https"; address = "127.0.0.1:@PORT@"; }',
    'name = "https"; address = "127.0.0.1:@PORT@"; }, '
    '{ name = "plain"; address = "127.0.0.1:@PORT2@"; tls = false; }').replace(
    "sites = (", 'sites = ( { names = [ "*" ]; listeners = [ "plain" ]; '
    'routes = ( { path = "/"; redirect = { to = "/there"; }; } ); }, ')


def listening():
    s = socket.create_server(("127.0.0.1", 0))
    return s, s.getsockname()[1]


class Given(TestCase):
    def give(self, **named):
        """A daemon with a socket for each name; d.given: name -> (socket, port)."""
        d = Latchd(files={"a.txt": b"A"})
        d.given = {name: listening() for name in named}
        for name, (s, _) in d.given.items():
            d.sockets.append((named[name], s))
            self.addCleanup(s.close)
        return d

    def refused(self, d, *patterns):
        d.start(wait=False)
        self.assertEqual(d.process.wait(PATIENCE), 78, d.log.text())
        d._close_notify()
        for pattern in patterns:
            d.log.wait(pattern)

    def test_by_name(self):
        """The name wins; that the address is another one is worth a warning."""
        d = self.give(https="https")
        port = d.given["https"][1]
        with d:
            d.log.wait(rf'latchd\.conf:\d+: .*socket "https" of the service manager listens on '
                       rf'127\.0\.0\.1:{port}, not on 127\.0\.0\.1:{d.port}')
            self.assertEqual(d.fetch("/a.txt", peer={"port": port}).body, b"A")
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", d.port))
            d.port = port   # for what follows

    def test_by_address_and_over_reloads(self):
        d = self.give(any="latchd.socket")
        d.port = d.given["any"][1]
        with d:
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertFalse(d.log.find("listens on"))
            for _ in range(3):
                d.reload()
                self.assertEqual(d.fetch("/a.txt").body, b"A")
            d.log.wait("generation 4 serves")

    def test_names_before_addresses(self):
        """Crossed: each socket has the other listener's address."""
        d = self.give(https="https", plain="plain")
        d.template = TWO
        d.port2, d.port = d.given["https"][1], d.given["plain"][1]
        with d:
            self.assertEqual(d.fetch("/a.txt", peer={"port": d.port2}).body, b"A")
            d.port, d.port2 = d.port2, d.port

    def test_it_outlives_the_service(self):
        """Who connects while nobody serves waits in the queue for the next one."""
        d = self.give(https="https")
        d.port = d.given["https"][1]
        with d:
            pass
        waiting = socket.create_connection(("127.0.0.1", d.port))
        with d:
            peer = d.peer()
            self.assertEqual(peer.request("/a.txt").body, b"A")
            peer.sock.close()
        waiting.close()

    def test_a_socket_that_nobody_wants(self):
        d = self.give(https="https", other="other")
        self.refused(d, r'no listener wants the socket "other" \(127\.0\.0\.1:\d+\)')

    def test_a_listener_that_finds_none(self):
        d = self.give(https="https")
        d.template = TWO
        self.refused(d, r'latchd\.conf:\d+: .*none for listener "plain"')

    def test_a_unix_socket_is_of_another_kind(self):
        d = self.give(https="https")
        d.port = d.given["https"][1]
        d.template = TWO.replace("127.0.0.1:@PORT2@", "unix:@DIR@/plain")
        with d:
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(d.dir / "plain"))

    def test_what_does_not_listen(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        d = Latchd(sockets=[("https", s)])
        self.refused(d, '"https", which is no listening stream socket')

    def test_a_reload_that_does_not_fit_is_rejected(self):
        d = self.give(https="https", plain="plain")
        d.template = TWO
        d.port = d.given["https"][1]
        with d:
            d.write_config(DEFAULT_CONFIG)
            d.reload()
            d.log.wait('no listener wants the socket "plain"')
            d.log.wait("the reload failed; generation 1 serves on, unchanged")
            self.assertEqual(d.fetch("/a.txt").body, b"A")


class Kept(TestCase):
    """What the service manager's store keeps from one start to the next."""

    def latchd(self, **options):
        d = Latchd(files={"a.txt": b"A"}, **options)
        d.kept = []
        return d

    def again(self, d):
        """The next start, with what was kept."""
        d.sockets = list(d.kept)
        return d

    def names(self, d):
        return sorted(name for name, _ in d.kept)

    def test_sockets_and_sessions_survive_a_restart(self):
        d = self.latchd()
        context = client_context("1.3")
        with d:
            with d.peer(context=context) as p:
                p.request("/a.txt")
                session = p.session
        self.assertEqual(self.names(d), [f"latchd.listener.127.0.0.1%3A{d.port}", "latchd.ring"])
        waiting = socket.create_connection(("127.0.0.1", d.port))
        with self.again(d):
            with d.peer(context=context, session=session) as p:
                self.assertTrue(p.tls.session_reused)
                self.assertEqual(p.request("/a.txt").body, b"A")
            d.wait_status(lambda s: s["connections_active"] >= 2, "the one that waited")
            self.assertEqual(len(d.kept), 2, d.kept)
            waiting.close()

    def test_they_survive_the_death_of_the_master(self):
        d = self.latchd()
        context = client_context("1.3")
        d.start()
        with d.peer(context=context) as p:
            p.request("/a.txt")
            session = p.session
        d.kill()
        waiting = socket.create_connection(("127.0.0.1", d.port))
        with self.again(d):
            with d.peer(context=context, session=session) as p:
                self.assertTrue(p.tls.session_reused)
        waiting.close()

    def test_a_listener_that_goes_is_forgotten(self):
        d = self.latchd(config=TWO)
        with d:
            self.assertEqual(len(d.kept), 3, d.kept)
            d.write_config(DEFAULT_CONFIG)
            d.reload()
            self.assertEqual(
                self.names(d), [f"latchd.listener.127.0.0.1%3A{d.port}", "latchd.ring"])
            with self.assertRaises(ConnectionRefusedError):
                while True:  # until the old workers have let go of it
                    socket.create_connection(("127.0.0.1", d.port2)).close()
            d.write_config(TWO)
            d.reload()
            d.log.wait("generation 3 serves")
            self.assertEqual(len(d.kept), 3, d.kept)

    def test_what_another_configuration_does_not_want_is_dropped(self):
        """Both families on the port are in the way of the one address that is wanted now."""
        d = self.latchd(config=DEFAULT_CONFIG.replace("127.0.0.1:@PORT@", "*:@PORT@"))
        with d:
            pass
        self.assertIn(f"latchd.listener.*%3A{d.port}", self.names(d))
        d.template = DEFAULT_CONFIG
        with self.again(d):
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            self.assertEqual(
                self.names(d), [f"latchd.listener.127.0.0.1%3A{d.port}", "latchd.ring"])

    def test_what_is_not_what_its_name_says_is_dropped(self):
        d = self.latchd()
        s, _ = listening()
        self.addCleanup(s.close)
        nothing = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, nothing)
        d.sockets = [("latchd.listener.127.0.0.1%3A1", s),
                     ("latchd.ring", os.fdopen(os.dup(nothing), "rb", buffering=0))]
        with d:
            d.log.wait("dropping \"latchd.listener.127.0.0.1%3A1\"")
            d.log.wait("the ticket keys that the service manager kept: ")
            self.assertEqual(d.fetch("/a.txt").body, b"A")


if __name__ == "__main__":
    unittest.main()

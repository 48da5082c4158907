"""The page for Prometheus, read by a parser that forgives nothing."""
import os
import re
import signal
import ssl
import subprocess
import time
import unittest

from harness import PATIENCE, Latchd, Peer, TestCase, certificates, client_context

CONFIG = """
workers = 2;
control = "@DIR@/control.sock";
@USER@
log = { level = "debug"; target = "stderr"; };
listeners = ( { name = "https"; address = "127.0.0.1:@PORT@"; },
              { name = "a \\"plain\\" one \\\\"; address = "127.0.0.1:@PORT2@"; tls = false; } );
@EXTRA@
sites = (
  { names = [ "localhost", "127.0.0.1" ]; default = true;
    certificate = "@CERTS@/ecdsa.pem"; private_key = "@CERTS@/ecdsa.key";
    routes = ( { path = "/"; files = { root = "@WWW@"; }; },
               { path = "/-/status"; status = {}; },
               { path = "/-/metrics"; metrics = {}; allow = [ "127.0.0.0/8" ]; },
               { path = "/denied"; metrics = {}; deny = [ "127.0.0.1" ]; } ); },
  { names = [ "*" ]; routes = ( { path = "/"; metrics = {}; } ); }
);
"""
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([0-9.eE+-]+|NaN|[+-]Inf)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?!\Z)|\Z)')


def parse(text):
    """{family: (type, {labels: value})} of an exposition in the text format 0.0.4, labels being a
    sorted tuple of pairs; ValueError for whatever a strict reader would not take."""
    families, name = {}, None
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text[:-1].split("\n"):
        word = line.split(" ", 3)
        if word[:2] == ["#", "HELP"]:
            name = word[2]
            if not NAME.match(name) or name in families or len(word) < 4:
                raise ValueError(f"HELP: {line}")
            families[name] = [None, {}]
        elif word[:2] == ["#", "TYPE"]:
            if word[2] != name or families[name][0] or word[3] not in ("counter", "gauge"):
                raise ValueError(f"TYPE: {line}")
            families[name][0] = word[3]
        else:
            parse_sample(line, name, families)
    return {name: tuple(family) for name, family in families.items()}


def parse_sample(line, name, families):
    found = SAMPLE.match(line)
    if not found or found.group(1) != name or not families[name][0]:
        raise ValueError(f"sample: {line!r}")
    labels, at, text = {}, 0, found.group(2) or ""
    while at < len(text):
        label = LABEL.match(text, at)
        if not label or label.group(1) in labels:
            raise ValueError(f"labels: {line!r}")
        value = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), label.group(2))
        labels[label.group(1)] = value
        at = label.end()
    key = tuple(sorted(labels.items()))
    if key in families[name][1]:
        raise ValueError(f"twice: {line!r}")
    families[name][1][key] = float(found.group(3))


class Parser(unittest.TestCase):
    """The parser itself says no."""

    def test_it_is_strict(self):
        good = '# HELP a text\n# TYPE a counter\na{x="1",y="\\"\\\\\\n"} 2\n'
        self.assertEqual(parse(good), {"a": ("counter", {(("x", "1"), ("y", '"\\\n')): 2.0})})
        for bad in (good[:-1], good + good, good + "b 1\n", good.replace('"1"', '"\\1"'), "a 1\n",
                    good.replace(",", ",,"), good.replace("counter", "thing"),
                    good + 'a{x="1",x="1"} 1\n', good.replace(" 2", " two"),
                    good.replace('"1"', '"""')):
            with self.assertRaises((ValueError, KeyError), msg=bad):
                parse(bad)


class Metrics(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Latchd(config=CONFIG).start()
        cls.addClassCleanup(cls.d.stop)

    def read(self, path="/-/metrics"):
        response = self.d.fetch(path)
        self.assertEqual(response.status, 200)
        return parse(response.body.decode())

    def value(self, name, **labels):
        return self.read()[name][1][tuple(sorted(labels.items()))]

    def wait_for(self, wanted, name, **labels):
        """Counters of a connection reach the board after the peer has seen its end."""
        deadline = time.monotonic() + PATIENCE
        while (value := self.value(name, **labels)) != wanted:
            self.assertLess(time.monotonic(), deadline, (name, labels, value, wanted))

    def test_curl_reads_all_families(self):
        run = self.d.curl("-i", self.d.url("/-/metrics"))
        self.assertEqual(run.returncode, 0, run.stderr)
        head, _, body = run.stdout.decode().partition("\r\n\r\n")
        self.assertIn("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", head + "\r\n")
        families = parse(body)
        self.assertEqual({n: t for n, (t, _) in families.items()}, {
            "latchd_info": "gauge", "latchd_generation": "gauge", "latchd_workers": "gauge",
            "latchd_worker_respawns_total": "counter", "latchd_reloads_total": "counter",
            "latchd_last_reload_success": "gauge", "latchd_ticket_store_up": "gauge",
            "latchd_connections_total": "counter",
            "latchd_connections_active": "gauge", "latchd_accept_errors_total": "counter",
            "latchd_connections_refused_total": "counter",
            "latchd_http2_floods_total": "counter",
            "latchd_accept_imbalance": "gauge", "latchd_handshakes_total": "counter",
            "latchd_requests_total": "counter", "latchd_bytes_sent_total": "counter",
            "latchd_closures_total": "counter", "latchd_sigpipe_total": "counter",
            "latchd_certificate_not_after_seconds": "gauge",
            "latchd_crl_next_update_seconds": "gauge"})
        for name, (kind, series) in families.items():
            self.assertEqual(name.endswith("_total"), kind == "counter", name)
            self.assertTrue(series or name in ("latchd_crl_next_update_seconds",
                                               "latchd_ticket_store_up"), name)

    def test_what_it_is(self):
        [(labels, one)] = self.read()["latchd_info"][1].items()
        status = self.d.status()
        self.assertEqual((dict(labels), one),
                         ({"version": status["version"], "openssl": status["openssl"]}, 1))
        self.assertEqual(self.value("latchd_generation"), 1)
        self.assertEqual(self.value("latchd_workers", state="serving"), 2)

    def test_the_end_of_the_certificate(self):
        text = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in",
                               certificates() / "ecdsa.pem"],
                              capture_output=True, text=True, check=True).stdout
        end = ssl.cert_time_to_seconds(text.strip().partition("=")[2])
        self.assertEqual(self.read()["latchd_certificate_not_after_seconds"][1],
                         {(("site", "localhost"),): end})

    def test_requests_by_code(self):
        self.d.settled()
        before = self.value("latchd_requests_total", code="404")
        for _ in range(3):
            self.assertEqual(self.d.fetch("/missing").status, 404)
        self.wait_for(before + 3, "latchd_requests_total", code="404")

    def test_connections_by_listener(self):
        name = 'a "plain" one \\'
        before = self.value("latchd_connections_total", listener=name)
        with Peer(self.d.port2, tls=False) as peer:
            response = peer.request("/", close=True)
        series = parse(response.body.decode())["latchd_connections_total"][1]
        self.assertEqual(series[(("listener", name),)], before + 1)
        tls = self.value("latchd_connections_total", listener="https")
        self.assertEqual(self.value("latchd_connections_total", listener="https"), tls + 1)

    def test_the_json_of_the_master_says_the_same(self):
        self.assertEqual(self.d.fetch("/missing").status, 404)
        self.d.settled()
        status = self.d.control_status()
        self.assertEqual(status["requests_by_code"]["404"],
                         self.value("latchd_requests_total", code="404"))
        name = 'a "plain" one \\'
        self.assertEqual(status["connections_by_listener"][name],
                         self.value("latchd_connections_total", listener=name))

    def test_handshakes(self):
        self.d.settled()
        before = self.value("latchd_handshakes_total", result="full", version="1.2")
        failed = self.value("latchd_handshakes_total", result="failed", version="none")
        self.d.fetch(peer={"context": client_context(version="1.2")})
        self.wait_for(before + 1, "latchd_handshakes_total", result="full", version="1.2")
        with Peer(self.d.port, tls=False) as peer:
            peer.send(b"GET / HTTP/1.1\r\n\r\n").read_to_end()
        self.wait_for(failed + 1, "latchd_handshakes_total", result="failed", version="none")

    def test_who_may(self):
        self.assertEqual(self.d.fetch("/denied").status, 403)
        response = self.d.fetch("/-/metrics", method="POST")
        self.assertEqual((response.status, response.headers["allow"]), (405, "GET, HEAD"))
        self.assertEqual(self.d.fetch("/-/metrics", method="HEAD").status, 200)


class Reloads(TestCase):
    def test_counters_go_on(self):
        with Latchd(config=CONFIG) as d:
            def value(name, **labels):
                page = parse(d.fetch("/-/metrics").body.decode())
                return page[name][1][tuple(sorted(labels.items()))]

            before = value("latchd_connections_total", listener="https")
            d.write_config(template=CONFIG.replace("workers = 2", "workers = 1"))
            d.reload()
            d.log.wait("generation 1 is gone")
            self.assertEqual(value("latchd_generation"), 2)
            self.assertEqual(value("latchd_reloads_total", result="ok"), 1)
            self.assertGreater(value("latchd_connections_total", listener="https"), before)
            d.write_config(template=CONFIG.replace("workers = 2", "wrokers = 1"))
            d.reload()
            self.assertEqual(value("latchd_last_reload_success"), 0)
            self.assertEqual(value("latchd_reloads_total", result="failed"), 1)
            since = d.log.mark()
            os.kill(d.workers()[0], signal.SIGKILL)
            d.log.wait("killed by SIGKILL", since)
            self.assertEqual(value("latchd_worker_respawns_total"), 1)


if __name__ == "__main__":
    unittest.main()

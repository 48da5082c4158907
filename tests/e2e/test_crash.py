"""Workers that crash, again and again: quarantine of a generation, what the log says."""
import json
import os
import signal
import unittest

from harness import DEFAULT_CONFIG, Latchd, TestCase

OTHER = DEFAULT_CONFIG.replace(
    '{ path = "/"; files = { root = "@WWW@"; }; }', '{ path = "/"; redirect = { to = "/new"; }; }'
)


def control_status(d):
    return json.loads(d.ctl("status", "--json").stdout)


def crash(d, generation, until):
    """Workers of that generation die as soon as they are there, until a line of the log."""
    while not d.log.find(until):
        for worker in control_status(d)["workers"]:
            if worker["generation"] == generation and worker["pid"] in d.workers():
                try:
                    os.kill(worker["pid"], signal.SIGABRT)
                except ProcessLookupError:
                    pass


class Quarantine(TestCase):
    def test_the_configuration_before_comes_back(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            d.write_config(template=OTHER)
            self.assertEqual(d.ctl("reload").returncode, 0)
            self.assertEqual(d.fetch("/a.txt").status, 308)
            mark = d.notes.mark()
            crash(d, 2, "generation 2 is quarantined")
            d.notes.wait("^STATUS=generation 3: .*; generation 2 quarantined", mark)
            self.assertEqual(d.fetch("/a.txt").body, b"A")
            status = control_status(d)
            self.assertEqual(status["generation"], 3)
            self.assertEqual(
                status["reloads_total"], {"ok": 1, "failed": 0, "quarantined": 1}
            )
            self.assertFalse(status["last_reload_success"])
            last = status["last_reload"]
            self.assertEqual((last["result"], last["quarantined"]), ("quarantined", 2))
            self.assertRegex(last["error"], r"^generation 2: \d+ of its workers died soon")
            table = d.ctl("status").stdout
            self.assertRegex(
                table, r"last reload +quarantined, .*1 quarantined\)\n +generation 2: \d+ of its"
            )
            # A reload by hand tries what is on the disk again.
            run = d.ctl("reload")
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(d.fetch("/a.txt").status, 308)
            status = control_status(d)
            self.assertEqual((status["generation"], status["last_reload_success"]), (4, True))
            self.assertEqual(status["last_reload"]["quarantined"], 0)

    def test_behind_the_first_there_is_none(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            crash(d, 1, "there is none before it that could come back")
            self.assertRegex(d.log.wait("dies at once, again and again"), r"comes in \d+ ms")
            status = d.wait_status(
                lambda s: len([w for w in s["workers"] if w["state"] == "serving"]) == 2
            )
            self.assertEqual((status["generation"], status["last_reload_success"]), (1, True))

    def test_workers_that_somebody_kills_say_nothing_about_the_configuration(self):
        with Latchd(files={"a.txt": b"A"}) as d:
            self.assertEqual(d.ctl("reload").returncode, 0)
            d.log.wait("generation 1 is gone")
            for n in range(8):
                d.wait_status(lambda s: len(
                    [w for w in s["workers"] if w["state"] == "serving"]) == 2)
                os.kill(d.workers()[0], signal.SIGKILL)
                d.log.wait("was killed by SIGKILL", count=n + 1)
            status = d.wait_status(lambda s: s["worker_respawns_total"] >= 8)
            self.assertEqual(status["generation"], 2)
            self.assertEqual(status["reloads_total"]["quarantined"], 0)


if __name__ == "__main__":
    unittest.main()

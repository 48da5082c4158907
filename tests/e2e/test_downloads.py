"""100 MiB, byte for byte, through curl and latch, alone and many at a time; and what one slow
client costs the others. With LONG=1 the many take all of it as well."""
import os
import random
import subprocess
import time

from harness import LATCH, PATIENCE, VARIANT, Latchd, TestCase, certificates

SIZE = (8 if VARIANT == "asan" else 100) << 20
MANY_SIZE = SIZE if os.environ.get("LONG") else min(SIZE, 16 << 20)
DOWNLOADS = ((1, "big.bin"), (16, "many.bin"), (64, "many.bin"))


class Downloads(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Latchd()
        block = random.Random(1).randbytes(1 << 20)
        for name, size in (("big.bin", SIZE), ("many.bin", MANY_SIZE)):
            with open(cls.daemon.www / name, "wb") as f:
                for i in range(size >> 20):
                    f.write(i.to_bytes(4, "big") + block[4:])  # no two MiB are the same
        cls.daemon.put("small.txt", b"small")
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def client(self, name):
        d, ca = self.daemon, certificates() / "ca.pem"
        return {
            "curl": f"curl -sS --resolve localhost:{d.port}:127.0.0.1 --cacert {ca}",
            "latch": f"{LATCH} -q --connect 127.0.0.1:{d.port} --shutdown strict --ca {ca}",
        }[name]

    def download(self, name, connections, file="big.bin"):
        """So many at once, each compared with the file while it comes."""
        command = (
            f"set -o pipefail; {self.client(name)} {self.daemon.url('/' + file)}"
            f" | cmp - {self.daemon.www}/{file}"
        )
        running = [
            subprocess.Popen(
                ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            for _ in range(connections)
        ]
        for process in running:
            said, _ = process.communicate(timeout=PATIENCE * 15)
            self.assertEqual(process.returncode, 0, said)

    def test_curl(self):
        for n, file in DOWNLOADS:
            with self.subTest(connections=n):
                self.download("curl", n, file)

    def test_latch(self):
        for n, file in DOWNLOADS:
            with self.subTest(connections=n):
                self.download("latch", n, file)

    def test_all_that_was_sent_is_counted(self):
        before = self.daemon.status()["bytes_sent_total"]
        self.download("curl", 1)
        self.daemon.wait_status(lambda s: s["bytes_sent_total"] - before > SIZE)

    def test_a_client_of_1_mib_a_second_holds_nobody_up(self):
        """It is in mid-download all the while; every worker goes on to serve others."""
        d, rate = self.daemon, str(SIZE // 100)  # 100 seconds, as many as the others never take
        slow = subprocess.Popen(
            [*self.client("curl").split(), "--limit-rate", rate, "-o/dev/null", d.url("/big.bin")]
        )
        try:
            d.wait_status(lambda s: s["connections_active"] >= 2, "the slow one to be there")
            slowest = 0.0
            for _ in range(200):
                began = time.monotonic()
                self.assertEqual(d.fetch("/small.txt").body, b"small")
                slowest = max(slowest, time.monotonic() - began)
            self.assertIsNone(slow.poll(), "it ended before the others were served")
            # Nobody waited for a share of the slow one's time.
            self.assertLess(slowest, PATIENCE / 4)
        finally:
            slow.kill()
            slow.wait()

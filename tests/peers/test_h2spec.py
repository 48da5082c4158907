"""h2spec (github.com/summerwind/h2spec), all of its cases, against latchd. It is no package of
Debian: H2SPEC says where it is, if it is not in PATH. Run by `make check-peers`."""
import os
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

import harness

H2SPEC = shutil.which(os.environ.get("H2SPEC", "h2spec"))
# h2spec tests RFC 7540. Where RFC 9113, which takes its place, asks for something else: the case,
# and the text that allows our answer.
ALLOWED = {
    ("http2/5.3.1", "Sends PRIORITY frame that depend on itself"):
        "RFC 9113 section 5.3.2: the dependencies of RFC 7540 section 5.3 are deprecated, and their"
        " text is gone. Our SETTINGS say that we do not look at them (RFC 9218 section 2.1).",
}


@unittest.skipUnless(H2SPEC, "h2spec is not there")
class H2Spec(harness.TestCase):
    def test_every_case(self):
        with harness.Latchd(files={"index.html": b"hello\n" * 100}) as d:
            report = d.dir / "report.xml"
            run = subprocess.run(
                [H2SPEC, "-h", "127.0.0.1", "-p", str(d.port), "-t", "-k", "--strict", "-o",
                 str(harness.PATIENCE // 4), "-j", report], capture_output=True, text=True,
                check=False, timeout=30 * harness.PATIENCE)
            cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
        self.assertGreater(len(cases), 140, run.stderr)
        failed = {(c.get("package"), c.get("classname")) for c in cases
                  if c.find("failure") is not None or c.find("error") is not None}
        self.assertEqual(failed, set(ALLOWED), run.stdout)


if __name__ == "__main__":
    unittest.main()

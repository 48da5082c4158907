"""Authorities that issue certificates to clients, each with a database of its own, so that it can
revoke. NAME.pem is a chain, NAME.key its key."""
import subprocess
from datetime import datetime, timedelta, timezone

from harness import scratch

CONFIG = """[ca]
default_ca = it
[it]
database = {name}.index
rand_serial = yes
new_certs_dir = .
default_md = sha256
unique_subject = no
policy = any
copy_extensions = none
[any]
organizationName = optional
commonName = optional
"""
CA = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign"
KEY = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def when(days):
    """A date for openssl ca, so many days from now."""
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


class Authorities:
    def __init__(self):
        self.dir = scratch("latchd-pki.")
        self.chain = {}  # name -> files of the CAs that are sent along

    def path(self, name):
        return self.dir / name

    def openssl(self, *args):
        done = subprocess.run(["openssl", *map(str, args)], cwd=self.dir, capture_output=True,
                              check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"openssl {args}: {done.stderr.decode()}"
        return done.stdout.decode()

    def _request(self, name, subject):
        self.openssl("genpkey", *KEY, "-out", f"{name}.key")
        self.path(f"{name}.key").chmod(0o644)
        self.openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")

    def _database(self, name):
        self.path(f"{name}.cnf").write_text(CONFIG.format(name=name))
        self.path(f"{name}.index").touch()

    def _sign(self, name, issuer, extensions, days, selfsign=False):
        self.path(f"{name}.ext").write_text(extensions + "\nsubjectKeyIdentifier = hash\n")
        self.openssl("ca", "-batch", "-notext", "-config", f"{issuer}.cnf",
                     "-keyfile", f"{issuer}.key", "-in", f"{name}.csr", "-out", f"{name}.crt",
                     "-startdate", when(days[0]), "-enddate", when(days[1]),
                     "-extfile", f"{name}.ext",
                     *(("-selfsign",) if selfsign else ("-cert", f"{issuer}.crt")))

    def ca(self, name, issuer=None, extensions=CA, days=(-2, 365)):
        """A CA of its own, or under `issuer`; NAME.crt is it alone."""
        self._request(name, f"/O=latchd test/CN={name}")
        self._database(name)
        self._sign(name, issuer or name, extensions, days, selfsign=not issuer)
        self.chain[name] = [f"{name}.crt", *self.chain[issuer]] if issuer else []
        return self.path(f"{name}.crt")

    def leaf(self, name, issuer, san=None, usage="extendedKeyUsage = clientAuth", days=(-1, 30),
             subject=None, more=""):
        """A certificate for a client; NAME.pem is its chain without the root, NAME.key its key."""
        self._request(name, subject or f"/O=latchd test/CN={name}")
        extensions = f"basicConstraints = CA:FALSE\n{usage}\n{more}"
        if san:
            extensions += f"\nsubjectAltName = {san}"
        self._sign(name, issuer, extensions, days)
        chain = [f"{name}.crt", *self.chain[issuer]]
        self.path(f"{name}.pem").write_text("".join(self.path(f).read_text() for f in chain))
        return self.path(f"{name}.pem")

    def bundle(self, name, *parts):
        path = self.path(name)
        path.write_text("".join(self.path(p).read_text() for p in parts))
        return path

    def crl(self, issuer, revoked=(), days=(-1, 30), name=None):
        for leaf in revoked:
            self.openssl("ca", "-batch", "-config", f"{issuer}.cnf", "-keyfile", f"{issuer}.key",
                         "-cert", f"{issuer}.crt", "-revoke", f"{leaf}.crt")
        path = self.path(name or f"{issuer}.crl")
        self.openssl("ca", "-batch", "-config", f"{issuer}.cnf", "-keyfile", f"{issuer}.key",
                     "-cert", f"{issuer}.crt", "-gencrl", "-out", str(path) + ".new",
                     "-crl_lastupdate", when(days[0]), "-crl_nextupdate", when(days[1]))
        (path.parent / (path.name + ".new")).replace(path)
        return path

    def fingerprint(self, name):
        text = self.openssl("x509", "-in", f"{name}.crt", "-noout", "-fingerprint", "-sha256")
        return text.strip().rpartition("=")[2]

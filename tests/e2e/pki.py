"""Certificates for tests, as many and as odd as wanted: openssl's command, one key for all that are
no authority, everything in one folder of the run."""
import subprocess
from pathlib import Path

import harness

CONFIG = """
[ca]
default_ca = all
[all]
database = {dir}/index.txt
rand_serial = yes
new_certs_dir = {dir}/new
default_md = sha256
unique_subject = no
policy = any
copy_extensions = none
[any]
organizationName = optional
commonName = optional
emailAddress = optional
"""
CA = ("basicConstraints = critical, CA:TRUE", "keyUsage = critical, keyCertSign, cRLSign",
      "subjectKeyIdentifier = hash", "authorityKeyIdentifier = keyid")
LEAF = ("basicConstraints = critical, CA:FALSE", "keyUsage = critical, digitalSignature",
        "subjectKeyIdentifier = hash", "authorityKeyIdentifier = keyid")
SERVER = (*LEAF, "extendedKeyUsage = serverAuth")
CLIENT = (*LEAF, "extendedKeyUsage = clientAuth")
START, END = "20200101000000Z", "20491231235959Z"


class Pki:
    """`ca` is a self-signed authority; all are named by the file they are in, NAME.pem and
    NAME.key."""

    def __init__(self):
        self.dir = harness.scratch("latchd-pki.")
        (self.dir / "new").mkdir()
        (self.dir / "index.txt").touch()
        (self.dir / "ca.cnf").write_text(CONFIG.format(dir=self.dir))
        self.key("leaf")
        self.authority("ca", None)

    def path(self, name):
        return self.dir / name

    def openssl(self, *args):
        done = subprocess.run(["openssl", *map(str, args)], cwd=self.dir, capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise AssertionError(f"openssl {' '.join(map(str, args))}\n{done.stderr}")
        return done.stdout

    def key(self, name, *kind):
        """A key and a request to sign it."""
        kind = kind or ("EC", "ec_paramgen_curve:P-256")
        self.openssl("req", "-new", "-newkey", kind[0], *(f for o in kind[1:] for f in
                     ("-pkeyopt", o)), "-nodes", "-keyout", f"{name}.key", "-subj", "/CN=x",
                     "-out", f"{name}.csr")

    def sign(self, name, issuer, subject, extensions, key="leaf", start=START, end=END, md="sha256",
             self_signed=False):
        """NAME.pem for the key of KEY.csr, and its key as NAME.key."""
        (self.dir / "ext.cnf").write_text("\n".join(extensions) + "\n")
        own = ["-selfsign"] if self_signed else ["-cert", f"{issuer}.pem"]
        self.openssl("ca", "-batch", "-notext", "-config", "ca.cnf", *own, "-keyfile",
                     f"{issuer}.key", "-in", f"{key}.csr", "-subj", subject, "-startdate", start,
                     "-enddate", end, "-md", md, "-extfile", "ext.cnf", "-out", f"{name}.pem")
        if name != key:
            self.path(f"{name}.key").write_bytes(self.path(f"{key}.key").read_bytes())
        return name

    def authority(self, name, issuer, extensions=CA, **options):
        self.key(name)
        return self.sign(name, issuer or name, f"/O=latchd test/CN=test {name}", extensions,
                         key=name, self_signed=issuer is None, **options)

    def server(self, name, san="DNS:localhost", issuer="ca", extensions=SERVER, subject=None,
               **options):
        """A leaf; `san` None: no subject alternative name."""
        san = [f"subjectAltName = {san}"] if san else []
        return self.sign(name, issuer, subject or f"/O=latchd test/CN={name}",
                         (*extensions, *san), **options)

    def chain(self, name, *parts):
        """NAME.pem of the certificates of `parts`, with the key of the first."""
        text = b"".join(self.path(f"{part}.pem").read_bytes() for part in parts)
        self.path(f"{name}.pem").write_bytes(text)
        self.path(f"{name}.key").write_bytes(self.path(f"{parts[0]}.key").read_bytes())
        return name

    def crl(self, name, issuer, revoked=(), last=None, until=END):
        """A list of ISSUER's that revokes the certificates of `revoked`."""
        database = self.path(f"{name}.index")
        database.touch()
        config = self.path(f"{name}.cnf")
        config.write_text(CONFIG.format(dir=self.dir).replace(
            f"{self.dir}/index.txt", str(database)))
        args = ["ca", "-config", config, "-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key"]
        for certificate in revoked:
            self.openssl(*args, "-revoke", f"{certificate}.pem")
        self.openssl(*args, "-gencrl", "-crl_lastupdate", last or START, "-crl_nextupdate", until,
                     "-out", f"{name}.crl")
        return Path(self.path(f"{name}.crl"))

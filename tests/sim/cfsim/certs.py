"""Certificates for one run, made with openssl: a CA, a right server, one for another name, one of another issuer."""
import os
import shutil
import ssl
import subprocess

CONFIG = """[req]
distinguished_name = dn
prompt = no
[dn]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = {alt}
"""

RIGHT = "DNS:localhost, DNS:api.cloudflare.com, DNS:api.telegram.org, IP:127.0.0.1, IP:::1"


class Certificates:
    """Files below a directory; contexts for the TLS ports."""

    def __init__(self, directory, more_names=""):
        self.directory = directory
        self.right_names = RIGHT + "".join(f", {name}" for name in more_names.split(",") if name)
        self.ca = os.path.join(directory, "ca.pem")
        self._self_signed("ca", "simulated CA", "ca")
        self._self_signed("stranger", "another CA", "ca")
        self._signed("right", self.right_names, "ca")
        self._signed("name", "DNS:other.example", "ca")
        self._signed("issuer", self.right_names, "stranger")

    def _path(self, name, kind):
        return os.path.join(self.directory, f"{name}.{kind}")

    def _openssl(self, *args):
        done = subprocess.run(["openssl", *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=30, check=False)
        if done.returncode:
            raise RuntimeError("openssl " + args[0] + ": " + done.stderr.decode(errors="replace").strip())

    def _request(self, name, subject, alt, *more):
        config = self._path(name, "cnf")
        with open(config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(name=subject, alt=alt))
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
                      "-config", config, "-keyout", self._path(name, "key"), *more)

    def _self_signed(self, name, subject, section):
        self._request(name, subject, "DNS:localhost", "-x509", "-days", "30", "-extensions", section,
                      "-out", self._path(name, "pem"))

    def _signed(self, name, alt, ca):
        self._request(name, "simulator", alt, "-out", self._path(name, "csr"))
        self._openssl("x509", "-req", "-in", self._path(name, "csr"), "-days", "30", "-sha256",
                      "-CA", self._path(ca, "pem"), "-CAkey", self._path(ca, "key"), "-CAcreateserial",
                      "-extfile", self._path(name, "cnf"), "-extensions", "server", "-out", self._path(name, "pem"))

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._path(name, "pem"), self._path(name, "key"))
        context.set_alpn_protocols(["http/1.1"])
        return context


ready = None  # those that simulators of one nursery share


def made(directory, more_names):
    """Certificates for these names: the ready ones where they hold them, or new ones below the directory."""
    return ready if ready and not more_names else Certificates(directory, more_names)


def missing():
    """What keeps TLS from working here; None if nothing does."""
    return None if shutil.which("openssl") else "no openssl (Debian package openssl)"

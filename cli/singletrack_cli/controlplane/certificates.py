"""The keys and certificates of one control plane, made for it and kept in its data folder.

An authority signs the server's certificate and the administrator's, and its own key is thrown away:
nothing that stays on disk can make another administrator. Whoever may read the folder is one.
"""

from __future__ import annotations

import ipaddress
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=3650)
_RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Where the PEM files lie."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server(self) -> Path:
        return self.folder / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.folder / "server.key"

    @property
    def admin(self) -> Path:
        return self.folder / "admin.crt"

    @property
    def admin_key(self) -> Path:
        return self.folder / "admin.key"

    @property
    def service_account_key(self) -> Path:
        """Signs the tokens of ServiceAccounts, and verifies them."""
        return self.folder / "service-accounts.key"


def ensure(folder: Path, now: datetime) -> Certificates:
    """The certificates in `folder`; made anew, all of them, if there are none or they soon end."""
    if not _usable(Certificates(folder=folder), now):
        made = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700, parents=True)
        _make(Certificates(folder=made), now)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return Certificates(folder=folder)


def _usable(certificates: Certificates, now: datetime) -> bool:
    if not certificates.folder.is_dir():
        return False
    read = x509.load_pem_x509_certificate(certificates.server.read_bytes())
    return now + _RENEW_BEFORE < read.not_valid_after_utc


def _make(certificates: Certificates, now: datetime) -> None:
    authority = _Authority(now)
    _write(certificates.authority, authority.certificate.public_bytes(Encoding.PEM))
    server = authority.issue(_name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, local=True)
    _write_pair(certificates.server, certificates.server_key, server)
    admin_name = _name("singletrack-admin", organization="system:masters")
    admin = authority.issue(admin_name, ExtendedKeyUsageOID.CLIENT_AUTH, local=False)
    _write_pair(certificates.admin, certificates.admin_key, admin)
    _write(certificates.service_account_key, _pem(_new_key()))


class _Authority:
    def __init__(self, now: datetime) -> None:
        self._now = now
        self._key = _new_key()
        self._name = _name("singletrack-control-plane")
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self.certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def issue(
        self, name: x509.Name, purpose: x509.ObjectIdentifier, *, local: bool
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A certificate for one purpose; `local` binds it to the names of this machine."""
        key = _new_key()
        builder = (
            self._builder(name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier),
                critical=False,
            )
        )
        if local:
            builder = builder.add_extension(_local_names(), critical=False)
        return builder.sign(self._key, hashes.SHA256()), key

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        public = key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _CLOCK_SKEW)
            .not_valid_after(self._now + _LIFETIME)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _local_names() -> x509.SubjectAlternativeName:
    addresses = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    return x509.SubjectAlternativeName([*map(x509.DNSName, names), *map(x509.IPAddress, addresses)])


def _name(common: str, *, organization: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """In the older format: Kubernetes reads an EC key for verification from no other."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _write_pair(
    certificate: Path, key: Path, issued: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
) -> None:
    _write(certificate, issued[0].public_bytes(Encoding.PEM))
    _write(key, _pem(issued[1]))


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)

"""The keys and certificates of one control plane, made for it and kept in its data folder.

An authority signs the server's certificate and the administrator's, and its own key is thrown away
(`authority.py`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from singletrack_cli.controlplane.authority import (
    Authority,
    name,
    new_key,
    pem,
    places,
    write,
    write_pair,
)

_RENEW_BEFORE = timedelta(days=30)


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
    authority = Authority("singletrack-control-plane", now)
    write(certificates.authority, authority.certificate.public_bytes(Encoding.PEM))
    server = authority.issue(
        name("kube-apiserver"),
        ExtendedKeyUsageOID.SERVER_AUTH,
        places(
            ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"],
            ["127.0.0.1", "::1"],
        ),
    )
    write_pair(certificates.server, certificates.server_key, server)
    admin_name = name("singletrack-admin", organization="system:masters")
    admin = authority.issue(admin_name, ExtendedKeyUsageOID.CLIENT_AUTH)
    write_pair(certificates.admin, certificates.admin_key, admin)
    write(certificates.service_account_key, pem(new_key()))

"""Certificates and kubeconfig files: who may read them, when they are kept, what they hold."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from singletrack_cli.controlplane import certificates, kubeconfig
from singletrack_cli.controlplane.certificates import Certificates

NOW = datetime(2026, 11, 24, tzinfo=UTC)
URL = "https://127.0.0.1:23456"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return certificates.ensure(tmp_path / "data" / "pki", NOW)


def test_a_second_start_finds_the_same_certificates(made: Certificates) -> None:
    before = _content(made)
    certificates.ensure(made.folder, NOW + timedelta(days=365))
    assert _content(made) == before


def test_certificates_that_soon_end_are_made_anew(made: Certificates) -> None:
    before = _content(made)
    certificates.ensure(made.folder, NOW + timedelta(days=3640))
    after = _content(made)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)


def test_what_an_interrupted_start_left_is_cleared_away(tmp_path: Path) -> None:
    half = tmp_path / "pki.new"
    half.mkdir()
    (half / "ca.crt").touch()
    made = certificates.ensure(tmp_path / "pki", NOW)
    assert not half.exists()
    assert made.admin.read_bytes()


def test_only_the_owner_reads_them_and_no_key_of_the_authority_stays(made: Certificates) -> None:
    assert made.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in made.folder.iterdir())
    keys = {path.name for path in made.folder.glob("*.key")}
    assert keys == {"server.key", "admin.key", "service-accounts.key"}


def test_the_authority_has_signed_both(made: Certificates) -> None:
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    for path in (made.server, made.admin):
        x509.load_pem_x509_certificate(path.read_bytes()).verify_directly_issued_by(authority)


def test_a_kubeconfig_is_for_its_owner_alone_and_complete_in_itself(
    made: Certificates, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, kubeconfig.for_admin(URL, made))
    assert path.stat().st_mode & 0o777 == 0o600
    config = json.loads(path.read_text())
    assert config["clusters"][0]["cluster"]["server"] == URL
    user = config["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == made.admin_key.read_bytes()


def test_a_kubeconfig_for_a_token_holds_no_certificate(made: Certificates) -> None:
    config = kubeconfig.for_token(URL, made, "apps", "secret")
    assert config["users"][0]["user"] == {"token": "secret"}
    assert config["contexts"][0]["context"]["namespace"] == "apps"


def test_a_kubeconfig_replaces_the_one_before(made: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, kubeconfig.for_token(URL, made, "apps", "old"))
    kubeconfig.write(path, kubeconfig.for_token(URL, made, "apps", "new"))
    assert "old" not in path.read_text()
    assert [each.name for each in tmp_path.glob("*kubeconfig*")] == ["kubeconfig"]


def _content(made: Certificates) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in made.folder.iterdir()}

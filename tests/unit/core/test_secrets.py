"""What is secret is read from files as well, where no dump of an environment shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from singletrack.settings import BrokerSettings, LedgerSettings, Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where secrets are; the environment says nothing."""
    for name in ("REDIS_URL", "REDIS_PASSWORD", "SINGLETRACK_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SINGLETRACK_SECRETS", str(tmp_path))
    return tmp_path


def test_a_file_stands_for_the_variable_of_its_name(folder: Path) -> None:
    (folder / "REDIS_URL").write_text("redis://:secret@ledger:6379/3\n")
    (folder / "SINGLETRACK_BROKER_URL").write_text("amqp://shop:secret@rabbit//\n")
    settings = Settings()
    assert settings.ledger.redis_url == "redis://:secret@ledger:6379/3"
    assert settings.broker.broker_url == "amqp://shop:secret@rabbit//"


def test_the_environment_goes_before_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "SINGLETRACK_BROKER_URL").write_text("amqp://file//")
    monkeypatch.setenv("SINGLETRACK_BROKER_URL", "amqp://environment//")
    assert BrokerSettings().broker_url == "amqp://environment//"


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://ledger:6379/0", "redis://:p%40ss%3Aw%2Fo%25@ledger:6379/0"),
        ("rediss://shop@ledger/1", "rediss://shop:p%40ss%3Aw%2Fo%25@ledger/1"),
        ("redis://[::1]:6379", "redis://:p%40ss%3Aw%2Fo%25@[::1]:6379"),
        ("redis://:own@ledger:6379/0", "redis://:own@ledger:6379/0"),
        ("unix:///run/ledger.sock", "unix:///run/ledger.sock"),
    ],
)
def test_a_password_comes_into_an_address_that_holds_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, whole: str
) -> None:
    (folder / "REDIS_PASSWORD").write_text("p@ss:w/o%")
    monkeypatch.setenv("REDIS_URL", url)
    assert LedgerSettings().redis_url == whole


def test_a_password_alone_is_for_the_usual_address(folder: Path) -> None:
    (folder / "REDIS_PASSWORD").write_text("secret")
    assert LedgerSettings().redis_url == "redis://:secret@localhost:6379"


def test_a_password_is_not_shown_where_settings_are(folder: Path) -> None:
    (folder / "REDIS_PASSWORD").write_text("secret-word")
    assert "secret-word" not in repr(LedgerSettings().redis_password)

"""Which namespaces an installation serves, as one says it in the environment."""

from __future__ import annotations

import pytest

from singletrack.scope import EVERYWHERE, Scope
from singletrack.settings import ScopeSettings


@pytest.mark.parametrize(
    ("said", "scope"),
    [
        ("", EVERYWHERE),
        ("shop", Scope(("shop",))),
        (" shop, mails,", Scope(("shop", "mails"))),
    ],
)
def test_names_are_given_with_commas_between(
    monkeypatch: pytest.MonkeyPatch, said: str, scope: Scope
) -> None:
    monkeypatch.setenv("SINGLETRACK_SCOPE", said)
    assert ScopeSettings().namespaces == scope


@pytest.mark.parametrize("said", ["Shop", "shop;mails", "a" * 64, "shop-", "*"])
def test_what_no_namespace_can_be_called_is_refused(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("SINGLETRACK_SCOPE", said)
    with pytest.raises(ValueError, match="is no name of a namespace"):
        ScopeSettings()


def test_no_names_are_all_namespaces_and_some_are_no_others() -> None:
    assert "shop" in EVERYWHERE
    assert "shop" in Scope(("shop", "mails"))
    assert "shops" not in Scope(("shop", "mails"))
    assert str(EVERYWHERE) == "all namespaces"

"""Where the API server is found, and how we prove who we are."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from singletrack.adapters.kubernetes import connection
from singletrack.adapters.kubernetes.connection import Token
from singletrack.errors import ConfigurationError


def a_kubeconfig(folder: Path, user: dict[str, Any], *, yaml: bool = False) -> Path:
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:8001/"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    text = json.dumps(config)
    path.write_text("# not JSON\n" + text if yaml else text)
    return path


@pytest.mark.parametrize("yaml", [False, True], ids=["JSON", "YAML"])
def test_a_kubeconfig_with_a_token(tmp_path: Path, yaml: bool) -> None:
    path = a_kubeconfig(tmp_path, {"token": "secret"}, yaml=yaml)
    found = connection.find(str(path), {})

    assert found.server == "http://127.0.0.1:8001"
    assert found.namespace == "default"
    assert found.token.current() == "secret"


def test_a_kubeconfig_with_a_token_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    found = connection.find(str(a_kubeconfig(tmp_path, {"tokenFile": "token"})), {})

    assert found.token.current() == "secret"


def test_a_token_file_is_read_again_when_the_server_did_not_take_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    token = Token(file=file)
    assert token.current() == "old"
    file.write_text("new")

    assert token.current() == "old"
    token.forget()
    assert token.current() == "new"


@pytest.mark.parametrize("how", ["exec", "auth-provider", "username"])
def test_a_login_that_is_not_supported_is_named(tmp_path: Path, how: str) -> None:
    path = a_kubeconfig(tmp_path, {how: {}})

    with pytest.raises(ConfigurationError, match=f"logs in by '{how}'"):
        connection.find(str(path), {})


def test_a_missing_entry_is_named(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path, {})
    path.write_text(path.read_text().replace('"name": "u"', '"name": "v"'))

    with pytest.raises(ConfigurationError, match="no entry 'u' among its users"):
        connection.find(str(path), {})


def test_nonsense_is_not_a_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[]")

    with pytest.raises(ConfigurationError, match="is not a kubeconfig"):
        connection.find(str(tmp_path / "config"), {})


def test_the_current_context_of_the_user_is_never_used_by_accident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(a_kubeconfig(tmp_path, {})))

    with pytest.raises(ConfigurationError, match="SINGLETRACK_KUBECONFIG"):
        connection.find("")


def test_in_a_pod_its_own_account_is_used(tmp_path: Path) -> None:
    import ssl

    authority = ssl.get_default_verify_paths()
    bundle = Path(authority.cafile or authority.openssl_cafile)
    if not bundle.exists():
        pytest.skip("there is no certificate bundle on this machine")
    (tmp_path / "ca.crt").write_bytes(bundle.read_bytes())
    (tmp_path / "token").write_text("of the pod")
    (tmp_path / "namespace").write_text("singletrack")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    found = connection.from_pod(environ, tmp_path)

    assert found.server == "https://[fd00::1]:6443"
    assert (found.namespace, found.token.current()) == ("singletrack", "of the pod")


def test_a_certificate_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path, {})
    config = json.loads(path.read_text())
    nonsense = base64.b64encode(b"nonsense").decode()
    config["clusters"][0]["cluster"] = {
        "server": "https://127.0.0.1",
        "certificate-authority-data": nonsense,
    }
    path.write_text(json.dumps(config))

    with pytest.raises(ConfigurationError, match="certificate"):
        connection.find(str(path), {})

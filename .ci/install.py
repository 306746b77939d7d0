"""Make the virtual environment of this checkout in `.venv`, or see that it is up to date.

`make` calls this before every target. With uv on the machine it is `uv sync`; without, venv and
pip, held to the versions in uv.lock. The last act is to write a stamp: what pyproject.toml and
uv.lock said, and where the checkout was. An environment whose stamp is missing (an interrupted
install) is thrown away and made again; one whose stamp says something else is brought up to date.

It starts under any Python 3, to be able to say which one is needed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".singletrack-installed"
OLDEST = (3, 11)
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")


def main():
    if _up_to_date():
        return
    with (ROOT / "pyproject.toml").open() as guard:
        # Two `make` at once: one works, the other waits; also for an installer that outlives us.
        fcntl.flock(guard, fcntl.LOCK_EX)
        os.set_inheritable(guard.fileno(), True)  # noqa: FBT003 -- it takes no keyword
        if not _up_to_date():
            _install()
            STAMP.write_text(_fingerprint())


def _up_to_date():
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == _fingerprint()


def _fingerprint():
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ("pyproject.toml", "uv.lock"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _install():
    uv = _working_uv()
    if uv is None:
        _ensure_python()
    _forget_what_is_not_finished()
    if uv is None:
        _install_with_pip()
    else:
        _install_with_uv(uv)


def _forget_what_is_not_finished():
    if STAMP.exists() and PYTHON.exists():
        STAMP.unlink()
    elif VENV.exists():
        _say("What is in .venv was not finished by `make install`; making it anew.")
        shutil.rmtree(str(VENV))


def _working_uv():
    uv = shutil.which("uv")
    if uv and subprocess.run([uv, "--version"], stdout=subprocess.DEVNULL).returncode == 0:
        return uv
    return None


def _install_with_uv(uv):
    _say("Installing into .venv with uv.")
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ["UV_PROJECT_ENVIRONMENT"] = str(VENV)
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    # Compiled once here, every process of the platform starts in half the time and memory.
    _run([uv, "sync", "--frozen", "--all-extras", "--compile-bytecode", *quiet])


def _install_with_pip():
    _say("Installing into .venv with pip, which takes a while (with uv it would be seconds).")
    if not PYTHON.exists():
        _run(
            [sys.executable, "-m", "venv", str(VENV)],
            "Python's venv module did not work: install it (Debian: apt-get install python3-venv), "
            "or install uv.",
        )
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--upgrade", "pip>=25.1"])  # the first that knows --group
    versions = VENV / "locked-versions.txt"
    versions.write_text("".join(line + "\n" for line in _locked_versions()))
    _run([*pip, "--constraint", str(versions), "--editable", ".[all]", "--group", "dev"])


def _locked_versions():
    """The pins of uv.lock, as far as one version is locked for every platform."""
    import tomllib

    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    names = [package["name"] for package in packages]
    for package in packages:
        if "registry" in package["source"] and names.count(package["name"]) == 1:
            yield "{}=={}".format(package["name"], package["version"])


def _ensure_python():
    """Go on under a Python that is new enough, or say in one sentence that there is none."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER_PYTHONS:
        newer = shutil.which(name)
        if newer:
            os.execv(newer, [newer, str(Path(__file__).resolve())])
    sys.exit(
        "Singletrack needs Python 3.11 or newer, and {} is {}.{}: install one, or install uv, "
        "which brings its own.".format(sys.executable, *sys.version_info[:2])
    )


def _run(command, remedy="The installation failed, for the reason above."):
    if subprocess.run(command, cwd=str(ROOT), close_fds=False).returncode != 0:
        sys.exit(remedy)


def _say(line):
    print(line, flush=True)


if __name__ == "__main__":
    main()

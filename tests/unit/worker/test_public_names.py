import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["singletrack", "singletrack_worker"])
def test_every_public_name_is_what_it_says_even_after_its_module_was_imported(package):
    code = (
        f"import {package}\n"
        "import singletrack.tasks, singletrack_worker.installing\n"
        f"for name in {package}.__all__:\n"
        f"    assert not str(getattr({package}, name)).startswith('<module'), name\n"
        f"assert {package}.__all__\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_agents_package_does_not_load_celery():
    code = "import sys, singletrack_worker.agent.loop; assert 'celery' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = importlib.import_module("singletrack_worker").nope

"""`singletrack`: the command line. An old Python gets a sentence here instead of a stack trace."""

import sys

OLDEST = (3, 11)


# Kept free of newer syntax and of imports, so that any Python 3 comes this far.
def too_old(version: "tuple[int, ...]" = sys.version_info[:2]) -> bool:
    """Whether this Python cannot run Singletrack; says so if it cannot."""
    if version >= OLDEST:
        return False
    sys.stderr.write(
        "singletrack needs Python 3.11 or newer, and this is {}.{}: install one, or install uv, "
        "which brings its own.\n".format(*version)
    )
    return True


def main() -> int:
    """Run the command line; the exit code is the answer."""
    if too_old():
        return 1
    from singletrack import termination

    termination.heed_early()
    try:
        from singletrack_cli.main import run
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"singletrack: {error.name} is not installed: pip install 'singletrack[all]'\n"
        )
        return 1
    return run()


if __name__ == "__main__":
    sys.exit(main())

"""`singletrack`: the command line. An old Python gets a sentence here instead of a stack trace."""

import sys

OLDEST = (3, 11)


def main() -> int:
    """Run the command line; the exit code is the answer."""
    # Kept free of newer syntax and of imports, so that any Python 3 comes this far.
    if sys.version_info < OLDEST:
        sys.stderr.write(
            "singletrack needs Python 3.11 or newer, and this is {}.{}: install one, or install "
            "uv, which brings its own.\n".format(*sys.version_info[:2])
        )
        return 1
    from singletrack_cli.main import run

    return run()


if __name__ == "__main__":
    sys.exit(main())

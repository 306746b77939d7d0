"""`python -m singletrack_cli.demo`: everything once, on this machine, in half a minute.

The first time it builds etcd and kube-apiserver, which takes minutes and says so.
"""

import sys

from singletrack_cli.__main__ import too_old


def main() -> int:
    """Tell the story; 0 if every claim holds."""
    if too_old():
        return 1
    from singletrack_cli.demo.telling import tell

    return tell(sys.stdout)


if __name__ == "__main__":
    sys.exit(main())

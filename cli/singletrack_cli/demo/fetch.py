"""`curl -s URL` for machines without curl: the demonstration puts it on the PATH as `curl`."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

_TIMEOUT_SECONDS = 30


def main(arguments: list[str]) -> int:
    urls = [word for word in arguments if not word.startswith("-")]
    if len(urls) != 1 or not urls[0].startswith("http://127.0.0.1:"):
        sys.stderr.write("this stand-in for curl understands one address of this machine\n")
        return 2
    try:
        with urllib.request.urlopen(urls[0], timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            sys.stdout.write(answer.read().decode())
    except urllib.error.HTTPError as error:  # curl shows the body, too, and is content
        sys.stdout.write(error.read().decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

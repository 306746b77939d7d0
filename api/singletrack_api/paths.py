"""What the parts of a path may be, where a verb may stand behind them (`…:cancel`)."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

RUN_ID = "run_id"
LOCK_KEY = "lock_key"


class RunIdConvertor(Convertor[str]):
    """Any text without a slash, but a verb behind the id is no part of it."""

    regex = "[^/]+(?<!:cancel)(?<!:confirm-dead)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class LockKeyConvertor(RunIdConvertor):
    """Any text, with slashes, but a verb behind the key is no part of it."""

    regex = "(?s:.+)(?<!:pause)(?<!:resume)(?<!:release)"


register_url_convertor(RUN_ID, RunIdConvertor())
register_url_convertor(LOCK_KEY, LockKeyConvertor())

"""The ledger on Redis or Valkey: a function library, a wire format, two clients."""

from singletrack.adapters.redis_ledger.async_client import AsyncRedisLedger
from singletrack.adapters.redis_ledger.client import RedisLedger
from singletrack.adapters.redis_ledger.keys import Keys

__all__ = ["AsyncRedisLedger", "Keys", "RedisLedger"]

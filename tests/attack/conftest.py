"""The store of the room's tests, for the attacks on a whole room."""

from tests.waitingroom.conftest import client, store_url

__all__ = ["client", "store_url"]

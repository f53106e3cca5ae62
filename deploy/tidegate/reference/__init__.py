"""The reference pages, made from what the code declares. Each module makes some of them; `__main__` writes all."""

from __future__ import annotations

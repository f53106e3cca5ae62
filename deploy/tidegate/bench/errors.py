"""The errors of the benchmarks: each message is for the person who started one."""

from __future__ import annotations


class BenchError(Exception):
    """A benchmark cannot be run as asked, or a process of its own has ended."""

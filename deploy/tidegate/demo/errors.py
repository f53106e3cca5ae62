"""The errors of the demo: each message is for the person who started it."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot do what was asked; the message is one line, except for the tail of a log."""


class ChildDied(DemoError):
    """A process of the stack ended by itself, or never became ready."""


class PlotsMissing(DemoError):
    """There is no matplotlib; all but the picture works without it."""

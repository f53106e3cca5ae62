"""Formulas over recommendations, in CEL (the Common Expression Language): compiled once, bounded, without loops.

A formula sees each signal's recommendation by the signal's name (an integer), `values` (signal -> last value read),
`current` and `ready`, and may call `max`, `min`, `ceil`, `floor`, `double`, `int`. CEL has no implicit conversion:
`requests * 1.5` is an error, `double(requests) * 1.5` is not. Errors of that kind show when the document is loaded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

from rulebook.errors import FormulaError, shorten

if TYPE_CHECKING:
    import cel  # it brings a command line of its own, which takes longer to import than we do: see `_cel`

MAX_LENGTH: Final = 500
RESERVED: Final = frozenset({"values", "current", "ready"})
"""Names which a formula may use beside the signals', and which no signal may therefore have."""

_FUNCTIONS: Final = frozenset({"max", "min", "ceil", "floor", "double", "int"})
# No loops and no calls on text: what is left takes time linear in its length.
_OPERATORS: Final = re.compile(r"_\S*|!_|-_|\S*_|@in|@not_strictly_false")
# A loop (`map`, `filter`, ...) is a macro: a call on a value, which the program does not count among its functions.
# Every other name is refused here, as the library knows more spellings than its manual; CEL's comments count as blanks.
_BLANK: Final = r"(?:\s|//[^\n]*\n)*"
_CALL_ON_VALUE: Final = re.compile(rf"\.{_BLANK}(\w+){_BLANK}\(")
_TRIALS: Final = ((1, 1.0), (100, 0.1), (7, 1000.0))


@lru_cache(maxsize=256)
def compile_formula(source: str) -> cel.Program:
    """Compile a formula; the last few hundred are kept.

    Raises:
        FormulaError: it does not compile, is too long, or uses what is not allowed.
    """
    if len(source) > MAX_LENGTH:
        raise FormulaError(f"must be at most {MAX_LENGTH} characters long")
    try:
        program: cel.Program = _cel().compile(source)
        functions = set(program.functions())
    except (ValueError, RuntimeError, TypeError, OverflowError) as error:
        raise FormulaError(f"does not compile: {_first_line(error)}") from error
    for function in sorted(functions):
        if function not in _FUNCTIONS and not _OPERATORS.fullmatch(function):
            raise FormulaError(f"calls {function}, which is not one of {', '.join(sorted(_FUNCTIONS))}")
    if not _FUNCTIONS.issuperset(_CALL_ON_VALUE.findall(source)):
        raise FormulaError("must not loop over lists (map, filter, all, exists)")
    return program


def unknown_names(source: str, signals: Collection[str]) -> tuple[str, ...]:
    """Names in the formula that are neither a signal nor one of `RESERVED`.

    Raises:
        FormulaError: it does not compile.
    """
    return tuple(
        sorted(
            name
            for name in compile_formula(source).variables()
            if name not in signals and name not in RESERVED
        )
    )


def used_signals(source: str, signals: Collection[str]) -> frozenset[str]:
    """Name the signals whose data the formula needs; all of them where it reads `values`."""
    names = frozenset(compile_formula(source).variables())
    return frozenset(signals) if "values" in names else names & frozenset(signals)


def evaluate(
    source: str, recommendations: Mapping[str, int], values: Mapping[str, float], current: int, ready: int
) -> float:
    """Evaluate a formula to a finite number.

    Raises:
        FormulaError: it cannot be evaluated with these, or yields something else.
    """
    program = compile_formula(source)
    variables = {**recommendations, "values": dict(values), "current": current, "ready": ready}
    context = _cel().Context(variables=variables)
    for name, function in (("max", _highest), ("min", _lowest), ("ceil", _ceil), ("floor", _floor)):
        context.add_function(name, function)
    try:
        result = program.execute(context)
    except (ValueError, RuntimeError, TypeError, ArithmeticError, KeyError) as error:
        raise FormulaError(f"cannot be evaluated: {_first_line(error)}") from error
    if isinstance(result, bool) or not isinstance(result, int | float) or not math.isfinite(result):
        raise FormulaError(f"does not yield a number but {shorten(result)}")
    return float(result)


def try_out(source: str, signals: Collection[str]) -> None:
    """Evaluate a formula with a few made-up numbers, so that mixed types show before the doors open.

    Raises:
        FormulaError: it cannot be evaluated, for another reason than these very numbers.
    """
    for replicas, value in _TRIALS:
        try:
            evaluate(
                source, dict.fromkeys(signals, replicas), dict.fromkeys(signals, value), replicas, replicas
            )
        except FormulaError as error:
            if not isinstance(
                error.__cause__, ArithmeticError
            ):  # our numbers may divide by zero where real ones don't
                raise


# These are called from within CEL. They yield NaN rather than raise: a Python error there is printed to stderr.
def _highest(*numbers: object) -> float:
    good = _numbers(numbers)
    return max(good) if good else math.nan


def _lowest(*numbers: object) -> float:
    good = _numbers(numbers)
    return min(good) if good else math.nan


def _ceil(*numbers: object) -> float:
    good = _numbers(numbers)
    return math.ceil(good[0]) if len(good) == 1 else math.nan


def _floor(*numbers: object) -> float:
    good = _numbers(numbers)
    return math.floor(good[0]) if len(good) == 1 else math.nan


def _numbers(arguments: tuple[object, ...]) -> list[int | float]:
    good = [
        number
        for number in arguments
        if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    ]
    return good if len(good) == len(arguments) else []


def _first_line(error: BaseException) -> str:
    text = str(error)
    _, marker, detail = text.partition("ERROR: ")
    return (detail if marker else text).split("\n", 1)[0].split(". ", 1)[0].split(" expecting {", 1)[0][:200]


def _cel() -> ModuleType:
    """Import the library where there is a formula."""
    import cel

    return cel

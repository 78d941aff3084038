"""What a visit may do: `operators`, `visitors` and steps that are charged or refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from kdcore.errors import UserError
from pages.parts.roles import quota
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching

P = ParamSpec("P")
R = TypeVar("R")


def operators(doing: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function that a visitor may not call; `doing` completes "Only the operator can ..."."""

    def marked(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def checked(*arguments: P.args, **settings: P.kwargs) -> R:
            if not roles.is_operator():
                watching.refuse(doing)
            return function(*arguments, **settings)

        checked.role = "operator"  # type: ignore[attr-defined]
        return checked

    return marked


def visitors(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that visitors may call too; the paths of the server are left out of what it tells them."""

    @functools.wraps(function)
    def checked(*arguments: P.args, **settings: P.kwargs) -> R:
        if roles.is_operator():
            return function(*arguments, **settings)
        try:
            return function(*arguments, **settings)
        except UserError as error:
            raise type(error)(watching.in_words(str(error))) from None

    checked.role = "visitor"  # type: ignore[attr-defined]
    return checked


class Charged(Iterator[R]):
    """Each step counts as the computing of the visit that takes it. A refused step is not lost."""

    def __init__(self, steps: Iterator[R]) -> None:
        self._steps = steps

    def __next__(self) -> R:
        return self._next()

    @visitors
    def _next(self) -> R:
        with quota.charged():
            return next(self._steps)


class OfOperator(Iterator[R]):
    """Steps that only the operator's visits may take, whoever shares the object."""

    def __init__(self, steps: Iterator[R]) -> None:
        self._steps = steps

    def __next__(self) -> R:
        if not roles.is_operator():
            watching.refuse("evaluate networks on all test sets")
        return next(self._steps)


@visitors
def shown(text: str) -> str:
    """A text as this visit may see it: a visitor sees no path of the server."""
    return text if roles.is_operator() else watching.in_words(text)

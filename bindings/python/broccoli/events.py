"""Events, and the functions that handle them."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Callable, NamedTuple

from ._read import Arrived
from .values import Val, convert, wrap

Types = Any  # a tuple of what @event takes, or Val for all arguments as they are


class Event(NamedTuple):
    """An event that has come: its arguments, and when it was made, in seconds since the epoch."""

    name: str
    args: tuple
    time: float


class Handler:
    """What is done with the events of a name. Without a function they are for who iterates."""

    def __init__(self, event_name: str, function: Callable[..., Any] | None, types: Types = ()) -> None:
        self.event_name = event_name
        self.function = function
        self.types = types

    def arguments(self, arrived: Arrived) -> tuple:
        values = [wrap(arg) for arg in arrived.args]
        types = (self.types,) * len(values) if self.types is Val else tuple(self.types) or (None,) * len(values)
        if len(types) != len(values):
            raise TypeError(f"the event {self.event_name} has {len(values)} arguments, "
                            f"and {len(types)} types were given for them")
        return tuple(convert(value, type_) for value, type_ in zip(values, types))


# What @event has declared, in order: each Connection that is made later has them.
declared: list[Handler] = []


def event(*types: Any, name: str | None = None) -> Any:
    """
    Declares a handler: @event, or @event(type of each argument, ...).

    The function is called as the event is, or name says what the event is called.
    """
    if len(types) == 1 and isinstance(types[0], FunctionType):
        return event(name=name)(types[0])

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        declared.append(Handler(name or function.__name__, function, types))
        return function

    return declare

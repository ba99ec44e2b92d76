"""Frozen values, as ``dataclasses`` and ``typing.NamedTuple`` make them, at a small part of their start-up.

Importing ``dataclasses`` and letting it write the methods of thirty classes took 25 ms of processor time, of 75 that
a whole sync has; a command that only compares must not pay that. The methods here are shared, none is written.
``typing.NamedTuple`` compiles the text of every annotation, which nobody reads, and the constructor of every class:
0.2 ms each. Type checkers see the standard library's own.

Standard library only: this module also runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import asdict, dataclass, field, fields, replace
    from typing import NamedTuple
else:
    try:
        from _collections import _tuplegetter
    except ImportError:

        def _tuplegetter(index, _doc):
            return property(lambda self: self[index])

    _NOTHING = object()

    class _Naming(type):
        """Makes a subclass of ``tuple`` of a class statement below ``NamedTuple``."""

        def __new__(cls, name, bases, namespace):
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            names = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace.pop(field) for field in names if field in namespace}
            getters = {field: _tuplegetter(index, None) for index, field in enumerate(names)}
            return type(
                name,
                (tuple,),
                {
                    **_TUPLE,
                    "__match_args__": names,
                    "_fields": names,
                    "_field_defaults": defaults,
                    **getters,
                    **namespace,
                },
            )

    class NamedTuple(metaclass=_Naming):
        """The base of a class whose annotations name the fields of a tuple."""

    def _new(cls, /, *arguments, **values):
        """Write the constructor when the first value is made: of most classes a process makes none."""
        owner = next(base for base in cls.__mro__ if "_fields" in base.__dict__)
        taken = ", ".join(("_cls", *owner._fields))
        given = "".join(f"{name}, " for name in owner._fields)
        made = eval(f"lambda {taken}: _make(_cls, ({given}))", {"_make": tuple.__new__, "__builtins__": {}})  # noqa: S307 - names of a class statement, as ``collections.namedtuple`` does it
        made.__name__ = "__new__"
        made.__defaults__ = tuple(owner._field_defaults.values())
        owner.__new__ = staticmethod(made)
        return made(cls, *arguments, **values)

    def _make(cls, iterable):
        made = tuple.__new__(cls, iterable)
        if len(made) != len(cls._fields):
            raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, got {len(made)}")
        return made

    def _replace(self, /, **values):
        made = self._make([values.pop(name, value) for name, value in zip(self._fields, self)])  # noqa: B905 - as many as there are fields
        if values:
            raise TypeError(f"{self.__class__.__name__} has no field {', '.join(values)}")
        return made

    def _asdict(self):
        return dict(zip(self._fields, self))  # noqa: B905 - as above

    def _plain_tuple(self):
        return tuple(self)

    def _show(self):
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self))  # noqa: B905 - as above
        return f"{self.__class__.__name__}({shown})"

    _TUPLE = {
        "__slots__": (),
        "__new__": _new,
        "__repr__": _show,
        "__getnewargs__": _plain_tuple,
        "__replace__": _replace,
        "_make": classmethod(_make),
        "_replace": _replace,
        "_asdict": _asdict,
    }

    class Field:
        """A field of a value: its *name*, its *default* if it has one, and where it counts."""

        __slots__ = ("compare", "default", "default_factory", "hash", "name")

        def __init__(self, default=_NOTHING, default_factory=_NOTHING, *, compare=True, hash=True):  # noqa: A002 - dataclasses' name
            self.name = ""
            self.default = default
            self.default_factory = default_factory
            self.compare = compare
            self.hash = hash and compare

    def field(*, default=_NOTHING, default_factory=_NOTHING, compare=True, hash=True):  # noqa: A002 - dataclasses' name
        """Describe a field whose default is made anew for each value, or which does not count everywhere."""
        return Field(default, default_factory, compare=compare, hash=hash)

    def dataclass(*, frozen=False, slots=False, kw_only=False):  # noqa: ARG001 - `slots` is for type checkers
        """Make a class of values: construction, comparison, hash and representation follow from its annotations."""

        def decorate(cls):
            own = {}
            for name in cls.__annotations__:
                value = cls.__dict__.get(name, _NOTHING)
                own[name] = value if isinstance(value, Field) else Field(value)
                own[name].name = name
                if isinstance(value, Field):
                    delattr(cls, name)
            cls.__value_fields__ = tuple(own.values())
            cls.__value_names__ = frozenset(own)
            cls.__value_defaults__ = {name: f.default for name, f in own.items() if f.default is not _NOTHING}
            cls.__value_factories__ = {
                name: f.default_factory for name, f in own.items() if f.default_factory is not _NOTHING
            }
            cls.__value_compared__ = tuple(name for name, f in own.items() if f.compare)
            cls.__value_hashed__ = tuple(name for name, f in own.items() if f.hash)
            cls.__match_args__ = () if kw_only else tuple(own)
            for name, method in (_FROZEN if frozen else _OPEN).items():
                if name not in cls.__dict__:
                    setattr(cls, name, method)
            return cls

        return decorate

    def _init(self, *arguments, **values):
        cls = self.__class__
        if arguments:
            names = cls.__match_args__[: len(arguments)]
            if len(names) < len(arguments) or not values.keys().isdisjoint(names):
                raise TypeError(f"{cls.__name__}() was given too many arguments, or one twice")
            values.update(zip(names, arguments))  # noqa: B905 - as many names as arguments were cut
        if not values.keys() <= cls.__value_names__:
            unknown = ", ".join(sorted(values.keys() - cls.__value_names__))
            raise TypeError(f"{cls.__name__}() got an unexpected keyword argument: {unknown}")
        state = self.__dict__
        state.update(cls.__value_defaults__)
        for name, make in cls.__value_factories__.items():
            if name not in values:
                state[name] = make()
        state.update(values)
        if len(state) != len(cls.__value_names__):
            missing = ", ".join(sorted(cls.__value_names__ - state.keys()))
            raise TypeError(f"{cls.__name__}() lacks an argument: {missing}")

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        mine, others = self.__dict__, other.__dict__
        return all(mine[name] == others[name] for name in self.__value_compared__)

    def _hash(self):
        state = self.__dict__
        return hash(tuple([state[name] for name in self.__value_hashed__]))

    def _repr(self):
        shown = ", ".join(f"{f.name}={self.__dict__[f.name]!r}" for f in self.__value_fields__)
        return f"{self.__class__.__qualname__}({shown})"

    def _refuse_set(self, name, value):  # noqa: ARG001 - the signature of __setattr__
        raise AttributeError(f"{self.__class__.__name__} is frozen: `{name}` cannot be set")

    def _refuse_delete(self, name):
        raise AttributeError(f"{self.__class__.__name__} is frozen: `{name}` cannot be deleted")

    _OPEN = {"__init__": _init, "__eq__": _eq, "__hash__": None, "__repr__": _repr}
    _FROZEN = {**_OPEN, "__hash__": _hash, "__setattr__": _refuse_set, "__delattr__": _refuse_delete}

    def fields(value):
        """Return the fields of a value or of a class of values, in their order."""
        return value.__value_fields__

    def replace(value, /, **changes):
        """Return *value* with some fields changed."""
        return value.__class__(**{**value.__dict__, **changes})

    def asdict(value):
        """Return *value* as a dict, values inside of it too."""
        return {f.name: _plain(value.__dict__[f.name]) for f in value.__value_fields__}

    def _plain(value):
        if hasattr(value, "__value_fields__"):
            return asdict(value)
        if isinstance(value, dict):
            return {key: _plain(item) for key, item in value.items()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*[_plain(item) for item in value])
        if isinstance(value, list | tuple):
            return type(value)([_plain(item) for item in value])
        return value


__all__ = ["NamedTuple", "asdict", "dataclass", "field", "fields", "replace"]

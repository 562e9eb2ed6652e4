"""The checks: one module each. `find` imports every module of this folder; there is no other list of them."""

import importlib
import inspect
import pkgutil

from gatepost.checks.base import Check


def find() -> dict[str, type[Check]]:
    """Every check, by name: the subclass of Check that each module of this folder defines."""
    found: dict[str, type[Check]] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda i: i.name):
        if info.name == "base":
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Check) and kind.__module__ == module.__name__:
                kind.name = info.name
                found[info.name] = kind
    return found

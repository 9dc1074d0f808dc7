"""All rules of the checker: the `PATTERNS` and `RULES` of every file of this folder, a file for each family or part."""

import importlib
import pkgutil

_FILES = [importlib.import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]
PATTERNS = tuple(pattern for file in _FILES for pattern in getattr(file, "PATTERNS", ()))
RULES = tuple(rule for file in _FILES for rule in getattr(file, "RULES", ()))

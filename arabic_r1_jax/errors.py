"""The two errors a person sees: one line each, no traceback.

`UserError` says what was wrong, where (file, line, key, tensor) and what to do; the command line
prints it and exits with 1. `UsageError` is the same for a command that could not be understood and
exits with 2. Everything else that is raised is a bug of ours.
"""


class UserError(Exception):
    """What went wrong with the user's input or files; `str()` is one sentence for a person."""


class UsageError(UserError):
    """The command itself was wrong: an unknown verb, option, or configuration key."""

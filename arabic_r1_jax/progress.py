"""What a person sees while a command works: bars, tables, and Arabic that reads the right way round.

Bars go to stderr, so stdout stays free for results. On a terminal a bar moves in place; in a log file or under CI it
is a plain line about every ten seconds. The arithmetic never depends on any of it: functions that report take an
optional callback, and `bar` yields one.
"""

import contextlib
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

SECONDS_BETWEEN_LINES = 10.0
_LRM, _RLM, _RLI, _PDI = "\u200e", "\u200f", "\u2067", "\u2069"


class Bar:
    """The callback that `bar` yields.

    `update(n)` says that n more are done; keyword arguments are shown behind the bar (`update(1, loss=0.31)`).
    `update.to(done, total)` says how many are done in all, for work that counts by itself.
    """

    def __init__(self, description: str, total: float | None, show: Callable[["Bar"], None]):
        self.description, self.total, self.done = description, total, 0.0
        self._show, self._started, self._fields = show, time.monotonic(), {}
        self._first: tuple[float, float] | None = None  # when something was first done, and how much

    def __call__(self, n: float = 1, **fields: object) -> None:
        self.to(self.done + n, **fields)

    def to(self, done: float, total: float | None = None, **fields: object) -> None:
        self.done, self.total = done, self.total if total is None else total
        self._fields |= fields
        if self._first is None and done > 0:
            self._first = time.monotonic(), done
        self._show(self)

    @property
    def fields(self) -> str:
        """What was last reported beside the count: "loss 0.3125, rows 12"."""
        return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in self._fields.items())

    @property
    def seconds_left(self) -> float | None:
        """At the pace since something was first done: before that, a program compiled or an old run was restored."""
        if self.total is None or self._first is None or self.done <= self._first[1]:
            return None
        since, before = self._first
        return (time.monotonic() - since) * (self.total - self.done) / (self.done - before)

    def line(self) -> str:
        """The bar as one line of a log: "Training: 120 of 450, 33 s left, loss 0.3125"."""
        parts = [f"{self.description}: {self.done:,.0f}" + (f" of {self.total:,.0f}" if self.total else "")]
        if self.total and self.done >= self.total:
            parts.append(f"{time.monotonic() - self._started:.0f} s")
        elif (left := self.seconds_left) is not None:
            parts.append(f"{left:.0f} s left")
        return ", ".join([*parts, self.fields] if self.fields else parts)


@contextlib.contextmanager
def bar(
    description: str, total: float | None = None, stream: TextIO | None = None, shown: bool = True
) -> Iterator[Bar]:
    """Show progress towards `total` (None: unknown yet) on `stream` (stderr) while the block runs.

    shown: False for one of several processes that is not to speak.
    """
    if not shown:
        yield Bar(description, total, lambda update: None)
        return
    stream = sys.stderr if stream is None else stream
    kind = _moving_bar if stream.isatty() else _lines
    with kind(description, total, stream) as update:
        yield update


@contextlib.contextmanager
def _lines(description: str, total: float | None, stream: TextIO) -> Iterator[Bar]:
    last, told = time.monotonic(), None  # when a line was printed, and how much was done then

    def show(update: Bar) -> None:
        nonlocal last, told
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last, told = time.monotonic(), update.done
            print(update.line(), file=stream, flush=True)

    update = Bar(description, total, show)
    yield update
    if update.done != told:
        print(update.line(), file=stream, flush=True)


@contextlib.contextmanager
def _moving_bar(description: str, total: float | None, stream: TextIO) -> Iterator[Bar]:
    from rich import progress as rich
    from rich.console import Console

    left = rich.TimeRemainingColumn(elapsed_when_finished=True)
    columns = ("{task.description}", rich.BarColumn(), rich.TaskProgressColumn(), left, "{task.fields[fields]}")
    with rich.Progress(*columns, console=Console(file=stream)) as shown:
        task = shown.add_task(description, total=total, fields="")
        yield Bar(description, total, lambda u: shown.update(task, completed=u.done, total=u.total, fields=u.fields))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], stream: TextIO | None = None) -> None:
    """Print a table to `stream` (stdout); numbers are set to the right, everything else to the left."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    stream = sys.stdout if stream is None else stream
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*map(_cell, row))
    width = None if stream.isatty() else 120  # a log has no width of its own
    Console(file=stream, width=width, markup=False, emoji=False, highlight=False).print(shown)


def _cell(value: object) -> str:
    """One cell; LRM around an Arabic one keeps a terminal with bidi from drawing the next column's digits into it."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return f"{_LRM}{text}{_LRM}" if is_rtl(text) else text


def is_rtl(text: str) -> bool:
    """Whether most letters of `text` are of a right-to-left script."""
    kinds = [unicodedata.bidirectional(letter) for letter in text]
    return sum(kind in ("R", "AL") for kind in kinds) > kinds.count("L")


def rtl(text: str) -> str:
    """`text` for a terminal: if it is mostly Arabic, each line is marked as a right-to-left paragraph; else unchanged.

    The letters stay in reading order. To reverse them for terminals that cannot do so themselves would come out
    backwards in every terminal that can, in every editor, and in whatever is copied or piped onwards. What a terminal
    that can does lack is the direction of a line that begins with a bullet, a digit or a Latin word: it guesses from
    the first letter. RLM in front settles that guess; the isolate (RLI to PDI) keeps the order inside the line
    where the terminal sets every line left to right regardless. Both are invisible and have no width.
    """
    if not is_rtl(text):
        return text
    return "\n".join(f"{_RLM}{_RLI}{line}{_PDI}" if line.strip() else line for line in text.split("\n"))


def isolated(text: str) -> str:
    """`text` as a right-to-left island in a left-to-right line: it reads properly, and so does what is around it."""
    return f"{_RLI}{text}{_PDI}"

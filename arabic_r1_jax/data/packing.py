"""Which tokens stand in which row: a plan over the corpus's length table, made before any token is read.

In: a corpus's tables, shares, a seed. Out: a `RowPlan`; `data.pipeline` gathers its rows by random access. The plan
of n rows is the beginning of the plan of more rows, so row i is a pure function of (corpus, shares, seq, seed, i), and
a run resumes from one integer.

A row of `seq` positions holds pieces of one stream. A piece of size m fills m positions with inputs t[0..m-1] and
targets t[1..m]: m + 1 tokens, the last of which is only a target. A record is one piece; a document is cut into pieces
that overlap by one token. So every target has its own input in the same segment, and no target crosses a border.

    seq 8   row:  |a0 a1 a2 a3 a4|b0 b1|--|      example a: 6 tokens, size 5; example b: 3 tokens, size 2
            targets a1 a2 a3 a4 a5  b1 b2
"""

import itertools
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from zlib import crc32

import numpy as np

from arabic_r1_jax.data.corpus import Corpus
from arabic_r1_jax.data.mixture import Stream, serve
from arabic_r1_jax.errors import UserError

Part = tuple[int, int, int]  # (piece, first position taken, positions taken)
SCRAP = 16  # a document is not cut for the sake of less than a sixteenth of a row
OPEN_ROWS = 256  # rows that best fit chooses among; more fill rows better and delay them longer


@dataclass(frozen=True, eq=False)
class Pieces:
    """Parts of examples, each to stand in one row. All arrays [pieces], int32."""

    example: np.ndarray  # index into the corpus
    start: np.ndarray  # first token
    size: np.ndarray  # positions filled; the piece reads size + 1 tokens

    def __getitem__(self, index: object) -> "Pieces":
        return Pieces(self.example[index], self.start[index], self.size[index])


def concatenate(parts: Sequence[Pieces]) -> Pieces:
    """The pieces of `parts` one after the other."""
    return Pieces(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pieces)))


@dataclass(frozen=True, eq=False)
class RowPlan:
    """The rows of a run. Row i holds `pieces[begin[i] : begin[i + 1]]`, side by side from position 0."""

    seq: int
    streams: tuple[Stream, ...]
    stream: np.ndarray  # int16 [rows], index into `streams`
    begin: np.ndarray  # int64 [rows + 1]
    pieces: Pieces

    def __len__(self) -> int:
        return len(self.stream)

    def tokens(self, first: int = 0, stop: int | None = None) -> dict[Stream, int]:
        """Filled positions of rows first..stop-1 by (language, category); streams without any are left out."""
        stop = len(self) if stop is None else stop
        of_pieces = np.repeat(self.stream[first:stop], np.diff(self.begin[first : stop + 1]))
        size = self.pieces.size[self.begin[first] : self.begin[stop]]
        counts = np.bincount(of_pieces, weights=size, minlength=len(self.streams))
        return {stream: int(count) for stream, count in zip(self.streams, counts, strict=True) if count}

    @property
    def utilisation(self) -> float:
        """Share of all positions that are filled."""
        return float(self.pieces.size.sum(dtype=np.int64) / max(1, len(self) * self.seq))


def cut(corpus: Corpus, seq: int, wanted: np.ndarray) -> Pieces:
    """Pieces of at most `seq` positions of the examples `wanted` (int [n]): documents cut, everything else whole.

    Raises `UserError` naming the first example that may not be cut and is too long.
    """
    size = corpus.length[wanted] - 1
    too_long = corpus.whole[wanted] & (size > seq)
    if too_long.any():
        first = int(wanted[too_long.argmax()])
        raise UserError(
            f"{corpus[first].where}: takes {corpus.length[first] - 1} tokens and a row holds {seq}, as for "
            f"{too_long.sum()} of the {len(wanted)} examples; raise train.seq or shorten them (they are never cut)"
        )
    count = -(-size // seq)  # [n] pieces of each example
    example = np.repeat(wanted, count)
    nth = np.arange(len(example)) - np.repeat(np.cumsum(count) - count, count)
    start = nth * seq
    return Pieces(*(a.astype(np.int32) for a in (example, start, np.minimum(seq, corpus.length[example] - 1 - start))))


def shuffled(n: int, seed: int, stream: Stream) -> Iterator[int]:
    """0..n-1 in a new order each pass, without end; the same on every machine and with every release of NumPy.

    NumPy promises a stable stream of raw bits, and no stable `permutation`.
    """
    name = crc32("\0".join(stream).encode())
    for epoch in itertools.count():
        keys = np.random.Philox(key=np.array([seed, name << 32 | epoch], np.uint64)).random_raw(n)
        yield from np.argsort(keys, kind="stable").tolist()


def best_fit(
    size: np.ndarray, may_cut: np.ndarray, order: Iterator[int], seq: int, open_rows: int = OPEN_ROWS
) -> Iterator[list[Part]]:
    """Pack pieces, taken in `order`, into rows of `seq` positions; yield each row when it is closed.

    A piece goes to the open row in which it leaves the least room, O(log open_rows) a piece. A row is closed when no
    piece fits it any more. When nothing has room and `open_rows` rows are open, the fullest is closed: a piece that
    may be cut fills it with its head and goes on with its tail, unless there is room for a scrap only.

    Args:
        size: positions of each piece, int [pieces], at most `seq`.
        may_cut: bool [pieces].
    """
    sizes, cuttable, smallest = size.tolist(), may_cut.tolist(), int(size.min())
    room: list[tuple[int, int]] = []  # (free positions, row number), ascending
    rows: dict[int, list[Part]] = {}
    numbers = itertools.count()
    for piece in order:
        start, left = 0, sizes[piece]
        while left:
            at = bisect_left(room, (left,))
            if at == len(room) == open_rows and seq - left >= smallest:  # a new row would stay open: one too many
                free, row = room.pop(0)
                if cuttable[piece] and free >= seq // SCRAP:
                    rows[row].append((piece, start, free))
                    start, left = start + free, left - free
                yield rows.pop(row)
                continue
            free, row = room.pop(at) if at < len(room) else (seq, next(numbers))
            rows.setdefault(row, []).append((piece, start, left))
            free, left = free - left, 0
            if free < smallest:
                yield rows.pop(row)
            else:
                insort(room, (free, row))


def _stream_rows(corpus: Corpus, seq: int, seed: int, stream: Stream) -> tuple[Iterator[int], Iterator[Pieces]]:
    """The rows of one stream, without end, and the tokens of each, as two iterators over the same sequence."""
    pieces = cut(corpus, seq, np.flatnonzero(corpus.stream == corpus.streams.index(stream)))
    may_cut = ~corpus.whole[pieces.example]

    def rows() -> Iterator[Pieces]:
        for parts in best_fit(pieces.size, may_cut, shuffled(len(pieces.size), seed, stream), seq):
            piece, start, size = np.array(parts, np.int32).T
            yield Pieces(pieces.example[piece], pieces.start[piece] + start, size)

    ahead, served = itertools.tee(rows())
    return (int(row.size.sum()) for row in ahead), served


def plan(corpus: Corpus, shares: Mapping[Stream, float], *, seq: int, rows: int, seed: int = 0) -> RowPlan:
    """Plan `rows` rows of `seq` positions whose tokens are divided among the streams by `shares`.

    A stream that runs out starts again in a new order. Streams of the corpus without a share are left out.

    Raises `UserError` for a record or conversation longer than a row (in a stream with a share).
    """
    streams = tuple(stream for stream in corpus.streams if shares.get(stream, 0) > 0)
    if len(streams) != sum(share > 0 for share in shares.values()):
        raise UserError(f"mixture: the data holds {corpus.streams}, but shares are asked for {tuple(shares)}")
    sizes, sources = zip(*(_stream_rows(corpus, seq, seed, stream) for stream in streams), strict=True)
    total = sum(shares[stream] for stream in streams)
    order = list(itertools.islice(serve(sizes, [shares[stream] / total for stream in streams]), rows))
    chosen = [next(sources[i]) for i in order]
    begin = np.cumsum([0, *(len(row.size) for row in chosen)])
    return RowPlan(seq, streams, np.array(order, np.int16), begin, concatenate(chosen))

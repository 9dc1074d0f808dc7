"""Batches of packed rows for the trainer, served by Grain from a corpus and a plan.

The whole state of the data is the number of the next row: `batches(..., start_row=r)` yields what an uninterrupted
run would yield from row r on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grain
import numpy as np

from arabic_r1_jax.data.corpus import Corpus
from arabic_r1_jax.data.packing import RowPlan


def gather(corpus: Corpus, plan: RowPlan, rows: Sequence[int], pad_id: int) -> dict[str, np.ndarray]:
    """The given rows of the plan as a batch (see `batches`), read from the corpus in one go."""
    pieces = plan.pieces[np.concatenate([np.arange(plan.begin[row], plan.begin[row + 1]) for row in rows])]
    shape = (len(rows), plan.seq)
    batch = {
        "tokens": np.full(shape, pad_id, np.int32),
        "targets": np.full(shape, pad_id, np.int32),
        "segment_ids": np.zeros(shape, np.int32),
        "positions": np.zeros(shape, np.int32),
        "phase": np.zeros(shape, np.int8),
    }
    read = zip(corpus.read(pieces.example), pieces.start.tolist(), pieces.size.tolist(), strict=True)
    for i, row in enumerate(rows):
        at = 0
        for segment in range(1, plan.begin[row + 1] - plan.begin[row] + 1):
            example, start, size = next(read)
            to = (i, slice(at, at + size))
            batch["tokens"][to] = example.tokens[start : start + size]
            batch["targets"][to] = example.tokens[start + 1 : start + 1 + size]
            batch["phase"][to] = example.phase[start + 1 : start + 1 + size]
            batch["segment_ids"][to] = segment
            batch["positions"][to] = np.arange(size)
            at += size
    return batch


@dataclass(frozen=True, eq=False)
class Batches:
    """Random access for Grain: batch k holds rows start_row + k * batch and following, a pure function of k.

    It pickles, so Grain may gather in any number of processes.
    """

    corpus: Corpus
    plan: RowPlan
    batch: int
    pad_id: int
    start_row: int

    def __len__(self) -> int:
        return max(0, len(self.plan) - self.start_row) // self.batch

    def __getitem__(self, k: int) -> dict[str, np.ndarray]:
        first = self.start_row + k * self.batch
        return gather(self.corpus, self.plan, range(first, first + self.batch), self.pad_id)


def batches(
    corpus: Corpus, plan: RowPlan, batch: int, *, pad_id: int, start_row: int = 0
) -> Iterator[dict[str, np.ndarray]]:
    """Iterate over the plan's rows in order, `batch` at a time, from `start_row` to the last whole batch.

    Two threads of this process gather ahead; that gives millions of tokens a second.

    Args:
        pad_id: token of the positions that no example fills.
        start_row: first row served.

    Yields dicts of arrays [B, T], where B = batch and T = plan.seq:
        tokens int32, targets int32: the inputs, and the token that follows each in its own segment;
        segment_ids int32: 1, 2, ... for the examples of a row, 0 for padding;
        positions int32: 0, 1, ... within each segment;
        phase int8: what each target counts towards (`data.examples`), 0 where it does not count.
    """
    source = grain.MapDataset.source(Batches(corpus, plan, batch, pad_id, start_row))
    return iter(source.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)))

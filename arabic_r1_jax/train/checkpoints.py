"""A run's checkpoints: adapter, optimiser, step and the state of the data, kept by Orbax.

    out/checkpoints/400/{state,data}/     state: the `TrainState`; data: {"next_row": 3200}

Saving is asynchronous: a process killed in the middle leaves a temporary folder that is never listed. A step whose
files were lost afterwards is still listed and fails on reading, so `restore` falls back to the step before it.
Several processes write one checkpoint, each its own shards, and any number of them reads it.
"""

import logging
import os
from pathlib import Path

import jax
import orbax.checkpoint as ocp
from etils import epath

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.parallel import processes
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.train.step import TrainState

KEEP = 2


class Checkpoints:
    """The checkpoints of one run; close it to wait for the last one."""

    def __init__(self, folder: Path):
        self.folder = epath.Path(os.fspath(as_path(folder).resolve()))
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax reports every file it touches
        options = ocp.CheckpointManagerOptions(max_to_keep=KEEP, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def save(self, step: int, state: TrainState, next_row: int) -> None:
        """Start writing step `step`; returns before it is on disk."""
        data = ocp.args.JsonSave({"next_row": next_row})
        self._manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(state), data=data))

    def restore(self, like: TrainState) -> tuple[TrainState, int] | None:
        """The newest readable checkpoint and the next row of its data; None when there is none.

        `like` gives structure, dtypes and shardings. Raises `UserError` when checkpoints exist and none can be read.
        """
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
        steps = processes.from_first(lambda: sorted(self._manager.all_steps(), reverse=True))
        for number, step in enumerate(steps):
            found = self._read(step, abstract)
            if not all(processes.exchange(found is not None)):
                continue
            for damaged in steps[:number]:  # still listed, they would keep Orbax from saving these steps again
                self._manager.delete(damaged)
            return found
        if steps:
            raise UserError(f"{self.folder}: none of the checkpoints {sorted(steps)} can be read; train anew elsewhere")
        return None

    def _read(self, step: int, abstract: TrainState) -> tuple[TrainState, int] | None:
        """One checkpoint, or None when this process cannot read its part; then the others must not wait for it.

        Hence the handlers by themselves: the manager lets every process wait for all.
        """
        folder = self.folder / str(step)
        try:
            state = ocp.StandardCheckpointHandler().restore(folder / "state", args=ocp.args.StandardRestore(abstract))
            data = ocp.JsonCheckpointHandler().restore(folder / "data", args=ocp.args.JsonRestore())
        except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged folder
            logging.getLogger(__name__).warning("checkpoint %d of %s is damaged: %s", step, self.folder, error)
            return None
        return state, data["next_row"]

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()

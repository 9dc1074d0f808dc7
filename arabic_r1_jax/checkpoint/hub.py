"""A model repository of the Hugging Face Hub as a checkpoint, without ever lying whole on the disk.

Headers come by range requests, so that everything is checked before any weight is fetched. A shard is fetched when a
tensor of it is first read; the last two that were opened are kept (a weight and its scales may lie in neighbours) and
older ones removed. Read in the order of `specs`, each shard is fetched once.
"""

import collections
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import hf, shards
from arabic_r1_jax.checkpoint.shards import DTYPES, Spec
from arabic_r1_jax.errors import UserError

KEPT = 2
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w.-]+)?")
_T = TypeVar("_T")


def is_hub_id(source: str | Path) -> bool:
    """Whether `source` names a repository ("owner/name", "owner/name@revision") and no folder that is here."""
    return _ID.fullmatch(str(source)) is not None and not Path(source).exists()


def open_repository(source: str | Path) -> hf.Tensors:
    """A repository's tensors, each shard fetched when it is first read.

    Its small files, and the shards while they are needed, lie in a folder of the system's temporary one (TMPDIR),
    the same for the same revision, so that a broken transfer goes on. Raises `UserError` when the package
    huggingface_hub is missing, the Hub cannot be reached, or the repository is no safetensors model.
    """
    hub = _library()
    repo, _, revision = str(source).partition("@")
    api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    info = _asking(repo, lambda: api.model_info(repo, revision=revision or None))
    names = {sibling.rfilename for sibling in info.siblings or ()}
    key = hashlib.sha256(f"{repo}@{info.sha}".encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"arabic-r1-{repo.replace('/', '--')}-{key}"
    folder.mkdir(exist_ok=True)

    def fetch(name: str) -> Path:
        return Path(
            _asking(
                f"{repo}: {name}",
                lambda: hub.hf_hub_download(repo, name, revision=info.sha, local_dir=folder, endpoint=api.endpoint),
            )
        )

    for name in ("config.json", hf.INDEX, *hf.COMPANIONS):
        if name in names:
            fetch(name)
    config = hf.read_config(folder)
    files = hf.read_index(folder / hf.INDEX) if hf.INDEX in names else {}
    wanted = sorted(set(files.values())) or [hf.SINGLE]
    if missing := [name for name in wanted if name not in names]:
        raise UserError(f"{repo} holds no {missing[0]}; only safetensors models are read")
    specs, place, largest = {}, {}, 0
    for name in wanted:
        header = _asking(
            f"{repo}: {name}", lambda n=name: api.parse_safetensors_file_metadata(repo, n, revision=info.sha)
        )
        for tensor, about in sorted(header.tensors.items(), key=lambda item: item[1].data_offsets[0]):
            if about.dtype not in DTYPES:
                raise UserError(f"{repo}: {name}: tensor {tensor} has the unknown dtype {about.dtype}")
            if tensor in specs or (files and files.get(tensor) != name):
                raise UserError(f"{repo}: {name} holds tensor {tensor}, which {hf.INDEX} does not place there")
            specs[tensor], place[tensor] = Spec(DTYPES[about.dtype], tuple(about.shape)), name
        largest = max(largest, max((about.data_offsets[1] for about in header.tensors.values()), default=0))
    if lost := sorted(files.keys() - specs.keys()):
        raise UserError(f"{repo}: {files[lost[0]]} lacks tensor {lost[0]}, which {hf.INDEX} says is there")
    artifacts.check_room(folder, (KEPT + 1) * largest)
    window = _Window(fetch, folder)
    return hf.Tensors(
        folder, config, specs, lambda tensor: window.shard(place[tensor]).read(tensor), f"{repo}@{info.sha}"
    )


class _Window:
    """The shards that are on the disk, oldest first."""

    def __init__(self, fetch: Callable[[str], Path], folder: Path):
        self._fetch, self._folder, self._lock = fetch, folder, threading.Lock()
        self._open: collections.OrderedDict[str, shards.Shard] = collections.OrderedDict()

    def shard(self, name: str) -> shards.Shard:
        with self._lock:
            if name not in self._open:
                self._open[name] = shards.Shard(self._fetch(name))
                while len(self._open) > KEPT:
                    old, _ = self._open.popitem(last=False)
                    (self._folder / old).unlink()  # what is mapped of it stays readable
            return self._open[name]


def _library():
    try:
        import huggingface_hub
    except ImportError:
        raise UserError("a Hub id needs the package huggingface_hub: pip install huggingface_hub") from None
    return huggingface_hub


def _asking(what: str, call: Callable[[], _T]) -> _T:
    """`call()`, whatever goes wrong on the way to the Hub as one line."""
    try:
        return call()
    except Exception as error:  # the library's errors and those of the HTTP library below it share no base class
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{what}: the Hub does not give it ({reason}); the same command goes on from here") from error

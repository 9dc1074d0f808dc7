"""A corpus on disk: examples tokenised once, stored as a TFDS ArrayRecord dataset with a table of their lengths.

In: JSONL files and a tokenizer. Out: a folder

    manifest.json          kind "corpus": inputs by sha256, tokenizer, prefix policy, tokens by language and category
    tables.npz             length, stream and cut permission of every example, in stored order
    arabic_r1_corpus/      the TFDS dataset; also opens with `tfds.builder_from_directory`, without TensorFlow

The planner (`data.mixture`, `data.packing`) reads the tables only; rows are gathered by random access.
"""

import contextlib
import io
import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from arabic_r1_jax import artifacts
from arabic_r1_jax.data.examples import NO_LOSS, Example, read_examples
from arabic_r1_jax.data.prefix import DEFAULT, Prefix
from arabic_r1_jax.data.tokenizers import Tokenizer
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.paths import as_path, local_copy, remove_tree

FORM = 1  # raised when the stored form changes, so that old corpora are built again
BLOCK = 8192  # longest stored piece of a document, in targets: bounds what one random access reads
_TABLES = "tables.npz"


class ArabicR1Corpus(tfds.core.GeneratorBasedBuilder):
    """Token ids and target phases of documents, four-phase records and conversations."""

    VERSION = tfds.core.Version("1.0.0")
    # No checksums of downloads stand beside this file. Looking for them, TFDS 4.9 imports importlib_resources, which
    # it does not declare.
    code_path = None

    def __init__(self, *, examples: Iterable[Example] = (), **kwargs: object):
        self._examples = examples
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        text, raw = tfds.features.Text, tfds.features.Encoding.BYTES  # raw reads 5 times as fast as a list of integers
        features = {
            "id": text(),
            "lang": text(),
            "category": text(),
            "where": text(),
            "whole": tfds.features.Scalar(np.bool_),
            "tokens": tfds.features.Tensor(shape=(None,), dtype=np.int32, encoding=raw),
            "phase": tfds.features.Tensor(shape=(None,), dtype=np.int8, encoding=raw),
        }
        # Keys are row numbers; without shuffling TFDS stores examples in that order, and the tables can follow it.
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager: object) -> dict[str, Iterator[tuple[int, dict]]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict]]:
        for number, example in enumerate(self._examples):
            yield number, vars(example)


@dataclass(frozen=True)
class Corpus:
    """An opened corpus. Index i means the same example in every table and in `corpus[i]`.

    A document of more than `BLOCK` targets is stored as several examples that overlap by one token, so that every
    token but the first is a target exactly once.
    """

    folder: Path
    streams: tuple[tuple[str, str], ...]  # (language, category) pairs, sorted
    length: np.ndarray  # int32 [examples], tokens
    stream: np.ndarray  # int16 [examples], index into `streams`
    whole: np.ndarray  # bool [examples], False: may be cut at the length of a row
    source: Sequence[bytes]  # serialised tf.train.Example

    def __len__(self) -> int:
        return len(self.length)

    def __getitem__(self, i: int) -> Example:
        return self.read([i])[0]

    def read(self, indices: Sequence[int]) -> list[Example]:
        """The examples at `indices`, fetched in one go."""
        return [_parse(row) for row in self.source.__getitems__([int(i) for i in indices])]

    def targets(self) -> dict[tuple[str, str], int]:
        """Positions that a pass over the corpus fills, by (language, category): one less than tokens per example."""
        counts = np.bincount(self.stream, weights=self.length - 1, minlength=len(self.streams))
        return {stream: int(count) for stream, count in zip(self.streams, counts, strict=True)}


def _parse(row: bytes) -> Example:
    """Read a serialised example; a tenth of the time that the generic decoder of TFDS takes."""
    feature = tf_example_pb2.Example.FromString(row).features.feature
    first = {key: feature[key].bytes_list.value[0] for key in ("id", "lang", "category", "where", "tokens", "phase")}
    return Example(
        tokens=np.frombuffer(first.pop("tokens"), np.int32),
        phase=np.frombuffer(first.pop("phase"), np.int8),
        whole=bool(feature["whole"].int64_list.value[0]),
        **{key: text.decode() for key, text in first.items()},
    )


def _blocks(example: Example) -> Iterator[Example]:
    """The example, or its blocks when it is a document longer than `BLOCK` targets."""
    if example.whole or len(example.tokens) <= BLOCK + 1:
        yield example
        return
    for start in range(0, len(example.tokens) - 1, BLOCK):
        cut = slice(start, start + BLOCK + 1)
        yield replace(example, tokens=example.tokens[cut], phase=example.phase[cut])


@dataclass
class _Tables:
    """What is noted down about every example while it passes on its way to disk."""

    progress: Callable[[int], None] | None

    def __post_init__(self):
        self.length, self.stream, self.whole = [], [], []
        self.trained: Counter[tuple[str, str]] = Counter()

    def note(self, examples: Iterable[Example]) -> Iterator[Example]:
        for example in examples:
            stream = (example.lang, example.category)
            self.length.append(len(example.tokens))
            self.stream.append(stream)
            self.whole.append(example.whole)
            self.trained[stream] += int((example.phase[1:] != NO_LOSS).sum())
            if self.progress:
                self.progress(len(self.length))
            yield example

    def save(self, folder: Path) -> list[dict]:
        """Write the tables; return the counts of each stream for the manifest."""
        names = sorted(set(self.stream))
        code = {name: index for index, name in enumerate(names)}
        stream = np.array([code[name] for name in self.stream], np.int16)
        length = np.array(self.length, np.int32)
        np.savez(folder / _TABLES, length=length, stream=stream, whole=np.array(self.whole, bool))
        return [
            {"lang": lang, "category": category, "examples": int((stream == i).sum()),
             "tokens": int(length[stream == i].sum()), "trained": self.trained[lang, category]}
            for i, (lang, category) in enumerate(names)
        ]  # fmt: skip


def _write_dataset(examples: Iterable[Example], folder: Path) -> None:
    builder = ArabicR1Corpus(data_dir=folder, file_format="array_record", examples=examples)
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):  # TFDS announces a download that does not take place
        builder.download_and_prepare()
    shutil.rmtree(folder / "downloads", ignore_errors=True)


def _discard_stale(folder: Path, identity: dict) -> bool:
    """True when `folder` already holds this very corpus; a corpus of other inputs is a stale cache and is removed."""
    manifest = artifacts.read_manifest(folder)
    if manifest is None or manifest["kind"] != "corpus":
        return False  # `staged` refuses a folder that holds something else
    if all(manifest.get(key) == value for key, value in identity.items()):
        return True
    remove_tree(folder)
    return False


def build(
    paths: Sequence[Path],
    tok: Tokenizer,
    folder: Path,
    prefix: Prefix = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Tokenise JSONL files into a corpus folder, unless it holds the corpus of these files, tokenizer and policy.

    Args:
        paths: .jsonl or .jsonl.zst files of documents, records or conversations (`data.examples`).
        prefix: whether prompts open the think block (`data.prefix`).
        progress: called with the number of examples stored so far.

    Returns `folder`. Raises `UserError` with file and line for a bad row, and when there is no row at all; then
    nothing is left behind.
    """
    folder = as_path(folder)
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path} is not a file; name JSONL files of documents, records or conversations")
    identity = {
        "form": FORM,
        "inputs": [{"path": str(path), "sha256": artifacts.sha256(path)} for path in paths],
        "tokenizer": tok.sha256,
        "prefix": prefix,
    }
    if _discard_stale(folder, identity):
        return folder
    tables = _Tables(progress)
    with artifacts.staged(folder) as temporary:
        blocks = (block for example in read_examples(paths, tok, prefix) for block in _blocks(example))
        first = next(blocks, None)
        if first is None:
            raise UserError(f"there is nothing to learn from in {', '.join(map(str, paths))}: no rows")
        _write_dataset(tables.note(itertools.chain([first], blocks)), temporary)
        artifacts.write_manifest(temporary, "corpus", **identity, streams=tables.save(temporary))
    return folder


def open(folder: Path) -> Corpus:
    """Open a corpus for random access. Raises `UserError` when `folder` is not a finished corpus."""
    folder = as_path(folder)
    manifest = artifacts.read_manifest(folder)
    if manifest is None or manifest["kind"] != "corpus":
        raise UserError(f"{folder} is not a corpus (its manifest.json does not say so); build one from JSONL files")
    folder = local_copy(folder, artifacts.sha256(folder / artifacts.MANIFEST).encode())
    with np.load(folder / _TABLES) as tables:
        length, stream, whole = tables["length"], tables["stream"], tables["whole"]
    dataset = folder / ArabicR1Corpus.name / str(ArabicR1Corpus.VERSION)
    source = tfds.builder_from_directory(dataset).as_data_source(
        split="train", deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
    )
    streams = tuple((counts["lang"], counts["category"]) for counts in manifest["streams"])
    return Corpus(folder, streams, length, stream, whole, source)

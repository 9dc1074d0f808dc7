"""Batched generation and scoring of token sequences.

Comes in: a `LanguageModel` and lists of ids of any lengths. Goes out: completions, or log-probabilities, in the order
asked. Prompts are batched by length and padded to few widths, so a run compiles a handful of programs; one program
prefills, then decodes in a single `while_loop` until every row has stopped. Where the mesh lies on several processes,
each is asked the same and is given all answers.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array, lax
from jax.sharding import Mesh

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.cache import Cache, decode, prefill
from arabic_r1_jax.infer.language_model import ROWS, LanguageModel, resident
from arabic_r1_jax.parallel.mesh import sharding
from arabic_r1_jax.parallel.processes import gather

Progress = Callable[[int], None]  # told, after each batch, how many items are done


@dataclass
class Generation:
    """One completion: its ids without the prompt and the stop id; "length" when no stop id came in time."""

    ids: list[int]
    finish_reason: str


def generate(
    lm: LanguageModel,
    texts_or_ids: str | Sequence[str] | Sequence[Sequence[int]],
    *,
    max_new_tokens: int = 256,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str] | list[list[int]]:
    """Complete texts (returns texts) or lists of ids (returns lists of ids), until the end-of-sentence token.

    A text is encoded after the begin-of-sentence token; chat formatting is the caller's (`data.tokenizers`).
    One text alone is a list of one. temperature 0 takes the likeliest token. Raises `UserError` for texts when the
    model has no tokenizer.
    """
    texts_or_ids = [texts_or_ids] if isinstance(texts_or_ids, str) else texts_or_ids
    tokenizer, texts = lm.tokenizer, len(texts_or_ids) > 0 and isinstance(texts_or_ids[0], str)
    if texts and tokenizer is None:
        raise UserError(f"{lm.source or 'this model'} has no tokenizer; pass token ids, or add tokenizer.json")
    prompts = [[tokenizer.bos_id, *tokenizer.encode(text)] for text in texts_or_ids] if texts else texts_or_ids
    eos = tokenizer.eos_id if tokenizer else lm.config.eos_token_id
    options = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    done = generate_ids(lm, prompts, stop_ids=set() if eos is None else {eos}, **options)
    return [tokenizer.decode(g.ids) for g in done] if texts else [g.ids for g in done]


def generate_ids(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch: int = 64,
    stop_ids: Iterable[int] = (),
    progress: Progress | None = None,
) -> list[Generation]:
    """Complete each prompt with up to `max_new_tokens` ids, `batch` prompts at a time; order is kept.

    temperature 0 is greedy; else ids are drawn from softmax(logits / temperature) with numbers that depend on `seed`
    and the prompt's place in `prompts` only. Raises `UserError` for an empty prompt or one that, completed, would be
    longer than the model's positions.
    """
    _check(lm, prompts, max_new_tokens)
    stops = np.array(sorted(stop_ids) or [-1], np.int32)
    results: list[Generation | None] = [None] * len(prompts)
    for places in _batches([len(prompt) for prompt in prompts], batch):
        rows = _rows(len(places), batch, len(prompts), lm.mesh.size)
        width = bucket(max(len(prompts[i]) for i in places))
        ids, pad, row_of = np.zeros((rows, width), np.int32), np.full(rows, width - 1, np.int32), np.full(rows, -1)
        for row, i in enumerate(places):
            pad[row], row_of[row] = width - len(prompts[i]), i
            ids[row, pad[row] :] = prompts[i]
        program = _generate(lm.graph, lm.mesh, lm.dtype, max_new_tokens, temperature > 0)
        arrays = [lm.place(a) for a in (ids, pad, row_of.astype(np.int32))]
        out = gather(program(lm.state, *arrays, stops, jax.random.key(seed), jnp.float32(temperature)))
        for row, i in enumerate(places):
            results[i] = _cut(out[row], stops)
        if progress:
            progress(sum(result is not None for result in results))
    return results


def _check(lm: LanguageModel, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    limit = lm.config.max_position_embeddings
    if max_new_tokens < 1:
        raise UserError(f"max_new_tokens is {max_new_tokens}; it must be at least 1")
    for i, prompt in enumerate(prompts):
        if len(prompt) == 0:
            raise UserError(f"prompt {i} is empty; it needs at least the begin-of-sentence token")
        lm.check_ids(prompt, f"prompt {i}")
        if len(prompt) + max_new_tokens > limit:
            raise UserError(
                f"prompt {i} has {len(prompt)} tokens and {max_new_tokens} more are asked for, but the model has "
                f"{limit} positions; shorten the prompt or lower max_new_tokens"
            )


def bucket(length: int) -> int:
    """The padded width for a length: the next of 16, 24, 32, 48, 64, 96, ..., so that few programs are compiled."""
    width = 16
    while width < length:
        width += width // 2 if width & (width - 1) == 0 else width // 3
    return width


def _batches(lengths: Sequence[int], batch: int) -> list[list[int]]:
    """Item numbers, shortest first, in lists of up to `batch`."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def _rows(items: int, batch: int, total: int, devices: int) -> int:
    """Rows of a batch of `items`: the full batch's when there are several batches; a multiple of the devices."""
    rows = batch if total > batch else items
    return rows + -rows % devices


def _cut(ids: np.ndarray, stops: np.ndarray) -> Generation:
    (found,) = np.nonzero(np.isin(ids, stops))
    if found.size:
        return Generation(ids[: found[0]].tolist(), "stop")
    return Generation(ids.tolist(), "length")


class _Loop(NamedTuple):
    """The state of decoding."""

    made: Array  # i32 []: tokens made so far, at least 1
    token: Array  # i32 [B]: each row's last token, not yet run
    done: Array  # bool [B]: rows that stopped, or that only fill the batch
    out: Array  # i32 [B, max_new_tokens]
    cache: Cache


@functools.cache
def _generate(graph: nnx.GraphDef, mesh: Mesh, dtype, new: int, sample: bool) -> jax.stages.Wrapped:
    """The program (state, ids [B, T], pad [B], row_of [B], stops, key, temperature) -> i32 [B, new]."""

    def program(state, ids, pad, row_of, stops, key, temperature):
        model = resident(graph, state, mesh)
        rows, width = ids.shape
        row_keys = jax.vmap(functools.partial(jax.random.fold_in, key))(row_of.astype(jnp.uint32))

        def pick(h: Array, made: Array) -> Array:  # hidden [B, D] -> i32 [B]
            logits = model.logits(h, mesh)
            if sample:
                keys = jax.vmap(jax.random.fold_in, (0, None))(row_keys, made)
                logits = logits / temperature + jax.vmap(lambda k: jax.random.gumbel(k, logits.shape[1:]))(keys)
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)

        def body(s: _Loop) -> _Loop:
            h, cache = decode(model, s.token, width + s.made - 1, pad, s.cache, dtype=dtype, mesh=mesh)
            token = pick(h, s.made)
            out = lax.dynamic_update_slice(s.out, token[:, None], (0, s.made))
            return _Loop(s.made + 1, token, s.done | jnp.isin(token, stops), out, cache)

        h, cache = prefill(model, ids, pad, width + new, dtype=dtype, mesh=mesh)
        token = pick(h, jnp.int32(0))
        out = jnp.zeros((rows, new), jnp.int32).at[:, 0].set(token)
        start = _Loop(jnp.int32(1), token, (row_of < 0) | jnp.isin(token, stops), out, cache)
        return lax.while_loop(lambda s: (s.made < new) & ~s.done.all(), body, start).out

    row, rows = (sharding(ROWS[:n], (mesh.size, 1)[:n], mesh) for n in (1, 2))
    return jax.jit(program, in_shardings=(None, rows, row, row, None, None, None), out_shardings=rows)


Item = tuple[Sequence[int], Sequence[Sequence[int]]]  # a context, and its continuations


def score(lm: LanguageModel, items: Sequence[Item], *, batch: int = 64, progress: Progress | None = None):
    """Sum of log p(continuation | context), natural logarithm: one list per item, one float per continuation.

    A row of the model is run for each continuation of several ids, and a single one for all of an item's
    continuations of one id. Raises `UserError` for an empty context or continuation, ids outside the vocabulary, and
    more tokens than the model has positions.
    """
    rows = [row for i, item in enumerate(items) for row in _score_rows(i, *item)]
    limit = lm.config.max_position_embeddings
    for row in rows:
        lm.check_ids([*row.ids, *(token for _, token in row.picks)], f"item {row.item}")
        if len(row.ids) > limit:
            raise UserError(f"item {row.item} has {len(row.ids)} tokens, but the model has {limit} positions")
    scores = [[0.0] * len(continuations) for _, continuations in items]
    for done, places in enumerate(_batches([len(row.ids) for row in rows], batch), 1):
        for place, sums in zip(places, _score_batch(lm, [rows[p] for p in places], batch, len(rows)), strict=True):
            for option, value in zip(rows[place].options, sums, strict=True):
                scores[rows[place].item][option] += float(value)
        if progress:
            progress(min(len(items), done * batch * len(items) // len(rows)))
    return scores


class _Row(NamedTuple):
    """One sequence to run, and the log-probabilities to read off it."""

    item: int
    ids: list[int]
    picks: list[tuple[int, int]]  # (place whose prediction is read, id that is predicted)
    options: list[int]  # which continuation each pick counts for


def _score_rows(item: int, context: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[_Row]:
    context, continuations = list(context), [list(continuation) for continuation in continuations]
    if not context or not all(continuations):
        raise UserError(f"item {item} has an empty {'continuation' if context else 'context'}; nothing can be scored")
    single = [i for i, continuation in enumerate(continuations) if len(continuation) == 1]
    last = len(context) - 1
    rows = [_Row(item, context, [(last, continuations[i][0]) for i in single], single)] if single else []
    for i, ids in enumerate(continuations):
        if len(ids) > 1:
            picks = [(last + n, token) for n, token in enumerate(ids)]
            rows.append(_Row(item, [*context, *ids[:-1]], picks, [i] * len(ids)))
    return rows


def _score_batch(lm: LanguageModel, rows: list[_Row], batch: int, total: int) -> list[np.ndarray]:
    width, picks = bucket(max(len(r.ids) for r in rows)), max(len(r.picks) for r in rows)
    picks = 1 << (picks - 1).bit_length()  # few widths here too
    count = _rows(len(rows), batch, total, lm.mesh.size)
    ids, segments = np.zeros((2, count, width), np.int32)
    place, token = np.zeros((2, count, picks), np.int32)
    for n, row in enumerate(rows):
        ids[n, : len(row.ids)], segments[n, : len(row.ids)] = row.ids, 1
        place[n, : len(row.picks)], token[n, : len(row.picks)] = np.transpose(row.picks)
    program = _log_probabilities(lm.graph, lm.mesh, lm.dtype)
    out = gather(program(lm.state, *(lm.place(a) for a in (ids, segments, place, token))))
    return [out[n, : len(row.picks)] for n, row in enumerate(rows)]


@functools.cache
def _log_probabilities(graph: nnx.GraphDef, mesh: Mesh, dtype) -> jax.stages.Wrapped:
    """The program (state, ids [B, T], segments [B, T], place [B, P], token [B, P]) -> log p, float32 [B, P]."""

    def program(state, ids, segments, place, token):
        model = nnx.merge(graph, state)
        h, _ = model.hidden(ids, segments, dtype=dtype, mesh=mesh)
        logits = model.logits(jnp.take_along_axis(h, place[..., None], axis=1), mesh)  # only where something is read
        chosen = jnp.take_along_axis(logits, token[..., None], axis=-1)[..., 0]
        return chosen - jax.nn.logsumexp(logits, axis=-1)

    rows = sharding(ROWS, (mesh.size, 1), mesh)
    return jax.jit(program, in_shardings=(None, rows, rows, rows, rows), out_shardings=rows)

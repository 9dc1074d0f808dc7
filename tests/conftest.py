"""Every test runs on 8 simulated CPU devices; tiny models, in memory and on disk, for tests of any area."""

import dataclasses
import importlib.util
import itertools
import json
import math
import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest

from arabic_r1_jax.checkpoint import hf, shards, weight_map
from arabic_r1_jax.data.prompts import question_prompt
from arabic_r1_jax.data.tokenizers import train_sentencepiece
from arabic_r1_jax.distill import curriculum
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.model.config import ModelConfig, RopeConfig, RouterConfig
from arabic_r1_jax.model.transformer import abstract_state, flat
from arabic_r1_jax.parallel.mesh import make_mesh

# Before JAX starts its backend, which importing does not; the environment is for the processes that tests start.
os.environ["JAX_PLATFORMS"] = "cpu"
# Tests compile much and compute little: without LLVM's passes and the fusion emitters XLA compiles six times faster.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
jax.devices()  # start now: a command that a test runs in this process may ask for fewer devices

_numbers = itertools.count()  # of the `bucket` fixture

# Small, with every size different, so that a swapped axis shows.
TINY = ModelConfig(
    family="deepseek_v3",
    vocab_size=61,
    hidden_size=32,
    intermediate_size=40,
    moe_intermediate_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    n_shared_experts=1,
    n_routed_experts=8,
    num_experts_per_tok=3,
    first_k_dense_replace=1,
    q_lora_rank=24,
    kv_lora_rank=20,
    qk_nope_head_dim=12,
    qk_rope_head_dim=8,
    v_head_dim=10,
    rms_norm_eps=1e-6,
    tie_word_embeddings=False,
    max_position_embeddings=256,
    rope=RopeConfig(theta=100.0),
    router=RouterConfig("sigmoid_bias", n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=1.5),
    bos_token_id=0,
    eos_token_id=1,
)


# A released config.json as small as that, with room for the curriculum's phrases in its vocabulary.
HF_CONFIG = {
    "model_type": "deepseek_v3",
    "architectures": ["DeepseekV3ForCausalLM"],
    "vocab_size": 640,
    "hidden_size": 16,
    "intermediate_size": 20,
    "moe_intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "n_shared_experts": 1,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "routed_scaling_factor": 1.0,
    "norm_topk_prob": True,
    "q_lora_rank": 8,
    "kv_lora_rank": 10,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "max_position_embeddings": 512,
    "rope_theta": 100.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "float32",
}


@pytest.fixture(scope="session", autouse=True)
def user_cache_of_the_tests(tmp_path_factory):
    """Commands that tests start keep what they compile for the tests, not for the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def hf_config():
    """A function: the config.json of a tiny V3 checkpoint, with any key changed by name."""
    return lambda **changes: {**HF_CONFIG, **changes}


@pytest.fixture(scope="session")
def tiny():
    """A function: a tiny V3 configuration, with any field changed by name."""
    return lambda **changes: dataclasses.replace(TINY, **changes)


@pytest.fixture(scope="session")
def random_model():
    """A function: a float32 model of random weights, adapters included; the numbers depend on the seed and names only.

    Norms are near 1 and the routers' biases large enough to change choices, so that each matters.
    """

    def build(cfg, mesh=None, lora=None, seed=0):
        mesh = mesh or make_mesh(devices=jax.devices()[:1])
        arrays = {}
        for name, shape in flat(abstract_state(cfg, lora, mesh, np.float32)[1]).items():
            rng = np.random.default_rng([seed, *name.encode()])
            noise = rng.standard_normal(shape.shape).astype(np.float32)
            if name.endswith(".scale"):
                arrays[name] = 0.5 + np.abs(noise) * 0.2
            elif "norm" in name:
                arrays[name] = 1 + 0.1 * noise
            elif name.endswith("bias"):
                arrays[name] = 0.3 * noise
            else:
                gain = 0.3 if name.endswith("lora_b") else 1.5
                arrays[name] = (noise * gain * shape.shape[-1] ** -0.5).astype(shape.dtype)
        return LanguageModel.from_arrays(cfg, arrays, mesh, lora=lora)

    return build


@pytest.fixture(scope="session")
def server():
    """An HTTP server on this machine that speaks Google Cloud Storage's JSON API and has the bucket "arabic-r1"."""
    for name in ("gcp_storage_emulator", "gcsfs"):  # importing gcsfs is for the package, which first sets what it reads
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([sys.executable, Path(__file__).with_name("bucket_server.py")], **pipes)
    url = f"http://127.0.0.1:{int(running.stdout.readline())}"
    with pytest.MonkeyPatch.context() as patch:  # for gcsfs, for TensorStore, and for Orbax's google-cloud-storage
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        patch.setenv("TENSORSTORE_GCS_HTTP_URL", url)
        patch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", "nobody")
        patch.setenv("GOOGLE_CLOUD_PROJECT", "none")
        patch.setenv("NO_GCE_CHECK", "true")
        yield url
    running.communicate()


@pytest.fixture
def bucket(server):
    """A folder in a bucket, for one test: gs://arabic-r1/NUMBER, as a word of the command line."""
    return f"gs://arabic-r1/{next(_numbers)}"


@pytest.fixture(scope="session")
def phrase_tokenizer(tmp_path_factory):
    """A folder with a tokenizer that knows the curriculum's phrases, as the demo's does."""
    rng, folder = random.Random(0), tmp_path_factory.mktemp("tokenizer")
    records = [
        curriculum.record(item, 0, rng)
        for family in curriculum.FAMILIES
        for item in curriculum.items(family, 40, seed=0, held_out=False)
    ]
    texts = [text for record in records for text in (question_prompt(record.question), record.completion)]
    symbols = [*curriculum.fixed_phrases(), texts[0].partition("\n\n")[0]]
    train_sentencepiece(texts, folder / "tokenizer.model", vocab_size=HF_CONFIG["vocab_size"], symbols=symbols)
    return folder


@pytest.fixture(scope="session")
def make_base(phrase_tokenizer, tmp_path_factory):
    """A function: a Hugging Face folder with `phrase_tokenizer` and weights(name, shape), random by default."""

    def make(dtype="float32", weights=None):
        folder, draw = tmp_path_factory.mktemp("base") / "hf", np.random.default_rng(0)
        weights = weights or (
            lambda name, shape: draw.normal(0, 0.03 if "bias" in name else 0.3, shape) + ("norm" in name)
        )
        kept = np.dtype({"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}[dtype])
        tensors = {
            name: np.asarray(weights(name, entry.part)).astype(np.float32 if name.endswith("bias") else kept)
            for entry in weight_map.entries(ModelConfig.from_hf(HF_CONFIG)).values()
            for _, name in entry.tensors()
        }
        folder.mkdir()
        hf.write_weights(folder, shards.specs_of(tensors), tensors.__getitem__)
        (folder / "config.json").write_text(json.dumps(HF_CONFIG))
        shutil.copy(phrase_tokenizer / "tokenizer.model", folder)
        return folder

    return make


@pytest.fixture
def start_processes():
    """A function: start the same command in `count` processes, with `last` words in the last one alone; alone, as ever.

    They end with the test at the latest.
    """
    started = []

    def start(count, words, last=(), env=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            several = {
                "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{probe.getsockname()[1]}",
                "JAX_NUM_PROCESSES": str(count),
            }
        for index in range(count):
            command = [sys.executable, "-m", "arabic_r1_jax", *map(str, words), *(last if index == count - 1 else ())]
            named = several | {"JAX_PROCESS_ID": str(index)} if count > 1 else {}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            started.append(subprocess.Popen(command, env=(env or os.environ) | named, **pipes))
        return started[-count:]

    yield start
    for process in started:
        process.kill()


LOW = 4  # an adapter's product of both factors, summed over the rank, is no gradient of what it is added to


def _summed_over(eqn):
    (summed, _), _ = eqn.params["dimension_numbers"]
    return math.prod(eqn.invars[0].aval.shape[axis] for axis in summed)


def _products(jaxpr):
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general" and _summed_over(eqn) <= LOW:
            continue
        if eqn.primitive.name in ("dot_general", "add_any", "scatter-add", "psum", "psum_invariant"):
            yield from (tuple(out.aval.shape) for out in eqn.outvars)
        for value in jax.tree.leaves(eqn.params, is_leaf=lambda v: hasattr(v, "eqns") or hasattr(v, "jaxpr")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from _products(inner)


@pytest.fixture(scope="session")
def products():
    """A function: the shapes of what a jaxpr multiplies over more than `LOW`, sums or scatters into, at any depth."""
    return lambda jaxpr: set(_products(jaxpr))

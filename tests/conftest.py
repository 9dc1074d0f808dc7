"""Every test runs on 8 simulated CPU devices; JAX takes their number before its backend starts."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax

jax.config.update("jax_num_cpu_devices", 8)

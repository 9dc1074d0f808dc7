"""`arabic-r1 doctor`: what this machine has, what will work on it, and how to install what is missing."""

from arabic_r1_jax import doctor
from arabic_r1_jax.verbs.verb import Options, Parser, Verb


def _options(parser: Parser) -> None:
    pass


def _run(_: Options) -> dict:
    return doctor.examine()


def _gib(size: float | None) -> str:
    return "unknown" if size is None else f"{size / doctor.GIB:,.1f} GiB"


def _devices(told: dict) -> str:
    if "error" in told:
        return told["error"]
    sizes = [size for size in told["memory"] if size]
    each = f", {_gib(min(sizes))} each" if sizes else ""
    return f"{told['count']} {told['platform']} ({told['kind']}{each})"


def _show(result: dict) -> None:
    versions, memory = result["versions"], result["memory"]
    names = ("jax", "jaxlib", "flax", "libtpu", "jax-cuda12-plugin", "orbax-checkpoint")
    shown = [f"{name} {versions[name] or 'not installed'}" for name in names]
    print(f"arabic_r1_jax {result['arabic_r1_jax']} on Python {result['python']}: {result['command']}")
    print(f"versions   {', '.join(shown)}")
    print(f"devices    {_devices(result['devices'])}")
    print(f"memory     {_gib(memory['available'])} free of {_gib(memory['total'])}; {memory['cpus']} CPUs")
    print(f"disk       {', '.join(f'{_gib(free)} free in {folder}' for folder, free in result['disk'].items())}")
    print()
    for row in result["works"]:  # plain lines: what draws tables may be the part that is missing
        print(f"{'yes' if row['works'] else 'no':<5}{row['what']:<26}{row['why']}")
    print("train: a rough sum, with the memory of all devices; `arabic-r1 plan` knows a TPU slice exactly")
    for row in result["parts"]:
        if row["install"]:
            print(f"for {row['for']}:\n  {row['install']}")
    for line in result["problems"]:
        print(f"problem: {line}")


VERB = Verb(
    does="tell what this machine has, what will work on it, and how to install what is missing",
    example="arabic-r1 doctor",
    options=_options,
    run=_run,
    show=_show,
    failed=lambda result: not result["ok"],
    again="nothing was changed",
)

"""Where the files of `configs/` are: in the wheel inside the package, in a checkout at its top."""

from pathlib import Path


def packaged(name: str) -> Path:
    """A file or folder of `configs/`, such as "run/laptop.toml"."""
    package = Path(__file__).resolve().parent
    installed = package / "configs" / name
    return installed if installed.exists() else package.parent / "configs" / name

"""What a compiled program sends between devices, read off XLA's text.

The scheduled text of a TPU program gives no trip counts: a loop's is the constant that its condition compares with,
and a loop without one has a dynamic length. Those are the expert loops, which exchange nothing.
"""

import collections
import re

_SIZES = {"pred": 1, "s8": 1, "u8": 1, "f8e4m3fn": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8}
KINDS = ("all-gather", "all-reduce", "all-to-all", "reduce-scatter", "collective-permute", "ragged-all-to-all")
_HEAD = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
_OP = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(?:-start)?\(")
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")
_CALL = re.compile(r"(?:calls|to_apply|body)=%?([\w.\-]+)")
_WHILE = re.compile(r"while\(.*condition=%?([\w.\-]+), body=%?([\w.\-]+)")
_CONSTANT = re.compile(r"= s32\[\]\S* constant\((\d+)\)")


def collective_bytes(text: str) -> dict[str, int]:
    """Bytes of the results of each kind of collective in one run of a program, per device."""
    computations, entry = _computations(text)
    memo: dict[str, collections.Counter] = {}

    def of(name: str) -> collections.Counter:
        if name not in memo:
            memo[name] = found = collections.Counter()
            for line in computations.get(name, ()):
                if loop := _WHILE.search(line):
                    for kind, size in of(loop[2]).items():
                        found[kind] += size * _trips(computations, loop[1])
                elif op := _OP.search(line):
                    found[op[2]] += max(map(_bytes, _ARRAY.findall(op[1])), default=0)
                elif "all-reduce-scatter" in line and "fusion(" in line:
                    found["reduce-scatter"] += max(
                        map(_bytes, _ARRAY.findall(line.partition(" fusion(")[0])), default=0
                    )
                elif call := _CALL.search(line):
                    found.update(of(call[1]))
        return memo[name]

    return dict(of(entry))


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    """The lines of every computation by name, and the entry's name."""
    found: dict[str, list[str]] = {}
    entry, lines = "", []
    for line in text.splitlines():
        if head := _HEAD.match(line):
            lines = found.setdefault(head[1], [])
            entry = head[1] if line.startswith("ENTRY") else entry
        else:
            lines.append(line)
    return found, entry


def _bytes(array: tuple[str, str]) -> int:
    size = _SIZES.get(array[0], 4)
    for dimension in filter(None, array[1].split(",")):
        size *= int(dimension)
    return size


def _trips(computations: dict[str, list[str]], condition: str) -> int:
    """How often a loop runs; 0 when only the device will know."""
    lines = list(computations.get(condition, ()))
    for line in computations.get(condition, ()):
        if call := _CALL.search(line):
            lines += computations.get(call[1], ())
    constants = [int(match[1]) for line in lines if (match := _CONSTANT.search(line))]
    return max(constants, default=0)

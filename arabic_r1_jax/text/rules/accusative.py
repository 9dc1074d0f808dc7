"""Empty until written."""

from arabic_r1_jax.text.findings import Pattern, Rule

PATTERNS: tuple[Pattern, ...] = ()
RULES: tuple[Rule, ...] = ()

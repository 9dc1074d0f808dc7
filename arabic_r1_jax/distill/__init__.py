"""Four-phase reasoning records: their form, how they are read, and the teachers that write them."""

from arabic_r1_jax.distill.phases import Phases, parse
from arabic_r1_jax.distill.record import Record, parse_record

__all__ = ["Phases", "Record", "parse", "parse_record"]

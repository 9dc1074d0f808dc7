"""Scoring a model on multiple-choice questions: prompts in, accuracies with intervals out."""

from arabic_r1_jax.eval.parsing import parse_answer

__all__ = ["parse_answer"]

"""Running a loaded model: logits, generation, scores."""

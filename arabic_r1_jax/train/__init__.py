"""LoRA training of a frozen base on packed rows: the loss, the step, the loop, and what a run leaves on disk."""

"""From text to packed rows of token ids: JSONL -> tokenizer -> corpus on disk -> plan -> batches."""

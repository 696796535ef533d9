"""How the embedded checkpoints are made: a generated corpus of exercises, a tokenizer, the training recipe."""

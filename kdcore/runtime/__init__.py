"""Settings of the process for training: arithmetic precision and memory allocation."""

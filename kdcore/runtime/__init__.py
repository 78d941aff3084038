"""Settings and limits of this process: arithmetic precision, memory, processor cores."""

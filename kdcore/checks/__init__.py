"""What is refused before a run, and why. Empty here, so that `checks.preflight` loads without torch."""

"""The files of a run's folder, each with what reads and writes it."""

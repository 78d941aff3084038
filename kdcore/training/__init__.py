"""Training: the loop, the distiller, evaluation, and what the loop reports. No files, threads or pages."""

"""Files on disk: atomic writes, locks between processes, bounded reads, and disk errors in words."""

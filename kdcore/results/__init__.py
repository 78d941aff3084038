"""Numbers of runs, and what may be claimed from them."""

"""What travels between the parts of a run: batches, outputs of networks, and what methods read of them."""

"""Batches, outputs of networks, and the parts of them that losses use."""

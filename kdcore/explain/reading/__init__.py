"""What several maps read of a network: activations, attention and gradients."""

"""The published images of Geirhos et al., and the classes that a dataset shares with them."""

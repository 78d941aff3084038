"""Tar shards as WebDataset writes them: their entries, and an index of images and labels for access by offset."""

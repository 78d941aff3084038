"""Replay: the events of a run become its state and its series of numbers."""

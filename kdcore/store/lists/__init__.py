"""Runs in a list: which ones are found, which differ in their seed alone, and what they are called."""

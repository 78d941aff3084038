"""The tables of docs/results.md, measured and written by `make results`."""

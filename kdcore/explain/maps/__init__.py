"""Heatmaps, one file each, whose name is the map's name on the command line, on a page and in its test."""

"""Tests of heatmaps: agreement of two maps, faithfulness, localization and randomization."""

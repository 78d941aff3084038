"""From a recipe to the parts of its run, and what the run will cost."""

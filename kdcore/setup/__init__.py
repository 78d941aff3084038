"""Setup of a run: its parts from a recipe, fine-tuned teachers, and the cost before it starts."""

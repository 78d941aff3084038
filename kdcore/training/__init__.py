"""The training loop: parts in, events out; it knows no disk, no thread and no screen."""

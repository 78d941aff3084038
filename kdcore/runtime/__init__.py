"""What the device is good at: arithmetic precision and memory allocation."""

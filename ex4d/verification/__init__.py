"""Whether the engine does with the real weights what the public code does: `ex4d verify`."""

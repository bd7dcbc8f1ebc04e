"""How near results come to the truth: `ex4d evaluate`."""

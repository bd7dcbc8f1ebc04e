"""Weights of models: where they lie and how they come there."""

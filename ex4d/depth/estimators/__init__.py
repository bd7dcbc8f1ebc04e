"""Depth from pictures alone: the models, behind one interface."""

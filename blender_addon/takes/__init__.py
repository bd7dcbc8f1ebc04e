"""Finished results in the sequencer, and the cameras that made them."""

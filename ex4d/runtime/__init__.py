"""What the machine gives: compiled loops, cores, memory."""

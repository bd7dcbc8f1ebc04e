"""What a scene remembers of its shot, and what comes into it."""

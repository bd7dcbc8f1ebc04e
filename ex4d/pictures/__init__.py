"""Single pictures as they are stored: what depth and clips that are sequences are read from."""

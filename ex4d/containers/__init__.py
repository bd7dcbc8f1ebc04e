"""What video files say of themselves, read with Python and NumPy alone: the extension needs it."""

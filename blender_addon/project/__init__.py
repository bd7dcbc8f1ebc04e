"""What lies where on the artist's disk, and every path in a .blend that leads there."""

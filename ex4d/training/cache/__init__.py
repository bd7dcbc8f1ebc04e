"""What training reads: clips and masks encoded once, by `ex4d cache`."""

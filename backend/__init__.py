"""The server that runs the jobs of `ex4d` for clients that speak `protocol`."""

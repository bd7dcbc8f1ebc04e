"""The version of the whole product: library, server and extension."""

__version__ = "0.1.0"

"""The process that does jobs: reading, rendering, generating."""

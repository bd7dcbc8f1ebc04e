"""The journal of jobs: what survives a crash, and how it is read again."""

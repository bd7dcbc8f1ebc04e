"""The backend's commands: `ex4d serve`, `keys`, and the client without Blender."""

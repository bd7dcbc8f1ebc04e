"""The contract between Blender and the backend: messages, transfer, client."""

"""How the extension zip is made, and the machine checked for bpy. Not part of the zip."""

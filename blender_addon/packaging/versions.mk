# The Blenders that the add-on is tested in; pip's bpy exists for Python 3.11.
BPY_42 := 4.2.23
BPY_45 := 4.5.15
BPY_50 := 5.0.1

"""Ways to take a training step that people choose beside the default, one file each: measured in the same turns."""

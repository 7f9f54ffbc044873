"""Where steps run, one file each: this machine, or others that are reached over a network."""

"""What artifacts are run on, one file each: the processor of this machine, its GPU, another instruction set."""

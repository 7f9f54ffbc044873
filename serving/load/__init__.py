"""Load on a server: closed loops, which saturate it, and an open loop, which asks whether or not it keeps up."""

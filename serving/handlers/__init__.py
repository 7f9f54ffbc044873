"""Code that runs inside other people's servers: each file stands alone, packed into a bundle or started by path."""

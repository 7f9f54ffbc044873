"""REST and gRPC codecs."""

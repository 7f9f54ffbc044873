"""Claims that others made of PyTorch and TensorFlow, as data, and how a file of claims is read."""

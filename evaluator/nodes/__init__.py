"""Machines of a cluster: what each does there (`there.py`), and the engines that reach them."""

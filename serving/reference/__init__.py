"""A small server that speaks the TF Serving API. It is not tensorflow_model_server.

It exists so that bundle, protocol and parity can be proven where no TF Serving binary is to be had, and
does what that takes: Predict over REST and gRPC, status, metadata, versions and labels, reload, batching, warm-up,
metrics, TLS. Codes of errors, and most of their texts, follow TF Serving's sources (named where they are raised). How
it does as a program (its speed, its stop, what it survives) says nothing about theirs, and is not measured.

`python -P -m serving.reference` takes the real server's flags and files.
"""

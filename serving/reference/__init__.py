"""A small server that speaks the TF Serving API over one SavedModel. It is not tensorflow_model_server.

It exists so that bundle, protocol, parity and error contract can be proven where no TF Serving binary is to be had.
Texts and codes of errors follow TF Serving's sources (named where they are raised); speed does not.
`python -P -m serving.reference` takes the real server's flags.
"""

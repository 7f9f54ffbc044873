"""A small server that speaks the TF Serving API. It is not tensorflow_model_server.

It exists so that bundle, protocol, parity and operations can be proven where no TF Serving binary is to be had. Texts
and codes of errors follow TF Serving's sources (named where they are raised); its speed says nothing about theirs.
`python -P -m serving.reference` takes the real server's flags and files.
"""

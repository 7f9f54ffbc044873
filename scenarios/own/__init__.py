"""Models that people bring: one network of their own, in one framework or both, with examples of their own.

`form` is what is said of one, in a file or on the command line; `given` makes it of a command's words. What is the
person's runs in children only: `look` is the first of them, which says what the network takes and gives before
anything is planned. `sources` tells what a network comes from, `calling` runs the person's functions, `torch_origin`
and `keras_origin` make networks of what they return, `examples` reads the rows, `training` trains on rows of their own.
"""

"""What tokens attend to, computed from a file's tokens and weights: no run of the encoder, and no matrix is kept.

The tokens that leave one block are all that the next one reads, so queries and keys are two matrix products away. For all
tokens only the logarithm of the sum that a softmax divides by is kept, one number a head and token: with it one row of the
attention, what a token attends to, is one product with the keys, and one column, who attends to it, one with the queries.
"""

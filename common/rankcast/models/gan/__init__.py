"""Networks of learned codecs on PyTorch: the only package that imports torch."""

"""Keras networks: denoisers, descriptors, and the pipeline that joins the two."""

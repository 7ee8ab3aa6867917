"""Keras networks: denoisers, descriptors, and the pipeline that joins the two."""

import logging

# TensorFlow counts what it traces by the code that Keras runs, which is the same for all networks:
# so it warns of each further network that one process trains or predicts with.
logging.getLogger("tensorflow").addFilter(
    lambda record: "triggered tf.function retracing" not in record.getMessage()
)

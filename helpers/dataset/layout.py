"""Sizes and parts that every dataset here shares; levels and strips are the benchmark's."""

PATCH_SIDE = 32  # N-HPatches
SOURCE_SIDE = 65  # HPatches, which N-HPatches was made from

PARTS = ("train", "validation", "test")

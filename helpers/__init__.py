"""N-HPatches coursework: from noisy patches to benchmark tables, one room a folder or file."""

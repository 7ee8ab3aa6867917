"""The one error that this package raises for bad input."""


class BenchmarkError(ValueError):
    """Bad input; the message is one sentence that names the file and the cure."""

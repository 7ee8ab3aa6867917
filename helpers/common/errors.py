"""The one exception that users see, and what goes into its brackets."""


class InputError(ValueError):
    """Something the user gave (a file, a name, a setting) cannot be used.

    The message is one sentence that names the file or value and the cure; the command line prints
    it without a stack trace and exits with status 2.
    """


class UntrainableError(InputError):
    """These settings cannot be trained: the loss became NaN, or a batch is too large."""


def reason(error: Exception) -> str:
    """What a library complained of, short even where it repeats the junk of a damaged file."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]

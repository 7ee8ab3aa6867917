"""The one exception that users see."""


class InputError(ValueError):
    """Something the user gave (a file, a name, a setting) cannot be used.

    The message is one sentence that names the file or value and the cure; the command line prints
    it without a stack trace and exits with status 2.
    """


class UntrainableError(InputError):
    """These settings cannot be trained: the loss became NaN, or a batch is too large."""

"""The error a user sees: one line that says what is wrong, where, and what to do."""


class GristmillError(Exception):
    """A mistake or a condition that the user can mend.

    The message is a single line naming the file, record or option at fault and the remedy; the
    command line prints it without a traceback and exits with status 1.
    """

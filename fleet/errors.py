"""What a person can get wrong, and how the command line answers.

Every error here is one clear line: what, where, what was expected. Anything that is not a `FleetError` is a bug and
crashes with its traceback.
"""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_INVALID = 98
"""The result is worth nothing, as the generator could not keep up or the run did not come to what it was to do."""
EXIT_EXPECTATION = 99
"""An objective failed, the books don't balance, or something that a scenario expected was not so."""
EXIT_CONFIGURATION = 104
EXIT_INTERRUPTED = 105


class FleetError(Exception):
    """An error with a message for the person at the terminal and an exit code for the script."""

    exit_code = EXIT_FAILED


class ConfigurationError(FleetError):
    """A wrong argument, file, key or value; nothing was started."""

    exit_code = EXIT_CONFIGURATION


class UnreachableError(FleetError):
    """The CSMS could not be reached by any charge point, or let none in: nothing was measured."""

    exit_code = EXIT_INVALID

"""The exception tree: what went wrong, and with which exit code the command ends.

    AugdistillError
    ├── RequestError        2    the request was wrong; refused before any work
    │   ├── ConfigError          an unknown or misplaced key, a value of the wrong type or out of range
    │   ├── DataError            a dataset that is missing, corrupt, or not what it should be
    │   ├── ModelError           an image that a model cannot take
    │   └── RunError             a run that is missing, unfinished, damaged or of another kind
    ├── WorkError           1    something failed while working; the last valid state is kept
    │   ├── DivergedError        the training loss became NaN or infinite
    │   └── HeldError            another process holds the run
    └── StoppedError      143    a signal asked to stop; everything is saved

Every message is one line: what was wrong, what is allowed, what to type.
"""


class AugdistillError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class RequestError(AugdistillError):
    """The request was wrong; nothing was written."""

    exit_code = 2


class ConfigError(RequestError):
    """An unknown or misplaced key, a value of the wrong type or out of range."""


class DataError(RequestError):
    """A dataset that is missing, corrupt, or not what it should be."""


class ModelError(RequestError):
    """An image that a model cannot take."""


class RunError(RequestError):
    """A run that is missing, unfinished, damaged or of another kind."""


class WorkError(AugdistillError):
    """Something failed while working; the last valid state is kept."""


class DivergedError(WorkError):
    """The training loss became NaN or infinite."""


class HeldError(WorkError):
    """Another process holds the run."""


class StoppedError(AugdistillError):
    """A signal asked to stop; everything is saved."""

    exit_code = 143

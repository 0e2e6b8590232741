"""What the library raises: one class for each status of residua.h, all of them residua.Error."""


class Error(Exception):
    """Any failure that the library reports. Its text says what, where, and what was expected."""


class InvalidArgumentError(Error, ValueError):
    """The call has no meaning: a wrong shape, a size of zero, an unknown name."""


class FileError(Error, OSError):
    """A file could not be opened, read, mapped or written."""


class MalformedError(Error, ValueError):
    """A file's bytes are not what its format promises."""


class UnsupportedError(Error, NotImplementedError):
    """Well formed, but outside what Residua runs."""


class MismatchError(Error, ValueError):
    """Tensors, shapes or names do not fit the network."""


class LimitError(Error, ValueError):
    """Larger than a limit allows."""


class OutOfMemoryError(Error, MemoryError):
    """There was not enough memory."""


class InternalError(Error, RuntimeError):
    """A bug in Residua: please report the message."""


class CancelledError(Error):
    """The caller cancelled it."""


class DeadlineError(Error, TimeoutError):
    """The caller's deadline passed before it was done."""


# In the order of residua_status, from 1 on.
BY_STATUS = (InvalidArgumentError, FileError, MalformedError, UnsupportedError, MismatchError, LimitError,
             OutOfMemoryError, InternalError, CancelledError, DeadlineError)

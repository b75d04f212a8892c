"""Why something could not be done. All are OSErrors, as the IOErrors of the old module were."""


class BroccoliError(OSError):
    """Something of a connection went wrong."""


class ConnectError(BroccoliError, ConnectionError):
    """There is no connection; the text says why."""


class SendError(BroccoliError):
    """An event was not accepted; the text says why."""


class ClosedError(BroccoliError):
    """The connection was closed by this program."""

    def __init__(self) -> None:
        super().__init__("the connection was closed by close() or connDelete()")

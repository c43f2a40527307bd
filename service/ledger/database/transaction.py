"""The argument of all functions that read or write the ledger: a connection with the keys of sealed columns."""

from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from service.keyring import Keyring


class Transaction:
    """A running transaction (`Ledger.transaction`), or a connection for reading (`Ledger.reading`)."""

    __slots__ = ("connection", "execute", "keyring", "owner")

    def __init__(self, connection: AsyncConnection, keyring: Keyring, owner: int | None = None) -> None:
        """`owner`: this process's number for its claims (`Liveness`)."""
        self.connection = connection
        self.keyring = keyring
        self.owner = owner
        # Run one statement, once or for each of a list of parameters; raises SQLAlchemy's DBAPIError.
        self.execute = connection.execute

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        return self.connection.dialect

"""What everything that reads or writes the ledger is handed: a connection, and the keys of its sealed columns."""

from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from service.keyring import Keyring


class Transaction:
    """A running transaction, or a connection that only reads: `Ledger.transaction`, `Ledger.reading`."""

    __slots__ = ("connection", "execute", "keyring", "owner")

    def __init__(self, connection: AsyncConnection, keyring: Keyring, owner: int | None = None) -> None:
        """`owner`: what the claims of this process carry (`SignOfLife`)."""
        self.connection = connection
        self.keyring = keyring
        self.owner = owner
        # Run one statement, once or for each of a list of parameters; raises SQLAlchemy's DBAPIError.
        self.execute = connection.execute

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""
        return self.connection.dialect

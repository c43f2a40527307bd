"""Workbooks of Excel (XLSX), read a row at a time; neither their texts nor their rows are ever held in memory whole.

Of a workbook its first sheet that is shown is read. What it says of its own size is not believed: only its rows are.
"""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from service.lists.lines import BadFile, Line
from service.lists.sheets import Rows
from service.lists.workbook_parts import Book, Strings


def xlsx_lines(file: BinaryIO) -> Iterator[Line]:
    """The rows of the first sheet that is shown; raises BadFile."""
    try:
        with zipfile.ZipFile(file) as archive, Strings() as strings:
            book = Book(archive)
            book.read_strings(strings)
            yield from Rows(book, strings).lines()
    except (BadFile, GeneratorExit):
        raise
    except Exception as error:
        # Whatever a broken archive or its text makes the libraries trip over.
        said = f"the workbook is broken ({type(error).__name__}); save it again as XLSX or CSV"
        raise BadFile(0, said) from None

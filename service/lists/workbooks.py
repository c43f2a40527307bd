"""Reads Excel workbooks (XLSX) row by row; neither strings nor rows are held in memory whole.

The first visible sheet is read. The size that a workbook declares is ignored.
"""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from service.lists.lines import BadFile, FileRow
from service.lists.sheets import Rows
from service.lists.workbook_parts import Book, Strings


def xlsx_lines(file: BinaryIO) -> Iterator[FileRow]:
    """The rows of the first visible sheet; raises BadFile."""
    try:
        with zipfile.ZipFile(file) as archive, Strings() as strings:
            book = Book(archive)
            book.read_strings(strings)
            yield from Rows(book, strings).lines()
    except (BadFile, GeneratorExit):
        raise
    except Exception as error:
        # Any error of the libraries on a broken archive or XML.
        problem = f"the workbook is broken ({type(error).__name__}); save it again as XLSX or CSV"
        raise BadFile(0, problem) from None

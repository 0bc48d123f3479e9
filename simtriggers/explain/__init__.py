"""The trace in words: one line a row, why something happened, what followed from it.

Reads rows and keeps no books of its own. Works on a running state file, a trace file, or rows in memory.
"""

from .book import Book, MemoryBook, StateBook, read_trace_file
from .causes import chain, is_first_cause, origin
from .hints import hint, hints
from .why import Explanation, NotFound, explain, row_dict, why
from .wording import detail, narrate, narrated

__all__ = [
    "Book",
    "Explanation",
    "MemoryBook",
    "NotFound",
    "StateBook",
    "chain",
    "detail",
    "explain",
    "hint",
    "hints",
    "is_first_cause",
    "narrate",
    "narrated",
    "origin",
    "read_trace_file",
    "row_dict",
    "why",
]

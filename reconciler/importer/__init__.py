"""Live state, or a past one, to flag files: what `import` and `rollback` write. Sends nothing that changes anything.

read       the live flags with all that a file can say of them
document   one flag as a document, and what of it no document can say
declared   where each flag stands in the files that there are
files      which files are written, and their text
rollback   the document that declares a version's values
"""

from reconciler.importer.declared import Declared, find_declared_flags
from reconciler.importer.document import Representation, represent
from reconciler.importer.files import FileChange, ImportResult, build_import, overlay_of
from reconciler.importer.read import read_importable
from reconciler.importer.rollback import Rollback, roll_back

__all__ = [
    "Declared",
    "FileChange",
    "ImportResult",
    "Representation",
    "Rollback",
    "build_import",
    "find_declared_flags",
    "overlay_of",
    "read_importable",
    "represent",
    "roll_back",
]

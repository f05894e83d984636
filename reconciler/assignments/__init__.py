"""Which variant users get of one flag, live and desired, and why. Reads the live flag; writes nothing."""

from reconciler.assignments.census import Census, take_census
from reconciler.assignments.people import fields_of_options, read_users, user_of_json
from reconciler.assignments.reads import Lineage, read_lineage
from reconciler.assignments.sides import Sides, take_sides
from reconciler.assignments.verdict import Verdict

__all__ = [
    "Census",
    "Lineage",
    "Sides",
    "Verdict",
    "fields_of_options",
    "read_lineage",
    "read_users",
    "take_census",
    "take_sides",
    "user_of_json",
]

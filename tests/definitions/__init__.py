"""The aggregations as their papers write them: loops and whole matrices, slow, with the modules' own weights.

The tests hold the modules to them in float64; the benchmark of the zoo times the modules against them. Each family also
names which of its modules are blind to positions: shuffle the map's positions, and the result is shuffled alike.
"""

from __future__ import annotations

from definitions import attention, cgnl, gates, graphs, others, pyramids
from definitions.definition import Definitions

FAMILIES = (pyramids, attention, cgnl, graphs, gates, others)
DEFINITIONS: Definitions = {name: case for family in FAMILIES for name, case in family.DEFINITIONS.items()}
BLIND_TO_POSITIONS: set[str] = set().union(*(family.BLIND for family in FAMILIES))
NOT_GLOBAL = others.NOT_GLOBAL

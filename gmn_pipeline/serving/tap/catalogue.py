"""All there is to ask by TAP, in the order in which it is shown."""

from gmn_pipeline.serving.tap import epn_core, tap_schema
from gmn_pipeline.serving.tap.relations import OURS, Catalogue, of_warehouse

_OF_THE_NETWORK = (epn_core.RELATION, *of_warehouse())
# Queries were written with the name that it had before.
_FORMER = {(OURS, epn_core.NAME): epn_core.RELATION}
CATALOGUE = Catalogue((*_OF_THE_NETWORK, *tap_schema.relations(_OF_THE_NETWORK)), _FORMER)

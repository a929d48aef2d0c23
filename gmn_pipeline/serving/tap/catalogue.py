"""All there is to ask by TAP, in the order in which it is shown."""

from gmn_pipeline.serving.tap import epn_core, tap_schema
from gmn_pipeline.serving.tap.relations import Catalogue, of_warehouse

_OF_THE_NETWORK = (epn_core.RELATION, *of_warehouse())
CATALOGUE = Catalogue((*_OF_THE_NETWORK, *tap_schema.relations(_OF_THE_NETWORK)))

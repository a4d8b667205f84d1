"""What Dagster loads: the project for the settings of the environment."""

import dagster as dg

from coterie.errors import CoterieError
from resources.settings import load_settings
from workflows.build import build_definitions

try:
    defs = build_definitions(load_settings())
except CoterieError as error:
    # Dagster shows the last exception of a chain first: keep it to the words that help.
    raise dg.DagsterInvalidDefinitionError(str(error)) from None

"""What Coterie raises when an input, not the program, is wrong."""


class CoterieError(Exception):
    """Base of every error that a person can mend; its text says what was found and what was expected."""


class SourceError(CoterieError):
    """A source description, or a file that it names, cannot be read as described."""


class TaxonomyError(CoterieError):
    """A taxonomy file breaks a rule of its format."""


class LabelError(CoterieError):
    """Items could not be labelled."""


class SettingError(CoterieError):
    """A setting has a value that it may not have."""


class MissingDayError(CoterieError):
    """A partition that the work builds on has not been materialized."""


class DecisionError(CoterieError):
    """A decision about a suggestion cannot be recorded as it was told."""


class ExportError(CoterieError):
    """An export cannot be made as asked."""

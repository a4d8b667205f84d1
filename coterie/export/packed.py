"""Office files with the same bytes for the same content.

Belongs here: what a zip holds beside content. Does not belong here: the content.
"""

import io
import re
import zipfile
from datetime import date

_STAMP = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:\2>)")


def repacked(data: bytes, day: date) -> bytes:
    """An Office file with its clock set to the day, workbooks inside it included.

    Libraries put the time of writing into the zip's entries and into docProps/core.xml.

    Args:
        data: a pptx or xlsx.
        day: the day that the content is about; not before 1980, where the clock of zip files begins.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith(".xlsx"):
                content = repacked(content, day)
            if entry.filename == "docProps/core.xml":
                content = _STAMP.sub(rb"\g<1>%sT00:00:00Z\g<3>" % day.isoformat().encode(), content)
            fixed = zipfile.ZipInfo(entry.filename, (max(day.year, 1980), day.month, day.day, 0, 0, 0))
            fixed.compress_type = zipfile.ZIP_DEFLATED
            fixed.external_attr = entry.external_attr
            new.writestr(fixed, content)
    return made.getvalue()

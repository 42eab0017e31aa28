"""Files: no form of ours has a field for one, so none is read, kept in memory or put on a disk."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParserError


class NoFiles(FileUploadHandler):
    def new_file(self, *_what: Any, **_more: Any) -> None:
        """The request is answered with 400 as soon as a file begins."""
        raise MultiPartParserError("This site takes no files.")

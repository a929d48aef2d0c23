"""Progress of a run while it goes on, for whoever shows it."""

from gmn_pipeline.flows.report import Report


class ProgressListener:
    """Told of progress as it happens. This one keeps quiet; see `cli.run` for one that shows."""

    def files_wanted(self, count: int) -> None:
        """So many files are about to be fetched."""

    def file_done(self) -> None:
        """A file was landed, found unchanged, or failed."""

    def rows_wanted(self, count: int) -> None:
        """About so many more rows are to be validated and loaded."""

    def rows_done(self, count: int) -> None:
        """So many more rows have come through."""

    def finished(self, report: Report) -> None:
        """All days are through, or have failed."""

"""The network's directory, over HTTP and from a folder: listings, versions, failures."""

import itertools
import tempfile
from pathlib import Path

import pytest

from gmn_pipeline.errors import (
    FileIncomplete,
    GmnError,
    SettingsError,
    SourceFileMissing,
    SourceRefused,
    SourceUnavailable,
)
from gmn_pipeline.settings import load_settings
from gmn_pipeline.sources.gmn_directory import (
    FetchedFile,
    HttpDirectory,
    SourceVersion,
    open_directory,
)
from gmn_pipeline_tests.support.gmn_site import (
    LOGIN_PAGE,
    Fault,
    GmnSite,
    make_old,
    page,
    rewritten_meanwhile,
    stalls,
    status,
    truncated,
)
from gmn_pipeline_tests.support.sample import (
    DAILY,
    SAMPLE_NAME,
    sample,
    sample_bytes,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder laid out as the network's directory, with one old daily file and an alias."""
    (tmp_path / "daily").mkdir()
    for name in (SAMPLE_NAME, "traj_summary_yesterday.txt"):
        (tmp_path / "daily" / name).write_bytes(sample().first(3).to_bytes())
        make_old(tmp_path / "daily" / name)
    (tmp_path / "daily" / "notes.pdf").touch()
    return tmp_path


def http(site: GmnSite, **given: object) -> HttpDirectory:
    quick = {"source_url": site.url, "http_backoff_s": 0.0, "http_retries": 2}
    return HttpDirectory(load_settings().model_copy(update=quick | given))


def fetch(site: GmnSite, known: SourceVersion | None = None, **given: object) -> FetchedFile | None:
    with tempfile.TemporaryDirectory() as folder:
        return http(site, **given).fetch(DAILY, known, Path(folder) / "got")


@pytest.mark.parametrize("style", ["apache", "nginx"])
def test_a_listing_of_a_web_server_is_read(folder: Path, style: str) -> None:
    with GmnSite(folder, style) as site:  # type: ignore[arg-type]
        entries = http(site).list("daily")
        assert http(site).list("") == []
        assert http(site).list("monthly") == []
    assert [e.path for e in entries] == [DAILY, "daily/traj_summary_yesterday.txt"]
    assert all("2022" in e.modified and e.size for e in entries)


def test_a_folder_is_listed_and_fetched_as_a_web_server_is(folder: Path) -> None:
    directory = open_directory(load_settings(source_url=str(folder)))
    assert [e.path for e in directory.list("daily")] == [DAILY, "daily/traj_summary_yesterday.txt"]
    assert directory.list("monthly") == []
    got, more = folder / "got", folder / "more"
    fetched = directory.fetch(DAILY, None, got)
    assert fetched
    assert got.read_bytes() == sample().first(3).to_bytes()
    assert directory.fetch(DAILY, fetched.version, more) is None
    assert not more.exists()
    (folder / DAILY).write_bytes(b"other")
    assert directory.fetch(DAILY, fetched.version, more)
    with pytest.raises(SourceFileMissing):
        directory.fetch("daily/none.txt", None, folder / "none")


def test_a_listing_changes_its_state_with_the_file(folder: Path) -> None:
    with GmnSite(folder) as site:
        [before, other] = http(site).list("daily")
        (folder / DAILY).write_bytes(sample_bytes())
        assert [e.state == o.state for e, o in zip(http(site).list("daily"), [before, other],
                                                   strict=True)] == [False, True]  # fmt: skip


def test_a_place_that_is_neither_address_nor_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GMN_SOURCE_URL"):
        open_directory(load_settings(source_url=str(tmp_path / "none")))


def test_a_file_is_fetched_once_and_then_asked_for_by_its_version(folder: Path) -> None:
    with GmnSite(folder) as site:
        got = folder / "got"
        fetched = http(site).fetch(DAILY, None, got)
        assert fetched
        assert got.read_bytes() == (folder / DAILY).read_bytes()
        assert fetched.size_bytes == len(got.read_bytes())
        assert fetch(site, fetched.version) is None
        first, second = site.asked(DAILY)
        assert not {"If-None-Match", "If-Modified-Since"} & first.headers.keys()
        assert second.headers["If-None-Match"] == fetched.version.etag
        assert second.headers["If-Modified-Since"] == fetched.version.last_modified
        assert "gmn_pipeline" in first.headers["User-Agent"]
        assert first.headers["Accept-Encoding"] == "identity"
        assert not site.asked(DAILY, "HEAD"), "an old file needs no second look"


@pytest.mark.parametrize(
    "passing", [status(500), status(503, {"Retry-After": "0"}), status(429), stalls()]
)
def test_a_failure_in_passing_is_retried(folder: Path, passing: Fault) -> None:
    with GmnSite(folder) as site:
        site.faults = {DAILY: [passing, passing]}
        assert fetch(site, http_timeout_s=0.1)
        assert len(site.asked(DAILY)) == 3


def test_the_pause_that_the_source_asks_for_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    with GmnSite(folder) as site:
        site.faults = {DAILY: [status(503, {"Retry-After": "7"})]}
        assert fetch(site)
    assert pauses == [7]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(500), SourceUnavailable),
        (status(503), SourceUnavailable),
        (status(404), SourceFileMissing),
        (status(403), SourceRefused),
        (stalls(), SourceUnavailable),
        (stalls(sent=100), FileIncomplete),
        (truncated(100), FileIncomplete),
        (truncated(0), FileIncomplete),
    ],
)
def test_a_failure_that_lasts_says_what_it_is(
    folder: Path, fault: Fault, error: type[GmnError]
) -> None:
    with GmnSite(folder) as site:
        site.faults = {DAILY: itertools.repeat(fault)}
        with pytest.raises(error, match=SAMPLE_NAME):
            fetch(site, http_timeout_s=0.1, http_retries=1)


def test_a_source_that_is_down_is_unavailable(folder: Path) -> None:
    with GmnSite(folder) as site:
        pass
    with pytest.raises(SourceUnavailable):
        fetch(site)
    with pytest.raises(SourceUnavailable):
        http(site).list("daily")


def test_a_file_that_changes_while_it_is_read_is_incomplete(folder: Path) -> None:
    (folder / DAILY).touch()
    with GmnSite(folder) as site:
        site.faults = {DAILY: [rewritten_meanwhile(sample_bytes())]}
        with pytest.raises(FileIncomplete, match="changed while it was read"):
            fetch(site)
        assert site.asked(DAILY, "HEAD")
        fetched = fetch(site)
        assert fetched
        assert fetched.size_bytes == len(sample_bytes())


@pytest.mark.parametrize(
    "path", ["../secret.txt", "daily/../../secret.txt", "/etc/passwd", "//evil.example/x.txt",
             "http://evil.example/x.txt", "daily/%2e%2e/%2e%2e/secret.txt"]
)  # fmt: skip
def test_a_path_does_not_lead_out_of_the_directory(folder: Path, path: str) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    with GmnSite(folder) as site:
        for directory in (http(site), open_directory(load_settings(source_url=str(folder)))):
            with pytest.raises((SourceRefused, SourceFileMissing)):
                directory.fetch(path, None, folder / "got")
        assert all(request.path.startswith("daily/") or "http" in request.path
                   for request in site.requests)  # fmt: skip


def test_a_login_page_is_no_empty_listing(folder: Path) -> None:
    with GmnSite(folder) as site:
        site.faults = {"daily/": [page(LOGIN_PAGE), page("<html>Maintenance</html>")]}
        for _ in range(2):
            with pytest.raises(SourceRefused, match="listing"):
                http(site).list("daily")

"""Dashboards in the operational database, on SQLite and on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gmn_pipeline.database.dashboards import DashboardStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import DashboardConflict, DashboardMissing
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.dashboards import document


def test_every_version_is_kept_and_who_comes_second_is_told(settings: Settings) -> None:
    store = DashboardStore(open_database(settings))
    assert store.all() == []
    for how in (store.find, store.versions, store.restore):
        with pytest.raises(DashboardMissing):
            how("perseids-1")
    first = store.make(document("Perseïds: 2026!"), "ada")
    name = first.dashboard_id
    assert name.startswith("perseids-2026-")
    assert store.make(document("⚡"), "ada").dashboard_id.startswith("dashboard-")
    second = store.save(name, document("Geminids"), 1, "ben")
    assert (second.version, second.saved_by, second.made_by) == (2, "ben", "ada")
    assert store.save(name, document("Geminids"), 2, "eve") == second  # nothing was changed
    with pytest.raises(DashboardConflict, match="Version 2 was saved meanwhile, by ben"):
        store.save(name, document("Leonids"), 1, "ada")
    assert [one.document["title"] for one in store.versions(name)] == [
        "Geminids", "Perseïds: 2026!",
    ]  # fmt: skip
    assert store.find(name, 1).document == first.document
    with pytest.raises(DashboardMissing, match="version 3"):
        store.find(name, 3)

    with pytest.raises(DashboardConflict):
        store.delete(name, 1, "ada")
    assert store.delete(name, 2, "ada").deleted_at_utc is not None
    for gone in (lambda: store.find(name), lambda: store.versions(name),
                 lambda: store.save(name, document(), 2, "ada"),
                 lambda: store.delete(name, 2, "ada")):  # fmt: skip
        with pytest.raises(DashboardMissing):
            gone()
    assert [one.dashboard_id for one in store.all(are_deleted=True)] == [name]
    assert len(store.all()) == 1
    assert store.restore(name).document["title"] == "Geminids"
    assert store.all()[0].dashboard_id == name  # it was saved last


def test_of_many_who_save_at_once_one_does(settings: Settings) -> None:
    store = DashboardStore(open_database(settings))
    name = store.make(document(), "ada").dashboard_id

    def save(n: int) -> bool:
        try:
            store.save(name, document(f"by {n}"), 1, str(n))
        except DashboardConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(save, range(4))) == [False, False, False, True]
        said = threads.map(lambda n: store.end_links(name, str(n)).links_ended, range(4))
        assert sorted(said) == [1, 2, 3, 4]
    assert [one.version for one in store.versions(name)] == [2, 1]


def test_who_reads_it_is_kept_beside_its_versions(settings: Settings) -> None:
    store = DashboardStore(open_database(settings))
    name = store.make(document(), "ada", is_private=True).dashboard_id
    assert store.save(name, document("x"), 1, "ada").is_private
    assert not store.make(document(), "ada").is_private
    assert not store.set_private(name, "ada", is_private=False).is_private
    assert store.end_links(name, "ada").links_ended == 1
    assert store.set_private(name, "ada", is_private=True).links_ended == 1
    assert [one.is_private for one in store.versions(name)] == [True, True]
    for change in (lambda: store.set_private("x", "ada", is_private=True),
                   lambda: store.end_links("x", "ada")):  # fmt: skip
        with pytest.raises(DashboardMissing):
            change()

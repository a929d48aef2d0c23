"""What people noted of stations, on SQLite and on a real PostgreSQL."""

from datetime import datetime, timedelta

import pytest

from gmn_pipeline.database.annotations import AnnotationStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import PermanentError
from gmn_pipeline.schemas.annotations import NewAnnotation
from gmn_pipeline.settings import Settings

AT = datetime(2022, 3, 16, 17, 49, 26, 628043)


def test_annotations_are_found_by_station_and_span_and_stay_when_they_are_taken_back(
    settings: Settings,
) -> None:
    store = AnnotationStore(open_database(settings))
    assert (store.find(9), store.revision()) == ([], 0)
    hour = timedelta(hours=1)
    cleaned = store.add(NewAnnotation("HR0010", None, AT, None, "lens cleaned", "Ana"))
    heated = store.add(NewAnnotation("HR0010", "2", AT - 2 * hour, AT - hour, "heater off"))
    other = store.add(NewAnnotation("ES0001", None, AT + hour, None, "'; DROP TABLE x; --"))
    assert store.find(9) == [other, cleaned, heated]
    assert store.find(1) == [other]
    assert store.find(9, ["HR0010", "XX"]) == [cleaned, heated]
    assert store.find(9, [], AT - hour, AT) == [cleaned, heated]
    assert store.find(9, [], AT - hour / 2, AT - hour / 4) == []
    seen = store.revision()
    gone = store.withdraw(cleaned.number, "Ivo")
    assert store.revision() != seen
    assert (gone.withdrawn_by, gone.text, gone.noted_by) == ("Ivo", "lens cleaned", "Ana")
    assert store.find(9, ["HR0010"]) == [heated]
    assert store.find(9, ["HR0010"], are_withdrawn_wanted=True) == [gone, heated]
    for number in (cleaned.number, 99):
        with pytest.raises(PermanentError, match=f"no annotation {number}"):
            store.withdraw(number)

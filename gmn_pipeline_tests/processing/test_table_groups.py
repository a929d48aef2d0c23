"""Which files are of one table, and what changed between them."""

from hypothesis import given
from hypothesis import strategies as st

from gmn_pipeline.processing.table_groups import (
    ChangeKind,
    Group,
    Groups,
    common_type,
    proposed_name,
    shared,
)

PARQUET = "application/vnd.apache.parquet"
TYPES = st.sampled_from(
    ["TINYINT", "UINTEGER", "BIGINT", "UHUGEINT", "DOUBLE", "DECIMAL(4,1)", "DATE", "TIMESTAMP",
     "VARCHAR", "BOOLEAN", "STRUCT(a INTEGER)"]
)  # fmt: skip
SCHEMAS = st.dictionaries(st.sampled_from(list("abcdeFG")), TYPES, min_size=1)


def test_files_of_several_schemas_become_tables_and_changes_are_told_once() -> None:
    groups = Groups()
    weather = {"t": "TIMESTAMP", "temp": "INTEGER"}
    for n in range(3):
        groups.assign(f"in/weather/{n}.parquet", PARQUET, weather)
        groups.assign(f"in/flux/{n}.parquet", PARQUET, {"shower": "VARCHAR", "zhr": "DOUBLE"})
    wider = [groups.assign(f"in/weather/w{n}.parquet", PARQUET, weather | {"temp": "DOUBLE"})
             for n in range(3)]  # fmt: skip
    more = groups.assign("in/weather/m.parquet", PARQUET, weather | {"Wind": "FLOAT"})
    assert [one.name for one in groups.groups] == ["weather", "flux"]
    assert groups.groups[0].columns == {"t": "TIMESTAMP", "temp": "DOUBLE", "Wind": "FLOAT"}
    assert [(c.kind, c.column, c.after) for one in wider for c in one.changes] == [
        (ChangeKind.WIDER_TYPE, "temp", "DOUBLE")
    ]
    assert [(c.kind, c.column) for c in more.changes] == [(ChangeKind.NEW_COLUMN, "Wind")]
    gone = groups.assign("in/weather/g.parquet", PARQUET, {"t": "TIMESTAMP", "TEMP": "TINYINT"})
    assert [(c.kind, c.column) for c in gone.changes] == [(ChangeKind.MISSING_COLUMN, "Wind")]


def test_types_of_an_accepted_table_stay_and_what_does_not_fit_is_left_out() -> None:
    groups = Groups([Group("weather", PARQUET, {"t": "DATE", "temp": "DOUBLE"}, is_fixed=True)])
    assert not groups.assign("a", PARQUET, {"t": "DATE", "temp": "UTINYINT"}).reason
    left_out = groups.assign("b", PARQUET, {"t": "DATE", "temp": "VARCHAR", "x": "BOOLEAN"})
    assert left_out.reason == ("Its types do not fit the table: temp was DOUBLE and is VARCHAR.")
    assert groups.groups[0].columns == {"t": "DATE", "temp": "DOUBLE"}
    assert groups.assign("c.csv", "text/csv", {"t": "DATE", "temp": "DOUBLE"}).group.name == "c"


@given(TYPES, TYPES, TYPES)
def test_a_common_type_is_the_same_from_both_sides_and_holds_both(
    one: str, other: str, third: str
) -> None:
    common = common_type(one, other)
    assert common == common_type(other, one)
    assert common_type(common, one) == common
    assert common_type(common_type(one, other), third) in (
        common_type(one, common_type(other, third)), "VARCHAR", "DOUBLE",
    )  # fmt: skip


@given(st.lists(SCHEMAS, max_size=12))
def test_whatever_files_have_each_is_of_one_table_that_has_all_its_columns(
    schemas: list[dict[str, str]],
) -> None:
    groups = Groups()
    for n, columns in enumerate(schemas):
        group = groups.assign(f"{n}.parquet", PARQUET, columns).group
        there = {name.lower(): kind for name, kind in group.columns.items()}
        for name, kind in columns.items():
            assert common_type(there[name.lower()], kind) == there[name.lower()]
        assert shared(columns, columns) == 1
    names = [one.name for one in groups.groups]
    assert len(names) == len(set(names))


def test_tables_are_called_as_their_folders_or_what_their_files_have_in_common() -> None:
    assert proposed_name("in/Weather Data/2022/03/04.parquet") == "weather_data"
    assert proposed_name("hive/year=2022/flux-2022-03-04.parquet") == "hive"
    assert proposed_name("flux-2022-03-04.parquet") == "flux"
    assert proposed_name("20220304.csv") == "20220304"
    assert proposed_name("ÄÖ.csv") == "table"

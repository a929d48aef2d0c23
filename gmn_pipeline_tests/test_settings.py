"""Settings in groups; what they say on the command line is in test_cli.py."""

from collections import Counter

from gmn_pipeline.settings import GROUPS, KafkaSettings, Settings, WarehouseSettings, load_settings


def test_each_setting_is_in_one_group() -> None:
    in_groups = Counter(name for group in GROUPS for name in group.own_fields())
    assert in_groups == Counter(list(Settings.model_fields))


def test_a_group_has_a_heading_and_each_setting_a_sentence() -> None:
    assert len({group.heading() for group in GROUPS}) == len(GROUPS)
    for group in GROUPS:
        assert group.heading()
        for field in group.own_fields().values():
            assert (field.description or "").endswith((".", ")"))


def test_settings_are_what_takes_a_group_wants() -> None:
    settings = load_settings()
    assert isinstance(settings, KafkaSettings)
    assert isinstance(settings, WarehouseSettings)

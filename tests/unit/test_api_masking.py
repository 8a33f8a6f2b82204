import pytest

from api.masking import mask_name, mask_number, mask_person, mask_text


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13800001234", "138****1234"),
        ("+8613800001234", "138****1234"),
        ("8613800001234", "138****1234"),
        ("01088880000", "010****0000"),
        ("88880000", "88****00"),
        ("8001", "8001"),
        ("", ""),
    ],
)
def test_numbers_keep_enough_to_recognise(number: str, shown: str) -> None:
    assert mask_number(number) == shown


@pytest.mark.parametrize(
    ("name", "shown"), [("张三", "张*"), ("欧阳小明", "欧***"), ("张", "张"), ("", ""), (" 张三 ", "张*")]
)
def test_names_keep_their_first_character(name: str, shown: str) -> None:
    assert mask_name(name) == shown


def test_a_very_long_name_does_not_tell_its_length() -> None:
    assert mask_name("Alexandrina Example") == "A***"


@pytest.mark.parametrize("last", ["0011", "001X", "001x"])
def test_identity_numbers_are_masked_in_free_text(last: str) -> None:
    assert mask_text(f"证件11010519491231{last}。") == f"证件110***********{last}。"
    for other in (f"工单11010519491331{last}", f"a11010519491231{last}", f"11010519491231{last}7"):
        assert mask_text(other) == other, "another number of as many digits"


def test_a_known_person_is_masked_in_free_text_without_any_rule() -> None:
    told = "赵测试（电话010-6688）反映，赵测试称路灯不亮，另有电话13800000321"
    assert mask_person(told, "010-6688", " 赵测试 ") == "赵**（电话01****88）反映，赵**称路灯不亮，另有电话138****0321"
    assert mask_person(told, "", "") == mask_text(told)
    assert mask_person("王府井大街", "8001", "王") == "王府井大街", "one character is a name nowhere"


def test_free_text_loses_numbers_of_people_only() -> None:
    assert mask_text("联系13800001234，工单2026112000010") == "联系138****1234，工单2026112000010"

"""The page of attacks says what its data say, and every test it names exists."""

from __future__ import annotations

from support import attacks


def test_the_page_is_what_its_data_say() -> None:
    assert attacks.PAGE.read_text() == attacks.page(), (
        "cd tests && python -m support.attacks > ../docs/reference/attacks.md"
    )


def test_all_sixty_attacks_are_there_in_order() -> None:
    assert [attack["id"] for attack in attacks.attacks()] == [f"A{n}" for n in range(1, 61)]


def test_every_attack_has_tests_or_says_why_not() -> None:
    silent = [
        attack["id"]
        for attack in attacks.attacks()
        if not {"tests", "impossible", "missing"} & attack.keys()
    ]
    assert silent == []


def test_every_test_that_is_named_exists() -> None:
    named = [test for attack in attacks.attacks() for test in attack.get("tests", ())]
    assert [test for test in named if not attacks.exists(test)] == []

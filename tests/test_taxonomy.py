"""The tree of interests: the shipped one holds together, versions follow content, bad files are named."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from coterie.errors import TaxonomyError
from coterie.taxonomy import Difference, Interest, Taxonomy, load_taxonomy

SENSITIVE = {
    "politics.parties",
    "politics.elections",
    "politics.cross_strait",
    "culture_belief.buddhism_daoism",
    "culture_belief.christianity_islam",
    "society.lgbt",
    "health.cancer",
    "health.mental_health",
    "health.sexual_health",
    "health.heart_chronic",
    "health.medicine",
    "family_relationships.pregnancy",
}


def interest(name: str, **changes: Any) -> dict[str, Any]:
    plain = {"id": name, "name": name.title(), "name_zh": name, "description": f"About {name}."}
    return {**plain, "keywords": [name], "keywords_zh": [f"{name}字"], **changes}


def tree() -> dict[str, Any]:
    return {
        "domains": [
            {
                "id": "pets",
                "name": "Pets",
                "name_zh": "寵物",
                "description": "Pets.",
                "interests": [interest("cats"), interest("dogs")],
            },
            {
                "id": "food",
                "name": "Food",
                "name_zh": "飲食",
                "description": "Food.",
                "interests": [interest("tea")],
            },
        ]
    }


def load(tmp_path: Path, data: Any) -> Taxonomy:
    path = tmp_path / "tree.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return load_taxonomy(path)


def test_the_shipped_tree_is_wide_and_every_interest_speaks_both_languages() -> None:
    shipped = load_taxonomy()
    assert len(shipped.domains) >= 15
    assert len(shipped.interests) >= 120
    for interest_id, (_, one) in shipped.interests.items():
        assert len(one.keywords) >= 6, interest_id
        assert len(one.keywords_zh) >= 6, interest_id
        assert one.description.endswith("."), interest_id
        assert any("\u3400" <= c <= "\u9fff" for c in one.name_zh), interest_id


def test_the_shipped_keywords_are_words_of_few_interests_and_none_is_a_single_chinese_character() -> None:
    shipped = load_taxonomy()
    used = Counter(
        k for _, one in shipped.interests.values() for k in {k.casefold() for k in one.keywords + one.keywords_zh}
    )
    assert {k: n for k, n in used.items() if n > 3} == {}
    for interest_id, (_, one) in shipped.interests.items():
        assert all(k == k.lower() for k in one.keywords), interest_id
        assert all(len(k) > 1 for k in one.keywords_zh), interest_id
        assert len(set(one.keywords)) == len(one.keywords), interest_id
        assert len(set(one.keywords_zh)) == len(one.keywords_zh), interest_id


def test_the_shipped_tree_marks_what_people_do_not_want_to_be_known_by() -> None:
    marked = set(load_taxonomy().frame().filter("sensitive")["interest_id"])
    assert marked >= SENSITIVE
    assert not any(i.startswith(("food.", "gaming.", "pets.", "sports.")) for i in marked)


def test_the_frame_has_one_sorted_row_an_interest() -> None:
    shipped = load_taxonomy()
    frame = shipped.frame()
    assert frame.columns == ["interest_id", "domain_id", "domain", "interest", "interest_zh", "sensitive"]
    assert frame["interest_id"].to_list() == sorted(shipped.interests)


def test_a_changed_word_changes_the_version_and_its_own_branch_only(tmp_path: Path) -> None:
    before, data = load(tmp_path, tree()), tree()
    data["domains"][0]["interests"][1]["keywords"].append("puppy")
    after = load(tmp_path, data)
    assert after.version != before.version
    assert after.branch_version("pets") != before.branch_version("pets")
    assert after.branch_version("food") == before.branch_version("food")
    assert load(tmp_path, tree()).version == before.version


def test_a_difference_names_what_came_went_and_changed(tmp_path: Path) -> None:
    data = tree()
    data["domains"][0]["interests"] = [interest("cats", keywords=["kitten"]), interest("birds")]
    newer = load(tmp_path, data)
    difference = load(tmp_path, tree()).diff(newer)
    assert difference == Difference(added=("pets.birds",), removed=("pets.dogs",), changed=("pets.cats",))
    assert newer.diff(newer) == Difference((), (), ())


def test_the_wire_form_is_canonical_and_complete(tmp_path: Path) -> None:
    one, other = load(tmp_path, tree()), load(tmp_path, tree())
    assert one.wire() == other.wire()
    sent = yaml.safe_load(one.wire())
    assert sent["taxonomy_version"] == one.version
    assert [i["id"] for i in sent["interests"]] == ["food.tea", "pets.cats", "pets.dogs"]
    assert sent["interests"][0]["keywords"] == ["tea", "tea字"]


def _without_name(data: dict[str, Any]) -> None:
    del data["domains"][0]["interests"][1]["name"]


def _no_keywords(data: dict[str, Any]) -> None:
    data["domains"][1]["interests"][0]["keywords_zh"] = []


def _number(data: dict[str, Any]) -> None:
    data["domains"][0]["interests"][0]["keywords"] = ["cat", 165]


def _unknown(data: dict[str, Any]) -> None:
    data["domains"][0]["interests"][0]["colour"] = "red"


def _bad_id(data: dict[str, Any]) -> None:
    data["domains"][0]["interests"][0]["id"] = "Cats!"


def _twice(data: dict[str, Any]) -> None:
    data["domains"][0]["interests"][1]["id"] = "cats"


def _domain_twice(data: dict[str, Any]) -> None:
    data["domains"][1]["id"] = "pets"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_without_name, [r"domains\.pets\.interests\.dogs\.name: Field required"]),
        (_no_keywords, [r"domains\.food\.interests\.tea\.keywords_zh", r"at least 1", r"found \[\]"]),
        (_number, [r"domains\.pets\.interests\.cats\.keywords\.1", "found 165"]),
        (_unknown, [r"domains\.pets\.interests\.cats\.colour", "not permitted", "found 'red'"]),
        (_bad_id, [r"domains\.pets\.interests\.Cats!\.id", "found 'Cats!'"]),
        (_twice, ["interest of pets", "cats", "more than once"]),
        (_domain_twice, ["domain id", "pets", "more than once"]),
    ],
)
def test_a_bad_file_is_told_by_its_place(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None], told: list[str]
) -> None:
    data = tree()
    spoil(data)
    for part in [r"tree\.yaml", *told]:
        with pytest.raises(TaxonomyError, match=part):
            load(tmp_path, data)


@pytest.mark.parametrize("text", ["domains: [", "", "just words", "domains: []"])
def test_a_file_that_is_no_tree_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(TaxonomyError, match=r"tree\.yaml"):
        load(tmp_path, text)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"nowhere\.yaml: the taxonomy cannot be read"):
        load_taxonomy(tmp_path / "nowhere.yaml")


def test_an_interest_is_immutable() -> None:
    one = Interest(**interest("cats"))
    with pytest.raises(ValueError, match="frozen"):
        one.name = "Dogs"  # type: ignore[misc]

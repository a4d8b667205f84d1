"""What makes a browser ask for something is found; what only looks like it is not."""

import pytest

from coterie.report import outward

RULE = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ('<img src="https://x">', ["<img src>", "<img>"]),
        ("<link rel=stylesheet href=x.css>", ["<link href>", "<link>"]),
        ("<a href='https://x'>", ["<a href>"]),
        ("<script src=x.js></script>", ["<script src>"]),
        ("<style>p { background: url(x.png) }</style>", ["url("]),
        ('<p style="background: url(x)">', ["url("]),
        ("<style>@import 'x'</style>", ["@import"]),
        ("<p onclick=x()>", ["<p onclick>"]),
        ("<form action=/x>", ["<form action>"]),
    ],
)
def test_what_reaches_out_is_named(part: str, found: list[str]) -> None:
    assert outward(RULE + part) == found


def test_text_is_text_and_the_rule_is_wanted() -> None:
    text = "&lt;img src=https://x&gt; url(x) @import href=x"
    assert outward(f'{RULE}<a href="#x">{text}</a><script>const a = "<img src=x>";</script>') == []
    assert outward("<p>fine</p>") == ["no rule against requests"]

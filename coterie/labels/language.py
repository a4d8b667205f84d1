"""Which texts are in a language that the local labeller does not know.

Belongs here: telling English and Chinese from others by script and by common words. Does not belong here: naming the
other language, which nobody needs.

A keyword found in a text of another language is as often as not another word (Spanish `once`, Indonesian `air`), and
whatever the vocabulary learns from such texts is noise. So they get no label. Most scripts tell by themselves. Among
languages in Latin letters the commonest words tell: every text of some length has some, and they are listed here only
where English has no such word. A text without any, such as a title of three nouns, counts as English.
"""

import polars as pl

ENGLISH, CHINESE, OTHER = "en", "zh", "other"
KANA_OF_JAPANESE = (
    0.15  # of kana and Han: a Chinese text may have a の for ornament, a Japanese one has a third or more
)
STRANGE = 0.5  # of all letters: more of them in another script, and the text is in another language

_ENGLISH = """
the and of to is are was were be been this that these those with for from by at it its you your my we our they their she
her his him he who what when where why how which not but or if do does did have has had can could will would should just
about as into than then there here all any some more most only so too very out up down over after before i'm don't it's
"""
_FOREIGN = """
el los las una unos unas del que qué por para con como cómo pero muy más esta este esto está estoy eres somos son también
donde dónde cuando cuándo mejor hoy mañana hacer mi tu su yo porque desde hasta sobre entre todo todos nada sin y lo les
um uma os das dos não nao você voce meu minha para pra com mais isso esse essa está são sou ele ela muito hoje fazer também
le les des une est dans avec pour sur pas je vous nous ils elle qui mon ma mes notre votre cette ces mais où très bien c'est
j'ai du au aux être fait comme
der das und ist nicht ein eine einen mit für fur auf von zu den dem ich du wir ihr sie auch wie wenn aber oder nur noch mein
meine nach bei uber über heute wird sind
il gli che di per non è sono con una della delle degli nel alla questo questa anche come più piu mio mia perché ho
het een van ik niet dat dit met voor zijn naar maar ook wel mijn hij wij bij deze heb
yang dan untuk dengan ini itu tidak saya aku kamu dari ada akan bisa juga sudah belum kita mereka karena pada adalah di ke
bir ve bu için icin çok cok ile gibi ama var yok ben sen değil degil nasıl nasil daha kadar
nie się sie jest na do że ze jak ale czy dla moja mój tak są przez tylko już
och att det som är på av inte jag för til og ikke er på det jeg har med en et den ett vi du kan
là và của cho không khong người nguoi một mot những được duoc trong với voi này các tôi toi
ang ng mga sa ko mo si ako ikaw hindi kung para pero naman lang
"""
# Words that English texts have as well: English words, names, and what forums say.
_ENGLISH_TOO = """
a as at an am i in is on so do me he no to son pro die den has made war will also per sin ten men hat fur hoy mi ma mes sur
ada var ben sen bin more all most come ever over after her his their its does for or are si na ale tak sa ko mo ng by not my
just ve ze lo su tu yo kung til er av det com ama dat met non het os mia mit est und
"""
# Stand in English titles by themselves (`El Capitan`, `Tour de France`), but two different ones seldom do.
_HALF = "el los las la le del des du di da de en et y un una il van von der das dos une para pero con och"
ENGLISH_WORDS = frozenset(_ENGLISH.split())
HALF_WORDS = frozenset(_HALF.split())
FOREIGN_WORDS = frozenset(_FOREIGN.split()) - HALF_WORDS - frozenset(_ENGLISH_TOO.split()) - ENGLISH_WORDS


def language(text: pl.Expr) -> pl.Expr:
    """`en`, `zh` or `other` for a column of texts; `en` where there is nothing to tell by."""
    lower = text.fill_null("").str.to_lowercase().str.replace_all(r"https?://[!-~]+", " ")
    letters = lower.str.count_matches(r"\p{L}")
    latin = lower.str.count_matches(r"\p{Latin}")
    han = lower.str.count_matches(r"\p{Han}")
    kana = lower.str.count_matches(r"[\p{Hiragana}\p{Katakana}]")
    words = lower.str.extract_all(r"[\p{Latin}][\p{Latin}\p{M}'’]*").list.eval(pl.element().str.replace("’", "'"))
    count = words.list.len()
    english, foreign, half = (
        words.list.eval(pl.element().is_in(sorted(known))).list.sum()
        for known in (ENGLISH_WORDS, FOREIGN_WORDS, HALF_WORDS)
    )
    accented = words.list.eval(pl.element().str.contains(r"[^\x00-\x7f]")).list.sum()
    strange = letters - latin - han
    speaks = foreign + half / 2 + accented / 2
    return (
        pl.when(kana > KANA_OF_JAPANESE * (kana + han).clip(1), kana > 1, kana * 2 > count)
        .then(pl.lit(OTHER))
        .when(strange > STRANGE * letters)
        .then(pl.lit(OTHER))
        .when(han > 0, han >= count)
        .then(pl.lit(CHINESE))
        .when(speaks >= 1, speaks > english)
        .then(pl.lit(OTHER))
        .otherwise(pl.lit(ENGLISH))
    )

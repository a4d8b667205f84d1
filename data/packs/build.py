"""Build the two text packs of the platform simulator from the original data and the two mappings beside this file.

    python data/packs/build.py --data DIR [--out DIR]

Reads   DIR/post_titles/post_titles.parquet, DIR/kuairec_captions/kuairec_caption_category.csv,
        post_titles.yaml and kuairec.yaml (beside this file).
Writes  OUT/post_titles.parquet        text, interest_id, accepted, community, language ("en")
        OUT/kuairec_captions.parquet   text (null if only hashtags say something), hashtags, interest_id, accepted,
                                       category, language ("zh")
where OUT is coterie/simulate/packs unless given, and prints what was left out, and why. The same input always gives the
same bytes. Where the data come from, and under which licences: coterie/simulate/packs/README.md.

Rules for both packs
  * An item without a true interest (its community or category is mapped to nothing) is left out.
  * HTML entities are written out; runs of blanks become one; invisible characters go.
  * Email addresses, phone numbers (7 digits or more in a row), user names after `u/` or `@` and WeChat ids are removed.
  * Of equal texts (for texts without words: equal hashtags) one is kept, the first in the order of ids, if all share
    one true interest; if they contradict one another, none is.
English
  * Titles of fewer than 2 words (runs of letters or digits) are left out.
  * Titles with a slur or an explicit sexual word are left out (COARSE): demos show titles to people at work.
Chinese
  * The text is the cover text, then ` | `, then the caption; a part that says `UNKNOWN` or repeats the other is left
    out. Hashtags leave the text and stand in `hashtags`; only one with words on both sides, or that opens the
    sentence, also stays in it as a word, for the sentence would break without it.
  * A hashtag is dropped if it asks for attention or thanks the platform (SPAM) and names no topic (TOPIC).
  * Sentences that only beg for clicks or thank the viewers (BEGGING) are removed from the text.
  * Left out: items with fewer than 3 meaningful characters (Han, letters, digits) of text and no hashtag.
  * Left out: items of a category in NEEDS_WORDS of which neither text nor hashtags have one of its words. There the
    category is judged by the picture alone, and the words are as a rule a saying about something else.
  * Of a category that is vague and large (MOST), the first items in the pack's order are kept.
"""

import argparse
import codecs
import html
import re
from pathlib import Path

import polars as pl
import yaml

HERE = Path(__file__).parent
PACKS = HERE.parent.parent / "coterie" / "simulate" / "packs"

INVISIBLE = re.compile(r"[\u0000-\u001f\u007f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffc\ufffd]")
EMAIL = re.compile(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")
DIGITS = re.compile(r"\+?\d(?:[\- ]?\d){6,}")
NOT_PHONE = re.compile(r"(?:19|20)\d\d-(?:(?:19|20)\d\d|\d{1,2}-\d{1,2})|[1-9]\d*0{4,}")  # dates, years, round sums
USER = re.compile(r"(?<![\w/])/?u/[\w-]+")
MENTION = re.compile(r"[@＠][^@＠#]*?\(O\d{4,}\)|\(O\d{4,}\)|[@＠][^\s@＠#]+")
WECHAT = re.compile(r"(?:微信?|主页|(?<![A-Za-z])(?:vx|VX|wx|WX))\s*[:：➕+]?\s*[A-Za-z][A-Za-z0-9_\-]{5,}")

TAG = re.compile(r"#\s*([^\s#@＠]{1,40})")
PUNCTUATED = re.compile("[，。！？；：》“”…,!?]")
SPAM = re.compile(
    "感谢|热门|熱門|热推|上热|热度|官方|推广|助推|助手|作品|创作者|创作中心|创造者|创业者(?:服务|中心|学院)|主播中心|直播中心|主播平台|"
    "限流|屏蔽|双击|关注|老铁|涨粉|粉丝|全面屏|全屏时代|同城|商家号|电商(?:创业|学院|短视频)|流量|今天拍|今天发|今日份的自拍|今日打卡|每日打卡|"
    "高清视频|高清上传|一键出片|一甜相机|投票贴纸|^文字视频$|^文字控$|快闪视频|^快影|用快影|快手(?:平台|官|九周年|创|电商|短视频|粉|MCN|主播|商|推|助|"
    "直播|小|优质|热爱|达人|认证|客服|闪电|全|服务|激励|引流|号|人$|$)|我在快手|祝快手|爱快手|在快手看|(?:热爱|支持|感恩|祝福)快手|恩快手|小黄车|"
    "传播正能量|海星计划|星火计划|达人优创|优创计划|燎原计划|光合大会|小管家|发现页|神秘人|点点(?:关注|红心|小)|小爱心|小心心|红心|留下爱心|"
    "祝大家|家人们(?:的|一路)|承蒙厚爱|推送|扶新|新人扶持|新人求|发财小手|说赚就|只求|爱生活爱官|^原创$|^原创视频$|^日常更新$|^每日更新$|"
    "^热$|^火$|^未$|^求火$|^小小喵$|^(?:上|求|我想|申请|来个)热|^FYP$|^dou|^DOU|工作打卡$|记录天气$|传递正能量$|测评季$|赢曝光|[今在][日家][拍干]点啥|^直播$|^快手女孩$|快手影集|[抱报]团取暖|"
    "跟我一起玩吧"
)
TOPIC = re.compile(
    "宠物|萌|猫|狗|美食|厨房|吃|旅|健身|健康|养生|舞|音乐|歌|体育|篮球|足球|排球|手艺|非遗|宝贝|宝宝|宝妈|养娃|家有|三农|农|时尚|美妆|"
    "护肤|说车|游戏|读书|小剧场|剧|颜值|搞笑|段子|喜剧|情感|爱情|穿搭|女装|男装|服饰|服装|童装|鞋|首饰|饰品|皮草|沙发|减肥|瘦|书法|书市|"
    "画|教程|摆摊|秧歌|好声音|民宿|保安|英语|科普|自驾|运动|肖战|创业(?!用|者)|自主创业|二手|房|滑板|带货|购物|好物测评|玉|鱼|摩托|台风|设计|壁纸|功夫|犬|七夕|明星|拍戏|瑜伽|动漫|动物|文案|戏法|地摊|水杯|特效|太好看"
)
SENTENCE = re.compile(r"[^。！？!?~～\s；;，,、…]*[。！？!?~～\s；;，,、…]*")
BEGS = re.compile(
    "双击|关注|支持|点赞|感谢|谢谢|热门|评论|转发|收藏|小手|红心|爱心|更新|陪伴|666|快手小|创作者服务|同城热点"
)
BEGGING = re.compile(  # what a sentence that only begs is made of; the longest first
    "创作者服务中心|小管家|小课堂|卖货|热点|喜欢的朋友|老铁们|家人们|朋友们|友友们|宝宝们|宝贝们|姐妹们|小心心|小红心|小助手|走一走|官大大|我要上|送上|六六六|早上好|晚上好|"
    "我的|喜欢|老铁|家人|朋友|宝宝|亲们|大家|各位|给个|来个|点个|点点|动动|发财|小手|免费|一下|谢谢|感谢|多多|支持|双击|关注|评论|点赞|分享|"
    "转发|收藏|红心|爱心|走起|热门|申请|快手|平台|官方|大大|绿色|更新|每天|一直|以来|你们|您们|陪伴|感恩|遇见|推广|作品|同城|热爱|推送|今日|继续|"
    "666|我|的|请|给|哦|呗|吧|啊|呀|哈|加|上|求|了|对|您|你|和|与|人|有|爱|送|走"
)
# Slurs and explicit sexual words, in ROT13 so that nobody has to read them: stems that count anywhere in a word, and
# whole words, whose letters are also part of harmless ones.
COARSE_STEMS = (
    "shpx cbea cravf intva obbo avccyr znfgheo betnfz rwnphyng qvyqb ivoengbe unaqwbo oybjwbo guerrfbzr wvmm fyhg "
    "juber ovgpu snttbg srgvfu vaprfg crqbcuvy zbyrfg erqfxva grfgvpyr tnatonat"
)
COARSE_WORDS = (
    "nany nahf oqfz obare pbpx pbpxf pyvg pyvgbeny pyvgbevf pbba pbbaf phz phzzvat phag phagf qvpx qvpxf qlxr "
    "qlxrf rerpgvba rerpgvbaf snc snccvat tbbx tbbxf ubeal xvxr xvxrf xvaxl zvqtrg zvqtrgf zvys arteb artebrf "
    "avttn avttnf avttre avttref betl chffvrf chffl encr encrq encrf encvat encvfg encvfgf ergneq ergneqrq "
    "ergneqf fpebghz frzra furznyr fcvp fdhnj gvgf genaal gjng jnax jnaxre jnaxvat jrgonpx jrgonpxf kkk"
)
COARSE = re.compile(
    "|".join(
        [
            *codecs.decode(COARSE_STEMS, "rot13").split(),
            r"(?<![^\W_])(?:" + codecs.decode(COARSE_WORDS, "rot13").replace(" ", "|") + r")(?![^\W_])",
        ]
    ),
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W_]+")
MEANS = re.compile(r"[^\W_]")

# interest -> one of these words must stand in the text or the hashtags
NEEDS_WORDS = {
    "beauty_fashion.looks": re.compile(
        "颜值|自拍|原相机|素颜|滤镜|美颜|美女|帅哥|帅气|好帅|真帅|很帅|太帅|最帅|变帅|帅的|帅不帅|小姐姐|小哥哥|女神|男神|好看|漂亮|好美|真美|太美|"
        "最美|长腿|大长腿|身材|车模|模特|气质|皮囊|长相|五官|美貌|酒窝|性感|甜美|清纯|型男|少女感|盛世美颜"
    ),
}

MOST = {"society.local_news": 300}  # interest -> items of it that are kept


def clean(text: str) -> str:
    """The text without what nobody reads or what names a person, and with single blanks."""
    text = EMAIL.sub(" ", INVISIBLE.sub("", html.unescape(html.unescape(text))))
    text = DIGITS.sub(lambda m: m[0] if NOT_PHONE.fullmatch(m[0].replace(" ", "")) else " ", text)
    return " ".join(USER.sub(" ", text).split())


def is_spam(tag: str) -> bool:
    """Whether a hashtag asks for attention and names no topic, or says nothing at all."""
    return not MEANS.search(tag) or (bool(SPAM.search(tag)) and not TOPIC.search(TAIL.sub("", tag)))


TAIL = re.compile(
    "爱生活爱官方|喜欢的宝宝|宝宝[们]?(?:留下|记得|点)|快手电商创业|支持快手传播正能量|快手(?:创业|电商创业)用?商家号|短视频带货王"
)  # topic words of no topic


def split_caption(caption: str, listed: set[str]) -> tuple[str, list[str]]:
    """The words of a caption, and its hashtags in their order.

    Args:
        caption: as written, with hashtags and mentions.
        listed: the hashtags that the platform found in it, which tell where one ends if no blank follows.
    """
    caption = MENTION.sub(" ", caption)
    tags: list[str] = []
    out, at = "", 0
    for found in TAG.finditer(caption):
        if found.start() < at:
            continue
        tag = found[1]
        if tag not in listed:
            known = [t for t in listed if t and tag.startswith(t)]
            tag = max(known, key=len) if known else tag
        end = found.start(1) + len(tag)
        if PUNCTUATED.search(tag) or (tag not in listed and len(tag) > 16):  # a sentence behind a lost hash
            out += caption[at : found.start()] + " " + tag + " "
        else:
            tags.append(tag)
            after = TAG.sub(" ", caption[end:])
            follows = re.match(r"\s*[#]?\s*[^\s#]", caption[end:]) and not re.match(r"[#\s]*#", caption[end:])
            stays = bool(follows) and len(MEANS.findall(after)) >= 2 and not is_spam(tag)
            out += caption[at : found.start()] + (f" {tag} " if stays else " ")
        at = end
    out += caption[at:]
    return out.replace("#", " "), tags


def without_begging(text: str) -> str:
    """The text without the sentences that only beg for clicks or thank the viewers."""
    parts = [part for part in SENTENCE.findall(text) if part]
    return "".join(part for part in parts if not (BEGS.search(part) and not MEANS.search(BEGGING.sub("", part))))


def chinese(cover: str, caption: str, topic_tag: str) -> tuple[str | None, list[str]]:
    """What an item says in words (None if nothing), and its hashtags that carry a topic."""
    cover, caption = ("" if part in ("UNKNOWN", "null") else part for part in (cover, caption))
    listed = [t.strip() for t in topic_tag.strip("[]").split(",") if t.strip()]
    words, found = split_caption(INVISIBLE.sub("", html.unescape(caption)), set(listed))
    tags = [" ".join(DIGITS.sub("", t).split()) for t in dict.fromkeys([*found, *listed]) if not PUNCTUATED.search(t)]
    tags = [t for t in dict.fromkeys(tags) if t and not is_spam(t)]
    said = [
        re.sub(r"\s+([。，！？,!?])", r"\1", clean(WECHAT.sub(" ", without_begging(t))))
        for t in (MENTION.sub(" ", TAG.sub(" ", cover)).replace("#", " "), words)
    ]
    bare = ["".join(WORD.findall(t)) for t in said]
    said = [t.strip(" ，,。、；;") if not t.endswith(("。", "..")) else t.lstrip(" ，,。、；;") for t in said]
    keep = [bool(bare[0]) and bare[0] not in bare[1] and bare[0] not in tags, bool(bare[1])]
    if keep == [True, True] and bare[1] in bare[0]:
        keep[1] = False
    text = " | ".join(t for t, kept in zip(said, keep, strict=True) if kept)
    return (text if len(MEANS.findall(text)) >= 3 else None), tags


def without_doubles(items: pl.DataFrame, said: pl.Expr) -> pl.DataFrame:
    """One row for each thing said, none for what is said of several true interests. Rows stand in the order of ids."""
    return (
        items.with_columns(_said=said)
        .filter(pl.col("interest_id").n_unique().over("_said") == 1)
        .unique("_said", keep="first", maintain_order=True)
        .drop("_said")
    )


def mapping(name: str) -> dict[str, list[str]]:
    """A yaml file beside this one."""
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


def post_titles(data: Path) -> pl.DataFrame:
    """The English pack."""
    true = mapping("post_titles.yaml")
    raw = pl.read_parquet(data / "post_titles" / "post_titles.parquet").sort("item_id")
    unknown = sorted(set(raw["interest"]) - set(true))
    if unknown:
        raise SystemExit(f"post_titles.yaml: found no key {unknown[0]}; expected every interest of the titles")
    items = raw.select(
        text=pl.Series([clean(t) for t in raw["title"]]),
        accepted=pl.Series([true[i] for i in raw["interest"]], dtype=pl.List(pl.String)),
        community="interest",
    ).with_columns(interest_id=pl.col("accepted").list.first(), language=pl.lit("en"))
    steps = [("read", items.height)]
    items = items.drop_nulls("interest_id")
    steps.append(("with a true interest", items.height))
    items = items.filter(pl.Series([len(WORD.findall(t)) >= 2 for t in items["text"]]))
    steps.append(("with 2 words or more", items.height))
    items = items.filter(pl.Series([not COARSE.search(t) for t in items["text"]]))
    steps.append(("without slurs and explicit words", items.height))
    items = without_doubles(items, pl.col("text"))
    steps.append(("without doubles", items.height))
    print("post_titles:", "; ".join(f"{n} {what}" for what, n in steps))
    return items.select("text", "interest_id", "accepted", "community", "language").sort(
        "interest_id", "community", "text"
    )


def kuairec(data: Path) -> pl.DataFrame:
    """The Chinese pack."""
    true = mapping("kuairec.yaml")
    raw = pl.read_csv(data / "kuairec_captions" / "kuairec_caption_category.csv", infer_schema=False)
    raw = raw.with_columns(pl.all().fill_null("")).sort(pl.col("video_id").cast(pl.Int64))
    rows = []
    for row in raw.iter_rows(named=True):
        levels = [row[f"{level}_level_category_name"] for level in ("first", "second", "third")]
        levels = levels[: levels.index("UNKNOWN")] if "UNKNOWN" in levels else levels
        keys = ["/".join(levels[:n]) for n in range(len(levels), 0, -1)]
        accepted = next((true[key] for key in keys if key in true), [])
        text, tags = chinese(row["manual_cover_text"], row["caption"], row["topic_tag"])
        rows.append((text, tags, accepted[0] if accepted else None, accepted, "/".join(levels)))
    schema = {
        "text": pl.String,
        "hashtags": pl.List(pl.String),
        "interest_id": pl.String,
        "accepted": pl.List(pl.String),
        "category": pl.String,
    }
    items = pl.DataFrame(rows, schema=schema, orient="row").with_columns(language=pl.lit("zh"))
    says = pl.col("text").is_not_null() | (pl.col("hashtags").list.len() > 0)
    steps = [("read", items.height)]
    items = items.filter(says)
    steps.append(("that say something", items.height))
    items = items.drop_nulls("interest_id")
    steps.append(("with a true interest", items.height))
    words = items.select(pl.concat_str(pl.col("text").fill_null(""), pl.col("hashtags").list.join(" "), separator=" "))
    items = items.filter(
        pl.Series(
            [
                i not in NEEDS_WORDS or bool(NEEDS_WORDS[i].search(w))
                for i, w in zip(items["interest_id"], words.to_series(), strict=True)
            ]
        )
    )
    steps.append(("with the words that their category needs", items.height))
    items = without_doubles(items, pl.coalesce("text", pl.col("hashtags").list.join(" #")))
    steps.append(("without doubles", items.height))
    items = items.select("text", "hashtags", "interest_id", "accepted", "category", "language").sort(
        "interest_id", "category", "text", pl.col("hashtags").list.join(" #"), nulls_last=True
    )
    most = pl.col("interest_id").replace_strict(MOST, default=items.height, return_dtype=pl.Int64)
    items = items.filter(pl.int_range(pl.len()).over("interest_id") < most)
    steps.append(("of which no vague category has too many", items.height))
    print("kuairec_captions:", "; ".join(f"{n} {what}" for what, n in steps))
    return items


def main() -> None:
    """Build both packs."""
    parser = argparse.ArgumentParser(description="Build the two text packs of the platform simulator.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the original data")
    parser.add_argument("--out", type=Path, default=PACKS, help="the folder of the packs")
    given = parser.parse_args()
    total = 0
    for name, build in (("post_titles", post_titles), ("kuairec_captions", kuairec)):
        path = given.out / f"{name}.parquet"
        items = build(given.data)
        items.write_parquet(path, compression="zstd", compression_level=19, row_group_size=1_000_000)
        total += path.stat().st_size
        print(
            f"  {path}: {path.stat().st_size:,} bytes, {items.height} rows, {items['interest_id'].n_unique()} interests"
        )
    print(f"together {total:,} bytes")


if __name__ == "__main__":
    main()

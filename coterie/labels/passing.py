"""Common words that most texts use in passing: alone they do not say what a text is about.

Belongs here: such words of English and Chinese, whatever the taxonomy. Does not belong here: how much less they
count (coterie.labels.local). They were read off texts of known subject: a word stands here if it was found mostly in
texts about something else.
"""

_ENGLISH = """
apartment|army|art|artist|baby|best friend|boyfriend|budget|cheap|christmas|cop|costume|court|dad|design|diamond|
draw|dress|evolution|experiment|facebook|funny|galaxy|girlfriend|halloween|hilarious|history|homemade|husband|
inspiration|instagram|joke|judge|kids|laughing|my dad|my daughter|my mom|my parents|my son|olympic|quote|
science|teach|thanksgiving|toy|traffic|train|twitter|weird|wife|youtube
"""
_CHINESE = """
健康|朋友|孩子|家人|政府|手機|電腦|醫生|醫師|醫院|記者|老師|教學|同學|大學|設計|科學|粉絲|情感|神秘|感動|眼淚|回憶|老人|
姐妹|兄弟|商品|產業|挑戰|文案|新款|網紅|努力|加油|人生|堅持|青春|夢想|自信|媽媽|爸爸|父母|母親|父親|老公|老婆|兒子|女兒|
明星|演員|作家|好吃|好聽|娛樂|皮膚|頭髮|鏡頭|歌曲|國際|下班|上班|心情|情緒|交通|事故|街頭|英文|音樂|公司|細胞|化學|患者
"""

PASSING = frozenset(word.strip() for words in (_ENGLISH, _CHINESE) for word in words.split("|"))

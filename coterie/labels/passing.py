"""Common words that most texts use in passing: alone they do not say what a text is about.

Belongs here: such words of English and Chinese, whatever the taxonomy. Does not belong here: how much less they
count (coterie.labels.keywords). They were read off texts of known subject, the tuning halves of the bench: a word stands
here if it was found mostly in texts about something else and people do say it about much else. A word that is plain about
its subject stays out even where those texts have no such subject ("cancer", "olympics").
"""

_ENGLISH = """
airline|airport|ancient|antique|apartment|army|arrested|art|artist|artwork|baby|bait|bank account|battery|bbq|
before and after|best friend|birth|book|bookshelf|boyfriend|bracelet|bride|budget|burger|burton|business|butterfly|
calorie|campus|car|career|cedar|charity|cheap|christian|christmas|church|clearance|college|college student|comeback|
cook|cop|copyright|cosplay|costume|court|coworker|craft|creepy|crime|crush|curry|dad|dance|dating|decorating|
delicious|design|diamond|dinosaur|discount|dish|disorder|doll|dolphin|donate|draw|dress|drew|ebay|economy|elephant|
elon musk|employer|environment|evolution|experiment|facebook|farmer|fiance|film|financial|flight|flood|foundation|
founder|fraud|funny|furniture|galaxy|gallon|gaming|gay|girlfriend|giveaway|glitter|gopro|grandfather|grandmother|
guitarist|halloween|halloween costume|hammock|handmade|handsome|harvest|hat|helmet|high school|hilarious|historical|
history|homemade|homework|hospital|hotel|hunt|hunter|hurricane|husband|i built|i painted|illustration|inflation|
infographic|inspiration|inspirational|instagram|insurance|italy|jail|jesus|joke|journalist|judge|kicks|kickstarter|
kids|kindle|kitty|knife|laboratory|laptop|laughing|lego|lemon|lens|library|lift|lion|manuscript|marriage|married|
meal|mechanic|meme|military|monk|moral|morocco|motivation|murder|museum|musician|mustang|my boss|my business|my dad|
my daughter|my mom|my parents|my son|needle|netflix|newborn|newspaper|obama|olympic|on sale|open source|oscar|
outfit|owl|oxygen|packaging|painting|password|pattern|pen|pet|photogenic|photograph|piano|pie|pizza|plane|planet|
police|politician|portfolio|pound|priest|prison|privacy|professor|propaganda|protein|publisher|quote|relationship|
religion|religious|rent|republican|researcher|restaurant|resume|road trip|roommate|salary|salmon|salsa|scam|science|
scientific|scientist|semester|sew|shark|short story|shuttle|skirt|social media|soldier|spice|spider|spoiler|
strawberry|studying|subway|summit|super bowl|supplement|surgery|surveillance|sushi|swim|swimming|tackle|taco|tank|
tax|teach|temple|textbook|thailand|thanksgiving|the onion|the universe|thrift store|toddler|toxic|toy|traffic|
trailer|train|training|traveling|turtle|twitter|underwater|university|vacation|veteran|video game|vote|watercolor|
weird|whale|white house|wife|wikipedia|wilderness|wine|wolf|workout|world war|youtube|zombie
"""
_CHINESE = """
健康|朋友|孩子|家人|政府|手機|電腦|醫生|醫師|醫院|記者|老師|教學|同學|大學|設計|科學|粉絲|情感|神秘|感動|眼淚|回憶|老人|姐妹|兄弟|商品|產業|
挑戰|文案|新款|網紅|努力|加油|人生|堅持|青春|夢想|自信|媽媽|爸爸|父母|母親|父親|老公|老婆|兒子|女兒|明星|演員|作家|好吃|好聽|娛樂|皮膚|頭髮|
鏡頭|歌曲|下班|上班|心情|情緒|交通|事故|街頭|英文|細胞|化學|患者|畢業|天氣|幼兒園|兒童|奶奶|閨蜜|女朋友|男朋友|戀愛|愛情|情侶|夫妻|媳婦|結婚|
寶媽|玩具|鍛煉|日常|記錄生活|哈哈哈|笑話|挑戰賽|卡點|特效|遊戲|收藏|客廳|創業|擺攤|老闆|相機|科普|愛心|小哥哥|運動|美國|好運|生了|套路|上新|
高原|高考|健身房|變裝|考場|小姐姐|好物推薦
"""

PASSING = frozenset(word.strip() for words in (_ENGLISH, _CHINESE) for word in words.split("|"))

"""Where the cuts fall in many languages: each ¦ is where a new scene of five seconds begins."""

import pytest

from tasks.options import VideoOptions
from tasks.storyboard import Strategy, make_storyboard


@pytest.mark.parametrize(
    ("strategy", "marked"),
    [
        pytest.param(
            Strategy.SENTENCES,
            "Dr. Hale wound the clock at 5 p.m. and listened. ¦"
            "“Is it raining?” she asked. “It is always raining,” said the cat. Nobody laughed. ¦"
            "The clock struck thirteen, e.g. once too often, and the door swung open.",
            id="English",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "Am 3. Mai kam Dr. Klee mit z. B. sieben Koffern am Bahnhof an. ¦"
            "„Wo ist der Zug? Ich sehe ihn nicht!“, rief er. ¦"
            "Der Schaffner zuckte die Schultern. ¦"
            "Dann fuhr ein Dampfer über die Gleise, ganz langsam, und alle nahmen die Hüte ab.",
            id="German",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "M. Dupont ouvrit la fenêtre de la boulangerie à quatre heures du matin. ¦"
            "« Où est la lune ? Elle est en retard ! » dit-il au chat. ¦"
            "Le chat ne répondit pas. ¦"
            "Alors il sortit dans la rue avec son échelle et monta chercher la lune lui-même.",
            id="French",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "El Sr. García vive en un faro sin mar. ¿Quién apagó la luz? ¦"
            "¡Nadie lo sabe! «Ven. Mira el desierto», dijo su nieta. ¦"
            "Los dos subieron por la escalera con una vela y, ¦"
            "al llegar arriba, vieron que las olas volvían.",
            id="Spanish",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "Старый трамвай проснулся раньше всех, т. е. в пять утра. ¦"
            "«Где мои рельсы? Я ничего не вижу!» — сказал он. Снег шёл всю ночь. ¦"
            "Дворник улыбнулся, взял лопату и начал раскапывать дорогу до самого моря.",
            id="Russian",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "Ο κ. Νίκος ανοίγει το καφενείο πριν από την αυγή. ¦"
            "Πού είναι οι ψαράδες; Κανείς δεν ξέρει. ¦"
            "«Έλα εδώ! Κοίτα», λέει το παιδί. ¦"
            "Στο λιμάνι όλες οι βάρκες πετούν αργά πάνω από το νερό σαν μεγάλα λευκά πουλιά.",
            id="Greek",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "استيقظ البحار العجوز قبل الفجر ونظر إلى السماء. أين النجوم؟ ¦"
            "لا أحد يعرف! «تعال هنا. انظر إلى البحر» قالت حفيدته. ¦"
            "كانت النجوم كلها تسبح في الماء، وكانت الأسماك تطير بهدوء فوق السفينة.",
            id="Arabic",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "הזקן פתח את החנות לפני הזריחה והדליק נר. איפה כל הספרים? ¦"
            'אף אחד לא יודע! "בוא הנה. תראה," אמרה הילדה. ¦'
            "הספרים עפו לאט מעל הגגות כמו ציפורים, והעיר כולה יצאה לרחוב להסתכל.",
            id="Hebrew",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "बूढ़ा घड़ीसाज़ हर सुबह सूरज से पहले उठता है। आज घड़ी नहीं चली। ¦"
            "“समय कहाँ गया? मुझे नहीं पता!” उसने कहा। ¦"
            "बच्ची हँसी और खिड़की खोल दी, और बाहर पूरा बाज़ार चुपचाप हवा में तैर रहा था।",
            id="Hindi",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "清晨五点，老钟表匠推开了窗户，街上一个人也没有。¦"
            "“时间去哪儿了？我找不到它！”他说。猫没有回答。¦"
            "雨停了，屋檐上的水珠一颗一颗往天上飞，¦"
            "整条街的钟同时敲响了十三下。",
            id="Chinese",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "朝五時、時計職人のおじいさんは窓を開けた。¦"
            "通りには誰もいない。¦"
            "「時間はどこへ行った？見つからないぞ。」と彼は言った。猫は答えなかった。¦"
            "雨が止み、軒先の雫がひとつずつ空へ昇り、町じゅうの時計が十三回鳴った。",
            id="Japanese",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "늙은 시계공은 매일 새벽 다섯 시에 창문을 연다. 오늘 거리에는 아무도 없다. ¦"
            "“시간은 어디로 갔지? 찾을 수가 없어!” 그가 말했다. 고양이는 대답하지 않았다. ¦"
            "비가 그치고 처마 끝의 물방울이 하나씩 하늘로 올라가기 시작했다.",
            id="Korean",
        ),
        pytest.param(
            Strategy.CHARACTERS,
            "ช่างซ่อมนาฬิกาแก่ๆ เปิดหน้าต่างตอนตีห้า ถนนว่างเปล่าไม่มีใครเลย ¦"
            "แมวสีส้มนั่งมองท้องฟ้า ฝนหยุดตกแล้ว หยดน้ำค่อยๆ ลอยขึ้นไปบนฟ้าทีละหยด ¦"
            "และนาฬิกาทุกเรือนในเมืองก็ตีสิบสามครั้งพร้อมกัน",
            id="Thai",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "နာရီပြင်ဆရာကြီးသည် နံနက်ငါးနာရီတွင် ပြတင်းပေါက်ကို ဖွင့်သည်။ ¦လမ်းပေါ်တွင် မည်သူမျှ မရှိပါ။ ကြောင်က ကောင်းကင်ကို ကြည့်နေသည်။",
            id="Burmese",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "Старий годинникар прокинувся рано. Де ж час? Ніхто не знає! ¦"
            "«Ходи сюди. Дивись», — сказала онука. Над містом пливли годинники.",
            id="Ukrainian",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "Yaşlı saatçi her sabah beşte uyanır. ¦"
            "Bugün sokakta kimse yok. “Zaman nerede? Bulamıyorum!” dedi. ¦"
            "Kedi cevap vermedi, sadece gökyüzüne baktı ve kuyruğunu salladı.",
            id="Turkish",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "አዛውንቱ ሰዓት ሠሪ በማለዳ ተነሣ። መንገዱ ላይ ማንም የለም። ድመቷ ሰማዩን ትመለከታለች።",
            id="Amharic",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "he wound the clock and waited for the rain to stop falling. ¦"
            "nobody came to the door that night. ¦"
            "then the cat opened one eye and the whole ¦"
            "street began to float slowly upwards into the dark.",
            id="English without capitals",
        ),
        pytest.param(
            Strategy.SENTENCES,
            "ជាងនាឡិកាចាស់ភ្ញាក់ពីព្រលឹម។ ផ្លូវទទេស្អាតគ្មានមនុស្ស។ ¦ឆ្មាមើលមេឃ។ ភ្លៀងឈប់ហើយ ដំណក់ទឹកហោះឡើងលើមេឃយឺតៗ។",
            id="Khmer",
        ),
    ],
)
def test_cuts_fall_between_sentences_of_the_language(strategy: Strategy, marked: str) -> None:
    script = marked.replace("¦", "")
    storyboard = make_storyboard(script, VideoOptions(duration="5s"))
    assert [script[scene.start : scene.end] for scene in storyboard.scenes] == [s.strip() for s in marked.split("¦")]
    assert storyboard.strategy is strategy


@pytest.mark.parametrize(
    "marked",
    [
        "Mr. J. R. Tolland of St. Ives stood at the gate for an hour. ¦Then the gate opened by itself, and he went in.",
        "On the 3rd of May, i.e. a Tuesday, it rained 3.5 litres on Mrs. Brown. ¦She opened her umbrella and flew off.",
        "“Where are you? I am here. Come in!” said a voice behind the door. ¦The cat came in and sat down by the fire.",
        "The captain looked at the map… and laughed for a long time. ¦'Who drew this?' he asked. 'You did. Badly.'",
    ],
    ids=["names", "numbers", "quotation", "ellipsis"],
)
def test_stops_that_end_no_sentence_cut_nothing(marked: str) -> None:
    script = marked.replace("¦", "")
    scenes = make_storyboard(script, VideoOptions(duration="5s")).scenes
    assert [script[scene.start : scene.end] for scene in scenes] == [s.strip() for s in marked.split("¦")]

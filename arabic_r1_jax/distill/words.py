"""Word lists of the procedural curriculum, and their split into training and held-out words.

Every list is closed under one morphological fact, so that an item built from it is decided by what it shows:

- `PEOPLE`: masculine singular nouns for people with a sound masculine plural (ون), a sound feminine plural of the
  feminine (ات) and a regular dual.
- `THINGS`: feminine nouns in ة whose usual plural is sound feminine (ات).
- `ADJECTIVES`: adjectives that take ة, ان, تان, ون, ات and suit both people and things.
- `PREDICATES`: adjectives for people with a sound masculine plural.
- `VERBS`: stems of sound present-tense verbs, without their prefix, that keep their spelling before ون, وا, ان, ين.
- `ENGLISH`: nouns with a regular plural in -s.

A quarter of `PEOPLE`, `THINGS`, `VERBS` and `ENGLISH` is held out, less what training shows in another form: those
words and their stems never occur in adapter training.
"""

import random
from typing import NamedTuple

PEOPLE = """
معلم مهندس مدرس مزارع موظف لاعب صحفي مسافر مترجم مبرمج محاسب مراقب مشرف مسؤول مشارك متدرب متطوع فلاح نجار حداد خباز
سباح رسام مصور مخرج ممثل مذيع مؤلف ناشر بائع مشاهد مستمع متعلم مواطن صياد باحث مقاتل مدافع مهاجم محلل مفكر مخترع
مكتشف مستكشف منافس مساعد مرشد مفتش محقق مصمم مطور مستثمر مقاول معالج ممرض مسعف مراسل محرر مدقق مصحح منشد ملحن معلق
محاضر متخرج متسابق متفوق مرافق مضيف مستشار مندوب مبعوث مرشح ناخب متحدث خطاط دهان سباك حلاق خياط بقال غواص ملاكم
مصارع متسلق متزلج رياضي إعلامي مزين مسوق منسق منظم منقذ مفاوض مختص متخصص مجرب مبتدئ مقيم مهاجر متبرع متقاعد مدير
مسلم مؤمن متهم مدون معماري كيميائي فيزيائي موسيقي روائي مسرحي نحات حمال سائح زائر
""".split()

THINGS = """
سيارة طائرة دراجة حافلة محطة ساعة مكتبة جامعة شركة وزارة لوحة طاولة مجلة بقرة كلمة نخلة بطاقة شاشة آلة كرة تفاحة
برتقالة موزة ليمونة دجاجة حمامة نحلة نملة فراشة زرافة بطة سمكة قارة بحيرة ثلاجة غسالة سماعة نظارة طابعة رحلة زيارة
حفلة مسرحية رواية مقالة ملاحظة محاضرة مسابقة بطولة دورة جلسة هيئة مؤسسة منظمة نقابة جمعية صفحة خطوة لقطة كلية قاعة
صالة عمارة بناية ساحة واحة غابة حلقة شبكة بوابة لافتة إشارة علامة درجة فقرة عبارة إجابة محاولة عملية قبعة بدلة
سجادة معلمة طالبة طبيبة مهندسة كاتبة شاعرة ممرضة لاعبة مديرة موظفة مذيعة ممثلة مخرجة رسامة مصورة مترجمة باحثة عالمة
محامية جارة ملكة أميرة خالة عمة جدة بائعة خياطة طباخة مسافرة زائرة سائحة مشاركة فلاحة حارسة
""".split()

ADJECTIVES = """
مشهور معروف ممتاز رائع متميز محبوب مفيد مختلف محلي مثالي ناجح بارز هادئ مدهش مميز مجهول
""".split()

PREDICATES = """
مجتهد مخلص مسرور مشغول متعب مستعد متعاون ناجح صادق قادم متفائل منتبه متأخر مبتسم معروف محبوب حاضر غائب صابر شاكر
""".split()

VERBS = """
كتب درس لعب عمل رجع خرج دخل جلس سمع فهم ضحك ركض سبح ذهب شرب طبخ رسم حفظ فتح غسل زرع حصد ركب نزل هبط صعد نجح كسب ربح
خسر صدق شكر حمد نصر هزم ضرب حمل رفع نقل جمع طرح قسم حسب عرف علم نظر لمس مسح طبع نشر قطع صنع نسج فرح حزن غضب عطس سعل
رقص لبس خلع نزع دفع سحب جذب صرخ همس نطق سكت صمت بحث كشف لمح شهد حضر غلب هجم رحل سكن حرس حكم رحم عذر ندم تعب نعس بكر
سهر مزح هتف عزف حفر ردم طرق كنس نفخ عصر فرش حلق قفز عبر
""".split()

ENGLISH = """
cat dog boy girl bird tree house car book king river street teacher doctor farmer horse garden window letter
picture player singer writer driver worker student captain pilot baker sailor soldier lawyer manager engineer
artist actor lion tiger monkey rabbit eagle duck goat camel snake turtle table chair lamp clock door wall roof
bridge road hill mountain lake cloud star flower apple lemon carrot onion spoon plate cup pot rope boat ship train
plane truck wheel pencil paper poem song film game team village school hospital museum market hotel farm island
forest field stone coin
""".split()


# Held-out by the draw, and yet shown by training: in the other gender, around a blank, or as a term of grammar.
# نحات: its dual نحاتان looks like a feminine one. These words are neither trained on nor asked.
_UNUSED = set("لاعب فلاح مترجمة مصورة رسامة مديرة منظمة حضر خرج نظر جمع wall نحات".split())


class Lexicon(NamedTuple):
    """The words an item may use: one list for each place of a sentence."""

    people: tuple[str, ...]
    things: tuple[str, ...]
    verbs: tuple[str, ...]
    english: tuple[str, ...]


def _part(words: list[str], held_out: bool) -> tuple[str, ...]:
    shuffled = random.Random(0).sample(words, len(words))
    cut = len(words) // 4
    return tuple(word for word in shuffled[:cut] if word not in _UNUSED) if held_out else tuple(shuffled[cut:])


def lexicon(held_out: bool) -> Lexicon:
    """The held-out words, or the three quarters that training uses; fixed for good."""
    return Lexicon(*(_part(words, held_out) for words in (PEOPLE, THINGS, VERBS, ENGLISH)))

"""Copies, inventions, and the rewrites between them."""

# ruff: noqa: E501 (texts are left as they are)
from __future__ import annotations

from research.bench.validators_pairs.case import Case

_GLASS = (
    "Glass was first blown in the first century before Christ, in Syria or Palestine. A workman "
    "gathers molten glass on the end of an iron pipe and blows into it, turning the pipe all the "
    "while. Before this, vessels were cast in moulds or wound around a core of clay, and only the "
    "rich could afford them. Blowing made glass so cheap that under Augustus every Roman could drink "
    "from it."
)
_BEAVER = (
    "Beavers fell trees with their teeth and build dams from the trunks. Behind the dam a pond "
    "forms, deep enough that it does not freeze to the bottom in winter. The lodge stands in the "
    "pond, and its entrance lies under water, where wolves cannot follow. When the beavers move "
    "away, the pond fills with mud and becomes a meadow."
)
_BRUECKE = (
    "Die Brücke wurde 1874 aus Schmiedeeisen gebaut und trug anfangs nur Fußgänger und Karren. Als "
    "die Straßenbahn kam, verstärkte man die Träger mit Stahl. Im Krieg wurde der mittlere Bogen "
    "gesprengt; ein hölzerner Steg ersetzte ihn elf Jahre lang. Heute ist sie für Autos gesperrt."
)
_SOAP = (
    "Soap is made by boiling fat with lye. The lye splits the fat into glycerine and the salts of "
    "fatty acids, which are the soap. One end of such a salt likes water, the other likes grease, so "
    "that soap carries grease away with the rinsing water. In hard water it forms a grey scum with "
    "calcium and cleans badly."
)
_CLOCK = (
    "The pendulum clock was invented by Christiaan Huygens in 1656. Earlier clocks lost a quarter of "
    "an hour a day; his lost fifteen seconds. Since the time of a swing depends on the length of the "
    "pendulum, clocks ran slow in summer, when the metal grew longer. Later makers used rods of two "
    "metals, which cancel each other's growth."
)

CASES = (
    # ---- copied ----
    Case(
        "copied",
        _GLASS,
        good=(
            "Syria or Palestine saw the first blown glass, in the first century before Christ. Glass "
            "had been cast in moulds or wound around clay until then, and was for the rich. Now a "
            "workman blew through an iron pipe, turning it, into the molten glass at its end; by the "
            "reign of Augustus glass was cheap enough for every Roman.",
        ),
        bad=(
            _GLASS,
            _GLASS.replace("workman", "craftsman").replace("all the while", "constantly"),
            _GLASS.partition(". ")[2],
        ),
    ),
    Case(
        "copied",
        _BEAVER,
        good=(
            "With their teeth beavers bring down trees, whose trunks become dams. The pond that forms "
            "behind a dam is too deep to freeze through, and it guards the lodge: one must dive to "
            "get in, which wolves do not. Once the animals have left, mud turns the pond into a "
            "meadow.",
            "Question: What do beavers build from trunks?\nAnswer: Dams.\nQuestion: Why are wolves no "
            "danger to the lodge?\nAnswer: Because its entrance is under water.",
        ),
        bad=(
            "Here we learn about beavers. " + _BEAVER + " That is how beavers live.",
            "Beavers fell trees with their teeth and build dams from the trunks.\n- Behind the dam a "
            "pond forms, deep enough that it does not freeze to the bottom in winter.\n- The lodge "
            "stands in the pond, and its entrance lies under water, where wolves cannot follow.",
        ),
    ),
    Case(
        "copied",
        _BRUECKE,
        good=(
            "1874 entstand die Brücke aus Schmiedeeisen, zunächst für Karren und Leute zu Fuß. Für "
            "die Straßenbahn erhielten ihre Träger Stahl. Elf Jahre lang überspannte nach dem Krieg "
            "ein Steg aus Holz die Lücke des gesprengten mittleren Bogens. Autos dürfen heute nicht "
            "mehr darüber.",
        ),
        bad=(
            _BRUECKE.replace("anfangs", "zuerst").replace("Heute", "Jetzt"),
            _BRUECKE.upper(),
        ),
    ),
    Case(
        "copied",
        _SOAP,
        good=(
            "Boiled with lye, fat yields glycerine and soap, that is, the salts of its fatty acids. "
            "These have an end for water and an end for grease; so the grease leaves with the water "
            "one rinses with. Calcium, of which hard water is full, makes of soap a grey scum that "
            "does not clean.",
            "Fat and lye, boiled together, give soap. How does it clean? 'One end of such a salt likes "
            "water, the other likes grease', and rinsing takes both away. Calcium spoils this: in hard "
            "water you see scum instead of lather.",
        ),
        bad=(
            "Soap is made by boiling fat with lye. The lye splits the fat into glycerine and the "
            "salts of fatty acids, which are the soap. One end of such a salt likes water, the other "
            "likes grease, so soap removes grease with the rinsing water. In hard water it forms a "
            "grey scum with calcium and cleans badly.",
            _SOAP.replace(". ", ".\n\n"),
            "## Soap\n\n" + _SOAP.replace("is made", "gets made"),
        ),
        held_out=True,
    ),
    Case(
        "copied",
        _CLOCK,
        good=(
            "Clocks erred by a quarter of an hour a day until 1656, when Christiaan Huygens gave them "
            "a pendulum and the error fell to fifteen seconds. Heat still disturbed them: a longer rod "
            "swings more slowly, and metal grows in summer. Rods of two metals, one undoing what the "
            "other does, cured that later.",
        ),
        bad=(
            _CLOCK.replace("was invented", "has been invented"),
            _CLOCK.replace("the metal", "the rod") + " They are still made today.",
        ),
        held_out=True,
    ),
    Case(
        "copied",
        "茶树原产于中国西南部。唐代时，陆羽写了《茶经》，介绍种茶、制茶和饮茶的方法。后来僧人把茶带到日本。"
        "十七世纪，荷兰商人把茶叶运到欧洲，起初只在药店出售。",
        good=(
            "中国西南是茶树的故乡。陆羽在唐代著《茶经》，讲述怎样栽培、加工和品饮。日本的茶由僧侣传入；"
            "欧洲的茶则来自十七世纪的荷兰商船，最早只能在药房里买到。",
        ),
        bad=(
            "茶树原产于中国西南部。唐代时，陆羽写了《茶经》，介绍种茶、制茶和饮茶的方法。后来僧人把茶带到了日本。"
            "十七世纪时，荷兰商人把茶叶运到欧洲，起初只在药店出售。",
        ),
        held_out=True,
    ),
    # ---- invented ----
    Case(
        "invented",
        _GLASS,
        good=(
            "Blown glass is about as old as the Roman empire: workmen in Syria or Palestine found out "
            "that one can blow molten glass up at the end of an iron pipe. What had been a luxury, "
            "cast or wound around clay, was soon so cheap that all Romans drank from it.",
            "Romans drank from cheap glass once blowing was known.",
        ),
        bad=(
            "Music was first recorded by Thomas Edison, who wrapped tin foil around a cylinder. His "
            "machine could play back a nursery rhyme, and it astonished visitors from all over America "
            "who came to hear it.",
            "Artificial intelligence is changing the way companies work. Many businesses now use "
            "chatbots to answer customers, and experts expect the market to keep growing.",
        ),
    ),
    Case(
        "invented",
        _BEAVER,
        good=(
            "A beaver's lodge is safe from wolves, because one has to dive to enter it. The pond that "
            "surrounds it is held by a dam of tree trunks, which the animals have cut down themselves.",
        ),
        bad=(
            "Squirrels hide nuts for the cold months. They remember thousands of places, although "
            "jays and mice steal a good part of what they bury. Some nuts are forgotten and sprout.",
            "As requested, the passage now has a formal tone and avoids contractions. The structure "
            "was improved for readability, and the vocabulary is more academic.",
        ),
    ),
    Case(
        "invented",
        _BRUECKE,
        good=(
            "Über die schmiedeeiserne Brücke von 1874, deren mittlerer Bogen im Krieg gesprengt wurde, "
            "fahren heute keine Autos mehr.",
        ),
        bad=(
            "Der Tunnel verbindet zwei Täler und verkürzt die Reise um eine Stunde. Er wird von "
            "Lastwagen benutzt, die früher den Pass überqueren mussten.",
        ),
    ),
    Case(
        "invented",
        _SOAP,
        good=(
            "Detergent action rests upon amphiphilic molecules: saponification, the treatment of fat "
            "with lye at boiling heat, liberates glycerine and leaves fatty-acid salts whose one "
            "extremity is attracted by water, the other by grease.",
            "Why does soap clean badly in hard water? Because calcium turns it into grey scum.",
        ),
        bad=(
            "Perfume is won from petals by distillation. Steam passes through the flowers and takes "
            "their oils along; in a cooled coil both turn liquid, and the oil floats on top.",
            "The novel tells the story of two sisters who inherit a farm near the coast and quarrel "
            "over whether to sell it. In the end the younger one stays.",
        ),
        held_out=True,
    ),
    Case(
        "invented",
        _CLOCK,
        good=(
            "Huygens put a pendulum into a clock in 1656, and the daily error shrank from a quarter of "
            "an hour to fifteen seconds. Rods of two metals later removed the effect of summer heat.",
        ),
        bad=(
            "The bicycle owes its success to the pneumatic tyre, patented by John Dunlop in 1888 for "
            "his son's tricycle. Roads were rough, and riders had suffered until then.",
            "Question: What is the capital of France?\nAnswer: Paris.\nQuestion: Who painted the Mona "
            "Lisa?\nAnswer: Leonardo da Vinci.\nQuestion: How many continents are there?\nAnswer: "
            "Seven.",
        ),
        held_out=True,
    ),
    Case(
        "invented",
        "The village bakery opens at five. On Fridays it sells rye bread with caraway, and the queue "
        "reaches as far as the fountain.",
        good=(
            "Rye bread with caraway, sold on Fridays, makes people queue as far as the fountain in "
            "front of the bakery, which opens at five.",
            "At five in the morning the bakery of the village opens its doors.",
        ),
        bad=(
            "The football club won its third title in a row. Fans celebrated in the streets until the "
            "early morning, and the mayor promised a parade.",
        ),
        held_out=True,
    ),
    Case(
        "invented",
        "Les abeilles communiquent par une danse. L'angle de la danse indique la direction des "
        "fleurs, et sa durée la distance.",
        good=("Par l'angle et la durée de leur danse, les abeilles indiquent où sont les fleurs.",),
        bad=(
            "Le fromage est affiné en cave pendant plusieurs mois. On le retourne chaque semaine et "
            "on frotte sa croûte avec de l'eau salée.",
        ),
        held_out=True,
    ),
)

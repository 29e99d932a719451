"""Languages that change, wholly or midway, and texts that go round in circles."""

# ruff: noqa: E501 (texts are left as they are)
from __future__ import annotations

from research.bench.validators_pairs.case import Case

CASES = (
    # ---- same language ----
    Case(
        "same_language",
        "The lighthouse was built in 1823 on a rock before the harbour. Its lamp burned whale oil, "
        "later paraffin; since 1968 it has been electric, and no keeper lives there any more.",
        good=(
            "Built in 1823, the lighthouse stands on a rock before the harbour. Whale oil and then "
            "paraffin fed its lamp until 1968, when electricity made the keeper superfluous.",
            "Question: When was the lighthouse built?\nAnswer: In 1823.\nQuestion: What did its lamp "
            "burn?\nAnswer: Whale oil, later paraffin.",
        ),
        bad=(
            "El faro se construyó en 1823 sobre una roca delante del puerto. Su lámpara quemaba "
            "aceite de ballena; desde 1968 es eléctrica.",
            "The lighthouse was built in 1823 on a rock. Its lamp burned whale oil. "
            "自1968年以来，灯塔一直使用电力，不再有看守人居住在那里。",
            "The lighthouse dates from 1823 and stands on a rock before the harbour of the town. "
            "Desde 1968 funciona con electricidad y ya no vive allí ningún farero, de modo que la "
            "casa está vacía.",
        ),
    ),
    Case(
        "same_language",
        "Die Kirche brannte 1676 ab. Mit dem Wiederaufbau begann man erst vierzig Jahre später, weil "
        "das Geld für Holz und Steine fehlte.",
        good=(
            "Weil Geld für Steine und Holz fehlte, wurde die 1676 abgebrannte Kirche erst nach "
            "vierzig Jahren wieder aufgebaut.",
            "Nach dem Brand von 1676 dauerte es vierzig Jahre, bis man die Kirche neu errichtete.",
        ),
        bad=(
            "The church burned down in 1676. It was rebuilt only forty years later, because money "
            "for wood and stone was lacking.",
            "De kerk brandde in 1676 af. Pas veertig jaar later begon men met de wederopbouw, omdat "
            "er geen geld was voor hout en steen.",
        ),
    ),
    Case(
        "same_language",
        "In physics, Schrödinger's Zitterbewegung is a trembling motion of the electron; the German "
        "word means just that. Nobody has seen it in a free electron, but ions have imitated it.",
        good=(
            "Zitterbewegung, a German word for trembling motion, is what Schrödinger found in the "
            "equations of the electron. Ions have imitated it; a free electron never showed it.",
        ),
        bad=(
            "Die Zitterbewegung ist in der Physik eine zitternde Bewegung des Elektrons, die "
            "Schrödinger beschrieb. An freien Elektronen hat sie noch niemand gesehen.",
        ),
    ),
    Case(
        "same_language",
        "用水浇花最好在清晨或傍晚进行。中午阳光强烈，水分蒸发很快，还可能伤害叶子。",
        good=("浇花的最佳时间是早上或晚上；正午太阳很强，水很快蒸发，叶片也会受伤。",),
        bad=(
            "It is best to water flowers early in the morning or in the evening. At noon the sun is "
            "strong and the water evaporates quickly.",
            "花に水をやるのは早朝か夕方がいちばんです。昼は日差しが強く、水がすぐに蒸発してしまいます。",
        ),
    ),
    Case(
        "same_language",
        "La ville possède deux gares. La plus ancienne, ouverte en 1847, ne reçoit plus que des "
        "trains de marchandises.",
        good=(
            "Des deux gares de la ville, la plus vieille date de 1847 et ne sert plus qu'aux trains "
            "de marchandises.",
        ),
        bad=(
            "La ciudad tiene dos estaciones. La más antigua, abierta en 1847, solo recibe trenes de "
            "mercancías.",
        ),
    ),
    Case(
        "same_language",
        "The herring fleet of the island counted ninety boats in 1890, twelve in 1930 and none after "
        "the war. Most families left for the mainland, where the canneries paid better.",
        good=(
            "Of ninety herring boats in 1890 the island had twelve left in 1930; after the war there "
            "was none. The canneries of the mainland, paying better, drew most families away.",
            "| year | boats |\n|---|---|\n| 1890 | 90 |\n| 1930 | 12 |\n| after the war | 0 |\n\nMost "
            "families went to the canneries of the mainland, which paid better wages.",
        ),
        bad=(
            "Sildeflåten på øya talte nitti båter i 1890, tolv i 1930 og ingen etter krigen. De "
            "fleste familiene dro til fastlandet, der hermetikkfabrikkene betalte bedre.",
            "The herring fleet of the island counted ninety boats in 1890. Die meisten Familien "
            "zogen auf das Festland, weil die Fabriken dort besser zahlten und die Arbeit sicherer "
            "war.",
        ),
        held_out=True,
    ),
    Case(
        "same_language",
        "El volcán entró en erupción en febrero de 1943 en medio de un campo de maíz. En un año "
        "alcanzó una altura de 336 metros.",
        good=(
            "En febrero de 1943, un volcán surgió en un campo de maíz; al cabo de un año medía 336 "
            "metros.",
        ),
        bad=(
            "O vulcão entrou em erupção em fevereiro de 1943 no meio de um campo de milho. Em um ano "
            "atingiu a altura de 336 metros.",
            "In February 1943 the volcano erupted in the middle of a field of corn. Within a year it "
            "was 336 metres high.",
        ),
        held_out=True,
    ),
    Case(
        "same_language",
        "Вода замерзает при нуле градусов, но солёная морская вода остаётся жидкой примерно до минус "
        "двух градусов.",
        good=(
            "При нуле градусов вода становится льдом. Морская вода солёная, поэтому она замерзает "
            "лишь около минус двух.",
        ),
        bad=(
            "Вода замерзает при нуле градусов. However, salty sea water stays liquid down to about "
            "minus two degrees, because the salt keeps the molecules from joining into ice.",
            "Вода замръзва при нула градуса, но солената морска вода остава течна до около минус два "
            "градуса, защото солта пречи.",
        ),
        held_out=True,
    ),
    Case(
        "same_language",
        "To list the files, type ls -la and press enter. The first column shows who may read, write "
        "and execute each file; the last one shows its name.",
        good=(
            "Typing `ls -la` lists the files:\n\n```\n$ ls -la\ndrwxr-xr-x 2 ana ana 4096 Jan 3 docs\n"
            "-rw-r--r-- 1 ana ana 120 Jan 3 leeme.txt\n```\n\nRights stand in the first column, the "
            "name in the last.",
        ),
        bad=(
            "Para listar los archivos, escriba ls -la y pulse intro. La primera columna muestra quién "
            "puede leer, escribir y ejecutar cada archivo.",
        ),
        held_out=True,
    ),
    Case(
        "same_language",
        "Goethe's line 'Über allen Gipfeln ist Ruh' hangs in the hut where he wrote it in 1780. "
        "Hikers read it, drink their coffee and walk on down to Ilmenau.",
        good=(
            "In the hut where Goethe wrote it in 1780, hikers who go down to Ilmenau after a coffee "
            "can read his line 'Über allen Gipfeln ist Ruh'.",
        ),
        bad=(
            "Goethes Zeile 'Über allen Gipfeln ist Ruh' hängt in der Hütte, in der er sie 1780 "
            "schrieb. Wanderer lesen sie und trinken ihren Kaffee.",
        ),
        held_out=True,
    ),
    Case(
        "same_language",
        "Sugar dissolves in water because its molecules form hydrogen bonds with those of the water. "
        "Oil does not, and floats on top.",
        good=(
            "Oil floats on water, for its molecules form no hydrogen bonds with it. Those of sugar "
            "do, and so sugar dissolves.",
        ),
        bad=(
            "चीनी पानी में घुल जाती है क्योंकि उसके अणु पानी के अणुओं के साथ हाइड्रोजन बंध बनाते हैं। तेल नहीं घुलता और "
            "ऊपर तैरता है।",
            "Sugar dissolves in water because of hydrogen bonds. Cependant, l'huile ne se dissout "
            "pas : elle flotte à la surface de l'eau, car ses molécules n'aiment pas l'eau.",
        ),
        held_out=True,
    ),
    # ---- target language (German) ----
    Case(
        "in_language",
        "The mill was driven by the river until 1910. Then an engine was put in, and the wheel rotted.",
        good=(
            "Bis 1910 trieb der Fluss die Mühle an. Dann baute man einen Motor ein, und das Rad "
            "verfaulte.",
        ),
        bad=(
            "Until 1910 the river drove the mill. Then an engine was put in, and the wheel rotted.",
            "De molen werd tot 1910 door de rivier aangedreven. Toen kwam er een motor, en het rad "
            "verrotte.",
        ),
    ),
    Case(
        "in_language",
        "Bees dance to tell others where flowers are. The angle of the dance shows the direction.",
        good=(
            "Bienen tanzen, um anderen zu zeigen, wo Blüten sind; der Winkel gibt die Richtung an.",
        ),
        bad=(
            "Bienen tanzen, um anderen zu zeigen, wo Blüten sind. The angle of the dance shows the "
            "direction of the flowers, and its length shows how far away they are from the hive.",
            "Le abeilles dansent pour indiquer aux autres où se trouvent les fleurs.",
        ),
    ),
    Case(
        "in_language",
        "Jane Austen published Pride and Prejudice in 1813 without her name.",
        good=(
            "Jane Austen veröffentlichte »Pride and Prejudice« 1813, ohne ihren Namen zu nennen.",
            "Ohne den Namen der Autorin erschien 1813 Jane Austens Roman »Stolz und Vorurteil«.",
        ),
        bad=("Jane Austen publiceerde Pride and Prejudice in 1813 zonder haar naam te noemen.",),
        held_out=True,
    ),
    Case(
        "in_language",
        "Steel is iron with a little carbon. More carbon makes it harder but also more brittle.",
        good=("Stahl ist Eisen mit etwas Kohlenstoff; mehr davon macht ihn härter, aber spröder.",),
        bad=(
            "Stål är järn med lite kol. Mer kol gör det hårdare men också sprödare.",
            "Steel is Eisen with a little carbon. More carbon makes it härter but also more brittle, "
            "so smiths must find the right amount for each tool.",
        ),
        held_out=True,
    ),
    Case(
        "in_language",
        "The museum is open from ten to five. Children pay nothing.",
        good=("Das Museum ist von zehn bis siebzehn Uhr geöffnet. Kinder zahlen nichts.",),
        bad=(
            "Le musée est ouvert de dix heures à dix-sept heures. Les enfants ne paient rien.",
            "博物馆的开放时间是上午十点到下午五点，儿童免费入场。",
        ),
        held_out=True,
    ),
    # ---- loops ----
    Case(
        "loops",
        "The heron stands still in shallow water and waits. When a fish comes near, it strikes.",
        good=(
            "In shallow water the heron waits without moving; it strikes when a fish comes near.",
            "Standing still, the heron waits in shallow water. A fish comes near: the heron strikes.",
        ),
        bad=(
            "The heron stands in the water. The heron stands in the water. The heron stands in the "
            "water. The heron stands in the water. The heron stands in the water.",
            "The heron waits and waits and waits and waits and waits and waits and waits and waits "
            "and waits and waits for a fish.",
            "The heron stands still. It is a bird that is known for its stillness, and it is a bird "
            "that is known for its patience, and it is a bird that is known for its speed, and it is "
            "a bird that is known for its beak, and it is a bird that is known for its legs.",
        ),
    ),
    Case(
        "loops",
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is "
        "but a dream.",
        good=(
            "Row, row, row your boat, softly down the brook. Merrily, merrily, merrily, merrily, all "
            "is but a dream.",
        ),
        bad=(
            "Row your boat gently down the stream, and row your boat gently down the stream, and row "
            "your boat gently down the stream, and row your boat gently down the stream, and row your "
            "boat gently down the stream.",
        ),
    ),
    Case(
        "loops",
        "Monday: rain. Tuesday: rain. Wednesday: sun. Thursday: rain. Friday: sun. Saturday: fog.",
        good=(
            "| day | weather |\n|---|---|\n| Monday | rain |\n| Tuesday | rain |\n| Wednesday | sun |"
            "\n| Thursday | rain |\n| Friday | sun |\n| Saturday | fog |",
            "It rained on Monday, Tuesday and Thursday. The sun shone on Wednesday and Friday, and "
            "Saturday was foggy.",
        ),
        bad=(
            "| day | weather |\n|---|---|\n| Monday | rain |\n| Tuesday | rain |\n| Monday | rain |\n"
            "| Tuesday | rain |\n| Monday | rain |\n| Tuesday | rain |\n| Monday | rain |\n| Tuesday "
            "| rain |\n| Monday | rain |\n| Tuesday | rain |",
        ),
    ),
    Case(
        "loops",
        "Honey keeps for years because it holds so little water that bacteria cannot live in it.",
        good=(
            "Bacteria cannot live in honey, which holds too little water; hence it keeps for years.",
        ),
        bad=(
            "1. Honey keeps for years.\n2. Honey keeps for years.\n3. Honey keeps for years.\n4. "
            "Honey keeps for years.\n5. Honey keeps for years.\n6. Honey keeps for years.",
            "Honey keeps for years because of its low water.\n\nHoney keeps for years because of its "
            "low water.\n\nHoney keeps for years because of its low water.",
        ),
    ),
    Case(
        "loops",
        "蜂蜜含水很少，细菌无法在其中生存，因此可以保存多年。",
        good=("因为含水量低，细菌不能在蜂蜜里生长，所以蜂蜜能放很多年。",),
        bad=(
            "蜂蜜可以保存多年，蜂蜜可以保存多年，蜂蜜可以保存多年，蜂蜜可以保存多年，蜂蜜可以保存多年。",
        ),
    ),
    Case(
        "loops",
        "Article 1. The club is called The Oars. Article 2. The club has its seat in Bath. Article 3. "
        "The club is open to all who can swim.",
        good=(
            "Article 1. The name of the club is The Oars. Article 2. The seat of the club is in Bath. "
            "Article 3. The membership of the club is open to all who can swim.",
            "Question: What is the club called?\nAnswer: The Oars.\nQuestion: Where does the club have "
            "its seat?\nAnswer: In Bath.\nQuestion: Who may join the club?\nAnswer: All who can swim.",
        ),
        bad=(
            "Article 1. The club is called The Oars. Article 2. The club is called The Oars. Article "
            "3. The club is called The Oars. Article 4. The club is called The Oars. Article 5. The "
            "club is called The Oars.",
            "Question: What is the club called?\nAnswer: The Oars.\nQuestion: What is the club "
            "called?\nAnswer: The Oars.\nQuestion: What is the club called?\nAnswer: The Oars.\n"
            "Question: What is the club called?\nAnswer: The Oars.",
        ),
        held_out=True,
    ),
    Case(
        "loops",
        "Tides follow the moon. There are two high tides a day, about twelve hours apart.",
        good=(
            "Twice a day the tide is high, the second time about twelve hours after the first. It is "
            "the moon that it follows.",
            "Tides follow the moon: high tide, low tide, high tide, low tide, all within about a day.",
        ),
        bad=(
            "Tides follow the moon, which follows the earth, which follows the sun, which follows the "
            "moon, which follows the earth, which follows the sun, which follows the moon, which "
            "follows the earth, which follows the sun.",
            "Tides are high twice a day, twelve hours apart. Tides are very important for ships. Tides "
            "are very important for fish. Tides are very important for birds. Tides are very important "
            "for beaches. Tides are very important for people. Tides are very important for boats.",
            "Tides follow the moon.!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
        ),
        held_out=True,
    ),
    Case(
        "loops",
        "Die Glocke schlägt eins, die Glocke schlägt zwei, die Glocke schlägt drei, und noch immer "
        "schläft niemand im Haus.",
        good=(
            "Die Glocke schlägt eins, die Glocke schlägt zwei, die Glocke schlägt drei, doch im Haus "
            "findet keiner Schlaf.",
        ),
        bad=(
            "Die Glocke schlägt, und niemand schläft, und die Glocke schlägt, und niemand schläft, und "
            "die Glocke schlägt, und niemand schläft, und die Glocke schlägt, und niemand schläft, und "
            "die Glocke schlägt, und niemand schläft.",
        ),
        held_out=True,
    ),
    Case(
        "loops",
        "The primes below thirty are 2, 3, 5, 7, 11, 13, 17, 19, 23 and 29.",
        good=(
            "There are ten primes below thirty: 2, 3, 5, 7, 11, 13, 17, 19, 23, 29.",
            "2 is prime, 3 is prime, 5 is prime, and so are 7, 11, 13, 17, 19, 23 and 29.",
        ),
        bad=(
            "The primes are 2, 3, 5, 7, 2, 3, 5, 7, 2, 3, 5, 7, 2, 3, 5, 7, 2, 3, 5, 7, 2, 3, 5, 7, 2, "
            "3, 5, 7, 2, 3, 5, 7.",
            "The primes below thirty are 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 33, 35, 37, 39, 41, "
            "43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63, 65, 67, 69, 71, 73, 75, 77, 79, 81, 83, 85, "
            "87, 89, 91, 93, 95, 97, 99, 101, 103, 105, 107, 109, 111, 113, 115, 117, 119, 121, 123.",
        ),
        held_out=True,
    ),
    Case(
        "loops",
        "A good knot holds under load and still comes undone by hand. The bowline does both, which is "
        "why sailors tie it first.",
        good=(
            "Sailors tie the bowline first, since it does both things that a good knot must do: it "
            "holds under load, and it comes undone by hand.",
        ),
        bad=(
            "A good knot holds under load. A good knot comes undone by hand. A good knot is the "
            "bowline. A good knot is tied by sailors. A good knot holds under load. A good knot comes "
            "undone by hand. A good knot is the bowline. A good knot is tied by sailors.",
            "A good knot is a good knot is a good knot is a good knot is a good knot is a good knot.",
        ),
        held_out=True,
    ),
)

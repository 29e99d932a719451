"""Figures and names that go missing, change or come from nowhere."""

# ruff: noqa: E501 (texts are left as they are)
from __future__ import annotations

from research.bench.validators_pairs.case import Case

CASES = (
    # ---- numbers ----
    Case(
        "numbers",
        "The bridge is 1,280 metres long and was opened in 1937. Toll is 8.75 dollars; 40 million "
        "cars cross it every year.",
        good=(
            "Opened in 1937, the bridge measures 1280 metres. Every year 40,000,000 cars pay the toll "
            "of $8.75.",
            "Forty million cars a year pay 8.75 dollars to cross the bridge, which was opened in 1937 "
            "and is 1,280 m long.",
        ),
        bad=(
            "Opened in 1973, the bridge measures 1,280 metres. Each year 40 million cars pay $8.75.",
            "The bridge is 1,280 metres long and 27 metres wide. It was opened in 1937; 40 million cars "
            "a year pay 8.75 dollars.",
            "The bridge is long and was opened in the last century. Many cars cross it and pay toll.",
        ),
    ),
    Case(
        "numbers",
        "Three of the seven sisters married; two went to sea with their husbands.",
        good=(
            "Of the 7 sisters, 3 married, and 2 of these went to sea with their husbands.",
            "There were seven sisters. Three found husbands, and two of these three sailed with them.",
        ),
        bad=(
            "Four of the seven sisters married, and two of them went to sea.",
            "Of the seventeen sisters, three married; two sailed with their husbands.",
        ),
    ),
    Case(
        "numbers",
        "In 2019 the town had 12,400 inhabitants, 8% fewer than ten years before.",
        good=(
            "Ten years before 2019 the town was larger: it has lost 8 percent and is down to 12,400.",
            "The town counted twelve thousand four hundred people in 2019. In ten years it had lost "
            "eight per cent.",
        ),
        bad=(
            "In 2019 the town had 12,400 inhabitants, 18% fewer than ten years before.",
            "In 2019 the town had 1,240 inhabitants, 8% fewer than ten years before.",
        ),
    ),
    Case(
        "numbers",
        "Water boils at 100 °C at sea level, but at 71 °C on the top of Everest, 8,849 m high.",
        good=(
            "1. At sea level, water boils at 100 °C.\n2. On Everest (8,849 m), it boils at 71 °C.",
            "On Everest, at 8849 metres, water boils at seventy-one degrees; at sea level, at one "
            "hundred.",
        ),
        bad=(
            "Water boils at 100 °C at sea level, but at 71 °C on Everest, 8,849 m high. That is a "
            "difference of 42 degrees.",
            "At sea level water boils at 212 °F, on the top of Everest at 160 °F.",
        ),
    ),
    Case(
        "numbers",
        "Die Gemeinde hat 3.450 Einwohner und eine Fläche von 21,7 km². Sie wurde 1289 erstmals "
        "erwähnt.",
        good=(
            "Die 1289 zum ersten Mal erwähnte Gemeinde zählt 3450 Einwohner auf 21,7 Quadratkilometern.",
        ),
        bad=(
            "Die 1298 zum ersten Mal erwähnte Gemeinde zählt 3.450 Einwohner auf 21,7 km².",
            "Die Gemeinde zählt 3.450 Einwohner auf 217 km². Sie wurde 1289 erwähnt.",
        ),
    ),
    Case(
        "numbers",
        "The recipe needs 2 1/2 cups of flour, half a teaspoon of salt and a dozen eggs.",
        good=(
            "Take 2.5 cups of flour, 1/2 teaspoon of salt and 12 eggs.",
            "Twelve eggs, two and a half cups of flour and half a teaspoon of salt are needed.",
        ),
        bad=("Take 2.5 cups of flour, half a teaspoon of salt and 10 eggs.",),
    ),
    Case(
        "numbers",
        "Line 7 runs every 15 minutes from 5:30 to 23:45 and carries 61,000 passengers a day.",
        good=(
            "Between 5:30 and 23:45 a train of line 7 leaves every fifteen minutes. The line carries "
            "61 thousand passengers a day.",
            "With 61,000 passengers a day, line 7 runs from 5:30 until 23:45, at intervals of 15 "
            "minutes.",
        ),
        bad=(
            "Line 7 runs every 15 minutes from 5:30 to 23:45 and carries 16,000 passengers a day.",
            "Line 7 runs every 15 minutes from 6:30 to 22:45. It carries 61,000 passengers a day.",
            "Line 7 opened in 2004. It runs every 15 minutes from 5:30 to 23:45 with 61,000 passengers "
            "a day.",
        ),
        held_out=True,
    ),
    Case(
        "numbers",
        "The 19th century saw the population of London grow from 1 million to 6.5 million.",
        good=(
            "In the nineteenth century London grew from one million people to 6.5 million.",
            "London had 1,000,000 people when the 19th century began and 6,500,000 when it was over.",
        ),
        bad=(
            "In the 18th century London grew from 1 million people to 6.5 million.",
            "In the nineteenth century London grew from one million people to 5.6 million.",
        ),
        held_out=True,
    ),
    Case(
        "numbers",
        "She won the first race in 11.2 seconds, came third in the second and did not finish the last.",
        good=(
            "Of her races she won the first, in 11.2 s; the second brought her a 3rd place, and the "
            "last she did not finish.",
        ),
        bad=(
            "She won the first race in 12.1 seconds, came third in the second and dropped out of the "
            "last.",
            "She won the first race in 11.2 seconds and came fifth in the next one, before she gave up "
            "the last.",
        ),
        held_out=True,
    ),
    Case(
        "numbers",
        "Le tunnel mesure 57,1 km et a coûté 12,2 milliards de francs. Il a ouvert en 2016.",
        good=(
            "Ouvert en 2016, le tunnel, long de 57,1 kilomètres, a coûté 12,2 milliards de francs.",
        ),
        bad=(
            "Ouvert en 2016, le tunnel, long de 51,7 kilomètres, a coûté 12,2 milliards de francs.",
            "Ouvert en 2016, le tunnel est long de 57,1 km. Il a coûté cher et compte 178 galeries.",
        ),
        held_out=True,
    ),
    Case(
        "numbers",
        "A litre of milk weighs 1.03 kg. Cows give 25 litres a day, which is 9,125 litres a year.",
        good=(
            "Cows give twenty-five litres of milk a day, or 9,125 a year; each litre weighs 1.03 kg.",
            "Question: How much milk does a cow give a day?\nAnswer: 25 litres, thus 9125 a year.\n"
            "Question: What does a litre weigh?\nAnswer: 1.03 kg.",
        ),
        bad=(
            "Cows give 25 litres of milk a day, or 9,152 a year; each litre weighs 1.03 kg.",
            "Cows give 25 litres of milk a day, or 9,125 a year, since they are milked 730 times.",
        ),
        held_out=True,
    ),
    Case(
        "numbers",
        "The parcel weighed 4 kg and cost 13 euros. It arrived on 3 May, after 16 days.",
        good=(
            "After sixteen days, on May 3, the parcel of 4 kg, for which 13 euros were paid, came.",
        ),
        bad=("The parcel weighed 4 kg, cost 30 euros and arrived on 13 May, after 6 days.",),
        held_out=True,
    ),
    # ---- names ----
    Case(
        "names",
        "In Vienna the painter Egon Schiele met Gustav Klimt, who bought his drawings and found him "
        "models. Schiele died in October 1918, three days after his wife Edith.",
        good=(
            "Gustav Klimt bought drawings of the young Egon Schiele in Vienna and found models for him. "
            "Three days after Edith, his wife, Schiele too was dead; it was October 1918.",
            "Schiele, a painter of Vienna, was helped by Klimt, who bought drawings and found models. "
            "His wife Edith died three days before Egon Schiele did, in October 1918.",
        ),
        bad=(
            "In Vienna the painter Egon Schiele met Oskar Kokoschka, who bought his drawings. Schiele "
            "died in October 1918, three days after his wife Edith.",
            "In the city a painter met an older one, who bought his drawings and found him models. He "
            "died in October 1918, three days after his wife.",
            "In Vienna Egon Schiele met Gustav Klimt, who bought his drawings, as did the collector "
            "Heinrich Benesch. Schiele died in October 1918, after his wife Edith.",
        ),
    ),
    Case(
        "names",
        "The United Nations moved to New York in 1951. Le Corbusier and Oscar Niemeyer had drawn the "
        "plans.",
        good=(
            "Plans by Le Corbusier and Oscar Niemeyer gave the UN its house in New York, where it has "
            "been since 1951.",
            "Where is the United Nations? Since 1951 in New York. Who drew the plans? Niemeyer and Le "
            "Corbusier did.",
        ),
        bad=(
            "The United Nations moved to Geneva in 1951. Le Corbusier and Oscar Niemeyer had drawn the "
            "plans.",
            "The United Nations moved to New York in 1951, to a house by Le Corbusier and Frank Lloyd "
            "Wright.",
        ),
    ),
    Case(
        "names",
        "Most French cheeses are made of cow's milk; Roquefort is made of sheep's milk, in caves near "
        "Toulouse.",
        good=(
            "While in France cheese is mostly made from the milk of cows, that of sheep gives "
            "Roquefort, which ripens in caves near Toulouse.",
            "## A cheese from caves\n\nRoquefort comes from caves near Toulouse. Unlike most French "
            "cheeses it is made of sheep's milk.",
        ),
        bad=(
            "Most French cheeses are made of cow's milk; Camembert is made of sheep's milk, in caves "
            "near Toulouse.",
            "Most Italian cheeses are made of cow's milk; Roquefort is made of sheep's milk, near "
            "Florence.",
        ),
    ),
    Case(
        "names",
        "Engineers at Bell Labs built the first transistor in 1947. Shockley, Bardeen and Brattain "
        "shared a Nobel Prize for it.",
        good=(
            "The first transistor came from Bell Labs in 1947 and brought Bardeen, Brattain and "
            "Shockley a Nobel Prize.",
            "In 1947 the transistor was built at Bell Labs, for which a Nobel Prize went to Shockley, "
            "Bardeen and Brattain together.",
        ),
        bad=(
            "Engineers at Bell Labs built the first transistor in 1947. Shockley, Feynman and Brattain "
            "shared a Nobel Prize for it.",
            "Engineers at Siemens built the first transistor in 1947. Shockley, Bardeen and Brattain "
            "shared a Turing Award for it.",
        ),
    ),
    Case(
        "names",
        "'Call me in the morning,' said Mrs Dalloway. Peter Walsh took his knife out and put it back.",
        good=(
            "Mrs Dalloway asked to be called in the morning. Peter Walsh drew his knife, then put it "
            "away.",
        ),
        bad=("Mrs Ramsay asked to be called in the morning. Peter Walsh drew his knife.",),
    ),
    Case(
        "names",
        "Lake Baikal in Siberia holds a fifth of all fresh water. The Trans-Siberian Railway follows "
        "its southern shore from Irkutsk on.",
        good=(
            "A fifth of the world's fresh water is in Lake Baikal. Along its southern shore in Siberia "
            "runs, from Irkutsk on, the Trans-Siberian Railway.",
            "Baikal, a lake in Siberia, holds a fifth of all fresh water. Trains of the Trans-Siberian "
            "Railway run along its shore after Irkutsk.",
        ),
        bad=(
            "Lake Victoria in Africa holds a fifth of all fresh water. The Trans-Siberian Railway "
            "follows its shore.",
            "Lake Baikal in Siberia holds a fifth of all fresh water. The Trans-Siberian Railway "
            "follows its shore from Vladivostok to Ulan Ude.",
        ),
        held_out=True,
    ),
    Case(
        "names",
        "Ada Lovelace wrote notes on the engine that Charles Babbage had planned. She was a daughter "
        "of Lord Byron.",
        good=(
            "The daughter of Lord Byron, Ada Lovelace, commented on the engine of Charles Babbage.",
            "Her father was Lord Byron; her notes, on an engine planned by Babbage, made Ada Lovelace "
            "famous.",
        ),
        bad=(
            "Ada Lovelace wrote notes on the engine that Alan Turing had planned. She was a daughter of "
            "Lord Byron.",
            "A woman wrote notes on an engine which someone had planned. Her father was a poet.",
            "Ada Lovelace, pupil of Mary Somerville, wrote notes on the engine that Charles Babbage had "
            "planned. She was a daughter of Lord Byron.",
        ),
        held_out=True,
    ),
    Case(
        "names",
        "Rain falls on the western slopes of the Andes only when El Niño warms the Pacific. Then the "
        "Atacama blooms.",
        good=(
            "Only El Niño, when the Pacific is warm, brings rain to the western Andes, and flowers to "
            "the Atacama.",
            "When does the Atacama bloom? Whenever El Niño makes the Pacific warm, so that it rains on "
            "the western slopes of the Andes.",
        ),
        bad=(
            "Rain falls on the western slopes of the Andes only when El Niño warms the Pacific. Then "
            "the Sahara blooms.",
            "Rain falls on the western slopes of the Rockies only when the Gulf Stream warms the sea.",
        ),
        held_out=True,
    ),
    Case(
        "names",
        "The World Health Organization declared smallpox dead in 1980. The last case had been Ali Maow "
        "Maalin, a cook in Merca, Somalia.",
        good=(
            "Smallpox was dead, the WHO said in 1980; Ali Maow Maalin, a Somali cook from Merca, had "
            "been the last to have it.",
        ),
        bad=(
            "Smallpox was dead, UNICEF said in 1980; Ali Maow Maalin, a cook from Merca in Somalia, had "
            "been the last to have it.",
            "The World Health Organization declared smallpox dead in 1980. The last case had been Rahima "
            "Banu, a girl in Bangladesh.",
        ),
        held_out=True,
    ),
    Case(
        "names",
        "On Sunday the museum in Leeds shows a film by Agnès Varda, made in Sète in 1955.",
        good=(
            "A film that Agnès Varda made in Sète in 1955 will be shown on Sunday at the Leeds museum.",
            "However old it is, the film from 1955 is worth a visit on Sunday: the museum in Leeds "
            "shows what Agnes Varda made in Sète.",
        ),
        bad=(
            "On Sunday the museum in Bristol shows a film by Agnès Varda, made in Sète in 1955.",
            "On Sunday the museum in Leeds shows a film by Chantal Akerman, made in Sète in 1955.",
        ),
        held_out=True,
    ),
)

"""Answers that refuse, and answers that talk about the task, beside texts that only look so."""

# ruff: noqa: E501 (texts are left as they are)
from __future__ import annotations

from research.bench.validators_pairs.case import Case

CASES = (
    # ---- refusal ----
    Case(
        "refusal",
        "The lock can be opened with two bent pins: one turns the plug, the other lifts the pins.",
        good=(
            "Two bent pins open the lock. One of them turns the plug while the other raises the "
            "pins inside.",
            "It is not possible to open the lock with one pin only; a second one must turn the plug.",
        ),
        bad=(
            "I'm sorry, but I can't assist with that request.",
            "I cannot help with opening locks, as this may be illegal. Please consult a locksmith.",
        ),
    ),
    Case(
        "refusal",
        "'I'm sorry, but I can't do that,' said the clerk, and closed the window in her face.",
        good=(
            "The clerk shut the window in her face. 'I'm sorry, but I can't do that,' he said.",
            "Saying that he was sorry but could not do it, the clerk closed the window before her.",
        ),
        bad=(
            "I'm unable to rewrite this text because it contains rude behaviour.",
            "As an AI language model, I do not have feelings about clerks or windows.",
        ),
    ),
    Case(
        "refusal",
        "Die Fabrik wurde 1911 gegründet und stellte zunächst Nähmaschinen her.",
        good=("Im Jahr 1911 entstand die Fabrik; anfangs baute sie Nähmaschinen.",),
        bad=(
            "Es tut mir leid, aber ich kann diese Anfrage nicht bearbeiten.",
            "Als KI-Sprachmodell kann ich diesen Text leider nicht umschreiben.",
        ),
    ),
    Case(
        "refusal",
        "Our chatbot answers as an AI language model and cannot give medical advice, the clinic "
        "writes in its terms.",
        good=(
            "According to its terms, the clinic's chatbot replies as an AI language model and is "
            "not able to give medical advice.",
        ),
        bad=("I apologize, but I cannot provide medical advice. Please see a doctor.",),
    ),
    Case(
        "refusal",
        "The match ended two to one. The home side had led until the last ten minutes.",
        good=("Until ten minutes before the end the home side was ahead; it lost two to one.",),
        bad=(
            "There is no text provided. Please provide the text you would like me to rewrite.",
            "Could you please share the document? I don't see any text in your message.",
        ),
    ),
    Case(
        "refusal",
        "Unfortunately I cannot recommend this hotel. The rooms were cold and the staff was rude.",
        good=(
            "I cannot recommend the hotel: its rooms were cold, and the staff was not polite.",
            "Unfortunately, this hotel cannot be recommended. Its staff was rude, its rooms cold.",
        ),
        bad=("I'm sorry, I can't help with writing negative reviews of a business.",),
        held_out=True,
    ),
    Case(
        "refusal",
        "Le sodium réagit violemment avec l'eau et libère de l'hydrogène.",
        good=("Au contact de l'eau, le sodium réagit avec violence ; de l'hydrogène s'échappe.",),
        bad=(
            "Je suis désolé, mais je ne peux pas répondre à cette demande.",
            "En tant que modèle de langage, je ne peux pas fournir d'informations dangereuses.",
        ),
        held_out=True,
    ),
    Case(
        "refusal",
        "In 1955 the players refused to board the bus. 'We cannot go on like this,' their captain "
        "said.",
        good=(
            "'We cannot go on like this,' said the captain in 1955, as the team refused the bus.",
        ),
        bad=(
            "I must decline to continue, since the passage may violate content policies.",
            "It is against my guidelines to produce that kind of content.",
            "Sorry, I'm not able to complete this task.",
        ),
        held_out=True,
    ),
    Case(
        "refusal",
        "钠与水剧烈反应，放出氢气。",
        good=("钠遇到水会发生剧烈的反应，并释放出氢气。",),
        bad=("对不起，我无法协助完成这个请求。", "作为一个人工智能语言模型，我不能改写这段文字。"),
        held_out=True,
    ),
    Case(
        "refusal",
        "La fábrica cerró en 1987. Los obreros no pudieron recuperar sus ahorros.",
        good=("Los obreros perdieron sus ahorros cuando la fábrica cerró en 1987.",),
        bad=("Lo siento, pero no puedo ayudar con esa solicitud.",),
        held_out=True,
    ),
    Case(
        "refusal",
        "The program prints an error and exits if it cannot read the file.",
        good=(
            "If the file cannot be read, the program exits after it has printed an error.",
            "Sorry, cannot read the file: with such a message the program exits.",
        ),
        bad=("I don't have access to your files, so I am unable to read the program.",),
        held_out=True,
    ),
    # ---- framing ----
    Case(
        "framing",
        "Copper conducts heat well. Pans of copper warm evenly, but they must be lined with tin.",
        good=(
            "Pans made of copper must have a lining of tin. They warm evenly, for copper is a good "
            "conductor of heat.",
            "Here is why cooks like copper: it conducts heat well, so pans warm evenly. A lining of "
            "tin is needed.",
        ),
        bad=(
            "Here is the text rewritten in an encyclopedic style. Copper conducts heat well, so its "
            "pans warm evenly; they are lined with tin.",
            "Copper is a good conductor of heat. Its pans, lined with tin, warm evenly.\n\nI hope "
            "this helps! Let me know if you want any changes.",
            "**Rewritten text:**\n\nCopper pans, lined with tin, warm evenly.",
        ),
    ),
    Case(
        "framing",
        "Sure Start was a British programme for small children. It began in 1998.",
        good=(
            "Sure Start, begun in 1998, was a programme for small children in Britain.",
            "Sure Start helped small children in Britain from 1998 on.",
        ),
        bad=(
            "Sure! Sure Start began in 1998 as a British programme for small children.",
            "Of course. Below you will find my rewrite: Sure Start began in Britain in 1998.",
        ),
    ),
    Case(
        "framing",
        "Wolves live in packs. A pack has five to ten animals, led by a pair.",
        good=("A pair leads each pack of wolves, which counts five to ten animals.",),
        bad=(
            "A pair leads each pack of wolves, of five to ten animals.\n\nNote: I have kept all "
            "facts and simplified the sentences.",
            "A pack of wolves has five to ten animals.\n\n(This rewritten version keeps the meaning "
            "of the original text while using simpler words.)",
        ),
    ),
    Case(
        "framing",
        "Der Rhein entspringt in den Alpen und mündet in die Nordsee.",
        good=("Seine Quelle hat der Rhein in den Alpen, seine Mündung an der Nordsee.",),
        bad=(
            "Hier ist der umgeschriebene Text:\n\nDer Rhein kommt aus den Alpen und fließt in die "
            "Nordsee.",
            "Der Rhein kommt aus den Alpen und fließt in die Nordsee.\n\nIch hoffe, das hilft dir "
            "weiter!",
        ),
    ),
    Case(
        "framing",
        "Note: the office is closed on Mondays. Let me know if you need a key, writes the warden.",
        good=(
            "Note: on Mondays the office is closed. The warden writes: let me know if you need a "
            "key.",
        ),
        bad=(
            "The office is closed on Mondays; whoever needs a key may ask the warden. Would you "
            "like me to make it more formal?",
        ),
    ),
    Case(
        "framing",
        "The original text of the treaty was lost in a fire; a copy of 1684 survives in Vienna.",
        good=(
            "Though fire destroyed the original text of the treaty, a copy from 1684 is kept in "
            "Vienna.",
            "A rewritten version of the treaty, the copy of 1684, survives in Vienna; the original "
            "burned.",
        ),
        bad=(
            "In this rewritten version, I have used formal words: fire destroyed the treaty, of "
            "which Vienna keeps a copy of 1684.",
            "As requested, the text in simpler words: the treaty burned, but Vienna has a copy from "
            "1684.",
        ),
        held_out=True,
    ),
    Case(
        "framing",
        "Yeast needs sugar and warmth. At four degrees it sleeps; above fifty it dies.",
        good=(
            "Warmth and sugar are what yeast needs: it sleeps at four degrees and dies above fifty.",
            "The following holds for yeast: it needs sugar, sleeps at four degrees, dies above fifty.",
        ),
        bad=(
            "Rewrite: Yeast sleeps at four degrees and dies above fifty. It needs sugar and warmth.",
            "Yeast needs sugar. It sleeps at four degrees and dies above fifty.\n\nIs there "
            "anything else you would like me to help with?",
            "Certainly, I can do that. Yeast needs sugar and warmth, and dies above fifty degrees.",
        ),
        held_out=True,
    ),
    Case(
        "framing",
        "Le chêne peut vivre mille ans. Son bois sert à la charpente.",
        good=("On emploie en charpente le bois du chêne, un arbre qui peut vivre mille ans.",),
        bad=(
            "Voici le texte réécrit :\n\nLe chêne vit parfois mille ans ; son bois sert en "
            "charpente.",
            "Bien sûr ! Le chêne vit parfois mille ans, et son bois sert en charpente.",
        ),
        held_out=True,
    ),
    Case(
        "framing",
        "El puente tiene tres arcos y fue construido en el siglo XII.",
        good=("Construido en el siglo XII, el puente cuenta con tres arcos.",),
        bad=("Aquí tienes el texto reescrito:\n\nEl puente, del siglo XII, tiene tres arcos.",),
        held_out=True,
    ),
    Case(
        "framing",
        "Please let me know if the parcel arrives. I hope this helps you to plan, wrote Anna.",
        good=(
            "Anna asked to be told when the parcel arrives, and hoped that this would help to plan.",
            "'Please let me know if the parcel arrives,' Anna wrote. 'I hope this helps you to "
            "plan.'",
        ),
        bad=(
            "Anna wanted news of the parcel.\n\n---\nExplanation of changes: the sentences were "
            "joined and shortened.",
        ),
        held_out=True,
    ),
    Case(
        "framing",
        "长城始建于春秋时期，全长两万多公里。",
        good=("长城的修建始于春秋时期，总长度超过两万公里。",),
        bad=(
            "以下是改写后的文本：\n\n长城从春秋时期开始修建，长两万多公里。",
            "好的，这是改写的版本：长城从春秋时期开始修建。",
        ),
        held_out=True,
    ),
    Case(
        "framing",
        "To bake bread, mix flour and water, wait an hour, and heat the oven to 220 degrees.",
        good=(
            "Bread is baked so: flour and water are mixed, left for an hour, and put into an oven "
            "of 220 degrees.",
            "Okay bread needs little: flour, water, an hour's rest, and an oven at 220 degrees.",
        ),
        bad=(
            "Okay, so the user wants me to rewrite the recipe. Mix flour and water, wait an hour, "
            "heat the oven to 220 degrees.",
            "Mix flour and water, wait an hour, then bake at 220 degrees. [End of rewritten text]",
        ),
        held_out=True,
    ),
    Case(
        "framing",
        "Deletes the specified analyzer. You cannot undo this action.",
        good=(
            "The analyzer that you name is deleted, and it cannot be brought back.",
            "Rewrite rules cannot bring the analyzer back: it is deleted for good.",
            "I have now deleted the analyzer, and nobody can undo what was done.",
        ),
        bad=(
            "Rewrite this text: the analyzer that you name is deleted for good.",
            "Rewrite the following text:\nThe analyzer that you name is deleted for good.",
            "In this case, the original text is:\n\nThe analyzer you name is gone for good.",
            "I've just rewritten this text to make it more engaging. The analyzer goes for good.",
            "The text to be rewritten is that an analyzer is deleted and cannot be brought back.",
        ),
    ),
)

"""Names and things that word problems are about."""

from __future__ import annotations

NAMES = (
    "Aaliyah", "Adriana", "Aiko", "Alejandro", "Amara", "Anders", "Anjali", "Astrid", "Benedikt",
    "Bilal", "Camille", "Chidi", "Claudia", "Daisuke", "Damir", "Dilan", "Dorota", "Ebony",
    "Eleni", "Emeka", "Emre", "Farida", "Fatou", "Felipe", "Freya", "Gabriela", "Giorgos", "Greta",
    "Hamza", "Hanna", "Hiroshi", "Ilse", "Imani", "Ines", "Ioana", "Ivan", "Jaana", "Jamal",
    "Javier", "Jelena", "Jiho", "Joaquin", "Kaito", "Kalinda", "Katya", "Kwame", "Laila", "Lars",
    "Leilani", "Linh", "Luca", "Maeve", "Malik", "Marisol", "Mateusz", "Mei", "Milan", "Mirela",
    "Nadia", "Naoki", "Nikhil", "Noor", "Oksana", "Olumide", "Paloma", "Pavel", "Priya", "Quentin",
    "Rania", "Ravi", "Rosa", "Ruben", "Sakura", "Samir", "Saoirse", "Sefa", "Selma", "Sione",
    "Soren", "Sunita", "Tamar", "Tariq", "Thandi", "Tomas", "Umar", "Valeria", "Viktor", "Wanjiru",
    "Xiang", "Yael", "Yusuf", "Zainab", "Zofia", "Zuri",
)  # fmt: skip
BAKED = ("bagels", "biscuits", "cinnamon buns", "croissants", "flatbreads", "muffins", "oat cakes",
         "pretzels", "rolls", "scones", "tarts", "turnovers")  # fmt: skip
CHEAP = ("erasers", "badges", "candles", "lanterns", "marbles", "notebooks", "pencils", "postcards",
         "ribbons", "seed packets", "soap bars", "stickers", "tea bags", "whistles")  # fmt: skip
DEAR = ("armchair", "bicycle", "camera", "carpet", "desk", "guitar", "keyboard", "lamp",
        "mattress", "oven", "printer", "sewing machine", "telescope", "tent",
        "wardrobe")  # fmt: skip
PLANTS = ("apple", "beech", "birch", "cherry", "hazel", "lemon", "lime", "maple", "olive", "pear",
          "plum", "walnut")  # fmt: skip
CROPS = ("barley", "beans", "carrots", "lentils", "maize", "oats", "onions", "potatoes", "rice",
         "rye", "turnips", "wheat")  # fmt: skip
PLACES = ("a community hall", "a hospital", "a library", "a museum", "a railway station",
          "a school", "a sports centre", "a swimming pool", "a theatre", "a town hall")  # fmt: skip
TOWNS = ("Alderby", "Birkholt", "Corran", "Dunmere", "Eastwick", "Fennford", "Garth", "Holloway",
         "Iverness Bay", "Jorvik Cross", "Kestrel Bridge", "Larkfield")  # fmt: skip
COLOURS = ("amber", "black", "blue", "green", "grey", "orange", "purple", "red", "violet", "white",
           "yellow")  # fmt: skip
SMALL = ("balls", "beads", "buttons", "counters", "glass stones", "marbles", "tokens",
         "wooden cubes")  # fmt: skip

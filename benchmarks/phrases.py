"""Short phrases to say: digits, times of the day, requests and sentences of a small grammar.

A rule of the grammar is a list of alternatives, separated by "|"; a word in braces stands for one
alternative of the rule of that name. There are about 470 words, all in lower case.
"""

import re
from typing import Final

import numpy as np

DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

RULES: Final = {
    "phrase": "{digits}|{time}|{request}|{request}|{sentence}|{sentence}|{sentence}",
    "digits": "{digit} {digit} {digit}|{digit} {digit} {digit} {digit}|"
    "{digit} {digit} {digit} {digit} {digit}|{digit} {digit} {digit} {digit} {digit} {digit}",
    "digit": "|".join(DIGITS),
    "time": "{at} {hour} in the {daytime}|{at} {hour} on {day}|{day} {at} {hour}|"
    "the {ordinal} of {month}|{day} the {ordinal} of {month}|{every} {day} {at} {hour}",
    "at": "at|before|after|at half past|at quarter past|at quarter to|at ten to|at twenty past|"
    "at five to|at ten past|until|around",
    "hour": "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve",
    "daytime": "morning|afternoon|evening",
    "day": "monday|tuesday|wednesday|thursday|friday|saturday|sunday",
    "ordinal": "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|"
    "thirteenth|twentieth|thirtieth",
    "month": "january|february|march|april|may|june|july|august|september|october|november|"
    "december",
    "every": "every|each|next|last|this",
    "request": "{please}{switch} the {device} in the {room}|{please}{open} the {opening}|"
    "{please}{bring} {person} {amount} {food}|where is the {nearest} {place}|"
    "how far is it to the {place}|{please}wake me {at} {hour}|{please}play some {mood} {sound}|"
    "will it be {weather} {when}|{please}{tell} {person} that the {traffic} is late|"
    "is there any {food} left in the {room}|{please}put the {thing} on the {furniture}",
    "please": "|please |could you |would you kindly ",
    "switch": "turn on|turn off|dim|repair",
    "device": "light|lamp|heating|radio|television|music|fan|oven|kettle|alarm",
    "room": "kitchen|bedroom|hall|garden|cellar|office|garage|bathroom|attic|living room",
    "open": "open|close|lock|clean|paint|fix",
    "opening": "window|door|gate|curtains|box|drawer|cupboard|roof",
    "bring": "bring|give|buy|send|show|order",
    "person": "me|him|her|them|us|my brother|my sister|the teacher|the doctor|your uncle",
    "amount": "a little|some|a piece of|a bowl of|a pound of|more|plenty of|a box of",
    "food": "bread|butter|cheese|soup|rice|sugar|salt|coffee|chocolate|fruit|honey|pepper|pasta|"
    "milk|cake|salad",
    "nearest": "nearest|old|new|next|best|main",
    "place": "station|market|school|bank|bakery|harbour|museum|library|hospital|bridge|theatre|"
    "river|church|village|airport|forest",
    "mood": "quiet|cheerful|slow|classical|modern|gentle|loud|sad",
    "sound": "music|songs|jazz|piano|guitar|drums",
    "when": "today|tomorrow|tonight|on {day}|in {month}|this {daytime}",
    "tell": "tell|remind|ask|warn",
    "traffic": "train|bus|ferry|plane|taxi|post|tram",
    "thing": "book|hammer|basket|blanket|bottle|candle|carpet|clock|cushion|letter|mirror|"
    "newspaper|pencil|picture|plate|scissors|spoon|ticket|umbrella|violin",
    "furniture": "table|shelf|chair|floor|bench|desk|wall|stairs|sofa|piano",
    "sentence": "the {quality} {who} {did} a {quality} {thing}|{who_else} {did} the {thing} "
    "{where}|the {animal} {slept} {where}|the {animal} and the {animal} {slept} {where}|"
    "a {quality} {animal} {looked} at the {who}|{number} {quality} {animals} {moved} {where}|"
    "the {who} {did} {number} {things} {when_then}|it was {weather} {where} {when_then}|"
    "nobody knew why the {who} {looked} so {feeling}|we {travelled} to the {place} by {vehicle}|"
    "the {colour} {thing} is {where}|her {colour} {clothes} was {feeling_of} than mine",
    "quality": "old|young|small|tall|clever|lazy|brave|hungry|friendly|famous|silent|strange|"
    "beautiful|enormous|broken|golden|wooden|simple|heavy|tiny",
    "who": "fisherman|farmer|captain|painter|sailor|baker|student|queen|king|gardener|soldier|"
    "neighbour|child|grandmother|engineer|musician|thief|stranger|nurse|writer",
    "who_else": "somebody|everybody|she|he|they|my cousin|our friend|the whole family",
    "did": "found|lost|carried|sold|bought|painted|wanted|remembered|forgot|hid|borrowed|threw|"
    "dropped|kept|mended|noticed",
    "where": "near the {place}|behind the {place}|under the {furniture}|by the {opening}|"
    "between the {furniture} and the {opening}|on the {furniture}|in the {room}|"
    "across the {place}|outside|far away",
    "animal": "dog|cat|horse|mouse|rabbit|eagle|tiger|spider|donkey|monkey|elephant|fox|"
    "squirrel|turtle|wolf|sparrow",
    "animals": "dogs|cats|horses|mice|rabbits|eagles|tigers|spiders|donkeys|monkeys|foxes|wolves",
    "slept": "slept|waited|played|jumped|was hiding|stood still|was born|kept watch",
    "looked": "looked|smiled|laughed|shouted|stared",
    "number": "two|three|four|five|six|seven|eight|nine|eleven|fifteen|forty|sixty|a hundred|"
    "several|many|few",
    "moved": "ran|walked|swam|flew|marched|danced|climbed|wandered",
    "things": "books|baskets|bottles|candles|clocks|letters|mirrors|pictures|plates|spoons|tickets|"
    "umbrellas|apples|potatoes|onions|stones|flowers|coins",
    "when_then": "yesterday|last {day}|in {month}|that {daytime}|long ago|during the {season}|"
    "after the {meal}|all night",
    "season": "summer|winter|spring|autumn",
    "meal": "breakfast|lunch|dinner|concert|storm|meeting",
    "weather": "raining|snowing|warm|cold|foggy|windy|dark|bright|freezing|quiet",
    "feeling": "happy|angry|tired|worried|surprised|nervous|proud|lonely",
    "travelled": "travelled|went|walked back|came home|hurried|returned",
    "vehicle": "bicycle|boat|car|train|bus|ship|tram|night",
    "colour": "red|green|yellow|brown|black|white|purple|orange|grey|silver|blue|pink",
    "clothes": "coat|hat|shirt|dress|jacket|scarf|skirt|sweater",
    "feeling_of": "warmer|nicer|cheaper|longer|lighter|thicker|softer|newer",
}
"""The rules, by name; an alternative that is given twice is drawn twice as often."""


def draw_phrases(count: int, random: np.random.Generator) -> list[str]:
    """Draw different phrases, in the order in which they are drawn."""
    phrases: dict[str, None] = {}
    while len(phrases) < count:
        phrases[_expand("phrase", random)] = None
    return list(phrases)


def vocabulary() -> set[str]:
    """Return all words of the grammar."""
    return set(re.sub(r"\{\w+\}|\|", " ", " ".join(RULES.values())).split())


def _expand(name: str, random: np.random.Generator) -> str:
    """Draw an alternative of a rule, and of the rules in it."""
    alternatives = RULES[name].split("|")
    chosen = alternatives[random.integers(len(alternatives))]
    return re.sub(r"\{(\w+)\}", lambda rule: _expand(rule[1], random), chosen)

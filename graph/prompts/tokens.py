"""How many tokens a text is, without asking the model's own tokenizer.

Every vendor counts in its own way, and most tokenizers have to be downloaded. What is needed here is a count that does
not come out too low: prompts are cut to a limit, and the worst case of a call is priced with it. So the text is split
as byte-pair tokenizers split it, and each piece is charged what the less favourable of them charge: an ASCII word a
token for each four letters begun, every digit and every punctuation mark one, a run of white space one unless it is the
single blank before a word, anything else one for each byte (no byte-level tokenizer can need more).
"""

import re

LETTERS_A_TOKEN = 4

_PIECES = re.compile(r"(?P<word>[A-Za-z]+)|(?P<space>\s+)|(?P<mark>[!-~])|(?P<other>[^\s!-~]+)")


def estimate(text: str) -> int:
    """Tokens of a text, rather too many than too few; 0 for an empty one."""
    total = 0
    for piece in _PIECES.finditer(text):
        found = piece.group()
        match piece.lastgroup:
            case "word":
                total += -(-len(found) // LETTERS_A_TOKEN)
            case "space":
                total += found != " "
            case "mark":
                total += 1
            case _:
                total += len(found.encode("utf-8", "replace"))
    return total

"""Upper estimate of the number of tokens of a text, without the model's tokenizer.

Vendors count differently, and most tokenizers have to be downloaded. Prompts are cut to a limit, and the worst case of
a call is priced, so the estimate must not be too low. The text is split as byte-pair tokenizers split it, and each
piece counts as much as under the least favourable of them: an ASCII word one token for each four letters begun, each
digit and each punctuation mark one, a run of white space one unless it is a single blank before a word, anything else
one for each byte (no byte-level tokenizer can need more).
"""

import re

LETTERS_A_TOKEN = 4

_PIECES = re.compile(r"(?P<word>[A-Za-z]+)|(?P<space>\s+)|(?P<mark>[!-~])|(?P<other>[^\s!-~]+)")


def estimate(text: str) -> int:
    """Return an upper estimate of the tokens of a text; 0 for an empty one."""
    total = 0
    for piece in _PIECES.finditer(text):
        matched = piece.group()
        match piece.lastgroup:
            case "word":
                total += -(-len(matched) // LETTERS_A_TOKEN)
            case "space":
                total += matched != " "
            case "mark":
                total += 1
            case _:
                total += len(matched.encode("utf-8", "replace"))
    return total

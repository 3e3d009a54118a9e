"""What a run spends: tokens, money, minutes, calls and episodes, and the caps on them."""

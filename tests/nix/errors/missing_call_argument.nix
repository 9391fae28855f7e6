{ a, b ? 1 }: a + b
# args: --arg b 2
# expect-error: 'a'
# expect-error: --arg

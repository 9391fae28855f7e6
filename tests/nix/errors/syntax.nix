{ a = 1;
  b = ;
}
# expect-error: syntax.nix:2:7: error: syntax error, unexpected ';'
# expect-error: b = ;
# expect-error: ^

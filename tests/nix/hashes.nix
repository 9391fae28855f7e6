# Hashes of strings.
map (algo: builtins.hashString algo "theta") [ "md5" "sha1" "sha256" "sha512" ]
# expect: [ "61a74be60d291cc4678ab46cc1cdaf91" "f24426b9ff82a9ecca01636f4317d4a7fdba1697" "973e223542ffe23e2d24b97d1a473552e3c80fa47f5f46783cb6cb77f195216e" "0eb301f8ae7f81f024afbeb1d8f1414ef33d9fbd3e6085f838a82de322790b0ac13e9c4f38c64f41c17ad1e7422b76c2d638002eff0936d17aaeee23f1988727" ]

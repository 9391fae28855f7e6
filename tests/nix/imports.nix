# Files: import is cached, a folder means its default.nix, scopedImport brings names along.
let lib = import ./imports_lib.nix; in {
  double = lib.double 21;
  folder = import ./folder;
  same = (import ./imports_lib.nix).marker == lib.marker;
  scoped = builtins.scopedImport { greeting = "hello"; } ./imports_scoped.nix;
  curried = import ./imports_function.nix { a = 1; } 2;
}
# expect: { curried = 13; double = 42; folder = "the folder's folder"; same = true; scoped = "hello there"; }

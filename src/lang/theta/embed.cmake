# Turns the prelude (FILES, .th) into a C include: one byte array per file and a list of them. Run by the build.
# SPDX-License-Identifier: Apache-2.0
set(text "/* Made by embed.cmake from the .th files in std. */\n")
set(list "#define THETA_STD_FILES(X)")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
  string(APPEND text "static const unsigned char std_${name}[] = {\n${bytes}0x00};\n")
  string(APPEND list " X(${name})")
endforeach()
file(WRITE ${OUT} "${text}${list}\n")

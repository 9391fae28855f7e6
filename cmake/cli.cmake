# The tests of the command (tests/cli), the examples in C, and theta.h as a C++ header.
# SPDX-License-Identifier: Apache-2.0

# Examples: each is compiled as an embedder would, and says what it always says; under valgrind too, where there is one.
function(th_example name expected)
  add_executable(example_${name} ${CMAKE_SOURCE_DIR}/examples/${name}.c)
  target_include_directories(example_${name} PRIVATE ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(example_${name} PRIVATE theta_static ${THETA_LIBRARIES})
  target_link_options(example_${name} PRIVATE -s) # valgrind cannot read the debug information of every compiler
  add_test(NAME example/${name} COMMAND example_${name})
  set_tests_properties(example/${name} PROPERTIES PASS_REGULAR_EXPRESSION "${expected}" TIMEOUT 60)
  find_program(VALGRIND valgrind)
  if(VALGRIND AND NOT THETA_SANITIZE)
    add_test(NAME example/${name}_valgrind
      COMMAND ${VALGRIND} --quiet --leak-check=full --error-exitcode=9 $<TARGET_FILE:example_${name}>)
    set_tests_properties(example/${name}_valgrind PROPERTIES TIMEOUT 300)
  endif()
endfunction()

th_example(embed "^the fee is 0\\.80\n$")
th_example(embed_table "^Host\\.threshold\\('EUR'\\) is asked for\nshop 1: 110\\.00\nshop 2: 20\\.50\nshop 3: 8\\.00\n$")

include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
  enable_language(CXX)
  add_library(header_cpp OBJECT ${CMAKE_SOURCE_DIR}/tests/cli/header.cpp)
  set_target_properties(header_cpp PROPERTIES CXX_STANDARD 11 CXX_EXTENSIONS OFF)
  target_compile_options(header_cpp PRIVATE -Wall -Wextra -Wpedantic -Werror)
  target_include_directories(header_cpp PRIVATE ${CMAKE_SOURCE_DIR}/include)
  if(NOT THETA_SANITIZE AND NOT THETA_FUZZ) # the two compilers' sanitizers do not mix
    add_executable(test_header_cpp $<TARGET_OBJECTS:header_cpp>)
    target_link_libraries(test_header_cpp PRIVATE theta_static ${THETA_LIBRARIES})
    add_test(NAME cli/header_cpp COMMAND test_header_cpp)
  endif()
endif()

# Stands in for the system calls of the command (tests/cli/test_faults.py); without the flags of the build it is loaded into.
set(faulty_io ${CMAKE_BINARY_DIR}/faulty_io.so)
set(faulty_io_source ${CMAKE_SOURCE_DIR}/tests/support/faulty_io.c)
add_custom_command(OUTPUT ${faulty_io}
  COMMAND ${CMAKE_C_COMPILER} -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -fPIC -shared ${faulty_io_source} -o ${faulty_io}
  DEPENDS ${faulty_io_source} ${CMAKE_SOURCE_DIR}/tests/support/faulty_io.h VERBATIM)
add_custom_target(faulty_io ALL DEPENDS ${faulty_io})

if(Python3_FOUND)
  set(slow)
  if(THETA_SANITIZE)
    set(slow --slow)
  endif()
  file(GLOB cli_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/test_*.py)
  foreach(test ${cli_tests})
    get_filename_component(name ${test} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    add_test(NAME cli/${name} COMMAND ${Python3_EXECUTABLE} ${test} --theta $<TARGET_FILE:theta>
      --faults ${faulty_io} ${slow})
    set_tests_properties(cli/${name} PROPERTIES TIMEOUT 900)
  endforeach()
endif()

# The tests of src/flat that need more than their room: a schema with every feature, and the comparison with flatc.
# SPDX-License-Identifier: Apache-2.0

file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/tests)
add_library(th_flat_sample STATIC)
th_schema(th_flat_sample ${CMAKE_SOURCE_DIR}/tests/flat/sample.fbs ${CMAKE_BINARY_DIR}/generated/tests)
target_include_directories(th_flat_sample PUBLIC ${CMAKE_BINARY_DIR}/generated/tests)
target_link_libraries(th_flat_sample PUBLIC th_flat)
foreach(name build verify json)
  if(TARGET test_flat_${name})
    target_link_libraries(test_flat_${name} PRIVATE th_flat_sample)
  endif()
endforeach()

add_executable(flatjson tests/flat/flatjson.c)
target_link_libraries(flatjson PRIVATE th_flat_sample)
if(Python3_FOUND)
  add_test(NAME flat/flatc COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/flat/flatc.py ${THETA_FLATC}
    $<TARGET_FILE:flatjson> $<TARGET_FILE:flatgen> ${CMAKE_SOURCE_DIR} 20240229)
  set_tests_properties(flat/flatc PROPERTIES TIMEOUT 300)
endif()

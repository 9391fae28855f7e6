# The tests of src/table that need more than their room: the comparison with pyarrow, skipped where that is not installed.
# SPDX-License-Identifier: Apache-2.0

add_executable(tableconv tests/table/tableconv.c)
target_link_libraries(tableconv PRIVATE th_table)
if(Python3_FOUND)
  add_test(NAME table/pyarrow COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/table/pyarrow_check.py
    $<TARGET_FILE:tableconv> 20240229)
  set_tests_properties(table/pyarrow PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endif()

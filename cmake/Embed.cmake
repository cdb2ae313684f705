# generated/embedded_schemas.h: the texts of hdf5_schemas, compiled into the program.
file(GLOB schemas CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hdf5_schemas/*.json)
set(arrays "")
set(rows "")
foreach(schema ${schemas})
  get_filename_component(name ${schema} NAME_WE)
  file(READ ${schema} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "static const unsigned char schema_${name}[] = {\n${bytes}0\n};\n")
  string(APPEND rows "    { \"${name}\", schema_${name}, sizeof schema_${name} - 1 },\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${schema})
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/embedded_schemas.h @ONLY CONTENT
"#pragma once
#include <stddef.h>

${arrays}
static const struct {
    const char *name;
    const unsigned char *text;
    size_t bytes;
} embedded_schemas[] = {
${rows}};
")

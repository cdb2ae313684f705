# Texts that are compiled into the program.

# to_array(OUT NAME FILE): sets OUT to a definition of NAME with the bytes of the file and a NUL.
function(to_array out name file)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  set(${out} "static const unsigned char ${name}[] = {\n${bytes}0\n};\n" PARENT_SCOPE)
endfunction()

# generated/embedded_schemas.h: hdf5_schemas.
file(GLOB schemas CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hdf5_schemas/*.json)
set(arrays "")
set(rows "")
foreach(schema ${schemas})
  get_filename_component(name ${schema} NAME_WE)
  to_array(array schema_${name} ${schema})
  string(APPEND arrays "${array}")
  string(APPEND rows "    { \"${name}\", schema_${name}, sizeof schema_${name} - 1 },\n")
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

# generated/embedded_job.h: slurm/train.sbatch.
to_array(array embedded_job ${CMAKE_SOURCE_DIR}/slurm/train.sbatch)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/embedded_job.h @ONLY CONTENT
"#pragma once

${array}")

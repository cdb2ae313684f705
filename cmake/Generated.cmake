include(Embed)

# generated/build_info.h: what `temper --version` and every file's provenance say of the build.
# The commit is looked up by every build, and its header is written anew where it changed.
find_package(Git QUIET)
set(commit_header ${CMAKE_BINARY_DIR}/generated/build_commit.h)
add_custom_target(temper_commit
  COMMAND ${CMAKE_COMMAND} -D HEADER=${commit_header} -D SOURCE=${CMAKE_SOURCE_DIR}
          -D GIT=${GIT_EXECUTABLE} -P ${CMAKE_SOURCE_DIR}/cmake/commit.cmake
  BYPRODUCTS ${commit_header}
  COMMENT "" VERBATIM)
add_dependencies(temper_core temper_commit)

# Known when all is configured; flags of warnings are left out.
string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
separate_arguments(flags NATIVE_COMMAND "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${type}}")
set(flags "${flags};$<TARGET_PROPERTY:temper_core,COMPILE_OPTIONS>")
set(flags "$<REMOVE_DUPLICATES:$<FILTER:${flags},EXCLUDE,^-W>>")
set(TEMPER_FLAGS "$<JOIN:${flags}, >")
configure_file(${CMAKE_SOURCE_DIR}/cmake/build_info.h.in ${CMAKE_BINARY_DIR}/build_info.h.in @ONLY)
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/build_info.h
     INPUT ${CMAKE_BINARY_DIR}/build_info.h.in)

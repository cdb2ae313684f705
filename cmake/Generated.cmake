include(Embed)

# generated/build_info.h: what `temper --version` and every file's provenance say of the build.
find_package(Git QUIET)
set(TEMPER_COMMIT "unknown")
if(Git_FOUND)
  execute_process(
    COMMAND ${GIT_EXECUTABLE} -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(TEMPER_COMMIT ${commit})
  endif()
endif()

# Known when all is configured; flags of warnings are left out.
string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
separate_arguments(flags NATIVE_COMMAND "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${type}}")
set(flags "${flags};$<TARGET_PROPERTY:temper_core,COMPILE_OPTIONS>")
set(flags "$<REMOVE_DUPLICATES:$<FILTER:${flags},EXCLUDE,^-W>>")
set(TEMPER_FLAGS "$<JOIN:${flags}, >")
configure_file(${CMAKE_SOURCE_DIR}/cmake/build_info.h.in ${CMAKE_BINARY_DIR}/build_info.h.in @ONLY)
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/build_info.h
     INPUT ${CMAKE_BINARY_DIR}/build_info.h.in)

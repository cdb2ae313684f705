# cmake -D HEADER=FILE -D SOURCE=FOLDER -D GIT=PROGRAM -P: the commit of the folder as a C header,
# touched only where it says something new.
set(commit "unknown")
if(GIT)
  set(ENV{GIT_OPTIONAL_LOCKS} 0)
  execute_process(
    COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit ${described})
  endif()
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define TEMPER_COMMIT \"${commit}\"\n")

# cmake -D HEADER=FILE -D SOURCE=FOLDER -D GIT=PROGRAM -P: the commit of the folder, and the SHA-256
# of `git diff --binary HEAD` where that is not all, as a C header, touched only where it says
# something new. Git also answers for a folder that lies in some other project's repository.
set(commit "unknown")
set(diff "")
set(top "")
if(GIT)
  set(ENV{GIT_OPTIONAL_LOCKS} 0)
  execute_process(
    COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel
    OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH ${SOURCE} source)
endif()
if(top AND top STREQUAL source)
  execute_process(
    COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit ${described})
  endif()
  if(commit MATCHES "-dirty$")
    execute_process(
      COMMAND ${GIT} -C ${SOURCE} diff --binary --no-color --no-ext-diff HEAD
      OUTPUT_FILE ${HEADER}.diff ERROR_QUIET)
    file(SHA256 ${HEADER}.diff diff)
    file(REMOVE ${HEADER}.diff)
  endif()
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT
  "#define TEMPER_COMMIT \"${commit}\"\n#define TEMPER_DIFF_SHA256 \"${diff}\"\n")

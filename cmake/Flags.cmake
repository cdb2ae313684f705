# Scalar code is for x86-64-v2; hot kernels are also compiled for v3 and v4 and chosen at start
# (include/linalg/kernel.h). Other architectures get the compiler's default.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(temper_core PUBLIC -march=x86-64-v2)
endif()
target_compile_options(temper_core PUBLIC -Wall -Wextra -Wshadow -Wconversion -Wvla -Wno-psabi
  $<$<NOT:$<CONFIG:Debug>>:-O3> -fno-math-errno -fno-trapping-math
  -ffp-contract=fast)
if(TEMPER_MPI STREQUAL "mpich") # its MPI_STATUSES_IGNORE is an address that GCC holds for too small
  target_compile_options(temper_core PUBLIC -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(TEMPER_KERNELS)
  target_compile_definitions(temper_core PUBLIC TEMPER_KERNELS="x86-64-${TEMPER_KERNELS}")
endif()
if(TEMPER_WARNINGS_AS_ERRORS)
  target_compile_options(temper_core PUBLIC -Werror)
endif()
if(TEMPER_SANITIZE OR TEMPER_FUZZ)
  target_compile_options(temper_core PUBLIC -fsanitize=address,undefined
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(temper_core PUBLIC -fsanitize=address,undefined)
  add_library(sanitizers OBJECT tests/support/sanitizers.c)
  target_link_libraries(temper_core INTERFACE $<TARGET_OBJECTS:sanitizers>)
endif()
if(TEMPER_FUZZ) # the parsers report what they cover to libFuzzer
  target_compile_options(temper_core PUBLIC -fsanitize=fuzzer-no-link)
endif()

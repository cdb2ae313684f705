# TEMPER_MPI: openmpi, mpich, or empty for another MPI. Two of them in one process call each other's
# functions, which have the same names, so a library of the other one is refused.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_C)
foreach(row "OPEN_MPI|openmpi" "MPICH_VERSION|mpich")
  string(REPLACE "|" ";" row "${row}")
  list(GET row 0 macro)
  list(GET row 1 name)
  check_c_source_compiles("#include <mpi.h>
    #ifndef ${macro}
    #error another MPI
    #endif
    int main(void) { return 0; }" TEMPER_MPI_IS_${name})
  if(TEMPER_MPI_IS_${name})
    set(TEMPER_MPI ${name})
  endif()
endforeach()
unset(CMAKE_REQUIRED_LIBRARIES)
set(flavour openmpi) # of Debian's packages
if(TEMPER_MPI)
  set(flavour ${TEMPER_MPI})
endif()

# temper_refuse_other_mpi(WHAT PATH...): by Debian's names of paths.
function(temper_refuse_other_mpi what)
  foreach(other openmpi mpich)
    if(TEMPER_MPI AND NOT other STREQUAL TEMPER_MPI AND "${ARGN};" MATCHES "[/_-]${other}[/._;]")
      message(FATAL_ERROR "${what} is of ${other} (${ARGN}), MPI is ${TEMPER_MPI}: choose both of "
                          "one, in a new build folder.")
    endif()
  endforeach()
endfunction()

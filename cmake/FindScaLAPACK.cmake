# Debian's own scalapack-config.cmake names a file that is not there and ends CMake, so the library
# is looked for by name: that of TEMPER_MPI (Debian's are of one MPI each) where it is set. Gives
# ScaLAPACK::ScaLAPACK. No headers exist: prototypes are ours.
if(TEMPER_MPI)
  set(names scalapack scalapack-${TEMPER_MPI})
else()
  set(names scalapack scalapack-openmpi scalapack-mpich scalapack-mpi)
endif()
find_library(ScaLAPACK_LIBRARY NAMES ${names}
             HINTS ENV SCALAPACK_ROOT ENV SCALAPACKROOT PATH_SUFFIXES lib lib64)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ScaLAPACK REQUIRED_VARS ScaLAPACK_LIBRARY)
if(ScaLAPACK_FOUND AND NOT TARGET ScaLAPACK::ScaLAPACK)
  add_library(ScaLAPACK::ScaLAPACK UNKNOWN IMPORTED)
  set_target_properties(ScaLAPACK::ScaLAPACK PROPERTIES IMPORTED_LOCATION "${ScaLAPACK_LIBRARY}")
endif()

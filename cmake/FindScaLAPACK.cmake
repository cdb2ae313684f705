# Debian's own scalapack-config.cmake names a file that is not there and ends CMake, so the library
# is looked for by name. Gives ScaLAPACK::ScaLAPACK. No headers exist: prototypes are ours.
find_library(ScaLAPACK_LIBRARY NAMES scalapack scalapack-openmpi scalapack-mpich scalapack-mpi
             HINTS ENV SCALAPACK_ROOT ENV SCALAPACKROOT PATH_SUFFIXES lib lib64)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ScaLAPACK REQUIRED_VARS ScaLAPACK_LIBRARY)
if(ScaLAPACK_FOUND AND NOT TARGET ScaLAPACK::ScaLAPACK)
  add_library(ScaLAPACK::ScaLAPACK UNKNOWN IMPORTED)
  set_target_properties(ScaLAPACK::ScaLAPACK PROPERTIES IMPORTED_LOCATION "${ScaLAPACK_LIBRARY}")
endif()

# `cpack -G DEB` (packaging/deb): the installation under /usr as one Debian package.
set(CPACK_PACKAGE_CONTACT "The Temper developers")
set(CPACK_PACKAGE_VENDOR "The Temper developers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "fine-tunes pretrained models over MPI on CPU nodes")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"One C program, started by srun or mpirun, that shards work over
MPI ranks, keeps everything it writes in HDF5, and gives the same bits
on any number of ranks and threads and after any restart.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# libraries come from dpkg-shlibdeps; mpirun, and the BLAS whose threads are OpenMP's, do not
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libopenblas0-openmp")
if(TEMPER_MPI STREQUAL "openmpi")
  string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", openmpi-bin")
elseif(TEMPER_MPI STREQUAL "mpich")
  string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", mpich")
endif()
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "slurm-client")
include(CPack)

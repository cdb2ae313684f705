# Spack package. Untested: written from Spack's documentation, never built with it.
# Put it into packages/temper of a repository of your own, then, in a checkout of Temper:
#   spack dev-build temper@develop
from spack.package import *


class Temper(CMakePackage):
    """Fine-tunes pretrained transformer models over MPI on CPU nodes, with the same bits on any
    number of ranks and threads."""

    license("Apache-2.0")

    version("develop")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconf", type="build")
    depends_on("mpi@3.1:")
    depends_on("hdf5@1.10:+mpi")
    depends_on("blas")
    depends_on("scalapack")
    depends_on("libyaml")
    depends_on("jansson")
    depends_on("utf8proc")
    depends_on("xxhash")

    requires("^[virtuals=blas] openblas~ilp64 threads=openmp", when="^[virtuals=blas] openblas")

    def cmake_args(self):
        vendor = "OpenBLAS" if self.spec.satisfies("^[virtuals=blas] openblas") else "All"
        return [
            self.define("BLA_VENDOR", vendor),
            self.define("BUILD_TESTING", self.run_tests),
            self.define("ScaLAPACK_LIBRARY", self.spec["scalapack"].libs[0]),
        ]

    def test_version(self):
        """the program starts"""
        which(self.prefix.bin.temper)("--version")

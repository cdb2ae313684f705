# Spack package, for Spack 1.0 and later. Unchecked: Spack could not be had where it was written, so
# neither its linter nor a build has seen it. In a repository of your own (spack repo create FOLDER
# temper, spack repo add FOLDER/spack_repo/temper), as packages/temper/package.py there:
#   spack develop --path CHECKOUT temper@develop, or in the checkout: spack dev-build temper@develop
# There is no release archive yet. A release adds: version("X.Y.Z", sha256="..."), and its url.
# OpenMP is no variant: threads are part of the program. So is the BLAS of the same OpenMP.
# Before 1.0 CMakePackage came with spack.package, and a repository had no folder spack_repo.
from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class Temper(CMakePackage):
    """Fine-tunes pretrained transformer models over MPI on CPU nodes, with the same bits on any
    number of ranks and threads."""

    license("Apache-2.0")

    version("develop")

    variant(
        "kernels",
        default="all",
        values=("all", "v2", "v3", "v4"),
        multi=False,
        description="variants of x86-64 kernels: all, chosen at start, or one alone",
    )

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("python@3:", type="test")
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
        spec = self.spec
        kernels = spec.variants["kernels"].value
        return [
            self.define(
                "BLA_VENDOR",
                "OpenBLAS" if spec.satisfies("^[virtuals=blas] openblas") else "All",
            ),
            self.define("BUILD_TESTING", self.run_tests),
            self.define("HDF5_ROOT", spec["hdf5"].prefix),
            self.define("ScaLAPACK_LIBRARY", spec["scalapack"].libs[0]),
            self.define("TEMPER_KERNELS", "" if kernels == "all" else kernels),
        ]

    def check(self):
        """the quick tests, on the ranks that one machine has"""
        with working_dir(self.build_directory):
            which("ctest")("--output-on-failure", "--label-exclude", "^(long|lint)$")

    def test_version(self):
        """the program starts and names its libraries"""
        temper = which(self.prefix.bin.temper)
        out = temper("--version", output=str.split, error=str.split)
        assert "hdf5" in out

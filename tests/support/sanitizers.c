// Linked into every sanitized program: how the run-time libraries behave, whose leaks are known.

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__lsan_default_suppressions(void);
int dlclose(void *library);

/// tests/support/faulty_io.c is preloaded, so that it comes before ASan's library. Libraries up to
/// GCC 13 and Clang 16 guess from an address that a block of dynamic TLS has the header of glibc
/// 2.19, and sometimes die of it when they look for leaks: they are not told of these blocks.
const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0:exitcode=99:print_suppressions=0:intercept_tls_get_addr=0";
}

const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}

/// A leak is known by the direct caller of malloc: those libraries have no frame pointers, and to
/// walk the stack without them at each allocation makes programs ten times slower.
const char *__lsan_default_suppressions(void)
{
    return "leak:libmpi.so\n"             // what MPI_Finalize keeps
           "leak:libopen-rte.so\n"        // the same, of Open MPI's launcher
           "leak:libopen-pal.so\n"        // and of its base library
           "leak:/openmpi3/mca_\n"        // plugins of Open MPI
           "leak:libpmix.so\n"            // answers of the launcher
           "leak:libhwloc.so\n"           // Open MPI's copies of the topology
           "leak:libhdf5\n"               // object headers of damaged files
           "leak:__vasprintf_internal\n"; // Open MPI and PMIx: we call no asprintf
}

/// Open MPI unloads its plugins before leaks are looked for; their names would be unknown.
int dlclose(void *library)
{
    (void)library;
    return 0;
}
